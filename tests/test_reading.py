"""From a photograph to an answer: digits found, in order, and what is none refused."""

import csv
import io
import json
import pickle

import numpy as np
import photographs
import pytest
import test_cli
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.spatial import ConvexHull

import kerasconv
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.models import find_card
from kerasconv.pictures import (
    find_digits,
    judge,
    read_image,
    read_reduced,
    scene,
    sheet,
    strokes,
)
from kerasconv.pictures.ink import Ink, stronger
from kerasconv.pictures.look import Look
from kerasconv.pictures.scene import Found
from kerasconv.reading import Reader, preparation, read_digits

run = test_cli.run


@pytest.fixture(scope="module")
def reader():
    return Reader("mnist_cnn")


@pytest.fixture
def page(digits):
    """Writes lines of digits of the package on a page, and says where they are."""
    images, labels = digits

    def page(*lines, side=60, paper=0.95, pen=0.15):
        width = 60 + max(map(len, lines)) * (side + 30)
        grey = np.full((80 + len(lines) * (side + 60), width), paper, np.float32)
        boxes = []
        for row, line in enumerate(lines):
            for column, digit in enumerate(line):
                first = int(np.flatnonzero(labels == int(digit))[0])
                ink = Image.fromarray(images[first, 4:-4, 4:-4, 0])
                ink = np.clip(np.asarray(ink.resize((side, side), 3)), 0, 1)
                y, x = 60 + row * (side + 60), 40 + column * (side + 30)
                grey[y : y + side, x : x + side] += (pen - paper) * ink
                rows, columns = (np.flatnonzero((ink > 0.3).any(a)) for a in (1, 0))
                boxes.append(
                    (x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1)
                )
        return grey, boxes

    return page


def read(reader, source):
    (answer,) = reader.answers([reader.prepare(source)])
    return answer


def own_photographs():
    if found := photographs.own():
        return [pytest.param(*each, id=each[0].name) for each in found.items()]
    reason = f"no photographs of yours in tests/{photographs.OWN.name}"
    return [pytest.param(None, None, marks=pytest.mark.skip(reason), id="none")]


@pytest.mark.once
@pytest.mark.parametrize(("path", "text"), own_photographs())
def test_your_own_photographs_read_as_their_names_say(reader, path, text):
    assert (read(reader, path).text or "") == text


@pytest.mark.once
def test_what_your_photographs_show_is_in_their_names(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "OWN", tmp_path)
    for name in ("42 by phone.jpg", "314+26.png", "none, a cat.jpg", "notes.txt"):
        (tmp_path / name).touch()
    found = {path.name: text for path, text in photographs.own().items()}
    names = {"314+26.png": "314\n26", "42 by phone.jpg": "42", "none, a cat.jpg": ""}
    assert found == names


# Finding ------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [("7",), ("42",), ("9075",), ("314", "26")])
def test_a_number_is_read_as_one_reads_it_with_a_box_a_digit(reader, page, lines):
    grey, boxes = page(*lines)
    answer = read(reader, grey)
    assert answer.status == "ok"
    assert answer.text == "\n".join(lines)
    assert answer.prediction == (int(lines[0]) if lines == ("7",) else answer.text)
    found = [digit.box for digit in answer.digits]
    np.testing.assert_allclose(found, boxes, atol=6)
    assert all(0 < digit.probabilities[0] <= 1 for digit in answer.digits)


def row(digits, number, gap, side=60):
    """Digits of the package in a row, so many pixels of paper between their ink."""
    images, labels = digits
    inks = []
    for digit in number:
        ink = Image.fromarray(
            images[int(np.flatnonzero(labels == int(digit))[0]), ..., 0]
        )
        ink = np.clip(np.asarray(ink.resize((2 * side, 2 * side), 3)), 0, 1)
        (columns,) = np.nonzero((ink > 0.3).any(0))
        inks.append(ink[:, columns[0] : columns[-1] + 1])
    width = sum(ink.shape[1] + gap for ink in inks)
    page = np.full((2 * side + 80, width + 160), 0.95, np.float32)
    at = 80
    for ink in inks:
        part = page[40 : 40 + 2 * side, at : at + ink.shape[1]]
        np.minimum(part, 0.95 - 0.8 * ink, out=part)
        at += ink.shape[1] + gap
    return page


@pytest.mark.once
def test_an_answer_prints_what_it_says_in_a_few_lines_and_no_pixels(reader, page):
    picture, _ = page("25")
    answer, found = read(reader, picture), find_digits(picture)
    assert "array" not in repr(answer) + repr(found)
    assert "box=(" in repr(answer)
    assert "box=(" in repr(found)


