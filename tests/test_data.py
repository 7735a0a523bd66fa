"""The data sets: either file format gives the same images; what is missing is said."""

import json
import os

import numpy as np
import pytest

from kerasconv import data
from kerasconv.errors import KerasconvError, UsageError

pytestmark = pytest.mark.once


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def prepared(folder, file_format):
    info = folder / "mnist" / "3.0.1" / "dataset_info.json"
    info.parent.mkdir(parents=True)
    info.write_text(json.dumps({"fileFormat": file_format}))


def test_an_unknown_data_set_is_refused_with_the_known():
    with pytest.raises(
        UsageError, match="unknown data set 'minst'; choose one of mnist"
    ):
        data.load("minst", "test")


def test_a_missing_data_set_says_where_it_was_sought_and_how_to_get_it(empty):
    with pytest.raises(KerasconvError) as caught:
        data.load("mnist", "test", empty)
    message = str(caught.value)
    assert str(empty) in message
    assert "--data-dir" in message
    assert "--download" in message
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
        KerasconvError, match=r'tensorflow; .*"kerasconv\[tensorflow\]"'
    ):
        data.load("mnist", "test", empty)


def test_without_tensorflow_datasets_it_says_what_to_install(empty, monkeypatch):
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(KerasconvError, match=r'pip install "kerasconv\[data\]"'):
        data.load("mnist", "test", empty)


def test_a_download_that_fails_is_one_line(empty, monkeypatch):
    class Builder:
        def download_and_prepare(self):
            raise OSError("no\nnetwork")

    monkeypatch.setattr(data, "_builder", lambda *_, **__: Builder())
    with pytest.raises(KerasconvError, match=r"could not be fetched .*no network") as e:
        data.load("mnist", "test", empty, download=True)
    assert "\n" not in str(e.value)


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


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_both_file_formats_give_the_same_images(mnist_test, monkeypatch, file_format):
    root = os.environ["TFDS_DATA_DIR"]
    found = dict(data._prepared(data.DATASETS["mnist"], data.Path(root)))
    if file_format not in found:
        pytest.skip(f"no copy of mnist as {file_format} in TFDS_DATA_DIR")
    monkeypatch.setattr(data, "_readable_formats", lambda: [file_format])
    images, labels = data.load("mnist", "test")
    np.testing.assert_array_equal(images, mnist_test[0])
    np.testing.assert_array_equal(labels, mnist_test[1])


def test_an_unknown_split_is_refused():
    with pytest.raises(UsageError, match=r"`split` must be one of .*'validation'"):
        data.load("mnist", "validation")


def here(name, split="test"):
    try:
        return data.load(name, split)
    except KerasconvError as error:
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


def test_cats_and_dogs_are_the_third_and_the_fifth_class_of_cifar10(monkeypatch):
    """From the builder or from an archive: the same images in the same order."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (30, 32, 32, 3), np.uint8)
    labels = np.tile(np.arange(10), 3)
    monkeypatch.setattr(data, "_read", lambda source, split: (images, labels))
    found, classes = data._arrays(data.DATASETS["cats_vs_dogs"], None, "test")
    assert len(found) == 6
    for image, label in zip(found, classes, strict=True):
        (place,) = (i for i in range(30) if np.array_equal(images[i], image))
        assert {0: 3, 1: 5}[label] == labels[place]
