"""What many pictures cost: by one process, by several, on Ray; and what kills do.

    python tests/benchmarks/scale.py speed --json tests/benchmarks/scale.json
    python tests/benchmarks/scale.py memory --json tests/benchmarks/scale.json
    python tests/benchmarks/scale.py kills --json tests/benchmarks/scale.json
    python tests/benchmarks/scale.py render [--check]

`speed` reads the same pictures in every way, one after the other, and takes the times
as they come: starting and reading stand apart. Its table compares ways that had the
same machine; the processor time of one picture is that of one process, which other
programs on the machine do not lengthen much. The files are links to the same few, which
are in memory then: of a slow disk it says nothing.
`render` writes the tables and the plot of the page "At scale" from the figures.
"""

import argparse
import datetime
import json
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
FIGURES = Path(__file__).with_name("scale.json")
PAGE = CHECKOUT / "tutorials" / "scale.md"
PLOT = CHECKOUT / "tutorials" / "_static" / "scale.svg"

ENVIRONMENT = os.environ | {"KERAS_BACKEND": "jax"}

MANY = {"PNG": 6_144, "scan": 3_072}
SHARD = 128

COSTS = """
## What it costs

{speed}

All ways had the same pictures and, one after the other, the same machine: compare them with each
other. "As before" is what the command did until now.

How it grows: a simulation from the measured parts, starting and the rate, because the machine is
too small for a million. The points of the plot are as many pictures as were read.

{growth}

![Time over the number of pictures for six ways of reading: each line is level up to about a thousand pictures, where starting counts, and then rises in proportion](_static/scale.svg)

{terabyte}

Made by `python tests/benchmarks/scale.py`.
"""  # noqa: E501
"""What the page says of costs, once they are measured."""

SIZES = [10**k for k in range(2, 7)]


def write_pictures(folder):
    """The digits of the package as PNG, and as noisy JPEG scans of 300 x 200 pixels."""
    import numpy as np
    from PIL import Image

    from kerasconv.digits import load_digits

    noise = np.random.default_rng(0)
    found = {"PNG": [], "scan": []}
    for i, digit in enumerate(load_digits()[0][..., 0]):
        png = folder / f"{i}.png"
        Image.fromarray(np.rint(255 * digit).astype(np.uint8)).save(png)
        ink = Image.fromarray(np.rint(255 * (1 - digit)).astype(np.uint8))
        page = Image.new("L", (200, 300), 235)
        page.paste(ink.resize((140, 140), Image.Resampling.BICUBIC), (30, 80))
        noisy = np.asarray(page, float) + noise.normal(0, 6, (300, 200))
        scan = folder / f"{i}.jpg"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(scan, quality=85)
        found["PNG"].append(png)
        found["scan"].append(scan)
    return found


def listed(folder, paths, count):
    """A list of so many pictures."""
    place = folder / f"{paths[0].suffix[1:]}-{count}"
    if not place.exists():
        place.mkdir()
        for i in range(count):
            place.joinpath(f"{i:06}{paths[0].suffix}").symlink_to(paths[i % len(paths)])
    return place


# Prepares and reads in one process and with two that prepare, as `predict` does.
PLAIN = """
import glob, json, sys, time
began = time.perf_counter()
from kerasconv.batch.preparing import prepared
from kerasconv.reading import Reader
if __name__ == "__main__":
    reader = Reader("mnist_cnn")
    first = glob.glob(sys.argv[1] + "/*")[:64]
    list(reader.answers(map(reader.prepare, first)))
    start = time.perf_counter() - began
    for workers in (1, 2):
        found = []
        for folder in sys.argv[1:]:
            paths = sorted(glob.glob(folder + "/*"))
            times = []
            answers = reader.answers(
                prepared(reader.prepare, paths, workers=workers, pays=0.5)
            )
            for _ in answers:
                times.append((time.perf_counter(), time.process_time()))
            # From a quarter on, when whatever had to start has started.
            part = len(times) // 4
            wall, used = (b - a for a, b in zip(times[part], times[-1]))
            read = len(times) - 1 - part
            found.append([read / wall, used / read])
        print(json.dumps([start, found]), flush=True)
"""

# Reads into a folder; the first shards of a kind bring the workers, and do not count.
OUT = """
import json, sys, time
began = time.perf_counter()
from kerasconv import batch
if __name__ == "__main__":
    out, engine, workers, size = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
    folders = sys.argv[5:]
    plan = batch.plan(folders, out, shard_size=size)
    times = {}
    def progress(done, total):
        times[done] = time.perf_counter()
    batch.work_off(plan, engine=engine, workers=workers, progress=progress)
    done = sorted(times)
    counts = [len(__import__("os").listdir(folder)) for folder in folders]
    found, before = [], 0
    for count in counts:
        mine = [n for n in done if before + count / 4 <= n <= before + count]
        found.append((mine[-1] - mine[0]) / (times[mine[-1]] - times[mine[0]]))
        before += count
    print(json.dumps([times[done[0]] - began, found]))
"""


