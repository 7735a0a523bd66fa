"""Training by a recipe: it survives a kill, measures itself, and writes the card.

`fit` follows a recipe with one seed and keeps a checkpoint an epoch. `train` fits one
or several seeds, ships the network that the validation split prefers, measures all on
the test set, once, at the end, and writes weights, card and README. `train_own` trains
on pictures of one's own, a folder a class.
"""

import importlib
from typing import TYPE_CHECKING, Any

from kerasconv.recipes import RECIPES, Recipe, find_recipe

if TYPE_CHECKING:
    from kerasconv.training.devices import spread
    from kerasconv.training.fitting import OneCycle, Run, build, fit
    from kerasconv.training.measuring import answers, check_fits, evaluate, measure
    from kerasconv.training.own import train_own
    from kerasconv.training.shipping import train

__all__ = [
    "RECIPES",
    "OneCycle",
    "Recipe",
    "Run",
    "answers",
    "build",
    "check_fits",
    "evaluate",
    "find_recipe",
    "fit",
    "measure",
    "spread",
    "train",
    "train_own",
]

# Keras is imported with the first of these: `python -m kerasconv.training.page`
# renders a page without it.
_HOMES = {
    **dict.fromkeys(("OneCycle", "Run", "build", "fit"), "fitting"),
    **dict.fromkeys(("answers", "check_fits", "evaluate", "measure"), "measuring"),
    "spread": "devices",
    "train": "shipping",
    "train_own": "own",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        home = importlib.import_module(f"kerasconv.training.{_HOMES[name]}")
        return getattr(home, name)
    raise AttributeError(f"module 'kerasconv.training' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
