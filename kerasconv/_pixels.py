"""Pixels of any type as the floats in [0, 1] that the networks take.

Needs nothing but NumPy, so that a network answers where no picture can be read.
"""

import numpy as np

from kerasconv._arguments import as_array


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Pixels 0..255 as the float32 in [0, 1] that the networks take: p / 255."""
    return as_array("pixels", pixels).astype(np.float32, copy=False) / np.float32(255)


def unit_range(values: np.ndarray) -> np.ndarray:
    """Numbers of any type as float32 in [0, 1]."""
    if values.dtype.kind == "b":
        return values.astype(np.float32)
    if values.dtype.kind == "u":
        return _divided(values, np.iinfo(values.dtype).max)
    low, high = values.min(), values.max()
    if values.dtype.kind == "i" and low >= 0 and high <= 65535:
        # Pillow's and NumPy's wide integers mostly hold 8 or 16 bits.
        return _divided(values, 255 if high <= 255 else 65535)
    if low >= 0 and high <= 1:  # false of what is no number
        return values.astype(np.float32)
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(values.shape, np.float32)
    low, high = finite.min(), finite.max()
    middle = np.quantile(finite, 0.5, method="lower")
    values = np.nan_to_num(values, nan=middle, posinf=high, neginf=low)
    if low < 0 or high > 1:
        # Halved, since high - low can be beyond the largest number.
        values = (values / 2 - low / 2) / ((high / 2 - low / 2) or 1)
    return values.astype(np.float32)


def _divided(values: np.ndarray, top: int) -> np.ndarray:
    # Beyond 16 bits float32 holds neither the values nor the largest one.
    exact = np.float32 if top <= 65535 else np.float64
    return (values / exact(top)).astype(np.float32, copy=False)
