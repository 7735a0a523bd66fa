"""A `.keras` file as the page's plain data: its layers, and their weights in float32.

Only what `untrusted.inspect` understood is read: no Keras, no backend. The page reads
a dropped file by itself (`page/file.js`), and tests hold the two to the same result.
"""

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np

from kerasconv.errors import KerasconvError, one_line
from kerasconv.untrusted import Archive

# What a browser computes and draws without the reader waiting.
MAX_SIDE, MAX_CHANNELS = 64, 3
MAX_WEIGHTS = 4_000_000
MAX_BYTES = 100_000_000  # of a file: so many weights, and what an optimizer kept
MAX_VALUES = 1_000_000
MAX_PRODUCTS = 500_000_000

ACTIVATIONS = ("linear", "relu", "sigmoid", "softmax", "softsign", "tanh")
_BORDERS = ("constant", "edge", "reflect", "symmetric", "wrap")
# How Keras calls the layers that store something, within the file.
_STORED = {
    "BatchNormalization": "batch_normalization",
    "Conv2D": "conv2d",
    "Dense": "dense",
    "WeightedPool": "weighted_pool",
}
TAKES = (
    "the page takes a chain of Conv2D, FixedConv, pools (Keras's and kerasconv's), "
    "BatchNormalization, Flatten, Dropout, Dense, ReLU, softmax and other plain "
    "activations, on images of up to 64x64x3"
)


def network(archive: Archive, name: str) -> dict[str, Any]:
    """What the page needs to know of a network.

    Args:
        archive: The file, looked over.
        name: What the page shall call it.

    Returns:
        `name`, `classes` ("0", "1", ...), `input` (height, width, channels), `layers`
        (a dict each, its weights as positions in the whole) and `weights`, float32 of
        shape (n,).

    Raises:
        KerasconvError: it is not a chain of layers that the page computes.

    Example:
        >>> from kerasconv import untrusted
        >>> found = network(untrusted.inspect("mine.keras"), "mine")
        >>> [layer["kind"] for layer in found["layers"]]
        ['conv', 'pool', 'flatten', 'dense']
    """
    try:
        return _Converter(archive.weights).convert(archive.config, name)
    except _NotShownError as error:
        reason = one_line(error, length=300)
        raise KerasconvError(
            f"{archive.path} cannot be shown: {reason}; {TAKES}"
        ) from error


class _NotShownError(ValueError):
    """Why the page cannot show a network."""


