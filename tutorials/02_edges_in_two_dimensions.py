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
# # Edges in two dimensions
#
# **What you will learn.** How two short vectors make the Prewitt and the Sobel kernel,
# what transposing a kernel does and what mirroring it does, why a border of zeros draws
# edges that are not there, and which scale the numbers have. At the end SciPy and
# scikit-image agree with everything you computed.
#
# **Reading time:** 12 minutes.
#
# Every number and every figure below is computed when this page is built, on a small
# array, on a real photograph and on a real handwritten digit.

# %%
from kerasconv import backends

print("Keras computes this page with", backends.activate())

# %%
import keras
import numpy as np
from scipy import ndimage

from kerasconv import kernels, plotting
from kerasconv.digits import load_digits
from kerasconv.layers import FixedConv, PrewittConv, SobelConv
from kerasconv.pictures import example_photo, read_photo

# %% [markdown]
# ## A kernel made of two vectors
#
# On [the page before](01_convolution_in_one_dimension.py) a kernel compared a number
# with the one before it. `[-1, 0, 1]` compares the two *neighbours* of a place and so
# has a middle. In an image we could slide it along every row. But a single row is
# noisy; it is better to ask three rows at once and add up their answers:

# %%
smoothing = np.array([1, 1, 1])  # down: three rows together
difference = np.array([-1, 0, 1])  # across: right neighbour minus left neighbour

prewitt = np.outer(smoothing, difference)
print(prewitt)

assert np.array_equal(prewitt, kernels.prewitt(rank=2, axis=1)[0])

# %% [markdown]
# This is the **Prewitt** kernel. It is not just `[-1, 0, 1]` drawn larger: it
# *differentiates across and smooths down*. Nor does it have the same scale. Slide both
# over a ramp that rises by one a pixel:

# %%
ramp = np.tile(np.arange(7.0), (5, 1))  # each row is 0 1 2 3 4 5 6

in_a_row = np.sum(ramp[2, 2:5] * difference)
in_a_window = np.sum(ramp[1:4, 2:5] * prewitt)
print(in_a_row, in_a_window)

assert (in_a_row, in_a_window) == (2, 6)

# %% [markdown]
# The neighbours are two pixels apart, hence 2; and there are three rows, hence 6.
#
# ## A small image
#
# The course page shows its array only as a picture, so this one is ours: a bright
# corner on a darker ground. No pixel of it is zero; that will matter soon.

# %%
image = np.full((6, 7), 2)
image[:4, 4:] = 7


def correlate(image, kernel, border="constant"):
    """The sum of products at every place, as plain as it can be written."""
    padded = np.pad(image, 1, mode=border)
    height, width = image.shape
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            window = padded[row : row + 3, column : column + 3]
            result[row, column] = np.sum(window * kernel)
    return result


# %%
plotting.show(
    plotting.plot_window(image, prewitt, (1, 3), pad=1),
    alt="A 6 by 7 array of twos with a block of sevens at the upper right, inside a "
    "hatched border of zeros. A 3 by 3 window is framed on the left side of the block. "
    "Beside it the Prewitt kernel, the nine products, and the 6 by 7 result, where the "
    "framed value is 15.",
    caption="One window: the values in the frame times the kernel are the products, "
    "and their sum is written into the result at the place that the kernel's centre "
    "touched. The hatched zeros let the centre touch every pixel.",
)

assert (image.shape, prewitt.shape) == ((6, 7), (3, 3))
assert correlate(image, prewitt)[1, 3] == 15

# %% [markdown]
# A layer does all windows at once:


# %%
def apply(layer, image):
    """One grey image through a layer, which wants a batch and a channel axis too."""
    batch = np.asarray(image, "float32")[None, ..., None]
    return keras.ops.convert_to_numpy(layer(batch))[0, ..., 0]


by_hand = correlate(image, prewitt)
by_layer = apply(PrewittConv(axis=1, border_mode="constant"), image)
print(by_layer.astype(int))

assert np.array_equal(by_layer, by_hand)
assert by_layer[1, 3] == 15

