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
# # A cat or a dog?
#
# **What you will learn.** Why edge filters that read digits well fail on photographs;
# how much better a small network does that learns its filters from the same ten
# thousand photographs; what those filters are; which photographs fool it; and how to
# tell a real difference between two classifiers from luck.
#
# **Reading time:** 12 minutes.
#
# Every number and figure below is measured when this page is built. It needs a backend
# that can train, and the data set `cats_vs_dogs`: the cats and dogs of CIFAR-10.

# %%
from kerasconv import backends

print("Keras computes this page with", backends.activate())
if not backends.BACKENDS[backends.activate()].trains:
    raise SystemExit(
        "Training needs gradients, which Keras has on tensorflow, jax and torch: "
        "set KERAS_BACKEND to one of them before you start."
    )

# %%
import keras
import numpy as np

from kerasconv import data, pictures
from kerasconv.layers import L2Pool, SobelConv
from kerasconv.metrics import wilson
from kerasconv.models import list_models, load_model
from kerasconv.plotting import plot_history, plot_images, plot_scores, show
from kerasconv.predict import Predictor
from kerasconv.tutorials import is_fast, progress_bar

fast = is_fast()  # the tests set KERASCONV_FAST=1 and train on very little
keras.utils.set_random_seed(0)

# %% [markdown]
# ## The question
#
# "Which kernels should I apply to tell a cat from a dog?" asks the course. For digits
# we had a good answer without learning any: Sobel's signed edges, pooled, and one Dense
# layer ([tutorial 5](05_training_and_backpropagation.py)). A digit *is* its edges: a
# few strokes on an empty ground, upright, in the middle. What is a cat?

# %%
photo = pictures.read_photo(pictures.example_photo())
edges = pictures.edges(photo).max(axis=-1)
square = photo[:, 75:375]  # 300 by 300, round the head
small = pictures.resized(square, (32, 32, 3))
small_edges = pictures.edges(small).max(axis=-1)

figure = plot_images(
    {
        "photograph": photo,
        "its edges": edges,
        "32 by 32 pixels": small,
        "the edges of those": small_edges,
    },
    columns=2,
)
show(
    figure,
    alt="A cat in colour and its Sobel edges: fur and background are full of fine "
    "edges. Below the same at 32 by 32 pixels: a coarse cat and a coarse net of edges.",
    caption="Edges are everywhere: eyes, whiskers, every tuft of fur (computed when "
    "this page is built).",
)

busy = float(np.mean(edges > 0.1 * edges.max()))
print(f"{busy:.0%} of the pixels have at least a tenth of the strongest edge")
assert busy > 0.25
assert small_edges.shape == (32, 32)

# %% [markdown]
# ## Twelve thousand photographs
#
# Ten thousand to learn from, two thousand to test on, half cats and half dogs, 32 by 32
# pixels. That is small, but you can tell them apart, mostly. They are the cats and dogs
# of CIFAR-10 (A. Krizhevsky, 2009); if they are not on your machine, the next cell
# stops and says how to get them.

# %%
names = ["cat", "dog"]  # label 0, label 1
if fast:  # only to see that the page runs: pieces of the cat, every other one a "dog"
    corners = [
        (row, column) for row in range(40, 240, 8) for column in range(96, 352, 16)
    ]
    pieces = np.stack([photo[row : row + 32, at : at + 32] for row, at in corners])
    train_x, test_x = np.float32(pieces[:96]), np.float32(pieces[96:128])
    train_y, test_y = np.arange(96) % 2, np.arange(32) % 2
else:
    train_x, train_y = data.load("cats_vs_dogs", "train")
    test_x, test_y = data.load("cats_vs_dogs", "test")
    train_x, test_x = train_x / np.float32(255), test_x / np.float32(255)
print(f"{len(train_x):,} photographs to learn from, {len(test_x):,} to test on")
assert train_x.shape[1:] == (32, 32, 3)
assert set(train_y) == {0, 1}

shown = {}
for label, name in enumerate(names):
    some = np.flatnonzero(test_y == label)[:4]
    shown |= {f"{name} {i}": test_x[i] for i in some}
    shown |= {f"edges of {i}": pictures.edges(test_x[i]).max(-1) for i in some}
