"""Which classes and functions a configuration may name, and how large it may be.

Keras builds whatever the configuration in a `.keras` file names. What is listed here
only computes; anything else (a `Lambda`, a layer that loads a SavedModel or a Torch
module, a class of somebody's own) may run code and is refused.
"""

import importlib
import math
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 100
MAX_OBJECTS = 20_000
# 64 million numbers, say an image of 4000x5000 pixels in three channels.
MAX_ELEMENTS = 1 << 26

# A list of what is known to be harmless, so that a layer that a later Keras brings
# is not taken before somebody has looked at it: a test holds the list to the layers
# of the installed Keras, less those that run code.
_LAYERS = """
Activation ActivityRegularization AdaptiveAveragePooling1D
AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D
AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout
Attention AugMix AutoContrast Average AveragePooling1D AveragePooling2D
AveragePooling3D BatchNormalization Bidirectional CategoryEncoding CenterCrop
Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose
Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D
Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D
Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten GRU
GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization GroupQueryAttention
GroupedQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup
LSTM LSTMCell LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes
MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp
MultiHeadAttention Multiply Normalization PReLU Permute Pipeline RMSNormalization
RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing
ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D SimpleRNN
SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D
SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract
TextVectorization TimeDistributed UnitNormalization UpSampling1D UpSampling2D
UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
"""
LAYERS = frozenset(_LAYERS.split())

# Every object in these modules of Keras is harmless.
_WHOLE_MODULES = frozenset(
    f"keras.{name}"
    for name in (
        "constraints",
        "dtype_policies",
        "initializers",
        "losses",
        "metrics",
        "optimizers",
        "optimizers.schedules",
        "quantizers",
        "regularizers",
    )
)

# What a model was compiled with on torch: ignored there, refused anywhere else.
_TORCH_OPTIMIZERS = "keras.src.backend.torch.optimizers.torch_"

# Operations that a functional model applies to tensors (`x + 1`, `ops.relu(x)`).
_OPERATIONS = "keras.src.ops."
_OPERATION_MODULES = {"einops", "image", "linalg", "math", "nn", "numpy"}
# Those of `keras.ops.core` that do not call a function that they are given.
_CORE = {
    "Cast",
    "ConvertToTensor",
    "SaturateCast",
    "Scatter",
    "ScatterUpdate",
    "Slice",
    "SliceUpdate",
    "StopGradient",
    "Unstack",
}

_CLASSES = {
    "keras": {"DTypePolicy", "Sequential"},
    "keras.layers": LAYERS,
    "keras.random": {"SeedGenerator"},
    "keras.src.applications.convnext": {"LayerScale"},
    "keras.src.models.functional": {"Functional"},
    f"{_OPERATIONS}core": _CORE,
}

# Plain values that JSON has no form for.
_VALUES = {
    "__bytes__",
    "__ellipsis__",
    "__keras_tensor__",
    "__numpy__",
    "__slice__",
    "__tensor__",
}
_NUMBERS = re.compile(r"bool|u?int(8|16|32|64)|b?float16|float(32|64)")

# The homes of functions that a configuration may name.
_FUNCTIONS = (
    "activations",
    "constraints",
    "initializers",
    "losses",
    "metrics",
    "regularizers",
)
_NO_FUNCTIONS = {"deserialize", "get", "serialize"}


class NotAllowedError(ValueError):
    """A configuration names something outside the list, or is beyond a limit."""


def check(config: dict[str, Any]) -> None:
    """Hold a configuration to the list and the limits, without importing Keras.

    Raises:
        NotAllowedError: the message completes "the file is refused: ...".
    """
    objects = 0
    todo: list[tuple[Any, int]] = [(config, 1)]
    while todo:
        item, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise NotAllowedError(f"its configuration nests deeper than {MAX_DEPTH}")
        if isinstance(item, dict):
            if "class_name" in item:
                objects += 1
                _check_object(item)
            for key, value in item.items():
                _check_entry(key, value)
                todo.append((value, depth + 1))
        elif isinstance(item, list):
            todo.extend((value, depth + 1) for value in item)
    if objects > MAX_OBJECTS:
        raise NotAllowedError(
            f"its configuration names {objects:,} objects; the limit is {MAX_OBJECTS:,}"
        )