# %% [markdown]
# The columns of 15 stand where the image jumps from 2 to 7, three rows together:
# $3 \cdot (7 - 2)$. They come in pairs, because a step is seen by the window just
# before it and by the one just after. Zero means: no change *across*. The bright
# corner's lower side left no mark of its own; the columns only fade there.
#
# ## Transpose it, do not mirror it
#
# To find changes *down* the image we need another kernel. Mirroring the one we have
# does not help:

# %%
assert np.array_equal(prewitt[:, ::-1], -prewitt)  # left and right swapped: a sign
assert np.array_equal(prewitt[::-1], prewitt)  # top and bottom swapped: the same

# %% [markdown]
# A mirror image still compares left with right. What exchanges the roles of across and
# down is the **transpose**:

# %%
assert np.array_equal(prewitt.T, kernels.prewitt(rank=2, axis=0)[0])

plotting.show(
    plotting.plot_kernels(
        {"along x": prewitt, "mirrored": prewitt[:, ::-1], "transposed": prewitt.T}
    ),
    alt="Three kernels. Along x: a column of minus one, one of zero, one of plus one. "
    "Mirrored: the same with both signs exchanged. Transposed: a row of minus one, a "
    "row of zero, a row of plus one.",
    caption="Mirroring changes only the sign; transposing asks another question.",
)

# %%
dx = apply(PrewittConv(axis=1), image)
dy = apply(PrewittConv(axis=0), image)

plotting.show(
    plotting.plot_images({"image": image, "along x": dx, "along y": dy}),
    alt="The image; its derivative along x, which is 15 on both sides of the block's "
    "vertical side; its derivative along y, which is minus 15 on both sides of the "
    "block's horizontal side.",
    caption="The derivative along x marks the vertical edge, the one along y the "
    "horizontal edge. It is negative there: going down, the image gets darker.",
)

assert dx[:3, 3:5].min() == 15
assert dy[3:5, 5:].max() == -15
assert np.array_equal(dx[:, :3], np.zeros((6, 3)))  # the image is constant on the left

# %% [markdown]
# Mind the words. "Horizontal changes" are changes *along* x, and they make *vertical*
# edges. Saying the axis avoids the mix-up, and it works in a volume, too.
#
# ### Any direction: the magnitude
#
# The two derivatives at a pixel are the two components of an arrow, the **gradient**,
# that points to where it gets brighter fastest. Its length does not care about
# direction:
#
# $$\text{magnitude} = \sqrt{d_x^2 + d_y^2}.$$

# %%
magnitude = apply(PrewittConv(output="magnitude"), image)
print(magnitude.round(1))

assert np.allclose(magnitude, np.sqrt(dx**2 + dy**2), atol=1e-5)

# %% [markdown]
# ## What lies outside?
#
# Look again at the result with the zeros: there was a strong "edge" all along the left
# side, where the image is constant, and another on the right. The border drew both.
# Compare, on the same image:

# %%
zeros = apply(PrewittConv(axis=1, border_mode="constant"), image)
mirror = apply(PrewittConv(axis=1, border_mode="symmetric"), image)

plotting.show(
    plotting.plot_images({"zeros outside": zeros, "mirrored outside": mirror}),
    alt="Left: with zeros outside, the first column holds 4 to 6, the last -21 to -4. "
    "Right: with the symmetric border, both columns are 0; the edge between is "
    "the same.",
    caption="Zeros outside draw edges along the border. The symmetric border repeats "
    "what is there in mirror order and draws none.",
)

assert np.array_equal(zeros[1:-1, 1:-1], mirror[1:-1, 1:-1])
assert (zeros[:, 0].min(), zeros[:, 0].max()) == (4, 6)
assert (zeros[:, -1].min(), zeros[:, -1].max()) == (-21, -4)
assert (mirror[:, [0, -1]] == 0).all()
assert zeros[1, -1] == -21
assert not mirror[:, 0].any()
assert not mirror[:, -1].any()

# %% [markdown]
# ([Every border, on an array and on the photograph, to switch
# between](../kerasconv/play/page/bench.html#two=-1,0,1,-1,0,1,-1,0,1;constant;1;0;14).)
# A constant image has no edges at all. Four of the five usual borders agree:

# %%
constant = np.full((6, 7), 5)
for border in ("symmetric", "reflect", "edge", "wrap", "constant"):
    found = apply(SobelConv(output="magnitude", border_mode=border), constant)
    print(f"{border:10} largest edge: {found.max():.1f}")
    assert (found.max() == 0) == (border != "constant")

