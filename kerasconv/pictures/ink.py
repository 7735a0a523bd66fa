"""Ink told from paper under uneven light: what is darker than its neighbourhood."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

# Of a strip more than this many times as long as it is wide the width counts.
_STRIP = 4
# The paper's level at a pixel is the median of its neighbourhood, a square this share
# of the picture's side wide, sought in a picture this many times smaller.
_REACH, _COARSER = 0.3, 8
# Strokes are narrower than this share of the side, shadows wider.
_NARROW = 0.08
# Ink differs from its paper by more than this share of it, and by this many standard
# deviations of the paper's noise.
_FAINT, _NOISY = 0.06, 4.0
# Ink has two strengths where the weaker, apart from the edges of the stronger, covers
# more than this share of what the stronger does, and is weaker than this share of it.
_TWO, _WEAKER = 0.3, 0.8


@dataclass(frozen=True)
class Ink:
    """The ink of a view: how strongly each pixel is inked, and which surely are.

    Attributes:
        strength: from 0, paper, to 1; shape (height, width).
        mask: what surely is ink.
        noise: the standard deviation of the strength where there is paper.
    """

    strength: np.ndarray
    mask: np.ndarray
    noise: float


def side_of(shape: tuple[int, ...]) -> float:
    """By what a picture of some height and width is large or small: its longer side.

    Of a long strip, which has small writing, it is four times the shorter side, or the
    side of a square of the same area if that is more. So a picture has no more pixels
    than a square of this side.
    """
    return min(max(shape), max(_STRIP * min(shape), math.sqrt(math.prod(shape))))


def shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    """A grey picture reduced, by area, until its `side_of` is at most `side`."""
    height, width = picture.shape
    scale = side_of(picture.shape) / side
    if scale <= 1:
        return picture
    size = (max(1, round(width / scale)), max(1, round(height / scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def background(view: np.ndarray) -> np.ndarray:
    """The paper's level at every pixel."""
    height, width = view.shape
    small = shrunk(view, max(1, round(side_of(view.shape) / _COARSER)))
    side = max(3, round(_REACH * side_of(small.shape)) | 1)
    level = _medians(small, side)
    size = (width, height)
    return np.asarray(Image.fromarray(level).resize(size, Image.Resampling.BILINEAR))


def close_background(view: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The same, with the edges of shadows where they are; thick strokes spoil it.

    A grey closing fills what is dark and narrower than its square.
    """
    height, width = view.shape
    small = shrunk(view, max(1, round(side_of(view.shape) / 2)))
    side = max(3, round(_NARROW * side_of(small.shape)) | 1)
    closed = _squares(_squares(small, side, np.maximum), side, np.minimum)
    image = Image.fromarray(closed).resize((width, height), Image.Resampling.BILINEAR)
    return np.minimum(level, np.asarray(image))


def _medians(values: np.ndarray, side: int) -> np.ndarray:
    """The median of the square about each value, of an odd side; the rim goes on.

    Of the values' ranks, which are short numbers, and quick to part.
    """
    order = np.argsort(values, axis=None, kind="stable")
    ranks = np.empty(order.size, np.min_scalar_type(order.size))
    ranks[order] = np.arange(order.size)
    padded = np.pad(ranks.reshape(values.shape), side // 2, "edge")
    squares = np.array(sliding_window_view(padded, (side, side)), order="C")
    squares = squares.reshape(order.size, -1)
    squares.partition(side**2 // 2, axis=1)
    return values.ravel()[order[squares[:, side**2 // 2]]].reshape(values.shape)


def _squares(values: np.ndarray, side: int, pick: np.ufunc) -> np.ndarray:
    """What `pick` leaves of the square about each value, of an odd side."""
    for _ in range(2):
        place = np.arange(-(side // 2), len(values) + side // 2)
        rows = values[np.clip(place, 0, len(values) - 1)]  # the rim goes on
        values = running(rows, side, pick).T
    return values


def running(values: np.ndarray, count: int, pick: np.ufunc) -> np.ndarray:
    """What `pick`, as `np.maximum`, leaves of every `count` rows that follow another.

    There are `count - 1` fewer of these. Each step takes up to twice as many together.
    """
    done = 1
    while done < count:
        more = min(done, count - done)
        values = pick(values[:-more], values[more:])
        done += more
    return values


def find_ink(view: np.ndarray, paper: np.ndarray, least: float = _FAINT) -> Ink:
    """What is darker than its paper, as a share of the paper's level."""
    strength = np.maximum(paper, 0.02)
    # Of every other pixel, which says as much of the noise.
    around = strength[::2, ::2].copy()
    noise = 1.4826 * median(np.abs(view[::2, ::2] - around) / around)
    np.divide(view, strength, out=strength)
    np.subtract(1, strength, out=strength)
    np.clip(strength, 0, 1, out=strength)
    level = max(otsu(strength), least, _NOISY * noise)
    return Ink(strength, strength > level, noise)


def stronger(strength: np.ndarray, mask: np.ndarray, reach: int) -> np.ndarray | None:
    """The stronger ink where a mask has ink of two strengths, as a digit in a shadow.

    None where it has one: that is weaker along its edges alone, for `reach` pixels.
    """
    if not mask.any():
        return None
    strong = mask & (strength > otsu(strength[mask]))
    near = strong
    for _ in range(reach):
        near = spread(near)
    weak = mask & ~near
    if not 0 < _TWO * np.count_nonzero(strong) < np.count_nonzero(weak):
        return None
    apart = np.mean(strength[weak]) < _WEAKER * np.mean(strength[strong])
    return strong if apart else None


def spread(mask: np.ndarray, by: int = 1) -> np.ndarray:
    """A mask, and the pixels beside it, across corners too: a dilation by a square.

    Those `by` pixels beside it, which leaves gaps if the mask is thinner than that.
    """
    mask = mask.copy("K")
    mask[by:] |= mask[:-by]
    mask[:-by] |= mask[by:]
    mask[:, by:] |= mask[:, :-by]
    mask[:, :-by] |= mask[:, by:]
    return mask


def grown(mask: np.ndarray, times: int = 1) -> np.ndarray:
    """A mask, and the pixels above, below and beside it: a dilation by a cross."""
    for _ in range(times):
        before, mask = mask, mask.copy()
        mask[..., 1:, :] |= before[..., :-1, :]
        mask[..., :-1, :] |= before[..., 1:, :]
        mask[..., 1:] |= before[..., :-1]
        mask[..., :-1] |= before[..., 1:]
    return mask


def median(values: np.ndarray) -> float:
    """`np.median`, which does a multiple of this work, of finite numbers."""
    low, high = (values.size - 1) // 2, values.size // 2
    # By both places: by one alone NumPy takes longer where many values are equal.
    ordered = np.partition(values, (low, high), axis=None)
    return float(ordered[low] + ordered[high]) / 2


def otsu(values: np.ndarray) -> float:
    """The level that divides values in [0, 1] into two classes with least variance.

    Source: N. Otsu, "A threshold selection method from gray-level histograms", 1979.
    """
    steps = np.empty(values.shape, np.uint8)
    np.multiply(values, 255, out=steps, casting="unsafe")
    counts = np.array(Image.fromarray(np.atleast_2d(steps)).histogram())
    levels = (np.arange(256) + 0.5) / 256
    below = np.cumsum(counts, dtype=np.float64)
    mass = np.cumsum(counts * levels)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below / below[-1] - mass) ** 2 / (below * above)
    return float(levels[np.nanargmax(np.where(above > 0, between, -1))])
