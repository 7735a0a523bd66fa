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
# # Pooling
#
# **What you will learn.** What max, average, L2 and weighted pooling keep of an edge
# map and what they throw away; why 11 becomes 5; where the parameters go although
# pooling has none; how robust it makes a network against small shifts, measured; and
# which pooling really copes with images of any size.
#
# **Reading time:** 10 minutes.
#
# Every number and every figure below is computed when this page is built, from the real
# handwritten digits in the package.

# %%
from kerasconv import backends

print("Keras computes this page with", backends.activate())

# %%
import keras
import numpy as np
from keras import layers

from kerasconv import plotting, tutorials
from kerasconv.digits import load_digits
from kerasconv.layers import FixedConv, L2Pool, PrewittConv, SobelConv, WeightedPool

images, labels = load_digits()
if tutorials.is_fast():
    images, labels = images[::8], labels[::8]

# %% [markdown]
# ## The question: do we need both?
#
# On [the page before](02_edges_in_two_dimensions.py) each edge came out twice: the
# window just before the step saw it, and so did the one just after.


# %%
def apply(layer, maps):
    """Maps of shape (height, width) or (count, height, width, 1) through a layer."""
    maps = np.asarray(maps, "float32")
    batch = maps if maps.ndim == 4 else maps[None, ..., None]
    result = keras.ops.convert_to_numpy(layer(batch))
    return result if maps.ndim == 4 else result[0, ..., 0]


image = np.full((6, 8), 2)
image[:, 5:] = 7
edges = apply(PrewittConv(axis=1), image)
pooled = apply(layers.MaxPooling2D(2), edges)

plotting.show(
    plotting.plot_images({"edges": edges, "after pooling": pooled}),
    alt="Left: a 6 by 8 edge map, zero but for two columns of 15 side by side. Right: "
    "the 3 by 4 result of pooling, zero but for one column of 15.",
    caption="Max pooling keeps the largest of every two by two pixels: a quarter of "
    "the numbers, and the edge is still there.",
)

assert (edges.shape, pooled.shape) == ((6, 8), (3, 4))

assert edges[0].tolist() == [0, 0, 0, 0, 15, 15, 0, 0]
assert pooled[0].tolist() == [0, 0, 15, 0]

# %% [markdown]
# To know *that* there is an edge one number is enough. What we lose is *where exactly*:
# a bright pixel may stand anywhere in its window, the result is the same.

# %%
for row, column in np.ndindex(2, 2):
    window = np.zeros((2, 2))
    window[row, column] = 15
    assert apply(layers.MaxPooling2D(2), window) == 15

# %% [markdown]
#
# ## Four ways to sum up a window
#
# Pooling slides a window over every map and replaces it by one number. The largest is
# one choice. Others are the **average**; the **L2** norm, $\sqrt{\sum x^2}$, the length
# of the window taken as an arrow; and a **weighted** average that trusts a pixel the
# more the nearer it is to the window's centre.

# %%
POOLS = {
    "max": layers.MaxPooling2D(2),
    "average": layers.AveragePooling2D(2),
    "L2": L2Pool(2),
    "weighted": WeightedPool(3, strides=2),
}

edge_map = apply(SobelConv(output="magnitude"), images[0, ..., 0])
by_pool = {name: apply(pool, edge_map) for name, pool in POOLS.items()}

plotting.show(
    plotting.plot_images({"edge map": edge_map, **by_pool}, columns=5),
    alt="The edges of a handwritten zero, 28 by 28 pixels, and four pooled versions of "
    "half the size, the same ring, coarser. The mean of each beside its largest value: "
    + ", ".join(f"{n} {found.mean() / found.max():.2f}" for n, found in by_pool.items())
    + ".",
    caption="One edge map and its four summaries. In each picture white is its own "
    "largest value.",
)

assert edge_map.shape == (28, 28)
assert {len(found) for found in by_pool.values()} <= {13, 14}

for name, found in by_pool.items():
    print(f"{name:9} {found.shape}  largest {found.max():.2f}  mean {found.mean():.2f}")

# %% [markdown]
# For one and the same window the four stand in a fixed order. The average of four
# values is at most half their L2 norm, that half is at most the largest, and the
# largest is at most the whole L2 norm:

# %%
slack = 1e-5
assert (by_pool["average"] <= by_pool["L2"] / 2 + slack).all()
assert (by_pool["L2"] / 2 <= by_pool["max"] + slack).all()
assert (by_pool["max"] <= by_pool["L2"] + slack).all()

# %% [markdown]
# ### What each keeps
#
# "The most important element" is what *max* keeps. Three windows tell them apart:

# %%
WINDOWS = {
    "one strong pixel": [[8, 0], [0, 0]],
    "four strong pixels": [[8, 8], [8, 8]],
    "four weak pixels": [[2, 2], [2, 2]],
}
table = {}
for what, window in WINDOWS.items():
    table[what] = [
        float(apply(POOLS[name], window)[0, 0]) for name in ("max", "average", "L2")
    ]
    print(f"{what:19}", dict(zip(("max", "average", "L2"), table[what], strict=True)))

assert table == {
    "one strong pixel": [8, 2, 8],
    "four strong pixels": [8, 8, 16],
    "four weak pixels": [2, 2, 4],
}

# %% [markdown]
# *Max* sees whether there is a strong pixel, not how many: the first two windows are
# the same to it. *Average* sees how much there is in all, not whether it is
# concentrated: the first and the third are the same to it. *L2* tells all three apart:
# it adds up squares, as the magnitude of a gradient does.
#
# *Weighted* pooling is about the place. Its usual window is 3 wide, because in a window
# of 2 by 2 all four pixels are equally far from the centre:

# %%
centre, corner = np.zeros((2, 3, 3))
centre[1, 1] = corner[0, 0] = 16
weighted = [float(apply(POOLS["weighted"], w)[0, 0]) for w in (centre, corner)]
average = [float(apply(layers.AveragePooling2D(3), w)[0, 0]) for w in (centre, corner)]
print("weighted", weighted, " average", np.round(average, 2))

assert weighted == [4, 1]
assert average[0] == average[1]
assert np.allclose(apply(WeightedPool(2), edge_map), by_pool["average"], atol=1e-5)

# %% [markdown]
# Its weights are `[1, 2, 1]` across times `[1, 2, 1]` down, divided by 16: the
# smoothing half of the Sobel kernel, twice.
#
# ## Why 11 becomes 5
#
# The stride of a pool is, unless you say otherwise, as long as its window: the windows
# lie side by side. (Those of `WeightedPool` overlap.) From
# [the first page](01_convolution_in_one_dimension.py) we know how many fit:
#
# $$\left\lfloor \frac{11 - 2}{2} \right\rfloor + 1 = 5.$$
#
# Five windows of two cover ten pixels. The eleventh row and the eleventh column are
# dropped; whatever stands there, nobody sees it
# ([look at the last window that there
# is](../kerasconv/play/page/index.html#digit=18&layer=3&map=23&at=4,4)):

# %%
eleven = np.arange(121).reshape(11, 11)
changed = eleven.copy()
changed[-1, :] = changed[:, -1] = 1000

pool = layers.MaxPooling2D(2)
assert apply(pool, eleven).shape == (5, 5)
assert np.array_equal(apply(pool, eleven), apply(pool, changed))

same = layers.MaxPooling2D(2, padding="same")
assert apply(same, eleven).shape == (6, 6)  # the last windows are half empty
assert apply(same, changed).max() == 1000

# %% [markdown]
# ## Where the parameters go
#
# Swap the pool of a trained network, with
# [the same
# weights](../kerasconv/play/page/index.html#layer=1&map=2&at=6,6&pool=same/average)
# or with [weights trained with
# it](../kerasconv/play/page/index.html#layer=1&map=2&at=6,6&pool=trained/average),
# and see what it reads of the test digits.
#
# It is often said that pooling leaves fewer parameters to store. Pooling itself has
# none at all. (One exception: weights that are *learned*, one for each place in the
# window.)

# %%
for name, pool in POOLS.items():
    assert pool.count_params() == 0, name

learned = WeightedPool(3, strides=2, weights="learned")
apply(learned, edge_map)
assert learned.count_params() == 9

