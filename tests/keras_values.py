"""What Keras makes of images, layer by layer, in files: the truth for the live page.

    python tests/keras_values.py MODEL IMAGES.npy FOLDER [MODEL IMAGES.npy FOLDER ...]

MODEL is a name of the zoo or a file. Keras computes in float64, as the page does: its
own float32 is up to 2e-6 off. Not every backend has float64 all the way, so JAX is
preferred, in a process of its own where another is the backend.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from kerasconv import backends


def write(*jobs):
    """The paths of float32 files: the images, then the values of every layer.

    A list for each job: a model, its images, a new folder.
    """
    for _, _, folder in jobs:
        folder.mkdir(parents=True)
    able = [n for n in ("jax", "tensorflow", "torch") if n in backends.installed()]
    if backends.activate() == able[0]:
        return [_written(*job) for job in jobs]
    words = []
    for model, images, folder in jobs:
        np.save(folder / "images.npy", images)
        words += [model, folder / "images.npy", folder / "values"]
    done = subprocess.run(
        [sys.executable, __file__, *words],
        env={**os.environ, "KERAS_BACKEND": able[0]},
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def _written(model, images, folder):
    from kerasconv._keras import keras
    from kerasconv.models import load_model

    policy, jax = keras.config.dtype_policy(), None
    if backends.activate() == "jax":
        jax = sys.modules["jax"]
        jax.config.update("jax_enable_x64", True)
    try:
        keras.config.set_dtype_policy("float64")
        network, x, found = load_model(model), np.asarray(images, "float64"), [images]
        for layer in network.layers:
            if not isinstance(layer, keras.layers.InputLayer):
                x = layer(x, training=False)
                found.append(keras.ops.convert_to_numpy(x))
    finally:
        keras.config.set_dtype_policy(policy)
        if jax is not None:
            jax.config.update("jax_enable_x64", False)
    paths = [folder / f"{i}.bin" for i in range(len(found))]
    for path, values in zip(paths, found, strict=True):
        np.asarray(values, "<f4").tofile(path)
    return [str(path) for path in paths]


if __name__ == "__main__":
    each = zip(*(iter(sys.argv[1:]),) * 3, strict=True)
    jobs = [(model, np.load(images), Path(folder)) for model, images, folder in each]
    print(json.dumps(write(*jobs)))
