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
# # Training and backpropagation
#
# **What you will learn.** What the gradient of a kernel is, by hand on four numbers and
# then on a real digit, and that the backend finds the same; how a kernel finds the
# derivative by itself; what training does to the kernels of the whole network; how to
# start from Sobel and learn on; and how far hand-made features get beside learned ones.
#
# **Reading time:** 15 minutes.
#
# Every number and figure below is measured when this page is built: gradients, training
# on real digits, the comparison at the end. It needs a backend that can train, and the
# data set MNIST.

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
from scipy import signal

from kerasconv import data, kernels, ops
from kerasconv.digits import load_digits
from kerasconv.layers import L2Pool, LearnedConv, SobelConv, WeightedPool
from kerasconv.metrics import wilson
from kerasconv.models import ARCHITECTURES, mnist_cnn
from kerasconv.plotting import (
    plot_history,
    plot_kernels,
    plot_lines,
    plot_scores,
    plot_window,
    show,
)
from kerasconv.predict import Predictor
from kerasconv.tutorials import is_fast, progress_bar

fast = is_fast()  # the tests set KERASCONV_FAST=1 and train on very little
keras.utils.set_random_seed(0)

# %% [markdown]
# ## What is to be found
#
# In the first tutorials somebody chose the kernels: `[-1, 1]`, Prewitt, Sobel. Now we
# want the best kernels *for a task*, and all we have is examples: inputs, and the
# answers we would like. What training changes are the kernels and the biases. The
# feature maps are not changed by training; they come out different because the kernels
# did.
#
# The way is always the same. Take some kernels, see how wrong the answers are, one
# number called the **loss**; ask for each weight whether the loss would rise or fall if
# the weight were a little larger, the **gradient**; move every weight a small step
# against its gradient; repeat. Backpropagation is the bookkeeping that finds all these
# derivatives at once, from the loss back to the first layer, with the chain rule.
#
# ## By hand, on four numbers
#
# Let the input be `x = [0, 1, 3, 2]`. We would like its derivative, `[1, 2, -1]`, but
# our kernel of two weights starts at `[0.5, 0.5]`, an average.

# %%
x = np.array([0.0, 1.0, 3.0, 2.0])
wanted = np.array([1.0, 2.0, -1.0], "float32")
w = np.array([0.5, 0.5])


def slide(x, w):
    """Cross-correlation, valid: y[i] = w[0] x[i] + w[1] x[i+1]."""
    return np.correlate(x, w, mode="valid")


y = slide(x, w)
wrong_by = y - wanted
loss = 0.5 * np.sum(wrong_by**2)
print("y:", y, " wrong by:", wrong_by, " loss:", loss)

assert y.tolist() == [0.5, 2.0, 2.5]
assert wrong_by.tolist() == [-0.5, 0.0, 3.5]
assert loss == 6.25

# %% [markdown]
# The loss is $L = \frac12 \sum_i (y_i - t_i)^2$, so $\partial L / \partial y_i = y_i -
# t_i = g_i$: just by how much each output is wrong. The weight $w_0$ touched *every*
# output, $y_i = w_0 x_i + w_1 x_{i+1}$, each time multiplied by another input. Its
# gradient gathers them all:
#
# $$\frac{\partial L}{\partial w_k} = \sum_i g_i \, x_{i+k}$$
#
# In numbers: for $w_0$ it is $-0.5 \cdot 0 + 0 \cdot 1 + 3.5 \cdot 3 = 10.5$, for $w_1$
# it is $-0.5 \cdot 1 + 0 \cdot 3 + 3.5 \cdot 2 = 6.5$. Look at the shape of the
# formula: it slides $g$ over $x$. **The gradient of a cross-correlation's kernel is
# itself a cross-correlation**, of the input with the output's gradient.

# %%
by_hand = slide(x, wrong_by)
print("gradient of the kernel:", by_hand)
assert by_hand.tolist() == [10.5, 6.5]

figure = plot_window(x, wrong_by, 0)
show(
    figure,
    alt="The window of three values 0, 1, 3 of the input, below the kernel -0.5, 0, "
    "3.5; their products add up to 10.5, the first of two results, 10.5 and 6.5.",
    caption="The gradient of the first weight: the errors slide over the input as a "
    "kernel would (computed when this page is built).",
)

assert (x[:3].tolist(), wrong_by.tolist()) == ([0, 1, 3], [-0.5, 0, 3.5])

