"""The digits in a photograph: found, prepared, and put in the order of reading."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from PIL import Image
from scipy import ndimage

from kerasconv._pixels import to_unit
from kerasconv.pictures import digit as mnist
from kerasconv.pictures import ink as inks
from kerasconv.pictures import judge, paper, sheet, strokes

# A photograph is looked at in a view this large, and closer in one this large.
_VIEW, CLOSER = 400, 1600
# A digit is looked at closer until it takes up so many pixels.
_DETAIL = 64
# Ink of a stroke this share of the digit's height thick or thinner is thickened.
_THIN = 0.085
# So confident that no other way is tried; where the rim tells what is paper, and this
# share of all that differs from it is the digit, less will do.
_CERTAIN, _SETTLED, _ALL = 0.9, 0.5, 0.95
# Of the box about such ink the digit takes up at least this share; ink in which it does
# not is worth so much as one digit.
_WHOLE, _MIXED = 0.85, 0.25
# Ink that covers more than this share of a picture may be a shadow.
_INKED = 0.2
# So confident that two pieces are one digit.
_SURE = 0.95
# Of digits that touch the least certain is at least this likely to be one; what they
# are cut from is at least so likely to be several. By this much less a look is worth.
_HALF, _SEVERAL, _OF_CUT = 0.7, 0.3, 0.8
# Digits that touch are at least this many times as wide as they are high, in the mean.
_NARROWEST = 0.55
# Beside an edge the darker side is lighter than the ink by less than this share of what
# the lighter one is.
_EDGE = 0.25
# The same of what runs from one rim of the picture to the other, as a fold does.
_FOLD = 0.6
# What runs from rim to rim, and looks less than this like a digit, is one so seldom.
_DOUBTED, _CROSSING = 0.7, 0.5
# Among digits it is so many times as likely that what is as high is one as well.
_NEIGHBOURS = 20
# What stands beside a digit shares this much of the rows of the lower one.
_BESIDE = 0.7
# So many neighbours are tried as one digit in each look, and so many pieces as two in
# those without the edges of shadows, of which there are as many again.
_TRIES, _CUTS = 8, 3

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Found:
    """One digit that was found in a picture, or what may be one.

    Attributes:
        image: float32 of shape (28, 28), as of `prepare_digit`.
        box: (left, top, right, bottom) in pixels of the picture.
        confidence: how sure it is that this is a digit, of whichever class, from 0 to
            1.
    """

    image: np.ndarray = field(repr=False)
    box: Box
    confidence: float = 0.0


@dataclass(frozen=True)
class _Piece:
    """A part of a view: which of its pixels are the ink of one digit."""

    own: np.ndarray
    top: int
    left: int
    weight: float


@dataclass(frozen=True)
class _Judged:
    """A piece as a digit, and how sure it is that it is one, and that it is several."""

    piece: _Piece
    image: np.ndarray
    one: float
    several: float


@dataclass(frozen=True)
class _Look:
    """One way to tell ink from paper in a view, and what is ink by it."""

    base: Image.Image
    level: np.ndarray
    paper: np.ndarray
    ink: inks.Ink
    mask: np.ndarray
    top: float
    left: float
    scale: float
    cuts: int
    """How many of its pieces are tried as two digits."""

    @property
    def step(self) -> float:
        return self.base.height / self.mask.shape[0]

    def pieces(self) -> list[_Piece]:
        labels, groups = strokes.grouped(self.mask, self.ink.strength)
        contrast = self.ink.strength * self.paper
        pieces = []
        for group in groups:
            top, left, bottom, right = group.box
            own = np.isin(labels[top:bottom, left:right], group.parts)
            weight = float(contrast[top:bottom, left:right][own].sum())
            pieces.append(_Piece(own, top, left, weight))
        return pieces

    def is_edge(self, piece: _Piece) -> bool:
        """Whether a piece lies along an edge: on one side all is as dark as it is."""
        reach = 6
        height, width = piece.own.shape
        rows = slice(max(0, piece.top - reach), piece.top + height + reach)
        columns = slice(max(0, piece.left - reach), piece.left + width + reach)
        level, mask = self.level[rows, columns], self.mask[rows, columns]
        own = np.zeros(mask.shape, bool)
        y, x = piece.top - rows.start, piece.left - columns.start
        own[y : y + height, x : x + width] = piece.own
        near = ndimage.binary_dilation(own, iterations=2)
        ring = ndimage.binary_dilation(near, iterations=reach - 2) & ~near & ~mask
        if not ring.any():
            return False
        dark, light = np.quantile(level[ring], (0.2, 0.8)) - np.median(level[own])
        top, left = piece.top, piece.left
        crosses = (top == 0 and top + height == self.mask.shape[0]) or (
            left == 0 and left + width == self.mask.shape[1]
        )
        return bool(dark < (_FOLD if crosses else _EDGE) * light)

    def box(self, piece: _Piece) -> Box:
        height, width = piece.own.shape
        sides = (
            self.step * piece.left + self.left,
            self.step * piece.top + self.top,
            self.step * (piece.left + width) + self.left,
            self.step * (piece.top + height) + self.top,
        )
        return tuple(round(self.scale * side) for side in sides)  # type: ignore[return-value]

    def digit(self, piece: _Piece) -> np.ndarray:
        """The ink of a piece as an MNIST digit, looked at closer where it is small."""
        return _fitted(_thickened(self.detail(piece)[0]))

    def detail(self, piece: _Piece) -> tuple[np.ndarray, np.ndarray]:
        """The ink of a piece, as much of it as a digit has use for, and its mask."""
        own = np.pad(piece.own, 2)
        height, width = own.shape
        top, left = piece.top - 2, piece.left - 2
        strength = _window(self.ink.strength, top, left, own.shape)
        closer = min(self.step, 1.5 * _DETAIL / max(piece.own.shape))
        if closer > 1.2:
            step = self.step
            size = (round(width * closer), round(height * closer))
            corners = [left, top, left + width, top + height]
            crop = self.base.transform(
                size, Image.Transform.EXTENT, [step * side for side in corners], 2
            )
            level = _resized(_window(self.paper, top, left, own.shape), size)
            strength = np.clip(1 - np.asarray(crop) / np.maximum(level, 0.02), 0, 1)
            near = _resized(strokes.spread(own), size) > 0.3
            own = _resized(own, size) > 0.5
        elif closer < 0.8:  # more pixels than a digit of 20 has use for
            size = (round(width * closer), round(height * closer))
            near = strokes.spread(own)
            strength = _resized(np.where(near, strength, 0), size)
            near = _resized(near, size) > 0.2
            own = _resized(own, size) > 0.5
        else:
            near = strokes.spread(own)
        inked = strength[own]
        full = float(_quantile(inked, 0.6)) if inked.size else 0.0
        level = np.where(near, np.minimum(strength / max(full, 1e-6), 1), 0)
        return np.where(level < 0.15, 0, level).astype(np.float32), own


def _fitted(level: np.ndarray) -> np.ndarray:
    """Ink as an MNIST digit."""
    level = level[paper.box(level > 0.25)]
    if not level.size:
        return np.zeros((mnist.FIELD, mnist.FIELD), np.float32)
    return to_unit(mnist.centred(mnist.fitted(level)))


def _window(
    values: np.ndarray, top: int, left: int, shape: tuple[int, ...]
) -> np.ndarray:
    """A part of a view; beyond its rim the rim itself."""
    rows = np.clip(np.arange(top, top + shape[0]), 0, values.shape[0] - 1)
    columns = np.clip(np.arange(left, left + shape[1]), 0, values.shape[1] - 1)
    return values[rows[:, None], columns]


def _quantile(values: np.ndarray, share: float) -> float:
    """One of the values that has this share of them below it."""
    place = round(share * (len(values) - 1))
    return float(np.partition(values, place)[place])


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(values.astype(np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def _thickened(level: np.ndarray) -> np.ndarray:
    """Ink of a thin pen made as thick as MNIST's thinnest."""
    mask = level > 0.5
    depth = ndimage.distance_transform_edt(mask)[mask]
    if not depth.size:
        return level
    # In a stroke the mean depth is a quarter of its width.
    width = 4 * float(depth.mean()) - 1
    rows, columns = paper.box(mask)
    longest = max(rows.stop - rows.start, columns.stop - columns.start)
    missing = _THIN * longest - width
    if missing <= 0.5:
        return level
    side = round(missing) | 1
    place = np.arange(side) - (side - 1) / 2
    disk = place[:, None] ** 2 + place**2 <= (side / 2) ** 2
    return ndimage.grey_dilation(np.pad(level, side), footprint=disk)


