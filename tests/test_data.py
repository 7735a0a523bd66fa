"""The data sets: either file format gives the same images; what is missing is said."""

import dataclasses
import gzip
import json
import os

import numpy as np
import pytest

from kerasconv import data
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.models import cards

pytestmark = pytest.mark.once


@pytest.fixture
def empty(tmp_path, monkeypatch):
    for name in ("TFDS_DATA_DIR", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def bare(monkeypatch):
    """Neither tensorflow-datasets nor anything that reads its files."""
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)


def write_mnist(folder, count=100, **changes):
    """A small data set in the form of Keras's file; what it holds."""
    random = np.random.default_rng(0)
    arrays = {}
    for split in ("train", "test"):
        arrays[f"x_{split}"] = random.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"y_{split}"] = random.integers(0, 10, count, np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "mnist.npz", **arrays | changes)
    return arrays


def expect(monkeypatch, name, images, labels, split="test"):
    """Take these for the data set that is published under a name."""
    stated = {split: data.digest(images, labels)}
    changed = dataclasses.replace(data.DATASETS[name], sha256=stated)
    monkeypatch.setitem(data.DATASETS, name, changed)


def prepared(folder, file_format):
    info = folder / "mnist" / "3.0.1" / "dataset_info.json"
    info.parent.mkdir(parents=True)
    info.write_text(json.dumps({"fileFormat": file_format}))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("minst", r"did you mean mnist\?"), ("cifar", "choose one of mnist, fashion_m")],
)
def test_an_unknown_data_set_is_refused_with_the_known(name, hint):
    with pytest.raises(UsageError, match=f"unknown data set '{name}'; {hint}"):
        data.load(name, "test")


def test_a_missing_data_set_says_where_it_was_sought_and_how_to_get_it(empty):
    with pytest.raises(KerasconvError) as caught:
        data.load("mnist", "test", empty)
    message = str(caught.value)
    assert str(empty) in message
    assert "`data_dir`" in message
    assert "`download=True`" in message
    assert "11 MB" in message
    assert "\n" not in message


def test_the_environment_names_the_folder(empty, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "/nowhere/at/all")
    with pytest.raises(KerasconvError, match="/nowhere/at/all"):
        data.load("mnist", "test")


def test_a_format_without_its_reader_says_what_to_install(empty, monkeypatch):
    prepared(empty, "tfrecord")
    monkeypatch.setattr(data, "_readable_formats", lambda: ["array_record"])
    with pytest.raises(
        KerasconvError, match=r"tensorflow; .*: pip install tensorflow$"
    ):
        data.load("mnist", "test", empty)


def test_without_tensorflow_datasets_it_says_what_to_install(empty, bare):
    prepared(empty, "tfrecord")
    with pytest.raises(KerasconvError, match="pip install tensorflow-datasets"):
        data.load("mnist", "test", empty)


def test_a_download_that_fails_is_one_line(empty, monkeypatch):
    class Builder:
        def download_and_prepare(self):
            raise OSError("no\nnetwork")

    monkeypatch.setattr(data, "_builder", lambda *_, **__: Builder())
    with pytest.raises(KerasconvError, match=r"could not be fetched .*no network") as e:
        data.load("mnist", "test", empty, download=True)
    assert "\n" not in str(e.value)


def test_a_download_without_a_format_to_write_says_what_to_install(empty, monkeypatch):
    found = {"tensorflow_datasets": object()}
    monkeypatch.setattr(data.importlib.util, "find_spec", found.get)
    with pytest.raises(KerasconvError, match=r"neither .*: pip install array_record"):
        data.load("mnist", "test", empty, download=True)


# The published files ----------------------------------------------------------------


def by_hash(count, split):
    hashing = pytest.importorskip("tensorflow_datasets.core.hashing")
    return sorted(range(count), key=hashing.Hasher(split).hash_key)


@pytest.mark.parametrize("place", ["named", "TFDS_DATA_DIR", "Keras's cache"])
def test_mnist_npz_alone_serves_wherever_it_lies(empty, bare, monkeypatch, place):
    """In the order that tensorflow-datasets would have it, and without it."""
    folder = empty / ".keras" / "datasets" if "Keras" in place else empty / "mine"
    arrays, order = write_mnist(folder), by_hash(100, "test")
    images, labels = arrays["x_test"][order, ..., None], arrays["y_test"][order]
    expect(monkeypatch, "mnist", images, labels)
    if place == "TFDS_DATA_DIR":
        monkeypatch.setenv(place, str(folder))
    found = data.load("mnist", "test", folder if place == "named" else None)
    np.testing.assert_array_equal(found[0], images)
    np.testing.assert_array_equal(found[1], labels)
    assert found[1].dtype == np.int64


