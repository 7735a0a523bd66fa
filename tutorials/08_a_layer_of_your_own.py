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
# # A layer of your own
#
# **What you will learn.** That every layer of this package is one idea, a window and
# what it sees; how to write a new one in twenty lines that works for signals, images
# and volumes on every backend; and how to have its promises checked, some fifty of
# them, by one call.
#
# **Reading time:** 10 minutes.
#
# Every number and every figure below is computed when this page is built.

# %%
from kerasconv import backends

print("Keras computes this page with", backends.activate())

# %%
from functools import reduce

import keras
import numpy as np
from scipy import ndimage

from kerasconv import plotting, tutorials
from kerasconv.layers import L2Pool, SobelConv, WeightedPool, Window, WindowLayer
from kerasconv.pictures import example_photo, read_photo
from kerasconv.testing import ContractError, check_layer, list_checks

# %% [markdown]
# ## A window and its taps
#
# Convolution and pooling differ in what they do with a window, not in how the window
# moves. So the package moves it in one place, `Window`, and hands out the **taps**: for
# each cell of the window one tensor that holds what this cell sees, at all places at
# once. A window of two by two has four taps.

# %%
numbers = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
window = Window.of(rank=2, size=2, strides=2, data_format="channels_last")
taps = window.taps(keras.ops.convert_to_tensor(numbers))

cells = ["upper left", "upper right", "lower left", "lower right"]
pictures = {
    cell: keras.ops.convert_to_numpy(tap)[0, ..., 0]
    for cell, tap in zip(cells, taps, strict=True)
}

plotting.show(
    plotting.plot_images({"input": numbers[0, ..., 0], **pictures}),
    alt="A 4 by 4 array of the numbers 0 to 15 and its four taps, each 2 by 2: upper "
    "left 0 2 8 10, upper right 1 3 9 11, lower left 4 6 12 14, lower right 5 7 13 15.",
    caption="The four taps of a two by two window with stride 2. Each is a shifted, "
    "subsampled copy of the input; the same place in all four is one window.",
)

assert numbers.shape == (1, 4, 4, 1)
assert numbers.ravel().tolist() == [*range(0, 15), 15]
assert [picture.ravel().tolist() for picture in pictures.values()] == [
    [0, 2, 8, 10],
    [1, 3, 9, 11],
    [4, 6, 12, 14],
    [5, 7, 13, 15],
]
assert {picture.shape for picture in pictures.values()} == {(2, 2)}

# %% [markdown]
# With taps in hand, the pools of [the third page](03_pooling.py) are one line each. No
# loop over places is needed, no index arithmetic, and the line is the same for any
# number of axes:

# %%
ops = keras.ops
one_line_each = {
    "max": (reduce(ops.maximum, taps), keras.layers.MaxPooling2D(2)),
    "average": (sum(taps) / 4, keras.layers.AveragePooling2D(2)),
    "L2": (ops.sqrt(sum(tap**2 for tap in taps)), L2Pool(2)),
    "weighted": (
        sum(w * tap for w, tap in zip([0.1, 0.2, 0.3, 0.4], taps, strict=True)),
        WeightedPool(2, weights=[[0.1, 0.2], [0.3, 0.4]]),
    ),
}
for name, (line, layer) in one_line_each.items():
    ours, theirs = (ops.convert_to_numpy(x) for x in (line, layer(numbers)))
    assert np.allclose(ours, theirs, rtol=1e-5), name

# %% [markdown]
# ## An idea that is not there yet
#
# Keras pools by the largest value of a window. What about the **range**, the largest
# minus the smallest? It is 0 where the image is constant and large where it changes, in
# whatever direction: an edge detector without a kernel. (Image processing knows it as
# the *morphological gradient*.)
#
# A layer says which window it slides, in `make_window`, and what it does with it, in
# `call`. Its base, `WindowLayer`, brings the rest: shapes, layouts, errors.


