"""Window layers for Keras 3: one class per idea, every rank, every backend."""

from kerasconv.layers._fixed import FixedConv, PrewittConv, SobelConv
from kerasconv.layers._learned import LearnedConv
from kerasconv.layers._pool import L2Pool, LpPool, WeightedPool
from kerasconv.layers._window import Window, WindowLayer

__all__ = [
    "FixedConv",
    "L2Pool",
    "LearnedConv",
    "LpPool",
    "PrewittConv",
    "SobelConv",
    "WeightedPool",
    "Window",
    "WindowLayer",
]
