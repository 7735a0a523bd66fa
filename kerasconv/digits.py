"""The real MNIST test digits in the package.

Six of each class, the first in the order of tensorflow-datasets, and four hard ones
that good networks misread, so that what is shown of a network is honest. MNIST is by
Yann LeCun, Corinna Cortes and Christopher J. C. Burges, CC BY-SA 3.0.

`python -m kerasconv.digits DATA_DIR` writes the file anew.
"""

from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv._pixels import to_unit

__all__ = ["hard_digits", "load_digits"]

PER_CLASS = 6

# Positions in the test split of tensorflow-datasets' mnist 3.0.1. In the published
# order of the test set they are 1901, 2597, 6597 and 9729.
HARD = (3729, 7660, 6516, 8292)

_FILE = "_digits.npz"


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Sixty-four real handwritten digits of the MNIST test set, and their labels.

    Returns:
        Images, float32 in [0, 1] of shape (64, 28, 28, 1), light ink on 0; labels,
        int64 of shape (64,).

    Example:
        >>> images, labels = load_digits()
        >>> images.shape, labels[:6].tolist()
        ((64, 28, 28, 1), [0, 0, 0, 0, 0, 0])
    """
    arrays = _arrays()
    return to_unit(arrays["images"]), arrays["labels"]


def hard_digits() -> np.ndarray:
    """Which of the sixty-four are the hard ones, that good networks misread.

    Returns:
        bool array of shape (64,), in the order of `load_digits`.

    Example:
        >>> np.flatnonzero(hard_digits()).tolist()
        [60, 61, 62, 63]
    """
    return np.isin(_arrays()["index"], HARD)


def _arrays() -> dict[str, np.ndarray]:
    with (
        resources.files("kerasconv").joinpath(_FILE).open("rb") as file,
        np.load(file) as arrays,
    ):
        return dict(arrays)


def select(images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """The digits of the package, picked from the whole test set."""
    first = [np.flatnonzero(labels == c)[:PER_CLASS] for c in range(10)]
    index = np.concatenate([*first, HARD])
    return {"images": images[index], "labels": labels[index], "index": index}


def _write(data_dir: Path) -> None:
    """Write the digits of the package anew from the data set in DATA_DIR."""
    from kerasconv import data

    target = Path(__file__).with_name(_FILE)
    np.savez_compressed(target, **select(*data.load("mnist", "test", data_dir)))
    print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    import typer

    typer.run(_write)
