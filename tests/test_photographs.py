"""The drawn photographs that reading is measured on: repeatable, and what they say."""

from itertools import pairwise

import numpy as np
import photographs
import pytest
from photographs import (
    BLANKS,
    EASY,
    HARD,
    KINDS,
    NEGATIVES,
    NON_DIGITS,
    NUMBERS,
    TOUCHING,
    photograph,
)

pytestmark = pytest.mark.once


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_small_picture_with_a_box_for_every_digit(kind):
    p = photograph(kind, 0, scale=0.5)
    assert p.image.dtype == np.uint8
    assert p.image.ndim == 2 or p.image.shape[2:] == (3,)
    assert 100 <= min(p.image.shape[:2]) <= max(p.image.shape[:2]) <= 400
    digits = p.text.replace("\n", "")
    assert len(p.boxes) == len(digits)
    assert not digits or digits.isdigit()
    for left, top, right, bottom in p.boxes:
        assert 0 <= left < right <= p.image.shape[1]
        assert 0 <= top < bottom <= p.image.shape[0]


def test_the_groups_are_a_partition_of_at_least_thirty_kinds():
    groups = [EASY, HARD, NUMBERS, TOUCHING, BLANKS, NON_DIGITS]
    assert sum(map(len, groups)) == len(KINDS) == len(set(KINDS).union(*groups)) >= 30


def test_digits_are_where_the_kind_says():
    for kind in ("clean scan", "number", "touching pair", "blank, white", "letter"):
        text = photograph(kind, 3, scale=0.5).text
        expected = {"clean scan": 1, "touching pair": 2, "number": range(2, 9)}
        count = expected.get(kind, 0)
        assert len(text) in (count if isinstance(count, range) else (count,))
    assert photograph("two lines of numbers", 1, scale=0.5).text.count("\n") == 1


def test_the_same_arguments_give_the_same_picture_and_others_give_others():
    for kind in ("phone", "chalkboard"):
        first = photograph(kind, 5, "validation", 0.5)
        again = photograph(kind, 5, "validation", 0.5)
        np.testing.assert_array_equal(first.image, again.image)
        assert (first.text, first.boxes) == (again.text, again.boxes)
        for other in (
            photograph(kind, 6, "validation", 0.5),
            photograph(kind, 5, "train", 0.5),
        ):
            assert first.image.shape != other.image.shape or np.any(
                first.image != other.image
            )


def test_a_box_holds_all_of_the_ink_and_touches_it():
    for seed in range(4):
        p = photograph("clean scan", seed, scale=0.7)
        image = p.image if p.image.ndim == 2 else p.image.mean(2)
        ys, xs = np.nonzero(image < 0.6 * np.median(image))
        found = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        assert np.abs(np.subtract(found, p.boxes[0])).max() <= 2


def test_a_turned_sheet_takes_its_boxes_along():
    for kind in ("tilted", "perspective", "phone, sheet on a desk"):
        p = photograph(kind, 2, scale=0.7)
        left, top, right, bottom = p.boxes[0]
        grey = p.image.mean(2)
        # The ink is the darkest part of the sheet, and the sheet is round the box.
        inside = grey[top:bottom, left:right]
        around = grey[max(0, top - 6) : bottom + 6, max(0, left - 6) : right + 6]
        assert np.percentile(inside, 2) < 0.7 * np.median(around)
        assert around.shape != inside.shape


def test_digits_of_a_number_do_not_touch_and_follow_one_another():
    for seed in range(6):
        p = photograph("number", seed, scale=0.5)
        for before, after in pairwise(p.boxes):
            assert before[2] < after[0]
    p = photograph("two lines of numbers", 0, scale=0.5)
    first = p.text.index("\n")
    assert max(b[3] for b in p.boxes[:first]) < min(b[3] for b in p.boxes[first:])


def test_a_printed_line_beside_the_sheet_leaves_no_mark():
    scene = photographs.Scene(np.random.default_rng(0), "report", (40, 60))
    scene.paper()
    before = scene.planes.copy()
    scene.bar((-9, 0, -7, 40), 0.1)
    scene.bar((70, 0, 72, 40), 0.1)
    np.testing.assert_array_equal(scene.planes, before)


def test_scale_makes_the_picture_larger_and_its_boxes_with_it():
    small, large = (photograph("bold marker", 4, scale=s) for s in (2, 3))
    assert small.text == large.text
    ratio = np.array(large.image.shape[:2]) / small.image.shape[:2]
    np.testing.assert_allclose(ratio, 1.5, rtol=0.01)
    boxes = np.array(large.boxes) / np.array(small.boxes)
    np.testing.assert_allclose(boxes, 1.5, rtol=0.02)


@pytest.mark.parametrize("family", NEGATIVES)
def test_every_family_of_negatives_is_light_ink_on_black(family):
    for split in ("train", "report"):
        images = photographs.negatives(split, 0, 3, [family])
        assert images.shape == (3, 64, 64)
        assert images.dtype == np.uint8
        assert (np.ptp(images.reshape(3, -1).astype(int), axis=1) > 60).all()


def test_negatives_are_the_same_for_the_same_arguments():
    first = photographs.negatives("validation", 7, 20)
    np.testing.assert_array_equal(first, photographs.negatives("validation", 7, 20))
    assert (first != photographs.negatives("report", 7, 20)).any()


@pytest.mark.parametrize(
    "draw", [photographs.strokes_digit, photographs.strokes_letter]
)
def test_strokes_fill_their_square_with_a_margin(draw):
    image = draw(
        np.random.default_rng(1), "7" if draw is photographs.strokes_digit else "A"
    )
    assert image.shape == (64, 64)
    assert image.max() > 200
    assert image[0].max() == image[-1].max() == 0
    small = draw(
        np.random.default_rng(1),
        "7" if draw is photographs.strokes_digit else "k",
        size=28,
    )
    assert small.shape == (28, 28)


def test_an_unknown_kind_and_an_unknown_split_are_named():
    with pytest.raises(ValueError, match="'moon'"):
        photograph("moon", 0)
    with pytest.raises(ValueError, match="'test'"):
        photograph("phone", 0, "test")
