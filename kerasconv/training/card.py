"""The facts of a card, measured, and the card written."""

import datetime
import json
import math
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import corruptions, data, digits, files, parity, untrusted
from kerasconv._keras import keras
from kerasconv.errors import KerasconvError
from kerasconv.models import Card
from kerasconv.models._card import file_digest, read_card
from kerasconv.predict import Predictor
from kerasconv.recipes import Recipe
from kerasconv.training import devices
from kerasconv.training.fitting import Run

Split = tuple[np.ndarray, np.ndarray]

# What no one can count again from other facts.
_ESTIMATES = ("loss", "validation_loss", "test_loss", "calibration_error", "parity")


def check_writer() -> None:
    """Find out now, and not after hours of training, that no card can be written.

    Raises:
        KerasconvError: tomli-w is not installed.
    """
    if find_spec("tomli_w") is None:
        raise KerasconvError(
            "tomli-w is not installed, and without it no card can be written after "
            "the training; install it with: pip install tomli-w"
        )


def write(path: Path, facts: dict[str, Any]) -> Card:
    """Write a card beside its weights, and read it as any card is read."""
    import tomli_w

    files.write_text(path, tomli_w.dumps(_rounded(facts)))
    return read_card(path)


def _rounded(found: Any, estimate: bool = False) -> Any:
    """The facts with six digits of each estimate."""
    if isinstance(found, dict):
        return {k: _rounded(v, estimate or k in _ESTIMATES) for k, v in found.items()}
    if isinstance(found, list | tuple):
        return [_rounded(value, estimate) for value in found]
    return float(f"{found:.6g}") if estimate and isinstance(found, float) else found


def facts(
    name: str,
    recipe: Recipe,
    epochs: int,
    runs: Sequence[Run],
    tests: Sequence[dict[str, Any]],
    chosen: Run,
    weights: Path,
    train: Split,
    test: Split,
) -> dict[str, Any]:
    """Everything that a card states.

    Args:
        name: "architecture/weights".
        recipe: The recipe that was followed.
        epochs: For how many epochs.
        runs: One for each seed.
        tests: The figures of each on the test set.
        chosen: The run that is shipped.
        weights: Its file.
        train: Images and labels of the training set.
        test: Those of the test set.
    """
    architecture, weights_name = name.split("/")
    model = chosen.model
    found = {
        "architecture": architecture,
        "weights": weights_name,
        "sha256": file_digest(weights),
        "bytes": weights.stat().st_size,
        "date": datetime.date.today(),
        "licence": "Apache-2.0",
        "reproduced": "not tried",
        "arguments": {
            **recipe.arguments,
            "input_shape": list(model.inputs[0].shape[1:]),
            "num_classes": model.outputs[0].shape[-1],
        },
        "parameters": {
            "total": model.count_params(),
            "trainable": count(model.trainable_weights),
            "non_trainable": count(model.non_trainable_weights),
        },
        "data": _data(recipe, train, test),
        "recipe": {
            "name": name,
            **json.loads(json.dumps(recipe.facts())),
            "epochs": epochs,
            "seed": chosen.seed,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "seconds_per_epoch": round(chosen.seconds / epochs, 1),
            "cores": chosen.cores,
            # Only where there are several.
            **({"devices": spread} if (spread := devices.names()) else {}),
        },
        "validation": chosen.validation,
        "test": tests[runs.index(chosen)],
        "seeds": _seeds(runs, tests),
        "history": chosen.history,
        "parity": parity.measure(weights),
        "images_per_second": speed(model, train[0]),
        "tensors": untrusted.tensor_digests(weights),
    }
    if recipe.dataset == "mnist":
        found["bundled_digits"] = _bundled(model)
        found["corruptions"] = corruptions.evaluate(Predictor(model), *test)
        # What may steer a recipe: the test images are no choice's business.
        kept = recipe.split(len(train[0]))
        found["held_out_corruptions"] = corruptions.evaluate(
            Predictor(model), *(part[kept:] for part in train)
        )
    return found


def _data(recipe: Recipe, train: Split, test: Split) -> dict[str, Any]:
    dataset = data.DATASETS[recipe.dataset]
    count = len(train[0])
    kept = recipe.split(count)
    return {
        "name": dataset.name,
        "version": dataset.version,
        "licence": dataset.licence,
        "source": dataset.source,
        "train_sha256": data.digest(*train),
        "test_sha256": data.digest(*test),
        "trained_on": kept,
        "held_out": count - kept,
        "split": f"the first {kept:,} training images in the order of "
        f"kerasconv.data.load are trained on; the last {count - kept:,} are held out "
        "and decide which seed is shipped; the test set is read once, after training",
    }


def _seeds(runs: Sequence[Run], tests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    accuracies = np.array([test["accuracy"] for test in tests])
    return {
        "count": len(runs),
        "mean": float(accuracies.mean()),
        "sd": float(accuracies.std(ddof=1)) if len(runs) > 1 else 0.0,
        "runs": [
            {
                "seed": run.seed,
                "validation_accuracy": run.validation["accuracy"],
                "validation_loss": run.validation["loss"],
                "test_accuracy": test["accuracy"],
                "test_loss": test["loss"],
                "validation_accuracy_by_epoch": run.history["val_accuracy"],
            }
            for run, test in zip(runs, tests, strict=True)
        ],
    }


def count(weights: list[Any]) -> int:
    """How many numbers weights hold."""
    return sum(math.prod(weight.shape) for weight in weights)


def _bundled(model: "keras.Model") -> dict[str, Any]:
    images, labels = digits.load_digits()
    right = int(np.sum(Predictor(model)(images).argmax(1) == labels))
    return {"examples": len(labels), "correct": right}


def speed(model: "keras.Model", images: np.ndarray) -> int:
    """Images a second through the predictor, the median of five passes."""
    predictor, images = Predictor(model, batch_size=1000), images[:5000]
    predictor(images)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        predictor(images)
        seconds.append(time.perf_counter() - began)
    return int(float(f"{len(images) / np.median(seconds):.2g}"))