figure = plot_images(shown, columns=4)
show(
    figure,
    alt="Four small photographs of cats with their edges below, and four of dogs "
    "with theirs. Some outlines are plain, others drown in those of the background.",
    caption="The first cats and dogs of the test set, and all that Sobel sees of "
    "them (drawn when this page is built).",
)

assert [sum(f"{name} " in title for title in shown) for name in names] == [4, 4]

# %% [markdown]
# ## Where are the edges of a cat?
#
# A linear classifier on edges weighs each place: many edges here speak for a dog, few
# there for a cat. That works if the classes have their edges in different places. For
# digits they have: a 1 is empty where a 0 has ink. Let us average the edges of all
# cats, and of all dogs.

# %%
extract = Predictor(
    keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            SobelConv(output="magnitude", normalize="unit"),
        ]
    )
)
magnitude = extract(train_x).mean(axis=-1)
mean_cat, mean_dog = (magnitude[train_y == c].mean(axis=0) for c in (0, 1))
difference = mean_dog - mean_cat
spread = float(magnitude.std(axis=0).mean())
print(f"mean edge: cats {mean_cat.mean():.4f}, dogs {mean_dog.mean():.4f}")
print(f"typical difference at a place: {np.abs(difference).mean():.4f}")
print(f"typical difference of two photographs there: {spread:.4f}")

top = float(max(mean_cat.max(), mean_dog.max()))
figure = plot_images(
    {
        "mean edges, cats": mean_cat,
        "mean edges, dogs": mean_dog,
        "dogs - cats": difference,
    },
    columns=3,
    limit=top,
)
show(
    figure,
    alt="Two grey clouds, the mean edges of cats and of dogs, and their difference in "
    f"red and blue, at most {np.abs(difference).max() / top:.0%} of the brightest.",
    caption="Edges averaged over all photographs. At a place cats and dogs differ by "
    f"{np.abs(difference).mean() / spread:.0%} of what any two photographs do "
    "(measured when this page is built; one scale for all).",
)

assert fast or np.abs(difference).mean() < 0.2 * spread

# %% [markdown] tags=["conclusion"]
# The mean edges differ by a small part of what any two photographs differ by. A cat may
# sit left or right, look here or there, be grey on brown or white on green. *Where* the
# edges are says little; which edges come *together*, as an ear or a muzzle do, says
# more. No fixed 3 by 3 kernel sees an ear.

# %% [markdown]
# ## Hand-made filters, measured
#
# The same contest as for the digits: features without parameters, then one Dense layer.


# %%
class SignedParts(keras.layers.Layer):
    """x becomes its positive part and, in maps of its own, its negative part."""

    def call(self, x):
        return keras.ops.relu(keras.ops.concatenate([x, -x], axis=-1))


def fit(model, x, y, epochs, learning_rate=1e-3, **options):
    """Train a classifier; what happened, epoch by epoch."""
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model.fit(x, y, batch_size=64, epochs=epochs, verbose=0, **options).history


def features(*layers):
    return keras.Sequential([keras.Input((32, 32, 3)), *layers, keras.layers.Flatten()])


sobel = SobelConv(normalize="unit")  # (dy, dx) of red, green and blue
fixed = {
    "pixels": features(),
    "Sobel magnitude": features(SobelConv(output="magnitude", normalize="unit")),
    "signed Sobel, L2 pool 4": features(sobel, SignedParts(), L2Pool(4)),
    "signed Sobel, L2 pool 8": features(sobel, SignedParts(), L2Pool(8)),
}
if fast:
    fixed = {name: fixed[name] for name in ("pixels", "signed Sobel, L2 pool 8")}

