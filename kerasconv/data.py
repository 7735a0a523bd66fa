"""The data sets, through tensorflow-datasets, as NumPy arrays.

TensorFlow Datasets keeps a data set in one of two file formats: TFRecord, which
only TensorFlow reads, and ArrayRecord, which is read without it. Either will do
here; the order of the images is the same.
"""

import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv.errors import KerasconvError, UsageError

__all__ = ["DATASETS", "Dataset", "digest", "load"]


@dataclass(frozen=True)
class Dataset:
    """A data set of tensorflow-datasets that a recipe may use."""

    name: str
    version: str
    size: str
    licence: str
    source: str
    classes: tuple[str, ...]


DATASETS = {
    "mnist": Dataset(
        name="mnist",
        version="3.0.1",
        size="11 MB",
        licence="CC-BY-SA-3.0",
        source="Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of "
        "handwritten digits, 1998",
        classes=tuple("0123456789"),
    ),
}

# What reads a file format, in the words of tensorflow-datasets.
_READERS = {"tfrecord": "tensorflow", "array_record": "array_record"}


def load(
    name: str,
    split: str,
    data_dir: str | os.PathLike | None = None,
    *,
    download: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of one split, in the order of tensorflow-datasets.

    Args:
        name: A key of `DATASETS`, such as "mnist".
        split: "train" or "test".
        data_dir: A data directory of tensorflow-datasets, or a folder of such
            directories (one per file format). Default: the environment variable
            TFDS_DATA_DIR, else tensorflow-datasets' own default.
        download: Whether tensorflow-datasets may fetch the data set into
            `data_dir` when it is not there.

    Returns:
        Images, uint8 of shape (n, height, width, channels), and labels, int64 of
        shape (n,).

    Raises:
        UsageError: no such data set.
        KerasconvError: the data set, or what reads it, is missing.
    """
    if name not in DATASETS:
        raise UsageError(
            f"unknown data set {name!r}; choose one of {', '.join(DATASETS)}"
        )
    dataset = DATASETS[name]
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise KerasconvError(
            "tensorflow-datasets is not installed; install it with: "
            'pip install "kerasconv[data]"'
        )
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or _default_dir())
    root = root.expanduser()
    found = dict(_prepared(dataset, root))
    readable = [format for format in _readable_formats() if format in found]
    if not readable and download:
        return _read(_download(dataset, root), split)
    if not readable and found:
        raise KerasconvError(
            f"{name} lies in {root} as {', '.join(found)}, which needs "
            f"{_READERS.get(next(iter(found)), 'another reader')}; install that with: "
            'pip install "kerasconv[tensorflow]"'
        )
    if not readable:
        raise KerasconvError(
            f"the data set {name} {dataset.version} is not in {root}; name the folder "
            "of your tensorflow-datasets copy with --data-dir or TFDS_DATA_DIR, or let "
            f"tensorflow-datasets fetch it ({dataset.size}) with --download"
        )
    return _read(_builder(dataset, found[readable[0]]), split)


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 over the pixels and labels, whatever files they came from."""
    sha = hashlib.sha256(np.ascontiguousarray(images, np.uint8).tobytes())
    sha.update(np.ascontiguousarray(labels, np.int64).tobytes())
    return sha.hexdigest()


def _default_dir() -> Path:
    return Path.home() / "tensorflow_datasets"


def _prepared(dataset: Dataset, root: Path) -> Iterator[tuple[str, Path]]:
    """File format and data directory of every prepared copy in or just below."""
    below = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    for folder in [root, *below]:
        info = folder / dataset.name / dataset.version / "dataset_info.json"
        try:
            yield json.loads(info.read_text())["fileFormat"], folder
        except (OSError, ValueError, KeyError):
            continue


def _readable_formats() -> list[str]:
    formats = [f for f, module in _READERS.items() if importlib.util.find_spec(module)]
    # Without TensorFlow as the backend it need not be loaded for its files alone.
    if os.environ.get("KERAS_BACKEND") != "tensorflow":
        formats.sort()
    return formats


def _builder(dataset: Dataset, folder: Path, **options: Any) -> Any:
    logging.getLogger("absl").setLevel(logging.ERROR)
    import tensorflow_datasets as tfds

    return tfds.builder(f"{dataset.name}:{dataset.version}", data_dir=folder, **options)


def _download(dataset: Dataset, root: Path) -> Any:
    builder = _builder(dataset, root, file_format=_readable_formats()[0])
    try:
        builder.download_and_prepare()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise KerasconvError(
            f"{dataset.name} could not be fetched into {root} ({reason}); check the "
            "network, or name the folder of a copy with --data-dir"
        ) from error
    return builder


def _read(builder: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow_datasets as tfds

    if builder.info.file_format.value == "tfrecord":
        data = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        return data["image"], data["label"].astype(np.int64)
    records = list(builder.as_data_source(split=split))
    images = np.stack([record["image"] for record in records])
    return images, np.array([record["label"] for record in records], np.int64)
