"""Any picture of a digit becomes what MNIST's authors would have made of it."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage
from sevens import PREPARED, SEVEN, as_levels, box, on_paper, same_digit, seven

from kerasconv.pictures import BlankImageWarning, prepare_digit, read_image

pytestmark = pytest.mark.once


# What was published -------------------------------------------------------------------


def check_published(digit):
    assert digit.shape == (28, 28)
    assert digit.dtype == np.float32
    assert digit.min() == 0
    assert digit.max() == 1
    assert max(box(digit)) == 20
    for centre in ndimage.center_of_mass(digit.astype(np.float64)):
        assert 13.5 - 1e-6 <= centre < 14.5 + 1e-6


@pytest.mark.parametrize("scale", [2, 5, 13, 40])
@pytest.mark.parametrize("margin", [1, 20, 300])
def test_a_digit_of_any_size_and_margin_is_as_published(scale, margin):
    digit = prepare_digit(on_paper(seven(scale), margin))
    check_published(digit)
    same_digit(digit, tolerance=0.03)


def test_the_grey_levels_are_area_averages():
    ink = np.random.default_rng(0).uniform(0.5, 1, (60, 60))
    for row in (13, 34):
        ink[row : row + 13, 17:] = 0  # an E, of strokes that fill no whole pixels
    expected = ink.reshape(20, 3, 20, 3).mean((1, 3))
    expected /= expected.max()
    # In 64 pixels a side the ink is seen as it is, and averaged once.
    digit = prepare_digit(np.pad(ink, 2))
    (rows,), (columns,) = np.nonzero(digit.any(1)), np.nonzero(digit.any(0))
    got = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.testing.assert_allclose(got, expected, atol=2 / 255)


def test_the_aspect_ratio_is_kept():
    ink = np.ones((100, 40))
    ink[10:-10, 10:-10] = 0
    assert box(prepare_digit(on_paper(ink, 30))) == (20, 8)
    assert box(prepare_digit(on_paper(ink.T, 30))) == (8, 20)


def test_the_centre_of_mass_and_not_the_box_is_centred():
    ink = np.zeros((100, 100))
    ink[:, :10] = ink[60:, :] = 1
    digit = prepare_digit(on_paper(ink))
    check_published(digit)
    (rows,) = np.nonzero(digit.any(1))
    assert rows[0] + rows[-1] < 27 - 4  # the box lies higher than the centre


def test_no_ink_is_cut_off_where_the_centre_is_far_out():
    ink = np.zeros((100, 100))
    ink[80:, :] = 1
    ink[:, 48:51] = 1
    ink[:6, 45:55] = 1
    digit = prepare_digit(on_paper(ink))
    assert max(box(digit)) == 20


def test_mnist_digits_come_through_unchanged(digits):
    for digit in digits:
        expected = digit / np.float32(255)
        np.testing.assert_array_equal(prepare_digit(digit), expected)
        np.testing.assert_array_equal(prepare_digit(255 - digit), expected)
        np.testing.assert_array_equal(prepare_digit(expected), expected)
        np.testing.assert_array_equal(prepare_digit(1 - expected), expected)
        np.testing.assert_array_equal(prepare_digit(Image.fromarray(digit)), expected)


def test_the_real_test_digits_have_the_centre_that_is_documented(digits):
    for digit in digits:
        for centre in ndimage.center_of_mass(digit.astype(np.float64)):
            assert 13.5 <= centre < 14.5
        assert max(box(digit)) in (19, 20)


def test_a_moved_mnist_digit_is_moved_back(digits):
    for digit in digits[:20]:
        moved = np.pad(digit, ((3, 40), (25, 1)))
        same_digit(prepare_digit(moved), digit / 255, tolerance=0.01)


@pytest.fixture(scope="module")
def digits():
    """The real test digits that the package carries."""
    from kerasconv.digits import load_digits

    return as_levels(load_digits()[0].reshape(-1, 28, 28))


def test_a_small_digit_in_the_middle_of_the_field_is_no_mnist_digit():
    small = np.zeros((28, 28), np.uint8)
    small[9:19, 10:17] = 255
    small[12:16, 12:15] = 0
    assert box(prepare_digit(small)) == (20, 14)


@pytest.mark.parametrize("side", [18, 21])
def test_a_centred_digit_of_another_size_is_scaled(side):
    ink = np.zeros((28, 28), np.uint8)
    start = 14 - side // 2
    ink[start : start + side, 11:17] = 255
    ink[start + 3 : start + side - 3, 13:15] = 0
    assert max(box(prepare_digit(ink))) == 20


@pytest.mark.filterwarnings("ignore::kerasconv.pictures.BlankImageWarning")
@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=90),
        elements=st.sampled_from([0, 0, 0, 30, 128, 255]),
        fill=st.just(0),
    )
)
def test_every_picture_is_answered_and_preparing_twice_changes_nothing(picture):
    once = prepare_digit(picture)
    assert once.shape == (28, 28)
    assert once.dtype == np.float32
    assert np.isfinite(once).all()
    assert once.min() >= 0
    assert once.max() in (0, 1)
    np.testing.assert_array_equal(prepare_digit(once), once)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_digit_on_a_page_and_its_negative_give_the_same_digit(digits, data):
    ink = digits[data.draw(st.integers(0, len(digits) - 1))] / 255
    scale = data.draw(st.integers(2, 6))
    margin = data.draw(st.tuples(*[st.integers(0, 40)] * 4))
    contrast = data.draw(st.floats(0.3, 1))
    paper = data.draw(st.floats(contrast, 1))
    picture = on_paper(
        np.kron(ink, np.ones((scale, scale))),
        (margin[:2], margin[2:]),
        paper,
        paper - contrast,
    )
    once = prepare_digit(picture)
    check_published(once)
    # Faint pixels may lie on the threshold, where rounding decides.
    same_digit(prepare_digit(255 - picture), once, tolerance=0.08)
    same_digit(once, ink, tolerance=0.08)


# Pictures that are not clean ----------------------------------------------------------


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(
    ("paper", "pen"), [(1.0, 0.0), (0.85, 0.2), (0.6, 0.45), (0.9, 0.8)]
)
def test_contrast_and_polarity_do_not_matter(paper, pen, invert):
    picture = on_paper(seven(), 20, paper, pen)
    same_digit(prepare_digit(255 - picture if invert else picture), tolerance=0.005)


def test_a_strong_stroke_is_the_ink_and_not_a_wide_faint_smudge():
    page = np.full((200, 200), 0.6)
    page[110:180, 100:170] = 0.8  # 980 whites in all, and the stroke 480
    page[20:100, 45:55] = 0
    digit = prepare_digit(page)
    assert box(digit)[0] == 20
    assert np.count_nonzero(digit.any(axis=0)) <= 3


@pytest.mark.parametrize("side", range(4))
def test_ink_that_touches_a_side_is_ink(side):
    margin = [20] * 4
    margin[side] = 0
    top, bottom, left, right = margin
    picture = on_paper(seven(), ((top, bottom), (left, right)))
    same_digit(prepare_digit(picture))


def test_ink_cut_at_its_box_is_ink():
    same_digit(prepare_digit(on_paper(seven(), 0)))


@pytest.mark.parametrize("angle", range(0, 360, 45))
def test_shading_is_taken_out(angle):
    picture = on_paper(seven(), 40, paper=0.65, pen=0.15) / 255
    height, width = picture.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shade = 0.25 * (np.cos(np.radians(angle)) * x + np.sin(np.radians(angle)) * y)
    same_digit(prepare_digit(as_levels(picture + shade)))


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_sensor_noise_does_not_matter(noise):
    picture = on_paper(seven(), 40, paper=0.85, pen=0.15) / 255
    rng = np.random.default_rng(0)
    noisy = as_levels(picture + rng.normal(0, noise, picture.shape))
    same_digit(prepare_digit(noisy), tolerance=0.03)


@pytest.mark.parametrize("level", [0, 255])
def test_specks_do_not_matter(level):
    picture = on_paper(seven(), 60, paper=0.85, pen=0.15)
    for row, column in np.random.default_rng(1).integers(0, 50, (12, 2)):
        picture[row : row + 3, column : column + 3] = level
        picture[-row - 3 : -row - 1, -column - 3 : -column - 1] = level
    same_digit(prepare_digit(picture))


@pytest.mark.parametrize("quality", [10, 50, 90])
def test_jpeg_artefacts_do_not_matter(tmp_path, quality):
    path = tmp_path / "seven.jpg"
    Image.fromarray(SEVEN).save(path, quality=quality)
    same_digit(prepare_digit(read_image(path)), tolerance=0.03)


def test_a_small_digit_in_a_large_noisy_picture_is_found():
    rng = np.random.default_rng(0)
    picture = on_paper(seven(2), ((1200, 400), (100, 1500)), paper=0.9, pen=0.1) / 255
    picture += rng.normal(0, 0.04, picture.shape)
    same_digit(prepare_digit(as_levels(picture)), tolerance=0.05)


def test_a_second_stroke_of_some_weight_is_part_of_the_digit():
    ink = np.zeros((200, 100))
    ink[60:200, 40:60] = 1
    ink[0:40, 0:100] = 1  # a bar that does not touch
    assert box(prepare_digit(on_paper(ink))) == (20, 10)


@pytest.mark.parametrize("share", [0.1, 0.2, 0.4])
def test_a_detached_stroke_is_ink_and_no_speck(share):
    page = np.full((200, 200), 255, np.uint8)
    page[60:160, 80:100] = 0  # the stem
    length = round(share * 100)
    page[30:50, 100 : 100 + length] = 0  # a stroke of that share of its weight
    digit = prepare_digit(page)
    without = page.copy()
    without[30:50] = 255
    assert not np.array_equal(digit, prepare_digit(without))
    rows = np.flatnonzero(digit.any(axis=1))
    assert rows[-1] - rows[0] + 1 == 20  # both together fill the box
    profile = digit[rows[0] : rows[-1] + 1].sum(axis=1)
    assert profile[3:6].min() < profile[10] / 2  # the paper between the two


# Nothing to see -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (28, 28), (300, 200)])
@pytest.mark.parametrize("level", [0, 130, 255])
def test_a_blank_picture_gives_a_blank_digit_and_a_warning(shape, level):
    with pytest.warns(BlankImageWarning, match="blank"):
        digit = prepare_digit(np.full(shape, level, np.uint8))
    assert digit.shape == (28, 28)
    assert not digit.any()


@pytest.mark.filterwarnings("ignore::kerasconv.pictures.BlankImageWarning")
@pytest.mark.parametrize(("levels", "seen"), [(1, False), (3, True)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_ink_is_seen_from_three_levels_on_and_not_at_one(levels, seen, sign):
    page = np.full((100, 100), 128, np.uint8)
    page[20:80, 40:60] = 128 + sign * levels
    assert prepare_digit(page).any() == seen


@pytest.mark.parametrize("deviation", [1, 5, 30])
@pytest.mark.parametrize("shape", [(28, 28), (120, 90), (600, 400)])
def test_noise_alone_is_blank(shape, deviation):
    noise = np.random.default_rng(0).normal(150, deviation, shape)
    with pytest.warns(BlankImageWarning):
        assert not prepare_digit(as_levels(noise / 255)).any()


def test_shading_alone_is_blank():
    with pytest.warns(BlankImageWarning):
        prepare_digit(as_levels(np.tile(np.linspace(0.3, 0.9, 200), (100, 1))))


def test_one_odd_pixel_is_blank():
    picture = np.full((50, 50), 255, np.uint8)
    picture[20, 30] = 0
    with pytest.warns(BlankImageWarning):
        prepare_digit(picture)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 3, 3)), np.zeros(9), np.zeros((0, 5)), np.array([["a"]])]
)
def test_an_array_that_is_no_grey_picture_is_refused(image):
    with pytest.raises(ValueError, match=r"`image`.*shape="):
        prepare_digit(image)


def test_a_trailing_channel_is_accepted():
    np.testing.assert_array_equal(prepare_digit(SEVEN[..., None]), PREPARED)


def test_the_module_needs_no_keras():
    code = (
        "import sys, kerasconv.pictures; "
        "sys.exit(any(m in sys.modules for m in ('keras', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
