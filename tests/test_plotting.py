"""A picture shows what it was given, legibly, and is written whole or not at all."""

import base64
import functools
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from kerasconv.errors import KerasconvError, UsageError
from kerasconv.plotting import (
    plot_bars,
    plot_confusion_matrix,
    plot_digits,
    plot_feature_maps,
    plot_history,
    plot_images,
    plot_kernels,
    plot_lines,
    plot_scores,
    plot_slide,
    plot_window,
    save_figure,
    show,
)
from kerasconv.plotting._show import SUFFIXES

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
SOBEL = np.outer([1, 2, 1], [-1, 0, 1])
LAYERS = {
    "conv": RNG.random((26, 26, 32)),
    "pool": RNG.random((5, 5, 20)),
    "signed": RNG.normal(size=(6, 7, 3)),
    "sequence": RNG.random((30, 4)),
    "volume": RNG.random((3, 5, 6, 2)),
    "flat": RNG.random(200),
    "dense": RNG.normal(size=10),
}
SIGNAL = np.array([0, 0, 2, 5, 5, 3, 3, 4])
STEP = np.array([[2, 2, 2, 2, 7, 7, 7]] * 4 + [[2] * 7] * 2)
HISTORY = {"loss": [3, 2, 1], "val_loss": [3, 2.5, 2], "accuracy": [0.1, 0.2, 0.3]}

FIGURES = {
    "weights": lambda: plot_kernels(RNG.normal(size=(6, 3, 3)) / 10),
    "long names": lambda: plot_confusion_matrix(np.eye(12), ["a long name"] * 12),
    "kernels": lambda: plot_kernels(
        {"d": [-1, 1], "s": SOBEL, "v": np.ones((2, 3, 4))}
    ),
    "many kernels": lambda: plot_kernels(RNG.normal(size=(33, 3, 3))),
    "large kernels": lambda: plot_kernels(RNG.normal(size=(3, 21, 21))),
    "feature maps": lambda: plot_feature_maps(LAYERS),
    "confusion matrix": lambda: plot_confusion_matrix(RNG.integers(0, 2000, (10, 10))),
    "names": lambda: plot_confusion_matrix(np.eye(3), ["aeroplane", "ship", "cat"]),
    "digits": lambda: plot_digits(RNG.random((13, 28, 28)), ["7 (99.9 %)\nno 3"] * 13),
    "history": lambda: plot_history(HISTORY),
    "numbers": lambda: plot_images({"image": STEP, "signed": -10 * STEP}),
    "photographs": lambda: plot_images(
        {"colour": RNG.random((30, 45, 3)), "x": RNG.normal(size=(30, 45)),
         "size": RNG.random((30, 45, 1))}
    ),
    "signals": lambda: plot_bars({"x": SIGNAL, "y": np.diff(SIGNAL)}),
    "lines": lambda: plot_lines(
        {"a long name": SIGNAL, "b": SIGNAL + 1}, xlabel="shift", ylabel="change"
    ),
    "scores": lambda: plot_scores(
        {"pixels (7,850)": 91.2, "signed Sobel, weighted pool (1,970)": 95.93},
        xlabel="right (%), with 95 % intervals",
        intervals={"pixels (7,850)": (90.6, 91.8)},
    ),
    "logarithmic scores": lambda: plot_scores(
        {"jax": 0.15, "numpy": 3.6}, xlabel="one image (ms)", log=True
    ),
    "window": lambda: plot_window(STEP, SOBEL, (0, 3), pad=1),
    "window on a signal": lambda: plot_window(SIGNAL, [-1, 1], 2, pad=(1, 0)),
    "slide": lambda: plot_slide(SIGNAL, [-1, 1], pad=(1, 0)),
    "large window": lambda: plot_window(STEP, np.ones((5, 5)) / 25, (0, 0)),
    "slide of fractions": lambda: plot_slide(SIGNAL / 8, [0.25, 0.5, 0.25]),
}  # fmt: skip


def panels(figure):
    """The axes that are not a colour bar's."""
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]


def bars(figure):
    return [ax for ax in figure.axes if ax.get_label() == "<colorbar>"]


