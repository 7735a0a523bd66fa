"""One file an epoch from which a training that was stopped goes on.

Weights, optimizer, random state and epoch are written together and replaced as a
whole: a training that is killed finds the last finished epoch there.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import data, files
from kerasconv._keras import keras
from kerasconv.errors import KerasconvError, one_line
from kerasconv.recipes import Recipe
from kerasconv.training.feeding import Batches, seed_epoch

# The state of early stopping, beside its best weights.
_STOPPING = ("wait", "best", "best_epoch", "stopped_epoch")

# Called with the number of batches done, of all batches, and the running metrics.
Progress = Callable[[int, int, dict[str, float]], None]


def identity(
    recipe: Recipe,
    network: "keras.Model",
    images: np.ndarray,
    labels: np.ndarray,
    seed: int,
    epochs: int,
) -> str:
    """What a training must have in common with a checkpoint to go on from it."""
    return json.dumps(
        {
            "recipe": {**recipe.facts(), "purpose": ""},
            # Two architectures may have the same variables.
            "layers": [type(layer).__name__ for layer in network.layers],
            "data": data.digest(images, labels),
            "seed": seed,
            "epochs": epochs,
            "backend": keras.backend.backend(),
            "keras": keras.__version__,
        },
        sort_keys=True,
        default=list,
    )


class Keeper(keras.callbacks.Callback):
    """Writes the checkpoint after each epoch, measures time, reports progress.

    Args:
        path: Where the checkpoint is; None keeps none.
        identity: What `identity` gives for this training.
        seed: The seed of the training.
        batches: Its batches, whose epoch is set here.
        epochs: How many epochs it has.
        progress: Called after every batch and after every epoch.
        stopping: Keras's early stopping, if the training has it, in whose list of
            callbacks it stands before this: its best weights are kept too.
    """

    def __init__(
        self,
        path: Path | None,
        identity: str,
        seed: int,
        batches: Batches,
        epochs: int,
        progress: Progress | None,
        stopping: "keras.callbacks.EarlyStopping | None" = None,
    ) -> None:
        super().__init__()
        self.stopping = stopping
        self._stopped: dict[str, Any] = {}
        self.path, self.identity = path, identity
        self.seed, self.batches = seed, batches
        self.steps = epochs * len(batches)
        self.done = 0
        self.seconds = 0.0
        self.cores = _cores()
        self.history: dict[str, list[float]] = {}
        self._progress = progress

    def restore(self, model: "keras.Model") -> int:
        """Load the checkpoint, if there is one, into a freshly built model.

        Returns:
            The number of finished epochs.

        Raises:
            KerasconvError: the checkpoint is damaged, or of another training.
        """
        if self.path is None or not self.path.exists():
            return 0
        try:
            facts, values = _read(self.path)
        # Whatever the bytes are: zipfile and NumPy have a dozen errors for them.
        except Exception as error:
            raise KerasconvError(
                f"the checkpoint {self.path} cannot be read ({one_line(error)}); "
                "remove it, or train without `resume=True`"
            ) from error
        variables = _variables(model)
        best = values[len(variables) :]
        if facts["identity"] != self.identity or len(best) != facts.get("best", 0):
            raise KerasconvError(
                f"the checkpoint {self.path} is of another training (its "
                f"{_difference(facts['identity'], self.identity)} differ); remove it, "
                "or train without `resume=True`"
            )
        for variable, value in zip(variables, values, strict=False):
            variable.assign(value)
        self._stopped = {**facts.get("stopping", {}), "best_weights": best or None}
        self.history, self.seconds = facts["history"], facts["seconds"]
        self.cores = facts["cores"]
        return facts["epochs"]

    @property
    def stopped(self) -> bool:
        """Whether the training that is restored had been stopped early."""
        patience = self.stopping.patience if self.stopping else 0
        return self._stopped.get("wait", -1) >= patience > 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Give early stopping its state, which it forgets at the beginning."""
        if self.stopping is not None:
            for name, value in self._stopped.items():
                setattr(self.stopping, name, value)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Set the epoch's order of images and its random state."""
        self.batches.epoch = epoch
        self.done = epoch * len(self.batches)
        seed_epoch(self.seed * 100_003 + epoch)
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Report the batch."""
        self.done += 1
        if self._progress:
            self._progress(self.done, self.steps, {})

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the checkpoint, then report the epoch with its metrics."""
        self.seconds += time.perf_counter() - self._began
        logs = {key: float(value) for key, value in (logs or {}).items()}
        for key, value in logs.items():
            self.history.setdefault(key, []).append(round(value, 6))
        if self.path is not None:
            files.write_with(self.path, self._save)
        if self._progress:
            self._progress(self.done, self.steps, logs)

    def _save(self, path: Path) -> None:
        variables = _variables(self.model)
        arrays = [keras.ops.convert_to_numpy(variable.value) for variable in variables]
        stopping, best = {}, []
        if self.stopping is not None:
            stopping = {name: getattr(self.stopping, name) for name in _STOPPING}
            best = list(self.stopping.best_weights or ())
        facts = {
            "identity": self.identity,
            "epochs": len(next(iter(self.history.values()))),
            "variables": len(arrays) + len(best),
            "best": len(best),
            "stopping": stopping,
            "history": self.history,
            "seconds": self.seconds,
            "cores": self.cores,
        }
        values = {f"variable_{i}": array for i, array in enumerate([*arrays, *best])}
        with open(path, "wb") as file:
            stated = json.dumps(facts)
            digest = _digest(stated, values.values())
            np.savez(file, facts=stated, sha256=digest, **values)


def _read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The facts and the variables of a checkpoint, as they were written.

    Raises:
        ValueError: they are not, by their digest; or whatever NumPy raises.
    """
    with np.load(path, allow_pickle=False) as stored:
        stated, digest = str(stored["facts"]), str(stored["sha256"])
        facts = json.loads(stated)
        values = [stored[f"variable_{i}"] for i in range(facts["variables"])]
        if len(stored.files) != 2 + len(values) or digest != _digest(stated, values):
            raise ValueError("it is not as it was written, by its SHA-256")
    return facts, values


def _digest(facts: str, values: Iterable[np.ndarray]) -> str:
    """SHA-256 of the facts, and of every variable's type, shape and values."""
    found = hashlib.sha256(facts.encode())
    for value in values:
        found.update(f"{value.dtype.str} {value.shape} ".encode())
        found.update(value.tobytes())
    return found.hexdigest()


def _variables(model: "keras.Model") -> list[Any]:
    """Weights, random states and optimizer: all that a training goes on from."""
    return [*model.variables, *model.optimizer.variables]


def _difference(theirs: str, ours: str) -> str:
    a, b = json.loads(theirs), json.loads(ours)
    return ", ".join(key for key in b if a.get(key) != b[key]) or "variables"


def _cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
