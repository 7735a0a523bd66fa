"""Photographs: read in colour, edges of the same size, pictures written whole."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import kerasconv
from kerasconv import pictures
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.pictures import photo


@pytest.fixture(scope="module")
def cat():
    return pictures.read_photo(pictures.example_photo())


@pytest.mark.dealt
@pytest.mark.parametrize(
    ("operator", "border", "scipys"),
    [
        ("sobel", "symmetric", "reflect"),
        ("sobel", "reflect", "mirror"),
        ("sobel", "edge", "nearest"),
        ("prewitt", "wrap", "wrap"),
        ("prewitt", "constant", "constant"),
    ],
)
def test_edges_are_scipys_a_channel_at_a_time(cat, operator, border, scipys):
    part = cat[:40, :50]
    filters = getattr(ndimage, operator)
    # A ramp of one gives 8 with Sobel and 6 with Prewitt in two dimensions.
    unit = {"sobel": 8, "prewitt": 6}[operator]
    dy, dx = (
        np.stack(
            [
                filters(part[..., c].astype(np.float64), axis=axis, mode=scipys) / unit
                for c in range(3)
            ],
            axis=-1,
        )
        for axis in (0, 1)
    )
    truths = {"y": dy, "x": dx, "magnitude": np.hypot(dy, dx)}
    for output, truth in truths.items():
        found = pictures.edges(part, operator, output, border)
        assert found.shape == part.shape
        np.testing.assert_allclose(found, truth, atol=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("border", ["symmetric", "wrap", "constant"])
def test_edges_in_many_tiles_are_those_in_one(cat, border, monkeypatch):
    part = cat[:33, :20]  # two tiles and a row, one and a bit
    whole = pictures.edges(part, border_mode=border)
    monkeypatch.setattr(photo, "_TILE", 16)
    tiled = pictures.edges(part, border_mode=border)
    np.testing.assert_allclose(tiled, whole, atol=1e-7)


@pytest.mark.once
class TestReading:
    def test_the_photograph_in_the_package_is_in_colour(self, cat):
        assert cat.shape == (300, 451, 3)
        assert cat.dtype == np.float32
        assert 0 <= cat.min() < 0.1
        assert 0.8 < cat.max() <= 1

    @pytest.mark.parametrize(
        ("mode", "channels"),
        [("1", 1), ("L", 1), ("I;16", 1), ("P", 3), ("RGB", 3), ("CMYK", 3),
         ("RGBA", 3), ("LA", 1)],
    )  # fmt: skip
    def test_any_mode_is_grey_or_colour_in_0_1(self, tmp_path, mode, channels):
        image = Image.new("RGB", (6, 5), (200, 100, 50))
        if mode == "I;16":
            image = Image.fromarray(np.full((5, 6), 30_000, np.uint16))
        else:
            image = image.convert(mode)
        path = tmp_path / ("x.tiff" if mode == "CMYK" else "x.png")
        image.save(path)
        photo = pictures.read_photo(path)
        assert photo.shape == (5, 6, channels)
        assert photo.dtype == np.float32
        assert photo.min() >= 0
        assert photo.max() <= 1
        if channels == 3:
            atol = 0.1 if mode in ("P", "CMYK") else 0.01
            np.testing.assert_allclose(
                photo[0, 0], np.array([200, 100, 50]) / 255, atol=atol
            )

    def test_exif_orientation_is_applied(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by a quarter
        Image.new("RGB", (8, 4)).save(tmp_path / "x.jpg", exif=exif)
        assert pictures.read_photo(tmp_path / "x.jpg").shape == (8, 4, 3)

    def test_what_is_no_picture_is_named(self, tmp_path):
        (tmp_path / "text.png").write_text("no picture")
        with pytest.raises(KerasconvError, match=r"text\.png"):
            pictures.read_photo(tmp_path / "text.png")

    def test_a_photograph_may_be_larger_than_a_digit(self, tmp_path):
        Image.new("L", (4000, 3000)).save(tmp_path / "x.png")
        assert pictures.read_photo(tmp_path / "x.png").shape == (3000, 4000, 1)
        with pytest.raises(KerasconvError, match="10,000,000"):
            pictures.read_image(tmp_path / "x.png")


@pytest.mark.once
class TestPixels:
    def test_zero_is_black_as_magnitude_and_grey_as_derivative(self):
        zeros = np.zeros((2, 2, 1))
        assert pictures.to_pixels(zeros).max() == 0
        assert (pictures.to_pixels(zeros, "x") == 128).all()

    def test_the_strongest_is_white_and_signs_go_both_ways(self):
        values = np.array([[[-2.0]], [[0.0]], [[1.0]], [[2.0]]])
        assert pictures.to_pixels(values, "x").ravel().tolist() == [1, 128, 192, 255]
        assert pictures.to_pixels(abs(values)).ravel().tolist() == [255, 0, 128, 255]

    @pytest.mark.parametrize("channels", [1, 3])
    def test_written_pictures_read_back_the_same(self, tmp_path, channels):
        pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
        pictures.write_photo(tmp_path / "x.png", pixels)
        again = pictures.read_photo(tmp_path / "x.png")
        np.testing.assert_array_equal(np.rint(255 * again), pixels)

    def test_an_unknown_ending_is_refused(self, tmp_path):
        with pytest.raises(UsageError, match=r"x\.docx"):
            pictures.write_photo(tmp_path / "x.docx", np.zeros((2, 2, 1), np.uint8))

    def test_resizing_gives_the_shape_asked_for(self, cat):
        assert pictures.resized(cat, (32, 32, 3)).shape == (32, 32, 3)
        grey = pictures.resized(cat, (20, 30, 1))
        assert grey.shape == (20, 30, 1)
        assert abs(grey.mean() - (cat @ [0.299, 0.587, 0.114]).mean()) < 0.01
        grey_in = pictures.resized(cat[..., :1], (8, 8, 3))
        np.testing.assert_array_equal(grey_in[..., 0], grey_in[..., 2])


@pytest.mark.once
def test_unknown_names_are_refused_with_the_known(cat):
    with pytest.raises(UsageError, match="'sobel', 'prewitt'"):
        pictures.edges(cat, operator="canny")
    with pytest.raises(UsageError, match="'magnitude', 'x', 'y'"):
        pictures.edges(cat, output="z")
    with pytest.raises(ValueError, match="symmetric"):
        pictures.edges(cat, border_mode="mirror")
    with pytest.raises(ValueError, match=r"\(height, width, channels\)"):
        pictures.edges(cat[..., 0])


@pytest.mark.once
@pytest.mark.parametrize("former", ["images", "photos"])
def test_the_former_names_of_the_module_give_the_same_things(former):
    alias = getattr(kerasconv, former)
    assert alias.__name__ == f"kerasconv.{former}"
    for name in pictures.__all__:
        assert getattr(alias, name) is getattr(pictures, name)
