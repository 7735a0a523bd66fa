"""Networks for another question, and cards that say what the answers mean."""

import json
import warnings

import numpy as np
import pytest
import test_cli
from PIL import Image, ImageOps

from kerasconv import digits, models, pictures
from kerasconv._keras import keras
from kerasconv.cli import _own as folder_commands
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.export import proof
from kerasconv.models import (
    NewHeadWarning,
    card_of,
    class_names,
    decode_predictions,
    load_model,
    mnist_cnn,
    preprocess_input,
    save_model,
)
from kerasconv.models._own import card_beside, preparation_of, prepare_as
from kerasconv.play import read_network
from kerasconv.reading import Reader

STROKE = np.full((90, 60), 255, np.uint8)
STROKE[20:70, 28:33] = 0  # an upright stroke on white paper


@pytest.mark.once
class TestBody:
    def test_other_classes_and_sizes_keep_the_convolutions(self):
        with pytest.warns(NewHeadWarning, match="train it before you use it"):
            other = mnist_cnn(num_classes=5, input_shape=(40, 32, 1))
        assert other.output_shape == (None, 5)
        kept = mnist_cnn().get_weights()[:4]
        for a, b in zip(other.get_weights(), kept, strict=False):
            np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize(
        ("name", "shape"),
        [
            ("mnist_cnn", (5, 5, 64)),
            ("edge_classifier", (7, 7, 8)),
            ("lenet5", (5, 5, 16)),
            ("cats_dogs_cnn", (8, 8, 128)),
        ],
    )
    def test_without_its_head_a_network_gives_the_maps_of_the_trained_one(
        self, name, shape
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error", NewHeadWarning)  # nothing about it is random
            body = getattr(models, name)(include_top=False)
        assert body.output_shape == (None, *shape)
        whole = load_model(name)
        for layer in body.layers:
            theirs = whole.get_layer(layer.name).get_weights()
            for a, b in zip(layer.get_weights(), theirs, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_the_weights_of_a_file_serve_too(self, tmp_path):
        save_model(mnist_cnn(), tmp_path / "mine.keras")
        with pytest.warns(NewHeadWarning):
            other = mnist_cnn(weights=tmp_path / "mine.keras", num_classes=3)
        np.testing.assert_array_equal(
            other.get_weights()[2], mnist_cnn().get_weights()[2]
        )

    @pytest.mark.parametrize(
        "build",
        [
            lambda: mnist_cnn(input_shape=(28, 28, 3)),
            lambda: models.dense_classifier(num_classes=7),
            lambda: mnist_cnn(weights="mnist", pooling="l2", num_classes=3),
        ],
    )
    def test_what_has_no_such_convolutions_is_refused(self, build):
        with pytest.raises(
            UsageError, match=r"trained with .*num_classes=10.*do not fit"
        ):
            build()


@pytest.mark.once
class TestInTheMannerOfKeras:
    def test_pictures_are_prepared_as_the_card_says(self):
        photo = pictures.example_photo()
        expected = pictures.resized(pictures.read_photo(photo), (32, 32, 3))
        for given in (photo, Image.open(photo), np.asarray(Image.open(photo))):
            np.testing.assert_allclose(
                preprocess_input(given, "cats_dogs_cnn"), expected[None], atol=1e-6
            )
        expected = pictures.prepare_digit(STROKE)[..., None]
        both = preprocess_input([STROKE, Image.fromarray(STROKE)])
        np.testing.assert_allclose(both, [expected, expected], atol=1e-6)
        assert preprocess_input(STROKE, "mnist_cnn/fashion_mnist").max() > 0.9

    def test_a_batch_is_only_brought_to_the_unit(self):
        images, _ = digits.load_digits()
        pixels = np.rint(255 * images).astype(np.uint8)
        for batch in (pixels, pixels.astype(float), images):
            np.testing.assert_allclose(preprocess_input(batch), images, atol=1e-6)
        # NumPy's and PyTorch's whole numbers are wide, and hold pixels all the same.
        np.testing.assert_allclose(preprocess_input(pixels.astype(int)), images)
        np.testing.assert_array_equal(preprocess_input(pixels > 127), pixels > 127)
        assert preprocess_input([]).shape == preprocess_input(pixels[:0]).shape
        with pytest.raises(UsageError, match=r"\(n, 28, 28, 1\)"):
            preprocess_input(pixels[:, :20])
        with pytest.raises(UsageError, match="must hold numbers"):
            preprocess_input(pixels * 1j)

    @pytest.mark.parametrize("mode", ["I;16", "La", "RGBA", "LAB"])
    def test_an_image_of_any_mode_is_prepared_as_its_file(self, mode, tmp_path):
        stroke = Image.fromarray(STROKE)
        if mode == "I;16":
            image = Image.fromarray(257 * STROKE.astype(np.uint16))
        elif mode == "LAB":
            image = Image.merge(mode, [stroke] * 3)
        else:  # black ink on nothing
            ink = [Image.new("L", stroke.size)] * (len(mode) - 1)
            image = Image.merge(mode, [*ink, ImageOps.invert(stroke)])
        kept = image.convert("LA") if mode == "La" else image
        kept.save(tmp_path / "file.tif")
        for model in ("mnist_cnn", "cats_dogs_cnn"):
            np.testing.assert_allclose(
                preprocess_input(image, model),
                preprocess_input(tmp_path / "file.tif", model),
                atol=1e-6,
            )

    def test_answers_have_names_the_likeliest_first(self):
        rows = [[0.2, 0.8], [0.9, 0.1]]
        assert decode_predictions(rows, "cats_dogs_cnn", top=1) == [
            [(1, "dog", 0.8)],
            [(0, "cat", 0.9)],
        ]
        assert decode_predictions(np.eye(10), top=2)[3][0] == (3, "3", 1.0)
        assert decode_predictions(np.eye(10), "mnist_cnn/fashion_mnist")[9][0][1] == (
            "ankle boot"
        )
        with pytest.raises(UsageError, match=r"\(n, 10\)"):
            decode_predictions(rows)

    @pytest.mark.parametrize("name", models.ARCHITECTURES)
    def test_every_architecture_has_both(self, name):
        assert preprocess_input(STROKE, name).ndim == 4
        count = len(class_names(card_of(name)))
        assert len(decode_predictions(np.eye(count), name, top=99)[0]) == count


# --------------------------------------------------------------- a card beside a file


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A network of one's own for two classes of colour pictures, and its card."""
    folder = tmp_path_factory.mktemp("mine")
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            layers.Conv2D(2, 3, data_format="channels_last", name="convolution"),
            layers.Flatten(name="flatten"),
            layers.Dense(2, activation="softmax", name="dense"),
        ]
    )
    save_model(model, folder / "mine.keras")
    (folder / "mine.toml").write_text(
        'classes = ["ham\\u001b[2J", "spam"]\nprepare = "resize"\nsize = [12, 10]\n'
    )
    for at, name in enumerate(("ham\x1b[2J", "spam")):
        (folder / "test" / name).mkdir(parents=True)
        for i in range(3):
            image = Image.new("RGB", (30, 20), (80 * at + i, 40 * i, 200))
            image.save(folder / "test" / name / f"{i}.png")
    (folder / "test" / "spam" / "bad.png").write_bytes(b"no picture")
    return folder / "mine.keras"


