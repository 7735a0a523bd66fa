"""Cards: every figure is recomputed, and every file is the one it speaks of."""

import functools
import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from contract import on_the_first

from kerasconv import (
    backends,
    corruptions,
    data,
    digits,
    metrics,
    parity,
    recipes,
    training,
)
from kerasconv.errors import KerasconvError
from kerasconv.models import ARCHITECTURES, Card, _card, cards, find_card, load_model
from kerasconv.pictures import to_unit
from kerasconv.training import page

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import again

ALL = sorted(cards())

READERS = ("openvino", "jax", "torch", "tensorflow", "numpy")
"""The quickest first: all cards take minutes on each."""

QUICKEST = min(backends.installed(), key=READERS.index)

# Several tests look at a model, and none changes it.
loaded = functools.cache(load_model)
read = functools.cache(data.load)


def _facts(name):
    return find_card(name).facts


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A copy of the zoo that a test may damage."""
    copy = tmp_path / "zoo"
    shutil.copytree(_card.zoo_folder(), copy)
    monkeypatch.setattr(_card, "zoo_folder", lambda: copy)
    return copy


@pytest.mark.once
def test_the_default_weights_of_every_architecture_exist():
    for name, architecture in ARCHITECTURES.items():
        assert f"{name}/{architecture.weights}" in ALL


@pytest.mark.once
def test_the_zoo_stays_small():
    sizes = [p.stat().st_size for p in _card.zoo_folder().rglob("*") if p.is_file()]
    assert sum(sizes) < 12_000_000
    assert max(sizes) < 3_000_000


def _network(name):
    """What a backend computes for a card: its architecture, with a pool of ours."""
    pooling = _facts(name)["arguments"].get("pooling")
    return name.partition("/")[0], pooling if pooling in ("l2", "weighted") else None


# Where weights alone differ a backend computes the same: of each network one card is
# read on every backend.
FEW = sorted({_network(name): name for name in ALL}.values())


@pytest.fixture(scope="module")
def answers(backend):
    """What this backend answers for each card that it reads."""
    names = ALL if backend == QUICKEST else FEW
    found = parity._answers([find_card(name).path for name in names])
    return dict(zip(names, found, strict=True))


@pytest.mark.parametrize("name", [n for n in ALL if "bundled_digits" in _facts(n)])
def test_the_bundled_digits_are_read_as_the_card_says(name, answers):
    if name not in answers:
        pytest.skip("this backend reads another card of the same network")
    _, labels = digits.load_digits()
    right = (answers[name].argmax(1) == labels).sum()
    assert _facts(name)["bundled_digits"] == {"examples": 64, "correct": right}


@pytest.mark.once
@pytest.mark.parametrize("name", ALL)
class TestFacts:
    def test_parameters_are_those_of_the_network(self, name):
        model, facts = loaded(name), find_card(name).facts["parameters"]
        count = lambda ws: sum(int(np.prod(w.shape)) for w in ws)  # noqa: E731
        assert facts == {
            "total": model.count_params(),
            "trainable": count(model.trainable_weights),
            "non_trainable": count(model.non_trainable_weights),
        }

    def test_digest_and_size_are_those_of_the_file(self, name):
        card = find_card(name)
        assert card.facts["sha256"] == _card.file_digest(card.path)
        assert card.facts["bytes"] == card.path.stat().st_size
        assert card.facts["bytes"] < 3_000_000

    def test_the_file_holds_no_optimizer_state(self, name):
        import h5py

        with zipfile.ZipFile(find_card(name).path) as archive:
            with archive.open("model.weights.h5") as member, h5py.File(member) as file:
                assert "optimizer" not in file
            assert not json.loads(archive.read("config.json")).get("compile_config")

    def test_accuracy_errors_and_interval_agree(self, name):
        test = find_card(name).facts["test"]
        right = test["examples"] - test["errors"]
        assert test["accuracy"] == right / test["examples"]
        assert test["interval"] == list(metrics.wilson(right, test["examples"]))

    def test_the_confusion_matrix_counts_every_image_and_error(self, name):
        test = find_card(name).facts["test"]
        matrix = np.array(test["confusion"])
        assert matrix.sum() == test["examples"]
        assert matrix.sum() - np.trace(matrix) == test["errors"]
        by_class = np.diag(matrix) / matrix.sum(1)
        np.testing.assert_allclose(test["by_class"], by_class, atol=1e-6)

    def test_the_seeds_mean_and_deviation_are_those_of_the_runs(self, name):
        facts = find_card(name).facts
        seeds, runs = facts["seeds"], facts["seeds"]["runs"]
        accuracies = [run["test_accuracy"] for run in runs]
        assert seeds["count"] == len(runs)
        assert seeds["mean"] == pytest.approx(np.mean(accuracies))
        if len(runs) > 1:
            assert seeds["sd"] == pytest.approx(np.std(accuracies, ddof=1))
        best = min(runs, key=lambda run: run["validation_loss"])
        assert best["seed"] == facts["recipe"]["seed"], "the validation split chooses"
        assert best["test_accuracy"] == facts["test"]["accuracy"]
        assert best["validation_accuracy"] == facts["validation"]["accuracy"]

    def test_the_mean_over_the_corruptions_is_that_of_the_families(self, name):
        facts = find_card(name).facts
        if "corruptions" not in facts:
            pytest.skip("the corruptions are of digits")
        # What may steer a recipe is measured on held-out images.
        for corrupted in (facts["corruptions"], facts["held_out_corruptions"]):
            families = [corrupted[family] for family in corruptions.FAMILIES]
            assert corrupted["mean"] == pytest.approx(np.mean(families))
        count = facts["data"]["held_out"]
        for family in corruptions.FAMILIES:
            right = facts["held_out_corruptions"][family] * count
            assert right == pytest.approx(round(right), abs=1e-6)

    def test_the_pictures_are_there_and_small(self, name):
        card = find_card(name)
        pictures = list(card.path.parent.glob(f"{card.weights}-*.png"))
        assert {p.stem.removeprefix(f"{card.weights}-") for p in pictures} >= {
            "confusion",
            "history",
        }
        for picture in pictures:
            assert picture.stat().st_size < 150_000

    def test_the_backends_measured_agree_within_1e_5(self, name):
        stated = find_card(name).facts["parity"]
        assert set(stated) == {*backends.BACKENDS, "largest"}
        assert stated["largest"] == max(stated.values()) < 1e-5

    def test_the_recipe_is_the_one_in_the_package(self, name):
        facts = find_card(name).facts["recipe"]
        full, recipe = recipes.find_recipe(facts["name"])
        assert full == name
        stated = {key: facts[key] for key in recipe.facts()}
        assert stated == json.loads(json.dumps(recipe.facts()))

    def test_it_says_how_many_revisions_were_measured_on_the_test_set(self, name):
        card = find_card(name)
        count = card.facts["recipe"]["revisions"]
        assert count >= 1
        section = page.render(card.path.parent).split(f"\n## {name}\n")[1]
        row = f"| revisions measured on the test set | {count}, this one included |"
        assert row in section.partition("\n## ")[0]

    def test_it_says_what_a_second_training_gave(self, name):
        said = find_card(name).facts["reproduced"]
        assert said == "not tried" or re.search(r"epochs?, on Keras 3\.\d+\.\d+,", said)

    def test_the_readme_is_rendered_from_the_card(self, name):
        folder = find_card(name).path.parent
        assert (folder / "README.md").read_text(encoding="utf-8") == page.render(folder)


@pytest.mark.once
@pytest.mark.parametrize(
    ("losses", "tensors", "says"),
    [
        ([0.5], None, "the first epoch of 3 epochs, on X, gave the loss and accuracy "
                      "recorded here to six digits; the others were not run"),
        ([0.5, 0.3], None, "the first 2 of 3 epochs, on X, gave"),
        ([0.5, 0.3001], None, "the first epoch of 3 epochs, on X, gave the loss and "
                              "accuracy recorded here to six digits; epoch 2 was not"),
        ([0.51, 0.3], None, "the first epoch, on X, came near and was not the same: "
                            "its loss differed by 0.010000"),
        ([0.5, 0.3, 0.2], {"a": "1"}, "all 3 epochs, on X, gave these weights again, "
                                      "bit for bit"),
        ([0.5, 0.3, 0.2], {"a": "2"}, "the first 3 of 3 epochs, on X, gave the loss"),
    ],
)  # fmt: skip
def test_a_second_training_is_held_to_the_card(
    losses, tensors, says, monkeypatch, tmp_path
):
    from kerasconv import training, untrusted

    recorded = {
        "recipe": {"name": "mnist_cnn/fast", "epochs": 3, "seed": 7},
        "history": {"loss": [0.5, 0.3, 0.2], "accuracy": [0.9, 0.9, 0.9]},
        "tensors": {"a": "1"},
    }
    card = Card("mnist_cnn", "fast", tmp_path / "fast.keras", recorded)

    def fit(recipe, images, labels, *, seed, epochs, progress):
        assert (images, labels, seed, epochs) == ("images", "labels", 7, 3)
        for epoch, loss in enumerate(losses, 1):
            progress(2 * epoch - 1, 6, {})
            progress(2 * epoch, 6, {"loss": loss + 1e-8, "accuracy": 0.9})
        assert len(losses) == 3, "it goes on beyond what was asked for"
        return SimpleNamespace(model=None)

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(data, "load", lambda *_: ("images", "labels"))
    monkeypatch.setattr(untrusted, "save_model", lambda *_: None)
    monkeypatch.setattr(untrusted, "tensor_digests", lambda path: tensors)
    found = again.retrain(card, len(losses))
    assert again.said(card, found, "on X").startswith(says)


@pytest.mark.once
def test_a_whole_second_training_says_how_well_it_reads(tmp_path):
    runs = [{"validation_accuracy_by_epoch": [0.5, last]} for last in (0.95, 0.97)]
    recorded = {"history": {"val_accuracy": [0.5, 0.97]}, "seeds": {"runs": runs}}
    card = Card("mnist_cnn", "fast", tmp_path / "fast.keras", recorded)
    says = again.ended(card, {"history": {"val_accuracy": [0.5, 0.9625]}})
    assert says == (
        "; all epochs again ended with 96.25% of the held-out images right, these "
        "weights with 97.00%, the 2 seeds of the recipe with 95.00% to 97.00%"
    )


def test_any_two_backends_agree_within_1e_5(answers, backend):
    """Each leaves its answers to the others, and the later of two compares them."""
    folder = Path(os.environ["KERASCONV_TESTS"], "answers")
    folder.mkdir(exist_ok=True)
    own = [answers[name] for name in FEW]
    np.savez(folder / f"{backend}.part.npz", *own)
    os.replace(folder / f"{backend}.part.npz", folder / f"{backend}.npz")
    for path in folder.glob("*.npz"):
        if ".part" not in path.suffixes:
            with np.load(path) as stored:
                for i, name in enumerate(FEW):
                    apart = np.abs(stored[f"arr_{i}"] - own[i]).max()
                    assert apart < 1e-5, (name, path.stem)


@pytest.mark.once
def test_a_fresh_process_answers_as_this_one_does():
    name = FEW[0]
    (there,) = parity.probabilities(QUICKEST, find_card(name).path)
    (here,) = parity._answers([find_card(name).path])
    np.testing.assert_allclose(here, there, atol=1e-5)


@pytest.mark.once
def test_a_backend_is_held_to_the_one_farthest_from_it(monkeypatch):
    answers = {"a": 0.0, "b": 0.3, "c": 0.1, "d": 0.2}
    monkeypatch.setattr(backends, "installed", lambda: [*answers])
    monkeypatch.setattr(
        parity, "probabilities", lambda name, path: [np.array([0.5, answers[name]])]
    )
    apart = {"a": 0.3, "b": 0.3, "c": 0.2, "d": 0.2, "largest": 0.3}
    assert parity.measure("file") == pytest.approx(apart)


# OpenVINO, quickest to start, takes three times as long for an l2 or weighted pool.
@on_the_first("torch", "openvino", "jax", "tensorflow", "numpy")
@pytest.mark.parametrize("name", ALL)
def test_the_whole_test_set_gives_the_cards_errors(name, monkeypatch):
    """That the backends agree is the test above's."""
    monkeypatch.setattr(data, "load", read)
    card = find_card(name)
    try:
        measured = training.evaluate(loaded(name), card.facts["data"]["name"])
    except KerasconvError as error:
        pytest.skip(str(error))
    stated = card.facts["test"]
    assert measured["sha256"] == card.facts["data"]["test_sha256"]
    assert measured["errors"] == stated["errors"]
    assert measured["accuracy"] == stated["accuracy"]
    assert measured["loss"] == pytest.approx(stated["loss"], rel=1e-4)


