# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # One model, every backend
#
# **What you will learn.** What is inside a `.keras` file; how one environment variable
# chooses the engine that runs it; how closely five engines agree on the same digits,
# and why not exactly; how fast each is, from the start to the first answer, on one
# image and on many; and what is not the same everywhere.
#
# **Reading time:** 9 minutes.
#
# The table and the figures are measured when this page is built, on whatever backends
# are installed there. The speeds are those of that machine at that moment: look at the
# orders of magnitude.

# %%
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from kerasconv import backends
from kerasconv.digits import load_digits
from kerasconv.models import find_card
from kerasconv.plotting import plot_scores, show
from kerasconv.tutorials import is_fast

fast = is_fast()  # the tests set KERASCONV_FAST=1, for fewer backends and rounds

# %% [markdown]
# ## One file
#
# Keras 3 is a language of layers; a *backend* (TensorFlow, JAX, torch, OpenVINO or
# NumPy) does the arithmetic. What Keras saves is written in that language. The file is
# a zip archive of three parts: which layers, which version of Keras, and the weights.

# %%
path = find_card("mnist_cnn").path
with zipfile.ZipFile(path) as archive:
    for entry in archive.infolist():
        print(f"{entry.file_size:9,} bytes  {entry.filename}")
    description = archive.read("config.json").decode()

layers = [layer["class_name"] for layer in json.loads(description)["config"]["layers"]]
print(" -> ".join(layers))

assert layers.count("Conv2D") == 2
assert not any(name in description for name in ("tensorflow", "jax", "torch"))

# %% [markdown]
# No backend is mentioned: the file does not know who will run it.
#
# ## Who runs it?
#
# Keras fixes its backend when it is first imported, and keeps it for as long as the
# process lives. kerasconv settles it just before, in this order: what `--backend` says
# on the command line; the environment variable `KERAS_BACKEND`; your `keras.json`; the
# first backend that is installed.

# %%
choice = backends.choose()
print(f"here: {choice.name}, because of {choice.reason}")
for name in backends.installed():
    trains = "trains and infers" if backends.BACKENDS[name].trains else "only infers"
    print(f"{name:12} {backends.version(name):22} {trains}")

assert choice.name in backends.installed()

# %% [markdown]
# ## Ask them all
#
# One process, one backend; so five backends take five processes. This is the program
# that each of them runs. It does not name a backend either.

# %%
program = '''
import json, os, statistics, sys, time

began = time.perf_counter()
from kerasconv.digits import load_digits
from kerasconv.models import load_model
from kerasconv.predict import Predictor

path, edges_path, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
digits, _ = load_digits()
predictor = Predictor(load_model(path))
answers = predictor(digits)
seconds_to_first_answer = time.perf_counter() - began


def seconds(images):
    """Median time of a call, after one to warm up."""
    predictor(images)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        predictor(images)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


many = digits.repeat(8, axis=0)  # 512 images

# Layers of this package travel in the same way. The first process saves a model of
# them; all others load it.
import keras
from kerasconv.layers import L2Pool, SobelConv

if not os.path.exists(edges_path):
    keras.Sequential(
        [keras.Input((28, 28, 1)), SobelConv(output="magnitude"), L2Pool(2)]
    ).save(edges_path)
edges = Predictor(load_model(edges_path))(digits)

# Too late: Keras is running.
os.environ["KERAS_BACKEND"] = "another"

json.dump(
    {
        "backend": keras.backend.backend(),
        "answers": answers.tolist(),
        "edges": edges.tolist(),
        "one": seconds(digits[0]),
        "many": seconds(many) / len(many),
        "first": seconds_to_first_answer,
        "random": keras.ops.convert_to_numpy(
            keras.random.normal((3,), seed=0)
        ).tolist(),
    },
    sys.stdout,
)
'''

# %% [markdown]
# And this runs it, with another `KERAS_BACKEND` each time. Nothing else changes: not
# the program, not the file.