def said(path):
    """What the network says of the pictures, by an own road."""
    names = sorted((path.parent / "test").glob("*/[0-9].png"))
    images = np.stack(
        [pictures.resized(pictures.read_photo(name), (12, 10, 3)) for name in names]
    )
    return names, keras.ops.convert_to_numpy(load_model(path)(images))


run = test_cli.run


NAMES = ["ham\\x1b[2J", "spam"]


@pytest.mark.once
class TestCardBeside:
    def test_predict_answers_with_its_names(self, mine, run):
        paths, rows = said(mine)
        status, out, _ = run("predict", *paths, "--model", mine, "--json")
        answers = json.loads(out)
        assert status == 0
        assert [each["prediction"] for each in answers] == [
            NAMES[i] for i in rows.argmax(1)
        ]
        np.testing.assert_allclose(
            [each["probability"] for each in answers], rows.max(1), atol=1e-5
        )

    def test_evaluate_measures_on_a_folder(self, mine, run):
        paths, rows = said(mine)
        truth = [
            NAMES.index("spam" if p.parent.name == "spam" else NAMES[0]) for p in paths
        ]
        status, out, err = run(
            "evaluate", mine, "--images", mine.parent / "test", "--json"
        )
        found = json.loads(out)
        assert (status, found["classes"]) == (0, NAMES)
        assert found["errors"] == int((rows.argmax(1) != truth).sum())
        assert found["left_out"][0]["file"] == "spam/bad.png"
        assert "1 file was left out" in err
        status, out, _ = run(
            "evaluate", mine, "--images", mine.parent / "test", "--confusion"
        )
        assert status == 0
        assert "ham\\x1b" in out
        assert "\x1b[2J" not in out

    def test_compare_compares_on_a_folder(self, mine, run, tmp_path):
        other = tmp_path / "other.keras"
        model = load_model(mine)
        dense = model.get_layer("dense")
        dense.set_weights([-dense.get_weights()[0], -dense.get_weights()[1]])
        save_model(model, other)
        card = mine.with_suffix(".toml").read_text()
        other.with_suffix(".toml").write_text(card)
        status, out, _ = run(
            "compare", mine, other, "--images", mine.parent / "test", "--json"
        )
        found = json.loads(out)
        assert status == 0
        assert found["first"]["errors"] + found["second"]["errors"] == 6
        assert found["test"]["both_wrong"] == 0

    def test_features_and_kernels_take_it(self, mine, run, tmp_path):
        paths, _ = said(mine)
        for command in (["features", paths[0], "--model"], ["kernels"]):
            status, _, err = run(*command, mine, "--save", tmp_path / "x.png")
            assert status == 0, err

    def test_export_and_the_live_page_have_its_names(self, mine):
        assert proof._facts(mine)["class_names"] == tuple(NAMES)
        assert list(class_names(card_of(mine))) == NAMES

    def test_the_reader_and_decoding_have_its_names(self, mine):
        paths, rows = said(mine)
        reader = Reader(mine)
        (answer,) = reader.answers([reader.prepare(paths[0])])
        assert answer.classes == [NAMES[rows[0].argmax()]]
        assert decode_predictions(rows, mine)[0][0][1] == answer.classes[0]
        np.testing.assert_allclose(
            preprocess_input(paths[0], mine)[0],
            pictures.resized(pictures.read_photo(paths[0]), (12, 10, 3)),
            atol=1e-6,
        )

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("classes = [", "cannot be used"),
            ('classes = "ab"', "no list of 2 to 10,000 names"),
            ('classes = ["a"]', "no list of 2"),
            ('classes = ["a", 7]', "not all names"),
            (f'classes = ["a", "{"b" * 300}"]', "1 to 200 characters"),
            ('classes = ["a", "a"]', "name one twice"),
            ('prepare = "digit"\nreading = {min_confidence = 2}', "not from 0 to 1"),
            ('prepare = "digit"\nreading = 7', "not from 0 to 1"),
            ('classes = ["a", "b"]\nprepare = "run"', "`prepare` is none of digit"),
            ('classes = ["a", "b"]\nsize = [12]', "`size` is no height and width"),
            ('classes = ["a", "b"]\nsize = [99999, 1]', "`size` is no height"),
            ('classes = ["a", "b", "c"]', "names 3 classes and the network gives 2"),
            ('classes = ["a", "b"]\nsize = [28, 28]', r"for pictures of \[28, 28\]"),
            ("x" + ".x" * 60 + " = 1", "dots"),
            ('classes = ["a", "b"]\ndata = 3', "`data` is no table with a `name`"),
            ('size = [12, 10]\ndata = {name = ["mnist"]}', "`data` is no table"),
            ('size = [12, 10]\ntest = {accuracy = "x"}', "`test` has no `examples`"),
            ("size = [12, 10]\ntest = 1", "`test` has no `examples`"),
        ],
    )
    def test_what_a_stranger_writes_is_held_to_sense(self, mine, tmp_path, text, says):
        copy = tmp_path / "copy.keras"
        copy.write_bytes(mine.read_bytes())
        copy.with_suffix(".toml").write_text(text)
        with pytest.raises(KerasconvError, match=says) as caught:
            Reader(copy)
        assert "\n" not in str(caught.value)

    def test_a_file_without_its_card_is_told_which_it_lacks(self, mine, tmp_path):
        (tmp_path / "moved.keras").write_bytes(mine.read_bytes())
        with pytest.raises(KerasconvError, match=r"its card, 'moved\.toml', beside"):
            Reader(tmp_path / "moved.keras")

    @pytest.mark.parametrize("command", ["predict", "features"])
    def test_what_a_card_leaves_out_is_made_up_for(self, mine, run, tmp_path, command):
        copy, (paths, _) = tmp_path / "copy.keras", said(mine)
        copy.write_bytes(mine.read_bytes())
        more = {"features": ["--save", tmp_path / "x.png"], "predict": ["--json"]}
        copy.with_suffix(".toml").write_text(f"classes = {NAMES}")
        status, out, err = run(command, paths[0], "--model", copy, *more[command])
        assert (status, err) == (0, "")
        assert any(word in out for word in ("ham", "spam", "x.png"))
        card = card_beside(copy)
        copy.with_suffix(".toml").write_text(
            'size = [12, 10]\ndata = {name = "\\u001b"}'
        )
        assert preparation_of(card) == "resize"
        assert preparation_of(card_beside(copy)) == "digit"
        assert class_names(card_beside(copy)) is None
        assert card_beside(copy).facts["data"]["name"].isprintable()

    @pytest.mark.parametrize("shape", [(28, 0, 1), (None, 28, 1), (28, 28, 2), (7,)])
    def test_a_picture_of_no_size_is_none(self, shape):
        with pytest.raises(UsageError, match="no image of known size"):
            prepare_as("digit", shape)

    def test_a_file_of_another_purpose_is_no_card(self, mine, tmp_path):
        copy = tmp_path / "copy.keras"
        copy.write_bytes(mine.read_bytes())
        copy.with_suffix(".toml").write_text('[project]\nname = "copy"\n')
        assert card_beside(copy) is None

    def test_a_card_of_the_zoo_is_known_beside_its_file_elsewhere(self, tmp_path):
        card = models.find_card("mnist_cnn/fashion_mnist")
        for ending in (".keras", ".toml"):
            place = tmp_path / f"clothes{ending}"
            place.write_bytes(card.path.with_suffix(ending).read_bytes())
        assert class_names(card_beside(tmp_path / "clothes.keras"))[9] == "ankle boot"
        shown = read_network(tmp_path / "clothes.keras")
        assert shown["classes"][9] == "ankle boot"


