"""The types: what runs is accepted, what is plainly wrong refused."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import kerasconv

pytestmark = pytest.mark.once

CHECKOUT = Path(kerasconv.__file__).parents[1]

# Calls as people write them; each also runs below.
PROGRAM = """# mypy: warn-unused-ignores
import keras
import numpy as np

from kerasconv import kernels, layers, ops, read_digits
from kerasconv.digits import load_digits
from kerasconv.layers import (
    FixedConv, L2Pool, LearnedConv, LpPool, PrewittConv, SobelConv, WeightedPool,
)
from kerasconv.models import mnist_cnn
from kerasconv.predict import Predictor
from kerasconv.window import Window

x = np.ones((2, 8, 9, 3), "float32")
mode: str = "wrap"
FixedConv([[1, 2], [0, -1]], 2, "SAME", "channels_last", (1, 1), output="stack")(x)
FixedConv(kernels.laplacian(2), border_mode=mode, rank=2, name="laplacian")(x)
SobelConv()(x)
SobelConv(5, (1, 2), axis=(0, -1), normalize="unit", dtype="float32")(x)
SobelConv(axis=np.int64(1), strides=[2, 2])(x)
PrewittConv(3, output="magnitude", data_format=None)(x)
LearnedConv(4, (3, 3), activation="relu", kernel_initializer="sobel", flip=True)(x)
LearnedConv(4, np.int32(3), padding="same", fixed_filters=np.ones((3, 3)))(x)
LpPool(2, p=2.5, mean=True)(x)
LpPool((2, 2), np.int64(2), p=np.int64(3))(x)
L2Pool(2, None, "same", rank=2)(x)
WeightedPool(weights="learned", per_channel=True)(x)
WeightedPool(2, 1, weights=[[1, 2], [3, 4]])(x)
ops.sobel(x, output="magnitude")
ops.conv(x, np.ones((3, 3, 3, 2), "float32"), border_mode="reflect", padding="same")
ops.l2_pool(x, (2, 3), rank=2)
ops.lp_pool(x, p=3)
ops.weighted_pool(x, weights=np.ones((3, 3)))
ops.fixed_conv(x, kernels.prewitt(axis=0), strides=2)
kernels.sobel(2, axis=(0, 1), kernel_size=5, normalize="smooth")
kernels.gaussian((3, 3))
Window.of(2, 3, padding="same", border_mode="wrap").output_shape((None, 8, 9, 3))
model = keras.Sequential([keras.Input((28, 28, 1)), SobelConv(), layers.L2Pool(2)])
images, labels = load_digits()
network = mnist_cnn(weights=None, pooling="l2", dropout=0.25)
answers: np.ndarray = Predictor(network)(images[:2])
text: str | None = read_digits(images[0], model=network, single=True).text
"""

# Each is refused, by mypy (with that code) and when it runs.
WRONG = {
    'L2Pool("two")': "arg-type",
    "SobelConv(output=3)": "arg-type",
    'SobelConv("magnitude")': "arg-type",
    "SobelConv(axis=1.5)": "arg-type",
    "PrewittConv(kernel_size=[3])": "arg-type",
    "FixedConv()": "call-arg",
    'LearnedConv("8")': "arg-type",
    'LearnedConv(8, strides="2")': "arg-type",
    "LearnedConv(8, groups=None)": "arg-type",
    'LpPool(2, p="3")': "arg-type",
    "LpPool(2)": "call-arg",
    "WeightedPool(3, rank='2')": "arg-type",
    "L2Pool(2, mean='no')": "arg-type",
    "ops.sobel(x, padding=1)": "arg-type",
    "ops.l2_pool(x, 2.5)": "arg-type",
    "ops.conv(x)": "call-arg",
    "kernels.sobel(axis='x')": "arg-type",
    "mnist_cnn(dropout='half')": "arg-type",
    "read_digits(images[0], network, min_confidence='half')": "arg-type",
}


def test_mypy_accepts_the_package_and_what_runs_and_refuses_what_does_not(tmp_path):
    """Each wrong call bears the error that mypy must find, or the mark is unused."""
    program = tmp_path / "program.py"
    wrong = [f"{line}  # type: ignore[{code}]" for line, code in WRONG.items()]
    program.write_text("\n".join([PROGRAM, *wrong]) + "\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy"),
            *("--config-file", CHECKOUT / "pyproject.toml"),
            *("--cache-dir", tmp_path / ".mypy"),
            *(CHECKOUT / "kerasconv", program),
        ],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_runs_and_the_wrong_calls_do_not():
    names: dict = {}
    exec(PROGRAM, names)
    for line in WRONG:
        with pytest.raises((TypeError, ValueError)):
            exec(line, names)


def public():
    """(name, function or constructor) of every public module but the commands."""
    for module in dir(kerasconv):
        if module.startswith("__") or module in ("cli", "docs", "read_digits"):
            continue  # the last is a function, of `reading`
        module = importlib.import_module(f"kerasconv.{module}")
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if inspect.isclass(thing):
                thing = thing.__init__
            if inspect.isfunction(thing):
                yield f"{module.__name__}.{name}", inspect.unwrap(thing)


def test_every_public_function_and_constructor_is_annotated():
    bare = [
        f"{name}({parameter.name})"
        for name, thing in public()
        if getattr(thing, "__module__", "").startswith("kerasconv")
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.annotation is parameter.empty and parameter.name != "self"
    ]
    bare += [
        f"{name} -> ?"
        for name, thing in public()
        if thing.__name__ != "__init__"
        if inspect.signature(thing).return_annotation is inspect.Signature.empty
    ]
    assert not bare