@pytest.mark.once
@pytest.mark.parametrize("number", ["25", "96", "235", "2508"])
def test_digits_that_touch_are_cut(reader, digits, number):
    assert ndimage.label(row(digits, number, -14) < 0.6)[1] == 1
    assert read(reader, row(digits, number, -14)).text == number


@pytest.mark.once
def test_a_one_that_leans_far_is_no_line_among_digits(reader, digits):
    """It is as wide as it is high, or wider."""
    one = Image.new("F", (120, 200), 0.95)
    ImageDraw.Draw(one).line((5, 135, 100, 65), fill=0.15, width=9)
    page = np.hstack([row(digits, "47", 30), one, row(digits, "25", 30)])
    assert read(reader, page).text == "47125"


def among_digits(digits, drawn):
    """A stroke, drawn through points, between the digits of a number."""
    stroke = Image.new("F", (180, 200), 0.95)
    ImageDraw.Draw(stroke).arc((40, 45, 100, 105), 180, 20, fill=0.15, width=8)
    ImageDraw.Draw(stroke).line(drawn, fill=0.15, width=8)
    columns = np.flatnonzero((np.asarray(stroke) < 0.5).any(0))
    stroke = np.asarray(stroke)[:, columns[0] : columns[-1] + 1]
    return np.hstack([row(digits, "47", 30), stroke, row(digits, "95", 30)])


@pytest.mark.once
@pytest.mark.parametrize("right", [15, 60])
def test_the_long_foot_of_a_2_among_digits_is_no_line_under_it(reader, digits, right):
    """Without its foot it was a 7."""
    foot = [(98, 85), (50, 150), (20, 150), (100 + right, 150)]
    assert read(reader, among_digits(digits, foot)).text == "47295"


@pytest.mark.once
def test_a_digit_with_a_flourish_is_not_cut_in_two(reader, digits):
    """Its tail alone looks like a 1, but the whole may well be a digit."""
    tail = [(98, 85), (50, 150), (10, 150), (100, 150), (165, 90)]
    assert read(reader, among_digits(digits, tail)).text == "47295"


@pytest.mark.once
def test_the_lines_of_a_table_are_no_digit(reader):
    """They fill the picture from rim to rim both ways, and looked like a sure 1."""
    shown = photographs.photograph("form field", 7011, "validation")
    answer = read(reader, np.asarray(Image.fromarray(shown.image).convert("L")))
    assert answer.text == shown.text, answer.digits


@pytest.mark.once
def test_what_is_no_digit_within_a_number_is_not_left_out(reader, digits):
    letter = Image.new("F", (60, 200), 0.95)
    font = ImageFont.load_default(90)
    ImageDraw.Draw(letter).text((30, 100), "R", fill=0.15, font=font, anchor="mm")
    page = np.hstack([row(digits, "47", 30), letter, row(digits, "25", 30)])
    answer = read(reader, page)
    assert (answer.text, answer.status) == ("47?25", "unsure")
    assert [digit.status for digit in answer.digits].index("unsure") == 2


@pytest.mark.once
def test_find_digits_needs_no_network_and_gives_boxes_and_images(page):
    grey, boxes = page("86")
    found = find_digits(grey)
    assert all(isinstance(each, Found) for each in found)
    np.testing.assert_allclose([each.box for each in found], boxes, atol=6)
    assert all(each.image.shape == (28, 28) for each in found)
    assert find_digits(np.ones((50, 50), np.float32)) == []


@pytest.mark.once
def test_single_gives_one_digit_at_most(page):
    grey, _ = page("86")
    assert len(find_digits(grey, single=True)) == 1


