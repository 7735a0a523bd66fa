"""Any picture of a digit becomes what MNIST's authors would have made of it."""

import gzip
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from scipy import ndimage

from kerasconv import images
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.images import (
    MAX_PIXELS,
    BlankImageWarning,
    find_images,
    prepare_digit,
    read_image,
)

pytestmark = pytest.mark.once


def seven(scale=10):
    """A drawn 7, 1 where there is ink, of 12 x 16 squares."""
    ink = np.zeros((16, 12))
    ink[0:3, :] = 1
    for row in range(3, 16):
        column = 9 - row // 2
        ink[row, column : column + 3] = 1
    return np.kron(ink, np.ones((scale, scale)))


def on_paper(ink, margin=20, paper=1.0, pen=0.0):
    """A grey picture of the ink, in levels from 0 to 255."""
    if np.isscalar(margin):
        margin = ((margin, margin), (margin, margin))
    return as_levels(paper + (pen - paper) * np.pad(ink, margin))


def as_levels(grey):
    return np.clip(np.rint(255 * np.asarray(grey)), 0, 255).astype(np.uint8)


SEVEN = on_paper(seven())
PREPARED = prepare_digit(SEVEN)
MNIST_LIKE = np.rint(255 * PREPARED).astype(np.uint8)


def same_digit(digit, other=PREPARED, tolerance=0.02):
    """A centre of mass near a pixel's edge may round either way: one pixel is free."""
    assert digit.shape == (28, 28)
    moved = [
        np.roll(digit, (down, across), (0, 1))
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
    ]
    assert np.abs(np.stack(moved) - other).mean((1, 2)).min() < tolerance


def box(digit):
    (rows,) = np.nonzero(digit.any(1))
    (columns,) = np.nonzero(digit.any(0))
    return np.ptp(rows) + 1, np.ptp(columns) + 1


# What was published ---------------------------------------------------------------


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


@pytest.mark.filterwarnings("ignore::kerasconv.images.BlankImageWarning")
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


# Pictures that are not clean ------------------------------------------------------


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(
    ("paper", "pen"), [(1.0, 0.0), (0.85, 0.2), (0.6, 0.45), (0.9, 0.8)]
)
def test_contrast_and_polarity_do_not_matter(paper, pen, invert):
    picture = on_paper(seven(), 20, paper, pen)
    same_digit(prepare_digit(255 - picture if invert else picture), tolerance=0.005)


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


# Nothing to see -------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (28, 28), (300, 200)])
@pytest.mark.parametrize("level", [0, 130, 255])
def test_a_blank_picture_gives_a_blank_digit_and_a_warning(shape, level):
    with pytest.warns(BlankImageWarning, match="blank"):
        digit = prepare_digit(np.full(shape, level, np.uint8))
    assert digit.shape == (28, 28)
    assert not digit.any()


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


# Modes ----------------------------------------------------------------------------