@pytest.mark.once
def test_the_bundled_digits_are_those_of_the_test_set(mnist_test):
    images, labels = mnist_test
    chosen = digits.select(images, labels)
    bundled, truth = digits.load_digits()
    np.testing.assert_array_equal(to_unit(chosen["images"]), bundled)
    np.testing.assert_array_equal(chosen["labels"], truth)


@pytest.mark.once
def test_at_least_fifty_digits_travel_and_four_of_each_class():
    images, labels = digits.load_digits()
    assert images.shape == (64, 28, 28, 1)
    assert images.dtype == np.float32
    assert images.min() == 0
    assert images.max() == 1
    assert min(np.bincount(labels, minlength=10)) >= 4


@pytest.mark.once
@pytest.mark.parametrize("name", ALL)
def test_some_bundled_digits_are_read_wrong_so_the_output_is_honest(name):
    bundled = find_card(name).facts.get("bundled_digits")
    if bundled is None:
        pytest.skip("its images are no digits")
    assert 0 < bundled["examples"] - bundled["correct"] < 10


@pytest.mark.once
def test_damaged_weights_are_refused_before_they_are_opened(zoo, monkeypatch):
    path = zoo / "mnist_cnn" / "mnist.keras"
    whole = bytearray(path.read_bytes())
    whole[1000] ^= 1
    path.write_bytes(whole)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # opening would end in a TypeError
    with pytest.raises(KerasconvError, match="damaged or were replaced") as caught:
        load_model("mnist_cnn")
    assert "\n" not in str(caught.value)
    assert "install kerasconv again" in str(caught.value)


