"""Kills a training again and again, with SIGKILL, and checks that it goes on.

    python tests/fuzz/kill_training.py --kills 200

One training of the course page's network on the digits of the package, with
everything that has a state (augmentation, dropout, Adam's moments, an average of the
weights, a schedule). It is killed at a random moment, resumed, killed again ...; at
the end its weights are compared with those of a training that was not interrupted. The
test suite does the same with 20 kills.
"""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

# Keras takes seconds to import, and a child lives for less: this process imports it
# once and then, before any backend has started a thread, forks a child for each line
# that it reads. `fit` imports TensorFlow wherever that is installed, which would take
# each child four seconds more.
NURSERY = """
import json, os, sys
if os.environ["KERAS_BACKEND"] != "tensorflow":
    sys.modules["tensorflow"] = None
import numpy as np
from kerasconv import digits, recipes, training

training.fit  # imports Keras, before there is a child
recipe = recipes.Recipe(
    "", "mnist_cnn", "mnist", dropout=0.4,
    augmentation=(("RandomNoise", {"factor": 0.2}),),
    learning_rate=2e-3, schedule="cosine", ema_momentum=0.9, batch_size=16,
)
images, labels = digits.load_digits()
images = np.rint(images * 255).astype(np.uint8)
steps = 4

def say(**facts):
    print(json.dumps(facts), flush=True)

def train(checkpoint, result, epochs):
    def tell(done, total, facts):
        # The call with the metrics comes after the checkpoint of its epoch.
        say(done=done, epoch=done // steps if facts else None)

    run = training.fit(
        recipe, images, labels, seed=5, epochs=epochs, checkpoint=checkpoint,
        resume=True, progress=tell,
    )
    np.savez(result, *run.model.get_weights())
    say(finished=True)

for line in sys.stdin:
    child = os.fork()
    if not child:
        say(pid=os.getpid())
        status = 1
        try:
            train(**json.loads(line))
            status = 0
        finally:
            os._exit(status)
    os.waitpid(child, 0)
    say(ended=True)
"""


def kill_and_resume(folder, kills, backend, seed=0):
    """Train with so many kills, and without any.

    Returns:
        A dict: `kills` carried out, `failed` (starts that ended by themselves without
        finishing), `most_lost` (epochs that were done and had to be done again) and
        `difference` (the largest, between the final weights of the two trainings).
    """
    import numpy as np

    chance = random.Random(seed)
    epochs, steps = max(6, kills), 4
    tally = {"kills": 0, "failed": 0, "most_lost": 0}
    recorded, finished = 0, False
    with _nursery(backend) as nursery:
        while not finished and tally["failed"] < 3:
            # The moment: a number of batches after the start, and then at once,
            # wherever the training is by now.
            left = chance.randint(0, 3 * steps) if tally["kills"] < kills else None
            killed, began = False, None
            for facts in _trained(nursery, folder, "killed", epochs):
                if "pid" in facts:
                    pid = facts["pid"]
                elif "finished" in facts:
                    finished = True
                elif not killed:
                    if began is None:
                        began = (facts["done"] - 1) // steps
                        lost = recorded - began
                        tally["most_lost"] = max(tally["most_lost"], lost)
                    recorded = facts["epoch"] or recorded
                    if left == 0:
                        os.kill(pid, signal.SIGKILL)
                        killed = True
                    left = left and left - 1
            tally["kills" if killed else "failed"] += not (finished and not killed)
        for _ in _trained(nursery, folder, "whole", epochs):
            pass
        nursery.stdin.close()
    with np.load(folder / "killed.npz") as a, np.load(folder / "whole.npz") as b:
        gaps = [np.abs(a[name] - b[name]).max() for name in b.files]
    return {**tally, "difference": float(max(gaps))}


def _nursery(backend):
    return subprocess.Popen(
        [sys.executable, "-c", NURSERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )


def _trained(nursery, folder, name, epochs):
    """What a training in a child says, until it has ended."""
    order = {
        "checkpoint": str(folder / f"{name}-checkpoint.npz"),
        "result": str(folder / f"{name}.npz"),
        "epochs": epochs,
    }
    print(json.dumps(order), file=nursery.stdin, flush=True)
    for line in nursery.stdout:
        # A killed child may leave half a line before its parent's.
        line = line[line.rfind("{") :]
        facts = json.loads(line)
        if "ended" in facts:
            return
        yield facts


if __name__ == "__main__":
    import argparse
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        print(kill_and_resume(Path(scratch), asked.kills, asked.backend, asked.seed))