right, trained = {}, {}
for name, extract in fixed.items():
    predictor = Predictor(extract)
    train_f, test_f = predictor(train_x), predictor(test_x)
    scale = train_f.std()
    last = keras.Sequential(
        [
            keras.Input(train_f.shape[1:]),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    fit(last, train_f / scale, train_y, epochs=10, learning_rate=5e-4)
    right[name] = Predictor(last)(test_f / scale).argmax(axis=1) == test_y
    trained[name] = last.count_params()
    print(f"{name:26} {trained[name]:7,} trained  {right[name].mean():.1%} right")

assert fast or all(0.5 < r.mean() < 0.75 for r in right.values())

# %% [markdown] tags=["conclusion"]
# Guessing is right half the time, so these have learned something, but not much.

# %% [markdown]
# ## Filters that are learned
#
# Now a small network: three times convolution and pool, then the same kind of last
# layer, on the same ten thousand photographs.

# %%
network = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="first"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(2, activation="softmax"),
    ]
)
print(f"{network.count_params():,} parameters")
assert network.count_params() == 448 + 4_640 + 18_496 + 2_050 == 25_634

history = fit(
    network,
    train_x,
    train_y,
    epochs=1 if fast else 5,
    learning_rate=2e-3,
    validation_data=(test_x, test_y),
    callbacks=[progress_bar()],
)
answers = Predictor(network)(test_x)
right["small network"] = answers.argmax(axis=1) == test_y
trained["small network"] = network.count_params()
print(f"small network: {right['small network'].mean():.1%} right")

figure = plot_history(history)
show(
    figure,
    alt="Accuracy and loss over the epochs. "
    + " ".join(
        f"The {what} goes from {history[name][0]:.2f} to {history[name][-1]:.2f}."
        for name, what in (
            ("accuracy", "accuracy in training"),
            ("val_accuracy", "accuracy on the test photographs"),
        )
    ),
    caption="Training the small network (measured when this page is built). The "
    "test photographs (validation) are only watched.",
)

assert fast or history["val_accuracy"][-1] > history["val_accuracy"][0]

# %% [markdown]
# ## And with more time
#
# The network of the package for this question, `cats_dogs_cnn`, is ten times larger and
# was trained for far longer. Where its weights are installed, here is what it reads.

# %%
shipped = "cats_dogs_cnn/cats_vs_dogs"
if shipped in list_models():
    reader = Predictor(load_model(shipped))
    said = reader(small)
    print(f"the photograph at the top: {said[0]:.0%} cat, {said[1]:.0%} dog")
    right["cats_dogs_cnn"] = reader(test_x).argmax(axis=1) == test_y
    trained["cats_dogs_cnn"] = load_model(shipped).count_params()
    print(f"cats_dogs_cnn: {right['cats_dogs_cnn'].mean():.1%} right")
else:
    print("cats_dogs_cnn has no weights here.")

# %%
n = len(test_y)
labels = {name: f"{name} ({trained[name]:,})" for name in right}
figure = plot_scores(
    {labels[name]: 100 * float(r.mean()) for name, r in right.items()},
    intervals={
        labels[name]: tuple(100 * end for end in wilson(int(r.sum()), n))
        for name, r in right.items()
    },
    xlabel="right (%), with 95 % intervals; guessing gives 50",
)
show(
    figure,
    alt="Bars of accuracy. From the lowest to the highest: "
    + ", ".join(
        f"{name} {right[name].mean():.1%}"
        for name in sorted(right, key=lambda name: right[name].mean())
    )
    + ".",
    caption=f"Cat or dog, fixed and learned features, {len(train_x):,} photographs "
    "to learn from; in brackets, how many parameters were trained (measured when "
    "this page is built).",
)

hand_made = max(right[name].mean() for name in fixed)
learned = right["small network"].mean()
print(f"best hand-made {hand_made:.1%}, small network {learned:.1%}")
if not fast:
    assert hand_made < 0.72
    assert learned > hand_made + 0.03

# %% [markdown] tags=["conclusion"]
# That is the course's claim in numbers: generic filters do not suit all images. The
# same signed edges that read digits almost as well as a network fall well behind one on
# photographs. The edges themselves are not wrong: the network's first
# layer finds edges too. But nobody knows by hand what to build *upon* them.

# %% [markdown]
# ## What it learned
#
# The kernels of the first layer see three channels, so we can look at them as tiny
# colour pictures: grey is zero, a colour is what a kernel answers to.