RGB = np.stack([SEVEN] * 3, axis=-1)
INK = 255 - SEVEN
COLOURS = np.random.default_rng(3).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def saved(tmp_path, image, suffix=".png", **options):
    path = tmp_path / f"picture{suffix}"
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", ".png"),
        ("L", ".png"),
        ("LA", ".png"),
        ("P", ".png"),
        ("P", ".gif"),
        ("RGB", ".png"),
        ("RGB", ".bmp"),
        ("RGB", ".webp"),
        ("RGBA", ".png"),
        ("CMYK", ".tif"),
        ("CMYK", ".jpg"),
        ("YCbCr", ".tif"),
        ("YCbCr", ".jpg"),
    ],
)
def test_every_mode_of_a_file_is_read(tmp_path, mode, suffix):
    image = Image.fromarray(RGB).convert(mode)
    grey = read_image(saved(tmp_path, image, suffix))
    assert grey.shape == SEVEN.shape
    assert grey.dtype == np.float32
    assert np.abs(grey - SEVEN / 255).mean() < 0.02
    same_digit(prepare_digit(grey))


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "La"]
MODES += ["CMYK", "YCbCr", "HSV", "I", "F"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_an_image_is_prepared(mode):
    source = Image.fromarray(SEVEN)
    image = source.convert("LA" if mode == "La" else mode if mode == "I" else "RGB")
    if mode in ("RGBa", "PA"):
        image = image.convert("RGBA" if mode == "RGBa" else "P")
    same_digit(prepare_digit(image.convert(mode)))


def test_lab_is_read_by_its_lightness():
    lab = np.stack([SEVEN, np.full_like(SEVEN, 128), np.full_like(SEVEN, 128)], -1)
    same_digit(prepare_digit(Image.frombytes("LAB", SEVEN.shape[::-1], lab.tobytes())))


def test_colour_becomes_the_luma_of_bt_601(tmp_path):
    grey = read_image(saved(tmp_path, Image.fromarray(COLOURS)))
    expected = COLOURS @ [0.299, 0.587, 0.114] / 255
    np.testing.assert_allclose(grey, expected, atol=0.6 / 255)


@pytest.mark.parametrize("order", ["I;16", "I;16B", "I;16L", "I;16N"])
def test_sixteen_bits_are_scaled_without_overflow(order):
    levels = np.array([[0, 255, 256], [32768, 65280, 65535]])
    bytes_ = levels.astype({"I;16B": ">u2", "I;16N": "=u2"}.get(order, "<u2")).tobytes()
    image = Image.frombytes(order, (3, 2), bytes_)
    np.testing.assert_allclose(images._grey(image), levels / 65535, atol=1e-7)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_a_sixteen_bit_file_gives_the_same_digit(tmp_path, suffix):
    deep = Image.fromarray(SEVEN.astype(np.uint16) * 257)
    grey = read_image(saved(tmp_path, deep, suffix))
    np.testing.assert_allclose(grey, SEVEN / 255, atol=1e-6)
    np.testing.assert_array_equal(prepare_digit(grey), PREPARED)


def test_a_big_endian_file_is_read(tmp_path):
    path = tmp_path / "big.tif"
    Image.frombytes(
        "I;16B", SEVEN.shape[::-1], (SEVEN.astype(">u2") * 257).tobytes()
    ).save(path)
    np.testing.assert_allclose(read_image(path), SEVEN / 255, atol=1e-6)


@pytest.mark.parametrize("top", [255, 65535, 2**24, 2**31 - 1])
def test_wide_integers_are_scaled_without_overflow(tmp_path, top):
    wide = (SEVEN / 255 * top).astype(np.int32)
    grey = read_image(saved(tmp_path, Image.fromarray(wide), ".tif"))
    np.testing.assert_allclose(grey, SEVEN / 255, atol=1 / 255)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 255), (-3e38, 3e38), (5000, 5010), (-2, -1)]
)
def test_floats_are_scaled_by_their_own_range(tmp_path, low, high):
    floats = (low / 255 * (255 - SEVEN.astype(float)) + high / 255 * SEVEN).astype("f4")
    grey = read_image(saved(tmp_path, Image.fromarray(floats), ".tif"))
    np.testing.assert_allclose(grey, SEVEN / 255, atol=1e-3)


def test_floats_that_are_not_finite_are_paper_or_the_ends():
    floats = SEVEN.astype(np.float32)
    floats[0, :9] = np.nan
    floats[1, 0], floats[1, 1] = np.inf, -np.inf
    grey = images._unit_range(floats)
    assert (grey[0, :10] == 1).all()
    assert (grey[1, 0], grey[1, 1]) == (1, 0)
    same_digit(prepare_digit(floats))


@pytest.mark.filterwarnings("ignore::kerasconv.images.BlankImageWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, 7.0])
def test_floats_without_a_range_are_blank(value):
    assert not prepare_digit(np.full((30, 30), value)).any()


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "uint16", "uint32", "uint64", "int64", "float64"]
)
def test_arrays_of_every_type_are_scaled_by_their_type(dtype):
    top = 1 if np.dtype(dtype).kind in "bf" else np.iinfo(dtype).max
    image = (SEVEN > 127).astype(dtype)
    image = image if dtype == "bool" else image * np.array(top, dtype)
    expected = prepare_digit(as_levels(SEVEN > 127))
    np.testing.assert_array_equal(prepare_digit(image), expected)