def texts(ax):
    return [text.get_text() for text in ax.texts]


@functools.cache
def figure_of(kind):
    """Made once for the tests that only look."""
    return FIGURES[kind]()


@functools.cache
def drawn(kind):
    """The figure, drawn as it is written to a file, and the pixels of that."""
    figure = figure_of(kind)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return figure, np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize("kind", FIGURES)
def test_text_neither_overlaps_nor_leaves_the_picture(kind):
    figure, _ = drawn(kind)
    page = figure.bbox
    for ax in figure.axes:
        labels = [*ax.texts, ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = zip(
                axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True
            )
            labels += [label for place, label in ticks if low <= place <= high]
        boxes = [
            text.get_window_extent()
            for text in labels
            if text.get_text() and text.get_visible()
        ]
        for i, box in enumerate(boxes):
            assert box.x0 >= page.x0 - 1
            assert box.x1 <= page.x1 + 1
            assert box.y0 >= page.y0 - 1
            assert box.y1 <= page.y1 + 1
            for other in boxes[:i]:
                overlap = min(box.x1, other.x1) - max(box.x0, other.x0)
                above = min(box.y1, other.y1) - max(box.y0, other.y0)
                assert overlap <= 1 or above <= 1


@pytest.mark.parametrize("kind", FIGURES)
def test_every_picture_is_drawn_without_pyplot_and_fits_a_page_across(kind):
    figure, pixels = drawn(kind)
    assert type(figure) is Figure
    assert figure.get_figwidth() <= 9.5
    assert pixels[..., :3].mean(-1).std() > 5


def test_pyplot_is_not_imported():
    code = (
        "import sys; from kerasconv import plotting; "
        "late = 'matplotlib' not in sys.modules; "
        "plotting.plot_kernels([[1, 2]]); "
        "sys.exit(not late or 'matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Kernels --------------------------------------------------------------------------


def test_kernels_share_limits_that_are_symmetric():
    figure = plot_kernels({"small": [[0.5, 0]], "large": [[-3.0, 1]]})
    assert len(panels(figure)) == 2
    for ax in panels(figure):
        assert ax.images[0].get_clim() == (-3, 3)
    assert len(bars(figure)) == 1
    assert [ax.get_title() for ax in panels(figure)] == ["small", "large"]


def test_zero_is_the_middle_of_the_scale_and_the_signs_differ():
    image = panels(plot_kernels([[-1, 0, 1]]))[0].images[0]
    blue, white, red = image.cmap(image.norm([-1.0, 0, 1]))[:, :3]
    assert white.min() > 0.95
    assert blue[2] > blue[0]
    assert red[0] > red[2]


def test_few_weights_are_written_in_and_many_are_not():
    ax = panels(plot_kernels([SOBEL / 8]))[0]
    assert texts(ax)[:3] == ["−0.125", "0", "0.125"]
    assert texts(panels(plot_kernels([SOBEL]))[0])[3:6] == ["−2", "0", "2"]
    assert not texts(panels(plot_kernels(RNG.normal(size=(40, 3, 3))))[0])
    assert not texts(panels(plot_kernels([np.ones((30, 30))]))[0])


def test_the_slices_of_a_volume_stand_side_by_side():
    kernel = np.arange(12.0).reshape(2, 2, 3)
    picture = panels(plot_kernels([kernel]))[0].images[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(picture[:, :3], kernel[0])
    assert np.isnan(picture[:, 3]).all()
    np.testing.assert_array_equal(picture[:, 4:], kernel[1])


def test_kernels_of_zeros_have_a_scale():
    low, high = panels(plot_kernels([np.zeros((3, 3))]))[0].images[0].get_clim()
    assert low == -high < 0


def test_columns_are_kept():
    figure = plot_kernels([SOBEL] * 5, columns=2)
    assert panels(figure)[0].get_gridspec().get_geometry() == (3, 2)
    assert len(panels(figure)) == 5
    with pytest.raises(ValueError, match="`columns` must be a positive int"):
        plot_kernels([SOBEL], columns=0)


@pytest.mark.parametrize("kernels", [[], {}, [3.0], [np.ones((1,) * 4)], [[]]])
def test_what_is_no_kernel_is_refused(kernels):
    with pytest.raises(ValueError, match=r"`kernels` must not be empty|one to three"):
        plot_kernels(kernels)


# Feature maps ---------------------------------------------------------------------


def test_each_layer_has_a_panel_with_its_name_and_shape():
    figure = plot_feature_maps(LAYERS)
    titles = [ax.get_title("left") for ax in panels(figure)]
    assert titles[0] == "conv   26 × 26 × 32"
    assert [title.split()[0] for title in titles] == list(LAYERS)
    assert len(bars(figure)) == 5  # vectors have an axis instead


def test_every_map_is_there_whole_and_in_order():
    maps = np.arange(2 * 28 * 28 * 20.0).reshape(2 * 28, 28, 20)[:28]
    picture = panels(plot_feature_maps({"x": maps}))[0].images[0].get_array()
    picture = picture.filled(np.nan)
    for channel in range(20):
        row, column = divmod(channel, 16)
        tile = picture[30 * row : 30 * row + 28, 30 * column : 30 * column + 28]
        np.testing.assert_array_equal(tile, maps[..., channel])
    assert np.isnan(picture[28:30]).all()
    assert np.isnan(picture[30:, 4 * 30 :]).all()


def test_small_maps_are_enlarged_evenly():
    maps = RNG.random((2, 2, 1))
    picture = panels(plot_feature_maps({"x": maps}))[0].images[0].get_array()
    np.testing.assert_array_equal(picture, np.kron(maps[..., 0], np.ones((14, 14))))


def test_a_volume_has_a_row_of_slices_for_each_channel():
    maps = RNG.random((3, 28, 28, 2))
    picture = panels(plot_feature_maps({"x": maps}))[0].images[0].get_array()
    np.testing.assert_array_equal(picture[30:58, 60:88], maps[2, :, :, 1])


def test_a_layer_has_one_scale_of_its_own():
    figure = plot_feature_maps(
        {"a": 5 * np.eye(4)[..., None], "b": -np.eye(3)[:, None]}
    )
    assert [ax.images[0].get_clim() for ax in panels(figure)] == [(0, 5), (-1, 1)]


def test_a_vector_is_drawn_as_bars():
    values = RNG.normal(size=10)
    ax = panels(plot_feature_maps({"dense": values}))[0]
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(list(values))


@pytest.mark.parametrize(
    "layers", [{}, {"x": 1.0}, {"x": np.ones((1,) * 5)}, {"x": np.ones((0, 3))}]
)
def test_what_is_no_feature_map_is_refused(layers):
    with pytest.raises(ValueError, match=r"must not be empty|one to four axes"):
        plot_feature_maps(layers)


# Confusion matrix, digits, curves -------------------------------------------------


def test_a_confusion_matrix_shows_its_counts_where_they_are():
    matrix = np.array([[900, 100], [0, 2000]])
    ax = panels(plot_confusion_matrix(matrix, ["cat", "dog"]))[0]
    shown = {(int(t._y), int(t._x)): t.get_text() for t in ax.texts}
    assert shown == {(0, 0): "900", (0, 1): "100", (1, 1): "2,000"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["cat", "dog"]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("true class", "predicted class")
    assert ax.get_title() == "100 of 3,000 wrong, accuracy 96.67 %"
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.9, 0.1], [0, 1]])


def test_a_class_that_never_occurs_has_no_share():
    ax = panels(plot_confusion_matrix(np.zeros((3, 3), int)))[0]
    assert not ax.images[0].get_array().any()


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        (np.ones((2, 3)), None, "`matrix` must be square"),
        (np.ones(3), None, "`matrix` must be square"),
        (-np.eye(2), None, "counts"),
        (np.eye(2), ["a"], "`class_names` must name all 2"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(matrix, names, message):
    with pytest.raises(ValueError, match=message):
        plot_confusion_matrix(matrix, names)


@pytest.mark.parametrize(
    ("images", "top"),
    [(RNG.random((3, 8, 8, 1)), 1), (np.zeros((3, 8, 8), np.uint8), 255)],
)
def test_digits_share_a_scale_and_have_their_captions(images, top):
    axes = panels(plot_digits(images, "abc"))
    assert [ax.get_xlabel() for ax in axes] == ["a", "b", "c"]
    for ax, image in zip(axes, images, strict=True):
        assert ax.images[0].get_clim() == (0, top)
        np.testing.assert_array_equal(ax.images[0].get_array(), image.reshape(8, 8))


def test_digits_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`images` must have the shape"):
        plot_digits(np.zeros((28, 28)))
    with pytest.raises(ValueError, match="`captions` must be one for each of the 2"):
        plot_digits(np.zeros((2, 28, 28)), ["one"])


@pytest.mark.parametrize("wrap", [dict, lambda h: SimpleNamespace(history=h)])
def test_each_quantity_has_a_panel_with_its_curves(wrap):
    axes = panels(plot_history(wrap(HISTORY)))
    assert [ax.get_title() for ax in axes] == ["loss", "accuracy"]
    training, validation = axes[0].lines
    np.testing.assert_array_equal(training.get_xydata(), [[1, 3], [2, 2], [3, 1]])
    np.testing.assert_array_equal(validation.get_ydata(), HISTORY["val_loss"])
    assert training.get_linestyle() != validation.get_linestyle()
    assert len(axes[1].lines) == 1


@pytest.mark.filterwarnings("error")
def test_many_epochs_have_no_marks_and_no_warning():
    (ax,) = panels(plot_history({"loss": np.ones(31)}))
    assert ax.lines[0].get_marker() == "None"


def test_one_epoch_is_drawn():
    figure = plot_history({"loss": [1.0]})
    figure.draw_without_rendering()
    assert panels(figure)[0].lines[0].get_marker() == "o"


@pytest.mark.parametrize("history", [{}, {"loss": []}])
def test_an_empty_history_is_refused(history):
    with pytest.raises(ValueError, match="`history` must not be empty"):
        plot_history(history)


# Images, signals, curves ----------------------------------------------------------


def numbers(ax):
    """What is written in the cells of a panel, as an array; NaN where there is none."""
    height, width = ax.images[0].get_array().shape
    written = np.full((height, width), np.nan)
    for text in ax.texts:
        written[int(text._y), int(text._x)] = float(text.get_text().replace("−", "-"))
    return written


def frames(ax):
    """The framed cells of a panel: (first column, first row, width, height)."""
    return [
        (p.get_x() + 0.5, p.get_y() + 0.5, p.get_width(), p.get_height())
        for p in ax.patches
        if p.get_linewidth() > 2
    ]


def hatched(ax):
    return sorted(
        (p.get_y() + 0.5, p.get_x() + 0.5) for p in ax.patches if p.get_hatch()
    )


def test_small_images_show_their_numbers_on_one_scale():
    axes = panels(plot_images({"a": STEP, "b": -3 * STEP}))
    assert [ax.get_title() for ax in axes] == ["a", "b"]
    np.testing.assert_array_equal(numbers(axes[0]), STEP)
    np.testing.assert_array_equal(numbers(axes[1]), -3 * STEP)
    assert {ax.images[0].get_clim() for ax in axes} == {(-21, 21)}


def test_signed_maps_share_a_scale_about_zero_and_grey_ones_begin_at_zero():
    x, y = RNG.normal(size=(2, 20, 30))
    figure = plot_images({"x": x, "y": 3 * y, "size": abs(x), "photo": x * 0 + 0.5})
    most = 3 * abs(y).max()
    assert most > abs(x).max()
    limits = [ax.images[0].get_clim() for ax in panels(figure)]
    assert limits == [(-most, most)] * 2 + [(0, abs(x).max()), (0, 0.5)]
    assert len(bars(figure)) == 1


def test_a_limit_holds_for_grey_and_signed_maps_and_colours_stay():
    x, photo = RNG.normal(size=(20, 30)), RNG.random((20, 30, 3))
    axes = panels(
        plot_images({"x": x, "size": abs(x), "photo": photo}, limit=0.5, columns=2)
    )
    limits = [ax.images[0].get_clim() for ax in axes]
    assert limits == [(-0.5, 0.5), (0, 0.5), (0, 1)]
    np.testing.assert_array_equal(axes[2].images[0].get_array(), photo)
    assert axes[0].get_gridspec().get_geometry() == (2, 2)


def test_black_and_level_images_are_drawn():
    plot_images({"black": np.zeros((20, 20))}).draw_without_rendering()
    plot_images({"black": np.zeros((3, 3))}).draw_without_rendering()


@pytest.mark.parametrize(
    "pictures",
    [{}, {"x": np.ones(3)}, {"x": np.ones((3, 3, 2))}, {"x": np.ones((0, 3))}],
)
def test_what_is_no_picture_is_refused(pictures):
    with pytest.raises(ValueError, match=r"must not be empty|must have the shape"):
        plot_images(pictures)


def test_signals_stand_below_one_another_cell_by_cell():
    axes = panels(plot_bars({"x": SIGNAL, "y": np.diff(SIGNAL)}))
    assert [ax.get_title("left") for ax in axes] == ["x", "y"]
    assert [bar.get_height() for bar in axes[0].patches] == SIGNAL.tolist()
    assert [bar.get_height() for bar in axes[1].patches] == np.diff(SIGNAL).tolist()
    assert axes[0].get_xlim() == axes[1].get_xlim()


@pytest.mark.parametrize("signals", [{}, {"x": STEP}, {"x": []}])
def test_what_is_no_signal_is_refused(signals):
    with pytest.raises(ValueError, match=r"must not be empty|must have one axis"):
        plot_bars(signals)


def test_curves_can_be_told_apart_without_colour():
    curves = {str(i): SIGNAL + i for i in range(6)}
    (ax,) = panels(plot_lines(curves, range(1, 9), xlabel="n", ylabel="v"))
    assert len({line.get_marker() for line in ax.lines}) == 6
    assert len({line.get_color() for line in ax.lines}) == 6
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), SIGNAL + 2)
    np.testing.assert_array_equal(ax.lines[2].get_xdata(), range(1, 9))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("n", "v")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == list(curves)


