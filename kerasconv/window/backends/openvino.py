"""OpenVINO: its graphs are traced from plain operations."""

from kerasconv.window.backends.plain import (
    compiled,
    constant_sums,
    norms_of_tiles,
    sums,
)

__all__ = ["compiled", "constant_sums", "norms_of_tiles", "sums"]
