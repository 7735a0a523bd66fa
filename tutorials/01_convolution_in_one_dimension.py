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
# # Convolution in one dimension
#
# **What you will learn.** What a kernel does to a signal, where its result belongs,
# what padding and stride decide, and why the operation that deep learning calls
# convolution is, strictly speaking, another one.
#
# **Reading time:** 9 minutes.
#
# Every number and every figure below is computed when this page is built. A line that
# begins with `assert` is a claim that the computer has just checked.

# %%
from kerasconv import backends

print("Keras computes this page with", backends.activate())

# %%
import keras
import numpy as np
from scipy import ndimage

from kerasconv import plotting
from kerasconv.layers import FixedConv, LearnedConv

# %% [markdown]
# ## The question: where does a signal change?
#
# Here are eight numbers: the height of a path, say, at every step. (The course page
# that this tutorial follows shows its data only as a picture, so these are ours; like
# the page's they begin with two zeros.)

# %%
x = np.array([0, 0, 2, 5, 5, 3, 3, 4])

# %% [markdown]
# To find where the path climbs, compare each number with the one before it. Written as
# a rule for *every* place at once, that is: multiply the number before by $-1$, the
# number here by $1$, and add. The two multipliers are the **kernel**.

# %%
kernel = np.array([-1, 1])

# %% [markdown]
# One question has to be settled first. The number at index 0 has no number before it.
# We invent one, a zero, and call it a **pad**:

# %%
padded = np.concatenate([[0], x])

first = padded[0] * kernel[0] + padded[1] * kernel[1]
second = padded[1] * kernel[0] + padded[2] * kernel[1]
print("the result begins", [int(first), int(second)])

assert [first, second] == [0, 0]

# %% [markdown]
# Those are the two windows that the page shows. The rest is the same sum in a loop: a
# window as long as the kernel moves along, and at each place we take the **sum of
# products**.

# %%
y = np.array([np.sum(padded[i : i + 2] * kernel) for i in range(len(x))])
print(y)

assert y.tolist() == [0, 0, 2, 3, 0, -2, 0, 1]

# %%
plotting.show(
    plotting.plot_slide(x, kernel, pad=(1, 0)),
    alt="Eight frames. In each the kernel minus one, one stands one place further to "
    "the right below the signal 0 0 2 5 5 3 3 4, which has one extra zero on its left. "
    "The results appear one by one below: 0 0 2 3 0 -2 0 1.",
    caption="The kernel k on its way along the signal x; the hatched cell is the pad. "
    "Each result y stands below the place that the kernel's centre touches, which is "
    "its right element.",
)

assert (len(y), len(padded) - len(x)) == (8, 1)
assert (x.tolist(), y[2:].tolist()) == ([0, 0, 2, 5, 5, 3, 3, 4], [2, 3, 0, -2, 0, 1])

# %% [markdown]
# Move the window, change a number, try another kernel:
# [this signal, to play
# with](../kerasconv/play/page/bench.html#one=-1,1;constant;1;0;2).
#
# ## What the result says
#
# Draw the signal and the result above one another.

# %%
plotting.show(
    plotting.plot_bars({"the signal x": x, "the result y": y}),
    alt="Above, bars for the signal: 0, 0, 2, 5, 5, 3, 3, 4. Below, bars "
    "for the result: upward where the signal rises (2, 3 and 1), downward where it "
    "falls (-2), and none where it does not change.",
    caption="Red where the signal rises, blue where it falls, no bar where it does not "
    "change: the result is the rate of change.",
)

assert x.tolist() == [0, 0, 2, 5, 5, 3, 3, 4]
assert (y[y > 0].tolist(), y[y < 0].tolist()) == ([2, 3, 1], [-2])
assert np.array_equal(np.sign(y[1:]), np.sign(np.diff(x)))

# %% [markdown]
# The kernel `[-1, 1]` computes a **derivative**, in steps instead of limits:
#
# $$y_i = x_i - x_{i-1}.$$
#
# The result has a value for every place of the signal and says what one feature, *is
# there a change here?*, looks like there. That is why it is called a **feature map**.
#
# ## Where is the centre, and on which side the pad?
#
# "Put a zero on the left" was a choice, and libraries choose differently. Three that
# choose as we did:


# %%
def apply(layer, signal):
    """One signal through a layer, which wants a batch and a channel axis too."""
    batch = np.asarray(signal, "float32")[None, :, None]
    return keras.ops.convert_to_numpy(layer(batch))[0, :, 0]


def derivative(**options):
    """A convolution that starts, and here also stays, with our kernel."""
    return LearnedConv(
        1, kernel_size=2, kernel_initializer=kernel, use_bias=False, **options
    )