def test_no_curve_or_too_many_are_refused():
    with pytest.raises(ValueError, match="`curves` must not be empty"):
        plot_lines({})
    with pytest.raises(ValueError, match="`curves` must be at most 6"):
        plot_lines({str(i): [1] for i in range(7)})


# A window and its arithmetic ------------------------------------------------------


def test_scores_stand_from_top_to_bottom_with_their_numbers():
    figure = plot_scores({"a": 91.23, "b": 5832.1, "c": 0.125}, xlabel="things")
    (ax,) = figure.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "b", "c"]
    assert [t.get_text() for t in ax.texts] == ["91.2", "5,832", "0.125"]
    assert ax.yaxis_inverted()
    assert [bar.get_width() for bar in ax.patches] == [91.23, 5832.1, 0.125]


def test_a_logarithmic_axis_has_points_between_whole_powers_of_ten_and_no_bars():
    figure = plot_scores({"a": 0.15, "b": 3.6}, xlabel="ms", log=True)
    (ax,) = figure.axes
    assert not ax.patches, "a bar's length would mean nothing"
    (points,) = ax.lines
    assert [*points.get_xdata()] == [0.15, 3.6]
    lines = [x for x in ax.get_xticks() if np.prod(np.subtract(ax.get_xlim(), x)) <= 0]
    np.testing.assert_allclose(np.divide(lines[1:], lines[:-1]), 10)
    np.testing.assert_allclose(ax.get_xlim(), (lines[0], lines[-1]))


