"""What is given by mistake costs one line that names the argument, wherever it is."""

import inspect

import keras
import numpy as np
import pytest

from kerasconv import (
    augmentation,
    backends,
    batch,
    corruptions,
    data,
    export,
    kernels,
    metrics,
    models,
    parity,
    pictures,
    play,
    plotting,
    training,
    tutorials,
    untrusted,
)
from kerasconv.errors import UsageError
from kerasconv.layers import FixedConv, SobelConv
from kerasconv.metrics import calibration_error
from kerasconv.models import decode_predictions
from kerasconv.pictures import read_photo
from kerasconv.predict import Predictor
from kerasconv.reading import Reader, preparation, read_digits
from kerasconv.recipes import find_recipe
from kerasconv.testing import check_layer
from kerasconv.training import measuring

pytestmark = pytest.mark.once

UNBUILT = keras.Sequential([keras.layers.Dense(3)])
TEXT = np.array(["a", "b"])
OBJECTS = np.array([None, {}], dtype=object)
GREY = np.zeros((28, 28), np.float32)
COLOURS = np.zeros((4, 5, 3), np.float32)
ODDS, TRUE = np.full((4, 10), 0.1), np.arange(4)


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


MODELS = (None, "", 3, b"x", [], TEXT, UNBUILT, Subclassed(), keras.layers.Dense(3))
NO_NAMES = (None, 3, b"x", [], TEXT, UNBUILT, Subclassed())
SEVERAL = (None, 3, b"x", UNBUILT, "a\0b", ["a\0b"], [None])
PATHS = (None, 3, b"x", [], {}, TEXT, UNBUILT, "a\0b")
ARRAYS = (None, "", b"x", TEXT, OBJECTS, UNBUILT, object())
AXES = (*ARRAYS, 3, [], np.zeros((0, 4)))
NO_CARDS = ("mnist_cnn", 3, b"x", [], {}, TEXT, UNBUILT)
SIZES = (None, 3, "", "33", [], {}, (3, 2.5), TEXT, UNBUILT)
COUNTS = (None, "", b"x", [], TEXT, UNBUILT, -1, 0, 2.5)
WIDTHS = (*COUNTS[1:], 10**5, 10**400)
SHARES = ("", b"x", [], TEXT, UNBUILT, -1, 3, float("nan"))
MAPPINGS = (None, 3, b"x", "loss", TEXT, UNBUILT, {})
CHOICES = (3, b"x", [], TEXT, UNBUILT, {})

ODD = (None, "?", b"x", [], {}, TEXT, UNBUILT, -1, float("nan"), 1j, 2.5)
NO_NUMBERS = ODD[:-1]
NO_LISTS = (None, "x", b"x", 3, UNBUILT)
NO_SHAPES = (
    *(None, "", "abc", 28, -1, 0, 2.5, b"x", [], {}, {28: 1}, TEXT, UNBUILT, True),
    *((28, 28), (28, 28, 1, 1), (0, 28, 1), (28, -1, 1), (28, 28, 0)),
    *(("a", 28, 1), (28, None, 1), (28, 28, 1.0), (True, 28, 1)),
)
DIGITS = np.zeros((1, 28, 28, 1), np.uint8)
FIGURE = plotting.plot_digits([GREY])
RECIPE = find_recipe("lenet5")[1]
ZOO = [architecture.build for architecture in models.ARCHITECTURES.values()]

