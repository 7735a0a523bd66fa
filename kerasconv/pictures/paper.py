"""Paper and ink told apart in a grey picture."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import ndimage

from kerasconv.pictures.ink import median, spread

# The ink is sought in a view of at most _VIEW pixels a side, which averages noise
# away, and again closer until it takes up _DETAIL of them. Measured on scans made of
# test digits: finer views gain nothing on clean ones and lose dithered ones.
_VIEW, _DETAIL = 64, 30
# Paper and ink differ from each other by more than this share of the contrast.
_FAINT = 0.25
_CORNERS = np.ones((3, 3), bool)  # pixels that touch by a corner are one group
# Where the sums of 1, y and x are in a matrix of 2 x 2, and of their products in one of
# 3 x 3: its row is the power of y, its column that of x.
_SUMS = np.array([0, 2, 1])
_PRODUCTS = np.array([[0, 3, 1], [3, 6, 4], [1, 4, 2]])


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
        seen = _separated(np.asarray(view), least / step**2)
        if seen is None:
            return found
        digit, (rows, columns), share, dark, parts = seen
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
) -> tuple[np.ndarray, tuple[slice, slice], float, bool, int] | None:
    """Ink cut out at its box (0 is paper), the box, and the other facts of a `Cut`."""
    contrast, noise = _contrast(view)
    seen = max(4 * noise, 1.5 / 255)
    lighter = np.maximum(contrast - seen, 0)
    darker = np.maximum(-contrast - seen, 0)
    light, dark = (float(np.vdot(each, each)) for each in (lighter, darker))
    is_dark = dark >= light
    ink = np.maximum(-contrast if is_dark else contrast, 0)
    peak = float(ink.max())
    # Noise leaves few pixels near its peak; bold ink, cut tight, looks like noise.
    bold = np.count_nonzero(ink > 0.7 * peak) > 0.05 * ink.size
    if peak < 2 / 255 or not (bold or peak > 1.5 * seen):
        return None
    # All that follows is about the ink, and much of a view is paper.
    mask = ink > min(max(seen, _FAINT * peak), 0.3 * peak)
    inner = box(mask)
    groups, _ = ndimage.label(mask[inner], _CORNERS)
    weights = np.bincount(groups.ravel(), ink[inner].ravel())
    weights[0] = 0
    heavy = weights > max(least, 0.08 * weights.max())
    mask[inner] = heavy[groups]
    rows, columns = box(mask)
    if not mask.any():
        return None
    # The soft edge of a stroke is ink too.
    about = _about(rows, 3), _about(columns, 3)
    near = spread(mask[about])
    ink[about] *= near
    own = float(np.square(ink[about]).sum())
    # Scanners and JPEG leave a halo around a stroke.
    halo = spread(near, 2)
    rest = 0.0
    for each in (lighter, darker):
        each[about][halo] = 0
        rest += float(np.vdot(each, each))
    share = own / max(own + rest, 1e-9)
    parts = int(np.count_nonzero(heavy))
    return ink[rows, columns], (rows, columns), share, is_dark, parts


def _about(where: slice, margin: int) -> slice:
    return slice(max(0, where.start - margin), where.stop + margin)


def _contrast(view: np.ndarray) -> tuple[np.ndarray, float]:
    """How much lighter than the paper each pixel is, and the paper's noise."""
    contrast = view.astype(np.float64) - _rim(view)
    reach = np.abs(contrast).max() * _FAINT
    # Without room to tell shading from strokes the paper has one level.
    terms = 1 if min(view.shape) < 8 else 3
    noise, before = 0.0, np.zeros(view.shape, bool)
    for _ in range(8):
        paper = np.abs(contrast) <= reach
        if np.count_nonzero(paper) < terms or (paper == before).all():
            break
        before = paper
        if terms > 1:
            contrast -= _plane(contrast, paper.astype(np.float64))
        left = contrast[paper]
        level = median(left)
        contrast -= level
        noise = 1.4826 * median(np.abs(left - level))
        reach = 3 * noise + 1 / 255
    return contrast, noise


def _plane(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The plane nearest to weighted values, by least squares."""
    y, x = (_powers(side) for side in values.shape)
    # A plane is a sum of 1, y and x. The first matrix has the sum of y ** i * x ** j
    # in its row i and column j, the second the same of the values.
    squares = y @ weights @ x.T
    sums = (y[:2] @ (weights * values) @ x[:2].T).take(_SUMS)
    products = squares.take(_PRODUCTS)
    try:
        level, down, across = np.linalg.solve(products, sums)
    except np.linalg.LinAlgError:  # all of the paper lies on a line
        level, down, across = np.linalg.lstsq(products, sums, None)[0]
    return np.add.outer(level + down * y[1], across * x[1])


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
    return median(np.concatenate([values, np.resize(corners, values.size)]))


def box(mask: np.ndarray) -> tuple[slice, slice]:
    """The smallest box around all that is true: its rows and its columns."""
    return _extent(np.any(mask, axis=1)), _extent(np.any(mask, axis=0))


def _extent(line: np.ndarray) -> slice:
    (where,) = line.nonzero()
    return slice(int(where[0]), int(where[-1]) + 1) if where.size else slice(0)
