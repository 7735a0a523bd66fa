"""Checks of configs, files and copies."""

import copy
import functools
import inspect
import json
import os
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasconv import backends
from kerasconv._keras import keras
from kerasconv.testing.case import Case, equal, need, raised, same

# The other backends, fastest to start first.
_FRESH = ("jax", "numpy", "torch", "tensorflow", "openvino")


def config_is_json(case: Case) -> None:
    """The config goes through JSON and comes back the same, tuples as lists."""
    config = case.make().get_config()
    try:
        back = json.loads(json.dumps(config))
    except TypeError as error:
        raise AssertionError(f"expected plain values: {error}; got {config}") from error
    equal(back, _listed(config), "the config through JSON")


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_listed(item) for item in value]
    return value


def config_mirrors_the_constructor(case: Case) -> None:
    """Every argument of the constructor is in the config, unless it is None."""
    layer = case.make()
    _, *parameters = inspect.signature(type(layer).__init__).parameters.values()
    config = layer.get_config()
    lost = [
        p.name
        for p in parameters
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name not in config
        and not (p.default is None and _is_unset(layer, p.name))
    ]
    assert not lost, f"expected {', '.join(lost)} in the config, got {sorted(config)}"


def _is_unset(layer: Any, name: str) -> bool:
    of_every_layer = hasattr(keras.layers.Layer, name)
    return of_every_layer or getattr(layer, name, None) is None


def config_round_trip(case: Case) -> None:
    """`from_config(get_config())` makes a layer of the same class and config."""
    layer = case.make()
    config = layer.get_config()
    twin = type(layer).from_config(copy.deepcopy(config))
    assert type(twin) is type(layer), f"expected {type(layer)}, got {type(twin)}"
    equal(_listed(twin.get_config()), _listed(config), "the config of the twin")


def twin_gives_equal_outputs(case: Case) -> None:
    """A layer from the config, given the weights, computes the same."""
    twin = type(case.layer).from_config(case.layer.get_config())
    twin.build(case.shape)
    case.same_as_layer(twin)


def clones(case: Case) -> None:
    """`keras.models.clone_model` copies a model of it."""
    case.same_as_layer(keras.models.clone_model(case.model()))


def serializes(case: Case) -> None:
    """Keras serializes it and finds its class again."""
    try:
        data = json.loads(json.dumps(keras.saving.serialize_keras_object(case.make())))
        twin = keras.saving.deserialize_keras_object(data)
    except Exception as error:
        raise AssertionError(
            f"{raised(error)} (does the class carry "
            "@keras.saving.register_keras_serializable?)"
        ) from error
    assert type(twin) is type(case.layer), (
        f"expected {type(case.layer)}, got {type(twin)}"
    )


def saves_and_loads(case: Case) -> None:
    """A `.keras` file brings back weights and outputs."""
    model = case.model()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
    same(loaded.get_weights(), model.get_weights(), "loaded weights", 0)
    case.same_as_layer(loaded)


def loads_in_a_fresh_process(case: Case) -> None:
    """A `.keras` file loads in a new process, on another backend, and agrees."""
    kind = type(case.layer)
    module = sys.modules.get(kind.__module__)
    need(
        kind.__module__ != "__main__"
        and functools.reduce(
            lambda a, b: getattr(a, b, None), kind.__qualname__.split("."), module
        )
        is kind,
        f"{kind.__qualname__} cannot be imported from {kind.__module__} elsewhere",
    )
    here, installed = keras.backend.backend(), backends.installed()
    other = next((b for b in _FRESH if b in installed and b != here), here)
    model = case.model()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.keras"))
        np.savez(Path(folder, "x.npz"), *case.leaves)
        _, reason = backends.in_fresh_process(
            *("-c", _CHILD, kind.__module__, folder),
            KERAS_BACKEND=other,
            PYTHONPATH=os.pathsep.join(p or os.getcwd() for p in sys.path),
        )
        assert not reason, f"expected it to load on {other}, got: {reason}"
        with np.load(Path(folder, "y.npz")) as file:
            got = list(file.values())
    if not case.random:
        case.same(got, case.y, f"its outputs on {other}", max(case.tolerance, 1e-5))


_CHILD = """
import importlib, os, sys
import kerasconv.layers
import keras
import numpy as np
importlib.import_module(sys.argv[1])
os.chdir(sys.argv[2])
model = keras.saving.load_model("model.keras")
x = list(np.load("x.npz").values())
y = keras.tree.flatten(model(keras.tree.pack_sequence_as(model._inputs_struct, x)))
np.savez("y.npz", *(keras.ops.convert_to_numpy(a) for a in y))
"""


def copies(case: Case) -> None:
    """`copy.deepcopy` and `pickle` give a layer that computes the same."""
    layer = case.built()
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert other is not layer, "expected a copy, got the layer itself"
        same(other.get_weights(), case.weights, "copied weights", 0)
        case.same_as_layer(other)
