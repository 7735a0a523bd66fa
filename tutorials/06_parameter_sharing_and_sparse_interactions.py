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
# # Parameter sharing and sparse interactions
#
# **What you will learn.** How many weights a dense layer would need for the work of the
# first convolution, and where the saving comes from; a small convolution rebuilt as a
# dense layer, with the same output; what sharing buys besides memory: a shifted image
# gives shifted maps; what is shared and what is not; where the memory goes; and what
# tied weights in an autoencoder are.
#
# **Reading time:** 13 minutes.
#
# Every number and figure below is computed when this page is built. Nothing is trained
# here, so any backend will do.

# %%
from kerasconv import backends

print("Keras computes this page with", backends.activate())

# %%
import keras
import numpy as np

from kerasconv.digits import load_digits
from kerasconv.layers import SobelConv
from kerasconv.models import dense_classifier, mnist_cnn
from kerasconv.pictures import example_photo, read_photo
from kerasconv.plotting import (
    plot_digits,
    plot_feature_maps,
    plot_kernels,
    plot_lines,
    show,
)
from kerasconv.predict import Predictor
from kerasconv.tutorials import is_fast

fast = is_fast()  # the tests set KERASCONV_FAST=1, for smaller data
images, labels = load_digits()


def to_numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


# %% [markdown]
# ## What would a dense layer cost?
#
# The first convolution of the [network](04_the_network.py) turns 28 · 28 = 784 pixels
# into 26 · 26 · 32 = 21,632 numbers. A dense layer that does the same job joins every
# input to every output by a weight of its own, and has a bias for every output.

# %%
inputs, outputs = 28 * 28, 26 * 26 * 32
dense_weights = inputs * outputs + outputs
convolution_weights = 3 * 3 * 1 * 32 + 32
print(f"dense: {dense_weights:,}   convolution: {convolution_weights}")

assert dense_weights == 16_981_120
assert convolution_weights == 320
first = mnist_cnn(weights=None).layers[0]
assert first.count_params() == convolution_weights

# %% [markdown]
# Fifty-three thousand times as many. Two ideas save that, and each works without the
# other:
#
# - **Sparse interactions.** An output looks at 9 pixels, not at 784. With weights of
#   its own for each of the 21,632 outputs, that layer would have 9 · 21,632 + 21,632 =
#   216,320 parameters.
# - **Parameter sharing.** All 676 places of a map use the *same* nine weights and the
#   same bias.

# %%
sparse_weights = 9 * outputs + outputs
print(f"sparse, not shared: {sparse_weights:,}")
print(f"sparse interactions save a factor of {dense_weights / sparse_weights:.1f}")
print(f"sharing saves a factor of {sparse_weights / convolution_weights:.0f}")

assert sparse_weights == 216_320
assert sparse_weights == 26 * 26 * convolution_weights  # one set for each place

# %% [markdown]
# Only the first idea saves work. Shared or not, each output costs nine multiplications:

# %%
print(f"multiplications: dense {inputs * outputs:,}, convolution {9 * outputs:,}")
assert (inputs * outputs, 9 * outputs) == (16_959_488, 194_688)

# %% [markdown]
# ## A convolution is a dense layer in disguise
#
# On paper that is clear; now in code. Take a small convolution: two filters of 3 by 3
# on an image of 6 by 6, so 36 numbers in and 4 · 4 · 2 = 32 out. It is linear but for
# its bias, so we learn its dense matrix by asking: what comes out when only one pixel
# is 1? Thirty-six questions give the 36 rows of the matrix.

# %%
conv = keras.layers.Conv2D(2, 3, bias_initializer="random_normal")
one_pixel_each = np.eye(36, dtype="float32").reshape(36, 6, 6, 1)
conv.build(one_pixel_each.shape)
kernel, bias = conv.get_weights()
answers = to_numpy(keras.ops.conv(one_pixel_each, kernel))  # bias aside

dense = keras.layers.Dense(32)
dense.build((None, 36))
dense.set_weights([answers.reshape(36, 32), np.tile(bias, 16)])

