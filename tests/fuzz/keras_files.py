"""Seeded mutations of `.keras` files: a refusal, or the model that was saved.

    python tests/fuzz/keras_files.py --count 10000

Mutation number n is the same wherever and whenever it is made. It damages one of four
files: one of the zoo, loaded by its name; one with a card beside it; one that
`save_model` sealed with digests; and one that Keras wrote. What comes of it is

    refused  one KerasconvError of one line that names the file
    same     a model whose answers are exactly the original's
    other    a model with other answers

and `other` is an error for the first three. For the fourth it cannot be helped: no
reader can tell changed weights from trained ones. Any other exception, a load that
takes more than 2 s of processor time or 512 MB, is an error; so is a crash, which
ends the script. The exit status is 1 if there was an error.

Ten thousand take about ten minutes on one core; the tests run three hundred.
"""

import argparse
import faulthandler
import io
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import h5py
import numpy as np

import kerasconv.layers as ours
from kerasconv._keras import keras
from kerasconv.errors import KerasconvError
from kerasconv.models import _card, load_model, save_model, tensor_digests

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
LIMIT_SECONDS, LIMIT_MEGABYTES = 2, 512
PROOF = ("zoo", "card", "sealed")


def unpack(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# The mutations: each takes a generator and the bytes of a file and returns bytes.


def damage(rng, data, places=None):
    """Change a few bytes, or cut, drop, repeat or exchange some."""
    data = bytearray(data)
    at = (lambda: rng.choice(places)) if places else lambda: rng.randrange(len(data))
    kind = rng.randrange(10) if data else 9
    if kind < 6:
        for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
            i = at()
            data[i] = rng.choice(
                [rng.randrange(256), 0, 255, data[i] ^ 1 << rng.randrange(8)]
            )
    elif kind == 6:
        del data[rng.randrange(len(data)) :]
    elif kind == 7:
        i = at()
        del data[i : i + rng.choice([1, 8, 100])]
    elif kind == 8:
        i, j = at(), rng.randrange(len(data))
        n = rng.choice([4, 8, 40, 72])
        data[i : i + n], data[j : j + n] = data[j : j + n], data[i : i + n]
    else:
        i = rng.randrange(len(data) + 1)
        data[i:i] = rng.randbytes(rng.choice([1, 8, 100]))
    return bytes(data)


def raw(rng, data):
    return damage(rng, data)


def member(rng, data):
    members = unpack(data)
    name = rng.choice(list(members))
    return pack({**members, name: damage(rng, members[name])})


def hdf5_bytes(rng, data):
    """Bytes of the weights' file, as often of its structure as of its numbers."""
    members = unpack(data)
    weights = members[WEIGHTS]
    places = None
    if rng.random() < 0.7:
        structure = np.frombuffer(weights, np.uint8) != 0
        with h5py.File(io.BytesIO(weights)) as file:
            for _, start, size in datasets(file):
                structure[start : start + size] = False
        places = np.flatnonzero(structure).tolist()
    return pack({**members, WEIGHTS: damage(rng, weights, places)})


def datasets(file):
    found = []

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            start = item.id.get_offset()
            if item.chunks:
                start = item.id.get_chunk_info(0).byte_offset
            found.append((name, start, item.id.get_storage_size()))

    file.visititems(note)
    return found


def tensors(rng, data):
    """Exchange, change, rename, reshape or drop whole tensors, by the library."""
    members = unpack(data)
    buffer = io.BytesIO(members[WEIGHTS])
    with h5py.File(buffer, "r+") as file:
        one, two = rng.sample([name for name, *_ in datasets(file)], 2)
        value = file[one][()]
        kind = rng.randrange(6)
        if kind == 0:
            other = file[two][()]
            del file[one], file[two]
            file[one], file[two] = other, value
        elif kind == 1:
            flat = value.reshape(-1).copy()
            flat[rng.randrange(flat.size)] += rng.choice([1e-6, 1, -3, np.nan, np.inf])
            file[one][...] = flat.reshape(value.shape)
        elif kind == 2:
            file.move(one, f"layers/other_{rng.randrange(9)}")
        elif kind == 3:
            del file[one]
            file[one] = value.T if rng.random() < 0.5 else value.reshape(-1)
        elif kind == 4:
            del file[one]
        else:
            del file[one]
            file[one] = value.astype(rng.choice(["f2", "f8", "i4", "u1"]))
    return pack({**members, WEIGHTS: buffer.getvalue()})


STRANGE = [0, 1, -1, 3, 1 << 20, 1 << 33, 1 << 62, 1 << 80, 0.5, -1e308, 1e308]
STRANGE += [float("nan"), float("inf"), "", "relu", "tanh", "lambda", "a" * 10_000]
STRANGE += ["kerasconv>L2Pool", "Lambda", "keras.layers", "os", None, True, False]
STRANGE += [[], {}, [None], [[[]]], [1 << 31] * 3, {"class_name": "Lambda"}]


def fields(rng, data, name=CONFIG, times=(1, 1, 1, 2, 3)):
    """Replace, exchange, double or drop what the configuration says."""
    members = unpack(data)
    whole = json.loads(members[name])
    for _ in range(rng.choice(times)):
        places = list(_places(whole))
        holder, key = rng.choice(places)
        kind = rng.randrange(6)
        if kind < 3:
            holder[key] = rng.choice(STRANGE)
        elif kind == 3:
            other, there = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[there]))
        elif kind == 4:
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(holder[key])))
        else:
            holder[rng.choice(["name", "shape", "class_name", "x"])] = holder.pop(key)
    return pack({**members, name: json.dumps(whole).encode()})


def metadata(rng, data):
    return fields(rng, data, METADATA, times=(1,))