assert np.array_equal(apply(derivative(padding="causal"), x), y)
assert np.array_equal(ndimage.correlate1d(x, kernel, mode="constant"), y)
assert np.array_equal(np.diff(x, prepend=0), y)

# %% [markdown]
# Keras's name for a pad on the left alone is `"causal"`: no result looks ahead. What
# Keras calls `"same"` puts the odd pad of an even kernel on the *right*. Then the left
# element is the centre, and each result is the change that is *about to come*:

# %%
ahead = apply(derivative(padding="same"), x)
print("causal", y)
print("same  ", ahead.astype(int))

assert np.array_equal(ahead[:-1], x[1:] - x[:-1])
assert ahead[-1] == -x[-1]  # the zero on the right is a cliff

# %% [markdown]
# Same kernel, same signal, and everything one place earlier. A kernel of odd length has
# a middle, so the question does not arise; that is one reason why the kernels of the
# next page are 3 wide.
#
# ### The price of a zero
#
# The last value above is $-4$, though the path does not
# fall there: the pad itself drew a cliff.
# At the left end we escaped only because our signal starts at 0. Lift the whole path by
# ten and the derivative should not notice:

# %%
lifted = apply(derivative(padding="causal"), x + 10)
print(lifted.astype(int))

assert lifted[0] == 10  # not a derivative: x[0] minus an invented 0
assert np.array_equal(lifted[1:], y[1:])

# %% [markdown]
# So `y[0]` is a derivative only if `x[0]` is 0. Where that is not so, repeat the edge
# value instead of inventing a zero; then the signal counts as constant beyond its ends:

# %%
repeated = apply(derivative(padding="causal", border_mode="edge"), x + 10)
print(repeated.astype(int))

assert np.array_equal(repeated, y)

# %% [markdown]
# Or leave out the pad (`"valid"`) and accept one value fewer:

# %%
assert np.array_equal(apply(derivative(padding="valid"), x), np.diff(x))

# %% [markdown]
# ## Stride
#
# So far the window moved by one place at a time. How far it moves is the **stride**,
# $s$. With $s = 2$ every second window is left out:

# %%
plotting.show(
    plotting.plot_slide(x, kernel, pad=(1, 0), strides=2),
    alt="Four frames: the kernel stands at places 0, 2, 4 and 6 of the signal, and the "
    "results are 0, 2, 0 and 0.",
    caption="Stride 2. Half the work and half the result, but the steepest rise, +3 at "
    "place 3, was never looked at.",
)

every_second = apply(derivative(padding="causal", strides=2), x)
assert every_second.tolist() == [0, 2, 0, 0]
assert [*range(0, len(x), 2)] == [0, 2, 4, 6]
assert (int(y.argmax()), y.max()) == (3, 3)
assert np.array_equal(every_second, y[::2])

# %% [markdown]
# How many windows fit? Let the signal have $n$ values, the kernel $k$, and let there be
# $p$ pads in all. The first window stands at the left end; from there the window can
# move by $n + p - k$ places, $s$ at a time:
#
# $$\text{length} = \left\lfloor \frac{n + p - k}{s} \right\rfloor + 1.$$
#
# Let Keras's own layer count for us:


# %%
def length(n, k, s=1, p=0):
    """The number of windows."""
    return (n + p - k) // s + 1


for n in (8, 11, 28):
    for k in (2, 3, 5):
        for s in (1, 2, 3):
            layer = keras.layers.Conv1D(1, k, strides=s)
            assert layer.compute_output_shape((None, n, 1))[1] == length(n, k, s)


# %% [markdown]
# With this line alone you can follow an image of 28 pixels through the network that
# later pages train: a kernel of 3, a pool of 2 with stride 2, and both once more. The
# first feature maps are 26 wide and not 28, and the second pool turns 11 into 5.

# %%
sizes = [28]
for k, s in [(3, 1), (2, 2), (3, 1), (2, 2)]:
    sizes.append(length(sizes[-1], k, s))
print(sizes)

assert sizes == [28, 26, 13, 11, 5]

# %% [markdown]
#
# ## Correlation or convolution?
#
# So far we took sums of products. Mathematicians call that **cross-correlation**. In
# their **convolution** the kernel is flipped first, so that its first element meets the
# *last* value of the window. `numpy.convolve` does this:

# %%
flipped = np.convolve(x, kernel)[: len(x)]
print("correlation", y)
print("convolution", flipped)

assert np.array_equal(flipped, -y)

# %% [markdown]
# ([Both, to switch
# between](../kerasconv/play/page/bench.html#one=-1,1;constant;1;1;2).)
# Only the sign changed, but that is luck. `[-1, 1]` is **antisymmetric**: flipped, it
# is its own negative. A symmetric kernel does not change at all, and one that is
# neither gives something else:

# %%
for name, k in {
    "antisymmetric": [-1, 0, 1],
    "symmetric": [1, 2, 1],
    "neither": [1, 2, 4],
}.items():
    correlation = np.correlate(x, k, "same")
    convolution = np.convolve(x, k, "same")
    print(f"{name:14}", correlation, convolution)
    if name == "antisymmetric":
        assert np.array_equal(convolution, -correlation)
    elif name == "symmetric":
        assert np.array_equal(convolution, correlation)
    else:
        assert not np.array_equal(abs(convolution), abs(correlation))

# %% [markdown]
# Every deep-learning library, Keras too, computes the correlation and says
# convolution. (`LearnedConv(flip=True)` is the textbook's.) For a **fixed** kernel the
# difference matters: hand `[1, 2, 4]` to the wrong function and the answer is wrong.
# For a **learned** kernel it does not. Suppose we know the input and the wanted
# output and look for the kernel. A correlation finds it, and a convolution finds it
# flipped; both then compute exactly the same:

# %%
wanted = np.correlate(x, [1, 2, 4], "valid")
windows = np.lib.stride_tricks.sliding_window_view(x, 3)

by_correlation = np.linalg.lstsq(windows, wanted)[0]
by_convolution = np.linalg.lstsq(windows[:, ::-1], wanted)[0]
print(by_correlation.round(6), by_convolution.round(6))

assert np.allclose(by_correlation, [1, 2, 4])
assert np.allclose(by_convolution, [4, 2, 1])


def layer_with(k, flip):
    """A convolution of one filter, flipped or not."""
    return LearnedConv(1, 3, kernel_initializer=k, use_bias=False, flip=flip)


assert np.allclose(apply(layer_with(by_correlation, flip=False), x), wanted)
assert np.allclose(apply(layer_with(by_convolution, flip=True), x), wanted)

# %% [markdown]
# ## Exercises
#
# **1.** The kernel `[1, 1, 1] / 3` replaces each value by the mean of itself and its
# neighbours. What does it do to a flat signal with one spike of height 3? What does
# `[-1, 1]` do to the same spike? First think, then open the answer.

# %% [markdown]
# <details><summary>Answer</summary>
#
# The mean spreads the spike over three places, a third of its height on each: it
# *smooths*. The derivative answers twice, up and down: it *sharpens*. Noise is made of
# spikes, which is why good edge detectors do both at once. The next page's do.
#
# </details>

# %% tags=["hide-cell"]
spike = np.array([0, 0, 0, 3, 0, 0, 0])
smoothed = apply(FixedConv(np.ones(3) / 3), spike)
changes = apply(derivative(padding="causal"), spike)
print(smoothed.round(3), changes.astype(int))

assert np.allclose(smoothed, [0, 0, 1, 1, 1, 0, 0])
assert changes.tolist() == [0, 0, 0, 3, -3, 0, 0]

# %% [markdown]
# **2.** Apply `[-1, 1]` twice, without pads. Which single kernel of three values does
# the same, and what does it measure?

# %% [markdown]
# <details><summary>Answer</summary>
#
# `[1, -2, 1]`, the second derivative: it is 0 on a straight slope, however steep, and
# answers where the slope changes. `np.convolve([-1, 1], [-1, 1])` computes it: the
# kernel of two steps in a row is the (true) convolution of their kernels.
#
# </details>

# %% tags=["hide-cell"]
twice = np.correlate(np.correlate(x, [-1, 1], "valid"), [-1, 1], "valid")
once = np.correlate(x, np.convolve([-1, 1], [-1, 1]), "valid")
print(np.convolve([-1, 1], [-1, 1]), once)

assert np.array_equal(twice, once)
assert np.array_equal(np.correlate(np.arange(8) * 5, [1, -2, 1], "valid"), np.zeros(6))

# %% [markdown]
# **3.** A signal has 100 values, the kernel 7, the stride is 3. How many results are
# there with `"valid"`, how many with `"same"`, and how many pads does `"same"` need?

# %% [markdown]
# <details><summary>Answer</summary>
#
# `"valid"`: ⌊(100 − 7) / 3⌋ + 1 = 32. `"same"` promises ⌈100 / 3⌉ = 34, so the last
# window must start at 33 · 3 = 99 and end at 105: 106 − 100 = 6 pads.
#
# </details>

# %% tags=["hide-cell"]
assert length(100, 7, s=3) == 32
assert length(100, 7, s=3, p=6) == 34
assert length(100, 7, s=3, p=5) == 33
same = keras.layers.Conv1D(1, 7, strides=3, padding="same")
assert same.compute_output_shape((None, 100, 1))[1] == 34

# %% [markdown]
# **Next:** [Edges in two dimensions](02_edges_in_two_dimensions.py)