test = np.random.default_rng(0).normal(size=(5, 6, 6, 1)).astype("float32")
by_conv = to_numpy(conv(test)).reshape(5, 32)
by_dense = to_numpy(dense(test.reshape(5, 36)))
print(f"largest difference: {np.abs(by_conv - by_dense).max():.1e}")
print(f"parameters: {conv.count_params()} and {dense.count_params():,}")

assert np.allclose(by_conv, by_dense, atol=1e-5)
assert conv.count_params() == 3 * 3 * 2 + 2 == 20
assert dense.count_params() == 36 * 32 + 32 == 1_184

# %% [markdown]
# The same output from a matrix of 1,152 weights. Look at the matrix: sparse
# interactions are its zeros, parameter sharing the same nine values again and again,
# moved along.

# %%
matrix = dense.get_weights()[0]
of_first_filter = matrix.reshape(36, 16, 2)[..., 0]
figure = plot_kernels({"filter 0": of_first_filter})
show(
    figure,
    alt="A tall matrix of 36 rows and 16 columns, mostly white. Each column holds the "
    "same nine coloured values in three groups of three, one or more rows further down "
    "than in the column to its left.",
    caption="The first filter as a dense matrix (computed when this page is built). "
    "Down the 36 pixels, across the 16 places of the window; white is zero.",
)

filled = np.abs(of_first_filter) > 0
values = np.unique(of_first_filter[filled])
print(f"{filled.mean():.0%} of the matrix is not zero; {len(values)} different values")

assert matrix.shape == (36, 32)
assert filled.sum() == 9 * 16
assert (filled.sum(axis=0) == 9).all()  # in each of the 16 columns
assert len(values) == 9
assert np.array_equal(values, np.unique(kernel[..., 0]))

# %% [markdown]
# ## What sharing buys: equivariance
#
# Since every place uses the same weights, it does not matter *where* a stroke is: shift
# the image, and the maps shift along. This is called translation **equivariance**. We
# can measure it: shift, then convolve; convolve, then shift; compare where both are
# defined.

# %%
digit = images[labels == 4][0]
network = mnist_cnn()
first = network.get_layer("conv2d")


def shifted(image, down, right):
    return np.roll(image, (down, right), axis=(0, 1))


maps = to_numpy(first(digit[None]))[0]
maps_of_shifted = to_numpy(first(shifted(digit, -3, -2)[None]))[0]
inside = slice(4, 22)  # away from the border, where pixels entered or left
difference = np.abs(shifted(maps, -3, -2) - maps_of_shifted)[inside, inside].max()
print(f"convolution: largest difference {difference:.1e}")

assert difference < 1e-5

unshared = keras.layers.Dense(26 * 26)
flat = to_numpy(unshared(digit.reshape(1, -1))).reshape(26, 26)
flat_of_shifted = to_numpy(unshared(shifted(digit, -3, -2).reshape(1, -1)))
dense_difference = np.abs(shifted(flat, -3, -2) - flat_of_shifted.reshape(26, 26))
print(f"dense layer: largest difference {dense_difference[inside, inside].max():.1f}")

assert dense_difference[inside, inside].max() > 0.1

# %%
strongest = int(np.argmax(maps.max(axis=(0, 1))))
figure = plot_feature_maps(
    {
        "digit, and shifted by 3 up and 2 left": np.concatenate(
            [digit, shifted(digit, -3, -2)], axis=-1
        ),
        "one of its maps, and that of the shifted digit": np.stack(
            [maps[..., strongest], maps_of_shifted[..., strongest]], axis=-1
        ),
    }
)
show(
    figure,
    alt="A handwritten four and the same further up and to the left; below each, the "
    "same feature map of it, shifted in the same way.",
    caption="The image moves, and the map moves with it, unchanged (measured when this "
    "page is built).",
)

map_moved = shifted(maps[..., strongest], -3, -2)[inside, inside]
assert np.allclose(map_moved, maps_of_shifted[inside, inside, strongest], atol=1e-5)

# %% [markdown]
# Equivariant is not invariant: the map did change, it moved. And a pool breaks the rule
# a little. With windows of 2 that do not overlap, a shift by two pixels is a shift by
# one place; a shift by one pixel falls between the places.

