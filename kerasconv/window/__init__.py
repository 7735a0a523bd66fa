"""The window that slides over every channel: its geometry, its weights, its sums.

Read `geometry.py`, then `slices.py`, then `sums.py`: that is the whole mechanism.
`correlation.py`, `pooling.py` and `convolution.py` are what the layers and the
operations do with it, and `backends/` has one file for what each backend does faster.
"""

from kerasconv.window.geometry import Window
from kerasconv.window.native import portable
from kerasconv.window.sums import window_sums
from kerasconv.window.weights import Kernels

__all__ = ["Kernels", "Window", "portable", "window_sums"]
