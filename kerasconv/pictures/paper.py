"""Paper and ink told apart in a grey picture."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import ndimage

from kerasconv.pictures.strokes import spread

# The ink is sought in a view of at most _VIEW pixels a side, which averages noise
# away, and again closer until it takes up _DETAIL of them. Measured on scans made of
# test digits: finer views gain nothing on clean ones and lose dithered ones.
_VIEW, _DETAIL = 64, 30
# Paper and ink differ from each other by more than this share of the contrast.
_FAINT = 0.25


@dataclass(frozen=True)
class Cut:
    """The ink alone, cut out at its box.

    Attributes:
        ink: how strongly each pixel is inked; 0 is paper.
        box: (left, top, right, bottom) in pixels of the picture.
        share: how much this ink is of all that differs from the paper, by squares, from
            0 to 1; without its halo.
        dark: whether it is darker than the paper.
        parts: how many groups of pixels it is; corners touch.
    """

    ink: np.ndarray
    box: tuple[float, float, float, float]
    share: float
    dark: bool
    parts: int


def find_ink(grey: np.ndarray) -> Cut | None:
    """The ink of a picture; None if there is none."""
    picture = Image.fromarray(grey)
    height, width = grey.shape
    left, top, right, bottom = 0, 0, width, height
    least = 3 * float(np.ptp(grey))  # three pixels of full contrast are a speck
    found: Cut | None = None
    while True:
        step = max(1.0, (right - left) / _VIEW, (bottom - top) / _VIEW)
        size = [max(1, round(side / step)) for side in (right - left, bottom - top)]
        view = picture.resize(size, Image.Resampling.BOX, (left, top, right, bottom))
        ink, mask, share, dark, parts = _separated(np.asarray(view), least / step**2)
        rows, columns = box(mask)
        digit = ink[rows, columns]
        if not digit.size:
            return found
        across, down = (right - left) / size[0], (bottom - top) / size[1]
        corners = (
            left + columns.start * across,
            top + rows.start * down,
            left + columns.stop * across,
            top + rows.stop * down,
        )
        # The widest view shows what else there is.
        if found is not None:
            share, dark = found.share, found.dark
        found = Cut(digit, corners, share, dark, parts)
        if step == 1 or max(digit.shape) >= _DETAIL:
            return found
        # Look again, closer, with half a digit of paper around.
        margin = max(2, max(digit.shape) // 2)
        right = min(right, left + (columns.stop + margin) * across)
        left = max(left, left + (columns.start - margin) * across)
        bottom = min(bottom, top + (rows.stop + margin) * down)
        top = max(top, top + (rows.start - margin) * down)


def _separated(
    view: np.ndarray, least: float
) -> tuple[np.ndarray, np.ndarray, float, bool, int]:
    """Ink (0 is paper), the mask of what surely is, and the other facts of a `Cut`."""
    contrast, noise = _contrast(view)
    seen = max(4 * noise, 1.5 / 255)
    beyond = np.maximum(np.abs(contrast) - seen, 0)
    beyond *= beyond
    is_dark = bool(beyond[contrast < 0].sum() >= beyond[contrast > 0].sum())
    ink = np.maximum(-contrast if is_dark else contrast, 0)
    peak = ink.max()
    # Noise leaves few pixels near its peak; bold ink, cut tight, looks like noise.
    bold = np.count_nonzero(ink > 0.7 * peak) > 0.05 * ink.size
    if peak < 2 / 255 or not (bold or peak > 1.5 * seen):
        return ink, np.zeros(ink.shape, bool), 0.0, is_dark, 0
    mask = ink > min(max(seen, _FAINT * peak), 0.3 * peak)
    groups, _ = ndimage.label(mask, np.ones((3, 3)))  # corners touch too
    weights = np.bincount(groups.ravel(), ink.ravel())
    weights[0] = 0
    heavy = weights > max(least, 0.08 * weights.max())
    mask = heavy[groups]
    # The soft edge of a stroke is ink too.
    near = spread(mask)
    ink *= near
    # Scanners and JPEG leave a halo around a stroke.
    rest = float(beyond[~spread(spread(near))].sum())
    own = float(np.vdot(ink, ink))
    return ink, mask, own / max(own + rest, 1e-9), is_dark, int(heavy.sum())


def _contrast(view: np.ndarray) -> tuple[np.ndarray, float]:
    """How much lighter than the paper each pixel is, and the paper's noise."""
    contrast = view.astype(np.float64) - _rim(view)
    reach = np.abs(contrast).max() * _FAINT
    # Without room to tell shading from strokes the paper has one level.
    terms = 1 if min(view.shape) < 8 else 3
    noise, before = 0.0, np.zeros(view.shape, bool)
    for _ in range(8):
        paper = np.abs(contrast) <= reach
        if np.count_nonzero(paper) < terms or np.array_equal(paper, before):
            break
        before = paper
        if terms > 1:
            contrast -= _plane(contrast, paper.astype(np.float64))
        left = contrast[paper]
        level = _median(left)
        contrast -= level
        noise = 1.4826 * _median(np.abs(left - level))
        reach = 3 * noise + 1 / 255
    return contrast, noise


def _plane(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The plane nearest to weighted values, by least squares."""
    y, x = (_powers(side) for side in values.shape)
    # A plane is a sum of 1, y and x. The first matrix has the sum of y ** i * x ** j
    # in its row i and column j, the second the same of the values.
    squares = y @ weights @ x.T
    sums = y[:2] @ (weights * values) @ x[:2].T
    i, j = np.array([[0, 1, 0], [0, 0, 1]])
    products = squares[i[:, None] + i, j[:, None] + j]
    try:
        level, down, across = np.linalg.solve(products, sums[i, j])
    except np.linalg.LinAlgError:  # all of the paper lies on a line
        level, down, across = np.linalg.lstsq(products, sums[i, j], None)[0]
    return (level + down * y[1])[:, None] + across * x[1]


@lru_cache(128)
def _powers(side: int) -> np.ndarray:
    """1, t and t² at the places along a side, from -1 to 1; shape (3, side)."""
    return np.linspace(-1, 1, side) ** np.arange(3)[:, None]


def _rim(view: np.ndarray) -> float:
    """The paper's level as the rim of a view shows it."""
    y, x = (max(1, -(-(side - 1) // 32)) for side in view.shape)
    rim = [view[:y], view[-y:], view[y:-y, :x], view[y:-y, -x:]]
    y, x = (max(1, -(-(side - 1) // 8)) for side in view.shape)
    corners = np.concatenate([view[:y], view[-y:]])
    corners = np.concatenate([corners[:, :x], corners[:, -x:]], 1)
    # A tight cut leaves ink along the rim, seldom in the corners: half the weight.
    values = np.concatenate([part.ravel() for part in rim])
    return _median(np.concatenate([values, np.resize(corners, values.size)]))


def _median(values: np.ndarray) -> float:
    """`np.median`, which does a multiple of this work, of finite numbers."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    ordered = np.partition(values, (low, high))
    return float(ordered[low] + (ordered[high] - ordered[low]) / 2)


def box(mask: np.ndarray) -> tuple[slice, slice]:
    """The smallest box around all that is true: its rows and its columns."""
    return _extent(np.any(mask, axis=1)), _extent(np.any(mask, axis=0))


def _extent(line: np.ndarray) -> slice:
    (where,) = np.nonzero(line)
    return slice(where[0], where[-1] + 1) if where.size else slice(0)
