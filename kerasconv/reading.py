"""From a picture to an answer: the digit it shows, or what else a network reads."""

import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasconv import pictures
from kerasconv.errors import KerasconvError, UsageError, one_line

if TYPE_CHECKING:
    import keras

    from kerasconv.models import Card

__all__ = ["Answer", "Reader", "classes_of", "pictures_of", "preparation"]

Source = str | os.PathLike | bytes | np.ndarray
Prepare = Callable[[Source], np.ndarray]


@dataclass
class Answer:
    """What a network says of one picture, or why there is nothing to say.

    Attributes:
        name: The picture's name.
        image: The picture as the network takes it; None if it could not be read.
        truth: The class that is known to be right, if any is.
        status: "ok"; "blank", where a picture shows nothing; or "error".
        error: One line that says why, where the status is not "ok".
        classes: The likeliest classes, the likeliest first: digits, or names.
        probabilities: The probability of each.
    """

    name: str
    image: np.ndarray | None = None
    truth: int | None = None
    status: str = "ok"
    error: str | None = None
    classes: list[int | str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether the likeliest class is the true one."""
        return bool(self.classes) and self.classes[0] == self.truth


class Reader:
    """Reads pictures with a network: prepares each as its card says, and answers.

    Preparing needs no backend, and a reader can be pickled: other processes prepare
    pictures with it while one of them answers.

    Args:
        model: A name of the zoo, the path of a `.keras` file, or a Keras model.
        trust: Take a file as it is (see `kerasconv.models.load_model`).
        top: How many classes to name.
        batch_size: Pictures a batch.

    Raises:
        UsageError: the name is unknown, or `top` is more than there are classes.
        KerasconvError: the file is refused, or the model does not read pictures.

    Example:
        >>> reader = Reader("mnist_cnn")
        >>> (answer,) = reader.answers([reader.prepare("seven.png")])
        >>> answer.classes, answer.status
        ([7], 'ok')
    """

    def __init__(
        self,
        model: "str | os.PathLike | keras.Model" = "mnist_cnn",
        *,
        trust: bool = False,
        top: int = 1,
        batch_size: int = 128,
    ) -> None:
        from kerasconv.models import card_of, load_model
        from kerasconv.models._own import check_answers
        from kerasconv.predict import Predictor

        self.card = None
        network: Any = model
        if isinstance(model, str | os.PathLike):
            self.card = card_of(model)
            network = load_model(model, trust=trust)
            check_answers(network, self.card)
        self.classes = classes_of(self.card)
        count = 10 if self.classes is None else len(self.classes)
        if not 1 <= top <= count:
            raise UsageError(f"top must be from 1 to {count}, not {top}")
        takes = [tuple(tensor.shape[1:]) for tensor in network.inputs]
        gives = [tuple(tensor.shape[1:]) for tensor in network.outputs]
        digit = (pictures.FIELD, pictures.FIELD, 1)
        if gives != [(count,)] or (
            pictures_of(self.card) != "photo" and takes != [digit]
        ):
            name = model if isinstance(model, str | os.PathLike) else network.name
            raise KerasconvError(
                f"{name} takes {takes} and gives {gives}; this reads digits, with a "
                f"network that takes {digit} and gives (10,)"
            )
        self.top, self.batch_size = top, batch_size
        self._shape = takes[0]
        self._ask: Callable[[Any], np.ndarray] | None = Predictor(
            network, batch_size=batch_size
        )

    def __getstate__(self) -> dict[str, Any]:
        # Preparing needs no network, and other processes do nothing else.
        return self.__dict__ | {"_ask": None}

    def prepare(self, source: Source, name: str | None = None) -> Answer:
        """A picture as the network takes it, with a status and no classes yet.

        Args:
            source: A file, the bytes of one, or an array as of `read_image`.
            name: What the answer calls it. Default: the path.
        """
        if name is None:
            is_path = isinstance(source, str | os.PathLike)
            name = os.fspath(source) if is_path else "picture"  # type: ignore[arg-type]
        answer = Answer(str(name))
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", pictures.BlankImageWarning)
                answer.image = preparation(self._shape, self.card)(source)
        except (KerasconvError, ValueError) as error:
            answer.status, answer.error = "error", one_line(error)
            return answer
        for warning in caught:
            if issubclass(warning.category, pictures.BlankImageWarning):
                answer.status, answer.error = "blank", str(warning.message)
        return answer

    def answers(self, prepared: Iterable[Answer]) -> Iterator[Answer]:
        """The same answers in the same order, with classes and probabilities.

        Reads no further ahead than one batch.
        """
        if self._ask is None:
            raise ValueError("this copy of a reader prepares and cannot answer")
        iterator = iter(prepared)
        while batch := list(itertools.islice(iterator, self.batch_size)):
            asked = [answer for answer in batch if answer.status == "ok"]
            if asked:
                images = np.stack([np.asarray(answer.image) for answer in asked])
                for answer, row in zip(asked, self._ask(images), strict=True):
                    self._rank(answer, row)
            yield from batch

    def _rank(self, answer: Answer, row: np.ndarray) -> None:
        if not np.isfinite(row).all():
            answer.status = "error"
            answer.error = (
                "the network answers with NaN or infinity, which says nothing"
            )
            return
        best = np.argsort(-row, kind="stable")[: self.top]
        names = self.classes
        answer.classes = [names[i] if names else int(i) for i in best]
        answer.probabilities = row[best].tolist()


def pictures_of(card: "Card | None") -> str:
    """What a network reads: "digit", "clothes" or "photo"; without a card "digit"."""
    from kerasconv.models._own import preparation_of

    return {"resize": "photo"}.get(kind := preparation_of(card), kind)


def classes_of(card: "Card | None") -> tuple[str, ...] | None:
    """The names of what a network tells apart; None where these are the digits."""
    from kerasconv.models import class_names

    names = class_names(card)
    return None if names == tuple("0123456789") else names


def preparation(shape: tuple, card: "Card | None") -> Prepare:
    """What makes of a picture the image of `shape` that a network takes.

    A file without a card takes digits if it takes their shape, else photographs.

    Raises:
        UsageError: the network takes no images of known size.
    """
    kind = pictures_of(card)
    if shape == (pictures.FIELD, pictures.FIELD, 1) and kind != "photo":
        prepare = {
            "digit": pictures.prepare_digit,
            "clothes": pictures.prepare_clothes,
        }[kind]
        return lambda source: prepare(_pixels(source, pictures.read_image))[..., None]
    if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
        raise UsageError(f"the model takes {shape}, which is no image of known size")
    return lambda source: pictures.resized(_pixels(source, pictures.read_photo), shape)


def _pixels(source: Source, read: Callable[..., np.ndarray]) -> np.ndarray:
    return source if isinstance(source, np.ndarray) else read(source)