def test_an_interval_is_drawn_from_end_to_end_before_the_number():
    figure = plot_scores(
        {"a": 60.0, "b": 70.0}, xlabel="%", intervals={"b": (68.0, 72.0)}
    )
    (ax,) = figure.axes
    (whisker,) = ax.lines
    assert list(whisker.get_xdata()) == [68, 72]
    assert set(whisker.get_ydata()) == {1}
    assert [text.xy[0] for text in ax.texts] == [60, 72]


@pytest.mark.parametrize(("scores", "log"), [({}, False), ({"a": 0.0}, True)])
def test_scores_that_cannot_be_drawn_are_refused(scores, log):
    with pytest.raises(ValueError, match="`scores`"):
        plot_scores(scores, xlabel="things", log=log)


def test_a_window_shows_input_kernel_products_and_result():
    figure = plot_window(STEP, SOBEL, (0, 3), pad=1)
    given, kernel, products, result = panels(figure)
    np.testing.assert_array_equal(numbers(given), np.pad(STEP, 1))
    np.testing.assert_array_equal(numbers(kernel), SOBEL)
    np.testing.assert_array_equal(
        numbers(products), [[0, 0, 0], [-4, 0, 14], [-2, 0, 7]]
    )
    from scipy import ndimage

    np.testing.assert_array_equal(
        numbers(result), ndimage.correlate(STEP, SOBEL, mode="constant")
    )
    assert frames(given) == [(3, 0, 3, 3)]
    assert frames(result) == [(3, 0, 1, 1)]
    assert figure._supxlabel.get_text() == "0 + 0 + 0 − 4 + 0 + 14 − 2 + 0 + 7 = 15"


