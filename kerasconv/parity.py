"""How far the backends' answers lie apart for one file of weights.

Keras's backend is fixed at import, so each backend answers in a process of its own.
"""

import io
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from kerasconv import backends
from kerasconv.errors import KerasconvError

__all__ = ["measure", "probabilities"]


def measure(path: str | os.PathLike) -> dict[str, float]:
    """Largest difference of probabilities over the bundled digits, by backend.

    Args:
        path: A `.keras` file of a network for 28x28 digits.

    Returns:
        For every installed backend its largest difference from any other, and
        under "largest" the largest of all.
    """
    answers = {name: probabilities(name, path) for name in backends.installed()}
    apart = dict.fromkeys(answers, 0.0)
    for one, other in itertools.combinations(answers, 2):
        gap = float(np.abs(answers[one] - answers[other]).max())
        apart[one] = max(apart[one], gap)
        apart[other] = max(apart[other], gap)
    return {**apart, "largest": max(apart.values(), default=0.0)}


def probabilities(backend: str, path: str | os.PathLike) -> np.ndarray:
    """What a fresh process on that backend answers for the bundled digits."""
    result = subprocess.run(
        [sys.executable, "-m", "kerasconv.parity", os.fspath(path)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
    )
    if result.returncode:
        last = result.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise KerasconvError(f"{path} gave no answer on {backend}: {''.join(last)}")
    return np.load(io.BytesIO(result.stdout))


def _answer(path: Path) -> None:
    from kerasconv.digits import load_digits
    from kerasconv.models import load_model
    from kerasconv.predict import Predictor

    images, _ = load_digits()
    buffer = io.BytesIO()
    np.save(buffer, Predictor(load_model(path))(images))
    sys.stdout.buffer.write(buffer.getvalue())


if __name__ == "__main__":
    _answer(Path(sys.argv[1]))
