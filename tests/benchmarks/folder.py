"""A folder of photographs: `kerasconv edges` beside OpenCV and scikit-image.

    python tests/benchmarks/folder.py [--json FILE] [--photographs N] [--rounds N]

A hundred JPEG photographs, each of another size, become PNG of the magnitude of Sobel,
the strongest edge white. Every way is a command of its own, from its start to its end,
and every round times each once, in rotating order. The peers are the loop that one
writes with them; before anything is timed, their pictures are compared with ours.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIGURES = Path(__file__).with_name("folder.json")

OPENCV = """
import sys
from pathlib import Path
import cv2
cv2.setNumThreads(2)
for path in Path(sys.argv[1]).iterdir():
    photo = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    border = cv2.BORDER_REFLECT
    dx = cv2.Sobel(photo, cv2.CV_32F, 1, 0, ksize=3, borderType=border)
    dy = cv2.Sobel(photo, cv2.CV_32F, 0, 1, ksize=3, borderType=border)
    edges = cv2.magnitude(dx, dy)
    levels = cv2.convertScaleAbs(edges, alpha=255 / edges.max())
    cv2.imwrite(f"{sys.argv[2]}/{path.name}.png", levels)
"""

SCIKIT = """
import sys
from pathlib import Path
import numpy as np
from skimage import filters, io, util
for path in Path(sys.argv[1]).iterdir():
    photo = util.img_as_float32(io.imread(path))
    edges = np.stack([filters.sobel(photo[..., c]) for c in range(3)], axis=-1)
    levels = np.rint(255 * edges / edges.max()).astype(np.uint8)
    io.imsave(f"{sys.argv[2]}/{path.name}.png", levels, check_contrast=False)
"""


def ways(photos, out):
    """The command of each way, by its name, that writes into the folder `out`."""
    ours = [sys.executable, "-m", "kerasconv", "edges", str(photos), "--out", str(out)]
    ours += ["--backend", "jax"]
    return {
        "kerasconv edges": ours,
        "kerasconv edges --workers 1": [*ours, "--workers", "1"],
        "OpenCV": [sys.executable, "-c", OPENCV, str(photos), str(out)],
        "scikit-image": [sys.executable, "-c", SCIKIT, str(photos), str(out)],
    }


def write_photographs(folder, count):
    """The photograph of the package in so many sizes, the largest 1,500 pixels wide."""
    from PIL import Image

    from kerasconv.pictures import example_photo

    with Image.open(example_photo()) as photo:
        for i in range(count):
            width = 300 + 1200 * i // max(1, count - 1)
            size = (width, width * (60 + i % 20) // 100)
            resized = photo.resize(size, Image.Resampling.BICUBIC)
            resized.save(folder / f"{i:03}.jpg", quality=90)


def difference(one, other):
    """The largest share of a picture's pixels that differ by more than two levels."""
    import numpy as np
    from PIL import Image

    apart = []
    for path in sorted(one.glob("*.png")):
        with Image.open(path) as mine, Image.open(other / path.name) as theirs:
            levels = [np.asarray(image, "int16") for image in (mine, theirs)]
        apart.append((np.abs(levels[0] - levels[1]) > 2).mean())
    return max(apart)


def measure(count, rounds):
    """Seconds of every way, in every round."""
    with tempfile.TemporaryDirectory() as work:
        photos = Path(work) / "photos"
        photos.mkdir()
        write_photographs(photos, count)

        def run(name, round_):
            out = Path(work) / f"{name} {round_}"
            out.mkdir()
            began = time.perf_counter()
            subprocess.run(ways(photos, out)[name], check=True, capture_output=True)
            return time.perf_counter() - began, out

        names = list(ways(photos, work))
        first = {name: run(name, "first")[1] for name in names}
        for name in names[1:]:
            apart = difference(first[names[0]], first[name])
            print(f"{name}: {apart:.2%} of a picture's pixels differ", flush=True)
            if apart > 0.001:
                raise SystemExit(f"{name} draws other edges")
        seconds = {name: [] for name in names}
        for turn in range(rounds):
            for i in range(len(names)):
                name = names[(i + turn) % len(names)]
                seconds[name].append(round(run(name, turn)[0], 2))
                print(name, seconds[name][-1], flush=True)
    return {
        "photographs": count, "machine": f"{os.cpu_count()} cores",
        "date": datetime.date.today().isoformat(), "seconds": seconds,
    }  # fmt: skip


def table(found):
    """The figures as Markdown: medians, and ratios to each peer, round by round."""
    seconds, count = found["seconds"], found["photographs"]
    peers = [name for name in seconds if not name.startswith("kerasconv")]
    heads = ["command", "seconds", "photographs a second"]
    heads += [f"time relative to {name}" for name in peers]
    lines = [heads, ["---"] * len(heads)]
    for name, times in seconds.items():
        middle = statistics.median(times)
        cells = [name, f"{middle:.1f}", f"{count / middle:.0f}"]
        for peer in peers:
            pairs = zip(times, seconds[peer], strict=True)
            ratio = statistics.median(mine / theirs for mine, theirs in pairs)
            cells.append("" if name in peers else f"{ratio:.2f}")
        lines.append(cells)
    rounds = len(next(iter(seconds.values())))
    facts = (
        f"{count} photographs, medians of {rounds} rounds, {found['machine']}, "
        f"{found['date']}."
    )
    return "\n".join([*("| " + " | ".join(c) + " |" for c in lines), "", facts])


def main(arguments=None):
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--photographs", type=int, default=100, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    asked = parser.parse_args(arguments)
    found = measure(asked.photographs, asked.rounds)
    print(table(found))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
