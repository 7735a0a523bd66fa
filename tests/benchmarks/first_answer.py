"""What the first answer takes: `kerasconv predict PICTURE` beside `import keras`.

    python tests/benchmarks/first_answer.py [--backend jax] [--rounds 7]

Each is a process of its own, started in turn, so that what else the machine does falls
on both. Printed are medians of the paired differences, in seconds on the clock and of
processor time (of all threads). The target: at most 0.4 s more on the clock.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _command as command

TARGET = 0.4


def picture(folder):
    """A digit of the package as a file, and what it shows."""
    import numpy as np
    from PIL import Image

    from kerasconv.digits import load_digits

    images, labels = load_digits()
    path = Path(folder, "digit.png")
    ink = Image.fromarray(np.uint8(255 - 255 * images[3, ..., 0]))
    ink.resize((112, 112)).save(path)
    return path, int(labels[3])


def spent(arguments, backend, expected=""):
    """Seconds on the clock and of processor time of one process."""
    quiet = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **quiet},
        capture_output=True,
        text=True,
    )
    clock = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or expected not in done.stdout:
        raise SystemExit(f"{arguments}: {done.stdout}{done.stderr}")
    processor = sum(
        getattr(after, part) - getattr(before, part)
        for part in ("ru_utime", "ru_stime")
    )
    return clock, processor


def main():
    parser = argparse.ArgumentParser(prog="first_answer.py")
    parser.add_argument("--backend", default="all", choices=["all", *command.BACKENDS])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    names = command.BACKENDS if options.backend == "all" else [options.backend]
    print(f"{'':12}{'import keras':>20}{'first answer':>20}{'more':>20}  target")
    print(f"{'':12}" + 3 * f"{'clock':>10}{'processor':>10}")
    with tempfile.TemporaryDirectory() as folder:
        path, label = picture(folder)
        asked = ["-m", "kerasconv", "predict", path, "--csv"]
        for name in names:
            if not command._installed(name):
                continue
            jobs = [(["-c", "import keras"], ""), (asked, f",{label},")]
            times = [[], []]
            for turn in range(-1, options.rounds):
                for which in (0, 1) if turn % 2 else (1, 0):
                    taken = spent(jobs[which][0], name, jobs[which][1])
                    if turn >= 0:  # before, files come from the disk
                        times[which].append(taken)
            alone, first = (list(zip(*each, strict=True)) for each in times)
            row = [*map(statistics.median, alone), *map(statistics.median, first)]
            for a, b in zip(alone, first, strict=True):
                row.append(statistics.median(y - x for x, y in zip(a, b, strict=True)))
            verdict = "pass" if round(row[4], 2) <= TARGET else "miss"
            print(f"{name:12}{''.join(f'{value:10.2f}' for value in row)}  {verdict}")


if __name__ == "__main__":
    main()
