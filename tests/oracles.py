"""What the layers must compute, in plain NumPy: shares no code with the package.

Everything is written for an image of one channel and without batch, as loops over the
windows; `each_channel` carries it over a batch. `numpy.pad` is the truth about borders.
"""

import itertools

import numpy as np


def windows(image, size, *, strides=1, dilation=1, padding="valid", mode="constant",
            centred=False, fill=0.0):  # fmt: skip
    """Every window of an image: an array `(*output, *size)`.

    `centred` keeps every stride-th window of stride 1, as the edge layers do; else
    "same" pads as TensorFlow does. `fill` is what "constant" puts outside.
    """
    rank = image.ndim
    size, strides, dilation = (
        (v,) * rank if np.ndim(v) == 0 else tuple(v) for v in (size, strides, dilation)
    )
    spans = [(k - 1) * d for k, d in zip(size, dilation, strict=True)]
    if padding != "valid":
        pads = []
        for n, span, s in zip(image.shape, spans, strides, strict=True):
            if padding == "causal":
                pads.append((span, 0))
            elif centred:
                pads.append((span // 2, span - span // 2))
            else:
                count = -(-n // s)
                total = max((count - 1) * s + span + 1 - n, 0)
                pads.append((total // 2, total - total // 2))
        options = {"constant_values": fill} if mode == "constant" else {}
        image = np.pad(image, pads, mode=mode, **options)
    starts = [
        range(0, n - span, s)
        for n, span, s in zip(image.shape, spans, strides, strict=True)
    ]
    out = np.empty([len(r) for r in starts] + list(size), image.dtype)
    for where in np.ndindex(*out.shape[:rank]):
        for tap in np.ndindex(*size):
            index = tuple(
                r[w] + t * d
                for r, w, t, d in zip(starts, where, tap, dilation, strict=True)
            )
            out[where + tap] = image[index]
    return out


def correlate(image, kernel, **geometry):
    """Weighted sum over every window; the kernel is not flipped."""
    kernel = np.asarray(kernel)
    seen = windows(image, kernel.shape, **geometry)
    return np.sum(seen * kernel, axis=tuple(range(image.ndim, 2 * image.ndim)))


def lp_pool(image, p, size, mean=False, **geometry):
    """p-norm of every window, or the power mean of its values inside the image."""
    axes = tuple(range(image.ndim, 2 * image.ndim))
    seen = windows(image, size, fill=np.nan, **geometry)
    total = np.nansum(np.abs(seen) ** p, axis=axes)
    if mean:
        total = total / np.sum(~np.isnan(seen), axis=axes)
    return total ** (1 / p)


def weighted_pool(image, weights, **geometry):
    """Weighted mean of the values of every window that lie inside the image."""
    axes = tuple(range(image.ndim, 2 * image.ndim))
    seen = windows(image, weights.shape, fill=np.nan, **geometry)
    inside = ~np.isnan(seen)
    return np.nansum(seen * weights, axis=axes) / np.sum(inside * weights, axis=axes)


def range_pool(image, size, **geometry):
    """Largest minus smallest value of every window."""
    axes = tuple(range(image.ndim, 2 * image.ndim))
    seen = windows(image, size, **geometry)
    return seen.max(axis=axes) - seen.min(axis=axes)


def each_channel(function, x):
    """`function` of every image and channel of a channels-last batch."""
    maps = [[function(x[b, ..., c]) for c in range(x.shape[-1])] for b in range(len(x))]
    return np.moveaxis(np.asarray(maps), 1, -1)


def interleave(maps):
    """Channels-last maps, one array a direction, as channel-major components."""
    stacked = np.stack(maps, axis=-1)
    return stacked.reshape(*stacked.shape[:-2], -1)


def derivative(rank, axis, smooth, difference=(-1, 0, 1)):
    """The dense kernel of a derivative, entry by entry."""
    size = len(difference)
    kernel = np.empty((size,) * rank)
    for index in itertools.product(range(size), repeat=rank):
        value = 1.0
        for a, i in enumerate(index):
            value *= difference[i] if a == axis else smooth[i]
        kernel[index] = value
    return kernel


def conv(x, kernel, *, flip=False, groups=1, **geometry):
    """A convolution layer without bias on a channels-last batch."""
    rank = kernel.ndim - 2
    if flip:
        kernel = np.flip(kernel, axis=tuple(range(rank)))
    per_group = kernel.shape[-2]
    filters_per_group = kernel.shape[-1] // groups
    out = []
    for f in range(kernel.shape[-1]):
        first = f // filters_per_group * per_group
        out.append(
            [
                sum(
                    correlate(image[..., first + c], kernel[..., c, f], **geometry)
                    for c in range(per_group)
                )
                for image in x
            ]
        )
    return np.moveaxis(np.asarray(out), 0, -1)


def touched(shape, index, **geometry):
    """Which windows of an image of `shape` see the value at `index`."""
    marks = np.zeros(shape)
    marks[index] = 1
    rank = len(shape)
    return windows(marks, **geometry).max(axis=tuple(range(rank, 2 * rank))) > 0