# %%
def ask(backend, edges_path, rounds):
    """What the program answers on that backend, in a process of its own."""
    began = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", program, str(path), str(edges_path), str(rounds)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise RuntimeError(f"{backend}: {result.stderr.strip().splitlines()[-1]}")
    answer = json.loads(result.stdout)
    assert answer["backend"] == backend  # the late change had no effect
    print(f"{backend}: {time.perf_counter() - began:.0f} s in all")
    return {k: np.array(v) if k != "backend" else v for k, v in answer.items()}


asked = backends.installed()
if fast:
    light = [name for name in ("openvino", "numpy", "jax") if name in asked]
    asked = (light or asked)[:2]

with tempfile.TemporaryDirectory() as folder:
    results = {
        name: ask(name, Path(folder) / "edges.keras", rounds=3 if fast else 9)
        for name in asked
    }

# %% [markdown]
# ## Do they agree?
#
# The answers are ten probabilities for each of 64 digits. For every backend here is the
# largest difference from any other, over all 640 numbers; and how often it reads
# another digit than the first backend of the list.


# %%
def largest_difference(what):
    """By backend: how far its numbers lie from those of any other, at most."""
    apart = dict.fromkeys(results, 0.0)
    for one, other in itertools.combinations(results, 2):
        gap = float(np.abs(results[one][what] - results[other][what]).max())
        apart[one], apart[other] = max(apart[one], gap), max(apart[other], gap)
    return apart


apart, edges_apart = largest_difference("answers"), largest_difference("edges")
digits, labels = load_digits()
readings = {name: results[name]["answers"].argmax(axis=1) for name in results}
first = readings[asked[0]]

print(f"{'backend':12} {'digits right':>12} {'read otherwise':>15} {'difference':>11}")
for name in results:
    right = f"{np.sum(readings[name] == labels)} of {len(labels)}"
    other = np.sum(readings[name] != first)
    print(f"{name:12} {right:>12} {other:15} {apart[name]:11.1e}")

assert all(np.array_equal(first, reading) for reading in readings.values())
assert max(apart.values()) < 1e-5
assert max(edges_apart.values()) < 1e-4  # Sobel magnitudes, which go up to 4
assert (first == labels).sum() >= 58

# %% [markdown]
# They agree to about six digits, and every digit is read the same. Six digits are what
# a 32-bit float has to give; the card of the model says the same of the machine where
# it was trained.

# %%
largest = max(apart.values())
on_card = find_card("mnist_cnn").facts["parity"]["largest"]
print(f"largest difference here: {largest:.1e}, on the card: {on_card:.1e}")
print(f"spacing of 32-bit floats just below 1: {np.spacing(np.float32(1)) / 2:.1e}")

assert on_card < 1e-5

# %% [markdown]
# ### Why not exactly?
#
# Because addition is not what it is on paper. A computer rounds after every addition,
# so the order matters, and each backend adds the 288 products of a filter in the order
# that suits its processor best. You do not need five backends to see it:

# %%
products = np.random.default_rng(0).normal(size=288).astype(np.float32)
orders = {
    "from first to last": np.cumsum(products)[-1],
    "from last to first": np.cumsum(products[::-1])[-1],
    "small ones first": np.cumsum(products[np.abs(products).argsort()])[-1],
    "in pairs (NumPy)": products.sum(),
}
for order, total in orders.items():
    print(f"{order:20} {total:.7f}")

assert len(set(orders.values())) > 1
assert np.ptp(list(orders.values())) < 1e-4

# %% [markdown]
# ## How fast are they?
#
# Three questions: how long is it from starting Python to the first answer, how long for
# one more image, and how many images are read in a second if there are many? The
# fastest at one need not be the fastest at another. The forward pass is compiled once
# by `kerasconv.predict.Predictor`, with what each backend has for that.

# %%
print(f"{'backend':12} {'first answer':>13} {'one image':>10} {'many':>10}")
for name, answer in results.items():
    print(
        f"{name:12} {answer['first']:11.1f} s {1e3 * answer['one']:7.2f} ms"
        f" {1 / answer['many']:8,.0f}/s"
    )

assert all(answer["one"] > 0 for answer in results.values())

