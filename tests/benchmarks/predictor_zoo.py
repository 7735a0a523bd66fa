"""The predictor against `model.predict(batch_size=1000)` on every model of the zoo.

    python tests/benchmarks/predictor_zoo.py [--backend jax] [--images N] [--rounds N]

Both take turns in one process, after their answers were compared. Printed are medians
of the paired ratios, of the clock and of processor time. The target: at most 1.00 of
the clock, and 0.50 on torch.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import _command as command
import numpy as np

BATCH = 1000


def race(backend, count, rounds):
    from kerasconv._keras import keras
    from kerasconv.models import list_models, load_model
    from kerasconv.predict import Predictor

    for name in list_models():
        keras.utils.clear_session()
        model = load_model(name)
        shape = (count, *model.inputs[0].shape[1:])
        images = np.random.default_rng(0).random(shape, "float32")
        predictor = Predictor(model)
        predictor.warm_up()
        ways = [
            lambda m=model, x=images: m.predict(x, batch_size=BATCH, verbose=0),
            lambda p=predictor, x=images: p(x),
        ]
        theirs, ours = (way() for way in ways)
        # Float32 itself is some 1e-6 from the truth on such noise, and Keras's
        # `predict` on OpenVINO rounds to bfloat16 where the processor can.
        apart = float(np.abs(theirs - ours).max())
        if apart > (1e-2 if backend == "openvino" else 1e-5):
            raise SystemExit(f"{backend} {name}: answers are {apart:g} apart")
        times = [[], []]
        for turn in range(rounds):
            for i in (0, 1) if turn % 2 else (1, 0):
                before = time.perf_counter(), time.process_time()
                ways[i]()
                times[i].append(
                    (time.perf_counter() - before[0], time.process_time() - before[1])
                )
        clock, processor = (
            statistics.median(b[k] / a[k] for a, b in zip(*times, strict=True))
            for k in (0, 1)
        )
        target = 0.5 if backend == "torch" else 1.0
        verdict = "pass" if round(clock, 2) <= target else "miss"
        print(
            f"{backend:12}{name:30}{clock:8.2f}{processor:8.2f}  {verdict}", flush=True
        )


def main():
    parser = argparse.ArgumentParser(prog="predictor_zoo.py")
    parser.add_argument("--backend", default="all", choices=["all", *command.BACKENDS])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.backend != "all":
        race(options.backend, options.images, options.rounds)
        return
    print(f"{'':12}{'':30}{'clock':>8}{'CPU':>8}", flush=True)
    for name in filter(command._installed, command.BACKENDS):
        arguments = ["--images", str(options.images), "--rounds", str(options.rounds)]
        subprocess.run(
            [sys.executable, __file__, "--backend", name, *arguments],
            env={**os.environ, "KERAS_BACKEND": name, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )


if __name__ == "__main__":
    main()
