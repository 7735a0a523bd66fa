"""What each Keras backend does in a way of its own: one file a backend, one interface.

A file defines these names, or takes them from `plain.py` as they are:

- `compiled(function, x, *args)`: `function(x, *args)`, compiled as one where that pays;
- `constant_sums(x, kernels, window, start, finish)`: `finish` of the sums over `start`
  of x for constant `Kernels`, in the formulation that is fastest there;
- `sums(x, kernels, window, start, finish)`: the same for any weights;
- `norms_of_tiles(x, kernels, window)`: the norms of windows that stand side by side,
  with a gradient of their own, or None where differentiating the sum is as good.
"""

import importlib
from typing import Any

from kerasconv.window.native import BACKEND

__all__ = ["backend"]

backend: Any = importlib.import_module(f"{__name__}.{BACKEND}")