def test_only_the_border_is_hatched():
    given = panels(plot_window(STEP, SOBEL, (0, 0), pad=((1, 0), (0, 2))))[0]
    inside = np.pad(np.ones(STEP.shape), ((1, 0), (0, 2)))
    assert hatched(given) == [tuple(at) for at in np.argwhere(inside == 0)]


def test_a_window_with_strides_stands_where_its_result_belongs():
    given, *_, result = panels(plot_window(STEP, SOBEL, (1, 2), strides=2))
    assert frames(given) == [(4, 2, 3, 3)]
    assert frames(result) == [(2, 1, 1, 1)]
    assert numbers(result).shape == (2, 3)


def test_a_window_follows_the_border_mode():
    given = panels(plot_window(STEP, SOBEL, (0, 0), pad=1, border_mode="symmetric"))[0]
    np.testing.assert_array_equal(numbers(given), np.pad(STEP, 1, mode="symmetric"))


def test_a_slide_has_a_frame_for_each_result():
    axes = panels(plot_slide(SIGNAL, [-1, 1], pad=(1, 0)))
    results = np.diff(SIGNAL, prepend=0)
    assert len(axes) == 8
    for i, ax in enumerate(axes):
        rows = numbers(ax)
        np.testing.assert_array_equal(rows[0], [0, *SIGNAL])
        assert rows[1, i : i + 2].tolist() == [-1, 1]
        assert np.isfinite(rows[1]).sum() == 2
        np.testing.assert_array_equal(rows[2, 1 : i + 2], results[: i + 1])
        assert np.isfinite(rows[2]).sum() == i + 1
        assert frames(ax) == [(i, 0, 2, 2), (i + 1, 2, 1, 1)]
        assert hatched(ax) == [(0, 0)]
    assert axes[3].get_title("left") == "y[3] = −1·2 + 1·5 = 3"
    assert axes[5].get_title("left") == "y[5] = −1·5 + 1·3 = −2"


