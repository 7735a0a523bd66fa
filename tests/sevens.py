"""A drawn 7 as pictures, and what is to come of them."""

import numpy as np

from kerasconv.pictures import prepare_digit


def seven(scale=10):
    """A drawn 7, 1 where there is ink, of 12 x 16 squares."""
    ink = np.zeros((16, 12))
    ink[0:3, :] = 1
    for row in range(3, 16):
        column = 9 - row // 2
        ink[row, column : column + 3] = 1
    return np.kron(ink, np.ones((scale, scale)))


def on_paper(ink, margin=20, paper=1.0, pen=0.0):
    """A grey picture of the ink, in levels from 0 to 255."""
    if np.isscalar(margin):
        margin = ((margin, margin), (margin, margin))
    return as_levels(paper + (pen - paper) * np.pad(ink, margin))


def as_levels(grey):
    return np.clip(np.rint(255 * np.asarray(grey)), 0, 255).astype(np.uint8)


SEVEN = on_paper(seven())
PREPARED = prepare_digit(SEVEN)
INK = 255 - SEVEN


def same_digit(digit, other=PREPARED, tolerance=0.02):
    """A centre of mass near a pixel's edge may round either way: one pixel is free."""
    assert digit.shape == (28, 28)
    moved = [
        np.roll(digit, (down, across), (0, 1))
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
    ]
    assert np.abs(np.stack(moved) - other).mean((1, 2)).min() < tolerance


def box(digit):
    (rows,) = np.nonzero(digit.any(1))
    (columns,) = np.nonzero(digit.any(0))
    return np.ptp(rows) + 1, np.ptp(columns) + 1