def find(grey: np.ndarray, *, single: bool = False, scale: float = 1.0) -> list[Found]:
    """What may be digits in a grey picture, in the order of reading, each judged.

    Args:
        grey: grey levels in [0, 1], of shape (height, width).
        single: there is one digit at most: the best of what is found.
        scale: how many pixels of the user's picture one of these is, for the boxes.
    """
    best: tuple[float, list[Found]] = (-np.inf, [])
    easy = _easy(grey, scale)
    darks: tuple[bool, ...] = (True, False)
    closes: tuple[bool, ...] = (False, True)
    if easy is not None:
        digit, weight, cut = easy
        one = cut is None or _is_one(cut)
        clear = one and (cut is None or cut.share > _ALL)
        if clear and (cut is None or digit.confidence > _SETTLED):
            return [digit]
        best = (_worth([digit], [weight if one else _MIXED * weight]), [digit])
        if cut is not None and clear and _covered(cut, grey) < _INKED:
            # What is paper is known, and that no shadow was taken for ink.
            darks, closes = (cut.dark,), (False,)
    for look in _looks(grey, scale, darks, closes):
        pieces = look.pieces()
        if pieces:
            parts, halved = _judged(look, pieces)
            weights = [part.piece.weight for part in parts]
            found = [
                Found(part.image, look.box(part.piece), part.one) for part in parts
            ]
            found = _in_context(found, weights)
            worth = _worth(found, weights)
            if halved:
                worth *= _OF_CUT  # a line that crosses a digit can be cut off, too
            if worth > best[0]:
                best = (worth, found)
            if not halved and all(each.confidence > _CERTAIN for each in found):
                break
    found = _in_order(best[1])
    if easy is None and all(each.confidence < 0.5 for each in found):
        return []  # paper, and what is seen in it when one looks too closely
    if single and found:
        return [max(found, key=lambda each: each.confidence)]
    return found