def test_idx_files_are_read_in_the_same_order(empty, bare, monkeypatch):
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (30, 2, 3), np.uint8)
    labels = random.integers(0, 10, 30, np.uint8)
    parts = (("t10k-images-idx3", images), ("t10k-labels-idx1", labels))
    for name in data.DATASETS["fashion_mnist"].files:
        (empty / name).touch()
    for name, array in parts:
        head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
        path = empty / f"{name}-ubyte.gz"
        path.write_bytes(gzip.compress(head + array.tobytes()))
    order = by_hash(30, "test")
    expect(monkeypatch, "fashion_mnist", images[order], labels[order])
    found = data.load("fashion_mnist", "test", empty)
    np.testing.assert_array_equal(found[0], images[order][..., None])
    np.testing.assert_array_equal(found[1], labels[order])


@pytest.mark.parametrize("damage", ["another", "cut", "text", "missing", "pickle"])
def test_files_that_hold_something_else_are_named(empty, damage):
    path = empty / "mnist.npz"
    changes = {"pickle": {"y_test": np.array([{}])}}.get(damage, {})
    write_mnist(empty, **changes)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "text":
        path.write_text("not here")
    elif damage == "missing":
        np.savez(path, x_test=np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(
        KerasconvError, match=r"^mnist\.npz in .*; fetch them"
    ) as caught:
        data.load("mnist", "test", empty)
    assert "\n" not in str(caught.value)


def test_copies_are_found_in_the_folder_and_just_below(tmp_path):
    prepared(tmp_path, "tfrecord")
    prepared(tmp_path / "records", "array_record")
    found = dict(data._prepared(data.DATASETS["mnist"], tmp_path))
    assert found == {"tfrecord": tmp_path, "array_record": tmp_path / "records"}


def test_broken_copies_are_passed_over(tmp_path):
    info = tmp_path / "mnist" / "3.0.1" / "dataset_info.json"
    info.parent.mkdir(parents=True)
    info.write_text("{")
    assert not list(data._prepared(data.DATASETS["mnist"], tmp_path))


def test_the_digest_depends_on_every_pixel_and_label():
    images = np.zeros((2, 3, 3, 1), np.uint8)
    labels = np.array([1, 2])
    digest = data.digest(images, labels)
    assert digest == data.digest(images.copy(), labels.astype(np.int32))
    changed = images.copy()
    changed[1, 2, 2, 0] = 1
    assert digest != data.digest(changed, labels)
    assert digest != data.digest(images, labels[::-1])


def test_mnist_is_mnist(mnist_test):
    images, labels = mnist_test
    assert images.shape == (10_000, 28, 28, 1)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record", "npz"])
def test_every_file_format_gives_the_same_images(mnist_test, file_format):
    root = data.Path(os.environ["TFDS_DATA_DIR"])
    dataset = data.DATASETS["mnist"]
    assert data.digest(*mnist_test) == dataset.sha256["test"]
    if file_format == "npz":
        if not (root / "mnist.npz").is_file():
            pytest.skip("no mnist.npz in TFDS_DATA_DIR")
        images, labels = data._from_files(dataset, root, "test")
    else:
        found = dict(data._prepared(dataset, root))
        if file_format not in found or file_format not in data._readable_formats():
            pytest.skip(f"no copy of mnist as {file_format}, or nothing that reads it")
        images, labels = data._read(data._builder(dataset, found[file_format]), "test")
    np.testing.assert_array_equal(images, mnist_test[0])
    np.testing.assert_array_equal(labels, mnist_test[1])


@pytest.mark.parametrize("name", [n for n in data.DATASETS if "/" not in n])
def test_the_cards_were_made_of_the_data_sets_as_published(name):
    made = [
        c.facts["data"] for c in cards().values() if c.facts["data"]["name"] == name
    ]
    assert made
    for facts in made:
        found = {split: facts[f"{split}_sha256"] for split in ("train", "test")}
        assert found == data.DATASETS[name].sha256


def test_an_unknown_split_is_refused():
    with pytest.raises(UsageError, match=r"`split` must be one of .*'validation'"):
        data.load("mnist", "validation")


def here(name, split="test"):
    try:
        return data.load(name, split)
    except KerasconvError as error:
        if "is not in" not in str(error):
            raise  # it is there, and not what it should be
        pytest.skip(str(error))


def test_the_published_fashion_files_serve_without_a_network():
    images, labels = here("fashion_mnist")
    assert images.shape == (10_000, 28, 28, 1)
    np.testing.assert_array_equal(np.bincount(labels), [1000] * 10)


def test_cats_and_dogs_come_in_the_order_of_their_digests():
    import hashlib

    images, labels = here("cats_vs_dogs")
    assert images.shape == (2000, 32, 32, 3)
    np.testing.assert_array_equal(np.bincount(labels), [1000, 1000])
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    assert digests == sorted(digests)


def test_cats_and_dogs_are_the_third_and_the_fifth_class_of_cifar10():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (30, 32, 32, 3), np.uint8)
    labels = np.tile(np.arange(10), 3)
    found, classes = data._kept(data.DATASETS["cats_vs_dogs"], images, labels)
    assert len(found) == 6
    for image, label in zip(found, classes, strict=True):
        (place,) = (i for i in range(30) if np.array_equal(images[i], image))
        assert {0: 3, 1: 5}[label] == labels[place]
