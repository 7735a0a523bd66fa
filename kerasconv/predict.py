"""A compiled predictor: images in, probabilities out, at little cost a call.

`model.predict` prepares a data pipeline and callbacks at each call, which takes
milliseconds; a network of this size needs a fraction of one.
"""

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from kerasconv._arguments import check_model, check_range, is_int
from kerasconv._keras import keras
from kerasconv._pixels import to_unit
from kerasconv.errors import KerasconvError, short

if TYPE_CHECKING:
    from kerasconv.compiled.steps import Step

__all__ = ["Predictor", "feature_maps"]

Shape = tuple[int, ...]
Forward = Callable[[np.ndarray], np.ndarray]

# Keras, and torch's export, trace one model at a time, whoever's it is.
_tracing = threading.Lock()

# Floats this many times the largest value that a model takes are no such values.
_BEYOND = 16

# Images in all for which a batch is worth compiling, where that takes a while: on JAX
# about 0.3 s, in which it answers so many digits one by one.
_PAYS = 1000

# Multiplications in all for which compiling pays: NumPy does so many in that time.
_WORTH = 2.5e9

# Images a batch, where nobody says; and on a GPU, which computes many as fast as few,
# the values in the images of one.
_BATCH = 128
_VALUES_OF_BATCH = 1 << 20

# Backends on which a call costs much and is computed in part on one thread: a batch is
# so many bytes of what the largest convolution gives, or so many images, and from so
# many multiplications a batch two at a time are faster. On the others it makes no
# difference.
_LARGE_CALLS = ("tensorflow",)
_BYTES_OF_BATCH, _MOST = 1 << 26, 1024
_PAYS_A_THREAD = 1 << 24

# Backends whose compiled model takes any number of images; the others compile for each.
_ANY_NUMBER = ("tensorflow", "openvino", "numpy")

# Backends on which a chain of steps is the faster: JAX and TensorFlow compile what
# Keras's layers say as well.
_OF_STEPS = ("torch", "openvino", "numpy")

# Backends that take a while to compile what NumPy may do meanwhile, and those of which
# one call costs more than the whole of a small network in NumPy.
_COMPILE_LONG = ("jax", "tensorflow", "openvino")
_CALLS_COST = ("jax", "tensorflow", "torch")

# How often the weights of a model that is being trained are read before giving up.
_READS = 100