CASES = {
    "save_model model": (MODELS, lambda x: models.save_model(x, "never.keras")),
    "check_fits model": (MODELS, lambda x: measuring.check_fits(x, "mnist", GREY)),
    "preprocess_input model": (NO_NAMES, lambda x: models.preprocess_input(GREY, x)),
    "read_network model": (NO_NAMES, lambda x: play.read_network(x)),
    "save_model path": (PATHS, lambda x: models.save_model(models.lenet5(), x)),
    "tensor_digests path": (PATHS, models.tensor_digests),
    "inspect path": (PATHS, untrusted.inspect),
    "parity path": (PATHS, parity.measure),
    "export path": (PATHS, lambda x: export.check("saved_model", x)),
    "read_image path": (PATHS[:2] + PATHS[3:], pictures.read_image),
    "read_photo path": (PATHS[:2] + PATHS[3:], pictures.read_photo),
    "read_reduced path": (PATHS[:2] + PATHS[3:], lambda x: pictures.read_reduced(x, 9)),
    "find_images paths": (SEVERAL, pictures.find_images),
    "write_photo path": (PATHS, lambda x: pictures.write_photo(x, COLOURS)),
    "save_figure path": (PATHS, lambda x: plotting.save_figure(None, x)),
    "write folder": (PATHS, play.write),
    "copy_notebooks directory": (PATHS, tutorials.copy_notebooks),
    "plan source": (SEVERAL, lambda x: batch.plan(x, "o", format="csv")),
    "plan_edges source": (SEVERAL, lambda x: batch.plan_edges(x, "out")),
    "plan out": (PATHS, lambda x: batch.plan(".", x, format="csv")),
    "plan_edges out": (PATHS, lambda x: batch.plan_edges(".", x)),
    "opened out": (PATHS, batch.opened),
    "resized photo": (AXES, lambda x: pictures.resized(x, (2, 2, 3))),
    "to_pixels values": (ARRAYS, pictures.to_pixels),
    "to_unit pixels": (ARRAYS, pictures.to_unit),
    "write_photo pixels": (AXES, lambda x: pictures.write_photo("never.png", x)),
    "corrupt images": (ARRAYS, lambda x: corruptions.corrupt(x, "brightness")),
    "summary probabilities": (AXES, lambda x: metrics.summary(x, TRUE)),
    "check_finite probabilities": (AXES, metrics.check_finite),
    "separate kernel": (AXES, kernels.separate),
    "answers images": (AXES, lambda x: measuring.answers(models.lenet5(), x)),
    "plot_window data": (ARRAYS, lambda x: plotting.plot_window(x, [1, 1], 0)),
    "plot_window kernel": (ARRAYS, lambda x: plotting.plot_window([1, 1], x, 0)),
    "calibration_error bins": (COUNTS, lambda x: calibration_error(ODDS, TRUE, x)),
    "decode_predictions top": (COUNTS, lambda x: decode_predictions(ODDS, top=x)),
    "Reader top": (COUNTS, lambda x: Reader("lenet5", top=x)),
    "plot_digits columns": (
        WIDTHS, lambda x: plotting.plot_digits([GREY], columns=x)
    ),
    "plot_images columns": (
        WIDTHS, lambda x: plotting.plot_images({"a": GREY}, columns=x)
    ),
    "plot_kernels columns": (
        WIDTHS, lambda x: plotting.plot_kernels([[1, 1]], columns=x)
    ),
    "sobel rank": (COUNTS, kernels.sobel),
    "laplacian rank": (COUNTS, kernels.laplacian),
    "evaluate limit": (
        COUNTS[1:], lambda x: measuring.evaluate(None, "mnist", limit=x)
    ),
    "Reader min_confidence": (SHARES, lambda x: Reader("lenet5", min_confidence=x)),
    "read_digits min_confidence": (
        SHARES, lambda x: read_digits(GREY, min_confidence=x)
    ),
    "find_digits min_confidence": (
        SHARES, lambda x: pictures.find_digits(GREY, min_confidence=x)
    ),
    "wilson level": (SHARES, lambda x: metrics.wilson(1, 2, x)),
    "wilson trials": (COUNTS, lambda x: metrics.wilson(0, x)),
    "wilson successes": (
        ("", None, [], TEXT, -1, 3, 0.5), lambda x: metrics.wilson(x, 2)
    ),
    "class_names card": (NO_CARDS, models.class_names),
    "preparation card": (NO_CARDS, lambda x: preparation((28, 28, 1), x)),
    "find_card name": (NO_NAMES, models.find_card),
    "find_recipe name": (NO_NAMES, find_recipe),
    "find_recipe recipe": (NO_NAMES[1:], lambda x: find_recipe("mnist_cnn", x)),
    "box size": (SIZES, kernels.box),
    "gaussian size": (SIZES, kernels.gaussian),
    "binomial size": (SIZES, kernels.binomial),
    "inverse_distance size": (SIZES, kernels.inverse_distance),
    "plot_images pictures": (MAPPINGS, plotting.plot_images),
    "plot_bars signals": (MAPPINGS, plotting.plot_bars),
    "plot_lines curves": (MAPPINGS, plotting.plot_lines),
    "plot_scores scores": (MAPPINGS, lambda x: plotting.plot_scores(x, xlabel="")),
    "plot_feature_maps maps_by_layer": (MAPPINGS, plotting.plot_feature_maps),
    "plot_history history": (MAPPINGS, plotting.plot_history),
    "plot_slide columns": (
        WIDTHS, lambda x: plotting.plot_slide([1, 2], [1, 1], columns=x)
    ),
    "SobelConv padding": (CHOICES, lambda x: SobelConv(padding=x)),
    "Predictor model": (MODELS, Predictor),
    "Predictor batch_size": (
        COUNTS[1:], lambda x: Predictor(models.lenet5(), batch_size=x)
    ),
    "Predictor input_range": (
        ODD[1:], lambda x: Predictor(models.lenet5(), input_range=x)
    ),
    "load split": (ODD, lambda x: data.load("mnist", x)),
    "load data_dir": (
        ("a\0b", *ODD[2:]), lambda x: data.load("mnist", "test", x)
    ),
    "load download": (ODD, lambda x: data.load("mnist", "test", "/no", download=x)),
    "digest images": (
        (*ARRAYS, GREY, 3), lambda x: data.digest(x, np.zeros(28, np.int64))
    ),
    "digest labels": (
        (*ARRAYS, GREY, 3), lambda x: data.digest(np.zeros((1, 2), np.uint8), x)
    ),
    "corrupt family": (ODD, lambda x: corruptions.corrupt(DIGITS, x)),
    "corrupt seed": (ODD, lambda x: corruptions.corrupt(DIGITS, "fog", x)),
    "evaluate predictor": (
        ODD[:6], lambda x: corruptions.evaluate(x, DIGITS, np.zeros(1, int))
    ),
    "evaluate labels": (
        AXES[:-3], lambda x: corruptions.evaluate(print, DIGITS, x)
    ),
    "load_tensors model": (MODELS, lambda x: untrusted.load_tensors(x, None)),
    "load_tensors archive": (
        ODD, lambda x: untrusted.load_tensors(models.lenet5(), x)
    ),
    "load_model trust": (ODD[1:], lambda x: models.load_model("a.keras", x)),
    "load_model sealed": (
        ODD, lambda x: models.load_model("a.keras", sealed=x)
    ),
    "Reader trust": (ODD, lambda x: Reader("lenet5", trust=x)),
    "Reader single": (ODD, lambda x: Reader("lenet5", single=x)),
    "read_photo max_pixels": (COUNTS, lambda x: read_photo(b"x", max_pixels=x)),
    "resized shape": (
        ODD, lambda x: pictures.resized(COLOURS, x)
    ),
    "edges operator": (ODD, lambda x: pictures.edges(COLOURS, x)),
    "edges output": (ODD, lambda x: pictures.edges(COLOURS, output=x)),
    "to_pixels output": (ODD, lambda x: pictures.to_pixels(GREY, x)),
    "sobel axis": (ODD[1:3], lambda x: kernels.sobel(axis=x)),
    "preparation shape": (NO_SHAPES[:8], lambda x: preparation(x, None)),
    "measure_all paths": (SEVERAL, parity.measure_all),
    "RandomGain factor": (ODD, augmentation.RandomGain),
    "RandomGain seed": (ODD[1:], lambda x: augmentation.RandomGain(0.1, x)),
    "RandomWarp grid": (ODD, lambda x: augmentation.RandomWarp(grid=x)),
    "RandomGain images": (ARRAYS, lambda x: augmentation.RandomGain(0.1)(x)),
    "RandomWarp images": (
        (*ARRAYS, GREY, np.float32(3)), lambda x: augmentation.RandomWarp(1.0)(x)
    ),
    **{
        f"RandomWarp {name}": (
            NO_NUMBERS, lambda x, name=name: augmentation.RandomWarp(**{name: x})
        )
        for name in ("rotation", "zoom", "shear", "shift", "bend")
    },
    "OneCycle peak": (NO_NUMBERS, lambda x: training.OneCycle(x, 10)),
    "OneCycle steps": (ODD, lambda x: training.OneCycle(0.1, x)),
    "build recipe": (ODD, training.build),
    "fit recipe": (ODD, lambda x: training.fit(x, DIGITS, np.zeros(1, int))),
    "fit images": (AXES, lambda x: training.fit(RECIPE, x, TRUE)),
    "fit labels": (AXES[:-3], lambda x: training.fit(RECIPE, DIGITS, x)),
    "fit seed": (ODD, lambda x: training.fit(RECIPE, DIGITS, [1], seed=x)),
    "fit epochs": (ODD[1:], lambda x: training.fit(RECIPE, DIGITS, [1], epochs=x)),
    "train out": (PATHS, lambda x: training.train("lenet5", out=x)),
    "plan format": (ODD, lambda x: batch.plan(".", "o", format=x)),
    "plan shard_size": (
        COUNTS, lambda x: batch.plan(".", "o", format="csv", shard_size=x)
    ),
    "run max_errors": (ODD[1:], lambda x: batch.run(".", "o", max_errors=x)),
    "check_engine engine": (ODD, lambda x: batch.check_engine(x, None, None)),
    "check_engine workers": (
        COUNTS[1:], lambda x: batch.check_engine("processes", x, None)
    ),
    "plot_kernels kernels": (NO_LISTS, plotting.plot_kernels),
    "plot_digits captions": (
        NO_LISTS[2:], lambda x: plotting.plot_digits([GREY], x)
    ),
    "plot_digits images": (AXES, plotting.plot_digits),
    "plot_confusion_matrix matrix": (AXES, plotting.plot_confusion_matrix),
    "plot_confusion_matrix class_names": (
        NO_LISTS[1:], lambda x: plotting.plot_confusion_matrix([[1, 2], [3, 4]], x)
    ),
    "plot_images limit": (
        NO_NUMBERS[1:], lambda x: plotting.plot_images({"a": GREY}, limit=x)
    ),
    "plot_lines x": (ODD[1:], lambda x: plotting.plot_lines({"a": [1, 2]}, x)),
    "plot_scores intervals": (
        ODD[1:3], lambda x: plotting.plot_scores({"a": 1}, xlabel="", intervals=x)
    ),
    "plot_window at": (ODD, lambda x: plotting.plot_window([1, 2, 3], [1, 1], x)),
    **{
        f"{draw.__name__} {name}": (
            mistakes,
            lambda x, draw=draw, at=at, name=name: draw(
                [1, 2, 3], [1, 1], *at, **{name: x}
            ),
        )
        for draw, at in ((plotting.plot_window, [0]), (plotting.plot_slide, []))
        for name, mistakes in {
            "pad": (None, "x", -1, 2.5, [], {"a": 1}, (1, 2, 3)),
            "border_mode": (None, "x", 3, [], {}),
            "strides": COUNTS,
        }.items()
    },
    "save_figure figure": (ODD, lambda x: plotting.save_figure(x, "never.png")),
    "save_figure dpi": (
        NO_NUMBERS, lambda x: plotting.save_figure(FIGURE, "never.png", dpi=x)
    ),
    "show figure": (ODD, lambda x: plotting.show(x, alt="a", caption="b")),
    "check_layer input_shape": (
        ("", "x", -1, 2.5, [2.5], {}, b"x", (-1, 3), (1, 2)),
        lambda x: check_layer(keras.layers.Dense(3), input_shape=x),
    ),
    "check_layer inputs": (
        ("", b"x", [], {}, 3, TEXT, OBJECTS[:0]),
        lambda x: check_layer(keras.layers.Dense(3), x),
    ),
    **{
        f"check_layer {name}": (
            mistakes, lambda x, name=name: check_layer(int, **{name: x})
        )
        for name, mistakes in {
            "checks": (3, "x", b"x", [3], [[]], ["no"]),
            "exclude": (None, 3, "x", b"x", [3], [[]], ["no"]),
            **dict.fromkeys(("batch_independent", "random"), ODD),
            **dict.fromkeys(
                ("any_size", "integers", "float64", "empty_batch", "compiles"), ODD[1:]
            ),
            "keeps_nan": ODD[1:],
            "tolerance": NO_NUMBERS,
        }.items()
    },
    **{
        f"{build.__name__} {name}": (
            mistakes, lambda x, build=build, name=name: build(**{name: x})
        )
        for build in ZOO
        for name, mistakes in {
            "input_shape": NO_SHAPES,
            "num_classes": (*COUNTS, 10**7, 10**400),
            "dropout": (None, *SHARES),
            "weights": (3, b"x", [], {}, TEXT, UNBUILT, "none of these"),
            "name": (3, b"x", [], {}, TEXT, UNBUILT, "a/b"),
            "include_top": ODD,
            "units": (*COUNTS, 10**7),
            "orientations": (*COUNTS, 10**7),
            "inhibition": ODD,
            "pooling": ODD,
            "operator": ODD,
            "classifier_activation": (3, "x", b"x", [], {}, TEXT),
        }.items()
        if name in inspect.signature(build).parameters
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_mistaken_argument_is_told_in_one_line_that_names_it(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mistakes, call = CASES[name]
    argument = name.split()[1]
    for mistake in mistakes:
        with pytest.raises(ValueError, match=rf"^`{argument}`") as caught:
            call(mistake)
        line = str(caught.value)
        assert "Received: " in line
        assert "\n" not in line
        assert len(line) < 300
    assert list(tmp_path.iterdir()) == []


LOOKED_UP = {
    "data set": (
        lambda x: data.load(x, "test"),
        lambda x: measuring.evaluate(None, x),
        lambda x: measuring.check_fits(models.lenet5(), x, DIGITS),
    ),
    "format": (
        lambda x: export.check(x, "never"),
        lambda x: export.export("lenet5", "never", x),
    ),
    "backend": (backends.check_name, backends.version),
}


@pytest.mark.parametrize("what", LOOKED_UP)
def test_a_name_of_any_type_is_looked_up_and_told_in_one_line(what):
    for call in LOOKED_UP[what]:
        for mistake in (None, 3, b"x", "x", [], ["mnist"], {}, {1: 2}, set(), TEXT):
            with pytest.raises(UsageError, match=f"unknown {what}") as caught:
                call(mistake)
            line = str(caught.value)
            assert "choose one of" in line or "did you mean" in line
            assert "\n" not in line


def test_a_border_too_large_for_any_memory_is_told_before_it_is_made():
    layer = FixedConv([[1.0, 2.0], [3.0, 4.0]], dilation_rate=10**7)
    image = np.zeros((1, 8, 8, 1), np.float32)
    with pytest.raises(ValueError, match="10,000,008 x 10,000,008") as caught:
        layer(image)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("build", ZOO)
def test_the_smallest_image_of_an_architecture_is_as_its_declaration_says(build):
    least = models.ARCHITECTURES[build.__name__].smallest
    build(weights=None, input_shape=(least, least, 3))
    if least > 1:
        # What Keras says of it without the check: nothing would be left.
        with pytest.raises(Exception, match=r"zero|negative|less than"):
            build.__wrapped__(weights=None, input_shape=(least - 1, least - 1, 3))
