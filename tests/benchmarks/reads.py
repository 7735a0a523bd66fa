"""How well photographs are read, by kind, and what is refused.

    python tests/benchmarks/reads.py [--count 40] [--split report] [--model mnist_cnn]
                          [--before] [--write] [--speed]

prints a row a kind of `photographs.KINDS`: the percentage read right (all digits of a
picture, in order; of what shows no digit, that none is answered), the percentage
refused, and milliseconds of processor time from the grey levels to the answer. With
--before it reads as `prepare_digit` alone would, one digit a picture. Below it says
what other thresholds would lose and refuse. With --write all of this is the section
`reading` of the model's card, with a picture beside it, and
`python -m kerasconv.training.page models/mnist_cnn` renders it.

With --speed it prints, of pictures of several sizes, the milliseconds of processor time
to prepare one: the least of nine rounds, their mean over eight pictures, and the
slowest picture. Below each, what bounds it: how much of the time a profile finds in
compiled functions of NumPy, SciPy and Pillow, where no Python runs, and the longest of
them with their calls a picture; and what one pass of NumPy over the pixels takes.

The writers, fonts, papers and shadows of the split "report" were seen by nothing that
was chosen or trained: that was done on "train" and "validation".
"""

import argparse
import cProfile
import io
import pstats
import sys
import time
import timeit
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import photographs

from kerasconv import data
from kerasconv.digits import load_digits
from kerasconv.errors import KerasconvError
from kerasconv.models import find_card
from kerasconv.pictures import prepare_digit
from kerasconv.reading import Answer, Reader

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9, 0.95)
SPEED_PICTURES, SPEED_ROUNDS = 8, 9
LONGEST = 6
"""Compiled functions that are named."""

GROUPS = ("EASY", "HARD", "NUMBERS", "TOUCHING", "BLANKS", "NON_DIGITS")


def measure(
    reader: Reader, count: int, split: str, before: bool = False
) -> tuple[dict, dict]:
    """Facts a kind, and the confidence of every single digit and of every non-digit."""
    kinds, sure = {}, defaultdict(list)
    for kind in photographs.KINDS:
        right = refused = 0
        spent = 0.0
        for seed in range(count):
            shown = photographs.photograph(kind, seed, split)
            grey = np.asarray(Image.fromarray(shown.image).convert("L"))
            began = time.process_time()
            if before:
                image = prepare_digit(grey)[..., None]
                prepared = Answer(kind, image, status="ok" if image.any() else "blank")
            else:
                prepared = reader.prepare(grey, kind)
            (answer,) = reader.answers([prepared])
            spent += time.process_time() - began
            refuses = answer.status in ("blank", "no digit", "unsure")
            refused += refuses
            right += answer.text == shown.text if shown.text else refuses
            if len(shown.text) < 2:
                found = max((each.confidence for each in answer.digits), default=0.0)
                sure[bool(shown.text)].append(found)
        kinds[kind] = {
            "right": round(right / count, 4),
            "refused": round(refused / count, 4),
            "milliseconds": round(1000 * spent / count, 1),
        }
    return kinds, sure


def speed(reader: Reader, split: str) -> str:
    """Milliseconds to prepare pictures of several sizes, a row each."""

    def photograph(kind: str, seed: int, scale: float = 1.0) -> Image.Image:
        return Image.fromarray(photographs.photograph(kind, seed, split, scale).image)

    def grey(kind: str, seed: int) -> np.ndarray:
        return np.asarray(photograph(kind, seed).convert("L"))

    def scan(seed: int) -> np.ndarray:
        digit = Image.fromarray(255 - np.rint(255 * digits[seed, ..., 0]).astype("u1"))
        page = Image.new("L", (200, 300), 255)
        page.paste(digit.resize((160, 160), Image.Resampling.BICUBIC), (20, 70))
        return np.asarray(page)

    def jpeg(kind: str, seed: int) -> bytes:
        file = io.BytesIO()
        photograph(kind, seed, 6.3).save(file, "JPEG", quality=90)
        return file.getvalue()

    digits, _ = load_digits()
    lines = []
    for name, make, call in (
        ("scan 200x300, prepare_digit", scan, prepare_digit),
        ("scan 200x300", scan, reader.prepare),
        *(
            (f"about 640x480, {kind}", partial(grey, kind), reader.prepare)
            for kind in ("phone", "number", "blank, folded", "cat or dog")
        ),
        *(
            (f"JPEG of 12 megapixels, {kind}", partial(jpeg, kind), reader.prepare)
            for kind in ("phone", "number", "sheet on a dark desk", "blank, folded")
        ),
    ):
        made = [make(seed) for seed in range(SPEED_PICTURES)]
        spent = np.empty((SPEED_ROUNDS, len(made)))
        for place in np.ndindex(spent.shape):
            began = time.process_time()
            call(made[place[1]])
            spent[place] = 1000 * (time.process_time() - began)
        least = spent.min(0)
        lines.append(f"{name:46s}{least.mean():9.2f}{least.max():9.2f}")
        lines += bound(call, made)
    return "\n".join(lines)