def test_a_slide_of_stride_two_leaves_every_second_place_empty():
    axes = panels(plot_slide(SIGNAL, [-1, 1], pad=(1, 0), strides=2))
    assert len(axes) == 4
    last = numbers(axes[-1])[2]
    assert last[1::2].tolist() == [0, 2, 0, 0]
    assert np.isnan(last[::2]).all()


def test_a_slide_without_a_border_begins_at_the_first_value():
    axes = panels(plot_slide(SIGNAL, [1, 0, -1]))
    assert len(axes) == 6
    assert hatched(axes[0]) == []
    assert frames(axes[-1]) == [(5, 0, 3, 2), (5, 2, 1, 1)]
    assert axes[0].get_title("left") == "y[0] = 1·0 + 0·0 − 1·2 = −2"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_window(STEP, [-1, 1], (0, 0)), "both have two"),
        (lambda: plot_window(np.ones((2, 2, 2)), np.ones((1, 1, 1)), 0), "both have"),
        (lambda: plot_window(STEP, np.ones((9, 9)), (0, 0)), "`kernel` must fit"),
        (lambda: plot_window(STEP, SOBEL, (4, 0)), r"`at` must be .*\(4, 5\)"),
        (lambda: plot_window(STEP, SOBEL, (-1, 0)), "`at` must be"),
        (lambda: plot_window(STEP, SOBEL, 0), "`at` must be"),
        (lambda: plot_slide(STEP, SOBEL), "`data` must have one axis"),
        (lambda: plot_slide([1], [-1, 1]), "`kernel` must fit"),
    ],
)
def test_a_window_that_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# Showing --------------------------------------------------------------------------

