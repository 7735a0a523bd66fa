"""Folders of one's own as people have them: links, hidden folders, half of a layout."""

import errno
import json
import os
import tracemalloc
import warnings

import numpy as np
import pytest
import test_cli
from contract import trains_on_one
from PIL import Image

from kerasconv import digits, models, plotting, training, untrusted
from kerasconv.cli import _app, _zoo
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.training import folder as folders
from kerasconv.training import gathering, own

pytestmark = trains_on_one


@pytest.fixture
def draw(tmp_path):
    """Writes three pictures into a folder below `tmp_path`, no two the same."""
    random = np.random.default_rng(0)

    def drawn(*parts, count=3):
        place = tmp_path.joinpath(*parts)
        place.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = random.integers(0, 256, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(place / f"{i}.png")
        return place

    return drawn


run = test_cli.run


def listed(root):
    """The files of each class, and what was left out."""
    listing = folders.list_folder(root)
    files = {name: [] for name in listing.classes}
    for path, label, _ in listing.files:
        files[listing.classes[label]].append(listing.name(path))
    return files, dict(listing.left_out)


class TestSplits:
    @pytest.mark.parametrize("other", ["tset", "unlabelled", "circle"])
    def test_a_folder_beside_those_of_splits_is_no_class(self, draw, tmp_path, other):
        for each in ("train/circle", "train/square", f"{other}/circle"):
            draw(each)
        with pytest.raises(UsageError, match=rf"'train' .* '{other}' beside it is no"):
            folders.list_folder(tmp_path)

    def test_splits_without_one_to_train_on_are_no_classes(self, draw, tmp_path):
        for part in ("val", "test"):
            draw(part, "circle")
            draw(part, "square")
        with pytest.raises(UsageError, match=r"'test' .* no 'train' beside it"):
            folders.list_folder(tmp_path)

    def test_a_class_may_be_called_train(self, draw, tmp_path):
        for name in ("train", "plane", "train/steam"):
            draw(name)
        files, _ = listed(tmp_path)
        assert {name: len(of) for name, of in files.items()} == {"plane": 3, "train": 6}

    def test_test_pictures_alone_are_measured_on(self, draw, tmp_path):
        draw("test", "circle")
        assert folders.list_folder(tmp_path, least=1).classes == ("circle",)


class TestLinks:
    def test_a_link_to_a_folder_is_followed(self, draw, tmp_path):
        store = draw("store", "old")
        draw("pets", "cat")
        (tmp_path / "pets" / "dog").symlink_to(store)
        (tmp_path / "pets" / "cat" / "more").symlink_to(store)
        files, left_out = listed(tmp_path / "pets")
        assert files["dog"] == ["dog/0.png", "dog/1.png", "dog/2.png"]
        assert files["cat"][3:] == [
            "cat/more/0.png",
            "cat/more/1.png",
            "cat/more/2.png",
        ]
        assert not left_out

    @pytest.mark.parametrize("to", [".", "..", "../..", "../deep"])
    def test_one_that_leads_to_where_one_is_brings_nothing(self, draw, tmp_path, to):
        for name in ("cat", "cat/deep", "dog"):
            draw("pets", name)
        (tmp_path / "pets" / "cat" / "deep" / "loop").symlink_to(to)
        files, _ = listed(tmp_path / "pets")
        assert {name: len(of) for name, of in files.items()} == {"cat": 6, "dog": 3}

    def test_one_to_itself_is_left_out_by_name(self, draw, tmp_path):
        for name in ("cat", "dog"):
            draw(name)
        (tmp_path / "loop").symlink_to("loop")
        assert listed(tmp_path)[1] == {"loop": "beside the folders of the classes"}

    def test_a_class_that_is_the_folder_itself_is_empty(self, draw, tmp_path):
        for name in ("cat", "dog"):
            draw(name)
        (tmp_path / "all").symlink_to(".")
        with pytest.raises(UsageError, match="no picture is in 'all'"):
            folders.list_folder(tmp_path)


def test_a_hidden_folder_in_the_place_of_a_class_is_named(draw, tmp_path):
    for name in ("C", "R", ".net"):
        draw(name)
    (tmp_path / ".DS_Store").touch()
    files, left_out = listed(tmp_path)
    assert sorted(files) == ["C", "R"]
    assert left_out == {".net": "a hidden folder, for its name begins with a dot"}


def test_a_name_that_no_card_can_hold_is_refused_before_training(draw, tmp_path):
    for name in ("cat", 201 * "x"):
        draw(name)
    with pytest.raises(UsageError, match="name of 201 characters; 200 is the most"):
        folders.list_folder(tmp_path)
    pixels = np.zeros((4, 8, 8, 1), np.uint8)
    with pytest.raises(UsageError, match="name of 201 characters"):
        gathering.from_arrays(pixels, [0, 1, 0, 1], ["cat", 201 * "x"], 0.5, None, None)


def test_more_classes_than_a_card_can_hold_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_CLASSES", 2)
    for name in "abc":
        os.mkdir(tmp_path / name)
    with pytest.raises(UsageError, match="there are 3 classes; 2 is the most"):
        folders.list_folder(tmp_path)


class TestGroups:
    def pictures(self, draw, tmp_path, names):
        for name in ("cat", "dog"):
            place = draw("pets", name, count=len(names))
            for i, each in enumerate(names):
                (place / f"{i}.png").rename(place / f"{each}_{i}.png")
        return folders.read_folder(
            folders.list_folder(tmp_path / "pets"), "resize", (8, 8, None)
        )

    def test_of_two_writers_one_is_held_out(self, draw, tmp_path):
        found = self.pictures(draw, tmp_path, ["ann", "bob", "ann", "bob"])
        held = gathering.held_out(found, 0.2, 0, "_")
        writers = folders.groups_of(found.names, "_")
        parts = {
            part: {w for w, p in zip(writers, held, strict=True) if p == part}
            for part in ("train", "validation")
        }
        assert parts["train"] | parts["validation"] == {"ann", "bob"}
        assert len(parts["validation"]) == 1
        assert parts["train"].isdisjoint(parts["validation"])

    def test_one_writer_cannot_be_held_out_of_oneself(self, draw, tmp_path):
        found = self.pictures(draw, tmp_path, ["ann", "ann"])
        with pytest.raises(
            UsageError, match=r"`group` finds 1 group, 'ann', .*none can be held out"
        ):
            gathering.held_out(found, 0.2, 0, "_")


class TestWrongNames:
    @pytest.mark.parametrize(
        ("command", "hint"),
        [
            ("train dense_clasifier --images {}", "did you mean dense_classifier?"),
            (
                "train lenet5/mnist --images {}",
                "did you mean lenet5 --from lenet5/mnist?",
            ),
            ("train mnist_cnn --recipe corse", "did you mean course?"),
            ("predict --backend torhc", "did you mean torch?"),
            ("export lenet5 --to onx --out x.onnx", "did you mean onnx?"),
            (
                "evaluate --dataset mnist_corrupted/fogg",
                "did you mean mnist_corrupted/fog?",
            ),
            ("predict --model mine/pets.kears", "must end in .keras"),
            ("summary mine/old/pets", "must end in .keras"),
        ],
    )
    def test_the_nearest_is_suggested(self, run, tmp_path, command, hint):
        status, _, told = run(*command.format(tmp_path).split())
        assert status == 2
        assert hint in told
        assert told.count("\n") == 1

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"augment": ["flip", "filp"]}, r"`augment` must be .* Received: 'filp'"),
            ({"validation": 1.5}, r"`validation` must be above 0, below 1"),
        ],
    )
    def test_they_are_told_before_the_pictures_are_read(
        self, draw, tmp_path, options, says
    ):
        draw("pets", "cat")
        draw("pets", "dog")
        read = []
        with pytest.raises(UsageError, match=says):
            training.train_own(
                tmp_path / "pets",
                out=tmp_path / "o",
                reading=lambda *_: read.append(1),
                **options,
            )
        assert not read