def find_digits(
    image: np.ndarray | Image.Image,
    *,
    single: bool = False,
    min_confidence: float | None = None,
) -> list[Found]:
    """Finds the digits in a photograph or a scan.

    Ink is told from paper by the picture's rim, and by the median of every pixel's
    neighbourhood, by which what is darker, or lighter, is ink; a sheet on a desk is cut
    out first, and long thin lines are tried with and without. Of these ways the one
    counts whose ink makes most digits, judged by a small network. Parts that make one
    digit are joined, and two that touch are cut. Each is brought to what MNIST is, as
    by `prepare_digit`; the strokes of a thin pen are thickened.

    Args:
        image: grey levels of shape (height, width) or (height, width, 1), integers or
            floats in [0, 1] (as of `read_image`), or a Pillow image of any mode.
        single: there is one digit at most: the one of which it is most sure.
        min_confidence: of what it is less sure that it is a digit is left out. Default:
            that of `judge.min_confidence`.

    Returns:
        The digits in the order of reading: lines from the top, each from the left.

    Raises:
        ValueError: the array is not one grey picture.

    Source:
        The threshold: N. Otsu, 1979, "A threshold selection method from gray-level
        histograms". Otherwise as of `prepare_digit`.

    Example:
        >>> page = np.full((100, 160), 255, np.uint8)
        >>> page[20:80, 40:48] = page[20:80, 100:108] = 0  # two strokes
        >>> [digit.box for digit in find_digits(page)]
        [(40, 20, 48, 80), (100, 20, 108, 80)]
    """
    grey = mnist.as_grey(image)
    if min_confidence is None:
        min_confidence = judge.min_confidence()
    found = find(inks.shrunk(grey, CLOSER), single=single, scale=_scale(grey))
    return [each for each in found if each.confidence >= min_confidence]


def _scale(grey: np.ndarray) -> float:
    return max(1.0, max(grey.shape) / CLOSER)


def lines(boxes: list[Box]) -> list[int]:
    """How many of the boxes, in the order of reading, stand on each line."""
    return [len(line) for line in strokes.lines_of(_groups(boxes))]


def _in_order(found: list[Found]) -> list[Found]:
    groups = strokes.in_reading_order(_groups([each.box for each in found]))
    return [found[group.parts[0]] for group in groups]


def _groups(boxes: list[Box]) -> list[strokes.Group]:
    return [
        strokes.Group((top, left, bottom, right), (i,), 0.0)
        for i, (left, top, right, bottom) in enumerate(boxes)
    ]


def _covered(cut: paper.Cut, grey: np.ndarray) -> float:
    """The share of a picture that is ink."""
    left, top, right, bottom = cut.box
    inked = float((cut.ink > 0.3 * cut.ink.max()).mean())
    return inked * (right - left) * (bottom - top) / grey.size


def _is_one(cut: paper.Cut) -> bool:
    """Whether all of the ink that was cut out makes one digit, without a line."""
    if cut.parts == 1:
        return True
    ink = np.pad(cut.ink, 1)
    mask = ink > 0.3 * ink.max()
    _, groups = strokes.grouped(mask, ink)
    rows, columns = paper.box(mask)
    whole = (rows.stop - rows.start) * (columns.stop - columns.start)
    return len(groups) == 1 and groups[0].height * groups[0].width > _WHOLE * whole


