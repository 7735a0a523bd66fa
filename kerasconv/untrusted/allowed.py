"""Whether a configuration names only what is listed, and keeps to the limits.

Keras builds whatever the configuration in a `.keras` file names. What `names` lists
only computes; anything else (a `Lambda`, a layer that loads a SavedModel or a Torch
module, a class of somebody's own) may run code and is refused.
"""

import importlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from kerasconv.untrusted import names

# The largest networks of keras.applications have 1,041 layers, each called once,
# 5,200 objects in all. Keras takes half a millisecond for a layer and for a call.
MAX_DEPTH = 100
MAX_OBJECTS = 20_000
MAX_STEPS = 3_000
# 16 million numbers, say an image of 2300x2400 pixels in three channels: Keras's
# `Normalization` makes two arrays of the shape that it is told.
MAX_ELEMENTS = 1 << 24
# A lookup makes a list of so many places for what is not in its vocabulary.
MAX_PLACES = 10_000

_NUMBERS = re.compile(r"bool|u?int(8|16|32|64)|b?float16|float(32|64)")


class NotAllowedError(ValueError):
    """A configuration names something outside the list, or is beyond a limit."""


def check(config: dict[str, Any]) -> None:
    """Hold a configuration to the list and the limits, without importing Keras.

    Raises:
        NotAllowedError: the message completes "the file is refused: ...".
    """
    objects = steps = 0
    # What it was compiled with may name other things, and is never built.
    todo: list[tuple[Any, int, bool, int]] = [(config, 1, True, 1)]
    while todo:
        item, depth, built, times = todo.pop()
        if depth > MAX_DEPTH:
            raise NotAllowedError(f"its configuration nests deeper than {MAX_DEPTH}")
        values = item
        if isinstance(item, dict):
            if "class_name" in item:
                objects += 1
                steps += times * _check_object(item, built)
                # It builds its layer again, to run the other way.
                times *= 1 + (item["class_name"] == "Bidirectional")
            for key, value in item.items():
                _check_entry(key, value)
            compiled = item.get("compile_config") if "class_name" in item else None
            values = [v for v in item.values() if v is not compiled]
            if isinstance(compiled, (dict, list)):
                todo.append((compiled, depth + 1, False, 1))
        todo.extend(
            (v, depth + 1, built, times) for v in values if isinstance(v, (dict, list))
        )
        if objects > MAX_OBJECTS:
            raise NotAllowedError(
                f"its configuration names more than {MAX_OBJECTS:,} objects"
            )
        if steps > MAX_STEPS:
            raise NotAllowedError(
                f"its layers and the calls of them are more than {MAX_STEPS:,}"
            )


def resolve(config: dict[str, Any]) -> None:
    """Check that Keras will take every name for what the list means by it.

    Keras looks first among the classes and functions that a program has registered,
    so a name of Keras's own could lead elsewhere.

    Args:
        config: The configuration, once `check` has passed it and
            `simplify` has shortened it.

    Raises:
        NotAllowedError: as `check`.
    """
    from kerasconv._keras import keras

    done = set()
    for item in _objects(config):
        name, module = item["class_name"], item.get("module") or ""
        if name in names.VALUES:
            continue
        registered = item.get("registered_name") or name
        function = item["config"] if name == "function" else ""
        if (key := (name, module, registered, function)) in done:
            continue
        done.add(key)
        if module in names.OURS:
            ours = getattr(importlib.import_module(module), name, None)
            known = keras.saving.get_registered_object(registered) is ours is not None
        elif keras.saving.get_registered_object(function or registered) is not None:
            known = False
        elif function:
            known = callable(getattr(keras.activations, function, None))
        else:
            known = _is_keras_class(keras, module, name)
        if not known:
            what = f"the function {function}" if function else f"{module}.{name}"
            raise _runs_code(what)


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    todo = [config]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            if "class_name" in item:
                yield item
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def simplify(config: dict[str, Any]) -> None:
    """Make a configuration what `load` gives to Keras.

    What says how the model, and any model within it, was compiled goes, and a
    `Sequential` gets a name by which Keras can be given another builder of it.
    """
    for item in _objects(config):
        item.pop("compile_config", None)
        if item["class_name"] == "Sequential":
            item["registered_name"] = "Sequential"


def _is_keras_class(keras: Any, module: str, name: str) -> bool:
    if module.startswith("keras.src."):
        found = getattr(importlib.import_module(module), name, None)
        return isinstance(found, type) and found.__module__ == module
    home = keras
    for part in module.split(".")[1:]:
        home = getattr(home, part, None)
    return isinstance(getattr(home, name, None), type)