# %%
pool = keras.layers.MaxPooling2D(2)
pooled = to_numpy(pool(maps[None]))[0]
by_shift = {}
for pixels in (1, 2, 3, 4):
    moved = to_numpy(pool(to_numpy(first(shifted(digit, pixels, 0)[None]))))[0]
    expected = shifted(pooled, pixels // 2, 0)
    by_shift[pixels] = float(np.abs(moved - expected)[3:10, 3:10].max())
    print(f"shift by {pixels}: largest difference {by_shift[pixels]:.1e}")

assert max(by_shift[2], by_shift[4]) < 1e-5
assert min(by_shift[1], by_shift[3]) > 0.01

# %% [markdown]
# So how robust is a whole network, with its two pools and a Dense layer that has
# weights for each place? Shift all 64 digits and count. The default weights of the
# package will not do for this question: they were trained on digits that were shifted
# on purpose, and have learned to bear it. We take the weights `course`, trained on
# MNIST as it is, and beside them a dense network of the same size, trained on the same
# images.

# %%
readers = {
    "convolutions": Predictor(mnist_cnn(weights="course")),
    "dense": Predictor(dense_classifier()),
}
shifts = range(0, 5, 2 if fast else 1)
still_right = {name: [] for name in readers}
for pixels in shifts:
    directions = [(pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)]
    moved = np.concatenate(
        [np.roll(images, direction, axis=(1, 2)) for direction in directions]
    )
    for name, predictor in readers.items():
        answers = predictor(moved).argmax(axis=1)
        still_right[name].append(float(np.mean(answers == np.tile(labels, 4))))
    shares = ", ".join(
        f"{name} {shares[-1]:.0%}" for name, shares in still_right.items()
    )
    print(f"right at a shift by {pixels} pixels: {shares}")

lost = {name: shares[0] - shares[-1] for name, shares in still_right.items()}
assert min(shares[0] for shares in still_right.values()) > 0.9
assert lost["dense"] > 1.5 * lost["convolutions"] > 0.15

figure = plot_lines(
    still_right,
    x=list(shifts),
    xlabel="shift (pixels, mean of four directions)",
    ylabel="share of digits right",
)
show(
    figure,
    alt="Two falling curves of digits read right. "
    + " ".join(
        f"{name.capitalize()}: {shares[0]:.0%} without a shift, "
        f"{shares[-1]:.0%} at the largest."
        for name, shares in still_right.items()
    ),
    caption=f"At a shift of {shifts[-1]} pixels convolution and pooling have lost "
    f"{100 * lost['convolutions']:.0f} points, the dense network "
    f"{100 * lost['dense']:.0f}: they forgive small shifts better, and no more than "
    "that (measured when this page is built).",
)

# %% [markdown]
# ## Shared over what?
#
# The same filter is used at all *positions* and for all *images*. It is not shared over
# the *channels*: for red, green and blue it has three sets of nine weights. A
# convolution for colour photographs is larger, and it matters which channel is which.

# %%
photo = read_photo(example_photo())  # a cat, in colour, in [0, 1]
colour = keras.layers.Conv2D(32, 3)
as_is = to_numpy(colour(photo[None]))
swapped = to_numpy(colour(photo[None, ..., ::-1]))

print(f"grey {convolution_weights}, colour {colour.count_params()} parameters")
print(f"red and blue swapped: up to {np.abs(as_is - swapped).max():.2f} apart")

assert colour.count_params() == 3 * 3 * 3 * 32 + 32 == 896
assert np.abs(as_is - swapped).max() > 0.01

# %% [markdown]
# Sharing over channels exists too, and you have met it: `SobelConv` applies the same
# two kernels to each channel by itself. Swap the channels, and its maps only swap
# places.

# %%
sobel = SobelConv()  # (dy, dx) of red, of green, of blue
edges = to_numpy(sobel(photo[None])).reshape(*photo.shape[:2], 3, 2)
edges_swapped = to_numpy(sobel(photo[None, ..., ::-1])).reshape(edges.shape)

assert np.allclose(edges[:, :, ::-1], edges_swapped, atol=1e-5)
assert sobel.count_params() == 0

# %% [markdown]
# And sharing over images: a batch is convolved as its images would be, one by one.

# %%
together = to_numpy(first(images[:8]))
apart = np.concatenate([to_numpy(first(image[None])) for image in images[:8]])
assert np.allclose(together, apart, atol=1e-5)

# %% [markdown]
# ## Where the memory goes
#
# A weight is a 32-bit float: 4 bytes. Let NumPy do the counting.

# %%
megabyte = 1e6
dense_bytes = np.broadcast_to(np.float32(0), (inputs + 1, outputs)).nbytes
conv_bytes = sum(w.nbytes for w in first.get_weights())
map_bytes = maps.nbytes
print(f"dense equivalent  {dense_bytes / megabyte:8.2f} MB of weights")
print(f"convolution       {conv_bytes / megabyte:8.5f} MB of weights")
print(f"its maps          {map_bytes / megabyte:8.3f} MB for one image")
print(f"                  {128 * map_bytes / megabyte:8.1f} MB for a batch of 128")

assert dense_bytes == 4 * 16_981_120
assert conv_bytes == 4 * 320
assert map_bytes == 4 * 21_632

# %% [markdown]
# The 68 MB of weights are gone. But see what is left: the *maps* of a single image take
# 68 times the memory of the weights that made them. Sharing shrinks parameters, not
# activations; in training, where all activations are kept for the way back, they are
# what fills the memory. (Adam keeps two more numbers for every parameter, which here is
# little; for the dense equivalent it would be another 136 MB.)
#
# ## Tied weights in an autoencoder
#
# "Weight tying" also names another thing. An autoencoder squeezes an image through a
# few numbers and rebuilds it. The decoder may use the encoder's own weights,
# *transposed*: one matrix, used twice, in two layers. There is no window here.


# %%
class TiedDecoder(keras.layers.Layer):
    """The code times the encoder's own kernel, transposed, plus a shift."""

    def __init__(self, encoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder

    def build(self, input_shape):
        pixels = self.encoder.kernel.shape[0]
        self.shift = self.add_weight(name="shift", shape=(pixels,), initializer="zeros")

    def call(self, code):
        kernel = keras.ops.convert_to_tensor(self.encoder.kernel)
        return keras.ops.matmul(code, keras.ops.transpose(kernel)) + self.shift


code_size = 16
encoder = keras.layers.Dense(code_size, name="encoder", use_bias=False)
decoder = TiedDecoder(encoder)
autoencoder = keras.Sequential([keras.Input((784,)), encoder, decoder])
untied = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.Dense(code_size, use_bias=False),
        keras.layers.Dense(784),
    ]
)
print(f"tied: {autoencoder.count_params():,}   untied: {untied.count_params():,}")