# %% [markdown]
# What pooling shrinks are the *activations*, the numbers that flow through. Parameters
# become fewer only where a layer has one for each activation that comes in. In the
# network of [the next page](04_the_network.py) that is the last layer, `Dense`, and
# the effect is large:


# %%
def network(pools):
    """The digit classifier, with the first so many of its two pools."""
    model = keras.Sequential([keras.Input((28, 28, 1))])
    for block, filters in enumerate([32, 64]):
        model.add(layers.Conv2D(filters, 3, activation="relu"))
        if block < pools:
            model.add(layers.MaxPooling2D(2))
    model.add(layers.Flatten())
    model.add(layers.Dense(10, activation="softmax"))
    return model


dense = {pools: network(pools).layers[-1].count_params() for pools in (2, 1, 0)}
for pools, count in dense.items():
    total = network(pools).count_params()
    print(f"{pools} pools: {count:7,} parameters in Dense, {total:7,} in all")

assert dense == {2: 16_010, 1: 77_450, 0: 368_650}
assert network(2).count_params() == 34_826

# %% [markdown]
# Those are `5·5·64·10 + 10`, `11·11·64·10 + 10` and `24·24·64·10 + 10`. The
# convolutions have 320 and 18,496 parameters in all three.
#
# ## Robust against small shifts? Measure it
#
# Nobody writes a digit at the same place twice. We move each digit to the right, by one
# to four pixels, and ask how far its edge map has moved, as an arrow, relative to its
# length: 0 is no change at all, and about 1.4 is what two unrelated maps would give.
# Then we ask the same after pooling.

# %%
edge_layer = SobelConv(output="magnitude")


def change(pool, shift):
    """The median change of the (pooled) edge map when the digit moves."""
    moved = np.roll(images, shift, axis=2)
    before, after = (
        apply(pool, apply(edge_layer, x)).reshape(len(x), -1) for x in (images, moved)
    )
    far = np.linalg.norm(after - before, axis=1) / np.linalg.norm(before, axis=1)
    return float(np.median(far))


shifts = range(5)
curves = {
    name: [change(pool, s) for s in shifts]
    for name, pool in {"no pooling": layers.Identity(), **POOLS}.items()
}
for name, values in curves.items():
    print(f"{name:11}", np.round(values, 2))
at_one = {name: values[1] for name, values in curves.items()}
at_four = [values[4] for values in curves.values()]

plotting.show(
    plotting.plot_lines(
        curves, xlabel="shift (pixels)", ylabel="relative change of the map"
    ),
    alt="Five rising curves from no change at no shift. Changes at one pixel: "
    + ", ".join(f"{name} {value:.2f}" for name, value in at_one.items())
    + f". At four pixels all lie from {min(at_four):.2f} to {max(at_four):.2f}.",
    caption="Measured when this page was built. Every pooling softens a shift of one "
    "pixel; none undoes a shift of four.",
)

assert all(values[0] == 0 and min(np.diff(values)) > 0 for values in curves.values())
assert max(at_one[name] for name in POOLS) < 0.8 * at_one["no pooling"]
assert min(at_one, key=at_one.get) == "weighted"
assert min(at_four) > 0.5

# %% [markdown]
# So pooling makes a network *more* robust against shifts, most of all against those
# smaller than its window; it does not make it indifferent to them. What it does exactly
# is this: a shift by one whole stride in the input is a shift by one pixel in the
# output.

# %%
two_right = np.roll(images, 2, axis=2)
for name in ("max", "average", "L2"):
    before, after = (apply(POOLS[name], x) for x in (images, two_right))
    assert np.allclose(np.roll(before, 1, axis=2), after, atol=1e-6), name

# %% [markdown]
# ## Any size of image?
#
# It is also said that pooling helps with images of varying size. The pools above give
# a larger map for a larger image. `Flatten` turns it into a longer vector, and `Dense`
# has weights for one length only: 1,600 here.

# %%
fixed = network(2)
assert fixed.layers[-1].kernel.shape == (1600, 10)

try:
    fixed(np.zeros((1, 40, 40, 1), "float32"))
