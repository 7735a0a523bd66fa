"""From a picture to an answer: the digits it shows, or what else a network reads."""

import itertools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL.Image import Image

from kerasconv import pictures
from kerasconv._arguments import check_bool, check_int, check_model, check_share
from kerasconv._pixels import unit_range
from kerasconv.errors import KerasconvError, UsageError, one_line
from kerasconv.pictures import judge, scene
from kerasconv.pictures.digit import as_grey

if TYPE_CHECKING:
    import keras

    from kerasconv.models import Card

__all__ = [
    "Answer",
    "Digit",
    "Reader",
    "classes_of",
    "pictures_of",
    "preparation",
    "read_digits",
]

Source: TypeAlias = str | os.PathLike | bytes | np.ndarray | Image


@dataclass
class Digit:
    """One digit of a picture, or what looks like one.

    Attributes:
        image: float32 of shape (28, 28, 1), as the network takes it.
        box: (left, top, right, bottom) in pixels of the picture; None where the
            picture is the digit.
        confidence: How sure it is that this is a digit, of whichever class: from 0 to
            1, by a network of its own that is the same for every model.
        status: "ok"; "unsure", where the confidence is below what a reader asks for;
            "no digit", where it is below one half besides; or "error".
        classes: The likeliest digits, the likeliest first; none where not "ok".
        probabilities: The probability of each, if this is a digit.
    """

    image: np.ndarray = field(repr=False)
    box: tuple[int, int, int, int] | None = None
    confidence: float = 1.0
    status: str = "ok"
    classes: list[int | str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The digit; "?" where it is unsure."""
        return str(self.classes[0]) if self.classes else "?"

    def facts(self) -> dict[str, Any]:
        """What JSON, CSV and Parquet say of it, beside its box."""
        return {
            "digit": self.classes[0] if self.classes else None,
            "probability": round(self.probabilities[0], 6) if self.classes else None,
            "confidence": round(self.confidence, 6),
            "status": self.status,
        }


@dataclass
class Answer:
    """What a network says of one picture, or why there is nothing to say.

    Attributes:
        name: The picture's name.
        image: The picture as the network takes it, or the first digit; None if there
            is none.
        truth: The class that is known to be right, if any is.
        status: "ok"; "blank", where a picture shows nothing; "no digit", where it shows
            something else; "unsure", where one of its digits is; or "error".
        error: One line that says why, where the status is not "ok".
        classes: The likeliest classes, the likeliest first: digits, or names. None
            where several digits were found: see `text`.
        probabilities: The probability of each.
        digits: The digits that were found, as one reads them: lines from the top, each
            from the left. Without those that are none, unless nothing else was found.
        lines: How many digits stand on each line.
    """

    name: str
    image: np.ndarray | None = field(default=None, repr=False)
    truth: int | None = None
    status: str = "ok"
    error: str | None = None
    classes: list[int | str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    digits: list[Digit] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        """The digits as a string, a line each; "?" stands for one that is unsure."""
        if self.status not in ("ok", "unsure"):
            return None
        if not self.digits:
            return str(self.classes[0]) if self.classes else None
        each = iter(self.digits)
        return "\n".join(
            "".join(digit.text for digit in itertools.islice(each, count))
            for count in self.lines or [len(self.digits)]
        )

    @property
    def boxes(self) -> list[tuple[int, int, int, int] | None]:
        """Where the digits are: (left, top, right, bottom) in pixels of the picture."""
        return [digit.box for digit in self.digits]

    @property
    def prediction(self) -> int | str | None:
        """The class, where there is one; of several digits the text."""
        if self.classes:
            return self.classes[0]
        return self.text if self.status == "ok" else None

    @property
    def probability(self) -> float | None:
        """The probability of the prediction: of several digits the product."""
        if self.classes:
            return self.probabilities[0]
        if self.status != "ok" or not self.digits:
            return None
        return float(np.prod([digit.probabilities[0] for digit in self.digits]))

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
        single: There is one digit in a picture, and no more.
        min_confidence: How sure it must be that something is a digit, from 0 to 1, for
            it to be answered, or, of a model that reads something else, how probable
            the likeliest class must be; 0 answers everything. Default: what the model's
            card says, at which one of a hundred held-out pictures is refused.

    Raises:
        UsageError: the name is unknown, or `top` is more than there are classes.
        ValueError: it is no name, no path and no built Keras model.
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
        single: bool = False,
        min_confidence: float | None = None,
    ) -> None:
        from kerasconv.models import card_of, load_model
        from kerasconv.models._own import check_answers
        from kerasconv.predict import Predictor

        check_bool("trust", trust)
        check_bool("single", single)
        self.card = None
        network: Any = model
        if isinstance(model, str | os.PathLike):
            self.card = card_of(model)
            network = load_model(model, trust=trust)
            check_answers(network, self.card)
        check_model(network)
        self.classes = classes_of(self.card)
        count = 10 if self.classes is None else len(self.classes)
        if check_int("top", top) > count:
            raise UsageError(f"`top` must be from 1 to {count}. Received: top={top}")
        takes = [tuple(tensor.shape[1:]) for tensor in network.inputs]
        gives = [tuple(tensor.shape[1:]) for tensor in network.outputs]
        digit = (pictures.FIELD, pictures.FIELD, 1)
        if gives != [(count,)] or (
            pictures_of(self.card) != "photo" and takes != [digit]
        ):
            name = model if isinstance(model, str | os.PathLike) else network.name
            remedy = f"a network of digits takes {digit} and gives (10,)"
            if self.card is None and isinstance(model, str | os.PathLike):
                card = f"{Path(model).stem}.toml"
                remedy += f", any other needs its card, {card!r}, beside it"
            raise KerasconvError(f"{name} takes {takes} and gives {gives}; {remedy}")
        self._reads_digits = pictures_of(self.card) == "digit" and not self.classes
        if min_confidence is None:
            facts = self.card.facts.get("reading", {}) if self.card else {}
            min_confidence = facts.get(
                "min_confidence", judge.min_confidence() if self._reads_digits else 0.0
            )
        else:
            min_confidence = check_share("min_confidence", min_confidence)
        self.top, self.batch_size = top, batch_size
        self.single, self.min_confidence = single, min_confidence
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
            source: A file, the bytes of one, a Pillow image, or an array of shape
                (height, width) or (height, width, 1 or 3).
            name: What the answer calls it. Default: the path.
        """
        if name is None:
            is_path = isinstance(source, str | os.PathLike)
            name = os.fspath(source) if is_path else "picture"  # type: ignore[arg-type]
        answer = Answer(str(name))
        try:
            if self._reads_digits:
                self._find(answer, source)
            else:
                self._fit(answer, source)
        except (KerasconvError, ValueError) as error:
            answer.status, answer.error = "error", one_line(error)
        return answer

    def _fit(self, answer: Answer, source: Source) -> None:
        """The whole picture, as a network that reads no digits takes it."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", pictures.BlankImageWarning)
            answer.image = preparation(self._shape, self.card)(source)
        for warning in caught:
            if issubclass(warning.category, pictures.BlankImageWarning):
                answer.status, answer.error = "blank", str(warning.message)

    def _find(self, answer: Answer, source: Source) -> None:
        """The digits of a picture, and what is to be said where there are none."""
        if isinstance(source, str | os.PathLike | bytes):
            grey, scale = pictures.read_reduced(source, scene.CLOSER)
        else:
            grey, scale = as_grey(_in_grey(source)), 1.0
        found = scene.find(grey, single=self.single, scale=scale)
        digits = [
            Digit(each.image[..., None], each.box, each.confidence) for each in found
        ]
        for digit in digits:
            if digit.confidence < self.min_confidence:
                digit.status = "no digit" if digit.confidence < 0.5 else "unsure"
        _doubt_within_numbers(digits)
        read = [digit for digit in digits if digit.status != "no digit"]
        answer.digits = read or digits
        if answer.digits:
            answer.image = answer.digits[0].image
            boxes = [digit.box for digit in answer.digits if digit.box is not None]
            answer.lines = scene.lines(boxes)
        if not digits:
            answer.status = "blank"
            answer.error = "the picture is blank: no ink stands out from the paper"
        elif any(digit.status == "unsure" for digit in read):
            answer.status = "unsure"
            answer.error = (
                f"{_least(read)}, less than the {self.min_confidence:.3g} asked"
            )
        elif not read:
            answer.status = "no digit"
            answer.error = f"{_least(digits)}: what it shows is no digit"

    def answers(self, prepared: Iterable[Answer]) -> Iterator[Answer]:
        """The same answers in the same order, with classes and probabilities.

        Reads no further ahead than one batch.
        """
        if self._ask is None:
            raise ValueError("this copy of a reader prepares and cannot answer")
        iterator = iter(prepared)
        while batch := list(itertools.islice(iterator, self.batch_size)):
            asked: list[Answer | Digit] = []
            for answer in batch:
                if answer.digits:
                    asked += [each for each in answer.digits if each.status == "ok"]
                elif answer.status == "ok":
                    asked.append(answer)
            if asked:
                images = np.stack([np.asarray(each.image) for each in asked])
                for each, row in zip(asked, self._ask(images), strict=True):
                    self._rank(each, row)
            for answer in batch:
                if any(digit.status == "error" for digit in answer.digits):
                    answer.status, answer.error = "error", _NOT_FINITE
                elif len(answer.digits) == 1:
                    answer.classes = answer.digits[0].classes
                    answer.probabilities = answer.digits[0].probabilities
            yield from batch

    def _rank(self, each: Answer | Digit, row: np.ndarray) -> None:
        if not np.isfinite(row).all():
            each.status = "error"
            if isinstance(each, Answer):
                each.error = _NOT_FINITE
            return
        best = np.argsort(-row, kind="stable")[: self.top]
        names = self.classes
        each.classes = [names[i] if names else int(i) for i in best]
        each.probabilities = row[best].tolist()
        if not self._reads_digits and each.probabilities[0] < self.min_confidence:
            each.status, each.classes, each.probabilities = "unsure", [], []
            each.error = (  # type: ignore[union-attr]
                f"the likeliest class has a probability of {row[best[0]]:.4g}, less "
                f"than the {self.min_confidence:.4g} asked for"
            )


def _in_grey(picture: Any) -> Any:
    """An array of colours as grey levels; what else there is as it is."""
    if isinstance(picture, Image):
        return picture
    pixels = np.asarray(picture)
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype.kind not in "buif":
        return pixels
    return pictures.resized(unit_range(pixels), (*pixels.shape[:2], 1))


_NOT_FINITE = "the network answers with NaN or infinity, which says nothing"


def _least(digits: list[Digit]) -> str:
    least = min(digit.confidence for digit in digits)
    return f"the confidence that it shows a digit is {least:.3g}"


def _doubt_within_numbers(digits: list[Digit]) -> None:
    """What stands between the digits of a number and is as high may be one: unsure.

    A number without one of its digits would be another number.
    """
    boxes = [digit.box for digit in digits if digit.box is not None]
    start = 0
    for count in scene.lines(boxes):
        line = digits[start : start + count]
        start += count
        read = [i for i, digit in enumerate(line) if digit.status != "no digit"]
        if read:
            highest = max(_height(line[i]) for i in read)
            for digit in line[read[0] : read[-1]]:
                if digit.status == "no digit" and _height(digit) > 0.6 * highest:
                    digit.status = "unsure"


def _height(digit: Digit) -> int:
    return digit.box[3] - digit.box[1] if digit.box else 0


def read_digits(
    source: Source,
    model: "str | os.PathLike | keras.Model" = "mnist_cnn",
    *,
    single: bool = False,
    min_confidence: float | None = None,
    trust: bool = False,
) -> Answer:
    """The digits in a photograph, a scan or an array of grey levels.

    Of many pictures, make one `Reader`: this loads the model at every call.

    Args:
        source: A file, the bytes of one, a Pillow image, or an array of shape (height,
            width) or (height, width, 1 or 3).
        model: A name of the zoo, the path of a `.keras` file, or a Keras model.
        single: There is one digit, and no more.
        min_confidence: As of `Reader`.
        trust: Take a file as it is (see `kerasconv.models.load_model`).

    Raises:
        UsageError: the name is unknown, or an argument makes no sense.
        KerasconvError: the picture cannot be read, or the model is refused.

    Example:
        >>> answer = read_digits("page.jpg")
        >>> answer.text, [digit.box for digit in answer.digits]
        ('42', [(1210, 804, 1433, 1202), (1507, 811, 1790, 1198)])
    """
    reader = Reader(model, trust=trust, single=single, min_confidence=min_confidence)
    (answer,) = reader.answers([reader.prepare(source)])
    if answer.status == "error":
        raise KerasconvError(str(answer.error))
    return answer


def pictures_of(card: "Card | None") -> str:
    """What a network reads: "digit", "clothes" or "photo"; without a card "digit"."""
    from kerasconv.models._own import preparation_of

    return {"resize": "photo"}.get(kind := preparation_of(card), kind)


def classes_of(card: "Card | None") -> tuple[str, ...] | None:
    """The names of what a network tells apart; None where these are the digits."""
    from kerasconv.models import class_names

    names = class_names(card)
    return None if names == tuple("0123456789") else names


def preparation(shape: tuple, card: "Card | None") -> Callable[[Any], np.ndarray]:
    """What makes of a picture the image of `shape` that a network takes.

    A file without a card takes digits if it takes their shape, else photographs.

    Raises:
        UsageError: the network takes no images of known size.
    """
    from kerasconv.models._own import preparation_of, prepare_as

    return prepare_as(preparation_of(card), shape)