class Predictor:
    """The forward pass of a model, compiled once and safe to share between threads.

    It is compiled for one image and for `batch_size` images, each at its first use or
    by `warm_up`; any other number of images is cut into batches, and where a program
    takes one number of images only (always on JAX) the last batch is padded. Of a
    network that is a chain of Keras's own layers NumPy answers, on JAX, TensorFlow and
    PyTorch, calls that take up to 2.6 million multiplications, as one digit does: it
    is the faster there, and nothing is compiled for them. On JAX, TensorFlow and
    OpenVINO it answers the first images of larger calls, about a thousand digits: for
    a few, compiling does not pay. Inference mode: dropout does nothing, batch
    normalisation uses its moving statistics.

    On a GPU, JAX and NumPy multiply in float32 here. TensorFlow and PyTorch round to
    TF32, to three digits, unless told otherwise for the whole program:
    `tf.config.experimental.enable_tensor_float_32_execution(False)`,
    `torch.backends.cudnn.allow_tf32 = False`.

    Of many images TensorFlow computes two batches at a time.

    The weights are those of the moment when it was made, on every backend, whatever
    becomes of the model later: make a new one after training further. It can be
    pickled and deep-copied; the copy compiles anew, also on another backend.

    Args:
        model: A built Keras model with one image input and one output.
        batch_size: Images a batch, at most. Larger batches need more memory and, for
            networks of this size, are hardly faster. "auto" is 128; on a GPU as many
            as hold a million values, and on TensorFlow as many, up to 1,024, as the
            largest convolution makes 64 MiB of, where those are more. With None it is
            the same, and where NumPy does not answer the first images they are
            answered one by one until they are a thousand in all: for a program that
            may have a few images only, of which none shall wait for a second
            compilation.
        input_range: The least and the largest value of an image as the model takes
            it: uint8 pixels are brought to it. (0, 255) suits a model that begins
            with its own `Rescaling`.

    Raises:
        ValueError: the model is no built Keras model, has several inputs or outputs,
            an input that is no floats or of unknown size, or an argument makes no
            sense.
        KerasconvError: another thread trains the model, and its weights cannot be
            had (on JAX `fit` takes them out of the model until an epoch ends).

    Example:
        >>> from kerasconv.digits import load_digits
        >>> from kerasconv.models import mnist_cnn
        >>> predictor = Predictor(mnist_cnn())
        >>> images, labels = load_digits()
        >>> predictor(images).shape
        (64, 10)
        >>> predictor(images[0]).shape
        (10,)
    """

    def __init__(
        self,
        model: "keras.Model",
        *,
        batch_size: int | Literal["auto"] | None = "auto",
        input_range: tuple[float, float] = (0, 1),
    ) -> None:
        if not (
            batch_size is None
            or (isinstance(batch_size, str) and batch_size == "auto")
            or (is_int(batch_size) and batch_size >= 1)
        ):
            raise ValueError(
                '`batch_size` must be a positive int, "auto" or None. '
                f"Received: {short(batch_size)}"
            )
        check_model(model)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(
                "`model` must have one input and one output. Received: "
                f"{len(model.inputs)} and {len(model.outputs)}"
            )
        self.input_shape = tuple(model.inputs[0].shape[1:])
        if None in self.input_shape:
            raise ValueError(
                "`model` must have an input of known size. Received: an input of "
                f"shape {self.input_shape}"
            )
        _check_floats(model)
        self.batch_size = batch_size
        self.input_range = check_range("input_range", input_range)
        self._model = model
        with _tracing:
            self._weights = _weights_of(model)
            program = _program_of(model, self._weights, self.input_shape)
        self._forward, self._takes_any = program.forward, program.takes_any
        # NumPy, which answers a few images in a call, and so many before compiling.
        self._quick, self._few, self._left = program.quick, program.few, program.worth
        self._compiled: set[int | None] = set()
        if batch_size is None or batch_size == "auto":
            self._batch = program.batch
        else:
            self._batch = batch_size
        self._overlaps = self._batch > program.apart and (os.cpu_count() or 1) > 1
        # Images that are answered one by one before a batch is compiled.
        waits = batch_size is None and not self._takes_any and not self._left
        self._alone = _PAYS if waits else 0

    def __reduce__(self) -> tuple:
        with _tracing:
            config = keras.saving.serialize_keras_object(self._model)
        config.pop("compile_config", None)
        settings = {"batch_size": self.batch_size, "input_range": self.input_range}
        return _revived, (config, self._weights, settings)

    def __call__(self, images: Any) -> np.ndarray:
        """The model's output for one image or many.

        Args:
            images: Images of the model's input shape, with or without a batch axis in
                front: floats in the model's range, or uint8 pixels, which are brought
                to it. Or anything that gives batches of images one after the other,
                or pairs of which these are the first: a `tf.data.Dataset`, a
                `keras.utils.PyDataset`, a `torch.utils.data.DataLoader`, a generator.

        Returns:
            float32 array, a row an image; without the batch axis if `images` has
            none.

        Raises:
            ValueError: the images are of another shape or type; or they are floats
                that plainly are pixels: none is negative, and one is over 16 times
                the largest value of `input_range`.
        """
        if not isinstance(images, np.ndarray):
            if not (hasattr(images, "__array__") or isinstance(images, _VALUES)):
                return self._answer_each(_batches(images))
            images = _array(images)
        images = self._checked(images)
        if images.shape == self.input_shape:
            return self._run(images[None])[0]
        if images.shape[1:] != self.input_shape:
            raise ValueError(
                f"`images` must be of shape {self.input_shape}, or that with a batch "
                f"axis in front. Received: shape {images.shape}"
            )
        if len(images) == 1:
            return self._run(images)
        if 0 < len(images) <= self._alone:
            self._alone -= len(images)
            return np.concatenate([self._run(image[None]) for image in images])
        self._alone = 0
        if not len(images):
            return self._run(np.zeros((1, *self.input_shape), np.float32))[:0]
        if self._takes_any:
            count = -(-len(images) // self._batch)
            if count > 1 and self._overlaps:
                count += count % 2
            batches = np.array_split(images, count)
        else:
            batches = np.split(images, range(self._batch, len(images), self._batch))
        return np.concatenate(self._run_all(batches))

    def _run_all(self, batches: list[np.ndarray]) -> list[np.ndarray]:
        """What each gives, two at a time once the program is there."""
        answers: list[np.ndarray] = []
        while len(answers) < len(batches) - 1 and (
            self._shape_of(self._batch) not in self._compiled
            or self._is_quick(len(batches[len(answers)]))
        ):
            answers.append(self._run_batch(batches[len(answers)]))
        rest = batches[len(answers) :]
        if len(rest) == 1 or not self._overlaps:
            return answers + [self._run_batch(batch) for batch in rest]
        with ThreadPoolExecutor(2) as threads:
            return answers + list(threads.map(self._run_batch, rest))

    def warm_up(self) -> None:
        """Compile now what calls will need: one image, and a batch.

        A server calls it before it takes requests. It takes some tenths of a second on
        JAX and, for a model that is no chain of Keras's own layers, on PyTorch.
        """
        self._left = 0
        for count in (1, self._batch):
            self._run(np.zeros((count, *self.input_shape), np.float32))
        self._alone = 0

    def _checked(self, images: np.ndarray) -> np.ndarray:
        """The images as floats in the model's range."""
        least, largest = self.input_range
        if images.dtype == np.uint8:
            images = to_unit(images)
            if (least, largest) != (0, 1):
                images = images * np.float32(largest - least) + np.float32(least)
            return np.ascontiguousarray(images)
        if not np.issubdtype(images.dtype, np.floating):
            raise ValueError(
                f"`images` must hold floats in [{least}, {largest}], or uint8 pixels. "
                f"Received: dtype {images.dtype}"
            )
        images = np.ascontiguousarray(images, np.float32)
        if images.size and (top := images.max()) > _BEYOND * largest:
            bottom = images.min()
            if bottom >= 0:
                raise ValueError(
                    f"`images` must hold floats in [{least}, {largest}]. Received: "
                    f"floats from {bottom:g} to {top:g}; divide pixels by 255 or give "
                    "them as uint8, or state the model's own range as `input_range`"
                )
        return images

    def _answer_each(self, batches: Iterator[Any]) -> np.ndarray:
        answers = []
        for batch in batches:
            images = _array(batch[0] if isinstance(batch, list | tuple) else batch)
            one = images.shape == self.input_shape
            answers.append(self(images[None] if one else images))
        if not answers:
            return self(np.zeros((0, *self.input_shape), np.float32))
        return np.concatenate(answers)

    def _run_batch(self, images: np.ndarray) -> np.ndarray:
        missing = self._batch - len(images)
        if missing and not self._takes_any and not self._is_quick(len(images)):
            padding = np.zeros((missing, *self.input_shape), np.float32)
            images = np.concatenate([images, padding])
        return self._run(images)[: self._batch - missing]

    def _shape_of(self, count: int) -> int | None:
        """What the program for so many images is known by."""
        return None if self._takes_any else count

    def _is_quick(self, count: int) -> bool:
        return count <= self._few or self._left > 0

    def _run(self, images: np.ndarray) -> np.ndarray:
        if self._is_quick(len(images)):
            if len(images) > self._few:
                self._left -= len(images)
            return np.asarray(self._quick(images), np.float32)
        # The first call with a shape traces the model.
        shape = self._shape_of(len(images))
        if shape in self._compiled:
            answer = self._forward(images)
        else:
            with _tracing:
                answer = self._forward(images)
                self._compiled.add(shape)
        # A network of another policy answers in its own type.
        return np.asarray(answer, np.float32)


# What NumPy makes an array of, or refuses in its own words.
_VALUES = (list, tuple, str, bytes, int, float, type(None))


def _array(images: Any) -> np.ndarray:
    if hasattr(images, "detach"):  # a tensor of torch's, on any device
        images = images.detach().cpu()
    return np.asarray(images)


def _batches(source: Any) -> Iterator[Any]:
    """The batches of a data set or loader, as long as it has an end."""
    endless = ValueError(
        "`images` must have an end. Received: a data set that repeats for ever; take "
        "so many of its batches, or leave out its `repeat()`"
    )
    if isinstance(source, keras.utils.PyDataset):
        if source.num_batches is None:
            raise endless
        return (source[i] for i in range(source.num_batches))
    # tf.data.INFINITE_CARDINALITY
    if hasattr(source, "cardinality") and int(source.cardinality()) == -1:
        raise endless
    try:
        return iter(source)
    except TypeError:
        raise ValueError(
            "`images` must be an array of images, or give batches of them. Received: "
            f"{type(source).__name__}"
        ) from None


def _weights_of(model: Any) -> list[np.ndarray]:
    """A copy of all weights as they were at one moment.

    Another thread may be training the model. Where two readings in a row agree, no
    step fell between the first weight and the last.
    """
    before = _read(model)
    for _ in range(_READS):
        after = _read(model)
        if all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True)):
            return after
        before = after
    raise _in_training()