WORDS = {"alt": 'A "kernel" <of two> & more.', "caption": "It is 1 < 2 & signed."}


class Elements(HTMLParser):
    """The elements of a piece of HTML, and the text of each."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = {}, []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.found[tag] = dict(attributes)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.found[self.open[-1]]["text"] = data


@pytest.fixture
def published(monkeypatch):
    """What a notebook is given to show."""
    sent = []
    shell = SimpleNamespace(display_pub=SimpleNamespace(publish=sent.append))
    notebook = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    return sent


def test_a_notebook_gets_the_picture_with_its_words(published):
    figure = plot_kernels([[-1, 1]])
    assert show(figure, **WORDS) is None
    (data,) = published
    assert data["text/plain"] == WORDS["alt"]
    found = Elements(data["text/html"]).found
    assert found["img"]["alt"] == WORDS["alt"]
    assert found["figcaption"]["text"] == WORDS["caption"]
    kind, _, code = found["img"]["src"].partition(",")
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(code))) as image:
        # Two pixels of the picture to one of the page.
        assert image.width == pytest.approx(2 * int(found["img"]["width"]), abs=2)
        assert np.asarray(image.convert("L")).std() > 5


def test_a_plain_script_shows_nothing(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    show(plot_kernels([[-1, 1]]), **WORDS)
    python_without_a_notebook = SimpleNamespace(get_ipython=lambda: None)
    monkeypatch.setitem(sys.modules, "IPython", python_without_a_notebook)
    show(plot_kernels([[-1, 1]]), **WORDS)
    assert capsys.readouterr().out == ""


def test_pyplot_is_told_that_its_figure_has_been_shown(published, monkeypatch):
    closed = []
    pyplot = SimpleNamespace(close=closed.append)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    figure = plot_kernels([[-1, 1]])
    show(figure, **WORDS)
    assert closed == [figure]
    assert len(published) == 1


@pytest.mark.parametrize("words", [{"alt": " "}, {"caption": ""}, {"alt": None}])
def test_a_figure_without_words_is_refused(published, words):
    with pytest.raises(ValueError, match=r"`(alt|caption)` must say something"):
        show(plot_kernels([[-1, 1]]), **{**WORDS, **words})
    assert not published


# Files ----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_written(tmp_path, suffix):
    path = tmp_path / f"figure{suffix}"
    save_figure(plot_kernels([SOBEL]), path)
    assert path.stat().st_size > 500
    assert os.listdir(tmp_path) == [path.name]


def test_an_extension_is_read_in_either_case(tmp_path):
    save_figure(plot_kernels([SOBEL]), tmp_path / "FIGURE.PNG")
    with Image.open(tmp_path / "FIGURE.PNG") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("name", ["figure", "figure.txt", "figure.png.zip"])
def test_an_unknown_extension_is_one_line(tmp_path, name):
    with pytest.raises(
        UsageError, match=r"cannot tell the format of .*\.png"
    ) as caught:
        save_figure(plot_kernels([SOBEL]), tmp_path / name)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KerasconvError, match="cannot be written") as caught:
        save_figure(plot_kernels([SOBEL]), tmp_path / "file" / "figure.png")
    assert "\n" not in str(caught.value)


def test_a_failure_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_text("old")
    figure = plot_kernels([SOBEL])

    def fail(beside, **_):
        beside.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(KerasconvError, match="No space left"):
        save_figure(figure, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["figure.png"]


def test_threads_draw_and_write_at_the_same_time(tmp_path):
    def work(i):
        save_figure(plot_kernels([SOBEL * (i + 1)]), tmp_path / f"{i}.png")
        with Image.open(tmp_path / f"{i}.png") as image:
            return image.size

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(work, range(8)))) == 1
