"""Figures on their way out: into files, notebooks and pages."""

import base64
import html
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasconv import files
from kerasconv._arguments import check_number
from kerasconv.errors import UsageError, short
from kerasconv.files import check_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps")


_SCREEN = 96  # pixels to the inch in a page, each drawn as 2x2


def save_figure(figure: "Figure", path: str | os.PathLike, *, dpi: float = 150) -> None:
    """Writes a figure to a file, whole or not at all.

    Args:
        figure: any Matplotlib figure.
        path: the extension says the format: png, pdf, svg, jpg, webp, tif or eps.
        dpi: pixels to the inch, where the format has pixels.

    Raises:
        UsageError: the extension is none of these.
        KerasconvError: the place cannot be written.

    Example:
        >>> save_figure(plot_kernels([[-1, 1]]), "derivative.svg")
    """
    check_suffix(path)
    _check_figure(figure)
    if not check_number("dpi", dpi):
        raise UsageError("`dpi` must be above 0. Received: dpi=0")
    kind = Path(path).suffix.lower()[1:]
    files.write_with(path, lambda beside: figure.savefig(beside, format=kind, dpi=dpi))


def _check_figure(figure: Any) -> None:
    if not hasattr(figure, "savefig"):
        raise UsageError(
            f"`figure` must be a Matplotlib figure. Received: figure={short(figure)}"
        )


def check_suffix(path: str | os.PathLike) -> None:
    """Refuse a file name whose ending is no format that figures are written in.

    Raises:
        UsageError: there is no such format.
    """
    if Path(check_path("path", path)).suffix.lower() not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise UsageError(f"cannot tell the format of {str(path)!r}: end it in {known}")


def show(figure: "Figure", *, alt: str, caption: str) -> None:
    """Puts a figure into a notebook or a page built from one, for every reader.

    The picture carries its alternative text, and the caption stands below it. In a
    plain script there is nothing to show it in, and nothing happens.

    Args:
        figure: any Matplotlib figure.
        alt: what the picture shows, for those who do not see it: one or two sentences.
        caption: what to notice in it. Plain text.

    Raises:
        ValueError: the alternative text or the caption is empty.

    Example:
        >>> show(
        ...     plot_kernels([[-1, 1]]),
        ...     alt="Two cells: minus one in blue, one in red.",
        ...     caption="The derivative kernel.",
        ... )
    """
    _check_figure(figure)
    for name, text in (("alt", alt), ("caption", caption)):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f"`{name}` must say something. Received: {name}={short(text)}"
            )
    # Or else a figure of pyplot's is shown once more at the end of the cell.
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(figure)
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None:
        data = {"text/html": _as_html(figure, alt, caption), "text/plain": alt}
        shell.display_pub.publish(data)


def _as_html(figure: "Figure", alt: str, caption: str) -> str:
    """The figure as an element of a page that stands alone."""
    picture = io.BytesIO()
    # As PNG a figure of photographs takes megabytes.
    webp = {"quality": 90, "method": 4}
    figure.savefig(picture, format="webp", dpi=2 * _SCREEN, pil_kwargs=webp)
    width = round(figure.get_figwidth() * _SCREEN)
    code = base64.b64encode(picture.getvalue()).decode()
    return (
        '<figure style="margin: 1em 0">'
        f'<img src="data:image/webp;base64,{code}" alt="{html.escape(alt)}" '
        f'width="{width}" style="max-width: 100%; height: auto; background: white">'
        f"<figcaption>{html.escape(caption, quote=False)}</figcaption></figure>"
    )
