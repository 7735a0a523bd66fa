"""Figures about answers: each against a plain loop or SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasconv import metrics
from kerasconv.errors import KerasconvError

pytestmark = pytest.mark.once


@pytest.fixture
def answers():
    random = np.random.default_rng(0)
    logits = random.normal(size=(400, 5)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probabilities, random.integers(0, 5, 400)


def test_accuracy_errors_and_interval_agree(answers):
    probabilities, labels = answers
    facts = metrics.summary(probabilities, labels)
    errors = sum(row.argmax() != label for row, label in zip(*answers, strict=True))
    assert facts["errors"] == errors
    assert facts["accuracy"] == (400 - errors) / 400
    assert facts["interval"] == list(metrics.wilson(400 - errors, 400))
    assert facts["examples"] == 400


def test_the_loss_is_the_mean_negative_log_of_the_truth(answers):
    loss = np.mean([-np.log(p[k]) for p, k in zip(*answers, strict=True)])
    assert metrics.log_loss(*answers) == pytest.approx(loss)


def test_an_impossible_truth_costs_what_kerass_cross_entropy_says():
    assert metrics.log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(
        -np.log(1e-7)
    )


def test_the_calibration_error_is_that_of_a_plain_loop(answers):
    probabilities, labels = answers
    total = 0.0
    for b in range(15):
        low, high = b / 15, (b + 1) / 15
        inside = [
            (p.max(), p.argmax() == k)
            for p, k in zip(probabilities, labels, strict=True)
            if low < p.max() <= high
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            total += len(inside) / len(labels) * abs(right - confidence)
    assert metrics.calibration_error(probabilities, labels) == pytest.approx(total)


def test_a_confidence_on_the_edge_of_two_bins_is_in_the_lower():
    answers = np.array([[0.5, 0.5], [0.75, 0.25]])  # right, wrong; the edge is 0.5
    assert metrics.calibration_error(answers, np.array([0, 1]), bins=2) == 0.625


def test_sure_and_right_is_calibrated_and_sure_and_wrong_is_not():
    sure = np.eye(3)
    assert metrics.calibration_error(sure, np.arange(3)) == 0
    assert metrics.calibration_error(sure, np.array([1, 2, 0])) == 1


def test_the_confusion_matrix_has_the_truth_down(answers):
    probabilities, labels = answers
    matrix = metrics.confusion_matrix(probabilities, labels)
    for true in range(5):
        for read in range(5):
            count = np.sum((labels == true) & (probabilities.argmax(1) == read))
            assert matrix[true, read] == count
    facts = metrics.summary(probabilities, labels)
    by_class = [matrix[k, k] / matrix[k].sum() for k in range(5)]
    assert facts["by_class"] == pytest.approx(by_class, abs=1e-6)


def test_a_class_without_examples_has_accuracy_nought():
    facts = metrics.summary(np.array([[0.9, 0.1]]), np.array([0]))
    assert facts["by_class"] == [1.0, 0.0]


@settings(deadline=None)
@given(
    st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
)
def test_wilsons_interval_is_its_formula(counts):
    right, total = counts
    z, p = 1.959963984540054, right / total
    middle = p + z * z / (2 * total)
    spread = z * np.sqrt(p * (1 - p) / total + z * z / (4 * total**2))
    expected = [(middle + s * spread) / (1 + z * z / total) for s in (-1, 1)]
    np.testing.assert_allclose(metrics.wilson(right, total), expected, atol=1e-9)


def test_the_paired_test_is_a_fair_coin_over_the_images_that_differ():
    a = np.array([True] * 90 + [False] * 4 + [True] * 5 + [False] * 1)
    b = np.array([True] * 90 + [True] * 4 + [False] * 5 + [False] * 1)
    test = metrics.paired_test(a, b)
    assert (test["only_a"], test["only_b"], test["both_wrong"]) == (5, 4, 1)
    assert test["p_value"] == pytest.approx(1.0)
    a[:12], b[:12] = True, False
    # 17 against 4: twice the tail of 21 tosses of a coin.
    tail = (
        sum(
            float(np.prod(np.arange(22 - k, 22)) / np.prod(np.arange(1, k + 1)))
            for k in range(5)
        )
        / 2**21
    )
    assert metrics.paired_test(a, b)["p_value"] == pytest.approx(2 * tail)


def test_equal_classifiers_differ_by_chance_alone():
    right = np.array([True, False])
    assert metrics.paired_test(right, right)["p_value"] == 1.0


def test_nan_is_no_measurement():
    answers = np.full((3, 2), 0.5)
    answers[1, 0] = np.nan
    with pytest.raises(KerasconvError, match="answers 1 of 3 images with NaN"):
        metrics.summary(answers, np.zeros(3, int))


@pytest.mark.parametrize(
    ("shape", "labels"),
    [
        ((2, 3), [0, 3]),
        ((2, 3), [0, -1]),
        ((2, 3), [0]),
        ((2, 3), [0.0, 1.0]),
        ((0, 3), []),
        ((3,), [0]),
    ],
)
def test_labels_that_do_not_fit_the_answers_are_refused(shape, labels):
    answers, labels = np.full(shape, 0.5), np.array(labels)
    for figure in (
        metrics.summary,
        metrics.log_loss,
        metrics.calibration_error,
        metrics.confusion_matrix,
    ):
        with pytest.raises(ValueError, match=r"`labels`|`probabilities`"):
            figure(answers, labels)


def test_classifiers_are_paired_on_the_same_images():
    with pytest.raises(ValueError, match="same images"):
        metrics.paired_test(np.array([True]), np.array([True, False]))