@pytest.mark.once
def test_missing_weights_are_named(zoo):
    (zoo / "mnist_cnn" / "mnist.keras").unlink()
    with pytest.raises(KerasconvError, match=r"mnist\.keras cannot be read"):
        load_model("mnist_cnn")


@pytest.mark.once
def test_a_broken_card_is_named(zoo):
    (zoo / "mnist_cnn" / "mnist.toml").write_text("sha256 = ")
    with pytest.raises(KerasconvError, match=r"mnist\.toml cannot be read"):
        cards()


def _trained(weights, epochs, seconds, *by_epoch):
    facts = {
        "recipe": {"epochs": epochs, "seconds_per_epoch": seconds},
        "seeds": {
            "mean": 0.99,
            "runs": [{"validation_accuracy_by_epoch": run} for run in by_epoch],
        },
    }
    return _card.Card("mnist_cnn", weights, None, facts)


@pytest.mark.once
@pytest.mark.parametrize(
    ("course", "says"),
    [
        (
            [0.96, 0.97, 0.98, 0.99],
            "3 epochs (18 s): 1.5 times the epochs, 1.8 times the sec",
        ),
        ([0.96, 0.97, 0.97, 0.97], "`course` does not reach that"),
    ],
)
def test_the_page_says_how_much_sooner_the_fast_recipe_is(course, says):
    fast = _trained("fast", 2, 5.0, [0.9, 0.97], [0.9, 0.99])
    slow = _trained("course", 4, 6.0, course, course)
    heading, text = page._time_saved([fast, slow])
    assert heading == "## Time to accuracy"
    assert "takes 2 epochs (10 s) to 98.00% on the validation split" in text
    assert says in text
    assert page._time_saved([fast]) == page._time_saved([slow]) == []