# %%
@keras.saving.register_keras_serializable(package="tutorial")
class RangePool(WindowLayer):
    """Pools by the range: the largest value of every window minus the smallest."""

    def __init__(self, pool_size=2, strides=2, padding="valid", **kwargs):
        super().__init__(strides, padding, **kwargs)
        self.pool_size = pool_size

    def make_window(self, rank):
        return Window.of(
            rank,
            self.pool_size,
            self.strides,
            data_format=self.data_format,
            padding=self.padding,
            border_mode="edge",
        )

    def call(self, inputs):
        taps = self.window.taps(self.to_compute_dtype(inputs))
        return reduce(keras.ops.maximum, taps) - reduce(keras.ops.minimum, taps)

    def get_config(self):
        return {**super().get_config(), "pool_size": self.pool_size}


# %% [markdown]
# Three lines deserve a word. `border_mode="edge"` repeats the edge pixels, because
# zeros would draw edges ([as we saw](02_edges_in_two_dimensions.py)).
# `to_compute_dtype` brings the input, integers too, to what the layer computes in. And
# `get_config` mirrors the constructor, so that a model with this layer can be saved: a
# layer is rebuilt from its config.

# %%
result = RangePool(2)(numbers)
print(ops.convert_to_numpy(result)[0, ..., 0])

assert (ops.convert_to_numpy(result) == 5).all()  # 5 - 0, 7 - 2, 13 - 8, 15 - 10

# %% [markdown]
# On a photograph, with a window of three and a stride of one, beside Sobel:

# %%
photo = read_photo(example_photo())
if tutorials.is_fast():
    photo = photo[80:160, 120:240]
grey = (photo @ [0.299, 0.587, 0.114]).astype("float32")[None, ..., None]

ranges = RangePool(3, strides=1, padding="same")(grey)
sobel = SobelConv(output="magnitude", normalize="unit")(grey)
ranges, sobel = (ops.convert_to_numpy(x)[0, ..., 0] for x in (ranges, sobel))

plotting.show(
    plotting.plot_images({"photograph": photo, "range": ranges, "Sobel": sobel}),
    alt="A cat's face; the range of every 3 by 3 window, white on black, with fine "
    "whiskers and outlines; the Sobel magnitude, very similar but softer.",
    caption="Two edge detectors. The range sees everything that changes, fine hair "
    "included; Sobel smooths before it compares.",
)

alike = np.corrcoef(ranges.ravel(), sobel.ravel())[0, 1]
fine = [np.abs(np.diff(edges)).mean() / edges.mean() for edges in (ranges, sobel)]
print(f"correlation {alike:.2f}; steps between neighbours {fine[0]:.2f}, {fine[1]:.2f}")
assert RangePool(3, strides=1).pool_size == 3
assert alike > 0.8

# %% [markdown]
# ## Is it right?
#
# First the values, against code that is independent of ours. SciPy has the
# morphological gradient, and calls our border "nearest":

# %%
truth = ndimage.morphological_gradient(grey[0, ..., 0], size=3, mode="nearest")
assert np.allclose(ranges, truth, atol=1e-6)

# %% [markdown]
# Our class does not mention the number of axes. It takes a signal and a volume too:

# %%
rng = np.random.default_rng(0)
for rank in (1, 2, 3):
    x = rng.normal(size=(8,) * rank).astype("float32")
    ours = RangePool(3, strides=1, padding="same")(x[None, ..., None])
    ours = ops.convert_to_numpy(ours)[0, ..., 0]
    truth = ndimage.morphological_gradient(x, size=3, mode="nearest")
    assert np.allclose(ours, truth, atol=1e-6)
    print(f"{rank} axes: equal to SciPy at {truth.size} places")

# %% [markdown]
# ## Does it behave?
#
# Right values are half of it. A layer is used in ways that its author does not think
# of: saved and loaded, in half precision, with an empty batch, with unknown sizes,
# inside another model, in four threads, under a compiler. What a good layer promises in
# all of these is written down as the package's **contract**, and one call holds a layer
# to it:

# %% tags=["remove-stderr"]
report = check_layer(RangePool(2))
print(report)

assert not report.failed

# %% [markdown]
# Here is every tenth check that passed, and why some do not apply. All are in
# `list_checks()`.

# %%
for name in report.passed[::10]:
    print(f"passed  {name}: {list_checks()[name]}")
