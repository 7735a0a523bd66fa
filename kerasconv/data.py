"""The data sets, through tensorflow-datasets, as NumPy arrays.

TensorFlow Datasets keeps a data set in one of two file formats: TFRecord, which
only TensorFlow reads, and ArrayRecord, which is read without it. Either will do
here; the order of the images is the same.
"""

import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv.corruptions import MNIST_C
from kerasconv.errors import KerasconvError, UsageError, one_line

__all__ = ["DATASETS", "Dataset", "digest", "load"]


@dataclass(frozen=True)
class Dataset:
    """A data set of tensorflow-datasets that a recipe may use.

    Attributes:
        name: Ours.
        version: The version of the builder.
        size: What a download takes.
        licence: SPDX, or in words.
        source: The work to cite.
        classes: The name of each class.
        builder: The builder's name, where it is not ours.
        keep: Of the builder's labels, those kept, in the order of `classes`.
        splits: The splits there are.
        published: A folder that may hold `files`.
        files: The published files, which serve without a network.
    """

    name: str
    version: str
    size: str
    licence: str
    source: str
    classes: tuple[str, ...]
    builder: str = ""
    keep: tuple[int, ...] = ()
    splits: tuple[str, ...] = ("train", "test")
    published: str = ""
    files: tuple[str, ...] = ()

    @property
    def tfds_name(self) -> str:
        """The builder's name in tensorflow-datasets."""
        return self.builder or self.name


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
    "fashion_mnist": Dataset(
        name="fashion_mnist",
        version="3.0.1",
        size="30 MB",
        licence="MIT",
        source="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST: a novel image dataset "
        "for benchmarking machine learning algorithms, 2017",
        classes=(
            "T-shirt",
            "trousers",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ),
        published="fashion-mnist",
        files=(
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
        ),
    ),
    "cats_vs_dogs": Dataset(
        name="cats_vs_dogs",
        version="3.0.2",
        size="170 MB",
        licence="none stated",
        source="A. Krizhevsky, Learning multiple layers of features from tiny images, "
        "2009 (the cats and dogs of CIFAR-10)",
        classes=("cat", "dog"),
        builder="cifar10",
        keep=(3, 5),
        published=".",
        files=("cats_vs_dogs_32.npz",),
    ),
    **{
        f"mnist_corrupted/{corruption}": Dataset(
            name=f"mnist_corrupted/{corruption}",
            version="1.0.0",
            size="220 MB",
            licence="CC-BY-4.0",
            source="N. Mu, J. Gilmer, MNIST-C: a robustness benchmark for computer "
            "vision, 2019",
            classes=tuple("0123456789"),
        )
        for corruption in MNIST_C.values()
    },
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
        UsageError: no such data set or split.
        KerasconvError: the data set, or what reads it, is missing.
    """
    if name not in DATASETS:
        plain = [known for known in DATASETS if "/" not in known]
        raise UsageError(
            f"unknown data set {name!r}; choose one of {', '.join(plain)} or "
            f"mnist_corrupted/NAME with NAME of {', '.join(MNIST_C.values())}"
        )
    dataset = DATASETS[name]
    if split not in dataset.splits:
        raise UsageError(
            f"`split` must be one of {dataset.splits}. Received: split={split!r}"
        )
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise KerasconvError(
            "tensorflow-datasets is not installed; install it with: "
            'pip install "kerasconv[data]"'
        )
    root = Path(data_dir or os.environ.get("TFDS_DATA_DIR") or _default_dir())
    root = root.expanduser()
    found = dict(_prepared(dataset, root))
    readable = [format for format in _readable_formats() if format in found]
    if not readable and (folder := _published(dataset, root)):
        return _arrays(dataset, _from_published(dataset, folder), split)
    if not readable and download:
        return _arrays(dataset, _download(dataset, root), split)
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
    return _arrays(dataset, _builder(dataset, found[readable[0]]), split)


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
        info = folder / dataset.tfds_name / dataset.version / "dataset_info.json"
        try:
            yield json.loads(info.read_text())["fileFormat"], folder
        except (OSError, ValueError, KeyError):
            continue


def _readable_formats() -> list[str]:
    formats = [f for f, module in _READERS.items() if importlib.util.find_spec(module)]
    # First what the backend reads: TensorFlow need not be loaded for its files alone.
    backend = os.environ.get("KERAS_BACKEND")
    return sorted(formats, key=lambda f: (_READERS[f] != backend, f))


def _builder(dataset: Dataset, folder: Path, **options: Any) -> Any:
    logging.getLogger("absl").setLevel(logging.ERROR)
    import tensorflow_datasets as tfds

    return tfds.builder(
        f"{dataset.tfds_name}:{dataset.version}", data_dir=folder, **options
    )


def _published(dataset: Dataset, root: Path) -> Path | None:
    """The folder of the published files, if all are there."""
    for folder in (root, root / dataset.published):
        if dataset.files and all((folder / name).is_file() for name in dataset.files):
            return folder
    return None


def _from_published(dataset: Dataset, folder: Path) -> Any:
    """What the published files hold: arrays, or a builder that has prepared them."""
    if dataset.files[0].endswith(".npz"):
        return folder / dataset.files[0]
    # Prepared once, beside what Keras itself downloads; the builder compares the
    # files with its own checksums.
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    root = home / "datasets" / "tensorflow_datasets"
    for format, found in _prepared(dataset, root):
        if format in _readable_formats():
            return _builder(dataset, found)
    import tensorflow_datasets as tfds

    builder = _builder(dataset, root, file_format=_readable_formats()[0])
    with tempfile.TemporaryDirectory() as scratch:
        config = tfds.download.DownloadConfig(manual_dir=folder)
        _prepare(dataset, builder, root, download_dir=scratch, download_config=config)
    return builder


def _download(dataset: Dataset, root: Path) -> Any:
    builder = _builder(dataset, root, file_format=_readable_formats()[0])
    _prepare(dataset, builder, root)
    return builder


def _prepare(dataset: Dataset, builder: Any, root: Path, **options: Any) -> None:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    try:
        # It prints that it is done; standard output is for results.
        with contextlib.redirect_stdout(sys.stderr):
            builder.download_and_prepare(**options)
    except Exception as error:
        raise KerasconvError(
            f"{dataset.name} could not be fetched into {root} ({one_line(error)}); "
            "check the network, or name the folder of a copy with --data-dir"
        ) from error


def _arrays(dataset: Dataset, source: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels kept of a builder, or of an archive of arrays."""
    if isinstance(source, Path):
        with np.load(source) as arrays:
            images = arrays[f"x_{split}"]
            labels = arrays[f"y_{split}"].astype(np.int64)
    else:
        images, labels = _read(source, split)
        if dataset.keep:
            kept = np.isin(labels, dataset.keep)
            images, labels = images[kept], np.searchsorted(dataset.keep, labels[kept])
    if not dataset.keep:
        return images, labels
    # A part of a data set comes in whatever order its keeper chose; by the digests of
    # the images it is the same, and well mixed, wherever it comes from.
    order = np.argsort([hashlib.sha256(image.tobytes()).digest() for image in images])
    return images[order], labels[order]


def _read(builder: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow_datasets as tfds

    if builder.info.file_format.value == "tfrecord":
        data = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        return data["image"], data["label"].astype(np.int64)
    records = list(builder.as_data_source(split=split))
    images = np.stack([record["image"] for record in records])
    return images, np.array([record["label"] for record in records], np.int64)
