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
#   kerasconv:
#     backends: tensorflow jax torch
# ---

# %% [markdown]
# # Your own pictures
#
# **What you will learn.** How convolutions that were trained for one question serve
# another, with a new head and a hundred pictures; how a folder of your own becomes a
# model that every command takes; and what its card tells others about it.
#
# **Reading time:** 8 minutes.
#
# Every number below is measured when this page is built. It needs a backend that can
# train, and the data sets `mnist` and `cats_vs_dogs` (see
# [tutorial 9](09_a_cat_or_a_dog.py)).

# %%
from kerasconv import backends

print("Keras computes this page with", backends.activate())
if not backends.BACKENDS[backends.activate()].trains:
    raise SystemExit(
        "Training needs gradients, which Keras has on tensorflow, jax and torch: "
        "set KERAS_BACKEND to one of them before you start."
    )

# %%
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from kerasconv import data, pictures, training
from kerasconv.digits import load_digits
from kerasconv.models import (
    NewHeadWarning,
    decode_predictions,
    load_model,
    mnist_cnn,
    preprocess_input,
)
from kerasconv.plotting import plot_digits, plot_scores, show
from kerasconv.tutorials import is_fast

fast = is_fast()  # the tests set KERASCONV_FAST=1 and train on very little
keras.utils.set_random_seed(0)

# %% [markdown]
# ## Five classes, a hundred pictures
#
# A lottery prints the even digits only. We have twenty pictures of each, and a network
# whose convolutions were trained on clothes: `mnist_cnn/fashion_mnist` has never seen a
# digit. Another number of classes needs another head, so the package keeps the
# convolutions and warns that the head is new.

# %%
if fast:
    images, digits = load_digits()
    pixels = np.rint(255 * images).astype(np.uint8)
    test_pixels, test_digits = pixels, digits
else:
    pixels, digits = data.load("mnist", "train")
    test_pixels, test_digits = data.load("mnist", "test")
even = ["0", "2", "4", "6", "8"]
few = np.concatenate([np.flatnonzero(digits == int(d))[:20] for d in even])
some = np.flatnonzero(test_digits % 2 == 0)[:1000]
train_x, train_y = preprocess_input(pixels[few]), digits[few] // 2
test_x, test_y = preprocess_input(test_pixels[some]), test_digits[some] // 2
print(f"{len(train_x)} pictures to learn from, {len(test_x)} to test on")


def taught(network):
    """What a network gets right after thirty epochs on the few pictures."""
    network.compile(
        "adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    epochs = 1 if fast else 30
    network.fit(train_x, train_y, batch_size=20, epochs=epochs, verbose=0)
    return float(network.evaluate(test_x, test_y, verbose=0)[1])


with warnings.catch_warnings():
    warnings.simplefilter("ignore", NewHeadWarning)
    adapted = mnist_cnn(weights="fashion_mnist", num_classes=5)
fresh = mnist_cnn(weights=None, num_classes=5)
right = {"from clothes": taught(adapted), "from nothing": taught(fresh)}
assert adapted.output_shape == (None, 5)

# %%
figure = plot_scores(
    {name: 100 * share for name, share in right.items()}, xlabel="right (%)"
)
show(
    figure,
    alt="Two bars of accuracy: with convolutions trained on clothes "
    f"{right['from clothes']:.1%}, from nothing {right['from nothing']:.1%}.",
    caption=f"Even digits after {len(train_x)} pictures, with kept convolutions and "
    "with random ones (measured when this page is built).",
)
assert fast or right["from clothes"] > max(0.93, right["from nothing"])

# %% [markdown]
# `include_top=False` leaves the head away: what the convolutions make of a picture is
# then yours to use, in a model of your own.

# %%
body = mnist_cnn(include_top=False)
print(body.output_shape)
assert body.output_shape == (None, 5, 5, 64)

# %% [markdown]
# ## A folder of your own
#
# Pictures come as files. Here are cats and dogs, written out as you would have them: a
# folder for each class. One call prepares them, holds a fifth out, trains until the
# loss on these no longer falls, and writes the model with its card. The same on the
# command line: `kerasconv train mnist_cnn --images pets --size 32 --augment flip`.

# %%
place = Path(tempfile.mkdtemp())
names = ["cat", "dog"]
if fast:  # pieces of the cat, every other one a "dog"
    photo = np.rint(255 * pictures.read_photo(pictures.example_photo()))
    corners = [(row, at) for row in range(0, 240, 40) for at in range(0, 400, 40)]
    photos = np.stack([photo[r : r + 32, c : c + 32] for r, c in corners])
    photos, labels = photos.astype(np.uint8), np.arange(len(corners)) % 2
else:
    photos, labels = data.load("cats_vs_dogs", "train")
    photos, labels = photos[:3000], labels[:3000]
for i, (photo, label) in enumerate(zip(photos, labels, strict=True)):
    folder = place / "pets" / names[label]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo).save(folder / f"{i}.png")
