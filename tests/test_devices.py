"""A training that several devices share is the training of one."""

import json
import os
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import test_cli

from kerasconv import training
from kerasconv._keras import keras
from kerasconv.errors import UsageError
from kerasconv.training import devices

run = test_cli.run

# Trains by a recipe on so many devices, in a process that has two; prints what came.
# Then it calls the command, on digits of the package in place of the data set.
PROGRAM = """
import json, sys
sys.modules["tensorflow"] = None  # `fit` imports it wherever it is installed
import numpy as np
from kerasconv import cli, corruptions, data, digits, parity, training
from kerasconv.recipes import Recipe
from kerasconv.training import page
random = np.random.default_rng(0)
recipe = Recipe(purpose="", architecture="dense_classifier", dataset="mnist",
                epochs=1, batch_size=32, validation_share=0.25, augmentation=())
images = random.integers(0, 256, (160, 28, 28, 1), np.uint8)
labels = random.integers(0, 10, 160)
found = []
for count in (1, 2):
    with training.spread(count):
        names = training.devices.names()
        made = training.fit(recipe, images, labels, epochs=1)
    found.append([names, made.history["loss"][0],
                  [w.tolist() for w in made.model.get_weights()]])
with training.spread(2):
    try:
        training.fit(recipe, images[:158], labels[:158], epochs=1)
    except ValueError as error:
        found.append(str(error))
print(json.dumps(found))

images, labels = digits.load_digits()
images = np.rint(images * 255).astype(np.uint8)
times = {"train": 5, "test": 1}
data.load = lambda name, split, *_, **__: (
    np.tile(images, (times[split], 1, 1, 1)), np.tile(labels, times[split]))
parity.measure = lambda path: {"largest": 0.0}
page.write_pictures = lambda *_: None  # tests of training look at them
corruptions.evaluate = lambda *_: dict.fromkeys([*corruptions.FAMILIES, "mean"], 0.5)
sys.argv = ["kerasconv", "train", "dense_classifier", "--devices", "2", "--epochs", "1",
            "--limit", "320", "--out", sys.argv[1]]
cli.main()
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What the program printed first, and the folder that it trained into."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("devices")
    two = "--xla_force_host_platform_device_count=2"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True,
        env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": two},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[0]), folder / "dense_classifier"


@pytest.mark.once
def test_two_devices_train_as_one_does_within_the_rounding_of_float32(ran):
    one, both, refused = ran[0]
    assert (one[0], both[0]) == ([], ["cpu:0", "cpu:1"])
    assert both[1] == pytest.approx(one[1], abs=1e-5)
    for ours, theirs in zip(both[2], one[2], strict=True):
        # Weights are of size 1; a batch's sum is rounded in another order.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    assert "2 devices cannot share the last batch" in refused


@pytest.mark.once
def test_the_card_of_a_training_on_two_devices_names_them(ran):
    folder = ran[1]
    facts = tomllib.loads((folder / "mnist.toml").read_text())
    assert facts["recipe"]["devices"] == ["cpu:0", "cpu:1"]
    assert facts["test"]["examples"] == 64
    page = (folder / "README.md").read_text()
    assert "2 devices (cpu:0, cpu:1)" in page
    assert "kerasconv train dense_classifier/mnist" in page
    assert "--devices 2" in page


@pytest.mark.once
def test_a_folder_of_ones_own_is_not_shared_among_devices(run, tmp_path):
    ended = run("train", "lenet5", "--images", tmp_path, "--devices", "2")
    assert ended.status == 2
    assert ended.is_one_line("--devices cannot be given with --images")


def test_what_cannot_be_shared_is_one_line(run, backend):
    there = len(keras.distribution.list_devices()) if backend == "jax" else 0
    ended = run("train", "lenet5", "--devices", there + 2)
    assert ended.status == (2 if backend == "jax" else 1)
    assert ended.is_one_line(
        {
            "jax": "--devices must be at most",
            "tensorflow": "tf.distribute.MirroredStrategy",
            "torch": "DistributedDataParallel",
        }.get(backend, "which does not train")
    )


@pytest.mark.once
def test_less_than_one_device_is_refused():
    with pytest.raises(UsageError, match="at least 1"), training.spread(0):
        pass
    assert devices.names() == []
    devices.check_shares((3, 2))
