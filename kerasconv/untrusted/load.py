"""Models and weights from files: what was looked over is what Keras is given."""

import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasconv._arguments import allowance, check_bool, check_model
from kerasconv.errors import KerasconvError, UsageError, one_line, short
from kerasconv.files import check_path
from kerasconv.untrusted import allowed
from kerasconv.untrusted.archive import Archive, damaged, inspect, refused

if TYPE_CHECKING:
    import keras

# A window of 1000x1000, say. Kernels of as many numbers take 80 MB.
MAX_COMPUTED = 1 << 20


def load_file(
    path: Path, *, trust: bool = False, sealed: bool = False
) -> "keras.Model":
    """The model in a `.keras` file, not compiled.

    Raises:
        KerasconvError: the file is missing, damaged, or refused.
    """
    check_bool("trust", trust)
    path = Path(os.path.expanduser(check_path("path", path)))
    archive = None if trust else inspect(path, sealed=sealed)
    if archive is None:
        inspect(path, trust=True, sealed=sealed)
    import kerasconv.layers  # noqa: F401  registers this package's layers

    if archive is None:
        return _build(path, path, safe_mode=False)
    # Keras would build the optimizers of nested models too.
    allowed.simplify(archive.config)
    try:
        allowed.resolve(archive.config)
    except allowed.NotAllowedError as error:
        raise refused(path, error) from error
    with tempfile.TemporaryDirectory(prefix="kerasconv-") as folder:
        copy = Path(folder) / "model.keras"
        archive.write(copy)
        model = _without_memory(archive, copy)
    try:
        for variable in model.variables:
            variable._deferred_initialize()
    except Exception as error:  # a seed, say, that the backend does not hold
        raise _unfit(path, error) from error
    return model


@contextmanager
def values_to_come() -> "Iterator[Callable[[keras.Model], None]]":
    """Within, a network is built and then filled at the cost of filling it alone.

    Keras fills each variable with random numbers when a layer is built; on JAX it
    compiles a program for each shape, seconds for what a file overwrites at once.
    Here variables wait, and those of a network that was given values, and then to the
    function that this yields, take these at the end. The others become random as ever.
    """
    from kerasconv._keras import keras

    with keras.StatelessScope() as scope:
        yield partial(_take, scope)


def _take(scope: "keras.StatelessScope", model: "keras.Model") -> None:
    """Let variables begin with the values that a scope has for them."""
    for variable in model.variables:
        value = scope.get_current_value(variable)
        if value is not None:
            variable._initializer = partial(_given, value)


def _given(value: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    return value


def load_tensors(model: "keras.Model", archive: Archive) -> None:
    """Give a built network the tensors of a file that has been looked over.

    Raises:
        ValueError: they do not fit the network, or an argument is another thing.
    """
    check_model(model)
    if not isinstance(archive, Archive):
        raise UsageError(
            "`archive` must be what `kerasconv.untrusted.inspect` gives. "
            f"Received: archive={short(archive)}"
        )
    with tempfile.TemporaryDirectory(prefix="kerasconv-") as folder:
        copy = Path(folder) / "model.weights.h5"
        copy.write_bytes(archive.hdf5())
        model.load_weights(copy)


def _open(path: Path, copy: Path) -> "keras.Model":
    """The model, unless layers of ours compute more from arguments than they may."""
    with allowance(MAX_COMPUTED) as granted:
        try:
            return _build(path, copy, safe_mode=True)
        finally:
            if granted.left < 0:
                raise refused(
                    path,
                    "its windows and the kernels that its layers compute take more "
                    f"than {MAX_COMPUTED:,} numbers",
                )


class _Sequential:
    """Keras's `Sequential`, built once: Keras builds it anew after every layer."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "keras.Sequential":
        from kerasconv._keras import keras

        model = keras.Sequential(name=config["name"])
        for i, layer in enumerate(config["layers"], 1):
            layer = keras.saving.deserialize_keras_object(layer)
            model.add(layer, rebuild=i == len(config["layers"]))
        shape = config.get("build_input_shape")
        if not model.built and isinstance(shape, list):
            model.build(shape)
        return model


def _build(path: Path, copy: Path, *, safe_mode: bool) -> "keras.Model":
    from kerasconv._keras import keras

    try:
        model = keras.saving.load_model(
            copy,
            {"Sequential": _Sequential} if safe_mode else None,
            compile=False,
            safe_mode=safe_mode,
        )
    except Exception as error:
        raise _unfit(path, error) from error
    if not isinstance(model, keras.Model):
        raise damaged(path, "what it holds is no model")
    return model


def _without_memory(archive: Archive, copy: Path) -> "keras.Model":
    """The model, whose variables have values to begin with and no memory yet.

    A few bytes of configuration can declare a layer of any size. Within a stateless
    scope Keras makes variables that have a shape and no value, so what is declared
    can be held to what is stored before anything is allocated. Such variables wait in
    a list of the thread's for their values: the thread is let go, and with it they.
    """
    found: list[Any] = []
    thread = threading.Thread(target=_try, args=(archive, copy, found))
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def _try(archive: Archive, copy: Path, found: list[Any]) -> None:
    from kerasconv._keras import keras

    try:
        with keras.StatelessScope(initialize_variables=False) as scope:
            model = _open(archive.path, copy)
            empty = [v for v in model.weights if scope.get_current_value(v) is None]
            _take(scope, model)
        declared = Counter((tuple(v.shape), _kind(v.dtype)) for v in model.weights)
        declared -= Counter(
            (tensor.shape, _kind(tensor.dtype.name))
            for tensor in archive.weights.values()
        )
        missing = [shape for shape, _ in declared] or [tuple(v.shape) for v in empty]
        if missing:
            raise damaged(
                archive.path,
                "its layers have weights that it does not store, of shape "
                + ", ".join(map(str, missing[:3])),
            )
        found.append(model)
    except Exception as error:
        found.append(error)


def _kind(dtype: Any) -> str:
    """Float, whole number or truth: widths may differ between backends."""
    name = str(dtype)
    if "float" in name or name == "void16":
        return "float"
    return "int" if "int" in name else name


def _unfit(path: Path, error: Exception) -> KerasconvError:
    text = str(error) or type(error).__name__
    # Keras prints the whole configuration before the reason, and for weights lists
    # all that it could not load and gives the reason for one.
    text = text.rpartition("Exception encountered: ")[2]
    _, found, example = text.partition("Example error message for object ")
    if found:
        example = one_line(example)
        return damaged(
            path, f"its layers and its weights do not fit one another ({example})"
        )
    return KerasconvError(
        f"{path} cannot be loaded: {one_line(text)}; was it saved by Keras 3?"
    )