for name, reason in report.skipped.items():
    print(f"skipped {name}: {reason}")

# %% [markdown]
# A check that cannot fail is worthless. So let us break a promise: a copy of our
# layer whose author forgot `get_config`.


# %%
@keras.saving.register_keras_serializable(package="tutorial")
class ForgetfulPool(RangePool):
    """The same, but its config does not say how large the window is."""

    def get_config(self):
        return WindowLayer.get_config(self)


try:
    check_layer(
        ForgetfulPool(3),
        checks=["output_shape_is_as_computed", "config_mirrors_the_constructor"],
    )
except ContractError as error:
    failed = error.report.failed
    print(error)

assert list(failed) == ["config_mirrors_the_constructor"]

# %% [markdown]
# It computes the right thing, and yet a saved model would come back with another
# window. That is the kind of mistake that one finds a year later.
#
# ## In a model
#
# From here on it is a layer like any other. It has no weights, so it adds none:

# %%
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        RangePool(3, strides=1, padding="same"),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
print([tuple(layer.output.shape) for layer in model.layers])

assert model.layers[0].count_params() == 0
assert model.count_params() == (3 * 3 * 1 * 8 + 8) + (8 * 10 + 10)

# %% [markdown]
# ## Exercises
#
# **1.** The *midrange* of a window is half the sum of its largest and smallest value.
# Write `MidrangePool`: how many lines differ?

# %% [markdown]
# <details><summary>Answer</summary>
#
# Only `call`: a subclass holds only its difference.
#
# </details>


# %% tags=["hide-cell"]
@keras.saving.register_keras_serializable(package="tutorial")
class MidrangePool(RangePool):
    """Pools by the mean of the largest and the smallest value of every window."""

    def call(self, inputs):
        taps = self.window.taps(self.to_compute_dtype(inputs))
        return (reduce(keras.ops.maximum, taps) + reduce(keras.ops.minimum, taps)) / 2


midrange = ops.convert_to_numpy(MidrangePool(2)(numbers))[0, ..., 0]
print(midrange)

assert midrange.tolist() == [[2.5, 4.5], [10.5, 12.5]]

# %% [markdown]
# **2.** `SpreadPool` shall be the standard deviation of a window. Written down as the
# formula stands, its values are right. What does the contract say on a backend that
# trains, about the check `gradient_at_zero`? Why, and what helps?

# %% [markdown]
# <details><summary>Answer</summary>
#
# In a constant window the variance is 0, where the derivative of the square root is
# infinite: infinity times zero is NaN, and one such window turns all weights into NaN.
# The root must never see that 0. Replace it by 1 *before* the root and put the 0 back
# *after* it; replacing it after the root alone is not enough, since both branches of a
# `where` are differentiated.
#
# </details>


# %% tags=["hide-cell"]
def root(x):
    """The square root, with gradient 0 instead of infinity at 0."""
    positive = x > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, x, 1.0)), 0.0)


@keras.saving.register_keras_serializable(package="tutorial")
class NaiveSpreadPool(RangePool):
    """Pools by the standard deviation of every window, as the formula stands."""

    root = staticmethod(ops.sqrt)

    def call(self, inputs):
        taps = self.window.taps(self.to_compute_dtype(inputs))
        mean = sum(taps) / len(taps)
        return self.root(sum((tap - mean) ** 2 for tap in taps) / len(taps))


@keras.saving.register_keras_serializable(package="tutorial")
class SpreadPool(NaiveSpreadPool):
    """The same, with gradient 0 where a window is constant."""

    root = staticmethod(root)


spread = ops.convert_to_numpy(SpreadPool(2)(numbers))[0, ..., 0]
assert np.allclose(spread, np.std([0, 1, 4, 5]), rtol=1e-5)

check_layer(SpreadPool(2), checks=["gradient_at_zero"])
try:
    check_layer(NaiveSpreadPool(2), checks=["gradient_at_zero"])
    found = None
except ContractError as error:
    found = error
    print(error)

assert (found is not None) == backends.BACKENDS[backends.activate()].trains

# %% [markdown]
# **Next:** [A cat or a dog?](09_a_cat_or_a_dog.py)