def test_the_first_frame_counts(tmp_path):
    first, second = Image.fromarray(SEVEN), Image.fromarray(SEVEN[::-1].copy())
    for suffix in (".gif", ".tif", ".png", ".webp"):
        path = saved(tmp_path, first, suffix, save_all=True, append_images=[second])
        same_digit(prepare_digit(read_image(path)))


# Transparency ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("pen", [0, 255])
@pytest.mark.parametrize("hidden", [0, 255])
def test_ink_on_transparency_stays_visible(tmp_path, mode, pen, hidden):
    level = np.where(INK > 0, pen, hidden).astype(np.uint8)
    image = Image.merge(mode, [Image.fromarray(level)] * (len(mode) - 1) + [ALPHA])
    grey = read_image(saved(tmp_path, image))
    assert np.ptp(grey) == 1
    same_digit(prepare_digit(grey))


ALPHA = Image.fromarray(INK)


@pytest.mark.parametrize("paper", [0, 255])
def test_a_picture_with_transparent_corners_keeps_its_paper(tmp_path, paper):
    level = SEVEN if paper else INK
    alpha = np.full_like(SEVEN, 255)
    alpha[:15, :15] = alpha[-15:, -15:] = alpha[:15, -15:] = 0
    image = Image.merge("LA", [Image.fromarray(level), Image.fromarray(alpha)])
    grey = read_image(saved(tmp_path, image))
    np.testing.assert_array_equal(grey, level / np.float32(255))


def test_a_transparent_palette_entry_is_paper(tmp_path):
    image = Image.fromarray(np.where(INK > 0, 1, 0).astype(np.uint8), mode=None)
    image = image.convert("P")
    image.putpalette([0, 0, 0, 10, 20, 30])
    for suffix in (".png", ".gif"):
        grey = read_image(saved(tmp_path, image, suffix, transparency=0))
        assert grey[0, 0] == 1
        same_digit(prepare_digit(grey))


def test_a_transparent_sixteen_bit_level_is_paper(tmp_path):
    levels = np.where(INK > 0, 900, 0).astype(np.uint16)
    path = saved(tmp_path, Image.fromarray(levels), transparency=0)
    if "transparency" in Image.open(path).info:
        assert read_image(path)[0, 0] == 1
    same_digit(prepare_digit(read_image(path)))


@pytest.mark.filterwarnings("ignore::kerasconv.images.BlankImageWarning")
def test_a_wholly_transparent_picture_is_blank():
    assert not prepare_digit(Image.new("RGBA", (50, 50), (9, 9, 9, 0))).any()


# Orientation ----------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_the_exif_orientation_is_applied(tmp_path, orientation, suffix):
    # Where row 0 and column 0 of the stored picture lie (the EXIF standard's table),
    # as the way from the upright picture to the stored one.
    stored = {
        1: SEVEN,
        2: SEVEN[:, ::-1],
        3: SEVEN[::-1, ::-1],
        4: SEVEN[::-1],
        5: SEVEN.T,
        6: SEVEN.T[::-1],
        7: SEVEN[::-1, ::-1].T,
        8: SEVEN.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    grey = read_image(saved(tmp_path, image, suffix, exif=exif))
    assert np.abs(grey - SEVEN / 255).mean() < 0.02
    same_digit(prepare_digit(grey))


def test_a_damaged_exif_block_is_ignored(tmp_path):
    path = saved(tmp_path, Image.fromarray(SEVEN), ".jpg", exif=b"Exif\0\0MM\0*junk")
    same_digit(prepare_digit(read_image(path)))


# Files that cannot be read --------------------------------------------------------


def png(width, height, data=b""):
    def chunk(kind, body):
        crc = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b"")]
    )


