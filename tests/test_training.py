"""Training by recipe: on real digits, on every backend that trains."""

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from contract import trains_on_one

from kerasconv import (
    backends,
    corruptions,
    data,
    digits,
    files,
    parity,
    recipes,
    training,
)
from kerasconv._keras import keras
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.models import (
    ARCHITECTURES,
    Card,
    dense_classifier,
    find_card,
    load_model,
    mnist_cnn,
    save_model,
    tensor_digests,
)
from kerasconv.models._card import file_digest, read_card
from kerasconv.predict import Predictor
from kerasconv.training import card, checkpoint, feeding, fitting, page, shipping

TRAINS = backends.BACKENDS[keras.backend.backend()].trains
trains = pytest.mark.skipif(not TRAINS, reason="Keras cannot train on this backend")
# The one whose training draws the pictures of its card.
DRAWS = next((n for n in ("torch", "jax") if n in backends.installed()), "tensorflow")


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
        patch.setattr(parity, "measure", lambda path: {"largest": 0.0})
        yield splits


@dataclass
class Run:
    card: Card
    folder: Path
    asked: list
    reported: list


def no_pictures(card, *_):
    """Stands in for what draws them, which takes half of a training's time."""
    for what in page.PICTURES:
        card.path.with_name(f"{card.weights}-{what}.png").touch()


@pytest.fixture(scope="module")
def run(asked, tmp_path_factory):
    """One training, looked at by several tests."""
    out, reported = tmp_path_factory.mktemp("out"), []
    del asked[:]
    with pytest.MonkeyPatch.context() as patch:
        if keras.backend.backend() != DRAWS:
            patch.setattr(page, "write_pictures", no_pictures)
        card = training.train(
            "mnist_cnn/course",
            seed=4,
            epochs=2,
            out=out,
            progress=lambda *facts: reported.append(facts),
        )
    return Run(card, out / "mnist_cnn", list(asked), reported)


def weights(card):
    model = mnist_cnn(weights=card.path)
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@trains
def test_it_learns_and_writes_weights_card_and_readme(run):
    names = sorted(os.listdir(run.folder))
    pictures = [f"course-{what}.png" for what in sorted(page.PICTURES)]
    assert names == ["README.md", *pictures, "course.keras", "course.toml"]
    facts = run.card.facts
    assert facts["test"]["accuracy"] > 0.5
    assert facts == tomllib.loads((run.folder / "course.toml").read_text())
    assert (run.folder / "README.md").read_text() == page.render(run.folder)
    assert facts["recipe"]["backend"] == keras.backend.backend()
    assert facts["data"]["train_sha256"] == data.digest(*data.load("mnist", "train"))
    assert facts["data"]["test_sha256"] == data.digest(*data.load("mnist", "test"))
    assert facts["data"]["held_out"] == 76  # a tenth of 12 x 64
    assert facts["data"]["trained_on"] == 692
    assert facts["validation"]["examples"] == 76
    # The last epoch's figures, which Keras measures, are of the same images.
    for figure in ("loss", "accuracy"):
        last = facts["history"][f"val_{figure}"][-1]
        assert facts["validation"][figure] == pytest.approx(last, rel=1e-3)


@trains
def test_the_weights_written_are_those_that_were_measured(run):
    measured = training.evaluate(mnist_cnn(weights=run.card.path), "mnist")
    assert measured["errors"] == run.card.facts["test"]["errors"]


@trains
def test_the_test_set_is_read_once_and_last(run):
    assert run.asked == ["train", "test"]


@trains
def test_progress_is_reported_up_to_the_last_batch(run):
    done, batches, facts = run.reported[-1]
    assert done == batches == 12  # two epochs of 692 / 128, rounded up
    assert 0 <= facts["val_accuracy"] <= 1


