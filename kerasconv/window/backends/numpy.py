"""NumPy: block by block, so that what it computes stays in the processor's cache."""

import numpy as np

from kerasconv.window.backends.plain import compiled, norms_of_tiles, sums
from kerasconv.window.slices import merge, span, unmerge

__all__ = ["compiled", "constant_sums", "norms_of_tiles", "sums"]

# Bytes of input to work on at a time: a few such arrays fit the cache.
BLOCK = 1 << 19


def constant_sums(x, kernels, window, start, finish):
    """As `sums`, a few images, and of each a few rows, at a time."""
    merged, grid = merge(x, window)
    valid = grid.without_border()
    rows_axis, reach, stride = grid.axes[0], grid.spans[0], grid.strides[0]
    unit = grid.units[0]
    outputs = None
    images = max(1, BLOCK // max(merged[:1].nbytes, 1))
    for i in range(0, max(len(merged), 1), images):
        padded = grid.pad(merged[i : i + images])
        count = (padded.shape[rows_axis] // unit - reach - 1) // stride + 1
        rows = count
        if grid.rank > 1:
            rows = max(1, BLOCK * count // max(padded.nbytes, 1))
        for first in range(0, count, rows):
            last = min(first + rows, count)
            end = (last - 1) * stride + reach + 1
            block = span(padded, rows_axis, first * stride, end, unit)
            results = sums(block, kernels, valid, start, finish)
            if outputs is None:
                shape = list(results[0].shape)
                shape[0] = len(merged)
                if grid.rank > 1:
                    shape[rows_axis] = count
                outputs = [np.empty(shape, y.dtype) for y in results]
            for output, y in zip(outputs, results, strict=True):
                at = [slice(None)] * y.ndim
                at[0] = slice(i, i + images)
                if grid.rank > 1:
                    at[rows_axis] = slice(first, last)
                output[tuple(at)] = y
    return [unmerge(y, grid) for y in outputs]