def _read(model: Any) -> list[np.ndarray]:
    try:
        # Not `value`: on JAX `fit` takes the weights out of the model, and `value`
        # then invents some.
        values = [variable._value for variable in model.weights]
        if any(value is None for value in values):
            raise _in_training()
        return [np.array(keras.ops.convert_to_numpy(value)) for value in values]
    except RuntimeError as error:  # JAX: array has been deleted
        raise _in_training() from error


def _in_training() -> KerasconvError:
    return KerasconvError(
        "another thread trains `model`, whose weights cannot be read meanwhile; make "
        "the predictor before `fit` or after, or in a callback's `on_epoch_end`"
    )


def _revived(config: dict, weights: list[np.ndarray], settings: dict) -> Predictor:
    """What pickle calls to make a predictor again."""
    import kerasconv.layers  # noqa: F401  registers this package's layers

    # A pickle can run any code as it is: a Lambda within adds no danger.
    model = keras.saving.deserialize_keras_object(config, safe_mode=False)
    model.set_weights(weights)
    return Predictor(model, **settings)


def feature_maps(model: "keras.Model", image: np.ndarray) -> dict[str, np.ndarray]:
    """What every layer of a model makes of one image.

    Args:
        model: A built Keras model with one image input.
        image: One image of the model's input shape.

    Returns:
        The output of each layer by its name, in the model's order, without a batch
        axis: (height, width, channels) of a convolution, (units,) of a Dense layer.

    Raises:
        ValueError: the image is of another shape or holds no floats, the model's
            input is no floats, or it is no built Keras model.

    Example:
        >>> from kerasconv.digits import load_digits
        >>> from kerasconv.models import mnist_cnn
        >>> maps = feature_maps(mnist_cnn(), load_digits()[0][0])
        >>> maps["conv2d"].shape
        (26, 26, 32)
    """
    check_model(model)
    _check_floats(model)
    image = np.asarray(image)
    if image.dtype.kind != "f":
        raise ValueError(
            "`image` must hold floats as the model takes them. Received: dtype "
            f"{image.dtype}"
        )
    image = image.astype(np.float32)
    shape = tuple(model.inputs[0].shape[1:])
    if image.ndim != len(shape) or any(
        wanted not in (None, size)
        for wanted, size in zip(shape, image.shape, strict=True)
    ):
        raise ValueError(
            f"`image` must be of shape {shape}. Received: shape {image.shape}"
        )
    inputs = keras.layers.InputLayer
    layers = [layer for layer in model.layers if not isinstance(layer, inputs)]
    probe = keras.Model(model.inputs, [layer.output for layer in layers])
    # Not `predict`: on OpenVINO it rounds to bfloat16 where the processor has it.
    outputs = keras.tree.flatten(probe([image[None]], training=False))
    return {
        layer.name: keras.ops.convert_to_numpy(output)[0]
        for layer, output in zip(layers, outputs, strict=True)
    }