# %%
one_image = {name: 1e3 * float(answer["one"]) for name, answer in results.items()}
figure = plot_scores(
    one_image,
    xlabel="one image (milliseconds; every line is ten times the one before)",
    log=True,
)
show(
    figure,
    alt="A point for each backend on a logarithmic axis, the milliseconds for one "
    "image: " + ", ".join(f"{name} {ms:.2f}" for name, ms in one_image.items()) + ".",
    caption="Time to read one more digit; further left is better. On such an axis "
    "equal steps are equal factors, so there is no zero for a bar to begin at "
    "(measured when this page is built).",
)

assert min(one_image.values()) > 0

# %%
a_second = {name: 1 / float(answer["many"]) for name, answer in results.items()}
figure = plot_scores(a_second, xlabel="images per second, 512 at a time")
show(
    figure,
    alt="A bar for each backend, the images that it reads in a second: "
    + ", ".join(f"{name} {count:,.0f}" for name, count in a_second.items())
    + ".",
    caption="Digits read in a second; longer is better (measured when this page is "
    "built).",
)

assert min(a_second.values()) > 0

# %% [markdown]
# ## What is the same, and what is not
#
# The same on all five: the layers and their `.keras` files; `keras.ops`, which looks
# like NumPy; the layers of this package, their borders included; and, where training
# is possible, `fit` with its callbacks.
#
# Not the same:
#
# - how to ask for a gradient, [as we saw](05_training_and_backpropagation.py), and
#   whether there is one: OpenVINO and NumPy only infer;
# - what compiles a model, and how long that takes;
# - random numbers: the same seed gives others.
#
# So write layers with `keras.ops`, take results out with
# `keras.ops.convert_to_numpy`, and your own code will run on all of them too.
#
# ## Exercises
#
# **1.** A colleague sets `os.environ["KERAS_BACKEND"] = "jax"` in the third cell of a
# notebook, after `import keras` in the first, and finds no difference. Why?
#
# <details><summary>Answer</summary>
#
# Keras has read the variable at its import, and its backend stays for the life of the
# process. The program above tries it too, and each process reports the backend with
# which it began. Restart the kernel, and set the variable first.
#
# </details>

# %% tags=["hide-cell"]
assert all(answer["backend"] == name for name, answer in results.items())

# %% [markdown]
# **2.** Will `keras.random.normal((3,), seed=0)` give the same three numbers
# everywhere?
#
# <details><summary>Answer</summary>
#
# No. Most backends have a random generator of their own (OpenVINO takes NumPy's). A
# seed repeats a run on one backend; to repeat it on another, save the weights and load
# them there.
#
# </details>

# %% tags=["hide-cell"]
drawn = {name: tuple(answer["random"].round(6)) for name, answer in results.items()}
print(drawn)
if {"jax", "numpy"} <= set(results):
    assert drawn["jax"] != drawn["numpy"]

# %% [markdown]
# **3.** How would you read your own pictures with JAX, once, without changing any file?
#
# <details><summary>Answer</summary>
#
# Either of
#
# ```sh
# KERAS_BACKEND=jax kerasconv predict scans/
# kerasconv --backend jax predict scans/
# ```
#
# Both count before the `keras.json` in your home folder. `kerasconv backends` says
# which one would run, and why.
#
# </details>

# %% tags=["hide-cell"]
asked_for = backends.choose(asked[-1])
assert asked_for.name == asked[-1]
assert "KERAS_BACKEND" not in asked_for.reason

# %% [markdown]
# **4.** The largest difference was about `1e-7`. How sure must the network be of its
# second-best answer before that could change which digit it reads?
#
# <details><summary>Answer</summary>
#
# The two best probabilities must lie within twice the difference of each other. Among
# our 64 digits the closest race is far wider than that.
#
# </details>

# %% tags=["hide-cell"]
best_two = np.sort(results[asked[0]]["answers"], axis=1)[:, -2:]
closest = float(np.diff(best_two, axis=1).min())
print(f"closest race: {closest:.3f}, needed: {2 * largest:.1e}")
assert closest > 2 * largest

# %% [markdown]
# **Next:** [A layer of your own](08_a_layer_of_your_own.py).