def bound(call, pictures: list) -> list[str]:
    """Lines: the time of compiled functions alone, a picture, and of one plain pass."""
    spent = compiled(call, pictures)
    total = sum(milliseconds for milliseconds, _ in spent.values())
    lines = [f"    {'in compiled functions':42s}{total:9.2f}"]
    for name in sorted(spent, key=spent.get, reverse=True)[:LONGEST]:
        milliseconds, calls = spent[name]
        lines.append(f"      {f'{calls:.0f} x {name}':40s}{milliseconds:9.2f}")
    if isinstance(pictures[0], np.ndarray):
        values = np.ones(pictures[0].shape, np.float32)
        out = np.empty_like(values)
        one = 1000 * min(timeit.repeat(lambda: np.add(values, 1, out), number=1))
        lines.append(f"    {'one addition for each pixel':42s}{one:9.3f}")
    return lines


def compiled(call, pictures: list) -> dict[str, tuple[float, float]]:
    """Milliseconds and calls a picture of each compiled function, the least of rounds.

    What NumPy computes for an operator as `+` is not in it: a profile knows no such
    call, and counts it as Python's.
    """
    rounds = []
    for _ in range(SPEED_ROUNDS):
        profile = cProfile.Profile(time.process_time)
        for picture in pictures:
            profile.runcall(call, picture)
        rounds.append(
            {
                name: (1000 * seconds / len(pictures), calls / len(pictures))
                for (file, _, name), (_, calls, seconds, *_) in pstats.Stats(
                    profile
                ).stats.items()  # type: ignore[attr-defined]
                if file == "~" and "builtins." not in name
            }
        )
    return min(rounds, key=lambda each: sum(ms for ms, _ in each.values()))


def table(kinds: dict) -> str:
    lines = []
    for group in GROUPS:
        members = [
            kind for kind in photographs.KINDS if kind in getattr(photographs, group)
        ]
        for kind in members:
            facts = kinds[kind]
            lines.append(
                f"{kind:34s}{facts['right']:8.1%}{facts['refused']:9.1%}"
                f"{facts['milliseconds']:9.1f}"
            )
        mean = np.mean([kinds[kind]["right"] for kind in members])
        lines.append(f"{group.lower().replace('_', ' '):34s}{mean:8.1%}\n")
    return "\n".join(lines)


def draw(sure: dict, chosen: float, path: Path) -> None:
    """The curve of what all thresholds lose and refuse (ROC), and the chosen one."""
    from kerasconv.plotting import save_figure
    from kerasconv.plotting._canvas import new_figure

    lost, refused = (
        np.searchsorted(np.sort(sure[kind]), steps, side="left") / len(sure[kind])
        for kind in (True, False)
        for steps in [np.unique([0.0, chosen, *sure[True], *sure[False], 1.0])]
    )
    figure = new_figure(4.5, 3.6)
    ax = figure.subplots()
    ax.step(100 * lost, 100 * refused, where="post")
    at = [100 * float(np.mean(np.less(sure[kind], chosen))) for kind in (True, False)]
    ax.plot(*at, "o", label=f"threshold {chosen:g}")
    ax.set(xlim=(0, 15), ylim=(0, 100))
    ax.set_xlabel("single digits lost, %")
    ax.set_ylabel("pictures of no digit refused, %")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right")
    save_figure(figure, path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--split", default="report")
    parser.add_argument("--model", default="mnist_cnn")
    parser.add_argument("--before", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--speed", action="store_true")
    asked = parser.parse_args()
    if asked.speed:
        print(speed(Reader(asked.model), asked.split))
        return
    if asked.write:
        # Where they are missing, easier pictures stand in for those of the test sets.
        try:
            for name in ("mnist", "fashion_mnist", "cats_vs_dogs"):
                data.load(name, "test")
        except KerasconvError as error:
            raise SystemExit(
                f"reads.py: a card is written from test sets: {error}"
            ) from None
    reader = Reader(asked.model)
    kinds, sure = measure(reader, asked.count, asked.split, asked.before)
    print(table(kinds))
    thresholds = [
        {
            "min_confidence": threshold,
            "digits_lost": round(float(np.mean(np.less(sure[True], threshold))), 4),
            "others_refused": round(float(np.mean(np.less(sure[False], threshold))), 4),
        }
        for threshold in THRESHOLDS
    ]
    for row in thresholds:
        print("from {min_confidence}: {digits_lost:.1%} of digits lost, "
              "{others_refused:.1%} of what is none refused".format(**row))  # fmt: skip
    if asked.write:
        from kerasconv.training import card

        known = find_card(asked.model)
        facts = dict(known.facts)
        facts["reading"] = {
            "min_confidence": round(reader.min_confidence, 4),
            "pictures_a_kind": asked.count,
            "thresholds": thresholds,
            "kinds": kinds,
        }
        card.write(known.path.with_suffix(".toml"), facts)
        picture = known.path.with_name(f"{known.weights}-reading.png")
        draw(sure, facts["reading"]["min_confidence"], picture)


if __name__ == "__main__":
    main()