assert autoencoder.count_params() == 784 * code_size + 784 == 13_328
assert untied.count_params() == 2 * 784 * code_size + 784 == 25_872

# %% [markdown]
# We need not train it. For a linear tied autoencoder the best weights are known: the
# principal components of the data, which NumPy finds with a singular value
# decomposition.

# %%
flat = images.reshape(64, 784)
mean = flat.mean(axis=0)
_, _, directions = np.linalg.svd(flat - mean, full_matrices=False)
components = directions[:code_size].T  # (784, 16), orthonormal columns

encoder.set_weights([components])
decoder.shift.assign(mean - components @ (components.T @ mean))
rebuilt = to_numpy(autoencoder(flat))
kept = 1 - np.sum((flat - rebuilt) ** 2) / np.sum((flat - mean) ** 2)
print(f"16 numbers in place of 784 keep {kept:.0%} of the variance")

by_svd = mean + (flat - mean) @ components @ components.T
assert np.allclose(rebuilt, by_svd, atol=1e-4)
assert 0.5 < kept < 1

some = np.arange(2, 60, 6)
figure = plot_digits(
    np.concatenate([flat[some], rebuilt[some]]).reshape(-1, 28, 28).clip(0, 1),
    columns=10,
)
show(
    figure,
    alt="Ten digits above, and below each the same digit, blurred but mostly legible.",
    caption="Above the digits, below what a tied autoencoder makes of them from 16 "
    "numbers each (measured when this page is built).",
)

assert (len(some), code_size) == (10, 16)

# %% [markdown]
# Tied means one variable: change the encoder, and the decoder has changed.