(place / "pets" / "cat" / "notes.txt").write_text("no picture")

card = training.train_own(
    place / "pets",
    architecture="dense_classifier" if fast else "mnist_cnn",
    size=32,
    augment=["none"] if fast else ["flip"],
    epochs=1 if fast else 8,
    out=place / "trained",
)
facts = card.facts
held = facts["validation"]
print(f"{facts['data']['train']} to train on, {held['examples']} held out")
print(f"left out: {facts['data']['not_taken']}")
print(f"{held['accuracy']:.1%} of what was held out is right")
assert facts["classes"] == names
assert facts["data"]["left_out"] == 1
assert fast or held["accuracy"] > 0.6  # five deviations from a guess

# %% [markdown]
# The text file was counted and named, not passed over in silence. So are pictures that
# are damaged, copies of others, or in two classes. If several writers or cameras made
# your pictures, name the files after them and give `group="_"`: then no writer is on
# both sides, and the figure is what you may expect of a new one.
#
# ## What the card is for
#
# A network gives numbers. The card beside it says what they mean and how a picture
# must be prepared, so `kerasconv predict photo.jpg --model trained/pets.keras` answers
# with a name. In Python:

# %%
asked = pictures.example_photo()
probabilities = load_model(card.path).predict(
    preprocess_input(asked, card.path), verbose=0
)
for _, name, probability in decode_predictions(probabilities, card.path)[0]:
    print(f"{name:4} {probability:.0%}")
assert abs(probabilities.sum() - 1) < 1e-5

# %% [markdown]
# It also names the pictures that were hardest. Look at them first: often the label is
# what is wrong.

# %%
hardest = facts["hardest"][:8]
shown = [preprocess_input(place / "pets" / each["file"], card.path) for each in hardest]
figure = plot_digits(
    np.concatenate(shown).mean(axis=-1),
    [f"{each['read']},\nnot {each['truth']}" for each in hardest],
    columns=4,
)
show(
    figure,
    alt="The held-out photographs with the highest loss, in grey, each with what the "
    "network read and what its folder says.",
    caption="The hardest of what was held out (measured when this page is built).",
)
assert len(hardest) == len(shown) > 0

# %% [markdown]
# ## Exercises
#
# **1.** Of 600 pictures of a folder, 150 each are of four writers. A fifth is held out
# at random, and 99 % of it is right; of a fifth writer 90 %. Why?
#
# <details><summary>Answer</summary>
#
# The network had seen the hand of every writer that it was tested on. Hold out whole
# writers, `--group`: the figure falls to what a stranger may expect.
#
# </details>

# %% tags=["hide-cell"]
writers = np.repeat(["ann", "bob", "cleo", "dan"], 150)
random = np.random.default_rng(0).random(600) < 0.2
assert set(writers[random]) == set(writers[~random])

# %% [markdown]
# **2.** A folder has 900 cats and 100 dogs. What does a network get right that always
# says "cat", and what does the training do about it?
#
# <details><summary>Answer</summary>
#
# 90 %. Each picture weighs n / (classes · n of its class) in the loss, here 0.56 for a
# cat and 5 for a dog, so both classes weigh the same; and the card has the accuracy of
# each class.
#
# </details>

# %% tags=["hide-cell"]
weight = 1000 / (2 * np.array([900, 100]))
assert np.allclose(weight * [900, 100], 500)
assert np.allclose(weight, [0.56, 5], atol=0.005)

# %% [markdown]
# This was the last tutorial. What next? `kerasconv predict` reads your own pictures,
# `kerasconv features` shows what a network sees in them, `kerasconv train` repeats the
# recipes of the zoo, and `kerasconv.models` and `kerasconv.layers` are yours to build
# with.