# %% [markdown]
# ## Sobel
#
# Irwin Sobel and Gary Feldman gave the middle row twice the weight: it is nearer.

# %%
sobel = np.outer([1, 2, 1], difference)
assert np.array_equal(sobel, kernels.sobel(rank=2, axis=1)[0])
print(sobel)

# %% [markdown]
# Is that better? It depends. Scale both kernels so that a ramp that rises by one a
# pixel gives 1. Then let every pixel carry random noise with a standard deviation of 1.
# That of the result is the square root of the sum of the squared weights:

# %%
for name, kernel in {"Prewitt": prewitt, "Sobel": sobel}.items():
    unit = kernel / np.sum(ramp[1:4, 2:5] * kernel)
    print(f"{name}: noise {np.sqrt(np.sum(unit**2)):.3f}")

# %% [markdown]
# Prewitt lets slightly less noise through. Sobel tells the *direction* of an edge more
# exactly; the second exercise measures it.
#
# ### Scale
#
# A unit ramp gives 6 with Prewitt and 8 with Sobel; in one dimension 2 with either, and
# in a volume 18 and 32. That is no mistake as long as one knows it. The argument
# `normalize`, which the layers have too, lets you choose: `None` leaves the whole
# numbers, as SciPy and OpenCV do; `"smooth"` divides the smoothing by its sum, as
# scikit-image does; `"unit"` makes a unit ramp give 1.

# %%
for operator in (kernels.prewitt, kernels.sobel):
    for normalize in (None, "smooth", "unit"):
        answers = [
            np.sum(operator(rank, axis=-1, normalize=normalize) * np.arange(3))
            for rank in (1, 2, 3)
        ]
        print(f"{operator.__name__:8} {normalize!s:7}", np.round(answers, 5))
        expected = {
            (kernels.prewitt, None): [2, 6, 18],
            (kernels.sobel, None): [2, 8, 32],
            (operator, "smooth"): [2, 2, 2],
            (operator, "unit"): [1, 1, 1],
        }[operator, normalize]
        assert np.allclose(answers, expected)

volume = np.broadcast_to(np.arange(5.0), (5, 5, 5))
assert apply(SobelConv(axis=-1), volume)[2, 2, 2] == 32

# %% [markdown]
# ## A real photograph
#
# The layers treat a colour image as three grey ones. Here we take the luminance only.

# %%
photo = read_photo(example_photo())
grey = photo @ [0.299, 0.587, 0.114]

x_edges = apply(SobelConv(axis=1), grey)
y_edges = apply(SobelConv(axis=0), grey)
strength = apply(SobelConv(output="magnitude"), grey)

plotting.show(
    plotting.plot_images(
        {
            "photograph": photo,
            "along x": x_edges,
            "along y": y_edges,
            "magnitude": strength,
        },
        columns=2,
        limit=1,
    ),
    alt="A photograph of a cat's face in four panels: the photograph; the derivative "
    "along x, in which vertical strokes such as the sides of the eyes are red and "
    "blue; that along y, in which horizontal strokes such as the eyelids are; and the "
    "magnitude, a white drawing on black.",
    caption="Sobel on a photograph. Red is brighter to the right (or below), blue "
    "darker; where it changes by 1/8 a pixel or more, the colour is full.",
)

eighths = np.tile(np.arange(5.0), (5, 1)) * (1 / 8)  # brighter by 1/8 a pixel
assert np.allclose(
    apply(SobelConv(axis=1), 8 * eighths) / 8, apply(SobelConv(axis=1), eighths)
)
assert strength.min() >= 0 > min(x_edges.min(), y_edges.min())

# %% [markdown]
# And the border? Take a small piece, as if it were the whole picture:

# %%
piece = grey[90:140, 140:215]
with_zeros = apply(SobelConv(output="magnitude", border_mode="constant"), piece)
with_mirror = apply(SobelConv(output="magnitude"), piece)