# %% [markdown]
# ### Ask the backend
#
# TensorFlow, JAX and torch each find gradients by themselves, and each has its own way
# to be asked. This function knows the three ways; the rest of the page does not need
# to.


# %%
def gradient(loss, value):
    """d loss(value) / d value, by the backend's automatic differentiation."""
    value = np.asarray(value, "float32")
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        value = tf.constant(value)
        with tf.GradientTape() as tape:
            tape.watch(value)
            result = loss(value)
        return tape.gradient(result, value).numpy()
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(loss)(jax.numpy.asarray(value)))
    import torch

    value = torch.tensor(value, requires_grad=True)
    loss(value).backward()
    return value.grad.numpy()


def loss_of_kernel(w):
    """The loss above, written with operations that the backend can follow."""
    signals = keras.ops.reshape(keras.ops.convert_to_tensor(x, "float32"), (1, 4, 1))
    y = ops.conv(signals, keras.ops.reshape(w, (2, 1, 1)))
    wrong_by = keras.ops.subtract(keras.ops.reshape(y, (3,)), wanted)
    return 0.5 * keras.ops.sum(keras.ops.square(wrong_by))


automatic = gradient(loss_of_kernel, w)
print(f"{keras.backend.backend()} says: {automatic}")
assert np.allclose(automatic, by_hand, rtol=1e-6)

# %% [markdown]
# And a check that knows no calculus at all: make one weight a little larger and see.

# %%
step = 1e-6
larger = 0.5 * np.sum((slide(x, w + np.array([step, 0])) - wanted) ** 2)
measured = (larger - loss) / step
print(f"measured derivative along w[0]: {measured:.4f}")
assert np.isclose(measured, 10.5, rtol=1e-4)

# %% [markdown]
# ### Step after step
#
# Now go downhill: subtract a twentieth of the gradient, a hundred times. Nobody tells
# the kernel what a derivative is.

# %%
path, losses = [w], []
for _ in range(100):
    g = slide(x, path[-1]) - wanted
    losses.append(0.5 * np.sum(g**2))
    path.append(path[-1] - 0.05 * slide(x, g))
found = path[-1]
print("kernel found:", found.round(4))

assert np.allclose(found, [-1, 1], atol=1e-3)
assert losses[-1] < 1e-6 * losses[0]

figure = plot_lines(
    {"w[0]": [p[0] for p in path[:41]], "w[1]": [p[1] for p in path[:41]]},
    xlabel="step",
    ylabel="weight",
)
show(
    figure,
    alt="Two curves over forty steps, both from one half: the first weight falls to "
    "minus one; the second falls once, then rises to one.",
    caption="Gradient descent finds the derivative kernel from one example (measured "
    "when this page is built).",
)

steps = np.diff(path[:41], axis=0)
assert path[0].tolist() == [0.5, 0.5]
assert steps[0, 1] < 0 < steps[1:, 1].min()
assert np.allclose(path[40], [-1, 1], atol=0.1)

# %% [markdown]
# ## The same on a real digit
#
# Two dimensions, a real image and a ReLU in between change little. The ReLU passes the
# gradient where its input was positive and stops it elsewhere; the rest is the same
# formula. To show that this is all there is, we compute that formula with SciPy and let
# the backend differentiate the layer.

# %%
digits, digit_labels = load_digits()
digit = digits[digit_labels == 5][0]
kernel = np.random.default_rng(0).normal(size=(3, 3))  # random, as for training
target = np.ones((26, 26), "float32")


def loss_on_digit(kernel, image=digit):
    """Half the squared distance of ReLU(image * kernel) from a target."""
    image = keras.ops.reshape(keras.ops.convert_to_tensor(image), (1, 28, 28, 1))
    y = keras.ops.relu(ops.conv(image, keras.ops.reshape(kernel, (3, 3, 1, 1))))
    wrong_by = keras.ops.subtract(keras.ops.reshape(y, (26, 26)), target)
    return 0.5 * keras.ops.sum(keras.ops.square(wrong_by))


z = signal.correlate2d(digit[..., 0], kernel, mode="valid")
g = (np.maximum(z, 0) - target) * (z > 0)  # the chain rule through the ReLU
kernel_by_hand = signal.correlate2d(digit[..., 0], g, mode="valid")
kernel_automatic = gradient(loss_on_digit, kernel)

print(kernel_by_hand.round(3))
assert kernel_by_hand.shape == (3, 3)
assert np.allclose(kernel_automatic, kernel_by_hand, rtol=1e-4)