# %%
encoder.set_weights([np.zeros_like(components)])
assert np.allclose(to_numpy(autoencoder(flat)), to_numpy(decoder.shift))

# %% [markdown]
# The two ideas meet in convolutional autoencoders, whose decoder may be the
# *transposed* convolution with the encoder's kernel. "Transposed" is meant literally:
# it is the transpose of the dense matrix that we built above.

# %%
code = np.random.default_rng(1).normal(size=(1, 4, 4, 2)).astype("float32")
back = to_numpy(keras.ops.conv_transpose(code, kernel, strides=1, padding="valid"))
by_matrix = (matrix @ code.reshape(32)).reshape(6, 6)

assert back.shape == (1, 6, 6, 1)
assert np.allclose(back[0, ..., 0], by_matrix, atol=1e-5)

# %% [markdown]
# ## Exercises
#
# **1.** The second convolution makes 11 · 11 · 64 numbers from 13 · 13 · 32. What would
# its dense equivalent cost?
#
# <details><summary>Answer</summary>
#
# 5,408 inputs times 7,744 outputs plus 7,744 biases: 41,887,296. The convolution has
# 18,496.
#
# </details>

# %% tags=["hide-cell"]
assert 13 * 13 * 32 * 11 * 11 * 64 + 11 * 11 * 64 == 41_887_296
assert network.get_layer("conv2d_1").count_params() == 18_496

# %% [markdown]
# **2.** Is a convolution equivariant to turning the image by 90 degrees?
#
# <details><summary>Answer</summary>
#
# No. The kernel would have to turn with it. It is if you turn both, or if the kernel
# looks the same after a quarter turn, as the Laplacian does.
#
# </details>

# %% tags=["hide-cell"]
turn = {"axes": (1, 2)}
turned_first = to_numpy(first(np.rot90(digit[None], **turn)))
turned_last = np.rot90(to_numpy(first(digit[None])), **turn)
assert not np.allclose(turned_first, turned_last, atol=1e-2)

weights, biases = first.get_weights()
turning = keras.layers.Conv2D(32, 3, activation="relu")
turning.build((None, 28, 28, 1))
turning.set_weights([np.rot90(weights, axes=(0, 1)), biases])
both_turned = to_numpy(turning(np.rot90(digit[None], **turn)))
assert np.allclose(both_turned, turned_last, atol=1e-5)

# %% [markdown]
# **3.** With `padding="same"` a convolution keeps the size. Is it still exactly
# equivariant, up to the border of the image?
#
# <details><summary>Answer</summary>
#
# Not at the border. There the kernel sees zeros that are no part of the image, and they
# do not shift with it. (On a shift around a torus, `border_mode="wrap"`, it is exact
# everywhere.)
#
# </details>

# %% tags=["hide-cell"]
roll = {"shift": (5, 7), "axis": (1, 2)}
for border_mode, exact in (("wrap", True), ("constant", False)):
    layer = SobelConv(border_mode=border_mode)
    one = np.roll(to_numpy(layer(photo[None])), **roll)
    other = to_numpy(layer(np.roll(photo[None], **roll)))
    assert np.allclose(one, other, atol=1e-5) == exact

# %% [markdown]
# **4.** How many parameters has a convolution with a 1 by 1 kernel, from 64 channels to
# 16? Which dense layer is it, and what does it share?
#
# <details><summary>Answer</summary>
#
# 64·16 + 16 = 1,040. It is `Dense(16)` applied to the channels of each pixel, the same
# for all pixels. (Keras's `Dense` does just that when its input has more
# axes.)
#
# </details>

# %% tags=["hide-cell"]
pointwise, channels = keras.layers.Conv2D(16, 1), keras.layers.Dense(16)
stack = np.random.default_rng(2).normal(size=(2, 5, 5, 64)).astype("float32")
pointwise.build(stack.shape)
channels.build(stack.shape)
channels.set_weights([pointwise.get_weights()[0][0, 0], pointwise.get_weights()[1]])
assert pointwise.count_params() == channels.count_params() == 1_040
assert np.allclose(to_numpy(pointwise(stack)), to_numpy(channels(stack)), atol=1e-5)

# %% [markdown]
# **Next:** [One model, every backend](07_one_model_every_backend.py): the same file,
# five engines.
