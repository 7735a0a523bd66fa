"""What the first answer takes: `kerasconv predict PICTURE` beside `import keras`.

    python tests/benchmarks/first_answer.py [--backend jax] [--rounds 7]
                                            [--json FILE]

Each is a process of its own, started in turn, so that what else the machine does falls
on both. Printed are medians of the paired differences, in seconds on the clock and of
processor time (of all threads). The target: at most 0.4 s more on the clock.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _command as command
import numpy as np

FIGURES = Path(__file__).with_suffix(".json")
TARGET = 0.4


def picture(folder):
    """A digit of the package as a file, and what it shows."""
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


def measured(name, path, label, rounds):
    """Medians of one backend: of either way alone, and of the paired differences."""
    asked = ["-m", "kerasconv", "predict", path, "--csv"]
    jobs = [(["-c", "import keras"], ""), (asked, f",{label},")]
    times = [[], []]
    for turn in range(-1, rounds):
        for which in (0, 1) if turn % 2 else (1, 0):
            taken = spent(jobs[which][0], name, jobs[which][1])
            if turn >= 0:  # before, files come from the disk
                times[which].append(taken)
    alone, first = np.array(times)
    row = {"backend": name}
    for way, each in (("alone", alone), ("first", first), ("more", first - alone)):
        row[way] = [round(float(value), 2) for value in np.median(each, axis=0)]
    return row


def table(found):
    """The figures as Markdown."""
    heads = ["backend", "`import keras`", "first answer", "more", "more of processors"]
    lines = [heads, ["---"] * len(heads)]
    for row in found["rows"]:
        more, processor = row["more"]
        text = f"{more:.2f} s" if more <= TARGET else f"**{more:.2f} s**"
        alone, first = (f"{row[way][0]:.2f} s" for way in ("alone", "first"))
        lines.append([row["backend"], alone, first, text, f"{processor:.2f} s"])
    facts = (
        f"Medians of {found['rounds']} pairs of processes, {found['cpus']} CPUs, "
        f"{found['date']}; bold is more than {TARGET} s more."
    )
    return "\n".join([*("| " + " | ".join(c) + " |" for c in lines), "", facts])


def main():
    parser = argparse.ArgumentParser(prog="first_answer.py")
    parser.add_argument("--backend", default="all", choices=["all", *command.BACKENDS])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    names = command.BACKENDS if options.backend == "all" else [options.backend]
    with tempfile.TemporaryDirectory() as folder:
        path, label = picture(folder)
        rows = [
            measured(name, path, label, options.rounds)
            for name in filter(command._installed, names)
        ]
    command.report(options, table, rows=rows)


if __name__ == "__main__":
    main()