def _check_floats(model: Any) -> None:
    # Keras would cast without a word: of pixels in [0, 1] nearly all are 0 then.
    dtype = model.inputs[0].dtype
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"`model` must have an input of floats. Received: an input of {dtype}"
        )


class _Program(NamedTuple):
    """How the images are answered here."""

    forward: Forward
    takes_any: bool
    """Whether it takes any number of images, without compiling for each."""

    batch: int
    """Images a batch, where nobody says."""

    quick: Forward
    """What answers instead of `forward`, NumPy's steps where it has some:"""

    few: int = 0
    """calls of so many images at all times,"""

    worth: int = 0
    """and larger ones until they were so many images, before `forward` is compiled."""

    apart: float = math.inf
    """Batches of more images than these are faster two at a time."""


def _program_of(model: Any, weights: list[np.ndarray], shape: Shape) -> _Program:
    """What is fastest here: the network's steps, or else the network itself."""
    from kerasconv.compiled.layers import COMPILERS
    from kerasconv.compiled.numpy import FEW
    from kerasconv.compiled.steps import bytes_an_image, multiplications, steps_of
    from kerasconv.window.native import on_gpu

    backend = keras.backend.backend()
    steps = steps_of(model, weights)
    if steps is not None and backend in _OF_STEPS:
        make = partial(_rewritten, backend, steps, shape)
        takes_any = backend != "openvino"
    else:
        answer = partial(_answer, model, list(model.weights))
        make = partial(COMPILERS[backend], answer, weights, shape)
        takes_any = backend in _ANY_NUMBER
    count = math.inf if steps is None else multiplications(steps)
    batch, apart = _BATCH, math.inf
    if on_gpu():
        batch = max(batch, _VALUES_OF_BATCH // math.prod(shape))
    elif backend in _LARGE_CALLS:
        apart = _PAYS_A_THREAD / count
        if steps is not None:
            fitting = _BYTES_OF_BATCH // bytes_an_image(steps)
            batch = max(batch, min(fitting, _MOST))
    if steps is None or backend == "numpy":
        forward = make()
        return _Program(forward, takes_any, batch, forward, apart=apart)
    few = int(FEW / count) if backend in _CALLS_COST else 0
    worth = int(_WORTH / count) if backend in _COMPILE_LONG else 0
    quick = _rewritten("numpy", steps, shape)
    return _Program(_later(make), takes_any, batch, quick, few, worth, apart)


def _rewritten(backend: str, steps: "list[Step]", shape: Shape) -> Forward:
    return import_module(f"kerasconv.compiled.{backend}").forward(steps, shape)


def _later(make: Callable[[], Forward]) -> Forward:
    """A forward pass that is made at its first call, which holds the lock."""
    made: list[Forward] = []

    def forward(images):
        if not made:
            made.append(make())
        return made[0](images)

    return forward


def _answer(model: Any, variables: list, weights: Sequence[Any], images: Any) -> Any:
    """What the model makes of images with these weights instead of its own."""
    with keras.StatelessScope(list(zip(variables, weights, strict=True))):
        return model(images, training=False)
