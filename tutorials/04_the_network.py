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
# # The network: from lego bricks to the summary
#
# **What you will learn.** How seven layers make a reader of handwritten digits; where
# each of its 34,826 parameters sits and why there are exactly so many; why the first
# output is 26 by 26; what the network sees of a real digit, layer by layer; what a
# filter of the second convolution really looks at; and what dropout drops.
#
# **Reading time:** 12 minutes.
#
# Every number and figure below is computed when this page is built, on real digits,
# with the weights that travel in the package. Nothing is trained here, so any backend
# will do.

# %%
from kerasconv import backends

print("Keras computes this page with", backends.activate())

# %%
import keras
import numpy as np

from kerasconv import kernels
from kerasconv.digits import hard_digits, load_digits
from kerasconv.models import cards, mnist_cnn
from kerasconv.plotting import plot_feature_maps, plot_kernels, show
from kerasconv.predict import Predictor, feature_maps

# %% [markdown]
# ## Seven bricks
#
# A `Sequential` model is a stack of layers: the output of one is the input of the next.
# Ours has two kinds of layers that learn, convolution and Dense, and three kinds that
# do not: pooling shrinks, Flatten rearranges, and Dropout thins out what passes.


# %%
def stacked():
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, (3, 3), activation="relu", name="conv2d"),
            keras.layers.MaxPooling2D((2, 2), name="max_pooling2d"),
            keras.layers.Conv2D(64, (3, 3), activation="relu", name="conv2d_1"),
            keras.layers.MaxPooling2D((2, 2), name="max_pooling2d_1"),
            keras.layers.Flatten(name="flatten"),
            keras.layers.Dropout(0.5, name="dropout"),
            keras.layers.Dense(10, activation="softmax", name="dense"),
        ]
    )


model = stacked()
model.summary(line_length=72)

# %% [markdown]
# Its weights are still random, so it cannot read. But these are the same bricks as
# those of `kerasconv.models.mnist_cnn`, so its trained weights fit.

# %%
images, labels = load_digits()  # 64 test digits, in [0, 1], light ink on 0
trained = mnist_cnn()

before = Predictor(model)(images).argmax(axis=1)
model.set_weights(trained.get_weights())
after = Predictor(model)(images).argmax(axis=1)

print(f"random weights: {np.sum(before == labels)} of {len(labels)} digits right")
print(f"trained weights: {np.sum(after == labels)} of {len(labels)} digits right")

assert np.sum(after == labels) >= 58

# %% [markdown]
# Four of the 64 are there because they are hard. The card of every network of the
# package says how many it reads:

# %%
on_cards = {
    name: card.facts["bundled_digits"]["correct"]
    for name, card in cards().items()
    if "bundled_digits" in card.facts
}
for name, right in sorted(on_cards.items(), key=lambda pair: -pair[1]):
    print(f"{name:22} {right} of {len(labels)}")

assert hard_digits().sum() == 4
assert max(on_cards.values()) < len(labels)  # not one reads them all

# %% [markdown]
# ## Why 26 by 26?
#
# The input is 28 by 28. A 3 by 3 window that must lie wholly inside it has only 26
# places along each side: it can start at 0, 1, ..., 25. In general, a window of $k$
# values with stride $s$ over $n$ values with $p$ zeros of padding in all has
#
# $$\left\lfloor \frac{n + p - k}{s} \right\rfloor + 1$$
#
# places. One formula gives every size in the summary, for pooling windows too; the
# stride of a pool is its window unless you say otherwise.


# %%
def places(n, k, s=1, p=0):
    return (n + p - k) // s + 1


sizes = [28]
for window, stride in [(3, 1), (2, 2), (3, 1), (2, 2)]:
    sizes.append(places(sizes[-1], window, stride))
print(" -> ".join(map(str, sizes)))

assert sizes == [28, 26, 13, 11, 5]
shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
assert shapes["conv2d"] == (26, 26, 32)
assert shapes["max_pooling2d"] == (13, 13, 32)
assert shapes["conv2d_1"] == (11, 11, 64)
assert shapes["max_pooling2d_1"] == (5, 5, 64)
assert shapes["flatten"] == shapes["dropout"] == (5 * 5 * 64,) == (1600,)

