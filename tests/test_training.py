"""Training by recipe: on real digits, on every backend that trains."""

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from kerasconv import backends, data, digits, training
from kerasconv._keras import keras
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.models import Card, _readme, mnist_cnn

TRAINS = backends.BACKENDS[keras.backend.backend()].trains
trains = pytest.mark.skipif(not TRAINS, reason="Keras cannot train on this backend")


@pytest.fixture(scope="module", autouse=True)
def asked():
    """The bundled digits many times over, as if they were the data set.

    Gives the list of the splits that were read.
    """
    images, labels = digits.load_digits()
    images = np.rint(images * 255).astype(np.uint8)
    splits = []

    def load(name, split, data_dir=None, *, download=False):
        splits.append(split)
        times = {"train": 12, "test": 2}[split]
        return np.tile(images, (times, 1, 1, 1)), np.tile(labels, times)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", load)
        patch.setattr(training.parity, "measure", lambda path: {"largest": 0.0})
        yield splits


@dataclass
class Run:
    card: Card
    folder: Path
    asked: list
    told: list


@pytest.fixture(scope="module")
def run(asked, tmp_path_factory):
    """One training, looked at by several tests."""
    out, told = tmp_path_factory.mktemp("out"), []
    del asked[:]
    card = training.train(
        "mnist_cnn",
        seed=4,
        epochs=2,
        out=out,
        progress=lambda *facts: told.append(facts),
    )
    return Run(card, out / "mnist_cnn", list(asked), told)


def weights(card):
    model = mnist_cnn(weights=card.path)
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@trains
def test_it_learns_and_writes_weights_card_and_readme(run):
    names = sorted(os.listdir(run.folder))
    assert names == ["README.md", "digits.png", "mnist.keras", "mnist.toml"]
    facts = run.card.facts
    assert facts["test"]["accuracy"] > 0.5
    assert facts == tomllib.loads((run.folder / "mnist.toml").read_text())
    assert (run.folder / "README.md").read_text() == _readme.render(run.folder)
    assert facts["recipe"]["backend"] == keras.backend.backend()
    assert facts["data"]["held_out"] == 76  # a tenth of 12 x 64
    assert facts["data"]["trained_on"] == 692


@trains
def test_the_weights_written_are_those_that_were_measured(run):
    measured = training.evaluate(mnist_cnn(weights=run.card.path), "mnist")
    assert measured["errors"] == run.card.facts["test"]["errors"]


@trains
def test_the_test_set_is_read_once_and_last(run):
    assert run.asked == ["train", "test"]


@trains
def test_progress_is_told_up_to_the_last_batch(run):
    done, batches, facts = run.told[-1]
    assert done == batches == 12  # two epochs of 692 / 128, rounded up
    assert 0 <= facts["val_accuracy"] <= 1


@trains
def test_a_seed_gives_the_same_weights_again_and_another_does_not(run, tmp_path):
    def train(seed):
        return training.train(
            "mnist_cnn", seed=seed, epochs=2, out=tmp_path / str(seed)
        )

    first = weights(run.card)
    for a, b in zip(first, weights(train(4)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert np.abs(first[0] - weights(train(5))[0]).max() > 1e-3


@trains
def test_an_interrupted_training_leaves_nothing(tmp_path):
    def interrupt(done, *_):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train("mnist_cnn", epochs=1, out=tmp_path / "o", progress=interrupt)
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(TRAINS, reason="Keras trains on this backend")
def test_a_backend_that_cannot_train_names_those_that_can(tmp_path):
    with pytest.raises(KerasconvError, match="tensorflow, jax or torch"):
        training.train("mnist_cnn", out=tmp_path)


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments", [{"epochs": 0}, {"seed": -1}, {"seed": 2**32}, {"limit": 100}]
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, arguments):
    with pytest.raises(UsageError, match=f"`{next(iter(arguments))}` must"):
        training.train("mnist_cnn", out=tmp_path, **arguments)


@pytest.mark.once
def test_an_unknown_recipe_is_refused_with_the_known():
    with pytest.raises(UsageError, match="choose one of mnist_cnn"):
        training.train("alexnet")


def test_evaluation_agrees_with_plain_numpy():
    model = mnist_cnn()
    measured = training.evaluate(model, "mnist", limit=64)
    images, labels = digits.load_digits()
    probabilities = (
        keras.ops.convert_to_numpy(model(images, training=False))
        if (keras.backend.backend() != "openvino")
        else training.Predictor(model)(images)
    )
    truth = np.array(
        [row[label] for row, label in zip(probabilities, labels, strict=True)]
    )
    assert measured["errors"] == sum(
        row.argmax() != label for row, label in zip(probabilities, labels, strict=True)
    )
    assert measured["loss"] == pytest.approx(np.mean([-np.log(t) for t in truth]), 1e-4)
    assert measured["examples"] == 64