# %% [markdown]
# A network has more layers below, so the gradient must go on, to the *input* of the
# layer. Each pixel was used by nine windows, each time under another weight; gathering
# them means sliding the kernel over $g$ **flipped**. There is the true convolution of
# the textbooks: it is what a cross-correlation does to gradients on their way back.

# %%
pixels_by_hand = signal.convolve2d(g, kernel, mode="full")
pixels_automatic = gradient(
    lambda image: loss_on_digit(keras.ops.convert_to_tensor(kernel, "float32"), image),
    digit[..., 0],
)

assert pixels_by_hand.shape == (28, 28)
assert np.allclose(pixels_automatic, pixels_by_hand, rtol=1e-4, atol=1e-4)
print(f"largest difference: {np.abs(pixels_automatic - pixels_by_hand).max():.1e}")

# %% [markdown]
# ## Train the network from scratch
#
# We train on ten thousand digits of the MNIST data set, a sixth of it, three times
# over, and test on its ten thousand test digits. If the data set is not on your
# machine, the next cell stops and says how to get it.

# %%
if fast:  # only to see that the page runs: it measures nothing
    some, others = np.arange(64) % 4 != 0, np.arange(64) % 4 == 0
    train_x, train_y = digits[some], digit_labels[some]
    test_x, test_y = digits[others], digit_labels[others]
else:
    train_x, train_y = data.load("mnist", "train")
    test_x, test_y = data.load("mnist", "test")
    train_x, train_y = train_x[:10_000] / np.float32(255), train_y[:10_000]
    test_x = test_x / np.float32(255)
print(f"{len(train_x):,} training and {len(test_x):,} test images")


def fit(model, x, y, epochs, learning_rate=3e-3, **options):
    """Train a classifier; what happened, epoch by epoch."""
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model.fit(x, y, batch_size=64, epochs=epochs, verbose=0, **options).history


def accuracy(model, x, y):
    return float(np.mean(Predictor(model)(x).argmax(axis=1) == y))


# %%
network = mnist_cnn(weights=None)
kernels_before = network.get_layer("conv2d").get_weights()[0][:, :, 0]
history = fit(network, train_x, train_y, epochs=3, callbacks=[progress_bar()])
kernels_after = network.get_layer("conv2d").get_weights()[0][:, :, 0]
network_accuracy = accuracy(network, test_x, test_y)
print(f"test digits right after three epochs: {network_accuracy:.1%}")

assert history["loss"][-1] < history["loss"][0]
assert fast or network_accuracy > 0.96

figure = plot_history(history)
show(
    figure,
    alt="Two panels over three epochs. "
    + " ".join(
        f"The {name} goes from {history[name][0]:.2f} to {history[name][-1]:.2f}."
        for name in ("accuracy", "loss")
    ),
    caption="Training from scratch (measured when this page is built). The values are "
    "averages over an epoch, with dropout at work.",
)

# %% [markdown]
# (The published example trains on all of MNIST for fifteen epochs. The weights `course`
# of the zoo were trained in the same way, and their card says how well they read. The
# package's default weights were not: their recipe has more epochs, and images that are
# changed at random.)

# %% tags=["hide-cell"]
recipes = ARCHITECTURES["mnist_cnn"].recipes
assert recipes["course"].epochs == 15
assert not recipes["course"].augmentation
assert recipes["mnist"].epochs > 15
assert recipes["mnist"].augmentation

# %% [markdown]
# What happened to the kernels? Here are the first twelve, as they began at random and
# as training left them.

# %%
chosen = range(12)
figure = plot_kernels(
    {f"before {i}": kernels_before[..., i] for i in chosen}
    | {f"after {i}": kernels_after[..., i] for i in chosen},
    columns=6,
)
moved = np.linalg.norm(kernels_after - kernels_before) / np.linalg.norm(kernels_before)
longer = np.linalg.norm(kernels_after) / np.linalg.norm(kernels_before)
show(
    figure,
    alt="Four rows of 3 by 3 kernels in red and blue: twelve before training, and "
    "below them the same twelve after it, with other patterns.",
    caption="Twelve kernels of the first layer before and after training. All 32 moved "
    f"by {moved:.0%} of their length, and are {longer:.2f} times as long as they were "
    "(measured when this page is built).",
)

assert kernels_after.shape == (3, 3, 32)
assert moved > 0