class _Converter:
    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors = tensors
        self.weights: list[np.ndarray] = []
        self.count = 0
        self.used: Counter[str] = Counter()
        self.products = 0

    def convert(self, config: dict[str, Any], name: str) -> dict[str, Any]:
        shape, chain = _chain(config)
        start = list(shape)
        layers = []
        for layer in chain:
            kind, settings = layer["class_name"], _dict(layer.get("config"))
            where = f"its layer {settings.get('name')!r}"
            make = getattr(self, f"_{kind}", None)
            if make is None:
                raise _NotShownError(f"{where} is of the kind {kind}")
            if settings.get("data_format", "channels_last") != "channels_last":
                raise _NotShownError(f"{where} has the channels first")
            stored = _STORED.get(kind)
            if stored:
                number = self.used[stored]
                self.used[stored] += 1
                stored = f"layers/{stored}{f'_{number}' if number else ''}/vars"
            try:
                made = make(settings, shape, stored)
                shape = _output(made, shape)
            except _NotShownError as error:
                raise _NotShownError(f"{where} {error}") from None
            layers.append({"name": str(settings.get("name")), **made})
            if math.prod(shape) > MAX_VALUES or self.count > MAX_WEIGHTS:
                raise _NotShownError("it is too large to be computed in a page")
            window = math.prod(made.get("size", ())) * made.get("each", 1)
            self.products += math.prod(shape) * window
        if not layers:
            raise _NotShownError("it has no layers")
        if self.products > MAX_PRODUCTS:
            raise _NotShownError("it is too large to be computed in a page")
        for made in layers:
            made.pop("each", None)
        return {
            "name": name,
            "classes": [str(i) for i in range(shape[2])],
            "input": start,
            "layers": layers,
            "weights": np.concatenate([*self.weights, np.zeros(0, "<f4")]),
        }

    # ------------------------------------------------------------------- weights

    def _store(self, place: str, shape: tuple[int, ...]) -> int:
        """Put a stored tensor behind the others; where it begins."""
        return self._append(self._read(place, shape))

    def _read(self, place: str, shape: tuple[int, ...]) -> np.ndarray:
        found = self.tensors.get(place)
        if found is None:
            raise _NotShownError(f"has no stored {place}")
        if found.shape != shape:
            raise _NotShownError(
                f"needs weights of shape {shape} and stores {found.shape}"
            )
        if found.dtype != np.dtype("<f4"):
            raise _NotShownError("has weights that are not float32")
        return found

    def _append(self, values: np.ndarray) -> int:
        if not np.isfinite(values).all():
            raise _NotShownError("has weights that are no finite numbers")
        start = self.count
        self.weights.append(np.asarray(values, "<f4").ravel())
        self.count += values.size
        return start

    # -------------------------------------------------- the layers, by their class

    def _Conv2D(self, settings, shape, stored):
        filters = _int(settings.get("filters"), "filters")
        groups = _int(settings.get("groups", 1), "groups")
        if shape[2] % groups or filters % groups:
            raise _NotShownError(f"has {groups} groups for {shape[2]} channels")
        size, each = _pair(settings.get("kernel_size")), shape[2] // groups
        kernel = self._store(f"{stored}/0", (*size, each, filters))
        bias = settings.get("use_bias", True)
        return {
            "kind": "conv",
            "size": size,
            "strides": _pair(settings.get("strides", 1)),
            "dilation": _pair(settings.get("dilation_rate", 1)),
            "padding": _padding(settings),
            "border": "constant",
            "centred": False,
            "groups": groups,
            "filters": filters,
            "activation": _activation(settings.get("activation")),
            "kernel": kernel,
            "bias": self._store(f"{stored}/1", (filters,)) if bias else None,
            "each": each,
        }

    def _FixedConv(self, settings, shape, stored):
        try:
            kernels = np.asarray(settings.get("kernels"), "float64")
        except (TypeError, ValueError):
            kernels = np.zeros(0)
        kernels = kernels if kernels.ndim == 3 else kernels[None]
        if kernels.ndim != 3 or not kernels.size or max(kernels.shape[1:]) > MAX_SIDE:
            raise _NotShownError("has kernels that are no small images")
        if settings.get("output") != "components":
            raise _NotShownError(f"gives {settings.get('output')!r}")
        if settings.get("border_mode") not in _BORDERS:
            raise _NotShownError("has a border of an unknown kind")
        # Every channel by itself, and its maps side by side: a group a channel.
        spread = np.tile(np.moveaxis(kernels, 0, -1), (1, 1, shape[2]))
        return {
            "kind": "conv",
            "size": list(kernels.shape[1:]),
            "strides": _pair(settings.get("strides", 1)),
            "dilation": _pair(settings.get("dilation_rate", 1)),
            "padding": _padding(settings),
            "border": settings["border_mode"],
            "centred": True,
            "groups": shape[2],
            "filters": spread.shape[2],
            "activation": "linear",
            "kernel": self._append(spread.astype("<f4")),
            "bias": None,
            "each": 1,
        }

    def _Dense(self, settings, shape, stored):
        filters = _int(settings.get("units"), "units")
        bias = settings.get("use_bias", True)
        return {
            # On a map it is a convolution of one pixel.
            "kind": "dense" if shape[0] == shape[1] == 1 else "conv",
            "size": [1, 1],
            "strides": [1, 1],
            "dilation": [1, 1],
            "padding": "valid",
            "border": "constant",
            "centred": False,
            "groups": 1,
            "filters": filters,
            "activation": _activation(settings.get("activation")),
            "kernel": self._store(f"{stored}/0", (shape[2], filters)),
            "bias": self._store(f"{stored}/1", (filters,)) if bias else None,
            "each": shape[2],
        }

    def _MaxPooling2D(self, settings, shape, stored):
        return _pool("max", settings)

    def _AveragePooling2D(self, settings, shape, stored):
        return _pool("average", settings)

    def _GlobalMaxPooling2D(self, settings, shape, stored):
        return _pool("max", {"pool_size": shape[:2]})

    def _GlobalAveragePooling2D(self, settings, shape, stored):
        return _pool("average", {"pool_size": shape[:2]})

    def _LpPool(self, settings, shape, stored):
        p = settings.get("p", 2)
        if not isinstance(p, int | float) or not 1 <= p < 100:
            raise _NotShownError(f"has the order {p!r}")
        mean = settings.get("mean") is True
        return {**_pool("lp", settings), "p": p, "mean": mean}

    _L2Pool = _LpPool

    def _WeightedPool(self, settings, shape, stored):
        made = _pool("weighted", settings)
        weights, count = settings.get("weights"), math.prod(made["size"])
        each = settings.get("per_channel") is True
        logits = None
        if weights == "learned":
            stored_shape = (count, shape[2]) if each else (count,)
            logits = self._store(f"{stored}/0", stored_shape)
        elif isinstance(weights, list):
            weights = np.asarray(weights, "float64").ravel().tolist()
            if len(weights) != count or not sum(weights) > 0:
                raise _NotShownError("has weights that do not fit its window")
        elif weights not in ("binomial", "gaussian", "inverse_distance"):
            raise _NotShownError(f"has the weights {weights!r:.40}")
        return {**made, "weights": weights, "logits": logits, "own": each}

    def _BatchNormalization(self, settings, shape, stored):
        if settings.get("axis", -1) not in (-1, 3, [-1], [3]):
            raise _NotShownError("normalises another axis than the maps")
        places = iter(range(4))

        def read() -> np.ndarray:
            return self._read(f"{stored}/{next(places)}", (shape[2],)).astype("float64")

        gamma = read() if settings.get("scale", True) else np.ones(shape[2])
        beta = read() if settings.get("center", True) else np.zeros(shape[2])
        mean, variance = read(), read()
        scale = gamma / np.sqrt(variance + float(settings.get("epsilon", 1e-3)))
        return {
            "kind": "norm",
            "scale": self._append(scale.astype("<f4")),
            "shift": self._append((beta - mean * scale).astype("<f4")),
        }

    def _ReLU(self, settings, shape, stored):
        odd = (
            settings.get(key) for key in ("max_value", "negative_slope", "threshold")
        )
        if any(odd):
            raise _NotShownError("is a ReLU with a slope, a threshold or a limit")
        return {"kind": "activation", "activation": "relu"}

    def _Softmax(self, settings, shape, stored):
        if settings.get("axis", -1) not in (-1, [-1]):
            raise _NotShownError("is a softmax along another axis")
        return {"kind": "activation", "activation": "softmax"}

    def _Activation(self, settings, shape, stored):
        name = _activation(settings.get("activation"))
        return {"kind": "activation", "activation": name}

    def _Flatten(self, settings, shape, stored):
        return {"kind": "flatten"}

    def _Dropout(self, settings, shape, stored):
        return {"kind": "dropout"}