def _check_object(item: dict[str, Any], built: bool) -> int:
    """Hold an object to the list; how many layers and calls of layers it is."""
    name = item["class_name"]
    module = item.get("module")
    registered = item.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str | None):
        raise NotAllowedError("its configuration names a class by what is no text")
    where = f"{module}.{name}" if module else name
    if "module" not in item and name in names.VALUES:
        _check_value(name, item.get("config"))
        return 0
    if name == "function":
        wanted = item.get("config")
        listed = names.ACTIVATIONS if built else names.MEASURES
        if not isinstance(wanted, str) or wanted not in listed:
            raise _runs_code(f"the function {module}.{wanted!s:.60}")
        if module != "builtins" or registered not in (None, "function", wanted):
            raise _runs_code(f"the function {module}.{wanted}")
        return 0
    if name not in (names.BUILT if built else names.COMPILED).get(module or "", ()):
        raise _runs_code(where)
    ours = module in names.OURS or module == "kerasconv.training.fitting"
    if registered != f"kerasconv>{name}" if ours else registered not in (None, name):
        raise _runs_code(f"{where}, registered as {registered!r:.60}")
    if name == "Functional":
        _check_graph(item)
    nodes = item.get("inbound_nodes")
    calls = len(nodes) if isinstance(nodes, list) else 1
    return (name in names.STEPS.get(module or "", ())) * (
        1 + calls + calls * _parts(item)
    )


def _parts(item: dict[str, Any]) -> int:
    """How many calls it takes as long as to make the parts that a `Split` gives."""
    config = item.get("config")
    parts = config.get("indices_or_sections") if isinstance(config, dict) else None
    count = len(parts) if isinstance(parts, list) else parts
    return max(count, 0) // 50 if isinstance(count, int) else 0


def _check_graph(item: dict[str, Any]) -> None:
    """Go through a graph's calls as Keras will, which may take many rounds.

    In each round Keras tries the calls that are left, in the order of the layers, and
    makes those whose inputs are there.
    """
    config = item.get("config")
    layers = config.get("layers") if isinstance(config, dict) else None
    made: Counter[str] = Counter()
    waiting = []
    for layer in layers if isinstance(layers, list) else ():
        name = layer.get("name") if isinstance(layer, dict) else None
        nodes = layer.get("inbound_nodes") if isinstance(layer, dict) else None
        if not isinstance(name, str) or not isinstance(nodes, list):
            raise NotAllowedError("its graph has a layer without a name or a place")
        made[name] += layer.get("class_name") == "InputLayer"
        waiting.append((name, [_sources(node) for node in nodes]))
    failed = 0
    while waiting:
        left = []
        for name, calls in waiting:
            ready = 0
            while ready < len(calls) and all(made[s] > i for s, i in calls[ready]):
                ready += 1
                made[name] += 1
            if calls[ready:]:
                failed += 1 + len(calls[ready])
                left.append((name, calls[ready:]))
        if left == waiting:
            raise NotAllowedError("its layers wait for one another in a loop")
        if failed > MAX_STEPS:
            raise NotAllowedError("its layers are not in the order of their calls")
        waiting = left


def _sources(node: Any) -> list[tuple[str, int]]:
    """Which call of which layer each tensor of a call is the output of."""
    found = []
    for item in _objects(node):
        if item["class_name"] == "__keras_tensor__":
            config = item.get("config")
            history = config.get("keras_history") if isinstance(config, dict) else None
            match history:
                case [str(layer), int(call), _] if call >= 0:
                    found.append((layer, call))
                case _:
                    raise NotAllowedError("its graph has a tensor from nowhere")
    return found


def _check_value(name: str, config: Any) -> None:
    if name not in ("__numpy__", "__tensor__"):
        return
    dtype = config.get("dtype") if isinstance(config, dict) else None
    # A type of text may have any length a piece, and one of objects is a pickle's.
    if not isinstance(dtype, str) or not _NUMBERS.fullmatch(dtype):
        raise NotAllowedError(f"it holds an array of the type {dtype!r:.60}")


def _check_entry(key: str, value: Any) -> None:
    if key == "vocabulary" and isinstance(value, str):
        raise NotAllowedError("a layer of it reads its vocabulary from another file")
    if key == "num_oov_indices" and isinstance(value, int) and value > MAX_PLACES:
        raise NotAllowedError(f"it declares a num_oov_indices of {value:,}")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise NotAllowedError(f"its {key[:40]!r} is too large a number")
    elif key.endswith("shape") and isinstance(value, list):
        elements = math.prod(n for n in value if isinstance(n, int))
        if elements > MAX_ELEMENTS:
            raise NotAllowedError(
                f"it declares a {key[-40:]} of {elements:,} elements; the limit is "
                f"{MAX_ELEMENTS:,}"
            )
    elif key == "inbound_nodes" and isinstance(value, list):
        # A call without a symbolic tensor is computed at once, at any size.
        for node in value:
            if not isinstance(node, dict) or not any(
                item["class_name"] == "__keras_tensor__" for item in _objects(node)
            ):
                raise NotAllowedError("a layer of it is called on no tensor")


def _runs_code(what: str) -> NotAllowedError:
    what = " ".join(what.split())[:120]
    return NotAllowedError(
        f"it holds {what}, which can run code of its own; only Keras's plain layers "
        "and those of kerasconv are loaded"
    )
