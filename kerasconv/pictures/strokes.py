"""Ink grouped into digits: lines taken out, parts joined, in the order of reading."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from kerasconv.pictures.ink import running, side_of, spread
from kerasconv.pictures.paper import box

# A line is a run at least this share of the picture's side long: one that lies, under
# a small digit, and one that stands, which a 1 is as well.
_LYING, _STANDING = 0.12, 0.18
# What is thicker than this share of the side is no line: what stands is one less often.
_THICK, _THICK_STANDING = 0.1, 0.065
_CORNERS = np.ones((3, 3), bool)  # pixels that touch by a corner are one part
# Of the parts of the ink the heaviest few are looked at.
_PARTS = 48
# A part whose inscribed square is this share of its longer side is a blob, no stroke.
_BLOB = 0.45
# A straight part this many times thinner than it is long is a thread.
_THREAD = 0.035
# Parts lighter than this share of the heaviest are specks; groups lower than this
# share of the highest are no digits of the same number.
_SPECK, _LOW = 0.05, 0.4


@dataclass(frozen=True)
class Group:
    """Parts of the ink that make one digit.

    Attributes:
        box: (top, left, bottom, right) in pixels of the view.
        parts: the numbers of its parts.
        weight: the sum of its ink's strength.
    """

    box: tuple[int, int, int, int]
    parts: tuple[int, ...]
    weight: float

    @property
    def height(self) -> int:
        """Its rows."""
        return self.box[2] - self.box[0]

    @property
    def width(self) -> int:
        """Its columns."""
        return self.box[3] - self.box[1]


def without_lines(mask: np.ndarray) -> Iterator[np.ndarray]:
    """The mask without long thin lines that lie, then without those that stand as well.

    Lines may be tilted by a little. What crosses one, and so is longer across it than
    the line is wide, stays. A 1 is itself a line that stands. The bar of a T or a 7 is
    a part of it, and no line: see `_apart`.
    """
    lying, across = _lines(mask, _LYING, _THICK)
    left = mask & ~_apart(mask, lying, lying & ~across)
    yield left
    found = _lines(mask.T, _STANDING, _THICK_STANDING)
    standing, down = (each.T for each in found)
    if standing.any():
        taken = lying & ~across | standing & ~down
        left = mask & ~_apart(mask, lying | standing, taken)
    yield left


def _lines(
    mask: np.ndarray, share: float, thickest: float
) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of thin lines along the rows, this share of the side long.

    And the pixels of what crosses them.
    """
    none = np.zeros(mask.shape, bool)
    length = max(15, round(share * side_of(mask.shape)))
    thick = mask.copy("K")
    for _ in range(2):
        thick[1:] |= thick[:-1]
        thick[:-1] |= thick[1:]
    runs = _opened(thick.T, length).T & mask
    if not runs.any():
        return runs, none
    # How thick the lines are: the median run down a column, of those that are in one.
    first = runs.copy("K")
    first[1:] &= ~runs[:-1]
    columns, starts = (np.count_nonzero(each, axis=0) for each in (runs, first))
    width = float(np.median(columns[starts > 0] / starts[starts > 0]))
    if width > thickest * side_of(mask.shape):
        return none, none
    return runs, _opened(mask, round(1.6 * width) + 2)