def resolve(config: dict[str, Any]) -> None:
    """Check that Keras will take every name for what the list means by it.

    Keras looks first among the classes and functions that a program has registered,
    so a name of Keras's own could lead elsewhere.

    Args:
        config: The configuration, once `check` has passed it and
            `drop_compilation` has shortened it.

    Raises:
        NotAllowedError: as `check`.
    """
    from kerasconv._keras import keras

    done = set()
    for item in _objects(config):
        name, module = item["class_name"], item.get("module") or ""
        if name in _VALUES:
            continue
        registered = item.get("registered_name") or name
        function = item["config"] if name == "function" else ""
        if (key := (name, module, registered, function)) in done:
            continue
        done.add(key)
        found = keras.saving.get_registered_object(function or registered)
        if function:
            if found is not None or not _is_keras_function(keras, function):
                raise _runs_code(f"the function {function}")
        elif module.startswith("kerasconv."):
            if found is None or not (
                found.__name__ == name and found.__module__.startswith("kerasconv.")
            ):
                raise _runs_code(registered)
        elif (
            found is not None
            or module.startswith(_TORCH_OPTIMIZERS)
            or not _is_keras_class(keras, module, name)
        ):
            raise _runs_code(f"{module}.{name}")


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    todo = [config]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def drop_compilation(config: dict[str, Any]) -> None:
    """Remove what says how the model, and any model within it, was compiled."""
    for item in _objects(config):
        item.pop("compile_config", None)


def _is_keras_function(keras: Any, name: str) -> bool:
    return name not in _NO_FUNCTIONS and any(
        callable(getattr(getattr(keras, home), name, None)) for home in _FUNCTIONS
    )


def _is_keras_class(keras: Any, module: str, name: str) -> bool:
    if module.startswith("keras.src."):
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError:
            return False
        return isinstance(found, type) and found.__module__ == module
    home = keras
    for part in module.split(".")[1:]:
        home = getattr(home, part, None)
    return isinstance(getattr(home, name, None), type)


def _check_object(item: dict[str, Any]) -> None:
    name = item["class_name"]
    module = item.get("module")
    registered = item.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str | None):
        raise NotAllowedError("its configuration names a class by what is no text")
    where = f"{module}.{name}" if module else name
    if "module" not in item and name in _VALUES:
        _check_value(name, item.get("config"))
    elif name == "function":
        wanted = item.get("config")
        if not isinstance(wanted, str) or not wanted.isidentifier():
            raise _runs_code(f"a function called {wanted!r:.60}")
        if module != "builtins" or registered not in (None, "function", wanted):
            raise _runs_code(f"the function {module}.{wanted}")
    elif module is not None and module.startswith("kerasconv."):
        if registered != f"kerasconv>{name}":
            raise _runs_code(f"{where}, registered as {registered!r:.60}")
        _check_kernel(item)
    elif not _is_listed(module, name):
        raise _runs_code(where)
    elif registered not in (None, name):
        raise _runs_code(f"{where}, registered as {registered!r:.60}")


def _check_kernel(item: dict[str, Any]) -> None:
    """Refuse a classical kernel that is computed, not stored, and is huge."""
    config, built = item.get("config"), item.get("build_config")
    size = config.get("kernel_size") if isinstance(config, dict) else None
    shape = built.get("input_shape") if isinstance(built, dict) else None
    rank = max(1, len(shape) - 2) if isinstance(shape, list) else 3
    if isinstance(size, int) and abs(size) > (MAX_ELEMENTS // 8) ** (1 / min(rank, 3)):
        raise NotAllowedError(f"it declares a kernel_size of {size:,}")


def _is_listed(module: str | None, name: str) -> bool:
    if module is None or not name.isidentifier() or name.startswith("_"):
        return False
    if module in _WHOLE_MODULES or name in _CLASSES.get(module, ()):
        return True
    if module.startswith(_TORCH_OPTIMIZERS):
        return True
    package, _, last = module.rpartition(".")
    return f"{package}." == _OPERATIONS and last in _OPERATION_MODULES and name != "JVP"


def _check_value(name: str, config: Any) -> None:
    if name not in ("__numpy__", "__tensor__"):
        return
    dtype = config.get("dtype") if isinstance(config, dict) else None
    # A type of text may have any length a piece, and one of objects is a pickle's.
    if not isinstance(dtype, str) or not _NUMBERS.fullmatch(dtype):
        raise NotAllowedError(f"it holds an array of the type {dtype!r:.60}")


def _check_entry(key: str, value: Any) -> None:
    if key == "vocabulary" and isinstance(value, str):
        raise NotAllowedError("a layer of it reads its vocabulary from another file")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise NotAllowedError(f"its {key[:40]!r} is too large a number")
    elif key.endswith("shape") and isinstance(value, list):
        elements = math.prod(n for n in value if isinstance(n, int))
        if elements > MAX_ELEMENTS:
            raise NotAllowedError(
                f"it declares a {key[-40:]} of {elements:,} elements; the limit is "
                f"{MAX_ELEMENTS:,}"
            )
    elif key == "inbound_nodes" and isinstance(value, list):
        # A call without a symbolic tensor is computed at once, at any size.
        for node in value:
            if not isinstance(node, dict) or not any(
                item["class_name"] == "__keras_tensor__" for item in _objects(node)
            ):
                raise NotAllowedError("a layer of it is called on no tensor")


def _runs_code(what: str) -> NotAllowedError:
    what = " ".join(what.split())[:120]
    return NotAllowedError(
        f"it holds {what}, which can run code of its own; only Keras's plain layers "
        "and those of kerasconv are loaded"
    )