@pytest.mark.once
class TestFolderCommands:
    def test_wrong_ones_are_told_in_one_line(self, mine, run, tmp_path):
        (tmp_path / "a" / "cow").mkdir(parents=True)
        (tmp_path / "a" / "cow" / "1.png").touch()
        again, one = f"{mine.parent}/./{mine.name}", ("lenet5", "lenet5/mnist")
        for arguments, words in {
            ("evaluate", mine): "--images",
            ("evaluate", mine, "--images", tmp_path / "none"): "does not exist",
            ("evaluate", mine, "--images", tmp_path / "a"): "does not know",
            ("evaluate", mine, "--images", mine): "is a file",
            ("compare", mine, "mnist_cnn"): "--images",
            ("compare", mine, mine, "--images", tmp_path): "the same model",
            ("compare", mine, again, "--images", tmp_path): "the same model",
            ("compare", *one, "--images", tmp_path): "the same model",
            ("train", "mnist_cnn", "--size", "32"): "without --images",
            ("train", "mnist_cnn", "--images", tmp_path, "--limit", "9"): "--limit",
            ("train", "mnist_cnn/fast", "--images", tmp_path): "no architecture",
            ("train", "mnist_cnn", "--images", tmp_path, "--size", "x"): "--size",
            ("train", "mnist_cnn", "--images", tmp_path / "none"): "does not exist",
        }.items():
            status, out, err = run(*arguments)
            assert (status, out) == (2, ""), arguments
            assert words in err, arguments
            assert err.count("\n") == 1

    @pytest.mark.parametrize(
        ("text", "size"), [("32", 32), ("48x64", (48, 64)), (None, None)]
    )
    def test_a_size_is_a_number_or_two(self, text, size):
        assert folder_commands.size_of(text) == size