# %% [markdown]
# So (26, 26) is the size of the first *output*, and a feature map is not "the size of
# the image": it is smaller by 2.
#
# Must it be? No. `padding="same"` puts zeros round the image and keeps 28 by 28: $p =
# 2$ in the formula. Many well-known networks (VGG, ResNet, ...) pad like this in most
# of their layers; "valid", no padding, is the default of Keras.

# %%
same = keras.layers.Conv2D(32, 3, padding="same")
print("valid:", shapes["conv2d"])
print("same: ", same.compute_output_shape((1, 28, 28, 1))[1:])

assert places(28, 3, p=2) == 28
assert same.compute_output_shape((1, 28, 28, 1)) == (1, 28, 28, 32)

# %% [markdown]
# Look at the step from 11 to 5. Eleven is odd, the window of 2 finds five places, and
# the last row and column of the eleven are dropped. We can check: set them to anything,
# and the pool gives the same.

# %%
pool = keras.layers.MaxPooling2D((2, 2))
maps = np.random.default_rng(0).random((1, 11, 11, 64)).astype("float32")
changed = maps.copy()
changed[:, 10, :, :] = changed[:, :, 10, :] = 1e6
pooled = keras.ops.convert_to_numpy(pool(maps))

assert pooled.shape == (1, 5, 5, 64)
assert np.array_equal(pooled, keras.ops.convert_to_numpy(pool(changed)))

# %% [markdown]
# ## Where the 34,826 parameters sit
#
# A parameter is a number that training may change. A filter has one weight for every
# value under its window, *in every channel*, and one bias of its own:
#
# | layer | a filter (or unit) sees | how many | parameters |
# |---|---|---|---|
# | `conv2d` | 3 × 3 × 1 values | 32 | 3·3·1·32 + 32 = 320 |
# | `conv2d_1` | 3 × 3 × 32 values | 64 | 3·3·32·64 + 64 = 18,496 |
# | `dense` | 1,600 values | 10 | 1600·10 + 10 = 16,010 |
# | the four others | | | 0 |
#
# The sum is 34,826: as 32-bit floats, 136 KB.

# %%
by_arithmetic = {
    "conv2d": 3 * 3 * 1 * 32 + 32,
    "max_pooling2d": 0,
    "conv2d_1": 3 * 3 * 32 * 64 + 64,
    "max_pooling2d_1": 0,
    "flatten": 0,
    "dropout": 0,
    "dense": 1600 * 10 + 10,
}
for layer in model.layers:
    kept = [tuple(w.shape) for w in layer.weights]
    print(f"{layer.name:16} {by_arithmetic[layer.name]:7,}  {kept or ''}")
    assert layer.count_params() == by_arithmetic[layer.name]

total = model.count_params()
print(f"{'all':16} {total:7,}  {4 * total / 1024:.0f} KB")

assert by_arithmetic["conv2d"] == 320
assert by_arithmetic["conv2d_1"] == 18_496
assert by_arithmetic["dense"] == 16_010
assert total == sum(by_arithmetic.values()) == 34_826
assert round(4 * total / 1024) == 136

# %% [markdown]
# ### Does pooling save parameters?
#
# Not its own: it has none, and it removes none from the convolutions. It makes the maps
# smaller, and the Dense layer that comes *after* needs a weight for every value that is
# left. Take pools away and count again:


# %%
def dense_parameters(pools):
    """Parameters of the Dense layer when only the first `pools` pools are kept."""
    side = places(28, 3)
    side = places(side, 2, 2) if pools >= 1 else side
    side = places(side, 3)
    side = places(side, 2, 2) if pools >= 2 else side
    return side * side * 64 * 10 + 10


for pools in (2, 1, 0):
    print(f"{pools} pools: Dense needs {dense_parameters(pools):7,}")

assert [dense_parameters(pools) for pools in (2, 1, 0)] == [16_010, 77_450, 368_650]

without = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
counted = [layer.count_params() for layer in without.layers]
print("without pools:", counted)

assert counted == [320, 18_496, 0, 368_650]  # the convolutions did not change