def spoiled(grey):
    """The same page under light, on a desk and with lines that a scan does not have."""
    height, width = grey.shape
    y, x = np.mgrid[:height, :width]
    yield "shadow", grey * np.where(x + 0.3 * y > 0.45 * width, 0.45, 1)
    yield "gradient", grey * (1 - 0.6 * x / width)
    lined = grey.copy()
    lined[height // 2 + 45 : height // 2 + 48, 20:-20] = 0.2
    yield "underlined", lined
    yield "on a desk", np.pad(grey, 90, constant_values=0.25)
    yield "chalk", 1 - grey


@pytest.mark.once
def test_light_lines_and_desks_change_no_answer(reader, page):
    grey = np.pad(page("5", side=90)[0], 60, mode="edge")
    generator = np.random.default_rng(0)
    for name, picture in spoiled(grey):
        noisy = picture + generator.normal(0, 0.015, picture.shape)
        answer = read(reader, np.clip(noisy, 0, 1).astype(np.float32))
        assert (name, answer.text) == (name, "5")


@pytest.mark.once
@pytest.mark.parametrize(
    ("gap", "thick", "reach", "level"),
    [(6, 8, 20, 0.15), (3, 6, 40, 0.15), (0, 10, 30, 0.15), (3, 10, 20, 0.4)],
)
def test_a_digit_is_not_read_as_one_with_the_line_under_it(
    reader, digits, gap, thick, reach, level
):
    """A 7 and the line look like a 2."""
    grey = np.pad(row(digits, "7", 30), 60, constant_values=0.95)
    rows, columns = (np.flatnonzero((grey < 0.6).any(a)) for a in (1, 0))
    below = slice(rows[-1] + gap, rows[-1] + gap + thick)
    line = grey[below, columns[0] - reach : columns[-1] + reach]
    np.minimum(line, level, out=line)
    assert read(reader, grey).text == "7"


@pytest.mark.once
@pytest.mark.parametrize("digit", "0189")
def test_a_digit_over_a_line_of_a_thick_marker_is_read(reader, digits, digit):
    grey = np.pad(row(digits, digit, 30), 60, constant_values=0.95)
    rows, columns = (np.flatnonzero((grey < 0.6).any(a)) for a in (1, 0))
    below = slice(rows[-1] + 4, rows[-1] + 30)
    grey[below, columns[0] - 30 : columns[-1] + 30] = 0.15
    assert read(reader, grey).text == digit


def blurred(picture, width=1.0):
    return ndimage.gaussian_filter(picture, width).astype(np.float32)


@pytest.mark.once
def test_a_digit_in_a_shadow_that_leaves_a_strip_of_light_is_read(reader, digits):
    grey = np.pad(row(digits, "5", 30), 60, constant_values=0.95)
    shade = np.full(grey.shape, 0.4)
    shade[:, -40:] = 1
    assert read(reader, blurred(grey * shade)).text == "5"


@pytest.mark.once
def test_a_digit_across_the_edge_of_a_shadow_is_read(reader, digits):
    grey = np.pad(row(digits, "4", 30), 60, constant_values=0.95)
    shade = np.ones(grey.shape)
    shade[:, : grey.shape[1] // 2] = 0.3
    assert read(reader, blurred(grey * shade)).text == "4"


@pytest.mark.once
def test_a_digit_on_a_sheet_is_read_where_the_rim_of_the_picture_is_a_desk(reader):
    shown = [
        photographs.photograph("sheet on a wooden desk", seed, "train")
        for seed in range(4)
    ]
    found = [read(reader, Image.fromarray(each.image).convert("L")) for each in shown]
    right = [a.text == each.text for a, each in zip(found, shown, strict=True)]
    assert sum(right) >= 3, right


@pytest.mark.once
@pytest.mark.parametrize("digit", "0357")
def test_a_digit_across_bands_of_shadow_is_read(reader, digits, digit):
    grey = np.pad(row(digits, digit, 30), 60, constant_values=0.95)
    y, x = np.indices(grey.shape) - np.array(grey.shape)[:, None, None] / 2
    across = x + 0.3 * y
    shaded = (abs(across + 40) < 20) | (abs(across - 70) < 30)
    assert read(reader, blurred(grey * np.where(shaded, 0.5, 1))).text == digit


@pytest.mark.once
def test_ink_of_one_strength_is_not_told_apart():
    line = np.zeros((40, 60), np.float32)
    line[10:30, 20:26] = 0.8
    line = blurred(line, 1.5)
    assert stronger(line, line > 0.2, 3) is None
    shaded = line.copy()
    shaded[:, 5:] += 0.4
    strong = stronger(shaded, shaded > 0.2, 3)
    assert strong.any()
    assert not strong[:, 32:].any()


@pytest.mark.once
@pytest.mark.parametrize(("strength", "count"), [(0.04, 0), (0.06, 1)])
def test_less_ink_than_a_black_pixel_of_a_view_is_no_piece(strength, count):
    white = np.ones((40, 60), np.float32)
    mask = np.zeros(white.shape, bool)
    mask[10:20, 30:32] = True  # 20 pixels
    ink = Ink(strength * mask.astype(np.float32), mask, 0.0)
    picture = Image.fromarray(white)
    look = Look(picture, white, white, ink, mask, 0, 0, 1.0, 0, True, False)
    assert len(look.pieces()) == count


@pytest.mark.once
def test_no_digits_that_touch_are_cut_where_three_strokes_are(monkeypatch):
    """As an 8 has three one above the other, and a pair meets once or twice."""
    sure = np.full(1000, 9.0)
    monkeypatch.setattr(
        judge, "digit_odds", lambda x: (sure[: len(x)], -sure[: len(x)])
    )
    page = np.full((200, 240), 0.9, np.float32)
    for count, top in ((2, 60), (3, 60)):
        for i in range(count):
            page[top + 35 * i : top + 35 * i + 10, 60:180] = 0.1
        page[60 : 35 * count + 35, 60:70] = 0.1
        look = next(scene._looks(page, 1.0))
        (piece,) = look.pieces()
        assert (scene._cut(look, piece) is None) == (count == 3)


@pytest.mark.once
def test_a_sign_is_not_less_likely_a_digit_for_its_own_ink():
    blank = np.zeros((28, 28), np.float32)

    def judged(*confidences):
        found = [
            Found(blank, (50 * i, 0, 50 * i + 30, 40), c)
            for i, c in enumerate(confidences)
        ]
        return [
            each.confidence for each in scene._in_context(found, [1.0] * len(found))
        ]

    assert judged(0.45) == [0.45]
    assert judged(0.45, 0.1) == [0.225, 0.05]
    assert judged(0.8, 0.1, 0.1, 0.1) == pytest.approx([0.2, 0.05, 0.05, 0.05])


@pytest.mark.once
def test_the_bands_of_a_screen_are_no_digit(reader):
    y, x = np.mgrid[:240, :320]
    mesh = np.sin(2.1 * y) + np.sin(2.1 * x)
    bands = 1 + 0.08 * np.sin((np.cos(1.2) * x + np.sin(1.2) * y) / 8)
    grey = 0.14 * (1 - 0.06 * (1 + 0.5 * mesh)) * bands
    answer = read(reader, (np.rint(255 * grey) / 255).astype(np.float32))
    assert answer.status == "blank"


@pytest.mark.once
def test_digits_that_stand_on_a_line_are_not_left_out(reader, digits):
    """The line and what touches it leave the picture, and the others are sure."""
    grey = row(digits, "607143", 20)
    for x in range(20, grey.shape[1]):
        y = int(149 + 0.02 * (x - 80))
        grey[y : y + 8, x] = 0.15
    assert read(reader, grey).text == "607143"


@pytest.mark.once
def test_a_light_part_of_the_desk_is_no_part_of_the_sheet():
    desk = np.full((300, 400), 0.2, np.float32)
    desk[60:240, 100:320] = 0.9
    desk[150:230, 70:100] = 0.45
    base, (top, left) = sheet.cut_out(blurred(desk))
    assert (base > 0.8).all()
    np.testing.assert_allclose((top, left, *base.shape), (60, 100, 180, 220), atol=6)


@pytest.mark.once
def test_a_sheet_is_what_lies_within_all_of_its_sides():
    """A row at a time, to the last bit."""
    rng = np.random.default_rng(0)
    y, x = (np.linspace(-4, 64, count) for count in (37, 53))
    for _ in range(50):
        hull = ConvexHull(rng.uniform(0, 60, (12, 2)))
        inside = np.ones((len(y), len(x)), bool)
        for down, across, offset in hull.equations:
            inside &= down * y[:, None] + across * x + offset < -1.5
        first, end = sheet._between(hull.equations, y, x)
        columns = np.arange(len(x))
        got = (columns >= first[:, None]) & (columns < end[:, None])
        np.testing.assert_array_equal(got, inside)
        assert inside.any()


@pytest.mark.once
def test_light_within_a_shadow_on_a_sheet_is_no_digit(reader):
    picture = np.full((300, 400), 0.15, np.float32)
    picture[40:260, 80:320] = 0.55
    picture[70:230, 300:330] = 0.9
    assert read(reader, blurred(picture)).status != "ok"


@pytest.mark.once
def test_a_digit_as_in_mnist_comes_through_bit_for_bit(reader, digits):
    for image in digits[0][:20]:
        answer = reader.prepare(image)
        assert len(answer.digits) == 1
        np.testing.assert_array_equal(answer.digits[0].image, image)
        assert answer.digits[0].box == (0, 0, 28, 28)


# Refusing -----------------------------------------------------------------------------


@pytest.mark.once
def test_what_is_no_digit_is_refused(reader):
    kinds = sorted(photographs.NON_DIGITS | photographs.BLANKS)
    pictures = [photographs.photograph(kind, 11).image for kind in kinds]
    answers = [
        read(reader, np.asarray(Image.fromarray(p).convert("L"))) for p in pictures
    ]
    refused = [answer.status in ("blank", "no digit", "unsure") for answer in answers]
    assert np.mean(refused) > 0.85
    for answer in answers:
        if answer.status != "ok":
            assert answer.prediction is answer.probability is None
            assert answer.error


@pytest.mark.once
def test_a_clumsy_digit_is_likelier_among_digits_than_alone_or_among_letters():
    def judged(*confidences, height=40, top=0):
        boxes = [(50 * i, 0, 50 * i + 30, 40) for i in range(len(confidences))]
        boxes[-1] = (boxes[-1][0], top, boxes[-1][2], top + height)
        blank = np.zeros((28, 28), np.float32)
        found = [Found(blank, *each) for each in zip(boxes, confidences, strict=True)]
        return [each.confidence for each in scene._among_digits(found)]

    alone, among_letters, low = [0.1], [0.99, 0.01, 0.02, 0.1], [0.99, 0.98, 0.1]
    assert judged(*alone) == alone
    assert judged(*among_letters) == among_letters
    assert judged(*low, height=12) == low
    assert judged(*low, top=30) == low  # as the edge of a sheet is, in no line with it
    *others, last = judged(0.99, 0.98, 0.1)
    assert others == [0.99, 0.98]
    assert last / (1 - last) == pytest.approx(50 * 0.1 / 0.9)


@pytest.mark.once
@pytest.mark.parametrize("letter", ["T", "E", "F", "H", "L"])
def test_the_bar_of_a_letter_is_no_line_under_a_digit(letter):
    """Taken out it would leave a 1."""
    page = Image.new("L", (400, 300), 240)
    font = ImageFont.load_default(170)
    ImageDraw.Draw(page).text((200, 150), letter, 30, font=font, anchor="mm")
    mask = np.asarray(page) < 128
    lying, _ = strokes.without_lines(mask)
    np.testing.assert_array_equal(lying, mask)
    assert all(each.confidence < 0.4 for each in find_digits(page))


@pytest.mark.once
def test_lines_that_reach_beyond_a_digit_are_taken_out():
    one = np.zeros((300, 400), bool)
    one[60:240, 190:206] = True
    for top, thick, left, right in (
        (236, 6, 130, 270),
        (236, 22, 130, 270),
        (150, 6, 0, 400),
    ):
        mask = one.copy()
        mask[top : top + thick, left:right] = True
        lying, _ = strokes.without_lines(mask)
        assert (lying ^ one)[:, :185].sum() == (lying ^ one)[:, 211:].sum() == 0
    mask = one.copy()
    mask[40:46, 140:256] = mask[254:260, 140:256] = True
    mask[40:260, 140:146] = mask[40:260, 250:256] = True
    _, neither = strokes.without_lines(mask)
    assert not neither[60:240, 140:146].any()


@pytest.mark.once
def test_a_fold_from_rim_to_rim_is_no_digit():
    y, x = np.mgrid[:300, :400].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.004, (300, 400))
    for at in (200 + 0.03 * y - x, 150 + 0.02 * x - y):
        line = 0.92 - 0.1 * np.exp(-((at / 1.5) ** 2))
        step = 0.92 - 0.25 * (at > 0) * np.exp(-at.clip(0) / 40)
        narrow = 0.92 - 0.1 * (at > 0) * np.exp(-at.clip(0) / 20)
        for paper in (line, step, narrow):
            assert find_digits((paper + noise).astype(np.float32)) == []


@pytest.mark.once
@pytest.mark.parametrize("slope", [0, 0.3, -0.8])
@pytest.mark.parametrize(("wide", "level"), [(18, 0.5), (40, 0.6), (12, 0.8)])
def test_a_shadow_that_ends_on_the_paper_is_no_digit(reader, slope, wide, level):
    """As of a finger or a pen, which comes from beyond the rim: it looks like a 1."""
    y, x = np.mgrid[:300, :400]
    noise = np.random.default_rng(0).normal(0, 0.004, (300, 400))
    for top, bottom in ((120, 300), (0, 200), (0, 300)):
        bar = abs(x - 190 - slope * (y - 150)) < wide / 2
        bar &= (y >= top) & (y < bottom)
        shade = blurred(np.where(bar, level, 1.0), 1.5)
        answer = read(reader, (0.9 * shade + noise).astype(np.float32))
        assert answer.status in ("blank", "no digit"), (top, answer.digits)


@pytest.mark.once
@pytest.mark.parametrize("slope", [0, 0.3, -0.8])
@pytest.mark.parametrize("light", [0.6, 0.75, 1.4, 1.6])
def test_a_bar_of_shadow_or_of_light_on_the_paper_is_no_digit(reader, slope, light):
    """It lies on the paper, and leaves the picture or crosses another that does."""
    y, x = np.mgrid[:300, :400]
    noise = np.random.default_rng(0).normal(0, 0.004, (300, 400))
    bar = abs(x - 190 - slope * (y - 150)) < 13 * np.hypot(1, slope)
    bar &= abs(y - 150) < 80
    another = abs(y - 130 - 0.3 * (x - 200)) < 15
    for bars in ([bar], [bar, another], [bar | another]):
        shade = np.prod([blurred(np.where(b, light, 1.0), 1.5) for b in bars], 0)
        answer = read(reader, (0.6 * shade + noise).clip(0, 1).astype(np.float32))
        assert answer.status in ("blank", "no digit"), (len(bars), answer.digits)


@pytest.mark.once
def test_a_stain_on_the_paper_is_no_digit(reader):
    """As the ring of a cup, which looks like a 0."""
    y, x = np.mgrid[:300, :400]
    noise = np.random.default_rng(0).normal(0, 0.004, (300, 400))
    away = np.hypot(1.1 * (y - 150), x - 200) - 70
    for wide, depth in ((5, 0.1), (8, 0.14), (12, 0.08)):
        ring = 1 - depth * np.exp(-((away / wide) ** 2))
        answer = read(reader, (0.9 * ring + noise).astype(np.float32))
        assert answer.status in ("blank", "no digit"), answer.digits


@pytest.mark.once
@pytest.mark.parametrize("digit", "147")
def test_a_dark_digit_that_leaves_the_picture_is_read(reader, digits, digit):
    grey = row(digits, digit, 30)
    rows, columns = (np.flatnonzero((grey < 0.6).any(a)) for a in (1, 0))
    for corner in (grey[rows[0] :], grey[:, columns[0] :], grey[: rows[-1] + 1]):
        assert read(reader, corner).text == digit


@pytest.mark.once
@pytest.mark.parametrize("digit", "234589")
def test_a_pale_digit_that_leaves_the_picture_is_read(reader, digits, digit):
    """As of a pencil: what is as pale as a shadow, but surely looks like a digit."""
    pale = 1 - 0.5 * (1 - row(digits, digit, 30))
    rows = np.flatnonzero((pale < 0.8).any(1))
    assert read(reader, pale[rows[0] :]).text == digit


@pytest.mark.once
@pytest.mark.parametrize("letter", "AHK")
def test_a_letter_cut_from_rim_to_rim_is_no_digit_and_not_blank(letter):
    drawn = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(drawn).text((50, 50), letter, 20, font=ImageFont.load_default(200))
    left, top, right, bottom = Image.eval(drawn, lambda v: 255 - v).getbbox()
    answer = read(Reader(), np.asarray(drawn.crop((left, top, right, bottom))))
    assert answer.status == "no digit"


@pytest.mark.once
def test_min_confidence_moves_what_is_refused(page):
    grey, _ = page("3")
    drawn = Image.new("L", (300, 200), 240)
    ImageDraw.Draw(drawn).text((40, 40), "K", 20, font=ImageFont.load_default(90))
    assert read(Reader(), np.asarray(drawn)).status == "no digit"
    assert read(Reader(min_confidence=0), np.asarray(drawn)).status == "ok"
    assert read(Reader(min_confidence=1), grey).status == "unsure"
    assert read(Reader(min_confidence=1), grey).text == "?"
    with pytest.raises(UsageError, match="from 0 to 1"):
        Reader(min_confidence=1.5)


@pytest.mark.once
def test_the_judge_is_the_network_that_it_says():
    """Every layer as its definition has it, with SciPy's correlation."""
    from scipy.signal import correlate2d  # a second to import, on every worker

    images = np.random.default_rng(0).random((3, 28, 28)).astype(np.float32)
    w = judge._weights()
    for image, scores in zip(images, judge.scores(images), strict=True):
        x = image[None].astype(np.float64)
        for i in "12":
            kernel, bias = w[f"kernel{i}"], w[f"bias{i}"]
            x = np.stack(
                [
                    bias[j]
                    + sum(
                        correlate2d(x[c], kernel[:, :, c, j], "valid")
                        for c in range(len(x))
                    )
                    for j in range(len(bias))
                ]
            )
            x = ndimage.maximum_filter(np.maximum(x, 0), (1, 2, 2), origin=(0, -1, -1))
            x = x[:, : x.shape[1] // 2 * 2 : 2, : x.shape[2] // 2 * 2 : 2]
        x = np.maximum(np.moveaxis(x, 0, -1).ravel() @ w["dense"] + w["dense bias"], 0)
        x = x @ w["logits"] + w["logits bias"]
        np.testing.assert_allclose(scores, x - np.logaddexp.reduce(x), atol=1e-4)


@pytest.mark.once
def test_the_card_states_the_threshold_that_is_used(reader):
    stated = find_card("mnist_cnn").facts["reading"]
    assert stated["min_confidence"] == pytest.approx(judge.min_confidence())
    assert reader.min_confidence == stated["min_confidence"]
    assert Reader("lenet5").min_confidence == judge.min_confidence()
    assert set(stated["kinds"]) == set(photographs.KINDS)


@pytest.mark.once
def test_no_images_have_no_scores():
    assert judge.scores(np.zeros((0, 28, 28), np.float32)).shape == (0, 12)


# The reader ---------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16"])
def test_an_image_or_an_array_of_it_is_read_as_its_file(reader, page, mode):
    grey, _ = page("42")
    levels = np.rint(255 * grey).astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(257 * levels.astype("u2"))
    else:
        image = Image.fromarray(levels).convert(mode)
    answer = read(reader, image)
    assert answer.text == "42"
    if mode != "P":
        assert read(reader, np.asarray(image)).boxes == answer.boxes
    if mode == "L":
        assert read(reader, levels.tolist()).boxes == answer.boxes


@pytest.mark.once
@pytest.mark.parametrize("what", [None, 7, np.zeros((3, 4, 5)), [["a"]], object()])
def test_what_is_no_picture_is_an_error_in_one_line(reader, what):
    answer = read(reader, what)
    assert answer.status == "error"
    assert "must be a grey picture" in answer.error


@pytest.mark.once
def test_a_copy_in_another_process_prepares_and_cannot_answer(reader, page):
    grey, _ = page("42")
    copy = pickle.loads(pickle.dumps(reader))
    prepared = copy.prepare(grey)
    assert read(reader, grey).text == next(reader.answers([prepared])).text == "42"
    with pytest.raises(ValueError, match="cannot answer"):
        list(copy.answers([prepared]))


@pytest.mark.once
def test_a_file_and_its_bytes_give_the_same(reader, page, tmp_path):
    path = tmp_path / "page.png"
    Image.fromarray(np.rint(255 * page("42")[0]).astype(np.uint8)).save(path)
    by_path, by_bytes = read(reader, path), read(reader, path.read_bytes())
    assert by_path.text == by_bytes.text == kerasconv.read_digits(path).text == "42"
    assert by_path.name == str(path)
    bad = reader.prepare(b"no picture", "memory")
    assert (bad.name, bad.status) == ("memory", "error")
    with pytest.raises(KerasconvError, match="no such file"):
        read_digits(tmp_path / "nothing.png")


@pytest.mark.once
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_large_picture_is_read_reduced_and_its_boxes_are_of_the_file(
    reader, page, tmp_path, suffix
):
    grey, boxes = page("42")
    large = np.kron(np.rint(255 * grey), np.ones((16, 16))).astype(np.uint8)
    Image.fromarray(large).save(tmp_path / f"large.{suffix}")
    reduced, scale = read_reduced(tmp_path / f"large.{suffix}", 1600)
    assert 1600 <= max(reduced.shape) < 3200
    assert max(reduced.shape) * scale == pytest.approx(max(large.shape), rel=1e-6)
    answer = read(reader, tmp_path / f"large.{suffix}")
    assert answer.text == "42"
    found = np.array([digit.box for digit in answer.digits])
    np.testing.assert_allclose(found / 16, boxes, atol=7)


@pytest.mark.once
@pytest.mark.parametrize("tall", [False, True])
@pytest.mark.parametrize(("width", "length"), [(30, 6000), (40, 20_000)])
def test_a_long_strip_is_read_wherever_its_digits_stand(
    reader, digits, tmp_path, width, length, tall
):
    images, labels = digits
    chosen = [int(np.flatnonzero(labels == digit)[0]) for digit in (7, 3, 5, 0)]
    paper = np.full((width, length), 255, np.uint8)
    places = [length // 20, length // 3, length // 2, length - 200]
    for i, place in zip(chosen, places, strict=True):
        ink = np.rint(255 * images[i, ..., 0])
        paper[1:29, place : place + 28] = 255 - (ink.T if tall else ink)
    Image.fromarray(paper.T if tall else paper).save(tmp_path / "strip.png")
    answer = read(reader, tmp_path / "strip.png")
    assert [digit.classes[0] for digit in answer.digits] == [7, 3, 5, 0]
    starts = [digit.box[1 if tall else 0] for digit in answer.digits]
    np.testing.assert_allclose(starts, places, atol=14)


@pytest.mark.once
def test_whatever_a_strip_shows_it_ends_in_an_answer():
    noise = np.random.default_rng(0).random((50_000, 50))
    grain = 0.5 + 0.072 * np.random.default_rng(1).standard_normal((250, 15_000))
    for strip in (noise, grain):
        strip = strip.astype(np.float32)
        assert all(each.confidence < 0.5 for each in find_digits(strip))


@pytest.mark.once
def test_no_strip_is_looked_at_in_more_pixels_than_a_square(tmp_path):
    for shape in [(1, 60_000), (7, 20_000), (60_000, 40), (400, 60_000)]:
        Image.fromarray(np.full(shape, 200, np.uint8)).save(tmp_path / "strip.png")
        grey, scale = read_reduced(tmp_path / "strip.png", 100)
        assert grey.size < 200**2
        assert scale == max(shape) / max(grey.shape)
        assert find_digits(grey) == []


@pytest.mark.once
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_every_mode_is_reduced_as_it_is_read(tmp_path, mode):
    y, x = np.mgrid[:400, :300]
    grey = Image.fromarray((40 + 0.5 * y + 0.1 * x).astype(np.uint8))
    image = grey.convert("I").convert("I;16") if mode == "I;16" else grey.convert(mode)
    path = tmp_path / ("picture.tiff" if mode in ("CMYK", "I;16") else "picture.png")
    image.save(path)
    whole = read_image(path)
    reduced, scale = read_reduced(path, 100)
    if mode == "I;16":
        assert scale == 1
        return
    assert (reduced.shape, scale) == ((100, 75), 4)
    expected = whole.reshape(100, 4, 75, 4).mean((1, 3))
    np.testing.assert_allclose(reduced, expected, atol=0.01)


@pytest.mark.once
def test_a_telephones_photograph_is_prepared_for_other_networks_too(tmp_path):
    picture = Image.new("L", (4000, 3000), 250)
    picture.paste(40, (1000, 800, 2600, 2200))
    picture.save(tmp_path / "photograph.png")
    prepare = preparation((28, 28, 1), find_card("mnist_cnn/fashion_mnist"))
    assert prepare(tmp_path / "photograph.png").any()


# The command --------------------------------------------------------------------------


@pytest.fixture
def number(page, tmp_path):
    path = tmp_path / "number.png"
    Image.fromarray(np.rint(255 * page("42", "7")[0]).astype(np.uint8)).save(path)
    return path


@pytest.mark.once
def test_json_and_csv_carry_text_digits_and_boxes(run, number):
    (record,) = json.loads(run("predict", number, "--json").out)
    assert record["text"] == record["prediction"] == "42\n7"
    assert [each["digit"] for each in record["digits"]] == [4, 2, 7]
    assert {each["status"] for each in record["digits"]} == {"ok"}
    assert np.shape(record["boxes"]) == (3, 4)
    (row,) = csv.DictReader(io.StringIO(run("predict", number, "--csv").out))
    assert row["text"] == "42\n7"
    assert json.loads(row["digits"]) == record["digits"]
    assert json.loads(row["boxes"]) == record["boxes"]
    assert "42" in run("predict", number).out


@pytest.mark.once
def test_save_draws_the_boxes_on_the_picture(run, number, tmp_path):
    out = tmp_path / "read.png"
    ended = run("predict", number, "--save", out)
    assert ended.status == 0
    before, after = (np.asarray(Image.open(f).convert("RGB")) for f in (number, out))
    assert before.shape == after.shape
    changed = (before != after).any(-1)
    (record,) = json.loads(run("predict", number, "--json").out)
    for left, top, right, bottom in record["boxes"]:
        assert changed[top:bottom, left - 1].all()
        assert not changed[top + 3 : bottom - 3, left + 3 : right - 3].any()


@pytest.mark.once
def test_save_takes_one_picture_of_digits_and_replaces_none_that_is_read(
    run, number, tmp_path
):
    for arguments, words in (
        ([number, number, "--save", tmp_path / "a.png"], "one picture"),
        (["--save", tmp_path / "a.png"], "one picture"),
        ([number, "--save", number], "the picture to read"),
        ([number, "--save", tmp_path / "a.txt"], ".png"),
        ([number, "--model", "cats_dogs_cnn", "--save", "a.png"], "something else"),
        ([number, "--min-confidence", "2"], "min-confidence"),
        ([number, "--save", "a.png", "--out", tmp_path / "a"], "exclude each other"),
    ):
        ended = run("predict", *arguments)
        assert ended.status == 2, words
        assert words in ended.err
    assert sorted(tmp_path.iterdir()) == [number]


@pytest.mark.once
def test_a_picture_of_no_digit_says_so_and_is_no_failure(run, tmp_path):
    letters = Image.new("L", (300, 200), 240)
    font = ImageFont.load_default(90)
    ImageDraw.Draw(letters).text((40, 40), "KRM", 20, font=font)
    letters.save(tmp_path / "letters.png")
    ended = run("predict", tmp_path / "letters.png", "--json")
    assert ended.status == 0
    (record,) = json.loads(ended.out)
    assert record["status"] in ("no digit", "unsure")
    assert record["prediction"] is record["probability"] is None
    assert 0 <= record["digits"][0]["confidence"] < 1
    assert "letters.png" in ended.err
