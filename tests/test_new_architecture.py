"""A new architecture is one file and one line: those that CONTRIBUTING.md shows."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kerasconv import backends

ROOT = Path(__file__).parents[1]

# Run beside a copy of the package to which the architecture was added.
PROGRAM = """
import contextlib, io, json, os, sys
if os.environ["KERAS_BACKEND"] != "tensorflow":
    sys.modules["tensorflow"] = None  # `fit` imports it wherever it is installed
import numpy as np
from kerasconv import cli, data, digits, models, parity, recipes, training
from kerasconv.training import page

assert "keras" not in sys.modules, "declarations are read without Keras"
images, labels = digits.load_digits()
images = np.rint(images * 255).astype(np.uint8)
images, labels = np.tile(images, (2, 1, 1, 1)), np.tile(labels, 2)
data.load = lambda *names, **options: (images, labels)
parity.measure = lambda path: {"largest": 0.0}
page.write_pictures = lambda *_: None  # tests of training look at them

def run(*arguments):
    sys.argv = ["kerasconv", *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            cli.main()
        except SystemExit as ended:
            return [ended.code, out.getvalue()]

found = {"recipe": recipes.find_recipe("tiny")[0]}
try:
    models.load_model("tiny")
except ValueError as error:
    found["untrained"] = str(error)
found["built"] = models.tiny(weights=None).count_params()
found["train"] = run("train", "tiny", "--out", "models")
found["names"] = models.list_models()
found["list"] = run("list", "--json")
found["summary"] = run("summary", "tiny")
found["completed"] = cli._app.complete_model("ti")
found["loaded"] = models.load_model("tiny").count_params()
found["file"] = models.load_model("models/tiny/first.keras").count_params()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(
        ROOT / "kerasconv",
        folder / "kerasconv",
        ignore=shutil.ignore_patterns("__pycache__", "zoo"),
    )
    blocks = re.findall(
        r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL
    )
    (file,) = [block for block in blocks if "def tiny" in block]
    (line,) = [block for block in blocks if "_tiny import" in block]
    assert line.count("\n") == 1
    models = folder / "kerasconv" / "models"
    (models / "_tiny.py").write_text(file)
    text = (models / "__init__.py").read_text()
    last = "from kerasconv.models._mnist_cnn import mnist_cnn as mnist_cnn\n"
    assert last in text
    (models / "__init__.py").write_text(text.replace(last, last + line))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "KERAS_BACKEND": next(
                name for name in ("torch", "jax", "tensorflow") if name in INSTALLED
            ),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


INSTALLED = backends.installed()
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(
        not {"jax", "torch", "tensorflow"} & {*INSTALLED}, reason="needs training"
    ),
]


def test_it_is_built_and_its_recipe_found(found):
    assert found["built"] == 7850
    assert found["recipe"] == "tiny/first"


def test_before_it_is_trained_the_remedy_is_said(found):
    assert found["untrained"].endswith("no trained weights yet; train it first")


def test_the_command_line_trains_lists_and_summarises_it(found):
    status, printed = found["train"]
    assert status == 0
    assert "models/tiny/first.keras" in printed
    assert json.loads(found["list"][1])["tiny/first"]["parameters"]["total"] == 7850
    assert "7,850" in found["summary"][1]
    assert found["completed"] == ["tiny/first"]


def test_its_weights_load_by_name_and_as_a_file_of_unknown_origin(found):
    assert found["names"] == ["tiny/first"]
    assert found["loaded"] == found["file"] == 7850