def good_png(tmp_path):
    return saved(tmp_path, Image.fromarray(SEVEN)).read_bytes()


BAD = {
    "text": (lambda _: b"not a picture\n", "not a picture in a format"),
    "empty": (lambda _: b"", "empty"),
    "truncated": (lambda t: good_png(t)[:300], "damaged or cut short"),
    "header only": (lambda t: good_png(t)[:12], "not a picture|damaged"),
    "no pixels": (lambda _: png(9, 9), "damaged or cut short"),
    "bad pixels": (lambda _: png(9, 9, b"junk"), "damaged or cut short"),
    "large": (lambda _: png(4000, 3000), "4000 x 3000 pixels, over the limit of 10,0"),
    "larger": (lambda _: png(11000, 11000), "over the limit of 10,000,000"),
    "bomb": (lambda _: png(60000, 60000), "over the limit of 10,000,000"),
    "gzip": (lambda _: gzip.compress(b"x" * 99), "not a picture in a format"),
    "PostScript": (
        lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        "EPS|damaged|not a picture",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_gives_one_line_that_names_it(tmp_path, kind):
    make, message = BAD[kind]
    content = make(tmp_path)
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KerasconvError, match=message) as caught:
            read_image(path)
    line = str(caught.value)
    assert str(path) in line
    assert "\n" not in line
    assert " at 0x" not in line
    assert caught.value.exit_status == 1


def one_line(error):
    assert len(str(error).splitlines()) == 1
    return 0


def test_every_truncation_is_one_line_or_a_picture(tmp_path):
    for suffix in (".png", ".jpg", ".gif", ".tif", ".bmp", ".webp"):
        whole = saved(tmp_path, Image.fromarray(SEVEN), suffix).read_bytes()
        path = tmp_path / f"cut{suffix}"
        for length in range(1, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:length])
            try:
                grey = read_image(path)
            except KerasconvError as error:
                grey = one_line(error)
            assert np.isfinite(grey).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_one_line_or_a_picture(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    suffix = data.draw(st.sampled_from([".png", ".jpg", ".gif", ".tif", ".bmp"]))
    content = bytearray(saved(folder, Image.fromarray(SEVEN), suffix).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = folder / f"damaged{suffix}"
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            digit = prepare_digit(read_image(path))
    except KerasconvError as error:
        digit = one_line(error)
    assert np.isfinite(digit).all()


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(9000, 9000, zlib.compress(bytes(9001 * 9000), 9)))
    decoded = []
    monkeypatch.setattr(PngImageFile, "load", decoded.append)
    with pytest.raises(KerasconvError, match="9000 x 9000"):
        read_image(path)
    assert not decoded


def test_the_limit_counts_pixels_and_can_be_moved(tmp_path):
    path = saved(tmp_path, Image.fromarray(SEVEN))
    pixels = SEVEN.size
    assert read_image(path, max_pixels=pixels).shape == SEVEN.shape
    with pytest.raises(KerasconvError, match="over the limit"):
        read_image(path, max_pixels=pixels - 1)
    assert MAX_PIXELS == 10_000_000


def test_what_is_no_file_is_named(tmp_path):
    with pytest.raises(KerasconvError, match=r"no such file or folder: .*absent.png"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(KerasconvError, match="is a folder"):
        read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(KerasconvError, match="not a regular file"):
        read_image(tmp_path / "pipe.png")


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.fromarray(SEVEN))

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)  # chmod does not stop root
    with pytest.raises(KerasconvError, match="permission denied"):
        read_image(path)


def test_a_name_with_a_line_break_stays_one_line(tmp_path):
    path = tmp_path / "a\nb.png"
    path.write_bytes(b"text")
    with pytest.raises(KerasconvError) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_no_file_stays_open(tmp_path):
    path = saved(tmp_path, Image.fromarray(SEVEN))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        read_image(path)
        path.write_bytes(good_png(tmp_path)[:200])
        with pytest.raises(KerasconvError):
            read_image(path)