# %% [markdown]
# ## Parameters are not activations
#
# The numbers in a feature map are not parameters. They are *activations*: computed anew
# for every image, and gone when the next one comes. The parameters are the kernels and
# biases, the same for all images.

# %%
seven, two = images[labels == 7][0], images[labels == 2][0]
kernels_then = trained.get_weights()
maps_of_seven = feature_maps(trained, seven)
maps_of_two = feature_maps(trained, two)
kernels_now = trained.get_weights()

assert not np.array_equal(maps_of_seven["conv2d"], maps_of_two["conv2d"])
assert all(map(np.array_equal, kernels_then, kernels_now))

# Flatten and Dropout pass on the numbers of the pool before them.
computed = set(maps_of_seven) - {"flatten", "dropout"}
activations = sum(maps_of_seven[name].size for name in computed)
print(f"{activations:,} activations for one image, {total:,} parameters for all")

by_layer = [26 * 26 * 32, 13 * 13 * 32, 11 * 11 * 64, 5 * 5 * 64, 10]
assert activations == sum(by_layer) == 36_394

# %% [markdown]
# ## What the network sees of a 7
#
# Here is the digit, and what each layer makes of it. Every small picture is one feature
# map; within a layer they share one scale.

# %%
drawn = ["conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1", "dense"]
figure = plot_feature_maps(
    {"input": seven} | {name: maps_of_seven[name] for name in drawn}
)
show(
    figure,
    alt="A handwritten 7; below it 32 maps of 26 by 26 in which different strokes and "
    "edges of the 7 light up, the same at 13 by 13, then 64 maps of 11 by 11 with "
    "sparse blobs, the same at 5 by 5, and ten bars of which the eighth, for class 7, "
    f"is at {maps_of_seven['dense'][7]:.2f}.",
    caption="A real digit on its way through the network (measured when this page is "
    "built). The first maps still look like a 7; the later ones say where some "
    "combination of strokes was found.",
)

assert [maps_of_seven[name].shape for name in drawn] == [
    (26, 26, 32),
    (13, 13, 32),
    (11, 11, 64),
    (5, 5, 64),
    (10,),
]
assert maps_of_seven["dense"].argmax() == 7
empty = {name: float(np.mean(maps_of_seven[name] == 0)) for name in drawn[:4]}
assert empty["conv2d_1"] > 0.5  # its blobs are sparse

# %% [markdown]
# The first maps look like the edge pictures of the earlier tutorials. Are the kernels
# that make them relatives of Sobel's two, red beside blue, a difference across some
# direction? Nobody put such kernels there. We can ask how much of each is a mixture of
# the two: the square of its length that they account for. Of a kernel of nine numbers
# drawn at random they account for two ninths on average.
# ([Put one of Sobel's there
# yourself](../kerasconv/play/page/index.html#digit=42&layer=0&map=2&at=12,12).)

# %%
first = trained.get_layer("conv2d").get_weights()[0]  # (3, 3, 1, 32)
sobels = np.stack([kernels.sobel(axis=axis).ravel() for axis in (0, 1)])
sobels = sobels / np.linalg.norm(sobels, axis=1, keepdims=True)  # they are orthogonal
flat = first.reshape(9, 32)
of_sobel = np.square(sobels @ flat).sum(axis=0) / np.square(flat).sum(axis=0)
related = int(np.sum(of_sobel > 0.5))
print(f"Sobel accounts for {of_sobel.mean():.0%} of a kernel on average,")
print(f"and for more than half of {related} of the 32")

assert np.isclose(sobels[0] @ sobels[1], 0)
assert of_sobel.mean() > 2 / 9

# %%
figure = plot_kernels(
    {f"map {i}": first[:, :, 0, i] for i in range(32)},
    columns=8,
)
show(
    figure,
    alt="The 32 kernels of the first convolution, 3 by 3 each, red for positive and "
    f"blue for negative weights. {np.sum(flat.min(axis=0) < 0)} have both colours.",
    caption="All 32 kernels of the first layer, as training left them (drawn from the "
    f"package's weights when this page is built). {related} of them are mostly a "
    "mixture of Sobel's two.",
)

assert first.shape == (3, 3, 1, 32)

