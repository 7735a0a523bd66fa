"""How far the backends' answers lie apart for one file of weights.

Keras's backend is fixed at import, so each backend answers in a process of its own.
"""

import io
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasconv import backends
from kerasconv.errors import KerasconvError
from kerasconv.files import check_path, check_paths

__all__ = ["measure", "measure_all", "probabilities"]


def measure(path: str | os.PathLike) -> dict[str, float]:
    """Largest difference of probabilities over some images, by backend.

    Args:
        path: A `.keras` file of a classifier of images.

    Returns:
        For every installed backend its largest difference from any other, and
        under "largest" the largest of all.
    """
    return measure_all([check_path("path", path)])[0]


def measure_all(paths: Sequence[str | os.PathLike]) -> list[dict[str, float]]:
    """As `measure` for each of several files, in one process a backend."""
    paths = check_paths("paths", paths)
    answers = {name: probabilities(name, *paths) for name in backends.installed()}
    found = []
    for i in range(len(paths)):
        apart = dict.fromkeys(answers, 0.0)
        for one, other in itertools.combinations(answers, 2):
            gap = float(np.abs(answers[one][i] - answers[other][i]).max())
            apart[one] = max(apart[one], gap)
            apart[other] = max(apart[other], gap)
        found.append({**apart, "largest": max(apart.values(), default=0.0)})
    return found


def probabilities(backend: str, *paths: str | os.PathLike) -> list[np.ndarray]:
    """What a fresh process on that backend answers, an array for each file.

    The images are the digits of the package; for a network that takes others,
    uniform noise with a fixed seed.
    """
    names = [os.fspath(check_path("path", path)) for path in paths]
    printed, reason = backends.in_fresh_process(
        "-m", __name__, *names, KERAS_BACKEND=backend
    )
    if reason:
        raise KerasconvError(
            f"{', '.join(names)} gave no answer on {backend}: {reason}"
        )
    with np.load(io.BytesIO(printed)) as stored:
        return [stored[f"arr_{i}"] for i in range(len(names))]


def _answers(paths: Sequence[str | os.PathLike]) -> list[np.ndarray]:
    """What this process answers."""
    from kerasconv.digits import load_digits
    from kerasconv.models import load_model
    from kerasconv.predict import Predictor

    digits, _ = load_digits()
    answers = []
    for path in paths:
        predictor = Predictor(load_model(Path(path)))
        predictor.warm_up()  # or NumPy would answer on others
        images = digits
        if predictor.input_shape != digits.shape[1:]:
            random = np.random.default_rng(0)
            images = random.random((64, *predictor.input_shape), np.float32)
        answers.append(predictor(images))
    return answers


if __name__ == "__main__":
    buffer = io.BytesIO()
    np.savez(buffer, *_answers(sys.argv[1:]))
    sys.stdout.buffer.write(buffer.getvalue())