except ValueError:
    refused = True
    print("an image of 40x40 is refused")
else:
    refused = False

assert refused

# %% [markdown]
# What does help is **global** pooling: one number for each map, however large the map.

# %%
free = keras.Sequential(
    [
        keras.Input((None, None, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ]
)
for size in (28, 40):
    answer = free(np.zeros((1, size, size + 4, 1), "float32"))
    assert tuple(answer.shape) == (1, 10)

assert free.layers[-1].count_params() == 64 * 10 + 10

# %% [markdown]
# The price is all knowledge of place: 64 numbers say what is in the image but not
# where. And the `Dense` layer shrinks to 650 parameters.
#
# ## Exercises
#
# **1.** Average pooling is a convolution. With which kernel, which stride, which
# border? Is max pooling one, too?

# %% [markdown]
# <details><summary>Answer</summary>
#
# With 1/4 four times, stride 2, no border. Max pooling is none: convolution is linear,
# its result for the sum of two images is the sum of their results. The maximum of a sum
# is not the sum of the maxima.
#
# </details>

# %% tags=["hide-cell"]
as_convolution = FixedConv(np.full((2, 2), 1 / 4), strides=2, padding="valid")
assert np.allclose(apply(as_convolution, edge_map), by_pool["average"], atol=1e-5)

a, b = [[8, 0], [0, 0]], [[0, 0], [0, 8]]
print(
    apply(POOLS["max"], np.add(a, b)), apply(POOLS["max"], a) + apply(POOLS["max"], b)
)

assert apply(POOLS["max"], np.add(a, b)) == 8
assert apply(POOLS["max"], a) + apply(POOLS["max"], b) == 16

# %% [markdown]
# **2.** Take the derivative along x of a digit, not the magnitude, and max-pool it.
# What is missing? Which pool would not have lost it?

# %% [markdown]
# <details><summary>Answer</summary>
#
# Falling edges are negative, and a negative number is not the largest next to a zero:
# of the right sides of the strokes little is left. L2 pooling squares first and keeps
# both. In a network the activation `relu` throws the negative half away as well; one
# that wants both sides needs two kernels of opposite sign.
#
# </details>

# %% tags=["hide-cell"]
dx = apply(SobelConv(axis=1), images[0, ..., 0])
plotting.show(
    plotting.plot_images(
        {
            "along x": dx,
            "max": apply(POOLS["max"], dx),
            "L2": apply(POOLS["L2"], dx),
        }
    ),
    alt="The derivative of a handwritten zero along x, red on the left of each stroke "
    "and blue on the right; after max pooling most of the blue is gone or pale; after "
    "L2 pooling both sides are white on black.",
    caption="Max pooling of a signed map keeps the rising edges and loses the falling.",
)


def falling(edges):
    """The share of the falling edges in all that there is."""
    return np.abs(edges[edges < 0]).sum() / np.abs(edges).sum()


print(f"falling edges: {falling(dx):.0%} before, ", end="")
print(f"{falling(apply(POOLS['max'], dx)):.0%} after")

assert falling(dx) > 0.45
assert falling(apply(POOLS["max"], dx)) < 0.25

# %% [markdown]
# **3.** Pools can overlap. What is the size of a 28 by 28 map after `WeightedPool(3,
# strides=2)`, and after two of them? And with `padding="same"`?

# %% [markdown]
# <details><summary>Answer</summary>
#
# ⌊(28 − 3) / 2⌋ + 1 = 13, then ⌊(13 − 3) / 2⌋ + 1 = 6. With `"same"` ⌈28 / 2⌉ = 14,
# then 7.
#
# </details>

# %% tags=["hide-cell"]
valid, same = WeightedPool(), WeightedPool(padding="same")
assert valid.compute_output_shape((None, 28, 28, 1)) == (None, 13, 13, 1)
assert valid.compute_output_shape((None, 13, 13, 1)) == (None, 6, 6, 1)
assert same.compute_output_shape((None, 28, 28, 1)) == (None, 14, 14, 1)
assert same.compute_output_shape((None, 14, 14, 1)) == (None, 7, 7, 1)

# %% [markdown]
# **Next:** [The network](04_the_network.py)