# %% [markdown]
# ## Start from Sobel, and learn on
#
# Hand-made or learned is not a choice one has to make. `LearnedConv` is Keras's
# convolution, and its `kernel_initializer` may be `"sobel"`, `"prewitt"` or an array of
# kernels: then it begins with those instead of noise, and learns on. Does that help?
#
# Sobel's kernels differ from random ones in two things: in their shape, and in their
# size, since they are several times as long. A fair trial changes one thing at a time.
# So we give a small network eight filters and four starts, each shape in each size, and
# since luck plays a part, each with three seeds.


# %%
def small_network(shape, length, seed):
    """Eight filters that start from kernels of a shape and, all together, a length."""
    keras.utils.set_random_seed(seed)
    conv = LearnedConv(8, activation="relu", kernel_initializer=shape, name="conv")
    conv.build((None, 28, 28, 1))
    kernel, bias = conv.get_weights()
    conv.set_weights([kernel * (length / np.linalg.norm(kernel)), bias])
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            conv,
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


random_start = keras.initializers.GlorotUniform(0)((3, 3, 1, 8))
small = float(np.linalg.norm(keras.ops.convert_to_numpy(random_start)))
large = 2 * float(np.linalg.norm(kernels.sobel(2)))  # four times the two kernels
lengths, shapes = {"small": small, "large": large}, ("glorot_uniform", "sobel")
names = {"glorot_uniform": "random", "sobel": "Sobel"}
print(f"lengths: random {small:.1f}, Sobel {large:.1f}")

curves = {}
for size, length in lengths.items():
    for shape in shapes:
        runs = []
        for seed in range(1 if fast else 3):
            net = small_network(shape, length, seed)
            before = net.get_layer("conv").get_weights()[0][:, :, 0]
            watched = fit(
                net,
                train_x,
                train_y,
                epochs=3,
                learning_rate=1e-3,
                validation_data=(test_x, test_y),
            )
            runs.append(watched["val_accuracy"])
            if (size, shape) == ("small", "sobel"):
                bent = before, net.get_layer("conv").get_weights()[0][:, :, 0]
        start = f"{names[shape]}, {size}"
        curves[start] = np.mean(runs, axis=0)
        spread = np.ptp(runs, axis=0)
        print(
            f"{start:14}", " ".join(f"{value:.1%}" for value in curves[start]), end=""
        )
        print("   seeds differ by", " ".join(f"{value:.1%}" for value in spread))

first = {start: curve[0] for start, curve in curves.items()}
by_size = (first["random, large"] + first["Sobel, large"]) / 2 - (
    first["random, small"] + first["Sobel, small"]
) / 2
by_shape = (first["Sobel, small"] + first["Sobel, large"]) / 2 - (
    first["random, small"] + first["random, large"]
) / 2
print(f"after one epoch: larger {100 * by_size:+.1f} points,", end=" ")
print(f"Sobel's shape {100 * by_shape:+.1f} points")

figure = plot_lines(
    curves, x=[1, 2, 3], xlabel="epochs", ylabel="share of test digits right"
)
show(
    figure,
    alt="Four rising curves of accuracy over three epochs. After the first epoch: "
    + ", ".join(f"{start} {value:.1%}" for start, value in first.items())
    + ".",
    caption="Four starts of the same small network (measured when this page is built; "
    f"each curve is the mean of {len(runs)} seeds).",
)

assert fast or all(np.all(np.diff(curve) > 0) for curve in curves.values())
assert fast or by_size > 2 * abs(by_shape)

# %% [markdown] tags=["conclusion"]
# After the first epoch the large kernels are ahead, whatever their shape; the shape
# makes much less of a difference. So what helps about Sobel's kernels, here, is above
# all that they are large: larger maps make the layer after them learn faster.

# %% [markdown]
# This is what became of the small Sobel kernels.

# %%
before, after = bent
figure = plot_kernels(
    {f"start {i}": before[..., i] for i in range(4)}
    | {f"learned {i}": after[..., i] for i in range(4)},
    columns=4,
)
show(
    figure,
    alt="Above, four kernels: Sobel along y, along x, and both again. Below, what "
    "became of them: the twins are no longer equal.",
    caption="Eight filters start from two kernels, so there are twins; each learns on "
    "for itself (measured when this page is built).",
)