def called(program, *arguments):
    """What a program printed, line by line."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE, text=True, check=True, env=ENVIRONMENT,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines() if line[0] == "["]


def speed(work):
    """Starting and pictures a second of every way."""
    paths = write_pictures(work)
    folders = [listed(work, paths[kind], many) for kind, many in MANY.items()]
    rows, used = [], {}

    def add(way, start, rates):
        for kind, rate in zip(MANY, rates, strict=True):
            rows.append(
                {"kind": kind, "way": way, "pictures": MANY[kind],
                 "start": round(start, 1), "rate": round(rate, 1)}
            )  # fmt: skip
            print(rows[-1], flush=True)

    names = ("one process, as before", "2 processes prepare")
    for way, (start, found) in zip(names, called(PLAIN, *folders), strict=True):
        add(way, start, [rate for rate, _ in found])
        for kind, (_, seconds) in zip(MANY, found, strict=True):
            used.setdefault(kind, round(1000 * seconds, 3))
    for engine in ("processes", "ray"):
        for workers in (1, 2):
            out = work / f"{engine}-{workers}"
            ((start, rates),) = called(OUT, out, engine, workers, SHARD, *folders)
            add(f"--out, {engine}, {workers} workers"[: -1 if workers == 1 else None],
                start, rates)  # fmt: skip
    rows.sort(key=lambda row: row["kind"])
    size = sum(p.stat().st_size for p in paths["scan"]) / len(paths["scan"])
    return {"rows": rows, "processor_ms": used, "scan_bytes": round(size)}


def memory(work):
    """The memory of the largest process over ten thousand and a hundred thousand."""
    paths = write_pictures(work)["PNG"]
    rows = {}
    for count in (10_000, 100_000):
        names = (str(paths[i % len(paths)]) for i in range(count))
        listing = work / f"{count}.txt"
        listing.write_text("\n".join(names))
        program = (
            "import resource, sys; from kerasconv import batch\n"
            "if __name__ == '__main__':\n"
            f" batch.run({str(listing)!r}, {str(work / str(count))!r}, workers=1)\n"
            " for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):\n"
            "  print(resource.getrusage(who).ru_maxrss * 1024)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True, text=True, check=True, env=ENVIRONMENT,
        )  # fmt: skip
        rows[str(count)] = dict(
            zip(("driver", "worker"), map(int, done.stdout.split()), strict=True)
        )
        print(count, rows[str(count)], flush=True)
    return rows


# A run; a line on standard output when a shard is done.
RUN = """
import sys
from kerasconv import batch
if __name__ == "__main__":
    plan = batch.plan(sys.argv[1], sys.argv[2], shard_size=16, resume=True)
    batch.work_off(plan, workers=2, progress=lambda done, _: print(done, flush=True))
"""


def kills(work, count, kinds):
    """Of so many kills of a worker, and of the driver, how many lost or doubled a row.

    Each strikes at a random moment after the first shard, and the process is seen to
    be gone. The rows after a resumed run are compared with those of a run in peace.
    """
    import pyarrow.parquet as parquet

    # Workers are started a hundred times, and compile the same each time.
    environment = ENVIRONMENT | {"JAX_COMPILATION_CACHE_DIR": str(work / "jax")}
    folder = listed(work, write_pictures(work)["scan"], 400)

    def start(out):
        return subprocess.Popen(
            [sys.executable, "-c", RUN, str(folder), str(out)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def rows(out):
        parts = sorted(out.glob("part-*"))
        return [row for part in parts for row in parquet.read_table(part).to_pylist()]

    start(work / "peace").communicate()
    expected = rows(work / "peace")
    assert len(expected) == 400
    tally = {}
    chance = random.Random(0)
    for kind in kinds:
        right = 0
        for i in range(count):
            out = work / f"{kind}-{i}"
            program = start(out)
            program.stdout.readline()
            time.sleep(chance.uniform(0, 0.3))
            assert program.poll() is None, "the run was over before the kill"
            workers = [w for w in children(program.pid) if "spawn_main" in command(w)]
            victim = program.pid if kind == "driver" else chance.choice(workers)
            end = os.pidfd_open(victim)
            os.kill(victim, signal.SIGKILL)
            assert select.select([end], [], [], 30)[0], "it lives"
            os.close(end)
            program.communicate()
            if kind == "driver":
                assert program.returncode == -signal.SIGKILL
                before = len(rows(out))
                assert before < 400, "nothing was left to do"
                again = start(out)
                again.communicate()
                assert again.returncode == 0
            else:
                assert program.returncode == 0
            right += rows(out) == expected
        tally[kind] = {"kills": count, "same rows": right, "reader": "mnist_cnn"}
        print(kind, tally[kind], flush=True)
    return tally


def children(pid):
    """The processes that a process started (Linux)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    text = " ".join((t / "children").read_text() for t in threads)
    return [int(word) for word in text.split()]