def _easy(
    grey: np.ndarray, scale: float
) -> tuple[Found, float, paper.Cut | None] | None:
    """The digit as `prepare_digit` finds it, its ink, and how it was cut out."""
    height, width = grey.shape
    whole = (0, 0, round(scale * width), round(scale * height))
    already = mnist.as_mnist(grey)
    if already is not None:
        image = to_unit(already)
        return Found(image, whole, _confidence(image)), 1.0, None
    cut = paper.find_ink(grey)
    if cut is None:
        return None
    image = to_unit(mnist.centred(mnist.fitted(cut.ink)))
    confidence = _confidence(image)
    left, top, right, bottom = cut.box
    crosses = (top <= 1 and bottom >= height - 1) or (left <= 1 and right >= width - 1)
    if crosses and confidence < _DOUBTED:
        confidence *= _CROSSING
    pixel = (right - left) * (bottom - top) / cut.ink.size
    step = max(1.0, max(grey.shape) / _VIEW)
    box = tuple(round(scale * side) for side in cut.box)
    found = Found(image, box, confidence)  # type: ignore[arg-type]
    weight = float(cut.ink.sum()) * pixel / step**2
    return found, weight, cut


def _looks(
    grey: np.ndarray,
    scale: float,
    darks: tuple[bool, ...] = (True, False),
    closes: tuple[bool, ...] = (False, True),
) -> Iterator[_Look]:
    """The ways in which the ink of a grey picture may be told from its paper.

    For dark ink and for light, by a background without and with the edges of shadows.
    """
    whole = inks.shrunk(grey, CLOSER)
    base, (top, left) = sheet.cut_out(whole)
    scale *= grey.shape[0] / whole.shape[0]
    view = inks.shrunk(base, _VIEW)
    if min(view.shape) > 100:
        view = ndimage.gaussian_filter(view, 0.7)
    median = inks.background(view)
    for dark in darks:
        b, v, level = (each if dark else 1 - each for each in (base, view, median))
        picture = Image.fromarray(b)
        seen: list[np.ndarray] = []
        for close in closes:
            around = inks.close_background(v, level) if close else level
            ink = inks.find_ink(v, around)
            for mask in chain([ink.mask], strokes.without_lines(ink.mask)):
                least = 0.005 * mask.sum()
                if any((mask ^ other).sum() <= least for other in seen):
                    continue
                cuts = 0 if close else _CUTS
                seen.append(mask)
                yield _Look(picture, v, around, ink, mask, top, left, scale, cuts)


def _judged(look: _Look, pieces: list[_Piece]) -> tuple[list[_Judged], bool]:
    """The digits of a look, joined or cut where that makes digits; whether any was cut.

    Pieces are brought to digits all at once, which is most of the work.
    """
    judged = [
        replace(each, one=0.0)
        if each.one > _EDGE and look.is_edge(each.piece)
        else each
        for each in _asked(pieces, [look.digit(piece) for piece in pieces])
    ]
    cuts, cut = look.cuts, False
    parts: list[_Judged] = []
    for each in _joined(look, judged):
        halves = None
        if cuts and each.one < 0.5 and each.several > _SEVERAL:
            cuts -= 1
            halves = _cut(look, each.piece)
            cut |= halves is not None
        parts += halves or [each]
    return parts, cut


def _asked(pieces: list[_Piece], images: list[np.ndarray]) -> list[_Judged]:
    odds = judge.digit_odds(np.stack(images))
    one, several = (1 / (1 + np.exp(-each)) for each in odds)
    each = zip(pieces, images, one.tolist(), several.tolist(), strict=True)
    return [_Judged(*facts) for facts in each]


def _joined(look: _Look, judged: list[_Judged]) -> list[_Judged]:
    """Neighbours that are no digits and make one together, joined."""
    i = tries = 0
    while i + 1 < len(judged) and tries < _TRIES:
        pair = judged[i : i + 2]
        if min(each.one for each in pair) < 0.5:
            union = _union(*(each.piece for each in pair))
            height, width = union.own.shape
            if width < 1.3 * height:
                tries += 1
                (both,) = _asked([union], [look.digit(union)])
                if both.one > max(_SURE, *(each.one for each in pair)):
                    judged = [*judged[:i], both, *judged[i + 2 :]]
                    i = max(0, i - 1)
                    continue
        i += 1
    return judged


