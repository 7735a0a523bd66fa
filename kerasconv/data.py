"""The data sets as NumPy arrays, from published files or from tensorflow-datasets.

The published files of a data set (such as Keras's `mnist.npz`) are read by NumPy alone.
TensorFlow Datasets keeps a data set in one of two file formats: TFRecord, which
only TensorFlow reads, and ArrayRecord, which is read without it. Any will do here: the
images and their order are the same.
"""

import contextlib
import gzip
import hashlib
import importlib.util
import json
import logging
import os
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv._arguments import as_array, check_bool, check_choice
from kerasconv.corruptions import MNIST_C
from kerasconv.errors import KerasconvError, UsageError, check_known, one_line
from kerasconv.files import check_path

__all__ = ["DATASETS", "Dataset", "digest", "load"]


@dataclass(frozen=True)
class Dataset:
    """A data set that a recipe may use.

    Attributes:
        name: Ours.
        version: The version of tensorflow-datasets' builder.
        size: What a download takes.
        licence: SPDX, or in words.
        source: The work to cite.
        classes: The name of each class.
        builder: The builder's name, where it is not ours.
        keep: Of the builder's labels, those kept, in the order of `classes`.
        splits: The splits there are.
        published: A folder that may hold `files`.
        files: The published files: one .npz of both splits, or images and labels of
            each split as IDX, packed by gzip.
        sha256: What `digest` gives for each split.
        pictures: What they show, which decides how a picture of a user is prepared:
            "digit", "clothes" or "photo".
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
    sha256: Mapping[str, str] = field(default_factory=dict)
    pictures: str = "digit"

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
        published=".",
        files=("mnist.npz",),
        sha256={
            "train": "fcbef7f0a39631249afe3af3b0a2df41c01592579450834cf6eb8d67655804fd",
            "test": "29bf46f62b56c145189735d86a64898e1dd066fcd59db368c0a0cbf4660114c2",
        },
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
        sha256={
            "train": "8bfde16b7397cae90aef4dc90bde627338bae607b481d377084c799d1a312817",
            "test": "0eb01c98b3af234f61cafe3dd2febcf34f6df075d874863a5920428590b27216",
        },
        pictures="clothes",
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
        sha256={
            "train": "9ff33354764e12f7b208e79570e8b41a9f8fc57a042f27cfd9f9dca85234e458",
            "test": "055479ccc9cf7615fffb8991903a6fcd197c08fff7e2c72cb938d9b173b922fa",
        },
        pictures="photo",
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
        data_dir: A folder of the published files, a data directory of
            tensorflow-datasets, or a folder of such directories (one per file format).
            Default: the environment variable TFDS_DATA_DIR, else
            `~/tensorflow_datasets`, and then Keras's own folder, `~/.keras/datasets`.
        download: Whether tensorflow-datasets may fetch the data set into
            `data_dir` when it is not there.

    Returns:
        Images, uint8 of shape (n, height, width, channels), and labels, int64 of
        shape (n,).

    Raises:
        UsageError: no such data set or split.
        KerasconvError: the data set, or what reads it, is missing; or its files hold
            something else.

    Example:
        >>> images, labels = load("mnist", "test", "~/my_data")
        >>> images.shape
        (10000, 28, 28, 1)
    """
    dataset = DATASETS[check_known("data set", name, DATASETS)]
    check_choice("split", split, dataset.splits)
    check_bool("download", download)
    if data_dir is not None:
        check_path("data_dir", data_dir)
    places = _places(data_dir)
    for place in places:
        if folder := _published(dataset, place):
            return _from_files(dataset, folder, split)
    found: dict[str, Path] = {}
    for place in places:
        found = dict(_prepared(dataset, place)) | found
    readable = [format for format in _readable_formats() if format in found]
    if not found and not download:
        raise KerasconvError(
            f"the data set {name} {dataset.version} is not in "
            f"{' or '.join(map(str, places))}; name the folder of your copy with "
            "TFDS_DATA_DIR or `data_dir`, or let tensorflow-datasets fetch it "
            f"({dataset.size}) with `download=True`"
        )
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise KerasconvError(
            "tensorflow-datasets is not installed; install it with: "
            "pip install tensorflow-datasets importlib_resources"
        )
    if not readable and not download:
        raise KerasconvError(
            f"{name} lies in {next(iter(found.values()))} as {', '.join(found)}, which "
            f"needs {_READERS.get(next(iter(found)), 'another reader')}; install that "
            "with: pip install tensorflow"
        )
    if readable:
        source = _builder(dataset, found[readable[0]])
    else:
        source = _download(dataset, places[0])
    return _kept(dataset, *_read(source, split))


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 over the pixels and labels, whatever files they came from.

    Raises:
        UsageError: they are no arrays of whole numbers.
    """
    images, labels = as_array("images", images), as_array("labels", labels)
    for name, values in (("images", images), ("labels", labels)):
        if not values.ndim or values.dtype.kind not in "biu":
            raise UsageError(
                f"`{name}` must be an array of whole numbers. Received: "
                f"{values.dtype} of shape {values.shape}"
            )
    sha = hashlib.sha256()
    for start in range(0, len(images), 1000):  # a piece at a time: they may be many
        sha.update(
            np.ascontiguousarray(images[start : start + 1000], np.uint8).tobytes()
        )
    sha.update(np.ascontiguousarray(labels, np.int64).tobytes())
    return sha.hexdigest()


def _places(data_dir: str | os.PathLike | None) -> list[Path]:
    """Where to look, in order."""
    if data_dir:
        return [Path(os.path.expanduser(data_dir))]
    first = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    keras_home = os.environ.get("KERAS_HOME") or "~/.keras"
    # Not `Path.expanduser`, which raises where there is no home.
    return [
        Path(os.path.expanduser(first)),
        Path(os.path.expanduser(keras_home), "datasets"),
    ]


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
    keras = sys.modules.get("keras")
    backend = keras.backend.backend() if keras else os.environ.get("KERAS_BACKEND")
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


# What NumPy, zip and gzip raise where a file is not what it should be.
_DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, TypeError),
    *(zipfile.BadZipFile, zlib.error),
)


def _from_files(
    dataset: Dataset, folder: Path, split: str
) -> tuple[np.ndarray, np.ndarray]:
    """What the published files hold of a split, in the order of tensorflow-datasets."""
    reason = ""
    try:
        if dataset.files[0].endswith(".npz"):
            with np.load(folder / dataset.files[0], allow_pickle=False) as arrays:
                images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
        else:
            at = 2 * dataset.splits.index(split)
            images, labels = (
                _idx(folder / name) for name in dataset.files[at : at + 2]
            )
        if images.ndim == 3:
            images = images[..., None]
        order = _mixed(images) if dataset.keep else _shuffled(len(images), split)
        images, labels = images[order], labels[order].astype(np.int64)
        whole = digest(images, labels) == dataset.sha256[split]
    except _DAMAGE as error:
        whole, reason = False, f" ({one_line(error)})"
    if not whole:
        raise KerasconvError(
            f"{', '.join(dataset.files)} in {folder} are damaged or another data set "
            f"than {dataset.name}{reason}; fetch them again"
        )
    return images, labels


def _idx(path: Path) -> np.ndarray:
    """The array in a file of MNIST's own format, packed by gzip."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _shuffled(count: int, split: str) -> np.ndarray:
    """The order in which tensorflow-datasets keeps so many examples of a split.

    It sorts them by the MD5 of the split's name and the example's number.
    """
    keys = [hashlib.md5(f"{split}{i}".encode()).digest() for i in range(count)]
    return np.array(sorted(range(count), key=keys.__getitem__))


