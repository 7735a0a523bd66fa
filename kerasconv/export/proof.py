"""Write a file, run it again, compare, and only then move it into place."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv import __version__, backends, files
from kerasconv._arguments import check_range
from kerasconv.errors import KerasconvError, UsageError, one_line, short
from kerasconv.export.formats import FORMATS, check, writers_of

if TYPE_CHECKING:
    import keras

    from kerasconv.export.writers import Job

__all__ = ["BATCHES", "TOLERANCE", "Exported", "export"]

TOLERANCE = 1e-5
"""Largest difference between a file's answer and Keras's: absolute on outputs in
[-1, 1], such as probabilities, and relative to the largest value of greater ones."""

BATCHES = (1, 7, 64)
"""The sizes of batch that a file is run on, where the model leaves it open."""

# Sizes for the axes that a model leaves open: the digits' own, and all different.
_OPEN = ((28, 28, 28, 28), (37, 45, 53, 61))

# The pixel in the middle of a digit, counted row by row.
_MIDDLE = 14 * 28 + 14


@dataclass(frozen=True)
class Exported:
    """A file that was written and proven.

    Attributes:
        path: The file; of OpenVINO's two the `.xml`, of a SavedModel the folder.
        format: One of `FORMATS`.
        backend: The Keras backend that wrote it.
        reference: The Keras backend that it was compared with.
        runtime: What ran it, with its version.
        shapes: The shapes of input that it was run on.
        outputs: The names of its outputs.
        differences: Output -> its largest difference from Keras; see `TOLERANCE`.
        refused: Backend -> why what it wrote before did not count.
    """

    path: Path
    format: str
    backend: str
    reference: str
    runtime: str
    shapes: tuple[tuple[int, ...], ...]
    outputs: tuple[str, ...]
    differences: dict[str, float]
    refused: dict[str, str]

    @property
    def difference(self) -> float:
        """The largest difference of all outputs."""
        return max(self.differences.values())


def export(
    model: "keras.Model | str | os.PathLike",
    path: str | os.PathLike,
    format: str,
    *,
    feature_maps: bool = False,
    input_range: tuple[float, float] | None = None,
    class_names: Sequence[str] | None = None,
    trust: bool = False,
) -> Exported:
    """Write a model for another runtime, once that runtime answers as Keras does.

    | format | file | written on | run again by |
    |---|---|---|---|
    | `"onnx"` | `.onnx` | tensorflow, torch | ONNX Runtime |
    | `"openvino"` | `.xml` and `.bin` | openvino, tensorflow, torch | OpenVINO |
    | `"litert"` | `.tflite` | tensorflow | LiteRT, its built-in operations |
    | `"saved_model"` | a folder | tensorflow | TensorFlow |
    | `"torch"` | `.pt2` | torch | torch |

    Where the running backend does not write the format, or wrote it wrong, another
    installed backend writes it from a `.keras` file, in a process of its own. Layers of
    yours must then be in a module that can be imported, not in the script that runs.

    The input is called `images` and has the model's shape; sizes that the model leaves
    open, as a rule the batch, stay open. Every output has the name of its layer.

    Args:
        model: A Keras model of one float32 input, functional or Sequential; or what
            `kerasconv.models.load_model` takes, the name of a model of the zoo or the
            path of a `.keras` file.
        path: Where to. What stands there is replaced only by a file that is proven.
        format: One of the formats above.
        feature_maps: Whether every layer's output is an output of the file.
        input_range: Least and largest value of an image as the model was trained;
            known of the zoo's models and of those with a card beside them.
        class_names: The name of each class; known likewise.
        trust: Of a path: as in `kerasconv.models.load_model`.

    Returns:
        What was written, on which backend, and the largest difference from Keras.

    The range, the layout of the input ("NHWC": batch, height, width, channels) and
    the class names go into the file, as text under `input_range`, `input_layout` and
    `class_names` (JSON): ONNX's `metadata_props`; OpenVINO's runtime information
    under `kerasconv`; LiteRT's metadata of that name, as JSON; `metadata.json` among
    torch's extra files, and in a SavedModel's folder `assets.extra`.

    Raises:
        UsageError: the format, the path or the model is not one that can be
            exported, or the facts do not fit the model.
        KerasconvError: something is not installed, or no backend wrote a file that
            runs and answers within `TOLERANCE` of Keras. No file is left then.

    Example:
        >>> import tempfile
        >>> from kerasconv.export import export
        >>> folder = tempfile.mkdtemp()
        >>> done = export("mnist_cnn", f"{folder}/digits.xml", "openvino")
        >>> done.outputs, done.difference < 1e-5
        (('dense',), True)
    """
    path = check(format, path)
    if isinstance(model, str | os.PathLike):
        known = _facts(model)
        input_range = input_range or known.get("input_range")
        class_names = class_names or known.get("class_names")
        name = known.get("model")
        from kerasconv.models import load_model

        model = load_model(model, trust=trust)
    else:
        name = None
    traced, outputs = _with_outputs(model, feature_maps)
    layout = _layout(model)
    facts = {
        "producer": f"kerasconv {__version__}",
        "model": name or model.name,
        "input_layout": layout,
        **_checked_facts(model, input_range, class_names),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.working_folder(path) as work:
            made = work / path.name
            done = _first_proven(traced, format, made, path, outputs, layout, facts)
            _move(made, path)
    except OSError as error:
        raise KerasconvError(
            f"{path} cannot be written ({error.strerror or error}); choose another "
            "place or make room"
        ) from error
    return done


# ----------------------------------------------------------------- what is known


def _facts(model: str | os.PathLike) -> dict[str, Any]:
    """What the card of a model says, in the zoo or beside a file."""
    from kerasconv.models import card_of, class_names

    card = card_of(model)
    if card is None:
        return {}
    return {
        "model": card.name,
        "class_names": class_names(card),
        # As kerasconv.pictures.to_unit makes them, for training and prediction.
        "input_range": (0.0, 1.0),
    }


def _checked_facts(
    model: "keras.Model",
    input_range: tuple[float, float] | None,
    class_names: Sequence[str] | None,
) -> dict[str, str]:
    facts = {}
    if input_range is not None:
        input_range = check_range("input_range", input_range)
        facts["input_range"] = json.dumps([float(n) for n in input_range])
    if class_names is not None:
        classes = model.outputs[0].shape[-1]
        named = isinstance(class_names, list | tuple)
        named = named and all(isinstance(name, str) for name in class_names)
        if not named or len(class_names) != classes:
            raise UsageError(
                f"`class_names` must be {classes} names, one for each output. "
                f"Received: class_names={short(class_names)}"
            )
        facts["class_names"] = json.dumps(list(class_names))
    return facts


def _layout(model: "keras.Model") -> str:
    """The axes of the input: batch, depth, height, width and channels."""
    from kerasconv._keras import keras

    formats = (getattr(layer, "data_format", None) for layer in model.layers)
    known = next(filter(None, formats), keras.config.image_data_format())
    spatial = "DHW"[max(0, 5 - len(model.inputs[0].shape)) :]
    return f"N{spatial}C" if known == "channels_last" else f"NC{spatial}"


def _with_outputs(
    model: "keras.Model", feature_maps: bool
) -> tuple["keras.Model", list[str]]:
    """The model with a list of outputs, and their names."""
    from kerasconv._keras import keras

    inputs, outputs = _ends(model)
    if len(inputs) != 1 or inputs[0].dtype != "float32":
        raise UsageError(
            "`model` must have one float32 input. Received: "
            f"{', '.join(str(tensor.dtype) for tensor in inputs)}"
        )
    if not 2 <= len(inputs[0].shape) <= 5:
        raise UsageError(
            "`model` must take a batch of vectors or of images with 1, 2 or 3 spatial "
            f"axes. Received: an input of shape {inputs[0].shape}"
        )
    chosen = [(t._keras_history.operation.name, t) for t in outputs]
    if feature_maps:
        mapped = [
            (layer.name, tensor)
            for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer)
            for tensor in keras.tree.flatten(layer.output)
        ]
        seen = {id(tensor) for _, tensor in mapped}
        chosen = mapped + [(n, t) for n, t in chosen if id(t) not in seen]
    names = _readable([name for name, _ in chosen])
    # A model of its own: what is saved of it has no optimizer and no metrics.
    return keras.Model(inputs[0], [tensor for _, tensor in chosen]), names


def _ends(model: "keras.Model") -> tuple[list[Any], list[Any]]:
    from kerasconv._keras import keras

    try:
        return keras.tree.flatten(model.inputs), keras.tree.flatten(model.outputs)
    except (AttributeError, ValueError) as error:
        raise UsageError(
            "`model` must be a functional or Sequential Keras model that is built. "
            f"Received: {type(model).__name__}"
        ) from error


def _readable(names: list[str]) -> list[str]:
    """Names that every format takes, no two alike, none that of the input."""
    taken = {"images"}
    result = []
    for name in (re.sub(r"\W", "_", name) for name in names):
        fresh, count = name, 1
        while fresh in taken:
            fresh, count = f"{name}_{count}", count + 1
        taken.add(fresh)
        result.append(fresh)
    return result


# --------------------------------------------------------------- write and prove


def _first_proven(
    model: "keras.Model",
    format: str,
    made: Path,
    path: Path,
    outputs: list[str],
    layout: str,
    facts: dict[str, str],
) -> Exported:
    """Have one backend after another write `made` until what it wrote is proven."""
    from kerasconv._keras import keras
    from kerasconv.export import writers

    here = keras.backend.backend()
    batches = list(_batches(tuple(model.inputs[0].shape), layout))
    try:
        expected = writers.answers(model, batches)
    except Exception as error:
        raise KerasconvError(
            f"the model itself does not run on {here}: {one_line(error)}"
        ) from error
    names = sorted(writers_of(format), key=lambda name: name != here)
    refused: dict[str, str] = {}
    for backend in names:
        job = writers.Job(format, str(made), outputs, layout, facts)
        try:
            _write(model, job, backend)
            differences = _prove(model, job, batches, expected)
        except KerasconvError as error:
            refused[backend] = str(error)
            _remove(made)
            continue
        return Exported(
            path=path,
            format=format,
            backend=backend,
            reference=here,
            runtime=f"{FORMATS[format].runtime} {version(FORMATS[format].runtime)}",
            shapes=tuple(batch.shape for batch in batches),
            outputs=tuple(outputs),
            differences=differences,
            refused=refused,
        )
    reasons = "; ".join(f"{backend}: {why}" for backend, why in refused.items())
    raise KerasconvError(f"the model has no {format} file that is right ({reasons})")


def _batches(shape: tuple[int | None, ...], layout: str) -> Iterator[np.ndarray]:
    """Real digits as a model of that input takes them, at every size that it may."""
    from kerasconv.digits import load_digits

    digits, _ = load_digits()
    if len(shape) == digits.ndim:
        digits = np.moveaxis(digits, -1, layout.index("C"))
    for open_sizes in _OPEN if None in shape[1:] else _OPEN[:1]:
        sizes = [
            size if n is None else n
            for n, size in zip(shape[1:], open_sizes, strict=False)
        ]
        fitted = np.stack([_fit(digit, sizes) for digit in digits])
        for count in BATCHES if shape[0] is None else (shape[0],):
            # They come class by class: a step of seven mixes them.
            yield fitted[7 * np.arange(count) % len(fitted)]


def _fit(digit: np.ndarray, sizes: list[int]) -> np.ndarray:
    """A digit, repeated or cut to other sizes from its middle, where the ink is."""
    if len(sizes) != digit.ndim:
        return np.resize(np.roll(digit, -_MIDDLE), sizes)
    for axis, size in enumerate(sizes):
        first = (digit.shape[axis] - size) // 2
        digit = digit.take(range(first, first + size), axis, mode="wrap")
    return digit


def _write(model: "keras.Model", job: "Job", backend: str) -> None:
    """Have a backend write it: another one reads a `.keras` file in its own process."""
    from kerasconv._keras import keras
    from kerasconv.export import writers

    if backend == keras.backend.backend():
        try:
            writers.write(model, job)
        except Exception as error:
            raise KerasconvError(f"cannot write it ({job.reason(error)})") from error
        return
    with tempfile.TemporaryDirectory() as folder:
        source, order = Path(folder, "model.keras"), Path(folder, "job.json")
        try:
            model.save(source)
        except Exception as error:
            raise KerasconvError(f"cannot save it ({one_line(error)})") from error
        order.write_text(json.dumps({"model": str(source), "job": vars(job)}))
        reason = _run("writers", order, KERAS_BACKEND=backend, KERAS_TORCH_DEVICE="cpu")
        if reason:
            reason = reason.replace(str(source), "the model")
            raise KerasconvError(f"cannot write it ({reason})")


def _prove(
    model: "keras.Model",
    job: "Job",
    batches: list[np.ndarray],
    expected: list[list[np.ndarray]],
) -> dict[str, float]:
    """By output, the largest difference between the file's answers and Keras's."""
    with tempfile.TemporaryDirectory() as folder:
        given, answered = Path(folder, "given.npz"), Path(folder, "answered.npz")
        np.savez(given, *batches)
        reason = _run("runtimes", job.format, job.path, given, answered)
        if reason:
            raise KerasconvError(f"the file does not run ({reason})")
        with np.load(answered) as arrays:
            found = dict(arrays)
    declared = json.loads(str(found.pop("shape")))
    if declared != list(model.inputs[0].shape):
        raise KerasconvError(
            f"the file takes {declared} where the model takes "
            f"{list(model.inputs[0].shape)}"
        )
    keys = {
        name: [f"arr_{i}:{name}" for i in range(len(batches))] for name in job.outputs
    }
    if found.keys() != {key for several in keys.values() for key in several}:
        raise KerasconvError(f"the file's outputs are {_names(found)}")
    differences = {}
    for name, wanted in zip(job.outputs, zip(*expected, strict=True), strict=True):
        pairs = zip(keys[name], wanted, strict=True)
        # NumPy's maximum, because NaN is the largest to it.
        largest = np.max([_difference(found[key], value) for key, value in pairs])
        if not largest <= TOLERANCE:
            raise KerasconvError(
                f"the file differs from Keras by {largest:.1e} in {name}, and "
                f"{TOLERANCE:g} is allowed"
            )
        differences[name] = float(largest)
    return differences


def _names(found: dict[str, np.ndarray]) -> str:
    return ", ".join(dict.fromkeys(key.partition(":")[2] for key in found))


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    if found.shape != wanted.shape:
        return float("inf")
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return float(np.abs(found - wanted).max(initial=0.0)) / scale


def _run(module: str, *arguments: object, **environment: str) -> str:
    """Run a module of this folder in a process of its own; why it failed, or ""."""
    # Writing and proof are the processor's work: an accelerator rounds otherwise.
    environment["CUDA_VISIBLE_DEVICES"] = "-1"
    return backends.in_fresh_process(
        "-m", f"kerasconv.export.{module}", *arguments, **environment
    )[1]


def _move(made: Path, path: Path) -> None:
    weights = made.with_suffix(".bin")
    if path.suffix == ".xml":
        # Old weights beside a new graph would be read without complaint; a graph
        # that is missing is not.
        path.unlink(missing_ok=True)
        files.move_into_place(weights, path.with_suffix(".bin"))
    files.move_into_place(made, path)


def _remove(made: Path) -> None:
    for path in (made, made.with_suffix(".bin")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