def command(pid):
    """How a process was called."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")


# ------------------------------------------------------------------------ the page


def tables(figures):
    """The parts of the page, by the names of their markers."""
    found = {}
    if "speed" in figures:
        found["costs"] = costs(figures)
    if "memory" in figures:
        small, large = figures["memory"].values()
        found["memory"] = (
            f"Over 10,000 pictures the driver takes {small['driver'] / 1e6:.0f} MB at "
            f"most and a worker {small['worker'] / 1e6:.0f} MB, over 100,000 "
            f"{large['driver'] / 1e6:.0f} MB and {large['worker'] / 1e6:.0f} MB."
        )
    if "kills" in figures:
        found["kills"] = " ".join(
            f"After {t['same rows']} of {t['kills']} kills of a {kind} there were the "
            f"rows of a run in peace, each once (400 scans, {t['reader']})."
            for kind, t in figures["kills"].items()
        )
    return found


def costs(figures):
    """The part of the page about times."""
    facts = figures["speed"]
    today = {}
    lines = [
        "| pictures | way | pictures a second | beside one process | start, s |",
        "|---|---|---|---|---|",
    ]
    for row in facts["rows"]:
        first = today.setdefault(row["kind"], row)
        lines.append(
            f"| {row['pictures']:,} {row['kind']}s | {row['way']} | {row['rate']:,.0f} "
            f"| {row['rate'] / first['rate']:.2f} | {row['start']:.1f} |"
        )
    used = " and ".join(
        f"{ms:.2f} ms a {kind}" for kind, ms in facts["processor_ms"].items()
    )
    lines += ["", f"One process takes {used} of a processor. {figures['machine']}, "
              f"{figures['date']}."]  # fmt: skip
    scans = [r for r in facts["rows"] if r["kind"] == "scan"]
    files = 1e12 / facts["scan_bytes"]
    hours = files * facts["processor_ms"]["scan"] / 1000 / 3600
    growth = [
        "| scans | " + " | ".join(f"{n:,}" for n in SIZES) + " |",
        "|---" * (len(SIZES) + 1) + "|",
    ]
    for row in scans:
        cells = (duration(seconds(row, n)) for n in SIZES)
        growth.append(f"| {row['way']} | " + " | ".join(cells) + " |")
    terabyte = (
        f"A terabyte of such scans, {facts['scan_bytes'] / 1000:.1f} kB each, is "
        f"{files / 1e6:.0f} million files and takes {hours:,.0f} core-hours."
    )
    return COSTS.format(
        speed="\n".join(lines), growth="\n".join(growth), terabyte=terabyte
    )


def seconds(row, pictures):
    """How long so many pictures take: starting, and the rest at the measured rate."""
    return row["start"] + pictures / row["rate"]


def duration(seconds):
    """Seconds as one reads them."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def draw(figures, place):
    """Time over number of pictures, both logarithmic; points are measured."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "scale"
    from matplotlib import pyplot

    facts = figures["speed"]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.2), sharey=True)
    for axis, kind in zip(axes, MANY, strict=True):
        rows = [r for r in facts["rows"] if r["kind"] == kind]
        for row, mark in zip(rows, "osv^Dx", strict=False):
            times = [seconds(row, n) for n in SIZES]
            (line,) = axis.loglog(SIZES, times, lw=1)
            axis.loglog(
                row["pictures"], seconds(row, row["pictures"]),
                mark, ms=5, color=line.get_color(), label=row["way"],
            )  # fmt: skip
        axis.set_title(f"{kind}s")
        axis.set_xlabel("pictures")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("seconds")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(place, metadata={"Date": None})


def render(check):
    """Write the page and the plot; with `check` say whether they would change."""
    figures = json.loads(FIGURES.read_text())
    text = PAGE.read_text(encoding="utf-8")
    written = text
    for name, part in tables(figures).items():
        pattern = rf"(<!-- {name} -->).*?(<!-- /{name} -->)"
        written = re.sub(
            pattern, lambda m, p=part: f"{m[1]}\n{p}\n{m[2]}", written, flags=re.DOTALL
        )
    if check:
        return int(written != text)
    PAGE.write_text(written, encoding="utf-8")
    if "speed" in figures:
        draw(figures, PLOT)
    return 0


def main(arguments):
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("speed", "memory", "kills", "render"))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--of", nargs="+", default=["worker", "driver"])
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.what == "render":
        return render(asked.check)
    with tempfile.TemporaryDirectory() as work:
        measured = {
            "speed": speed,
            "memory": memory,
            "kills": lambda folder: kills(folder, asked.kills, asked.of),
        }[asked.what](Path(work))
    if asked.json:
        figures = json.loads(asked.json.read_text()) if asked.json.exists() else {}
        if asked.what == "kills":
            measured = figures.get("kills", {}) | measured
        figures |= {
            "date": datetime.date.today().isoformat(),
            "machine": f"{os.cpu_count()} cores, JAX",
            asked.what: measured,
        }
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