def _places(item):
    todo = [item]
    while todo:
        item = todo.pop()
        pairs = item.items() if isinstance(item, dict) else enumerate(item)
        for key, value in pairs:
            yield item, key
            if isinstance(value, dict | list):
                todo.append(value)


MUTATIONS = [raw, member, hdf5_bytes, hdf5_bytes, tensors, fields, fields, metadata]


class Base:
    """A good file: how it is laid out and loaded, and what its model answers."""

    def __init__(self, folder, name, model, images):
        self.name = name
        self.images = images
        self.path = folder / "model.keras"
        self.load = lambda: load_model(self.path)
        if name == "zoo":
            card = _card.find_card("mnist_cnn")
            self.path = folder / card.architecture / f"{card.weights}.keras"
            self.path.parent.mkdir()
            shutil.copy(card.path, self.path)
            shutil.copy(card.path.with_suffix(".toml"), self.path.parent)
            _card.zoo_folder = lambda: folder
            self.load = lambda: load_model("mnist_cnn")
        elif name == "sealed":
            save_model(model, self.path)
        else:
            model.save(self.path)
        self.data = self.path.read_bytes()
        if name == "card":
            lines = [f'sha256 = "{_card.file_digest(self.path)}"', "[tensors]"]
            digests = tensor_digests(self.path)
            lines += [f'"{key}" = "{digest}"' for key, digest in digests.items()]
            self.path.with_suffix(".toml").write_text("\n".join(lines))
        # TensorFlow compiles, and rounds otherwise, from the third call on.
        for _ in range(3):
            self.answers = self.ask(self.load())

    def ask(self, model):
        answers = model(self.images, training=False)
        return [
            keras.ops.convert_to_numpy(answer) for answer in keras.tree.flatten(answers)
        ]

    def outcome(self, data):
        """What comes of these bytes: (outcome, seconds, megabytes)."""
        self.path.write_bytes(data)
        before, began = peak_megabytes(), time.process_time()
        try:
            model = self.load()
        except KerasconvError as error:
            message = str(error)
            model = None
            if "\n" in message or str(self.path) not in message or len(message) > 2000:
                return f"badly worded: {message[:300]}", 0, 0
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:300]}", 0, 0
        spent = time.process_time() - began, peak_megabytes() - before
        return "refused" if model is None else self.judge(model), *spent

    def judge(self, model):
        try:
            answers = self.ask(model)
        except Exception:
            return "other"
        same = len(answers) == len(self.answers) and all(
            a.shape == b.shape and np.array_equal(a, b)
            for a, b in zip(answers, self.answers, strict=True)
        )
        return "same" if same else "other"


def peak_megabytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 / (1024 if sys.platform == "darwin" else 1)


def small_model():
    """A network of Keras's layers and ours whose every weight shows in its answer."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(3, 3, activation="relu", bias_initializer="ones"),
            layers.BatchNormalization(),
            ours.L2Pool(2),
            layers.Flatten(),
            # Enough numbers to be packed.
            layers.Dense(12, activation="tanh", bias_initializer="ones"),
            layers.Dense(4, activation="softmax"),
        ]
    )
    return model


def run(first, count, folder, report=lambda done: None):
    """The outcomes of mutations first to first + count, and what went wrong."""
    rng = np.random.default_rng(0)
    model = small_model()
    images = rng.random((4, 8, 8, 1), np.float32)
    digits = rng.random((4, 28, 28, 1), np.float32)
    bases = []
    for name in (*PROOF, "keras"):
        (folder / name).mkdir()
        bases.append(
            Base(folder / name, name, model, digits if name == "zoo" else images)
        )
    tally, errors, slowest, largest = Counter(), [], 0.0, 0.0
    for seed in range(first, first + count):
        rng = random.Random(seed)
        base, mutate = rng.choice(bases), rng.choice(MUTATIONS)
        data = mutate(rng, base.data)
        # A stuck C library listens to nobody: this ends the process.
        faulthandler.dump_traceback_later(60, exit=True)
        outcome, seconds, megabytes = base.outcome(data)
        faulthandler.cancel_dump_traceback_later()
        slowest, largest = max(slowest, seconds), max(largest, megabytes)
        wrong = outcome not in ("refused", "same", "other")
        wrong |= outcome == "other" and base.name in PROOF
        if wrong or seconds > LIMIT_SECONDS or megabytes > LIMIT_MEGABYTES:
            errors.append(
                f"mutation {seed} ({mutate.__name__} of {base.name}): {outcome}, "
                f"{seconds:.1f} s, {megabytes:.0f} MB"
            )
        tally[base.name, mutate.__name__, outcome if not wrong else "WRONG"] += 1
        report(seed - first + 1)
    return {
        "first": first,
        "count": count,
        "tally": {" ".join(key): n for key, n in sorted(tally.items())},
        "errors": errors,
        "slowest_seconds": round(slowest, 3),
        "largest_megabytes": round(largest, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--first", type=int, default=0, metavar="N")
    parser.add_argument("--count", type=int, default=10_000, metavar="N")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()

    def report(done):
        if done % 500 == 0:
            print(f"{done} of {arguments.count}", file=sys.stderr)

    with tempfile.TemporaryDirectory(prefix="kerasconv-fuzz-") as folder:
        found = run(arguments.first, arguments.count, Path(folder), report)
    if arguments.json:
        print(json.dumps(found))
    else:
        for key, n in found["tally"].items():
            print(f"{n:6} {key}")
        print(f"slowest load {found['slowest_seconds']} s of processor time")
        print(f"largest load {found['largest_megabytes']} MB")
    for error in found["errors"]:
        print(error, file=sys.stderr)
    sys.stdout.flush()
    # Backends' threads may linger.
    os._exit(bool(found["errors"]))


if __name__ == "__main__":
    main()