for at, (axis, twin) in enumerate([(0, 2), (1, 3)]):
    shape = kernels.sobel(axis=axis) / np.linalg.norm(kernels.sobel(axis=axis))
    assert np.allclose(before[..., at] / np.linalg.norm(before[..., at]), shape)
    assert np.array_equal(before[..., at], before[..., twin])
    assert not np.array_equal(after[..., at], after[..., twin])
    assert not np.array_equal(before[..., at], after[..., at])

# %% [markdown]
# ## Fixed features against learned ones
#
# Back to the question of the course: are learned filters worth it? The fair test is to
# give the same last layer, `Dense(10)`, different features to work with:
#
# - the bare pixels;
# - Sobel's magnitude, one edge map of full size;
# - Sobel's *signed parts*: rising and falling, along y and along x, four maps, each
#   pooled to 7 by 7;
# - and, for comparison, networks that learn their features: one with a hidden Dense
#   layer of as many parameters as ours, and the convolutional network.
#
# The fixed features have no parameters; only the Dense layer after them is trained.


# %%
class SignedParts(keras.layers.Layer):
    """x becomes its positive part and, in maps of its own, its negative part."""

    def call(self, x):
        return keras.ops.relu(keras.ops.concatenate([x, -x], axis=-1))


def features(*layers):
    return keras.Sequential([keras.Input((28, 28, 1)), *layers, keras.layers.Flatten()])


sobel = SobelConv(normalize="unit")
fixed = {
    "pixels": features(),
    "Sobel magnitude": features(SobelConv(output="magnitude", normalize="unit")),
    "signed Sobel, max pool": features(
        sobel, SignedParts(), keras.layers.MaxPooling2D(4)
    ),
    "signed Sobel, L2 pool": features(sobel, SignedParts(), L2Pool(4)),
    "signed Sobel, weighted pool": features(
        sobel, SignedParts(), WeightedPool(5, strides=4, padding="same")
    ),
}
assert fixed["pixels"].output_shape == (None, 784)
assert fixed["signed Sobel, L2 pool"].output_shape == (None, 4 * 7 * 7)
if fast:
    fixed = {"signed Sobel, L2 pool": fixed["signed Sobel, L2 pool"]}
