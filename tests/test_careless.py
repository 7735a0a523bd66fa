"""What is given by mistake costs one line that names the argument, wherever it is."""

import keras
import numpy as np
import pytest

from kerasconv import (
    batch,
    corruptions,
    export,
    kernels,
    metrics,
    models,
    parity,
    pictures,
    play,
    plotting,
    tutorials,
    untrusted,
)
from kerasconv.layers import SobelConv
from kerasconv.metrics import calibration_error
from kerasconv.models import decode_predictions
from kerasconv.predict import Predictor
from kerasconv.reading import Reader, preparation, read_digits
from kerasconv.recipes import find_recipe
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
SHARES = ("", b"x", [], TEXT, UNBUILT, -1, 3, float("nan"))
MAPPINGS = (None, 3, b"x", "loss", TEXT, UNBUILT, {})
CHOICES = (3, b"x", [], TEXT, UNBUILT, {})

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
        COUNTS[1:], lambda x: plotting.plot_digits([GREY], columns=x)
    ),
    "plot_images columns": (
        COUNTS[1:], lambda x: plotting.plot_images({"a": GREY}, columns=x)
    ),
    "plot_kernels columns": (
        COUNTS[1:], lambda x: plotting.plot_kernels([[1, 1]], columns=x)
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
    "SobelConv padding": (CHOICES, lambda x: SobelConv(padding=x)),
    "Predictor model": (MODELS, Predictor),
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
