"""torch: a few images at a time; under a compiler, interior and strips joined."""

import torch

from kerasconv.window.backends import plain
from kerasconv.window.backends.plain import compiled
from kerasconv.window.native import gathers, is_portable, wide
from kerasconv.window.norms import gradient_of_tile_norms, tile_norms
from kerasconv.window.rim import has_thin_rim, interior_and_strips
from kerasconv.window.slices import cancel, correlate, merge, unmerge, weighs_exactly
from kerasconv.window.weights import Kernels

__all__ = ["compiled", "constant_sums", "norms_of_tiles", "sums"]

# Bytes of input to work on at a time: a few such tensors stay near.
CHUNK = 1 << 22


# ----------------------------------------------------------------------- sums


def sums(x, kernels, window, start, finish):
    """`finish` of the sums over `start` of x."""
    if _pays_by_convolution(x, kernels, window):
        return finish(_convolved(start(x), kernels, window))
    return plain.sums(x, kernels, window, start, finish)


def constant_sums(x, kernels, window, start, finish):
    """As `sums`, in the order that is fastest eagerly or under `torch.compile`."""
    if _pays_by_convolution(x, kernels, window):
        return finish(_convolved(start(x), kernels, window))
    if gathers(x):
        x, window = window.pad(start(x)), window.without_border()
        return plain.constant_sums(x, kernels, window, _unchanged, finish)
    if _will_be_fused() and has_thin_rim(x, window):
        return _joined(start(x), kernels, window, finish)
    if torch.compiler.is_compiling() or is_portable():
        return plain.constant_sums(x, kernels, window, start, finish)
    merged, grid = merge(x, window)
    images = max(1, CHUNK * max(len(merged), 1) // max(merged.nbytes, 1))
    if x.device.type != "cpu":  # where each chunk starts as many kernels as the whole
        images = max(1, len(merged))
    parts = [
        plain.sums(chunk, kernels, grid, start, finish)
        for chunk in torch.split(merged, images)
    ]
    if len(parts) == 1:
        (results,) = parts
    else:
        results = [torch.concatenate(part) for part in zip(*parts, strict=True)]
    return [unmerge(y, grid) for y in results]


def _will_be_fused():
    """Whether a compiler makes loops of this; an exported program runs as it is."""
    return torch.compiler.is_compiling() and not torch.compiler.is_exporting()


def _unchanged(x):
    return x


def _joined(x, kernels, window, finish):
    """As `rim.written_sums`: the compiler is faster at joining than at writing."""
    valid, parts = window.without_border(), []
    # In their own order the axes have the faster loops, above all in the gradient.
    hold = _unchanged if all(map(weighs_exactly, kernels.factors)) else None
    for part, start, axis in interior_and_strips(x, window):
        merged, grid = merge(part, valid)
        parts.append((finish(correlate(merged, kernels, grid, hold)), start, axis))
    (results, *_), *strips = parts
    for axis in reversed(window.axes):
        here = [(sums, start[axis]) for sums, start, along in strips if along == axis]
        low = [sums for sums, start in here if start == 0]
        high = [sums for sums, start in here if start > 0]
        results = [
            torch.concatenate(pieces, axis)
            for pieces in zip(*low, results, *high, strict=True)
        ]
    return [unmerge(y, grid) for y in results]


def _pays_by_convolution(x, kernels, window):
    """Whether to sum by convolution, for its gradient.

    PyTorch differentiates slices one by one. Its convolution is faster where they
    have gaps, and slower where there are none or where there is but one channel. It
    rounds as it goes: weights that sum to 0 would not give 0 for equal values.
    """
    return (
        x.requires_grad
        and not torch.compiler.is_compiling()
        and max(window.strides) > 1
        and x.shape[window.channel_axis] > 1
        and not (isinstance(kernels, Kernels) and any(map(cancel, kernels.dense)))
    )


def _convolved(x, kernels, window):
    """The sums over every window of x by depthwise convolutions."""
    x = window.pad(x)
    last = window.data_format == "channels_last"
    if last:
        x = torch.movedim(x, -1, 1)
    channels = x.shape[1]
    convolve = getattr(torch.nn.functional, f"conv{window.rank}d")
    results = [
        convolve(
            x,
            weights.expand(channels, 1, *window.size),
            None,
            window.strides,
            0,
            window.dilation,
            groups=channels,
        )
        for weights in _weights_of(kernels, x)
    ]
    return [torch.movedim(y, 1, -1) for y in results] if last else results


def _weights_of(kernels, x):
    if isinstance(kernels, Kernels):
        return [
            torch.tensor(dense, dtype=x.dtype, device=x.device).reshape(kernels.size)
            for dense in kernels.dense
        ]
    if kernels.ndim > x.ndim - 2:
        kernels = torch.movedim(kernels, -1, 0)[:, None]
    return [kernels]


# ---------------------------------------------------------------------- norms


def norms_of_tiles(x, kernels, window):
    """The root of the weighted sum of squares of each tile under `torch.compile`.

    It would differentiate slice by slice, each into a whole tensor. None without it,
    where the chunks of `constant_sums` stay in the cache, and without a gradient: in
    forward mode the slices are as good, and it follows no function with a `jvp`.
    """
    if not (torch.compiler.is_compiling() and x.requires_grad) or is_portable():
        return None
    x, restore = wide(x)
    return restore(_TileNorms.apply(x, kernels, window))


class _TileNorms(torch.autograd.Function):
    """`tile_norms` with its gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, kernels, window):
        return tile_norms(x, kernels, window)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.kernels, ctx.window = inputs
        ctx.save_for_backward(x, output)

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        gradient = gradient_of_tile_norms(x, y, g, ctx.kernels, ctx.window)
        return gradient, None, None