def test_a_value_in_a_message_is_told_as_an_option(monkeypatch):
    monkeypatch.setitem(_app._options_by_name, "prepare", "--prepare")
    monkeypatch.setitem(_app._options_by_name, "resume", "--resume")
    said = "take `prepare=resize`, `resume=True`, `resume=False`, `prepare`"
    assert _app._in_options(said) == (
        "take --prepare resize, --resume, `resume=False`, --prepare"
    )


@pytest.mark.parametrize("name", ["pets", "pets.keras"])
def test_the_name_of_a_file_may_have_its_ending(name):
    assert own.checkpoint_of("o", name, "x").name == ".pets.checkpoint.npz"


def test_a_disk_without_room_is_told_before_pictures_are_read(
    draw, tmp_path, monkeypatch
):
    """A file that is mapped and has no room ends the process, at whatever picture."""

    def reserve(descriptor, start, length):
        assert (start, length) == (0, 6 * 8 * 8 * 3)
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("cat", "dog"):
        draw("pets", name)
    monkeypatch.setattr(folders, "MAX_IN_MEMORY", 0)
    monkeypatch.setattr(os, "posix_fallocate", reserve, raising=False)
    with pytest.raises(KerasconvError, match=r"has no room for .* \(No space left"):
        folders.read_folder(
            folders.list_folder(tmp_path / "pets"),
            "resize",
            (8, 8, None),
            spill=tmp_path,
        )
    assert os.listdir(tmp_path) == ["pets"]