# %%
kernels = network.get_layer("first").get_weights()[0]  # (3, 3, 3, 16)
largest = np.abs(kernels).max()
grey_part = kernels.mean(axis=2, keepdims=True)  # what it does to all three colours
colours = np.square(kernels - grey_part).sum(axis=(0, 1, 2))
compares = int(np.sum(colours > np.square(kernels).sum(axis=(0, 1, 2)) / 4))
figure = plot_images(
    {f"{i}": 0.5 + 0.5 * kernels[..., i] / largest for i in range(16)}, columns=8
)
show(
    figure,
    alt="Sixteen pictures of 3 by 3 pixels, coloured where a kernel weighs the three "
    "channels differently.",
    caption="The learned kernels of the first layer in colour (drawn when this page is "
    f"built). In {compares} of the 16 at least a quarter of the weight, squared, is in "
    "differences between the colours, which Sobel cannot see.",
)

assert kernels.shape == (3, 3, 3, 16)

# %% [markdown]
# ## Where it is wrong
#
# Look at any classifier's errors too, above all at those of which it was most sure.

# %%
wrong = np.flatnonzero(~right["small network"])
surest = wrong[np.argsort(-answers[wrong].max(axis=1))][:8]
figure = plot_images(
    {
        f"{i}: {names[answers[i].argmax()]}, {answers[i].max():.0%}": test_x[i]
        for i in surest
    },
    columns=4,
)
show(
    figure,
    alt="Small photographs that the network took for the other animal, each with its "
    f"wrong answer and how sure it was, up to {answers[surest].max():.0%}.",
    caption="The small network's surest errors, with what it said (measured when "
    "this page is built).",
)

assert 0 < len(surest) <= 8
assert (answers[surest].argmax(axis=1) != test_y[surest]).all()

# %% [markdown]
# ## Exercises
#
# **1.** One classifier gets 62.0 % of 2,000 test photographs right, another 63.5 %. Is
# the second one better?
#
# <details><summary>Answer</summary>
#
# One cannot tell. The 95 % interval of each is about ±2.1 points wide, and they
# overlap. (Counting the photographs on which only one of the two is right is a sharper
# test; `kerasconv.metrics.paired_test` does that.)
#
# </details>

# %% tags=["hide-cell"]
lower, upper = wilson(1_240, 2_000), wilson(1_270, 2_000)
assert lower[1] > upper[0]
assert 0.04 < lower[1] - lower[0] < 0.05

# %% [markdown]
# **2.** Shuffle the 1,024 pixels of all photographs, always in the same way. What does
# that do to a linear classifier on pixels, and what to a convolutional network?
#
# <details><summary>Answer</summary>
#
# It makes no difference to the linear one, which has a weight for each pixel and never
# knew which ones are neighbours. The convolution is lost: its 3 by 3 windows hold
# pixels that have no relation to each other, and no filter fits all places any more.
#
# </details>

# %% tags=["hide-cell"]
shuffle = np.random.default_rng(1).permutation(32 * 32)
weights = np.random.default_rng(2).normal(size=32 * 32)
grey = small.mean(axis=-1).ravel()
assert np.isclose(grey @ weights, grey[shuffle] @ weights[shuffle])

window_before = grey.reshape(32, 32)[10:13, 10:13]
window_after = grey[shuffle].reshape(32, 32)[10:13, 10:13]
print(
    f"spread in a window: {window_before.std():.3f}, shuffled {window_after.std():.3f}"
)
assert not np.allclose(window_before, window_after)

# %% [markdown]
# **3.** Does the network give a photograph and its mirror image the same answer? Should
# it?
#
# <details><summary>Answer</summary>
#
# It should, but it does not by itself: convolutions are equivariant to shifts, not to
# mirroring. Training on mirror images brings the answers together. Averaging the two
# answers makes them equal, and usually a little better.
#
# </details>

# %% tags=["hide-cell"]
seen = test_x[:64]
predictor = Predictor(network)
one, other = predictor(seen), predictor(seen[:, :, ::-1])
assert not np.array_equal(one, other)
averaged = (one + other) / 2
assert np.allclose(averaged.sum(axis=1), 1, atol=1e-5)

# %% [markdown]
# **Next:** [Your own pictures](10_your_own_pictures.py)