def _union(a: _Piece, b: _Piece) -> _Piece:
    top, left = min(a.top, b.top), min(a.left, b.left)
    bottom = max(a.top + a.own.shape[0], b.top + b.own.shape[0])
    right = max(a.left + a.own.shape[1], b.left + b.own.shape[1])
    own = np.zeros((bottom - top, right - left), bool)
    for piece in (a, b):
        y, x = piece.top - top, piece.left - left
        height, width = piece.own.shape
        own[y : y + height, x : x + width] |= piece.own
    return _Piece(own, top, left, a.weight + b.weight)


def _cut(look: _Look, piece: _Piece, most: int | None = None) -> list[_Judged] | None:
    """A piece as digits that touch, by the best of some cuts, if it is that."""
    height, width = piece.own.shape
    if most is None:
        most = max(2, int(width / (_NARROWEST * height)))
    level, own = look.detail(piece)
    level = _thickened(level)
    edge = (level.shape[0] - own.shape[0]) // 2  # what a thickened stroke needed
    step = own.shape[1] / (width + 4)
    whole = float(level.sum())
    y, x = np.indices(level.shape)
    # The first digit is cut off: of a longer number the rest is cut again.
    places = np.linspace(0.25 * min(width, 1.2 * height), min(0.75 * width, height), 13)
    tried: list[tuple[float, float]] = []
    images: list[np.ndarray] = []
    for slant in (0.0, 0.25, -0.25, 0.5):
        place = (x - edge + slant * (y - (level.shape[0] - 1) / 2)) / step - 2
        for at in places:
            first = np.where(place < at, level, 0)
            sides = first, level - first
            if min(side.sum() for side in sides) > 0.1 * whole:
                tried.append((slant, at))
                images += [_fitted(side) for side in sides]
    if not tried:
        return None
    judged = _asked([piece] * len(images), images)
    rest = [max(each.one, each.several * (most > 2)) for each in judged[1::2]]
    sure = np.minimum([each.one for each in judged[::2]], rest)
    best = int(np.argmax(sure))
    if sure[best] < _HALF:
        return None
    slant, at = tried[best]
    y, x = np.indices(piece.own.shape)
    left = x + slant * (y - (height - 1) / 2) < at
    halves = [
        replace(judged[2 * best + i], piece=_part(piece, piece.own & side))
        for i, side in enumerate((left, ~left))
    ]
    if halves[1].one >= halves[1].several:
        return halves
    more = _cut(look, halves[1].piece, most - 1)
    return None if more is None else [halves[0], *more]


def _part(piece: _Piece, own: np.ndarray) -> _Piece:
    rows, columns = paper.box(own)
    return _Piece(
        own[rows, columns],
        piece.top + rows.start,
        piece.left + columns.start,
        float(own.sum() / piece.own.sum() * piece.weight),
    )


def _confidence(image: np.ndarray) -> float:
    """How sure it is that an image is one digit."""
    ((one,), _) = judge.digit_odds(image[None])
    return float(1 / (1 + np.exp(-one)))


def _in_context(found: list[Found], weights: list[float]) -> list[Found]:
    """Surer of what stands among digits, less sure of digits among ink that is none.

    A clumsy digit of a number is one more likely than a clumsy sign alone, and a letter
    of a word may look like a digit.
    """
    found = _among_digits(found)
    share = sum(
        weight
        for each, weight in zip(found, weights, strict=True)
        if each.confidence >= 0.5
    ) / (sum(weights) or 1.0)
    return [replace(each, confidence=share * each.confidence) for each in found]


def _among_digits(found: list[Found]) -> list[Found]:
    """Surer of what is as high as the others, of which two thirds surely are digits.

    It stands beside one of those; the edge of a shadow or a sheet seldom does.
    """
    _, tops, _, bottoms = np.array([each.box for each in found]).T
    heights = bottoms - tops
    sure = np.array([each.confidence > _CERTAIN for each in found])
    if not sure.any() or sure.all():
        return found
    ratio = heights / np.median(heights[sure])
    shared = np.minimum.outer(bottoms, bottoms) - np.maximum.outer(tops, tops)
    beside = shared / np.minimum.outer(heights, heights) > _BESIDE
    likely = (ratio > 0.6) & (ratio < 1.6) & ~sure & beside[:, sure].any(1)
    if 3 * sure.sum() < 2 * (len(found) - 1):
        return found
    odds = [_NEIGHBOURS if each else 1.0 for each in likely]
    return [
        replace(
            each,
            confidence=more * each.confidence / (1 + (more - 1) * each.confidence),
        )
        for each, more in zip(found, odds, strict=True)
    ]


def _worth(found: list[Found], weights: list[float]) -> float:
    """How much ink a look explains as digits."""
    parts = zip(found, weights, strict=True)
    return sum(weight * each.confidence**4 for each, weight in parts) ** 0.5
