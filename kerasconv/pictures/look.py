"""One way to tell ink from paper in a picture, and the pieces of ink as digits."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image
from scipy import ndimage

from kerasconv._pixels import to_unit
from kerasconv.pictures import digit as mnist
from kerasconv.pictures import ink as inks
from kerasconv.pictures import paper, strokes

# A digit is looked at closer until it takes up so many pixels.
_DETAIL = 64
# Ink of a stroke this share of the digit's height thick or thinner is thickened.
_THIN = 0.085
# What weighs less than so many black pixels of a view is the paper's noise.
_LEAST = 1
# Ink is this much darker than paper, of white; less is paper's, or a screen's, texture.
PALE = 0.03
# The darkest fifth of ink takes more than this share of the light, or it may be a
# stain; of ink that leaves the picture more than that, or it may be a shadow. It leaves
# if what is this share as dark does.
_STAIN, SHADOW, _AS_DARK = 0.15, 0.6, 0.5
# What may be one or the other, or a frame, is a digit so seldom, beside what may not.
_IF_STAIN, _IF_SHADOW, _IF_FRAME = 1e-4, 0.01, 0.01
# So may ink that is a bar, unless most of it is firm: nearly as dark as that. What
# is firm may be one if it is paler than this.
_FIRM, _MOST, _PALER = 0.75, 0.65, 0.45
# A bar fills this share of the rectangle with its axes, and is not so many times as
# long as it is wide: a pencil's stroke is.
_STRAIGHT, _LONG = 0.95, 9
# Ink that is no piece and this much as high as the highest may hold digits.
_AS_HIGH = 0.8
# Beside an edge the darker side is lighter than the ink by less than this share of what
# the lighter one is.
_EDGE = 0.25
# The same of what runs from one rim of the picture to the other, as a fold does.
_FOLD = 0.6

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Piece:
    """A part of a view: which of its pixels are the ink of one digit."""

    own: np.ndarray
    top: int
    left: int
    weight: float

    @property
    def is_pale(self) -> bool:
        """Whether it is so near to paper as paper's own texture, or a screen's, is."""
        return self.weight < PALE * self.own.sum()


@dataclass(frozen=True)
class Look:
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
    is_dark: bool
    """Whether its ink is darker than the paper."""
    is_mixed: bool
    """Whether its ink has two strengths, as a shadow and a digit in it."""

    @property
    def step(self) -> float:
        """How many pixels of the picture one of the view is."""
        return max(self.base.size) / max(self.mask.shape)

    def pieces(self) -> list[Piece]:
        """What may be digits, in the order of reading."""
        labels, groups = strokes.grouped(self.mask, self.ink.strength)
        pieces = []
        for group in groups:
            top, left, bottom, right = group.box
            part = labels[top:bottom, left:right]
            own = np.logical_or.reduce([part == i for i in group.parts])
            strength, level = (
                each[top:bottom, left:right] for each in (self.ink.strength, self.paper)
            )
            weight = float((strength * level)[own].sum())
            if weight >= _LEAST:
                pieces.append(Piece(own, top, left, weight))
        return pieces

    def leaves_out(self, pieces: list[Piece]) -> bool:
        """Whether ink as high as the pieces is in none: digits on a line, maybe."""
        rest = self.mask.copy()
        for piece in pieces:
            height, width = piece.own.shape
            part = rest[piece.top : piece.top + height, piece.left : piece.left + width]
            part &= ~piece.own
        highest = max(len(piece.own) for piece in pieces)
        labels, _ = strokes.labelled(rest)
        return any(
            rows.stop - rows.start > _AS_HIGH * highest
            for rows, _ in ndimage.find_objects(labels)
        )

    def is_edge(self, piece: Piece, sure: bool = False) -> bool:
        """Whether a piece lies along an edge: on one side all is as dark as it is.

        What surely looks like a digit may lie across the edge of a shadow: there it is
        darker than what is next to it on either side.
        """
        reach = 6
        height, width = piece.own.shape
        rows = slice(max(0, piece.top - reach), piece.top + height + reach)
        columns = slice(max(0, piece.left - reach), piece.left + width + reach)
        level, mask = self.level[rows, columns], self.mask[rows, columns]
        own = np.zeros(mask.shape, bool)
        y, x = piece.top - rows.start, piece.left - columns.start
        own[y : y + height, x : x + width] = piece.own
        near = inks.grown(own, 2)
        ring = inks.grown(near, reach - 2) & ~near & ~mask
        if not ring.any():
            return False
        under = inks.median(level[own])
        if sure:
            ink = np.where(own, level, 2)
            under = ndimage.minimum_filter(ink, 2 * reach + 1, mode="nearest")[ring]
        dark, light = np.quantile(level[ring] - under, (0.2, 0.8))
        top, left = piece.top, piece.left
        crosses = (top == 0 and top + height == self.mask.shape[0]) or (
            left == 0 and left + width == self.mask.shape[1]
        )
        return bool(dark < (_FOLD if crosses else _EDGE) * light)

    def odds(self, piece: Piece) -> float:
        """The odds that a piece is ink, and no shadow and no stain: see `ink_odds`.

        Nor a frame or the lines of a table, from rim to rim both ways.
        """
        if piece.own.shape == self.mask.shape:
            return _IF_FRAME
        height, width = piece.own.shape
        rows = slice(piece.top, piece.top + height)
        columns = slice(piece.left, piece.left + width)

        def leaves(dark: float) -> bool:
            labels, _ = strokes.labelled(self._taken() > _AS_DARK * dark)
            own = np.unique(labels[rows, columns][piece.own])
            rims = labels[:2], labels[-2:], labels[:, :2], labels[:, -2:]
            return any(np.isin(own[own > 0], rim).any() for rim in rims)

        return ink_odds(piece.own, self._taken(rows, columns)[piece.own], leaves)

    def _taken(
        self, rows: slice = slice(None), columns: slice = slice(None)
    ) -> np.ndarray:
        """What share of its paper's light each pixel lacks."""
        level, around = self.level[rows, columns], self.paper[rows, columns]
        if not self.is_dark:  # of light ink the paper is what may lie in a shadow
            level, around = 1 - around, 1 - level
        return 1 - level / np.maximum(around, 0.02)

    def box(self, piece: Piece) -> Box:
        """The sides of a piece in pixels of the user's picture."""
        height, width = piece.own.shape
        sides = (
            self.step * piece.left + self.left,
            self.step * piece.top + self.top,
            self.step * (piece.left + width) + self.left,
            self.step * (piece.top + height) + self.top,
        )
        return tuple(round(self.scale * side) for side in sides)  # type: ignore[return-value]

    def digit(self, piece: Piece) -> np.ndarray:
        """The ink of a piece as an MNIST digit, looked at closer where it is small."""
        return fitted(thickened(self.detail(piece)[0]))

    def detail(self, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
        """The ink of a piece, as much of it as a digit has use for, and its mask."""
        height, width = piece.own.shape[0] + 4, piece.own.shape[1] + 4
        own = np.zeros((height, width), bool)
        own[2:-2, 2:-2] = piece.own
        top, left = piece.top - 2, piece.left - 2
        strength = _window(self.ink.strength, top, left, own.shape)
        closer = min(self.step, 1.5 * _DETAIL / max(piece.own.shape))
        # Of a piece that is a hair across a long strip a pixel is left.
        size = (max(1, round(width * closer)), max(1, round(height * closer)))
        if closer > 1.2:
            step = self.step
            corners = [left, top, left + width, top + height]
            crop = self.base.transform(
                size, Image.Transform.EXTENT, [step * side for side in corners], 2
            )
            level = _resized(_window(self.paper, top, left, own.shape), size)
            strength = np.clip(1 - np.asarray(crop) / np.maximum(level, 0.02), 0, 1)
            near = _resized(inks.spread(own), size) > 0.3
            own = _resized(own, size) > 0.5
        elif closer < 0.8:  # more pixels than a digit of 20 has use for
            near = inks.spread(own)
            strength = _resized(np.where(near, strength, 0), size)
            near = _resized(near, size) > 0.2
            own = _resized(own, size) > 0.5
        else:
            near = inks.spread(own)
        inked = strength[own]
        full = float(_quantile(inked, 0.6)) if inked.size else 0.0
        level = np.where(near, np.minimum(strength / max(full, 1e-6), 1), 0)
        return np.where(level < 0.15, 0, level).astype(np.float32), own


def ink_odds(
    mask: np.ndarray, inked: np.ndarray, leaves: Callable[[float], bool]
) -> float:
    """How likely ink is a digit if it is as faint as a stain or a shadow, and like one.

    Args:
        mask: Where the ink is.
        inked: What share of the paper's light it takes there; if it is the lighter,
            what share of its own the paper lacks.
        leaves: Whether ink that takes such a share of it leaves the picture.

    Returns:
        By how much the odds change that it is a digit: 1 where it is no such ink.
    """
    dark = float(np.quantile(inked, 0.8))
    if not _STAIN <= dark < SHADOW:
        return _IF_STAIN if dark < _STAIN else 1.0
    is_firm = np.mean(inked > _FIRM * dark) > _MOST
    bar = not (is_firm and dark > _PALER) and _is_bar(mask)
    return _IF_SHADOW if bar or leaves(dark) else 1.0


def _is_bar(mask: np.ndarray) -> bool:
    """Whether a mask is a straight bar: of a rectangle the axes tell its area."""
    places = np.argwhere(mask)
    if len(places) < 2:
        return False
    minor, major = np.linalg.eigvalsh(np.cov(places.T, ddof=0) + np.eye(2) / 12)
    straight = len(places) > 12 * _STRAIGHT * math.sqrt(minor * major)
    return bool(straight and major < _LONG**2 * minor)


def fitted(level: np.ndarray) -> np.ndarray:
    """Ink as an MNIST digit."""
    level = level[paper.box(level > 0.25)]
    if not level.size:
        return np.zeros((mnist.FIELD, mnist.FIELD), np.float32)
    return to_unit(mnist.centred(mnist.fitted(level)))


def _window(
    values: np.ndarray, top: int, left: int, shape: tuple[int, ...]
) -> np.ndarray:
    """A part of a view; beyond its rim the rim itself."""
    bottom, right = top + shape[0], left + shape[1]
    if min(top, left) >= 0 and bottom <= len(values) and right <= values.shape[1]:
        return values[top:bottom, left:right]
    rows = np.clip(np.arange(top, top + shape[0]), 0, values.shape[0] - 1)
    columns = np.clip(np.arange(left, left + shape[1]), 0, values.shape[1] - 1)
    return values[rows[:, None], columns]


def _quantile(values: np.ndarray, share: float) -> float:
    """One of the values that has this share of them below it."""
    place = round(share * (len(values) - 1))
    return float(np.partition(values, place)[place])


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    image = Image.fromarray(values.astype(np.float32, copy=False))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


_squares_deep = partial(ndimage.distance_transform_cdt, metric="chessboard")


def thickened(level: np.ndarray) -> np.ndarray:
    """Ink of a thin pen made as thick as MNIST's thinnest."""
    mask = level > 0.5
    if not mask.any():
        return level
    rows, columns = paper.box(mask)
    longest = max(rows.stop - rows.start, columns.stop - columns.start)
    # In squares ink is nowhere deeper than it is, and mostly deep enough.
    for depth in (_squares_deep, ndimage.distance_transform_edt):
        # In a stroke the mean depth is a quarter of its width.
        width = 4 * float(depth(mask)[mask].mean()) - 1
        missing = _THIN * longest - width
        if missing <= 0.5:
            return level
    side = round(missing) | 1
    place = np.arange(side) - (side - 1) / 2
    disk = place[:, None] ** 2 + place**2 <= (side / 2) ** 2
    return ndimage.grey_dilation(np.pad(level, side), footprint=disk)
