"""Paper and ink told apart in a grey picture."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import ndimage

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
    """

    ink: np.ndarray
    box: tuple[float, float, float, float]
    share: float
    dark: bool


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
        ink, mask, share, dark = _separated(np.asarray(view), least / step**2)
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
        found = Cut(digit, corners, share, dark)
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
) -> tuple[np.ndarray, np.ndarray, float, bool]:
    """Ink (0 is paper), the mask of what surely is, its share, whether it is dark."""
    contrast, noise = _contrast(view)
    seen = max(4 * noise, 1.5 / 255)
    dark, light = (np.maximum(side - seen, 0) for side in (-contrast, contrast))
    is_dark = bool((dark**2).sum() >= (light**2).sum())
    if is_dark:
        contrast = -contrast
    ink = np.maximum(contrast, 0)
    peak = ink.max()
    # Noise leaves few pixels near its peak; bold ink, cut tight, looks like noise.
    bold = (ink > 0.7 * peak).mean() > 0.05
    if peak < 2 / 255 or not (bold or peak > 1.5 * seen):
        return ink, np.zeros(ink.shape, bool), 0.0, is_dark
    mask = ink > np.clip(seen, _FAINT * peak, 0.3 * peak)
    touching = np.ones((3, 3), bool)  # corners touch too
    groups, _ = ndimage.label(mask, touching)
    weights = np.bincount(groups.ravel(), ink.ravel())
    weights[0] = 0
    mask = (weights > max(least, 0.08 * weights.max()))[groups]
    # The soft edge of a stroke is ink too.
    ink = np.where(ndimage.binary_dilation(mask, touching), ink, 0)
    # Scanners and JPEG leave a halo around a stroke.
    away = ~ndimage.binary_dilation(mask, touching, iterations=3)
    rest, own = float(((dark + light)[away] ** 2).sum()), float((ink**2).sum())
    return ink, mask, own / max(own + rest, 1e-9), is_dark


def _contrast(view: np.ndarray) -> tuple[np.ndarray, float]:
    """How much lighter than the paper each pixel is, and the paper's noise."""
    height, width = view.shape
    rim, corners = (view[place] for place in _edges(height, width))
    # A tight cut leaves ink along the rim, seldom in the corners: half the weight.
    level = _median(np.concatenate([rim, np.resize(corners, rim.size)]))
    contrast = view.astype(np.float64) - level
    terms = _terms(height, width)
    reach = np.abs(contrast).max() * _FAINT
    noise, before = 0.0, np.zeros(view.shape, bool)
    for _ in range(8):
        paper = np.abs(contrast) <= reach
        if paper.sum() < terms.shape[-1] or np.array_equal(paper, before):
            break
        basis, before = terms[paper], paper
        try:
            plane = np.linalg.solve(basis.T @ basis, basis.T @ contrast[paper])
        except np.linalg.LinAlgError:  # all of the paper lies on a line
            plane = np.linalg.lstsq(basis, contrast[paper], None)[0]
        contrast -= terms @ plane
        contrast -= _median(contrast[paper])
        noise = 1.4826 * float(_median(np.abs(contrast[paper])))
        reach = 3 * noise + 1 / 255
    return contrast, noise


@lru_cache(16)
def _edges(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels are at the rim, and which in a corner."""
    y, x = (np.abs(np.linspace(-1, 1, side)) for side in (height, width))
    at_rim = np.maximum(y[:, None], x) > 1 - 2 / 32
    return at_rim, np.minimum(y[:, None], x) > 1 - 2 / 8


@lru_cache(16)
def _terms(height: int, width: int) -> np.ndarray:
    """1, y and x at every pixel, of which a plane is a sum."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), y, x], axis=-1)
    # Without room to tell shading from strokes the paper has one level.
    return terms[..., :1] if min(height, width) < 8 else terms


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