plotting.show(
    plotting.plot_images(
        {
            "photograph": photo[90:140, 140:215],
            "zeros outside": with_zeros,
            "mirrored outside": with_mirror,
        }
    ),
    alt="A piece of the photograph with an eye; its edges twice. With zeros outside "
    "a bright frame runs round all four sides; with the border mirrored there is no "
    "frame, and the eye is a little brighter.",
    caption="The strongest edges of the middle picture are not in the photograph. "
    "White is the largest value of each picture, so the frame also takes the contrast "
    "from everything else.",
)

border = np.ones(piece.shape, bool)
border[1:-1, 1:-1] = False
print(f"mean on the border: zeros {with_zeros[border].mean():.2f},", end=" ")
print(f"mirrored {with_mirror[border].mean():.2f}")

assert np.allclose(with_zeros[~border], with_mirror[~border], atol=1e-5)
assert with_zeros[border].mean() > 5 * with_mirror[border].mean()
assert border[np.unravel_index(with_zeros.argmax(), border.shape)]
sides = (with_zeros[0], with_zeros[-1], with_zeros[:, 0], with_zeros[:, -1])
assert min(side.mean() for side in sides) > 3 * with_zeros[~border].mean()

# %% [markdown]
# A handwritten digit of MNIST lies on black. There zeros outside continue the image,
# and the choice makes no difference:

# %%
digit = load_digits()[0][18, ..., 0]  # a three
digit_edges = apply(SobelConv(output="magnitude"), digit)

assert np.allclose(
    digit_edges, apply(SobelConv(output="magnitude", border_mode="constant"), digit)
)

plotting.show(
    plotting.plot_images(
        {
            "digit": digit,
            "along x": apply(SobelConv(axis=1), digit),
            "along y": apply(SobelConv(axis=0), digit),
            "magnitude": digit_edges,
        }
    ),
    alt="A handwritten three; its derivative along x and along y in red and blue; the "
    "magnitude, which traces both sides of every stroke.",
    caption="A stroke has two edges: the magnitude draws both and leaves the middle.",
)

# %% [markdown]
# ## In a data pipeline
#
# The layers also serve in a pipeline that prepares images for training. There an image
# often comes alone, without a batch axis. Its shape (28, 28, 1) is then that of a batch
# of 28 signals, and a layer cannot know what you mean:

# %%
digits = load_digits()[0]  # (64, 28, 28, 1)
alone = digits[18]
print(alone.shape, "->", tuple(SobelConv()(alone).shape))

assert SobelConv()(alone).shape == (28, 28, 1)  # a signal has one derivative, not two

# %% [markdown]
# `rank=2` says that the input has two spatial axes. Then a forgotten batch axis is an
# error that names the remedy:

# %%
edges = SobelConv(output="magnitude", rank=2)
try:
    edges(alone)
except ValueError as error:
    refused = str(error)
    print(refused)

assert "x[None]" in refused

# %% [markdown]
# Give the layer batches, and it works in `tf.data` on TensorFlow and in a plain loop
# everywhere:

# %%
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    pipeline = tf.data.Dataset.from_tensor_slices(digits).batch(16).map(edges)
else:
    pipeline = (edges(digits[i : i + 16]) for i in range(0, len(digits), 16))
batches = [keras.ops.convert_to_numpy(batch) for batch in pipeline]
print([batch.shape for batch in batches])

assert np.allclose(np.concatenate(batches)[18, ..., 0], digit_edges, atol=1e-5)

# %% [markdown]
# ## Beside SciPy and scikit-image
#
# Agreement with libraries that share no code is the best evidence one can have. SciPy's
# border `"reflect"` is what NumPy, and this package, call `"symmetric"`: the edge pixel
# is repeated. (NumPy's `"reflect"` is SciPy's `"mirror"`.)

# %%
for axis in (0, 1):
    ours = apply(SobelConv(axis=axis), grey)
    assert np.allclose(ours, ndimage.sobel(grey, axis, mode="reflect"), atol=1e-5)
    ours = apply(PrewittConv(axis=axis), grey)
    assert np.allclose(ours, ndimage.prewitt(grey, axis, mode="reflect"), atol=1e-5)

ours = apply(SobelConv(axis=1, border_mode="reflect"), grey)
assert np.allclose(ours, ndimage.sobel(grey, 1, mode="mirror"), atol=1e-5)