right, trained = {}, {}
for name, extract in fixed.items():
    assert extract.count_params() == 0
    predictor = Predictor(extract)
    train_f, test_f = predictor(train_x), predictor(test_x)
    scale = train_f.max()
    last = keras.Sequential(
        [
            keras.Input(train_f.shape[1:]),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    fit(last, train_f / scale, train_y, epochs=8, learning_rate=1e-2)
    right[name] = accuracy(last, test_f / scale, test_y)
    trained[name] = last.count_params()

dense = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(44, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
if not fast:
    fit(dense, train_x, train_y, epochs=8)
right["hidden Dense layer"] = accuracy(dense, test_x, test_y)
trained["hidden Dense layer"] = dense.count_params()
right["convolutional network"] = network_accuracy
trained["convolutional network"] = network.count_params()

for name in right:
    print(f"{name:28} {trained[name]:7,} trained parameters  {right[name]:.1%} right")


assert trained["signed Sobel, L2 pool"] == 4 * 7 * 7 * 10 + 10 == 1_970
assert trained["hidden Dense layer"] == 34_990
assert trained["convolutional network"] == 34_826
if not fast:
    assert trained["pixels"] == trained["Sobel magnitude"] == 784 * 10 + 10 == 7_850
    assert right["Sobel magnitude"] < right["pixels"] < right["signed Sobel, L2 pool"]
    assert right["hidden Dense layer"] < right["signed Sobel, L2 pool"]

# %%
n, ranking = len(test_y), sorted(right, key=right.get)
figure = plot_scores(
    {f"{name} ({trained[name]:,})": 100 * share for name, share in right.items()},
    intervals={
        f"{name} ({trained[name]:,})": tuple(
            100 * end for end in wilson(round(share * n), n)
        )
        for name, share in right.items()
    },
    xlabel="test digits right (%), with 95 % intervals",
)
show(
    figure,
    alt="Horizontal bars of accuracy. From the lowest to the highest: "
    + ", ".join(f"{name} {right[name]:.1%}" for name in ranking)
    + ".",
    caption=f"Fixed and learned features, trained on {len(train_x):,} digits; in "
    "brackets, how many parameters were trained (measured when this page is built).",
)

assert fast or ranking[0] == "Sobel magnitude"
assert fast or ranking[-1] == "convolutional network"

# %% [markdown] tags=["conclusion"]
# Three lessons:
#
# - **Edges alone are not enough; their direction is what matters.** The magnitude
#   throws the direction away and is *worse* than the bare pixels. Keep the sign and the
#   axis, and the same filters are much better than pixels.
# - **Good fixed features beat bad learned ones.** With 1,970 trained numbers the signed
#   edges do better than a dense network that trains 34,990.
# - **Learned filters win.** The second convolution can learn what no one had designed:
#   combinations of edges.

# %% [markdown]
# ## Exercises
#
# **1.** A max pool over the window `[1, 3, 2, 0]` gives 3. What is the gradient of the
# result for each of the four values? And for the L2 pool of `[3, 4, 0, 0]`?
#
# <details><summary>Answer</summary>
#
# Max: `[0, 1, 0, 0]`. Only the largest value counts, so only it receives the gradient.
# L2: the norm is 5, and the gradient is each value divided by the norm: `[0.6, 0.8, 0,
# 0]`. Every value gets a share, the larger the more. (Where all four are zero the
# formula is 0/0; `L2Pool` gives 0 there, not NaN.)
#
# </details>

# %% tags=["hide-cell"]
of_max = gradient(lambda v: keras.ops.max(v), [1, 3, 2, 0])
assert of_max.tolist() == [0, 1, 0, 0]


def l2(v):
    return keras.ops.sum(ops.l2_pool(keras.ops.reshape(v, (1, 4, 1)), 4))


assert np.allclose(gradient(l2, [3, 4, 0, 0]), [0.6, 0.8, 0, 0])
assert gradient(l2, [0, 0, 0, 0]).tolist() == [0, 0, 0, 0]

# %% [markdown]
# **2.** In the hundred steps above we subtracted a twentieth of the gradient. What
# happens with a tenth?
#
# <details><summary>Answer</summary>
#
# The loss explodes. It is a parabola in every direction. In the steepest one its second
# derivative is 21.2, the larger eigenvalue of `[[10, 9], [9, 14]]`. If the learning
# rate is larger than 2 / 21.2 = 0.094, a step jumps over the minimum and lands higher
# on the other side than where it began.
#
# </details>

# %% tags=["hide-cell"]
windows = np.array([[0, 1], [1, 3], [3, 2]])
steepest = np.linalg.eigvalsh(windows.T @ windows).max()
assert (windows.T @ windows).tolist() == [[10, 9], [9, 14]]
assert round(steepest, 1) == 21.2

exploding = np.array([0.5, 0.5])
for _ in range(100):
    exploding = exploding - 0.1 * slide(x, slide(x, exploding) - wanted)
assert np.abs(exploding).max() > 1e3

# %% [markdown]
# **3.** Keep Sobel's kernels frozen and let six filters learn beside them. Which
# argument of `LearnedConv` does that, and how many parameters has the layer?
#
# <details><summary>Answer</summary>
#
# `LearnedConv(6, fixed_filters=kernels.sobel(2))` gives eight maps: six learned, then
# the two derivatives. Only the six have parameters: 3·3·6 + 6 = 60.
#
# </details>

# %% tags=["hide-cell"]
both = LearnedConv(6, fixed_filters=kernels.sobel(2))
assert tuple(both(digits[:1]).shape) == (1, 26, 26, 8)
assert both.count_params() == 60

# %% [markdown]
# **4.** If every filter of a layer starts from the *same* kernel and all weights after
# it are equal too, what goes wrong?
#
# <details><summary>Answer</summary>
#
# Equal weights get equal gradients, so they stay equal for ever: eight filters are then
# worth one. Something must break the symmetry. Above it was the Dense layer's random
# start, which treats the twins differently from the first step on.
#
# </details>

# %% tags=["hide-cell"]
twins = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        LearnedConv(2, kernel_initializer=kernels.sobel(axis=1), name="conv"),
        keras.layers.GlobalMaxPooling2D(),
        keras.layers.Dense(10, kernel_initializer="zeros", activation="softmax"),
    ]
)
fit(twins, train_x[:64], train_y[:64], epochs=3)
twin = twins.get_layer("conv").get_weights()[0]
assert not np.allclose(twin[:, :, 0, 0], kernels.sobel(axis=1)[0])
assert np.allclose(twin[..., 0], twin[..., 1], atol=1e-5)

# %% [markdown]
# **Next:** [Parameter sharing](06_parameter_sharing_and_sparse_interactions.py): why so
# few numbers are enough.
