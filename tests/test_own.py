"""A network for one's own pictures: a folder a class, on every backend that trains."""

import csv
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from contract import trains_on_one
from PIL import Image

from kerasconv import digits, plotting, training
from kerasconv._keras import keras
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.models import card_of, load_model, mnist_cnn
from kerasconv.predict import Predictor
from kerasconv.training import folder as folders
from kerasconv.training import gathering, own, own_card


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The digits of the package as files, a folder a class; four writers."""
    root = tmp_path_factory.mktemp("own") / "my digits"
    images, labels = digits.load_digits()
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / str(label)).mkdir(parents=True, exist_ok=True)
        pixels = np.rint(255 * image[..., 0]).astype(np.uint8)
        Image.fromarray(pixels).save(root / str(label) / f"w{i % 4}_{i}.png")
    return root


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    """Pictures take a second each; the training that is looked at draws them."""
    monkeypatch.setattr(plotting, "save_figure", lambda *_, **__: None)


@pytest.fixture
def pets(tmp_path):
    """Two classes of three pictures, of mixed sizes and modes."""
    random = np.random.default_rng(0)
    modes = ["RGB", "L", "RGBA", "P", "1", "CMYK"]
    for at, mode in enumerate(modes):
        place = tmp_path / "pets" / ("cat", "dog")[at % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (20 + 7 * at, 40, 3), np.uint8)
        suffix = "tif" if mode == "CMYK" else "png"
        Image.fromarray(pixels).convert(mode).save(place / f"{at}.{suffix}")
    return tmp_path / "pets"


def values(card):
    return load_model(card.path).get_weights()


def quick(images, out, **options):
    """A training of few seconds."""
    settings = {
        "architecture": "dense_classifier",
        "augment": ["none"],
        "epochs": 1,
        "batch_size": 64,
        **options,
    }
    return training.train_own(images, out=out, **settings)


def stopping_after(epochs, told=None):
    """A progress that interrupts after so many epochs."""
    told = [] if told is None else told

    def progress(done, total, facts):
        if facts:
            told.append(facts)
        if len(told) == epochs:
            raise KeyboardInterrupt

    return progress


@pytest.fixture(scope="module")
def card(written, tmp_path_factory):
    """One training, looked at by several tests."""
    out = tmp_path_factory.mktemp("out")
    return quick(written, out)


# Keras trains alike on all that train: `test_training` holds them to that.
@trains_on_one
class TestAFolder:
    def test_it_writes_weights_card_page_and_pictures(self, card):
        names = sorted(os.listdir(card.path.parent))
        assert names == [
            *(f"my_digits-{what}.png" for what in ("confusion", "hardest", "history")),
            *(f"my_digits.{ending}" for ending in ("keras", "md", "toml")),
        ]

    def test_the_card_says_classes_preparation_and_counts(self, card):
        facts = card_of(card.path).facts
        assert facts["classes"] == list("0123456789")
        assert (facts["prepare"], facts["size"]) == ("digit", [28, 28])
        counts = facts["data"]
        assert counts["train"] + counts["validation"] == 64
        assert min(counts["by_class"]["validation"]) >= 1
        assert "test" not in facts

    def test_the_figures_are_those_of_the_file_on_what_was_held_out(
        self, card, written
    ):
        images, labels = digits.load_digits()
        files = {
            path.relative_to(written).as_posix(): int(path.stem.split("_")[1])
            for path in written.rglob("*.png")
        }
        read = folders.read_folder(folders.list_folder(written), "digit", (28, 28, 1))
        held = folders.split_off(read.labels, read.keys, 0.2, 0)
        rows = [files[name] for name, h in zip(read.names, held, strict=True) if h]
        said = Predictor(load_model(card.path))(images[rows]).argmax(1)
        stated = card.facts["validation"]
        assert stated["examples"] == len(rows)
        assert stated["errors"] == (said != labels[rows]).sum()

    def test_the_hardest_are_named_by_their_files(self, card, written):
        named = card.facts["hardest"]
        assert all((written / each["file"]).is_file() for each in named)
        assert all(each["file"][0] == each["truth"] for each in named)

    def test_progress_has_the_validation_accuracy(self, written, tmp_path):
        told = []
        stop = stopping_after(1, told)
        with pytest.raises(KeyboardInterrupt):
            quick(written, tmp_path, progress=stop)
        assert 0 <= told[-1]["val_accuracy"] <= 1


@trains_on_one
class TestInterruption:
    @pytest.mark.parametrize("patience", [1, 9])
    def test_a_training_that_goes_on_ends_as_one_that_was_not_interrupted(
        self, written, tmp_path, patience
    ):
        # A rate so high that the loss rises: with patience 1 it ends early.
        plan = {"epochs": 4, "patience": patience, "learning_rate": 0.05}
        whole = quick(written, tmp_path / "whole", **plan)
        out = tmp_path / "parts"
        with pytest.raises(KeyboardInterrupt):
            quick(written, out, progress=stopping_after(2), **plan)
        assert os.listdir(out) == [".my_digits.checkpoint.npz"]
        parts = quick(written, out, resume=True, **plan)
        for name, found in whole.facts["history"].items():
            assert parts.facts["history"][name] == pytest.approx(found, abs=1e-4)
        for a, b in zip(values(parts), values(whole), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
        assert ".my_digits.checkpoint.npz" not in os.listdir(out)

    def test_one_before_the_first_epoch_leaves_nothing(self, written, tmp_path):
        def interrupt(*_):
            raise KeyboardInterrupt

        for moment in ("progress", "reading"):
            with pytest.raises(KeyboardInterrupt):
                quick(written, tmp_path / "o", **{moment: interrupt})
            assert not (tmp_path / "o").exists()

    def test_a_stopped_training_that_is_resumed_is_not_trained_on(
        self, written, tmp_path, monkeypatch
    ):
        plan = {"epochs": 6, "patience": 1, "learning_rate": 0.3}

        def fail(*_):
            raise KeyboardInterrupt  # after all training, before anything is written

        with monkeypatch.context() as patch:
            patch.setattr(own, "_ship", fail)
            with pytest.raises(KeyboardInterrupt):
                quick(written, tmp_path, **plan)
        told = []
        card = quick(
            written, tmp_path, resume=True, progress=stopping_after(9, told), **plan
        )
        losses = card.facts["history"]["val_loss"]
        assert told == []
        assert len(losses) < 6
        best = card.facts["recipe"]["best_epoch"]
        assert best == 1 + int(np.argmin(losses))
        assert card.facts["validation"]["loss"] == pytest.approx(min(losses), abs=1e-3)

    def test_another_training_is_not_gone_on_with(self, written, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            quick(written, tmp_path, progress=stopping_after(1))
        with pytest.raises(KerasconvError, match="its patience differ"):
            quick(written, tmp_path, resume=True, patience=5)


@trains_on_one
class TestStart:
    def test_convolutions_that_are_frozen_stay_bit_for_bit(self, written, tmp_path):
        card = quick(
            written,
            tmp_path,
            architecture="mnist_cnn",
            start="mnist_cnn/mnist",
            freeze=True,
        )
        kept = mnist_cnn().get_weights()
        for i, (a, b) in enumerate(zip(values(card), kept, strict=True)):
            assert np.array_equal(a, b) == (i < 4)
        assert card.facts["recipe"]["start"] == "mnist_cnn/mnist"

    @pytest.mark.parametrize(
        ("architecture", "start", "options", "says"),
        [
            ("mnist_cnn", "lenet5", {}, "lenet5/mnist is a lenet5|lenet5 is a lenet5"),
            ("mnist_cnn", "mnist_cn", {}, "unknown model"),
            ("dense_classifier", "dense_classifier", {}, "no trained convolutions"),
            ("cats_dogs_cnn", "cats_dogs_cnn", {"prepare": "digit"}, "takes colours"),
        ],
    )
    def test_a_model_that_does_not_fit_is_refused(
        self, written, tmp_path, architecture, start, options, says
    ):
        with pytest.raises(UsageError, match=says):
            quick(written, tmp_path, architecture=architecture, start=start, **options)

    def test_a_file_of_another_network_is_refused(self, written, tmp_path):
        path = tmp_path / "other.keras"
        layers = [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(3, 3, data_format="channels_last"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
        keras.Sequential(layers).save(path)
        with pytest.raises(UsageError, match="its convolutions are others"):
            quick(written, tmp_path / "o", architecture="mnist_cnn", start=path)
        assert not (tmp_path / "o").exists()


@trains_on_one
class TestPython:
    def test_arrays_are_trained_on(self, tmp_path):
        images, labels = digits.load_digits()
        card = quick(images, tmp_path, labels=labels, test=(images[:8], labels[:8]))
        assert card.path == tmp_path / "own.keras"
        assert card.facts["test"]["examples"] == 8
        assert card.facts["prepare"] == "digit"

    def test_a_data_set_of_batches_gives_names_and_labels(self, tmp_path):
        random = np.random.default_rng(0)

        class Batches(list):
            class_names = ["cat", "dog"]  # noqa: RUF012  as Keras's data sets have it

        batches = Batches(
            (random.uniform(0, 255, (4, 32, 32, 3)).astype(np.float32), [0, 1, 0, 1])
            for _ in range(3)
        )
        card = quick(batches, tmp_path, validation=batches[:1])
        assert card.facts["classes"] == ["cat", "dog"]
        assert card.facts["size"] == [32, 32]
        assert card.facts["data"]["train"] == 12

    @pytest.mark.parametrize(
        ("images", "labels", "says"),
        [
            (np.zeros((4, 28, 28)), None, "`labels` must be given"),
            (np.zeros((4, 28, 28)), [0, 1], "4 whole numbers"),
            (np.zeros((4, 28, 28, 2)), [0, 1, 0, 1], "`images` must be of shape"),
            (np.full((4, 28, 28), 300.0), [0, 1, 0, 1], "floats in"),
            (7, None, "must be a folder, an array"),
            ([], None, "gives no pictures"),
            (np.zeros((2, 28, 28)), [0, 10**9], "from 0 to at most 9,999"),
            (np.full((2, 28, 28), "x"), [0, 1], "must hold numbers"),
        ],
    )
    def test_what_is_no_data_is_refused(self, images, labels, says, tmp_path):
        with pytest.raises(UsageError, match=says):
            quick(images, tmp_path, labels=labels)


@pytest.mark.once
def test_a_class_called_like_a_formula_is_a_caption():
    images = np.zeros((2, 9, 9, 1), np.uint8)
    names = (r"$\frac$", "2$")
    found = folders.Pictures(images, np.array([0, 1]), names, [], [], [])
    captions = own_card._captions(found, [(1, 0, 0.5)])
    plotting.plot_digits(images[:1], captions).draw_without_rendering()
    assert captions == ["\\$\\frac\\$, 50%\nis 2\\$\n1"]


@trains_on_one
class TestUneven:
    def test_each_class_weighs_the_same(self, written, tmp_path):
        uneven = tmp_path / "uneven"
        for name in ("0", "1"):
            shutil.copytree(written / name, uneven / name)
        for path in sorted((uneven / "1").iterdir())[3:]:
            path.unlink()
        card = quick(uneven, tmp_path)
        counts = np.array(card.facts["data"]["by_class"]["train"])
        weights = np.array(card.facts["recipe"]["class_weights"])
        np.testing.assert_allclose(counts * weights, counts.sum() / 2, rtol=1e-5)


# --------------------------------------------------------- folders, without training


@pytest.mark.once
class TestSplit:
    labels = np.repeat([0, 1, 2], [40, 20, 5])
    keys = tuple(f"{i}".encode() for i in range(65))

    def test_it_holds_out_a_share_of_every_class(self):
        held = folders.split_off(self.labels, self.keys, 0.2, 0)
        assert np.bincount(self.labels[held]).tolist() == [8, 4, 1]

    def test_a_picture_more_moves_at_most_one_other(self):
        before = folders.split_off(self.labels, self.keys, 0.2, 0)
        after = folders.split_off([*self.labels, 0], [*self.keys, b"more"], 0.2, 0)
        assert (before != after[:-1]).sum() <= 1

    def test_another_seed_holds_out_others(self):
        first, second = (
            folders.split_off(self.labels, self.keys, 0.2, seed) for seed in (0, 1)
        )
        assert (first != second).any()

    def test_a_group_is_on_one_side_and_every_class_near_its_share(self):
        random = np.random.default_rng(0)
        labels = random.integers(0, 5, 1000)
        groups = [f"w{i}" for i in random.integers(0, 40, 1000)]
        held = folders.split_off(labels, [b""] * 1000, 0.2, 0, groups)
        sides = {(group, bool(h)) for group, h in zip(groups, held, strict=True)}
        assert len(sides) == 40
        share = np.bincount(labels[held]) / np.bincount(labels)
        assert (np.abs(share - 0.2) < 0.06).all()

    def test_groups_are_what_names_begin_with(self):
        assert folders.groups_of(["7/ann_1.png", "ann_b.png"], "_") == ["ann", "ann"]
        with pytest.raises(UsageError, match=r"not in '7/bob\.png'"):
            folders.groups_of(["7/ann_1.png", "7/bob.png"], "_")


def read(folder, prepare="resize", shape=(8, 8, None), **options):
    return folders.read_folder(folders.list_folder(folder), prepare, shape, **options)


@pytest.mark.once
class TestReading:
    def test_other_processes_prepare_what_this_one_does(self, pets, monkeypatch):
        alone = read(pets)
        asked = []

        def elsewhere(prepare, paths, *, workers):
            asked.append(workers)
            return map(pickle.loads(pickle.dumps(prepare)), paths)

        monkeypatch.setattr(folders, "prepared", elsewhere)
        both = read(pets, workers=None)
        assert asked == [None]
        np.testing.assert_array_equal(both.images, alone.images)
        assert (both.names, both.keys) == (alone.names, alone.keys)
        assert both.left_out == alone.left_out

    def test_mixed_sizes_and_modes_become_one_array(self, pets):
        found = read(pets)
        assert found.images.shape == (6, 8, 8, 3)
        assert found.left_out == []

    def test_grey_pictures_stay_grey_also_where_they_have_three_channels(self, pets):
        for path in pets.rglob("*.*"):
            Image.open(path).convert("L").convert("RGB").save(path, "png")
        assert read(pets).images.shape == (6, 8, 8, 1)

    def test_what_cannot_be_read_is_named_with_the_reason(self, pets):
        (pets / "cat" / "bad.png").write_bytes(b"no picture")
        (pets / "cat" / "empty.png").touch()
        (pets / "dog" / "gone.png").symlink_to(pets / "nowhere.png")
        os.mkfifo(pets / "dog" / "pipe.png")
        (pets / "note.txt").touch()
        found = read(pets)
        reasons = dict(found.left_out)
        assert sorted(reasons) == [
            *("cat/bad.png", "cat/empty.png", "dog/gone.png", "dog/pipe.png"),
            "note.txt",
        ]
        assert "not a picture" in reasons["cat/bad.png"]
        assert len(found.images) == 6

    def test_nested_folders_are_of_their_class(self, pets):
        (pets / "cat" / "more" / "old").mkdir(parents=True)
        shutil.move(pets / "cat" / "0.png", pets / "cat" / "more" / "old" / "0.png")
        found = read(pets)
        assert "cat/more/old/0.png" in found.names
        assert np.bincount(found.labels).tolist() == [3, 3]

    def test_a_copy_is_taken_once(self, pets):
        shutil.copy(pets / "cat" / "0.png", pets / "cat" / "9.png")
        found = read(pets)
        assert found.left_out == [("cat/9.png", "a copy of cat/0.png")]

    def test_a_picture_of_two_classes_is_taken_for_neither(self, pets):
        shutil.copy(pets / "cat" / "0.png", pets / "dog" / "9.png")
        found = read(pets)
        assert {file for file, _ in found.left_out} == {"cat/0.png", "dog/9.png"}
        assert len(found.images) == len(found.names) == len(found.labels) == 5

    def test_a_test_picture_is_not_trained_on(self, pets, tmp_path):
        for part in ("train", "test"):
            shutil.copytree(pets, tmp_path / "parts" / part)
        found = read(tmp_path / "parts")
        assert set(found.split) == {"test"}
        assert len(found.left_out) == 6

    def test_blank_paper_is_no_digit(self, pets):
        Image.new("L", (30, 30), 255).save(pets / "cat" / "0.png")
        found = read(pets, "digit", (28, 28, 1))
        assert dict(found.left_out)["cat/0.png"].startswith("blank")

    def test_many_pictures_wait_in_a_file_that_goes_with_them(
        self, pets, tmp_path, monkeypatch
    ):
        expected = read(pets).images
        monkeypatch.setattr(folders, "MAX_IN_MEMORY", 0)
        found = read(pets, spill=tmp_path).images
        assert isinstance(found.base, np.memmap)
        np.testing.assert_array_equal(found, expected)
        assert os.listdir(tmp_path) == ["pets"]


@pytest.mark.once
class TestBadFolders:
    def refused(self, folder, *words):
        with pytest.raises(UsageError) as caught:
            self.taken(folder)
        for word in words:
            assert word in str(caught.value)

    def taken(self, folder):
        found = read(folder)
        gathering.check_counts(found, gathering.held_out(found, 0.2, 0, None))

    def test_no_folder(self, tmp_path):
        self.refused(tmp_path / "none", "no such folder")

    def test_a_file(self, tmp_path):
        (tmp_path / "x").touch()
        self.refused(tmp_path / "x", "is a file")

    def test_no_class(self, tmp_path):
        self.refused(tmp_path, "no folder of a class")

    def test_one_class(self, pets):
        shutil.rmtree(pets / "dog")
        self.refused(pets, "one class, 'cat'", "two classes or more")

    def test_one_level_too_high(self, pets):
        self.refused(pets.parent, "one class, 'pets'", "are its folders the classes?")

    def test_a_class_that_is_a_file(self, pets):
        shutil.rmtree(pets / "dog")
        (pets / "dog").touch()
        self.refused(pets, "one class, 'cat'", "beside the files 'dog'")

    def test_an_empty_class(self, pets):
        (pets / "horse").mkdir()
        self.refused(pets, "no picture is in 'horse'")

    def test_a_class_of_unreadable_pictures(self, pets):
        (pets / "horse").mkdir()
        (pets / "horse" / "1.png").write_bytes(b"none")
        (pets / "notes.txt").touch()
        self.refused(pets, "too few pictures", "'horse'", "horse/1.png: cannot read")

    def test_too_few_pictures(self, pets):
        for path in sorted((pets / "dog").iterdir())[1:]:
            path.unlink()
        self.refused(pets, "too few pictures to train on of 'dog'", "needs two")

    def test_names_that_differ_in_case(self, pets):
        shutil.copytree(pets / "cat", pets / "Cat")
        self.refused(pets, "'Cat' and 'cat'", "capitals alone")

    def test_names_written_as_a_mac_writes_them_are_the_same(self, pets):
        composed, apart = "caf\u00e9", "cafe\u0301"
        (pets / "cat").rename(pets / apart)
        shutil.copytree(pets / "dog", pets / composed)
        listing = folders.list_folder(pets)
        assert listing.classes == (composed, "dog")
        assert [label for _, label, _ in listing.files] == [0] * 6 + [1] * 3

    def test_a_split_without_a_class(self, pets, tmp_path):
        shutil.copytree(pets, tmp_path / "parts" / "val")
        shutil.copytree(pets / "cat", tmp_path / "parts" / "train" / "cat")
        self.refused(tmp_path / "parts", "too few pictures to train on", "'dog'")


@trains_on_one
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"architecture": "vgg"}, "`architecture` must be one of"),
        ({"size": 64}, "gives 28x28 pixels"),
        (
            {"architecture": "mnist_cnn", "prepare": "resize", "size": 9},
            "at least 10",
        ),
        ({"prepare": "resize", "size": 5000}, "`size` must be"),
        ({"prepare": "blur"}, "`prepare` must be one of .'digit', 'resize'"),
        ({"augment": ["twist"]}, "`augment` must be names of none, warp"),
        ({"validation": 0}, "`validation` must be above 0"),
        ({"epochs": 0}, "`epochs` must be a positive int"),
        ({"group": "#"}, "stands in the name of every file"),
        ({"group": ""}, "stands in the name of every file"),
        ({"labels": [1]}, "a folder names its own classes"),
        ({"freeze": True}, "`freeze` is of the model that `start` names"),
    ],
)
def test_arguments_without_sense_are_refused_before_training(
    written, tmp_path, options, says
):
    with pytest.raises(UsageError, match=says):
        quick(written, tmp_path / "o", **options)
    assert not (tmp_path / "o").exists()


@trains_on_one
def test_a_place_that_cannot_be_written_is_told_before_training(written, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KerasconvError, match="cannot be written"):
        quick(written, tmp_path / "file" / "out")


@trains_on_one
def test_left_out_files_are_counted_named_and_listed(pets, tmp_path):
    (pets / "cat" / "=bad.png").write_bytes(b"no picture")
    card = quick(pets, tmp_path / "o")
    assert card.facts["data"]["left_out"] == 1
    assert card.facts["data"]["not_taken"][0]["file"] == "cat/=bad.png"
    with open(tmp_path / "o" / "pets-left_out.csv") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["cat/=bad.png"]
    again = Path(tmp_path / "o" / "pets-left_out.csv")
    (pets / "cat" / "=bad.png").unlink()
    quick(pets, tmp_path / "o", overwrite=True)
    assert not again.exists()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="its data set is TensorFlow's"
)
def test_keras_own_data_set_from_a_folder_is_taken(pets, tmp_path):
    (pets / "dog" / "5.tif").unlink()  # which Keras does not read
    dataset = keras.utils.image_dataset_from_directory(
        pets, image_size=(32, 32), batch_size=2, verbose=False
    )
    card = quick(dataset, tmp_path)
    assert card.facts["classes"] == ["cat", "dog"]
    assert card.facts["arguments"]["input_shape"] == [32, 32, 3]


@pytest.mark.once
def test_at_most_one_of_a_hundred_that_are_read_right_is_refused():
    generator = np.random.default_rng(0)
    rows = generator.dirichlet(np.ones(3), 1000)
    labels = np.where(generator.random(1000) < 0.8, rows.argmax(1), 0)
    found = own_card.refusals({"validation": (rows, labels)})
    right = rows.max(1)[rows.argmax(1) == labels]
    lost = (right < found["min_confidence"]).mean()
    assert 0.008 < lost <= 0.01
    refused = rows.max(1) < found["min_confidence"]
    assert found["validation_refused"] == refused.sum()
    wrong = (rows.argmax(1) + 1) % 3
    none = own_card.refusals({"validation": (rows, wrong)})
    assert none["min_confidence"] == 0


@trains_on_one
class TestWhatIsThere:
    @pytest.mark.parametrize("there", ["my_digits.keras", "my_digits.toml"])
    def test_it_is_replaced_only_when_told_before_anything_is_read(
        self, written, tmp_path, there
    ):
        place = tmp_path / there
        place.write_text("hours of work")
        read = []
        with pytest.raises(UsageError, match=r"exists already.*`overwrite=True`"):
            quick(written, tmp_path, reading=lambda *_: read.append(1))
        assert not read
        assert place.read_text() == "hours of work"
        assert os.listdir(tmp_path) == [there]
        card = quick(written, tmp_path, overwrite=True)
        assert load_model(card.path).name == "dense_classifier"

    @pytest.mark.parametrize("below", ["", "cat", "trained", "../link/cat"])
    def test_it_is_not_written_among_what_is_read(self, pets, below):
        # The next training would learn its confusion matrix as a cat.
        (pets.parent / "link").symlink_to(pets)
        before = sorted(pets.rglob("*"))
        with pytest.raises(UsageError, match=r"which is read: .* outside with `out`"):
            quick(pets, pets / below)
        assert sorted(pets.rglob("*")) == before

    def test_a_training_that_goes_on_was_told_already(self, written, tmp_path):
        quick(written, tmp_path)
        plan = {"epochs": 2, "overwrite": True}
        with pytest.raises(KeyboardInterrupt):
            quick(written, tmp_path, progress=stopping_after(1), **plan)
        quick(written, tmp_path, epochs=2, resume=True)
        with pytest.raises(UsageError, match="exists already"):
            quick(written, tmp_path, epochs=2, resume=True)

    def test_a_dangling_link_is_something_there(self, written, tmp_path):
        (tmp_path / "my_digits.keras").symlink_to(tmp_path / "gone")
        with pytest.raises(UsageError, match="exists already"):
            quick(written, tmp_path)

    def test_a_second_training_of_that_name_is_told_of_the_first(
        self, written, tmp_path
    ):
        told = []

        def begin_another(*_):
            if not told:
                told.append("")
                with pytest.raises(KerasconvError) as caught:
                    quick(written, tmp_path)
                told[0] = str(caught.value)

        card = quick(written, tmp_path, progress=begin_another)
        assert "another training writes my_digits" in told[0]
        assert "choose another `name`" in told[0]
        assert card.path.exists()
        assert not [name for name in os.listdir(tmp_path) if "lock" in name]

    def test_groups_are_looked_for_in_the_names_before_pictures_are_read(
        self, written, tmp_path
    ):
        read = []
        with pytest.raises(UsageError, match="stands in the name of every file"):
            quick(written, tmp_path, group="#", reading=lambda *_: read.append(1))
        assert not read