def _mixed(images: np.ndarray) -> np.ndarray:
    """The order of the images' digests.

    A part of a data set comes in whatever order its keeper chose; by the digests of
    the images it is the same, and well mixed, wherever it comes from.
    """
    return np.argsort([hashlib.sha256(image.tobytes()).digest() for image in images])


def _download(dataset: Dataset, root: Path) -> Any:
    formats = _readable_formats()
    if not formats:
        raise KerasconvError(
            f"tensorflow-datasets fetches {dataset.name} with tensorflow or "
            "array_record, and neither is installed; install one with: pip install "
            "array_record"
        )
    builder = _builder(dataset, root, file_format=formats[0])
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    try:
        # It prints that it is done; standard output is for results.
        with contextlib.redirect_stdout(sys.stderr):
            builder.download_and_prepare()
    except Exception as error:
        raise KerasconvError(
            f"{dataset.name} could not be fetched into {root} ({one_line(error)}); "
            "check the network, or name the folder of a copy with `data_dir`"
        ) from error
    return builder


def _kept(
    dataset: Dataset, images: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels that are kept of a builder's."""
    if not dataset.keep:
        return images, labels
    kept = np.isin(labels, dataset.keep)
    images, labels = images[kept], np.searchsorted(dataset.keep, labels[kept])
    order = _mixed(images)
    return images[order], labels[order]


def _read(builder: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow_datasets as tfds

    if builder.info.file_format.value == "tfrecord":
        data = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        return data["image"], data["label"].astype(np.int64)
    records = list(builder.as_data_source(split=split))
    images = np.stack([record["image"] for record in records])
    return images, np.array([record["label"] for record in records], np.int64)
