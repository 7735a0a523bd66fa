"""JAX: every sum is one XLA program; "same" writes its rim after the interior."""

import functools

import jax
import jax.numpy as jnp

from kerasconv.window.backends import plain
from kerasconv.window.backends.plain import norms_of_tiles, sums
from kerasconv.window.native import on_gpu
from kerasconv.window.programs import apply, split
from kerasconv.window.rim import around, has_thin_rim, written_sums

__all__ = ["compiled", "constant_sums", "norms_of_tiles", "sums"]


_PROGRAMS = 128
"""Programs that are kept: each takes megabytes, and JAX itself forgets none."""

_kept: set = set()


def compiled(function, x, *args):
    """`function(x, *args)` under `jax.jit`.

    Where shape after shape comes, as in a folder of photographs, all programs are
    forgotten together, and what is needed again is compiled again.
    """
    tensors, constants = split((x, *args))
    if not any(isinstance(t, jax.core.Tracer) for t in tensors):
        program = (function, constants, *((t.shape, t.dtype.name) for t in tensors))
        if program not in _kept and len(_kept) >= _PROGRAMS:
            _jitted.clear_cache()
            _kept.clear()
        _kept.add(program)
    return _jitted(function, tensors, constants)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _jitted(function, tensors, constants):
    return apply(function, tensors, constants)


def constant_sums(x, kernels, window, start, finish):
    """As `sums`, in the order that XLA makes the fastest loops of."""
    if not has_thin_rim(x, window):
        return plain.constant_sums(x, kernels, window, start, finish)
    return written_sums(start(x), kernels, window, finish, _begin, _overwrite)


def _begin(x, part, start):
    if on_gpu():
        # One pass; to ask at every element where it stands costs a GPU nothing.
        return jnp.pad(part, [(0, 0), *around(x, part, start)])
    # Behind a barrier: a compiler that sees the zeros computes the whole result in one
    # loop that asks at every element where it stands.
    return _overwrite(jax.lax.optimization_barrier(jnp.zeros_like(x)), part, start)


def _overwrite(x, part, start):
    # Behind a barrier: else a later part is computed again wherever it is read.
    return jax.lax.dynamic_update_slice(*jax.lax.optimization_barrier((x, part)), start)
