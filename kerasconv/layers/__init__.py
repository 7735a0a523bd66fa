"""Window layers for Keras 3: one class per idea, every rank, every backend.

Importing this module registers the layers with Keras, which can then load files that
hold some.

On TensorFlow and JAX a layer's window sum (all but that of `LearnedConv`, which is
Keras's) is compiled for each shape of its input: at the first call on JAX and in a
graph, at the third of eager TensorFlow. That takes far longer than a later call, and
memory while the program is kept. Give pictures of many sizes a few common ones:
tiles, crops, padding. `tests/benchmarks/README.md` has the figures.
"""

from kerasconv import ops  # noqa: F401  which registers what a file may hold of it
from kerasconv.layers._base import WindowLayer
from kerasconv.layers._fixed import FixedConv, PrewittConv, SobelConv
from kerasconv.layers._learned import LearnedConv
from kerasconv.layers._pool import L2Pool, LpPool, WeightedPool
from kerasconv.window import Window

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

# Keras writes a class's module into files, and names it where it does not know the
# class: then it is the module to import.
for _layer in (
    FixedConv,
    L2Pool,
    LearnedConv,
    LpPool,
    PrewittConv,
    SobelConv,
    WeightedPool,
):
    _layer.__module__ = __name__