class Endless:
    """A data set like TensorFlow's that is repeated without end."""

    def cardinality(self):
        return -1

    def __iter__(self):
        raise AssertionError("it is not to be read")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (Endless(), "`images` never ends"),
        ([np.zeros((2, 8, 8, 1), "u1")], "gives no labels"),
    ],
)
def test_a_data_set_that_cannot_be_learned_from_is_refused(data, says):
    with pytest.raises(UsageError, match=says):
        gathering.from_arrays(data, None, None, 0.2, None, None)


def test_a_hundred_thousand_files_are_listed_in_little_memory(tmp_path, monkeypatch):
    """Their names alone are made: as many files take a test's time to write."""

    def walk(place, **_):
        yield place, [], [f"picture_{i:06}.png" for i in range(50_000)]

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setattr(os, "walk", walk)
    tracemalloc.start()
    listing = folders.list_folder(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(listing.files) == 100_000
    shown = len(str(tmp_path / "a" / "picture_000000.png"))
    assert peak < 100_000 * (shown + 250)


@pytest.mark.parametrize(
    ("shape", "names", "prepare"),
    [
        ((28, 28), None, "digit"),
        ((28, 28), ["7", "Q"], "digit"),
        ((28, 28), ["boot", "bag"], "resize"),
        ((32, 32), ["7", "Q"], "resize"),
    ],
)
def test_arrays_are_taken_for_digits_where_their_classes_may_be(shape, names, prepare):
    pixels = np.zeros((4, *shape, 1), "u1")
    found = gathering.from_arrays(pixels, [0, 1, 0, 1], names, 0.5, None, None)
    assert found.prepare == prepare


def test_what_keras_read_from_a_folder_is_resized():
    class OfAFolder(list):
        class_names = ("1", "7")

    data = OfAFolder([(np.zeros((2, 28, 28, 1), "u1"), np.array([0, 1]))])
    assert gathering.from_arrays(data, None, None, 0.5, None, None).prepare == "resize"


def test_a_font_without_the_characters_of_the_classes_is_one_line(run, monkeypatch):
    def evaluate(*_, **__):
        for code in (0x65E5, 0x672C):
            said = f"Glyph {code} (X) missing from font(s) DejaVu Sans."
            warnings.warn(said, stacklevel=2)

    monkeypatch.setattr(_zoo, "evaluate_folder", evaluate)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        status, _, told = run("evaluate", "--images", "x")
    assert status == 0
    assert told.count("\n") == 1
    assert "the font of the pictures lacks characters, such as 日" in told


def test_a_comparison_on_pictures_says_classes_backend_and_what_was_left_out(
    run, tmp_path
):
    resizing = tmp_path / "resizing.keras"
    untrusted.save_model(models.lenet5(), resizing)
    names = json.dumps([str(digit) for digit in range(10)])
    resizing.with_suffix(".toml").write_text(f'classes = {names}\nprepare = "resize"\n')
    images, labels = digits.load_digits()
    for i, (image, label) in enumerate(zip(images[:20], labels[:20], strict=True)):
        place = tmp_path / "scans" / str(label)
        place.mkdir(exist_ok=True, parents=True)
        Image.fromarray(np.rint(255 * image[..., 0]).astype("u1")).save(
            place / f"{i}.png"
        )
    (tmp_path / "scans" / str(labels[0]) / "text.png").write_text("no picture")
    blank = tmp_path / "scans" / str(labels[0]) / "blank.png"
    Image.new("L", (28, 28)).save(blank)
    status, out, told = run(
        "compare", "lenet5", resizing, "--images", tmp_path / "scans", "--json"
    )
    assert status == 0, told
    found = json.loads(out)
    assert found["backend"] in ("torch", "jax", "tensorflow")
    # One of the two takes a blank picture, and neither is asked of it.
    assert sorted(each["file"] for each in found["left_out"]) == [
        f"{labels[0]}/{name}.png" for name in ("blank", "text")
    ]
    assert f"{labels[0]}/blank.png: blank" in told
    assert found["first"]["examples"] == found["second"]["examples"] == 20
    for model in ("first", "second"):
        assert found[model]["classes"] == [str(digit) for digit in range(10)]


def test_a_class_of_which_nothing_is_held_out_is_named(
    draw, run, tmp_path, monkeypatch
):
    monkeypatch.setattr(plotting, "save_figure", lambda *_, **__: None)
    for place in ("train/cat", "train/dog", "train/emu", "val/cat"):
        draw("pets", place)
    status, out, told = run(
        *("train", "dense_classifier", "--epochs", 1),
        *("--images", tmp_path / "pets", "--out", tmp_path / "o"),
    )
    assert status == 0, told
    assert "not measured dog, emu: no picture of them is held out\n" in out
