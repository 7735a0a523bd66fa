"""The recipes that made the zoo, each from the file of its architecture.

`kerasconv train mnist_cnn --data-dir DIR --seeds 5` follows the recipe
"mnist_cnn/mnist" five times and ships the run that does best on the validation split.
What that took, and how accurate it is, is on the card in `models/`.
"""

from kerasconv._arguments import check_text
from kerasconv.errors import UsageError, meant, printable
from kerasconv.models import ARCHITECTURES
from kerasconv.models._architecture import Recipe

__all__ = ["RECIPES", "Recipe", "find_recipe"]

RECIPES: dict[str, Recipe] = {
    f"{name}/{weights}": recipe
    for name, architecture in ARCHITECTURES.items()
    for weights, recipe in architecture.recipes.items()
}
"""Every recipe by its full name, "architecture/weights"."""


def find_recipe(name: str, recipe: str | None = None) -> tuple[str, Recipe]:
    """The full name of a recipe and the recipe.

    Args:
        name: "architecture/weights", or "architecture" for its default recipe.
        recipe: The weights' name, if not in `name`.

    Raises:
        UsageError: no such recipe; the message names those there are.

    Example:
        >>> find_recipe("mnist_cnn")[0]
        'mnist_cnn/mnist'
    """
    full = check_text("name", name)
    if recipe is not None and check_text("recipe", recipe):
        full = f"{name}/{recipe}"
    if full in ARCHITECTURES:
        full = f"{full}/{ARCHITECTURES[full].weights}"
    if full not in RECIPES:
        architecture, _, of = full.partition("/")
        hint = (
            meant(of, ARCHITECTURES[architecture].recipes)
            if architecture in ARCHITECTURES
            else meant(full, [*ARCHITECTURES, *RECIPES])
        )
        raise UsageError(f"no recipe is called {printable(full, 200)!r}; {hint}")
    return full, RECIPES[full]
