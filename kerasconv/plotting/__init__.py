"""Pictures of what a network holds and does, and of how a window works.

Every function returns a `matplotlib.figure.Figure` made without pyplot, so it needs no
display and is safe in threads; `save_figure` writes one. Matplotlib is imported when
the first picture is drawn.
"""

from kerasconv.plotting._show import check_suffix, save_figure, show
from kerasconv.plotting.lessons import (
    plot_bars,
    plot_images,
    plot_lines,
    plot_scores,
    plot_slide,
    plot_window,
)
from kerasconv.plotting.network import (
    plot_confusion_matrix,
    plot_digits,
    plot_feature_maps,
    plot_history,
    plot_kernels,
)

__all__ = [
    "check_suffix",
    "plot_bars",
    "plot_confusion_matrix",
    "plot_digits",
    "plot_feature_maps",
    "plot_history",
    "plot_images",
    "plot_kernels",
    "plot_lines",
    "plot_scores",
    "plot_slide",
    "plot_window",
    "save_figure",
    "show",
]
