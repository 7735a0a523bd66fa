"""The digits in a photograph: found, prepared, and put in the order of reading."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from PIL import Image
from scipy import ndimage

from kerasconv._arguments import check_share
from kerasconv._pixels import to_unit
from kerasconv.pictures import digit as mnist
from kerasconv.pictures import ink as inks
from kerasconv.pictures import judge, paper, sheet, strokes
from kerasconv.pictures.look import (
    PALE,
    SHADOW,
    Box,
    Look,
    Piece,
    fitted,
    ink_odds,
    thickened,
)

# A photograph is looked at in a view this large, and closer in one this large.
_VIEW, CLOSER = 400, 1600
# So confident that no other way is tried; where the rim tells what is paper, and this
# share of all that differs from it is the digit, less will do.
_CERTAIN, _SETTLED, _ALL = 0.9, 0.5, 0.95
# Of the box about such ink the digit takes up at least this share; ink in which it does
# not, or of two strengths, is worth so much.
_WHOLE, _MIXED = 0.85, 0.25
# Ink that covers more than this share of a picture may be a shadow.
_INKED = 0.2
# So confident that two pieces are one digit.
_SURE = 0.95
# Of digits that touch the least certain is at least this likely to be one; what they
# are cut from is at least so likely to be several, and so many times as likely as to be
# one. By this much less a look is worth.
_HALF, _SEVERAL, _RATHER, _OF_CUT = 0.7, 0.3, 5, 0.8
# So many pixels of a stroke's edges are soft in a view, and where it was cut out.
_SOFT = 3
_SOFT_CUT = 2
# What reaches beyond a digit below so much of its height is no part of it.
_LOW = 0.7
# Digits that touch are at least this many times as wide as they are high, in the mean.
_NARROWEST = 0.55
# So many strokes meet where digits touch; more are cut where a loop is.
_MOST_CUT = 2
# What is less likely to be a digit needs no look whether it is an edge.
_EDGE = 0.25
# What runs from rim to rim, and looks less than this like a digit, is one so seldom.
_DOUBTED, _CROSSING = 0.7, 0.5
# How light the paper is, so many pixels of the longer side tell.
_COARSE = 100
# Among digits it is so many times as likely that what is as high is one as well.
_NEIGHBOURS = 50
# What stands beside a digit shares this much of the rows of the lower one.
_BESIDE = 0.7
# So many neighbours are tried as one digit in each look, and so many pieces as two in
# those without the edges of shadows, of which there are as many again.
_TRIES, _CUTS = 8, 3


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
class _Judged:
    """A piece as a digit, and how sure it is that it is one, and that it is several."""

    piece: Piece
    image: np.ndarray
    one: float
    several: float


def find(grey: np.ndarray, *, single: bool = False, scale: float = 1.0) -> list[Found]:
    """What may be digits in a grey picture, in the order of reading, each judged.

    Args:
        grey: grey levels in [0, 1], of shape (height, width).
        single: there is one digit at most: the best of what is found.
        scale: how many pixels of the user's picture one of these is, for the boxes.
    """
    best: tuple[float, list[Found]] = (-np.inf, [])
    easy = _easy(grey, scale)
    if easy is not None and easy[2] is not None and _is_pale(easy[2]):
        easy = None
    darks: tuple[bool, ...] = (True, False)
    closes: tuple[bool, ...] = (False, True)
    if easy is not None:
        digit, weight, cut = easy
        one = cut is None or (_is_one(cut) and not _is_mixed(cut))
        clear = one and (cut is None or cut.share > _ALL)
        lined = cut is not None and _underlined(cut.ink > 0.3 * cut.ink.max())
        if clear and (cut is None or (digit.confidence > _SETTLED and not lined)):
            return [digit]
        weight *= (1.0 if one else _MIXED) * (_MIXED if lined else 1.0)
        best = (_worth([digit], [weight]), [digit])
        # What is no digit and leaves the picture may be all that is in a light.
        lit = cut is not None and digit.confidence < 0.5 and _leaves(cut.box, grey)
        if cut is not None and clear and not lit and _covered(cut, grey) < _INKED:
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
            # A line under one digit alone of several is its foot, if none was cut.
            lone = halved or sum(each.confidence > 0.5 for each in found) < 2
            under = [lone and _underlined(part.piece.own) for part in parts]
            pairs = zip(weights, under, strict=True)
            worth = _worth(found, [_MIXED * w if lies else w for w, lies in pairs])
            if look.is_mixed:
                worth *= _MIXED**0.5
            if halved:
                worth *= _OF_CUT  # a line that crosses a digit can be cut off, too
            if worth > best[0]:
                best = (worth, found)
            if (
                not halved
                and not any(under)
                and all(each.confidence > _CERTAIN for each in found)
                and not look.leaves_out(pieces)
            ):
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
    check_share("min_confidence", min_confidence)
    found = find(inks.shrunk(grey, CLOSER), single=single, scale=_scale(grey))
    return [each for each in found if each.confidence >= min_confidence]


def _scale(grey: np.ndarray) -> float:
    return max(1.0, inks.side_of(grey.shape) / CLOSER)


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


def _is_pale(cut: paper.Cut) -> bool:
    """Whether ink is so near to paper as paper's own texture, or a screen's, is."""
    return float(cut.ink[cut.ink > 0.3 * cut.ink.max()].mean()) < PALE


def _ink_odds(cut: paper.Cut, grey: np.ndarray) -> float:
    """The odds that it is ink, and no shadow and no stain: see `ink_odds`."""
    mask = cut.ink > 0.3 * cut.ink.max()
    ink = cut.ink[mask]
    if np.quantile(ink, 0.8) > SHADOW:  # in the most light that there is
        return 1.0
    step = max(1, max(grey.shape) // _COARSE)
    ground = float(np.median(grey[::step, ::step]))
    light = np.maximum(ground if cut.dark else ground + ink, 0.02)
    leaves = _leaves(cut.box, grey)
    return ink_odds(mask, ink / light, lambda _: leaves)


def _is_mixed(cut: paper.Cut) -> bool:
    """Whether it is ink of two strengths: a shadow, and what is written in it."""
    ink = cut.ink / cut.ink.max()
    return inks.stronger(ink, ink > 0.3, _SOFT_CUT) is not None


def _underlined(mask: np.ndarray) -> bool:
    """Whether what is low in the ink reaches beyond the rest to the left and right."""
    height, width = mask.shape
    (columns,) = np.nonzero(mask[: round(_LOW * height)].any(0))
    margin = 0.1 * height
    return bool(
        columns.size and columns[0] > margin and columns[-1] < width - 1 - margin
    )


def _leaves(box: tuple[float, ...], grey: np.ndarray) -> bool:
    left, top, right, bottom = box
    height, width = grey.shape
    return min(left, top) <= 1 or right >= width - 1 or bottom >= height - 1


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
    confidence = _likelier(confidence, _ink_odds(cut, grey))
    pixel = (right - left) * (bottom - top) / cut.ink.size
    step = max(1.0, inks.side_of(grey.shape) / _VIEW)
    box = tuple(round(scale * side) for side in cut.box)
    found = Found(image, box, confidence)  # type: ignore[arg-type]
    weight = float(cut.ink.sum()) * pixel / step**2
    return found, weight, cut


def _looks(
    grey: np.ndarray,
    scale: float,
    darks: tuple[bool, ...] = (True, False),
    closes: tuple[bool, ...] = (False, True),
) -> Iterator[Look]:
    """The ways in which the ink of a grey picture may be told from its paper.

    For dark ink and for light, by a background without and with the edges of shadows.
    """
    whole = inks.shrunk(grey, CLOSER)
    base, (top, left) = sheet.cut_out(whole)
    if base is not whole:
        darks = (True,)  # what is written on a sheet that is light
    scale *= max(grey.shape) / max(whole.shape)
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
            # The other background has the edges of shadows, and leaves few in the ink.
            for mask, mixed in _masks(ink, dark, not close):
                least = 0.005 * np.count_nonzero(mask)
                if any(np.count_nonzero(mask ^ other) <= least for other in seen):
                    continue
                cuts = 0 if close else _CUTS
                seen.append(mask)
                yield Look(
                    picture, v, around, ink, mask, top, left, scale, cuts, dark, mixed
                )


def _masks(ink: inks.Ink, dark: bool, again: bool) -> Iterator[tuple[np.ndarray, bool]]:
    """What may be digits: all ink, then the stronger alone; with lines and without.

    And whether it has ink of two strengths.
    """
    mask: np.ndarray | None = ink.mask
    while mask is not None:
        # What lies in a shadow is darker, and a shadow is dark.
        strong = inks.stronger(ink.strength, mask, _SOFT) if dark else None
        for each in chain([mask], strokes.without_lines(mask)):
            yield each, strong is not None
        mask = strong if again else None


def _judged(look: Look, pieces: list[Piece]) -> tuple[list[_Judged], bool]:
    """The digits of a look, joined or cut where that makes digits; whether any was cut.

    Pieces are brought to digits all at once, which is most of the work.
    """
    judged = [
        replace(each, one=0.0)
        if each.one > _EDGE
        and (each.piece.is_pale or look.is_edge(each.piece, each.one > _CERTAIN))
        else each
        for each in _asked(pieces, [look.digit(piece) for piece in pieces])
    ]
    cuts, cut = look.cuts, False
    parts: list[_Judged] = []
    for each in _joined(look, judged):
        halves = None
        if cuts and each.several > max(_SEVERAL, _RATHER * each.one):
            cuts -= 1
            halves = _cut(look, each.piece)
            cut |= halves is not None
        parts += halves or [each]
    return [
        replace(each, one=_likelier(each.one, look.odds(each.piece)))
        if each.one > _EDGE
        else each
        for each in parts
    ], cut


def _asked(pieces: list[Piece], images: list[np.ndarray]) -> list[_Judged]:
    odds = judge.digit_odds(np.stack(images))
    one, several = (1 / (1 + np.exp(-each)) for each in odds)
    each = zip(pieces, images, one.tolist(), several.tolist(), strict=True)
    return [_Judged(*facts) for facts in each]


def _joined(look: Look, judged: list[_Judged]) -> list[_Judged]:
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
                if both.one > max(
                    _SURE, *(each.one for each in pair)
                ) and not look.is_edge(union, True):
                    judged = [*judged[:i], both, *judged[i + 2 :]]
                    i = max(0, i - 1)
                    continue
        i += 1
    return judged


def _union(a: Piece, b: Piece) -> Piece:
    top, left = min(a.top, b.top), min(a.left, b.left)
    bottom = max(a.top + a.own.shape[0], b.top + b.own.shape[0])
    right = max(a.left + a.own.shape[1], b.left + b.own.shape[1])
    own = np.zeros((bottom - top, right - left), bool)
    for piece in (a, b):
        y, x = piece.top - top, piece.left - left
        height, width = piece.own.shape
        own[y : y + height, x : x + width] |= piece.own
    return Piece(own, top, left, a.weight + b.weight)


def _cut(look: Look, piece: Piece, most: int | None = None) -> list[_Judged] | None:
    """A piece as digits that touch, by the best of some cuts, if it is that."""
    height, width = piece.own.shape
    if most is None:
        most = max(2, int(width / (_NARROWEST * height)))
    level, own = look.detail(piece)
    level = thickened(level)
    edge = (level.shape[0] - own.shape[0]) // 2  # what a thickened stroke needed
    step = own.shape[1] / (width + 4)
    whole, mask = float(level.sum()), level > 0.5
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
            if (
                min(side.sum() for side in sides) > 0.1 * whole
                and _strokes_cut(mask, place < at) <= _MOST_CUT
            ):
                tried.append((slant, at))
                images += [fitted(side) for side in sides]
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
    owned = piece.own & left, piece.own & ~left
    if not all(own.any() for own in owned):
        return None  # so long and thin that the closer look was a coarser one
    halves = [
        replace(judged[2 * best + i], piece=_part(piece, own))
        for i, own in enumerate(owned)
    ]
    if halves[1].one >= halves[1].several:
        return halves
    more = _cut(look, halves[1].piece, most - 1)
    return None if more is None else [halves[0], *more]


def _strokes_cut(mask: np.ndarray, left: np.ndarray) -> int:
    """How many strokes are cut where what is left of the cut ends."""
    last = left.sum(1) - 1  # of each row, left of the cut
    rows = np.flatnonzero((last >= 0) & (last < mask.shape[1] - 1))
    crossed = np.zeros(len(mask) + 2, np.int8)
    crossed[rows + 1] = mask[rows, last[rows]] & mask[rows, last[rows] + 1]
    return int((np.diff(crossed) > 0).sum())


def _part(piece: Piece, own: np.ndarray) -> Piece:
    rows, columns = paper.box(own)
    return Piece(
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
    digits = [each.confidence >= 0.5 for each in found]
    read = sum(w for w, is_digit in zip(weights, digits, strict=True) if is_digit)
    # Of the ink about each, and its own, which is not held against itself.
    shares = [
        (read if is_digit else read + w) / (sum(weights) or 1.0)
        for w, is_digit in zip(weights, digits, strict=True)
    ]
    return [
        replace(each, confidence=share * each.confidence)
        for each, share in zip(found, shares, strict=True)
    ]


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
        replace(each, confidence=_likelier(each.confidence, more))
        for each, more in zip(found, odds, strict=True)
    ]


def _likelier(confidence: float, times: float) -> float:
    """The probability of what has so many times the odds."""
    return times * confidence / (1 + (times - 1) * confidence)


def _worth(found: list[Found], weights: list[float]) -> float:
    """How much ink a look explains as digits."""
    parts = zip(found, weights, strict=True)
    return sum(weight * each.confidence**4 for each, weight in parts) ** 0.5