# %% [markdown]
# scikit-image names the *edge*, not the axis: its `sobel_v` finds vertical edges and is
# the derivative along x. It divides by 4 (Prewitt: 3), and its magnitude by $\sqrt 2$
# besides.

# %%
try:
    from skimage import filters
except ImportError:
    filters = None
    print("scikit-image is not installed, so it is not compared.")

if filters is not None:
    for ours, theirs in {
        SobelConv(axis=1): filters.sobel_v,
        SobelConv(axis=0): filters.sobel_h,
        PrewittConv(axis=1): filters.prewitt_v,
        PrewittConv(axis=0): filters.prewitt_h,
    }.items():
        divisor = 4 if isinstance(ours, SobelConv) else 3
        assert np.allclose(apply(ours, grey) / divisor, theirs(grey), atol=1e-5)
    assert np.allclose(strength / 4 / np.sqrt(2), filters.sobel(grey), atol=1e-5)

# %% [markdown]
# ## Exercises
#
# **1.** `[1, -2, 1]` down plus the same across is the **Laplacian**. What does it
# give on a ramp, and what on the small image? Use `FixedConv(kernels.laplacian(2))`.

# %% [markdown]
# <details><summary>Answer</summary>
#
# On a ramp 0: it is a second derivative, which is 0 wherever the slope does not
# *change*. On a step it answers twice, with one sign on each side; the edge lies
# between them, where it crosses zero. At the border of the ramp it is not 0: there the
# mirrored border bends the ramp.
#
# </details>

# %% tags=["hide-cell"]
laplacian = FixedConv(kernels.laplacian(2))
assert not apply(laplacian, ramp)[:, 1:-1].any()
print(apply(laplacian, image).astype(int))

assert apply(laplacian, image)[0, 3:5].tolist() == [5, -5]

# %% [markdown]
# **2.** Draw a soft disc. At each point of its edge the true direction of the gradient
# is known: towards the centre. Which kernel tells the direction better?

# %% [markdown]
# <details><summary>Answer</summary>
#
# Sobel: its error is about half of Prewitt's. A diagonal neighbour is farther away
# than a straight one, and the lower weight of the outer rows makes up for it.
#
# </details>

# %% tags=["hide-cell"]
y, x = np.mgrid[-40:41, -40:41]
disc = 1 / (1 + np.exp(np.hypot(x, y) - 25))
error = {}
for make in (PrewittConv, SobelConv):
    dy, dx = apply(make(axis=0), disc), apply(make(axis=1), disc)
    edge = np.hypot(dx, dy) > 0.3 * np.hypot(dx, dy).max()
    off = np.angle((dx + 1j * dy) / (-x - 1j * y + (x == 0) * (y == 0)))[edge]
    error[make.__name__] = np.degrees(np.sqrt(np.mean(off**2)))
    print(f"{make.__name__}: {error[make.__name__]:.2f} degrees (root mean square)")

assert error["SobelConv"] < 0.6 * error["PrewittConv"]

# %% [markdown]
# **3.** Why is scikit-image's magnitude smaller by $\sqrt 2$? Take two ramps: one rises
# by one a pixel along x only, the other along x and along y. Which of the two
# magnitudes, ours or scikit-image's, is 1 on the first ramp, and which on the second?
# (Scale both kernels so that their derivative along x is 1.)

# %% [markdown]
# <details><summary>Answer</summary>
#
# scikit-image divides the sum of the squares by the number of axes: it takes the root
# of their *mean*, not the length of the arrow. The length is 1 on the first ramp and √2
# on the second, which does rise by √2 a pixel in its steepest direction. The root of
# the mean is 1/√2 on the first ramp and 1 on the second.
#
# </details>

# %% tags=["hide-cell"]
along_x = np.broadcast_to(np.arange(9.0), (9, 9))
diagonal = along_x + along_x.T
lengths = [
    apply(SobelConv(output="magnitude", normalize="unit"), r)[4, 4]
    for r in (along_x, diagonal)
]
print(np.round(lengths, 4), np.round(np.divide(lengths, np.sqrt(2)), 4))

assert np.allclose(lengths, [1, np.sqrt(2)])

# %% [markdown]
# **Next:** [Pooling](03_pooling.py)