@trains
def test_a_seed_gives_the_same_weights_again(run):
    """And another seed others: those whose validation split chooses, below."""
    plan, (images, labels) = recipes.RECIPES["mnist_cnn/course"], data.load("", "train")
    again = training.fit(plan, images, labels, seed=4, epochs=2)
    for a, b in zip(weights(run.card), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@trains_on_one
def test_an_interrupted_training_leaves_nothing(tmp_path):
    def interrupt(done, *_):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train("mnist_cnn", epochs=1, out=tmp_path / "o", progress=interrupt)
    assert not (tmp_path / "o").exists()


# Everything that has a state: two random layers, moments, an average, a schedule. The
# network is the one that compiles soonest; of the convolutional one, twenty kills tell.
EVERYTHING = recipes.Recipe(
    purpose="",
    architecture="dense_classifier",
    dataset="mnist",
    dropout=0.4,
    augmentation=(
        ("RandomBrightness", {"factor": 0.1, "value_range": (0.0, 1.0)}),
        ("RandomNoise", {"factor": 0.2}),
    ),
    optimizer="adamw",
    weight_decay=1e-3,
    learning_rate=2e-3,
    schedule="cosine",
    ema_momentum=0.9,
    batch_size=32,
    epochs=3,
)
PLAIN = replace(EVERYTHING, augmentation=())


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def three():
    """The digits three times over."""
    images, labels = digits.load_digits()
    images = np.rint(np.tile(images, (3, 1, 1, 1)) * 255).astype(np.uint8)
    return images, np.tile(labels, 3)


@pytest.fixture(scope="module")
def whole(three):
    """An uninterrupted training, its input, and of which epoch each batch was."""
    as_input, given, epochs = feeding.as_input, [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feeding, "as_input", lambda b: given.append(b) or as_input(b))
        fit = training.fit(
            EVERYTHING,
            *three,
            seed=2,
            progress=lambda *_: epochs.append(given[0].epoch),
        )
    return fit, given, epochs


@trains
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(
    whole, three, tmp_path
):
    images, labels = three
    batches, path = [], tmp_path / "checkpoint.npz"

    def stop(done, total, facts):
        batches.append(done)
        if done == 8:  # in the second of three epochs of six batches
            raise Stop

    with pytest.raises(Stop):
        training.fit(EVERYTHING, images, labels, seed=2, checkpoint=path, progress=stop)
    del batches[:]
    again = training.fit(
        EVERYTHING,
        images,
        labels,
        seed=2,
        checkpoint=path,
        resume=True,
        progress=lambda done, *_: batches.append(done),
    )
    assert batches[0] == 7, "it begins after the first epoch"
    ended = whole[0].model.get_weights()
    for a, b in zip(ended, again.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    assert [len(curve) for curve in again.history.values()] == [3] * 4
    done = training.fit(
        EVERYTHING, images, labels, seed=2, checkpoint=path, resume=True
    )
    for a, b in zip(again.model.get_weights(), done.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@trains
def test_every_epoch_has_an_order_of_its_own(whole):
    """Also where Keras does not call `on_epoch_end` of the batches."""
    _, given, epochs = whole
    assert sorted(set(epochs)) == [0, 1, 2]
    trained, validated = (batches._x for batches in given)
    images = np.tile(digits.load_digits()[0], (3, 1, 1, 1))
    np.testing.assert_array_equal(np.concatenate([trained, validated]), images)
    assert len(validated) == 19, "no image is in both"


@pytest.mark.once
@pytest.mark.skipif(
    "torch" not in backends.installed() or not hasattr(os, "fork"),
    reason="needs PyTorch, which starts at once, and a system that forks",
)
def test_a_training_killed_twenty_times_ends_as_if_nobody_had(tmp_path):
    from fuzz.kill_training import kill_and_resume

    tally = kill_and_resume(tmp_path, kills=20, backend="torch")
    assert tally["kills"] == 20
    assert tally["failed"] == 0, "every start goes on from the last checkpoint"
    assert tally["most_lost"] <= 1
    assert tally["difference"] == 0


@pytest.fixture(scope="module")
def kept(three, tmp_path_factory):
    """Settings that resume a training from its checkpoint, and its images."""
    path = tmp_path_factory.mktemp("kept") / "c.npz"
    settings = {"checkpoint": path, "resume": True, "seed": 2, "epochs": 1}
    images, labels = (a[:64] for a in three)
    training.fit(PLAIN, images, labels, **settings)
    return images, labels, settings


@trains_on_one
@pytest.mark.parametrize("change", [{"seed": 3}, {"epochs": 5}])
def test_a_checkpoint_of_another_training_is_refused(kept, change):
    images, labels, settings = kept
    with pytest.raises(KerasconvError, match=rf"\(its {next(iter(change))} differ"):
        training.fit(PLAIN, images, labels, **settings | change)


@trains_on_one
def test_a_checkpoint_of_another_architecture_is_refused(kept, monkeypatch):
    images, labels, settings = kept

    def changed(**arguments):
        network = dense_classifier(**arguments)
        # No variable more than before.
        return keras.Sequential(
            [*network.layers[:-1], keras.layers.ReLU(), *network.layers[-1:]]
        )

    name = PLAIN.architecture
    known = ARCHITECTURES[name]
    monkeypatch.setitem(ARCHITECTURES, name, replace(known, build=changed))
    with pytest.raises(KerasconvError, match=r"\(its layers differ"):
        training.fit(PLAIN, images, labels, **settings)


@trains
@pytest.mark.parametrize("content", [b"", b"PK\3\4 and no more", b"text"])
def test_a_damaged_checkpoint_is_named(digits, tmp_path, content):
    path = tmp_path / "c.npz"
    path.write_bytes(content)
    images = np.rint(digits[0] * 255).astype(np.uint8)
    with pytest.raises(KerasconvError, match=r"c\.npz cannot be read .* remove it"):
        training.fit(EVERYTHING, images, digits[1], checkpoint=path, resume=True)


@pytest.mark.once
@pytest.mark.parametrize("moves", range(4))
def test_a_second_training_that_is_killed_leaves_a_whole_pair(
    tmp_path, monkeypatch, moves
):
    def pair(name, value):
        start = keras.initializers.Constant(value)
        dense = keras.layers.Dense(1, kernel_initializer=start)
        made = tmp_path / name
        save_model(keras.Sequential([keras.Input((2,)), dense]), made)
        facts = {"sha256": file_digest(made), "tensors": tensor_digests(made)}
        return made, {**facts, "value": value, "recipe": {"name": name}}

    path = tmp_path / "zoo" / "mnist.keras"
    shipping.replace(path, *pair("first.keras", 1.0))
    second = pair("second.keras", 2.0)
    move, left = os.replace, [moves]

    def killed(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        move(*arguments)

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        patch.setattr(os, "replace", killed)
        shipping.replace(path, *second)
    card = read_card(path.with_suffix(".toml"))
    assert card.verify() == path
    kernel = float(load_model(path).weights[0][0, 0])
    # Card, weights, card: the second of the moves is what counts.
    assert card.facts["value"] == kernel == (1.0 if moves < 2 else 2.0)
    third = shipping.replace(path, *pair("third.keras", 3.0))
    assert third.facts["value"] == load_model(path).weights[0][0, 0] == 3.0
    assert "next" not in path.with_suffix(".toml").read_text()
    assert sorted(os.listdir(path.parent)) == ["mnist.keras", "mnist.toml"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("variable_0", lambda old: old + 1),
        ("variable_0", lambda old: old.reshape(-1)),
        ("variable_0", lambda old: old.astype("float64")),
        ("facts", lambda old: str(old).replace('"epochs": 1', '"epochs": 0')),
        ("facts", lambda old: "[]"),
        ("facts", lambda old: json.dumps({"variables": 1 << 62})),
        ("sha256", lambda old: "0"),
        ("more", lambda old: np.zeros(3)),
    ],
)
def test_a_checkpoint_altered_inside_is_one_line(tmp_path, name, value):
    path = tmp_path / "c.npz"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    keeper = checkpoint.Keeper(path, "{}", 0, [None], 1, None)
    keeper.set_model(model)
    keeper._began = 0.0
    keeper.on_epoch_end(0, {"loss": 0.5})
    assert keeper.restore(model) == 1
    with np.load(path) as stored:
        entries = dict(stored)
    # A whole archive again, as one that was edited with care.
    np.savez(path, **{**entries, name: value(entries.get(name))})
    with pytest.raises(
        KerasconvError, match=r"c\.npz cannot be read .* remove"
    ) as error:
        keeper.restore(model)
    assert str(error.value).isprintable()


@trains_on_one
def test_of_several_seeds_the_validation_split_chooses(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "write_pictures", no_pictures)
    done = []
    card = training.train(
        "mnist_cnn/fast",
        seeds=2,
        epochs=1,
        out=tmp_path,
        progress=lambda *facts: done.append(facts[:2]),
    )
    assert done == [(n, 12) for n in (*range(1, 7), 6, *range(7, 13), 12)]
    runs = card.facts["seeds"]["runs"]
    assert [run["seed"] for run in runs] == [0, 1]
    assert runs[0]["validation_loss"] != runs[1]["validation_loss"]
    best = min(runs, key=lambda run: run["validation_loss"])
    assert card.facts["recipe"]["seed"] == best["seed"]
    assert card.facts["test"]["accuracy"] == best["test_accuracy"]
    accuracies = [run["test_accuracy"] for run in runs]
    assert card.facts["seeds"]["mean"] == pytest.approx(np.mean(accuracies))
    assert card.facts["seeds"]["sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert not list(tmp_path.rglob(".*")), "no checkpoint is left"


@pytest.mark.once
@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_can_be_carried_out(name):
    """Its network, augmentation and optimizer exist and fit each other."""
    recipe = recipes.RECIPES[name]
    network = training.build(recipe)
    classes = data.DATASETS[recipe.dataset].classes
    assert network.outputs[0].shape == (None, len(classes))
    layers = fitting.augmentation_layers(recipe)
    assert [type(layer).__name__ for layer in layers] == [
        layer for layer, _ in recipe.augmentation
    ]
    optimizer = fitting.optimizer(recipe, 100)
    assert type(optimizer).__name__.lower() == recipe.optimizer
    assert (optimizer.weight_decay or 0) == recipe.weight_decay
    assert optimizer.use_ema == (recipe.ema_momentum is not None)
    if optimizer.use_ema:
        assert optimizer.ema_momentum == recipe.ema_momentum
    assert name.startswith(f"{recipe.architecture}/")


@pytest.mark.once
def test_the_dropout_of_a_recipe_is_for_training_and_is_not_shipped():
    recipe = replace(EVERYTHING, architecture="mnist_cnn")
    rates = [
        [y.rate for y in network.layers if isinstance(y, keras.layers.Dropout)]
        for network in (
            training.build(recipe),
            training.build(recipe, training=False),
        )
    ]
    assert rates == [[0.4], [0.5]], "the architecture's own"


@pytest.mark.once
def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    path.write_bytes(b"the last epoch")
    batches = feeding.Batches(np.zeros(4), np.zeros(4), 2)
    keeper = checkpoint.Keeper(path, "{}", 0, batches, 1, None)
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    keeper.set_model(network)

    def half(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", half)
    keeper.on_epoch_begin(0)
    with pytest.raises(KerasconvError, match=r"c\.npz cannot be written"):
        keeper.on_epoch_end(0, {"loss": 1.0})
    assert path.read_bytes() == b"the last epoch"
    assert os.listdir(tmp_path) == ["c.npz"]


@trains
@pytest.mark.parametrize(("asked_for", "given"), [(None, "auto"), (False, False)])
def test_a_recipe_decides_whether_xla_compiles_the_step(
    digits, monkeypatch, asked_for, given
):
    seen = []

    def look(self, *arguments, jit_compile, **settings):
        seen.append(jit_compile)
        raise Stop  # the step itself is what the others compile

    monkeypatch.setattr(keras.Sequential, "compile", look)
    plan = replace(recipes.RECIPES["mnist_cnn/course"], jit_compile=asked_for)
    images, labels = digits
    with pytest.raises(Stop):
        training.fit(plan, np.uint8(255 * images), labels, epochs=1)
    assert seen == [given]


@trains
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_schedules_rise_to_the_peak_and_fall_to_zero(schedule):
    recipe = recipes.Recipe("", "mnist_cnn", "mnist", schedule=schedule)
    rate = fitting._schedule(recipe, 200)
    steps = [0, 1, 9, 10, 11, 49, 50, 51, 100, 150, 199, 200]
    values = [float(keras.ops.convert_to_numpy(rate(step))) for step in steps]
    top = int(np.argmax(values))
    assert values[top] == pytest.approx(1e-3, rel=1e-5)
    assert steps[top] == {"cosine": 10, "one_cycle": 50}[schedule]
    assert np.all(np.diff(values[: top + 1]) > 0)
    assert np.all(np.diff(values[top:]) < 0)
    assert values[-1] == pytest.approx(0, abs=1e-9)


@trains
def test_the_corruptions_that_may_steer_a_recipe_are_of_held_out_images(run):
    images, labels = data.load("", "train")
    kept = run.card.facts["data"]["trained_on"]
    model = mnist_cnn(weights=run.card.path)
    found = corruptions.evaluate(Predictor(model), images[kept:], labels[kept:])
    assert run.card.facts["held_out_corruptions"] == found


@pytest.mark.once
def test_a_recipe_may_count_the_orders_of_its_epochs_from_one():
    x = np.arange(10)
    later = feeding.Batches(x, x, 10, seed=1)
    later.epoch = 1
    first = feeding.Batches(x, x, 10, seed=1, first=1)
    np.testing.assert_array_equal(first[0][0], later[0][0])


# One epoch of a recipe on the bundled digits, as TensorFlow computed it on one core:
# with two, the order of its sums is not fixed. Which it is depends on the processor.
RECORDED_WITH = {"keras": "3.15.1", "tensorflow": "2.21.0"}
RECORDED = {
    "x86_64 with AVX2": [
        "beebc32fcde660d1",
        "ac88f7414ff8a954",
        "c3c78657125e8ce7",
        "4acf7fd7f27376b3",
    ],
    "x86_64 with AVX512F": [
        "ef13bf163c0a394c",
        "15b78b81c6bfbab3",
        "1559491ee8db69d0",
        "42e646342ee52930",
    ],
}
AGAIN = """
import hashlib, os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numpy as np
from kerasconv import digits, recipes, training
images, labels = digits.load_digits()
images = np.tile(np.rint(images * 255).astype(np.uint8), (12, 1, 1, 1))
recipe = recipes.RECIPES["dense_classifier/mnist"]
run = training.fit(recipe, images, np.tile(labels, 12), seed=2, epochs=1)
for weight in run.model.get_weights():
    print("weight", hashlib.sha256(weight.tobytes()).hexdigest()[:16])
"""


def _machine():
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    widest = next((f for f in ("avx512f", "avx2") if f in flags), "neither")
    return f"{platform.machine()} with {widest.upper()}"


@pytest.mark.once
def test_a_recipe_gives_the_weights_that_were_recorded_bit_for_bit():
    if "tensorflow" not in backends.installed():
        pytest.skip("the digests are TensorFlow's")
    versions = {name: importlib.metadata.version(name) for name in RECORDED_WITH}
    if versions != RECORDED_WITH or _machine() not in RECORDED:
        pytest.skip(
            f"recorded with {RECORDED_WITH} on {', '.join(RECORDED)}; here are "
            f"{versions} on {_machine()}"
        )
    done = subprocess.run(
        [sys.executable, "-c", AGAIN],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    found = [line.split() for line in done.stdout.splitlines()]
    weights = [words[1] for words in found if words[:1] == ["weight"]]
    assert weights == RECORDED[_machine()], done.stderr[-2000:]


@pytest.mark.once
def test_the_order_of_images_depends_on_seed_and_epoch_alone():
    x = np.arange(10)
    batches = feeding.Batches(x, x, 4, seed=1)
    first = [batches[i][0].tolist() for i in range(3)]
    assert sorted([*first[0], *first[1], *first[2]]) == list(range(10))
    batches.epoch = 1
    second = [batches[i][0].tolist() for i in range(3)]
    assert first != second
    later = feeding.Batches(x, x, 4, seed=1)
    later.epoch = 1
    assert [later[i][0].tolist() for i in range(3)] == second
    assert feeding.Batches(x, x, 4, seed=2)[0][0].tolist() != first[0]
    assert feeding.Batches(x, x, 4)[1][0].tolist() == [4, 5, 6, 7]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the pipeline is TensorFlow's"
)
def test_tensorflow_reads_every_batch_once_and_waits_for_no_tuning():
    x = np.arange(10, dtype=np.float32)
    batches = feeding.Batches(x, x.astype(int), 4, seed=1)
    pipeline = feeding.as_input(batches)
    assert not pipeline.options().autotune.enabled
    for epoch in range(2):
        batches.epoch = epoch
        given = [(a.numpy().tolist(), b.numpy().tolist()) for a, b in pipeline]
        assert given == [tuple(p.tolist() for p in batches[i]) for i in range(3)]


@pytest.mark.once
def test_a_full_disk_keeps_the_last_good_file(tmp_path):
    """A limit on the size of a file stands for the full disk."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "model.keras"
    files.write_with(path, mnist_cnn(weights=None).save)
    good = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(KerasconvError, match=r"model\.keras cannot be written"):
            files.write_with(path, mnist_cnn(weights=None).save)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == good
    assert os.listdir(tmp_path) == ["model.keras"]


@pytest.mark.skipif(TRAINS, reason="Keras trains on this backend")
def test_a_backend_that_cannot_train_names_those_that_can(tmp_path):
    with pytest.raises(KerasconvError, match="tensorflow, jax or torch"):
        training.train("mnist_cnn", out=tmp_path)


@pytest.mark.once
@pytest.mark.parametrize(
    "arguments",
    [{"epochs": 0}, {"seeds": 0}, {"seed": -1}, {"seed": 2**32}, {"limit": 100}],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, arguments):
    with pytest.raises(UsageError, match=f"`{next(iter(arguments))}` must"):
        training.train("mnist_cnn", out=tmp_path, **arguments)


@pytest.mark.once
def test_a_training_that_could_write_no_card_does_not_begin(
    asked, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        "kerasconv.training.card.find_spec", lambda name: {"tomli_w": None}[name]
    )
    del asked[:]
    with pytest.raises(KerasconvError, match="install it with: pip install tomli-w"):
        training.train("mnist_cnn", out=tmp_path)
    assert not asked, "no data set was read"


@pytest.mark.once
def test_a_card_has_six_digits_of_an_estimate_and_all_of_what_is_counted(tmp_path):
    facts = dict(find_card("mnist_cnn/mnist").facts)
    facts["test"] = facts["test"] | {"loss": 1 / 3, "accuracy": 1 / 3}
    facts["parity"] = {"jax": 1.23456789e-7}
    written = card.write(tmp_path / "mnist.toml", facts).facts
    assert written["test"]["loss"] == 0.333333
    assert written["test"]["accuracy"] == 1 / 3
    assert written["parity"] == {"jax": 1.23457e-7}
    assert written["recipe"] == facts["recipe"]


@pytest.mark.once
def test_the_page_command_refuses_a_folder_of_something_else(tmp_path, capsys):
    assert page.main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "must be a folder of cards with the name of an architecture" in said
    assert said.count("\n") == 1
    assert page.main([]) == 2
    assert capsys.readouterr().err.startswith("usage: ")
    older = tmp_path / "lenet5"
    older.mkdir()
    (older / "mnist.toml").write_text('sha256 = "0"')
    assert page.main([str(older)]) == 1
    said = capsys.readouterr().err
    assert "a card in" in said
    assert "says nothing of 'licence'" in said
    assert said.count("\n") == 1


@pytest.mark.once
@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("vgg",), "choose one of cats_dogs_cnn"),
        (("mnist_cn",), r"did you mean mnist_cnn\?"),
        (("mnist_cnn", "quick"), "choose one of mnist, course, fast"),
        (("mnist_cnn/mnist", "fast"), "choose one of mnist"),
    ],
)
def test_an_unknown_recipe_is_refused_with_the_known(names, hint):
    with pytest.raises(UsageError, match=hint):
        training.train(*names)


@pytest.mark.once
def test_a_bare_name_means_the_first_recipe():
    assert recipes.find_recipe("mnist_cnn")[0] == "mnist_cnn/mnist"
    assert recipes.find_recipe("mnist_cnn", "fast")[0] == "mnist_cnn/fast"


@pytest.mark.once
def test_a_model_for_other_images_or_classes_is_refused():
    with pytest.raises(UsageError, match=r"cats_vs_dogs has images .* takes \(28, 28"):
        training.evaluate(mnist_cnn(), "cats_vs_dogs")
    with pytest.raises(UsageError, match=r"in 10 classes, .* gives 5"):
        training.evaluate(mnist_cnn(weights=None, num_classes=5), "mnist")


def test_evaluation_agrees_with_plain_numpy():
    model = mnist_cnn()
    measured = training.evaluate(model, "mnist", limit=64)
    images, labels = digits.load_digits()
    probabilities = (
        keras.ops.convert_to_numpy(model(images, training=False))
        if (keras.backend.backend() != "openvino")
        else Predictor(model)(images)
    )
    truth = np.array(
        [row[label] for row, label in zip(probabilities, labels, strict=True)]
    )
    assert measured["errors"] == sum(
        row.argmax() != label for row, label in zip(probabilities, labels, strict=True)
    )
    assert measured["loss"] == pytest.approx(np.mean([-np.log(t) for t in truth]), 1e-4)
    assert measured["examples"] == 64
