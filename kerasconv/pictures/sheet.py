"""A sheet of paper on a darker desk, cut out of the picture."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from kerasconv.pictures.ink import grown, median, otsu, shrunk

if TYPE_CHECKING:
    from scipy.spatial import ConvexHull

# The share of the picture that a sheet takes, of its convex hull and of the rectangle
# about it that it fills, and of the picture's rim that it may take.
_LEAST, _MOST, _SOLID, _AT_RIM = 0.08, 0.9, 0.8, 0.2
_STEP = 40 / 255  # paper is this much lighter than the desk
_SIDE, _LEVELS = 100, 7
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)


def cut_out(picture: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The picture of the sheet alone, and where its first pixel was (row, column).

    What lies beside the sheet within that picture takes the level of its paper. A
    picture that shows no sheet as a whole comes back as it is.
    """
    whole = picture, (0, 0)
    view = shrunk(picture, _SIDE)
    if min(view.shape) < 16:
        return whole
    low, high = np.quantile(view, (0.02, 0.98))
    if high - low < _STEP:
        return whole
    levels = np.array(
        [*np.linspace(low, high, _LEVELS + 2)[1:-1], otsu(view)], view.dtype
    )
    brighter = view > levels[:, None, None]
    brighter = grown(~grown(~brighter, 2), 2)
    # Of what looks like a sheet the largest: a shadow across it has a border too. But
    # with straight sides: a part of the desk may be as light.
    found = [
        (each[0].sum() * each[2] ** 2, i, each)
        for i, each in enumerate(_sheet(view, bright) for bright in brighter)
        if each
    ]
    if not found:
        return whole
    _, _, (_, hull, _) = max(found)
    scale = picture.shape[0] / view.shape[0], picture.shape[1] / view.shape[1]
    return _within(picture, hull.equations, scale, hull.points)


def _sheet(
    view: np.ndarray, bright: np.ndarray
) -> "tuple[np.ndarray, ConvexHull, float] | None":
    """The largest part of what is bright, if it looks like a sheet.

    With its hull, and the share that it fills of the rectangle about it.
    """
    groups, count = ndimage.label(bright, _CROSS)
    if not count:
        return None
    sizes = np.bincount(groups.ravel())
    sizes[0] = 0
    sheet = groups == sizes.argmax()
    rim = np.concatenate([sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]]).mean()
    if rim > _AT_RIM:
        return None
    sheet = _without_holes(sheet)
    if not _LEAST < sheet.mean() < _MOST:
        return None
    near = grown(sheet)
    around = grown(near, 2) & ~near
    inside = sheet & grown(~sheet, 4)
    if np.median(view[inside]) - np.median(view[around]) < _STEP:
        return None
    # Of every row the first pixel and the last have the hull of all.
    rows = np.flatnonzero(sheet.any(1))
    first = sheet[rows].argmax(1)
    last = sheet.shape[1] - 1 - sheet[rows, ::-1].argmax(1)
    points = np.concatenate([np.stack([rows, end], 1) for end in (first, last)])
    from scipy.spatial import ConvexHull  # slow to import, and seldom needed

    hull = ConvexHull(points)
    corners = points[hull.vertices]
    # In two dimensions a hull's volume is its area.
    filled = sheet.sum() / _rectangle(corners)
    if sheet.sum() < _SOLID * hull.volume or filled < _SOLID:
        return None
    return sheet, hull, filled


def _without_holes(mask: np.ndarray) -> np.ndarray:
    """A mask, and all that it encloses."""
    groups, _ = ndimage.label(np.pad(~mask, 1, constant_values=True), _CROSS)
    return (groups != groups[0, 0])[1:-1, 1:-1]


def _rectangle(corners: np.ndarray) -> float:
    """The area of the smallest rectangle about a convex polygon."""
    sides = np.roll(corners, -1, 0) - corners
    angles = np.arctan2(sides[:, 0], sides[:, 1])
    areas = []
    for angle in angles:
        turn = np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
        areas.append(np.prod(np.ptp(corners @ turn, axis=0) + 1))
    return float(min(areas))


def _within(
    picture: np.ndarray,
    equations: np.ndarray,
    scale: tuple[float, float],
    points: np.ndarray,
) -> tuple[np.ndarray, tuple[int, int]]:
    top, left = (max(0, int(v)) for v in points.min(0) * scale)
    bottom, right = (int(np.ceil(v)) for v in (points.max(0) + 1) * scale)
    part = picture[top:bottom, left:right]
    y = (np.arange(top, top + part.shape[0]) + 0.5) / scale[0] - 0.5
    x = (np.arange(left, left + part.shape[1]) + 0.5) / scale[1] - 0.5
    # A pixel and a half of the small view inside every side of the hull.
    columns = np.arange(part.shape[1])
    first, end = _between(equations, y, x)
    inside = (columns >= first[:, None]) & (columns < end[:, None])
    if not inside.any():
        return picture, (0, 0)
    level = np.float32(median(part[inside]))
    return np.where(inside, part, level), (top, left)


def _between(
    equations: np.ndarray, y: np.ndarray, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of every row the first column within a hull, and the one after the last."""
    down, across, offset = equations.T[..., None]  # a row each of its sides
    enters = across < 0
    # Along a row the distance from a side grows, or falls: where it is passed is found
    # by halves.
    low = np.zeros((len(equations), len(y)), int)
    high = np.full_like(low, len(x))
    while (low < high).any():
        middle = (low + high) // 2
        at = x[np.minimum(middle, len(x) - 1)]
        passed = (down * y + across * at + offset < -1.5) == enters
        passed |= low == high
        low, high = np.where(passed, low, middle + 1), np.where(passed, middle, high)
    first = np.where(enters, low, 0).max(0)
    return first, np.where(enters, len(x), low).min(0)
