"""What a card says after a second look: a second training, corrupted held-out images.

    python tests/benchmarks/again.py [NAME...] [--epochs N] [--corruptions] [--speed]
                                     [--data-dir DIR]

--epochs trains every named set again, by its recipe and from its seed, for its first
epochs, on the card's backend and as many cores as the card says, and writes into the
card what came of it (`reproduced`). --corruptions measures the weights on the images
that were held out, under each family (`held_out_corruptions`): figures that may steer
a recipe, as those of the test set may not. --speed measures how many images a second
the predictor answers on TensorFlow: without a name of all sets, so that they can be
compared, for they were trained on several machines.
A processor with other instructions adds in another order. One with AVX-512 gives the
weights of mnist_cnn/fast again bit for bit; on one with AVX2 the loss of the first
epoch was 0.00016 off its card, and with `ONEDNN_MAX_CPU_ISA=SSE41` before the command
0.00055.
`python -m kerasconv.training.page models/ARCHITECTURE` then renders the page.
"""

import argparse
import importlib
import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kerasconv import backends, data, recipes
from kerasconv.models import Card, find_card, list_models, load_model

History = Mapping[str, Sequence[float]]

_SHOWN = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


class _Enough(Exception):
    """So many epochs are done."""


def retrain(card: Card, epochs: int, data_dir: str | None = None) -> dict[str, Any]:
    """Train the first epochs of a card's training again.

    Returns:
        `history`, as on the card; `tensors`, the digests of the weights, if these were
        all epochs.
    """
    from kerasconv import training, untrusted

    _, recipe = recipes.find_recipe(card.facts["recipe"]["name"])
    total = card.facts["recipe"]["epochs"]
    last = epochs if epochs < total else None
    found: dict[str, Any] = {"history": {}}

    def progress(done: int, total: int, facts: dict[str, float]) -> None:
        for key, value in facts.items():
            found["history"].setdefault(key, []).append(round(value, 6))
        if facts and len(found["history"]["loss"]) == last:
            raise _Enough

    try:
        run = training.fit(
            recipe,
            *data.load(recipe.dataset, "train", data_dir),
            seed=card.facts["recipe"]["seed"],
            epochs=total,
            progress=progress,
        )
    except _Enough:
        return found
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "again.keras")
        untrusted.save_model(run.model, path)
        return found | {"tensors": untrusted.tensor_digests(path)}


def said(card: Card, found: Mapping[str, Any], where: str) -> str:
    """What a second training gave, in a sentence for the card."""
    recorded: History = card.facts["history"]
    again: History = found["history"]
    ran, total = len(again["loss"]), card.facts["recipe"]["epochs"]
    same = 0
    while same < ran and all(again[k][same] == recorded[k][same] for k in recorded):
        same += 1
    if same == ran == total and found["tensors"] == card.facts["tensors"]:
        return f"all {total} epochs, {where}, gave these weights again, bit for bit"
    first = "the first epoch" if same <= 1 else f"the first {same}"
    if same:
        rest = "the others were not run"
        if same < ran:
            rest = f"epoch {same + 1} was not the same, so these weights are not "
            rest += "reproduced"
        elif ran == total:
            rest = "the weights were not the same in their last digits"
        return (
            f"{first} of {total} epochs, {where}, gave the loss and accuracy recorded "
            f"here to six digits; {rest}"
        )
    apart = abs(again["loss"][0] - recorded["loss"][0])
    return (
        f"{first}, {where}, came near and was not the same: its loss differed by "
        f"{apart:.6f}; so these weights are not reproduced"
    )


def ended(card: Card, found: Mapping[str, Any]) -> str:
    """How well all epochs, run again, read the held-out images, beside the seeds."""
    again = found["history"]["val_accuracy"][-1]
    then = card.facts["history"]["val_accuracy"][-1]
    seeds = [
        run["validation_accuracy_by_epoch"][-1] for run in card.facts["seeds"]["runs"]
    ]
    return (
        f"; all epochs again ended with {again:.2%} of the held-out images right, "
        f"these weights with {then:.2%}, the {len(seeds)} seeds of the recipe with "
        f"{min(seeds):.2%} to {max(seeds):.2%}"
    )


def _where(backend: str, cores: int) -> str:
    """Versions and machine, as a card has them."""
    module = importlib.import_module(backend)
    keras = importlib.metadata.version("keras")
    count = "1 core" if cores == 1 else f"{cores} cores"
    return (
        f"on Keras {keras}, {_SHOWN[backend]} {module.__version__} and {count} of "
        f"{_processor()}"
    )


def _processor() -> str:
    """The processor by name, family and model, where the system says so."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in pairs}
    if "model name" not in facts:
        return platform.machine()
    return "{model name} (family {cpu family}, model {model})".format(**facts)


def _corruptions(card: Card, data_dir: str | None) -> dict[str, float]:
    from kerasconv import corruptions
    from kerasconv.predict import Predictor

    facts = card.facts["data"]
    train = data.load(facts["name"], "train", data_dir)
    held_out = (part[facts["trained_on"] :] for part in train)
    return corruptions.evaluate(Predictor(load_model(card.name)), *held_out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--epochs", type=int, default=0, metavar="N")
    parser.add_argument("--corruptions", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--data-dir", metavar="DIR")
    asked = parser.parse_args()
    chosen = [find_card(name) for name in asked.names or list_models()]
    if asked.epochs:
        recipe = chosen[0].facts["recipe"]
        kinds = {(c.facts["recipe"]["backend"], c.facts["recipe"]["cores"])
                 for c in chosen}  # fmt: skip
        if len(kinds) > 1:
            parser.error("name sets that were trained on one backend and as many cores")
        # Before the backend is imported, which starts as many threads as it may use.
        cores = sorted(os.sched_getaffinity(0))[: recipe["cores"]]
        os.sched_setaffinity(0, cores)
        backends.activate(recipe["backend"])
    elif asked.speed:
        backends.activate("tensorflow")
    from kerasconv.training import card as cards

    for card in chosen:
        facts = dict(card.facts)
        if asked.epochs:
            epochs = min(asked.epochs, facts["recipe"]["epochs"])
            where = _where(recipe["backend"], len(cores))
            found = retrain(card, epochs, asked.data_dir)
            facts["reproduced"] = said(card, found, where)
            if "tensors" in found and found["tensors"] != facts["tensors"]:
                facts["reproduced"] += ended(card, found)
            print(f"{card.name}: {facts['reproduced']}", flush=True)
        if asked.corruptions and "corruptions" in facts:
            found = _corruptions(card, asked.data_dir)
            facts["held_out_corruptions"] = found
            means = found["mean"], facts["corruptions"]["mean"]
            print("{}: {:.1%} of held-out images, corrupted, {:.1%} of the test "
                  "set's".format(card.name, *means), flush=True)  # fmt: skip
        if asked.speed:
            images, _ = data.load(facts["data"]["name"], "train", asked.data_dir)
            found = cards.speed(load_model(card.name), images[:5000])
            facts["images_per_second"] = found
            print(f"{card.name}: {found:,} images a second", flush=True)
        cards.write(card.path.with_suffix(".toml"), facts)


if __name__ == "__main__":
    main()
