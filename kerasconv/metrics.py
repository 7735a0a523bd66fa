"""What a classifier's answers are worth: accuracy, loss, calibration, comparison.

Plain NumPy arrays of probabilities, shape (n, classes), and of true labels.
"""

import numpy as np

from kerasconv._arguments import as_array, check_int, check_share, is_int
from kerasconv.errors import KerasconvError, UsageError, short

__all__ = [
    "calibration_error",
    "check_finite",
    "confusion_matrix",
    "log_loss",
    "paired_test",
    "summary",
    "wilson",
]


def summary(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    """The figures of a card about one test set.

    Returns:
        `examples`, `errors`, `accuracy` (share that is right), `interval` (its 95 %
        Wilson interval), `loss` (nats), `calibration_error`, `by_class` (accuracy of
        each true class) and `confusion` (rows true, columns predicted).

    Raises:
        KerasconvError: a probability is NaN or infinite.
        ValueError: the labels do not fit the probabilities.
    """
    check_finite(np.atleast_2d(as_array("probabilities", probabilities)))
    matrix = confusion_matrix(probabilities, labels)
    total, right = len(labels), int(np.trace(matrix))
    counts = matrix.sum(1)
    return {
        "examples": total,
        "errors": total - right,
        "accuracy": right / total,
        "interval": list(wilson(right, total)),
        "loss": log_loss(probabilities, labels),
        "calibration_error": calibration_error(probabilities, labels),
        "by_class": [
            round(float(k / n), 6) if n else 0.0
            for k, n in zip(np.diag(matrix), counts, strict=True)
        ],
        "confusion": matrix.tolist(),
    }


def check_finite(probabilities: np.ndarray, name: str = "the network") -> None:
    """Refuse answers that say nothing.

    Args:
        probabilities: A row an image.
        name: Who answers so, for the message.

    Raises:
        KerasconvError: a probability is NaN or infinite.
    """
    probabilities = as_array("probabilities", probabilities, 2)
    bad = int(np.sum(~np.isfinite(probabilities).all(axis=1)))
    if bad:
        raise KerasconvError(
            f"{name} answers {bad:,} of {len(probabilities):,} images with NaN or "
            "infinity, which says nothing; look at its weights, or train it again at "
            "a lower learning rate"
        )


def _check(probabilities: np.ndarray, labels: np.ndarray) -> None:
    """Refuse what NumPy would stretch, cut or count from the end."""
    shape, labels = np.shape(probabilities), np.asarray(labels)
    if len(shape) != 2 or not all(shape):
        raise ValueError(
            f"`probabilities` must be of shape (n, classes). Received: shape {shape}"
        )
    count, classes = shape
    if (
        labels.shape != (count,)
        or labels.dtype.kind not in "iu"
        or not 0 <= labels.min() <= labels.max() < classes
    ):
        raise ValueError(
            f"`labels` must be {count} integers from 0 to {classes - 1}, one for each "
            f"row of `probabilities`. Received: {short(labels)}"
        )


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log-probability of the truth (NLL), in nats: -1/n Σ ln p(y).

    Probabilities below 1e-7 count as 1e-7, as in Keras's cross-entropy.
    """
    _check(probabilities, labels)
    truth = np.asarray(probabilities, np.float64)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(truth, 1e-7)).mean())


def calibration_error(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 15
) -> float:
    """Expected calibration error: `Σ n_b/n · |accuracy_b - confidence_b|`.

    The confidence of an answer is its largest probability; the bins divide [0, 1]
    evenly, each closed on the right.

    Reference:
        C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural
        networks", ICML 2017.
    """
    _check(probabilities, labels)
    bins = check_int("bins", bins)
    probabilities = np.asarray(probabilities, np.float64)
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    index = np.digitize(confidence, inner, right=True)
    gaps = np.bincount(index, right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def confusion_matrix(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts of answers: rows are true classes, columns predicted ones."""
    _check(probabilities, labels)
    classes = probabilities.shape[1]
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, probabilities.argmax(1)), 1)
    return matrix


def wilson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion.

    (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), z the normal quantile.

    Reference:
        E. B. Wilson, "Probable inference, the law of succession, and statistical
        inference", Journal of the American Statistical Association 22, 1927.
    """
    from scipy.stats import binomtest

    trials, level = check_int("trials", trials), check_share("level", level)
    if not is_int(successes) or not 0 <= successes <= trials:
        raise UsageError(
            f"`successes` must be a whole number from 0 to {trials}. "
            f"Received: {short(successes)}"
        )
    interval = binomtest(successes, trials).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def paired_test(right_a: np.ndarray, right_b: np.ndarray) -> dict:
    """McNemar's exact test: do two classifiers err equally often on the same images?

    Of the images on which exactly one is right, each is as likely to be either's if
    the two are equally good.

    Args:
        right_a: Whether the first is right, a bool an image.
        right_b: Whether the second is right.

    Returns:
        `only_a`, `only_b` (images that only one gets right), `both_wrong`, and
        `p_value`, two-sided: the chance of a split at least so uneven.

    Reference:
        Q. McNemar, "Note on the sampling error of the difference between correlated
        proportions or percentages", Psychometrika 12, 1947.
    """
    from scipy.stats import binomtest

    if np.shape(right_a) != np.shape(right_b):
        raise ValueError(
            "`right_a` and `right_b` must be of the same images. Received: shapes "
            f"{np.shape(right_a)} and {np.shape(right_b)}"
        )
    only_a = int(np.sum(right_a & ~right_b))
    only_b = int(np.sum(~right_a & right_b))
    split = only_a + only_b
    return {
        "only_a": only_a,
        "only_b": only_b,
        "both_wrong": int(np.sum(~right_a & ~right_b)),
        "p_value": float(binomtest(only_a, split).pvalue) if split else 1.0,
    }