def _chain(config: dict[str, Any]) -> tuple[list[int], list[dict[str, Any]]]:
    """The input's (height, width, channels), and the layers one after another."""
    inner = _dict(config.get("config"))
    listed = inner.get("layers")
    layers = [_dict(layer) for layer in listed] if isinstance(listed, list) else []
    kind = config.get("class_name")
    if kind not in ("Sequential", "Functional") or not layers:
        raise _NotShownError(f"it is a model of the kind {kind}")
    shape = _dict(config.get("build_config")).get("input_shape")
    if layers[0].get("class_name") == "InputLayer":
        shape = _dict(layers[0].get("config")).get("batch_shape")
        if kind == "Functional":
            _check_line(layers)
        layers = layers[1:]
    if not isinstance(shape, list) or len(shape) != 4:
        raise _NotShownError("it does not take images")
    sides = shape[1:]
    if not all(type(n) is int and n > 0 for n in sides):
        raise _NotShownError("it takes images of no fixed size")
    if max(sides[:2]) > MAX_SIDE or sides[2] > MAX_CHANNELS:
        raise _NotShownError(f"it takes images of {'x'.join(map(str, sides))}")
    return sides, layers


def _check_line(layers: list[dict[str, Any]]) -> None:
    """Refuse a functional model in which a layer has another input than the last."""
    for before, layer in itertools.pairwise(layers):
        nodes = layer.get("inbound_nodes")
        try:
            (node,) = nodes  # type: ignore[misc]
            (tensor,) = node["args"]
            source = tensor["config"]["keras_history"][0]
        except (TypeError, ValueError, KeyError, IndexError):
            source = None
        if source is None or source != before.get("name"):
            raise _NotShownError("its layers are not one chain")


def _output(made: dict[str, Any], shape: list[int]) -> list[int]:
    if made["kind"] == "flatten":
        return [1, 1, math.prod(shape)]
    if "size" not in made:
        return shape
    sides = []
    for n, k, s, d in zip(
        shape,
        made["size"],
        made["strides"],
        made.get("dilation", [1, 1]),
        strict=False,
    ):
        room = n - (k - 1) * d if made["padding"] == "valid" else n
        if room < 1:
            raise _NotShownError("has a window that is larger than its input")
        sides.append((room - 1) // s + 1)
    return [*sides, made.get("filters", shape[2])]


def _pool(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    size = _pair(settings.get("pool_size"))
    strides = settings.get("strides")
    return {
        "kind": "pool",
        "pool": kind,
        "size": size,
        "strides": size if strides is None else _pair(strides),
        "padding": _padding(settings),
    }


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _int(value: Any, what: str) -> int:
    if type(value) is not int or not 1 <= value <= MAX_WEIGHTS:
        raise _NotShownError(f"has {value!r:.40} {what}")
    return value


def _pair(value: Any) -> list[int]:
    pair = [value, value] if type(value) is int else value
    if not isinstance(pair, list) or len(pair) != 2:
        raise _NotShownError(f"has a window of {value!r:.40}")
    if not all(type(n) is int and 1 <= n <= MAX_SIDE for n in pair):
        raise _NotShownError(f"has a window of {value!r:.40}")
    return list(pair)


def _padding(settings: dict[str, Any]) -> str:
    padding = settings.get("padding", "valid")
    if padding not in ("valid", "same"):
        raise _NotShownError(f"has the padding {padding!r:.40}")
    return padding


def _activation(value: Any) -> str:
    name = "linear" if value is None else value
    if name not in ACTIVATIONS:
        raise _NotShownError(f"has the activation {name!r:.40}")
    return name
