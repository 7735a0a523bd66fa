"""What was learned for one question, kept for another: convolutions and a new head."""

from collections.abc import Iterable
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


class NewHeadWarning(UserWarning):
    """A network has trained convolutions and a random head, which must be trained."""


def is_head(layer: Any) -> bool:
    """Whether the head begins here: what says where something is ends, or is lost."""
    kind = type(layer).__name__
    return kind == "Flatten" or kind.startswith("Global")


def body(model: "keras.Model") -> "list[keras.layers.Layer]":
    """The layers before the head."""
    return list(takewhile(lambda layer: not is_head(layer), model.layers))


def keep_body(model: "keras.Model", source: "keras.Model") -> bool:
    """Give a network's body the weights of another's, if the two are the same.

    Returns:
        Whether they are, and have weights. If not, nothing is changed.
    """
    ours, theirs = body(model), body(source)
    weights = [layer.get_weights() for layer in theirs]
    shapes = [[w.shape for w in of] for of in weights]
    if not any(shapes) or shapes != [
        [tuple(w.shape) for w in layer.weights] for layer in ours
    ]:
        return False
    if untrained(ours) != untrained(theirs):
        return False
    for layer, values in zip(ours, weights, strict=True):
        layer.set_weights(values)
    return True


def untrained(layers: "Iterable[keras.layers.Layer]") -> list[tuple[str, Any]]:
    """The classes of the layers that pool or have fixed kernels, with these.

    They leave no trace in the shapes of the weights.
    """
    from kerasconv.layers import FixedConv

    found = []
    for layer in layers:
        kind = type(layer).__name__
        # Not from `get_config()`, which imports TensorFlow wherever it is installed.
        fixed = layer.kernel.tolist() if type(layer) is FixedConv else None
        if fixed or "Pool" in kind:
            found.append((kind, fixed))
    return found