# %% [markdown]
# ## A filter of the second convolution is 3 by 3 by 32
#
# It is tempting to think that the second convolution runs 64 little 3 by 3 filters over
# the maps, or that the maps are glued together and flattened before they are used.
# Neither is so. The 32 maps are stacked, like the red, green and blue of a photograph.
# Each of the 64 filters has a 3 by 3 kernel *for each of the 32 maps*, and adds up
# everything:
#
# $$y[i, j, f] = \text{ReLU}\Big(b[f] + \sum_{k=0}^{2} \sum_{l=0}^{2} \sum_{c=0}^{31}
# w[k, l, c, f] \; x[i + k, j + l, c]\Big)$$
#
# That is one sum of 288 products, and we can do it by hand for one value of one map:

# %%
weights, biases = trained.get_layer("conv2d_1").get_weights()
stack = maps_of_seven["max_pooling2d"]  # what the second convolution takes
i, j, f = np.unravel_index(maps_of_seven["conv2d_1"].argmax(), (11, 11, 64))

window = stack[i : i + 3, j : j + 3, :]
by_hand = max(0.0, float(np.sum(window * weights[..., f]) + biases[f]))
by_network = float(maps_of_seven["conv2d_1"][i, j, f])
print(f"map {f} at ({i}, {j}): {by_hand:.5f} by hand, {by_network:.5f} by the network")

assert weights.shape == (3, 3, 32, 64)
assert window.size == 288
assert np.isclose(by_hand, by_network, rtol=1e-2)  # OpenVINO may round to bfloat16

# %% [markdown]
# [Look at this very
# sum](../kerasconv/play/page/index.html#digit=42&layer=2&map=2&at=4,6).
# Which of the 32 maps did this filter listen to? To nearly all, each to a different
# degree (a map that is 0 under the whole window adds nothing):

# %%
shares = np.sum(window * weights[..., f], axis=(0, 1))
loudest = np.argsort(-np.abs(shares))[:3]
print(f"{np.count_nonzero(shares)} of 32 maps contribute")
print("largest contributions:", {int(c): round(float(shares[c]), 2) for c in loudest})
print(f"their sum is {shares.sum():.4f}, plus the bias {biases[f]:.4f}")

assert 24 < np.count_nonzero(shares) <= 32
assert np.isclose(max(0.0, shares.sum() + biases[f]), by_hand, rtol=1e-4)

# %% [markdown]
# Only after the last pool is the stack of 5 by 5 by 64 written out as one line of 1,600
# numbers, row by row, the 64 maps of a place side by side. Flatten computes nothing.

# %%
block, line = maps_of_seven["max_pooling2d_1"], maps_of_seven["flatten"]
row, column, channel = 3, 1, 40

assert line.shape == (1600,)
assert line[(row * 5 + column) * 64 + channel] == block[row, column, channel]

# %% [markdown]
# ## What dropout drops
#
# Not parameters. In training, and only then, `Dropout(0.5)` sets a random half of the
# *activations* that pass it to zero, another half each time, so that no unit can lean
# on a single other one. Those that stay are multiplied by $1 / (1 - \text{rate})$, here
# 2, so that the next layer still receives as much on average. When the network is used,
# everything passes untouched.

# %%
dropout = keras.layers.Dropout(0.5, seed=1)
ones = np.ones((1, 1600), "float32")
training = keras.ops.convert_to_numpy(dropout(ones, training=True))
using = keras.ops.convert_to_numpy(dropout(ones, training=False))

values, counts = np.unique(training, return_counts=True)
print("in training:", dict(zip(values.tolist(), counts.tolist(), strict=True)))
print(f"mean: {training.mean():.3f} in training, {using.mean():.3f} in use")

assert values.tolist() == [0, 2]
assert abs(training.mean() - 1) < 0.15
assert np.array_equal(using, ones)
assert dropout.count_params() == 0
assert np.array_equal(maps_of_seven["dropout"], maps_of_seven["flatten"])

# %% [markdown]
# ## Does pooling let the network take images of any size?
#
# The convolutions and pools do not care about the size. `Dense` does: it has a weight
# for each of exactly 1,600 values. A pool of fixed windows does not help with that.
# *Global* pooling does: it leaves one number for each map, whatever the size of the
# map.

