"""A picture file of any format and mode is read, or named in one line."""

import gzip
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from sevens import INK, PREPARED, SEVEN, as_levels, same_digit

from kerasconv import _pixels
from kerasconv.errors import KerasconvError
from kerasconv.pictures import MAX_PIXELS, prepare_digit, read, read_image, read_photo

pytestmark = pytest.mark.once


# Modes --------------------------------------------------------------------------------

RGB = np.stack([SEVEN] * 3, axis=-1)
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
    np.testing.assert_allclose(read.grey_levels(image), levels / 65535, atol=1e-7)


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
    grey = _pixels.unit_range(floats)
    assert (grey[0, :10] == 1).all()
    assert (grey[1, 0], grey[1, 1]) == (1, 0)
    same_digit(prepare_digit(floats))


@pytest.mark.filterwarnings("ignore::kerasconv.pictures.BlankImageWarning")
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


@pytest.mark.parametrize("read", [read_image, read_photo])
def test_a_warning_tells_of_the_pages_of_a_tiff_that_are_not_read(tmp_path, read):
    page = Image.fromarray(SEVEN)
    path = saved(tmp_path, page, ".tif", save_all=True, append_images=[page])
    with pytest.warns(UserWarning, match=r"tif.* has several pages: only the first"):
        read(path)
    for suffix, more in ((".tif", []), (".gif", [page]), (".webp", [page])):
        path = saved(tmp_path, page, suffix, save_all=True, append_images=more)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(path)


@pytest.mark.filterwarnings("ignore:.* has several pages")
def test_the_first_frame_counts(tmp_path):
    first, second = Image.fromarray(SEVEN), Image.fromarray(SEVEN[::-1].copy())
    for suffix in (".gif", ".tif", ".png", ".webp"):
        path = saved(tmp_path, first, suffix, save_all=True, append_images=[second])
        same_digit(prepare_digit(read_image(path)))


# Transparency -------------------------------------------------------------------------


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


def with_alpha(tmp_path, level, alpha):
    parts = (Image.fromarray(np.uint8(part)) for part in (level, alpha))
    return read_image(saved(tmp_path, Image.merge("LA", [*parts])))


def test_the_paper_of_a_picture_is_what_is_mostly_opaque(tmp_path):
    level, alpha = np.full((10, 10), 255), np.full((10, 10), 255)
    level[:, 3] = 0  # ink
    level[:, 4:], alpha[:, 4:] = 0, 51  # most of it a fifth opaque
    grey = with_alpha(tmp_path, level, alpha)
    np.testing.assert_allclose(grey[:, 4:], 0.8, atol=1e-6)
    np.testing.assert_array_equal(grey[:, :4], level[:, :4] / 255)


def test_ink_of_a_few_shades_on_transparency_is_ink_alone(tmp_path):
    level = np.where(INK > 0, np.arange(INK.shape[1]) % 26, 0)
    grey = with_alpha(tmp_path, level, INK)
    assert (grey[INK == 0] == 1).all()
    assert (grey[INK > 0] <= 0.1).all()


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


@pytest.mark.filterwarnings("ignore::kerasconv.pictures.BlankImageWarning")
def test_a_wholly_transparent_picture_is_blank():
    assert not prepare_digit(Image.new("RGBA", (50, 50), (9, 9, 9, 0))).any()


# Orientation --------------------------------------------------------------------------


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


# Files that cannot be read ------------------------------------------------------------


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