# Finding the files ----------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.png",
        "a.JPG",
        "notes.txt",
        "data.h5",
        "paper.pdf",
        ".hidden.png",
        "sub/c.tiff",
        "sub/deep/d.webp",
        "sub/deep/e.png",
        ".cache/f.png",
        "empty/readme",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(folder, *paths):
    found = find_images(paths)
    return [path.relative_to(folder).as_posix() for path in found]


def test_a_folder_stands_for_the_pictures_below_it_in_order(folder):
    expected = ["a.JPG", "b.png", "sub/c.tiff", "sub/deep/d.webp", "sub/deep/e.png"]
    assert names(folder, folder) == expected
    assert names(folder, str(folder) + "/") == expected


def test_a_file_stands_for_itself_whatever_its_extension(folder):
    assert names(folder, folder / "notes.txt", folder / ".hidden.png") == [
        "notes.txt",
        ".hidden.png",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["b.png"]),
        ("?.*", ["a.JPG", "b.png"]),
        ("[ab].*", ["a.JPG", "b.png"]),
        ("sub/*", ["sub/c.tiff"]),
        ("*/*.tiff", ["sub/c.tiff"]),
        ("s*/deep/?.png", ["sub/deep/e.png"]),
        ("**/*.png", ["b.png", "sub/deep/e.png"]),
        ("sub/**", ["sub/c.tiff", "sub/deep/d.webp", "sub/deep/e.png"]),
        ("**/deep/*", ["sub/deep/d.webp", "sub/deep/e.png"]),
        (".*.png", [".hidden.png"]),
        ("sub/../*.png", ["sub/../b.png"]),
    ],
)
def test_a_pattern_stands_for_the_files_that_match(folder, pattern, expected):
    assert names(folder, folder / pattern) == expected


def test_a_relative_pattern_starts_here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert list(find_images(["*.png"])) == [Path("b.png")]
    assert list(find_images(["./s*/*.tiff"])) == [Path("sub/c.tiff")]
    assert list(find_images([Path("b.png")])) == [Path("b.png")]


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert names(folder, "~/b.png", "~/sub/*.tiff") == ["b.png", "sub/c.tiff"]


def test_a_name_that_looks_like_a_pattern_is_a_name(folder):
    (folder / "[1].png").touch()
    assert names(folder, folder / "[1].png") == ["[1].png"]


def test_what_is_named_twice_is_given_twice(folder):
    assert names(folder, folder / "b.png", folder / "*.png") == ["b.png", "b.png"]


def test_a_path_that_is_missing_is_an_error_before_the_first_file(folder):
    with pytest.raises(UsageError, match=r"no such file or folder: .*absent") as caught:
        find_images([folder / "b.png", folder / "absent"])
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("empty", "no picture in the folder .*empty"),
        ("*.gif", r"no file matches .*\*.gif"),
        ("absent/*.png", "no file matches"),
    ],
)
def test_what_stands_for_no_file_is_an_error_in_its_turn(folder, path, message):
    found = find_images([folder / "b.png", folder / path])
    assert next(found) == folder / "b.png"
    with pytest.raises(UsageError, match=message):
        next(found)


def test_links_to_folders_are_not_followed_in_folders(folder):
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    assert len(names(folder, folder)) == 5


def test_folders_are_listed_only_when_their_turn_comes(folder, monkeypatch):
    listed = []
    listing = images._listing
    monkeypatch.setattr(images, "_listing", lambda f: listed.append(f) or listing(f))
    found = find_images([folder])
    assert listed == []
    next(found)
    next(found)
    assert listed == [str(folder)]
    next(found)
    assert len(listed) == 2 or listed[-1].endswith("sub")


def test_a_folder_that_may_not_be_listed_is_named(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(images.os, "scandir", refuse)
    with pytest.raises(KerasconvError, match=r"cannot list the folder .*denied"):
        list(find_images([folder]))


def test_the_module_needs_no_keras():
    code = (
        "import sys, kerasconv.images; "
        "sys.exit(any(m in sys.modules for m in ('keras', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


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
