"""Pictures and tables for a terminal."""

import functools
import itertools
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from PIL import Image
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

# Bit of each dot of a Braille cell in Unicode's block "Braille Patterns".
_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_SHADES = " .:*#"

# Spaces between the columns of a table.
_GAP = 2


# Widths of a terminal that are taken at their word.
_NARROWEST, _WIDEST = 20, 1000


@functools.cache
def stdout() -> Console:
    """Where results go: one console, so that a progress bar on it gives way to them."""
    # Names of files and classes are no markup: "[b]" is a class, ":cat:" another.
    console = Console(highlight=False, markup=False, emoji=False)
    if not _NARROWEST <= console.width <= _WIDEST:
        # COLUMNS=0 is how some programs say that they do not know.
        console.width = min(max(console.width or 80, _NARROWEST), _WIDEST)
    return console


def stderr() -> Console:
    """Where everything else goes: warnings, progress, remarks."""
    return Console(stderr=True, highlight=False)


def draw(image: np.ndarray, *, encoding: str | None = None) -> str:
    """A grey image as text: Braille dots, or shades where those cannot be printed.

    Args:
        image: Values in [0, 1], shape (height, width), light ink.
        encoding: What the terminal can print; default that of standard output.

    Returns:
        Lines of text, a character for 2x4 pixels.
    """
    image = np.asarray(image, np.float32)
    height, width = image.shape
    image = np.pad(image, ((0, -height % 4), (0, -width % 2)))
    cells = image.reshape(image.shape[0] // 4, 4, image.shape[1] // 2, 2)
    cells = cells.transpose(0, 2, 1, 3)
    if prints("\u28ff", encoding):
        codes = 0x2800 + ((cells > 0.4) * _BRAILLE).sum((2, 3))
        rows = [[chr(code) for code in row] for row in codes]
    else:
        shades = (cells.mean((2, 3)) * (len(_SHADES) - 0.01) * 1.2).astype(int)
        rows = [[_SHADES[min(s, len(_SHADES) - 1)] for s in row] for row in shades]
    return "\n".join("".join(row) for row in rows)


def draw_photo(values: np.ndarray, columns: int) -> str:
    """A grey picture of any size as text that is at most so many columns wide.

    Args:
        values: Not negative, shape (height, width); only their proportions count.
        columns: Characters a line.
    """
    height, width = values.shape
    scale = min(1.0, 2 * columns / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(np.asarray(values, np.float32))
    small = np.asarray(image.resize(size, Image.Resampling.BOX))
    # A few strongest edges must not leave all others dark.
    strong = float(np.quantile(small, 0.97)) or 1.0
    return draw(np.minimum(small / strong, 1))


def prints(text: str, encoding: str | None = None) -> bool:
    """Whether an encoding, by default standard output's, has these characters."""
    try:
        text.encode(encoding or sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def side_by_side(
    header: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    console: Console,
    *,
    wrap: bool = True,
) -> Table:
    """A table that repeats its columns as often as the terminal is wide.

    Args:
        header: Titles of the columns.
        rows: Cells; a cell may have several lines.
        console: Where it will be printed.
        wrap: Whether to repeat the columns at all.
    """
    texts = [[_text(cell) for cell in row] for row in rows]
    columns = list(zip([Text(title) for title in header], *texts, strict=True))
    widths = [max(_width(cell) for cell in column) + 2 for column in columns]
    fit = console.width // (sum(widths) + 1)
    groups = max(1, min(len(texts), fit)) if wrap else 1
    gap = any("\n" in cell.plain for row in texts for cell in row)
    table = Table(box=None, padding=(0, 1, int(gap), 1))
    for _ in range(groups):
        for title in header:
            table.add_column(
                title, no_wrap=groups > 1, overflow="fold", vertical="middle"
            )
    for start in range(0, len(texts), groups):
        table.add_row(*itertools.chain.from_iterable(texts[start : start + groups]))
    return table


def fitted(
    columns: Mapping[str, Sequence[str]],
    width: int,
    *,
    left: Collection[str],
    expendable: Sequence[str],
) -> tuple[Table, list[str]]:
    """A table in so many characters a line that leaves columns out and cuts none.

    Args:
        columns: The cells under each title.
        width: Characters a line.
        left: Titles of the columns that are set to the left; figures go right.
        expendable: Titles that may be left out, the least important first.

    Returns:
        The table, and the titles left out.
    """
    widths = {
        title: max(map(len, (title, *cells))) + _GAP for title, cells in columns.items()
    }
    missing: list[str] = []
    for title in expendable:
        if sum(widths.values()) - _GAP <= width:
            break
        del widths[title]
        missing.append(title)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False)
    for title in widths:
        justify: JustifyMethod = "left" if title in left else "right"
        table.add_column(title, justify=justify, overflow="fold")
    for row in zip(*(columns[title] for title in widths), strict=True):
        table.add_row(*row)
    return table, missing


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)


def _width(text: Text) -> int:
    return max((len(line) for line in text.plain.splitlines()), default=0)