# %%
any_size = keras.Sequential(
    [
        keras.Input((None, None, 1)),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
for size in (28, 40):
    answer = any_size(np.zeros((1, size, size, 1), "float32"))
    print(f"{size} by {size} pixels in, {tuple(answer.shape)[1]} numbers out")
    assert tuple(answer.shape) == (1, 10)

try:
    model(np.zeros((1, 40, 40, 1), "float32"))
    refused = False
except ValueError:
    refused = True
print("Flatten and Dense(1600) refuse 40 by 40:", refused)
assert refused

# %% [markdown]
# ## Exercises
#
# **1.** How many parameters would the network have for colour photographs of 32 by 32
# pixels and two classes? Work it out on paper first.
#
# <details><summary>Answer</summary>
#
# The first filters see 3 channels: 3·3·3·32 + 32 = 896. The second convolution does not
# change: 18,496. The sides go 32 → 30 → 15 → 13 → 6, so Dense has 6·6·64·2 + 2 = 4,610.
# Together 24,002: fewer than before, since two classes need only a fifth of the Dense
# layer.
#
# </details>

# %% tags=["hide-cell"]
photographs = mnist_cnn(weights=None, input_shape=(32, 32, 3), num_classes=2)
assert photographs.count_params() == 896 + 18_496 + 4_610 == 24_002

# %% [markdown]
# **2.** Eleven became five and a row was lost. Which pixels of the 28 by 28 image can
# have no influence on the answer at all?
#
# <details><summary>Answer</summary>
#
# Go backwards. The last pool reads rows 0 to 9 of 11; they come from rows 0 to 11 of
# the 13; those from rows 0 to 23 of the 26; and those from rows 0 to 25 of the image.
# So the last two rows, 26 and 27, and likewise the last two columns, are never read.
# Little is lost: less than a hundredth of the ink of our digits is there.
#
# </details>

# %% tags=["hide-cell"]
at_the_rim = images[:, 26:].sum() + images[:, :26, 26:].sum()
assert at_the_rim < 0.01 * images.sum()

scribbled = seven.copy()
scribbled[26:, :], scribbled[:, 26:] = 1, 1
answer_then = model.predict(seven[None], verbose=0)
answer_now = model.predict(scribbled[None], verbose=0)
assert np.array_equal(answer_then, answer_now)

scribbled[25, :] = 1  # one row further in, and the answer moves
assert not np.array_equal(answer_then, model.predict(scribbled[None], verbose=0))

# %% [markdown]
# **3.** Two 3 by 3 convolutions on top of each other look at 5 by 5 pixels of the
# input. One 5 by 5 convolution does too. Which has fewer parameters, with 64 channels
# in and out, and what else do you get?
#
# <details><summary>Answer</summary>
#
# Two small ones: 2 · (3·3·64·64 + 64) = 73,856 against 5·5·64·64 + 64 = 102,464. And a
# second ReLU between them, so that the pair can express things that the single one
# cannot.
#
# </details>

# %% tags=["hide-cell"]
small, large = (
    keras.Sequential(
        [keras.Input((None, None, 64))]
        + [keras.layers.Conv2D(64, size) for size in kernel_sizes]
    ).count_params()
    for kernel_sizes in ([3, 3], [5])
)
assert (small, large) == (73_856, 102_464)

# %% [markdown]
# **4.** Does dropout change what the network answers when you call
# `model(images, training=True)` twice? And `model.predict`?
#
# <details><summary>Answer</summary>
#
# With `training=True` each call drops another half, so two calls differ. `predict` runs
# in inference mode, where dropout does nothing: it gives the same every time.
#
# </details>

# %% tags=["hide-cell"]
once, again = (
    keras.ops.convert_to_numpy(model(images[:8], training=True)) for _ in range(2)
)
# OpenVINO, which cannot train, draws the same half every time.
assert not np.array_equal(once, again) or keras.backend.backend() == "openvino"
calm, still = (model.predict(images[:8], verbose=0) for _ in range(2))
assert np.array_equal(calm, still)

# %% [markdown]
# **Next:** [Training and backpropagation](05_training_and_backpropagation.py): how the
# kernels come to be what they are.