def _apart(mask: np.ndarray, lines: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Of the pixels of lines those to take out: not where it is a stroke of a glyph.

    A line is twice as long as what it touches is high, or it lies below that and
    reaches beyond it to the left and right, or it is a frame about it.
    """
    if not taken.any():
        return taken
    about = spread(spread(lines))
    runs, count = labelled(about)
    others = mask & ~taken
    rest, most = labelled(others)
    near = np.flatnonzero(spread(taken) & others)
    of_run, of_rest = (each.ravel()[near].astype(np.int64) for each in (runs, rest))
    pairs = np.unique(of_run * (most + 1) + of_rest)
    of_run, touching = np.divmod(pairs, most + 1)
    known, place = np.unique(touching, return_inverse=True)
    boxes = _boxes(rest, most, others, known)[place]
    stroke = np.zeros(count + 1, bool)
    extents = _boxes(runs, count, about, np.arange(1, count + 1)).tolist()
    for i, (top, left, bottom, right) in enumerate(extents, 1):
        touched = boxes[of_run == i]
        if not len(touched):
            continue
        heights = touched[:, 2] - touched[:, 0]
        highest = int(heights.max())
        touched = touched[heights >= 0.3 * highest]  # without crumbs of the line
        wide = touched[:, 3].max() - touched[:, 1].min()
        # No glyph is twice as wide as it is high: those are several that touch.
        if highest < 8 or max(right - left, bottom - top, wide) > 2 * highest:
            continue
        margin = 0.05 * highest
        beyond = (
            top < touched[:, 0].min() - margin,
            bottom > touched[:, 2].max() + margin,
            left < touched[:, 1].min() - margin,
            right > touched[:, 3].max() + margin,
        )
        low = (top + bottom) / 2 > touched[:, 0].min() + 0.75 * highest
        frame = sum(beyond) > 2 and bottom - top > 0.8 * highest
        stroke[i] = not (frame or (low and beyond[2] and beyond[3]))
    left = taken.copy()
    left[taken] = ~stroke[runs[taken]]
    return left


def _opened(mask: np.ndarray, length: int) -> np.ndarray:
    """The runs down a mask's columns that are at least so long."""
    runs = np.zeros_like(mask)
    if length > len(mask):
        return runs
    starts = running(mask, length, np.logical_and)
    if not starts.any():
        return runs
    runs[: len(starts)] = starts
    done = 1
    while done < length:
        more = min(done, length - done)
        runs[more:] |= runs[:-more]
        done += more
    return runs


def grouped(mask: np.ndarray, strength: np.ndarray) -> tuple[np.ndarray, list[Group]]:
    """The number of each pixel's part (0: none), and the digits that parts make.

    The groups come in the order of reading: lines from the top, each from the left.
    """
    labels, count = labelled(mask)
    if not count:
        return labels, []
    at = np.flatnonzero(mask)
    weights = np.bincount(labels.ravel()[at], strength.ravel()[at])
    heaviest = np.argsort(-weights, kind="stable")[:_PARTS]
    heaviest = heaviest[weights[heaviest] > 0]
    pixels = _pixels(labels, count, at, heaviest)
    parts = {
        i: Group(tuple(box), (i,), float(weights[i]))  # type: ignore[arg-type]
        for i, box in zip(heaviest.tolist(), pixels.boxes().tolist(), strict=True)
    }
    parts = _strokes(parts, labels, pixels)
    if not parts:
        return labels, []
    top = max(part.weight for part in parts.values())
    kept = [part for part in parts.values() if part.weight >= _SPECK * top]
    groups = _joined(kept)
    highest = max(max(group.height, group.width // 2) for group in groups)
    groups = [group for group in groups if group.height >= _LOW * highest]
    return labels, in_reading_order(groups)


def labelled(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """The number of each pixel's part (0: none), and how many there are."""
    at = box(mask)  # beside which there is nothing to look for
    labels = np.zeros(mask.shape, np.int32)
    return labels, ndimage.label(mask[at], _CORNERS, output=labels[at])


@dataclass(frozen=True)
class _Pixels:
    """Pixels of some parts, one part's after another's, each in the order of rows.

    Attributes:
        of: the place of each pixel's part among the parts.
        y: its row.
        x: its column.
    """

    of: np.ndarray
    y: np.ndarray
    x: np.ndarray

    def boxes(self) -> np.ndarray:
        """(top, left, bottom, right) of each part; shape (parts, 4)."""
        first = np.flatnonzero(np.diff(self.of, prepend=-1))
        if not first.size:
            return np.zeros((0, 4), int)
        last = np.append(first[1:], len(self.of)) - 1
        left, right = (
            pick.reduceat(self.x, first) for pick in (np.minimum, np.maximum)
        )
        return np.stack([self.y[first], left, self.y[last] + 1, right + 1], 1)


def _pixels(
    labels: np.ndarray, count: int, at: np.ndarray, parts: np.ndarray
) -> _Pixels:
    """Of the pixels at some flat places those of some of the `count` parts."""
    place = np.zeros(count + 1, np.min_scalar_type(count))
    place[parts] = np.arange(1, len(parts) + 1)
    of = place[labels.ravel()[at]]
    (inked,) = np.nonzero(of)
    inked = inked[np.argsort(of[inked], kind="stable")]
    y, x = np.divmod(at[inked], labels.shape[1])
    return _Pixels(of[inked].astype(np.intp) - 1, y, x)


def _boxes(
    labels: np.ndarray, count: int, mask: np.ndarray, parts: np.ndarray
) -> np.ndarray:
    return _pixels(labels, count, np.flatnonzero(mask), parts).boxes()


def _strokes(
    parts: dict[int, Group], labels: np.ndarray, pixels: _Pixels
) -> dict[int, Group]:
    """The parts that may belong to a digit: no blobs, no bars, none that is cut off."""
    height, width = labels.shape
    kept: dict[int, Group] = {}
    cut: dict[int, Group] = {}
    bars: dict[int, Group] = {}
    for (i, part), bar, thread in zip(parts.items(), *_bars(pixels), strict=True):
        top, left, bottom, right = part.box
        if _is_blob(labels[top:bottom, left:right] == i):
            continue
        at_rim = top == 0 or left == 0 or bottom == height or right == width
        if at_rim and thread:
            continue
        if bar:
            bars[i] = part
            continue
        (cut if at_rim else kept)[i] = part
    if not kept:
        return cut
    # A bar that is shorter than a digit is high belongs to one, a 1 may lean far, and
    # others are lines.
    highest = max(part.height for part in kept.values())
    kept |= {
        i: bar
        for i, bar in bars.items()
        if bar.width < (1.5 if bar.height > 0.5 * highest else 0.8) * highest
    }
    # What touches the rim is a digit of a number that is as high as the others, or,
    # where it is nearly all the ink there is, the digit.
    heights = [part.box[2] - part.box[0] for part in kept.values()]
    height = float(np.median([h for h in heights if h >= 0.5 * max(heights)]))
    like = {i: part for i, part in cut.items() if 0.6 < part.height / height < 1.6}
    heaviest = max(part.weight for part in kept.values())
    most = max((part.weight for part in cut.values()), default=0)
    return kept | like if heaviest > 0.1 * most else cut


def _is_blob(own: np.ndarray) -> bool:
    """Whether a square with a pixel in its middle fits in a part that is so large."""
    longer = max(own.shape)
    side = 2 * int((_BLOB * longer + 1) / 2) + 1
    if longer <= 6 or side > min(own.shape) or side**2 > np.count_nonzero(own):
        return False
    rows = running(own, side, np.logical_and)
    return bool(running(rows.T, side, np.logical_and).any())


def _bars(pixels: _Pixels) -> tuple[list[bool], list[bool]]:
    """Which parts are bars that lie: six times as long as they are thick.

    And which are straight threads, thinner than a pen writes: where one leaves the
    picture it is a fold of the paper, or a ruled line. A part's length and thickness
    are the axes of its covariance.
    """
    of, y, x = pixels.of, pixels.y, pixels.x
    count = np.maximum(np.bincount(of), 2)
    mean_y, mean_x = (np.bincount(of, each) / count for each in (y, x))
    y, x = y - mean_y[of], x - mean_x[of]
    high, wide, both = (
        np.bincount(of, each) / (count - 1) for each in (y * y, x * x, x * y)
    )
    middle, apart = (high + wide) / 2, np.hypot((high - wide) / 2, both)
    minor, major = (np.maximum(each, 0.08) for each in (middle - apart, middle + apart))
    ratio = np.sqrt(minor / major)
    bars = (count >= 8) & (ratio <= 0.16) & (wide > high)
    return bars.tolist(), ((count >= 8) & (ratio <= _THREAD)).tolist()


def _joined(parts: list[Group]) -> list[Group]:
    """Parts that make one digit joined: small ones to the nearest large one."""
    groups = sorted(parts, key=lambda part: -part.height)
    joined: list[Group] = []
    for part in groups:
        near = [(_distance(part, other), i) for i, other in enumerate(joined)]
        distance, i = min(near, default=(np.inf, -1))
        if i >= 0 and _belongs(part, joined[i], distance):
            joined[i] = union(joined[i], part)
        else:
            joined.append(part)
    return joined


def _belongs(part: Group, other: Group, distance: float) -> bool:
    shared = min(part.box[3], other.box[3]) - max(part.box[1], other.box[1])
    overlap = shared / max(1, min(part.width, other.width))
    if part.height < 0.5 * other.height:
        return distance < 0.3 * other.height and overlap > -0.3
    return overlap > 0.6 and distance < 0.15 * other.height


def _distance(a: Group, b: Group) -> float:
    down = max(a.box[0] - b.box[2], b.box[0] - a.box[2], 0)
    across = max(a.box[1] - b.box[3], b.box[1] - a.box[3], 0)
    return math.hypot(down, across)


def union(*groups: Group) -> Group:
    """One group of all parts."""
    corners = np.array([group.box for group in groups])
    return Group(
        (*map(int, corners[:, :2].min(0)), *map(int, corners[:, 2:].max(0))),  # type: ignore[arg-type]
        tuple(part for group in groups for part in group.parts),
        sum(group.weight for group in groups),
    )


def in_reading_order(groups: list[Group]) -> list[Group]:
    """Lines from the top, and each from the left."""
    return [group for line in lines_of(groups) for group in line]


def lines_of(groups: list[Group]) -> list[list[Group]]:
    """The groups of every line: those that share half of the lower one's rows."""
    lines: list[list[Group]] = []
    for group in sorted(groups, key=lambda group: group.box[0] + group.box[2]):
        for line in lines:
            near = min(line, key=lambda other: abs(other.box[1] - group.box[1]))
            shared = min(near.box[2], group.box[2]) - max(near.box[0], group.box[0])
            if shared > 0.4 * min(near.height, group.height):
                line.append(group)
                break
        else:
            lines.append([group])
    return [sorted(line, key=lambda group: group.box[1]) for line in lines]
