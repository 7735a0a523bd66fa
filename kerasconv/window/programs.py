"""The arguments of a compiled program: tensors apart from hashable constants."""

from collections.abc import Callable
from typing import Any

from kerasconv._keras import keras

__all__ = ["apply", "split"]


class _Tensor:
    """Stands among the constants where a tensor goes."""


_TENSOR = _Tensor()


def split(args: tuple) -> tuple[tuple, tuple]:
    """The tensors among `args`, and the constants with a mark in their places."""
    is_tensor = [keras.ops.is_tensor(a) for a in args]
    tensors = tuple(a for a, t in zip(args, is_tensor, strict=True) if t)
    constants = tuple(_TENSOR if t else a for a, t in zip(args, is_tensor, strict=True))
    return tensors, constants


def apply(function: Callable, tensors: Any, constants: tuple) -> Any:
    """`function` of the arguments that `split` took apart."""
    tensors = iter(tensors)
    return function(*(next(tensors) if a is _TENSOR else a for a in constants))
