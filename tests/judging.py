"""Trains the network that says whether a prepared picture is a digit.

    python tests/judging.py [--rounds 64] [--epochs 10] [--folder DIR]

writes `kerasconv/pictures/_judge.npz`, and prints after every epoch what is refused of
what is no digit where one of a hundred digits is. It learns from MNIST's first 55,000
training images, from `photographs.negatives` and `photographs.strokes_digit`, and from
every piece of ink that `kerasconv.pictures` finds in `photographs` of the split
"train", of as many seeds of each kind as there are rounds: a piece is the digit whose
box it shares 0.7 of, several where it covers 0.7 of two or more, and none where it
shares less than 0.55 of any. What was drawn is kept in the folder, so that a second run
begins with it. Nothing of the split "report" is used.

The weights are stored as one byte each, in steps of an output channel. Trained with
torch on one core: on several, threads that wait for each other took six times as long.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import photographs
import torch
from PIL import Image
from torch import nn

from kerasconv import data
from kerasconv.pictures import judge, paper, scene
from kerasconv.pictures.look import fitted, thickened

WEIGHTS = Path(judge.__file__).with_name("_judge.npz")
NONE, SEVERAL = 10, 11
_ROUNDS = 8  # that one process draws at a time
# Of a thousand held-out digits of photographs seven are less certain, which is one of a
# hundred with the standard error of so few.
MIN_CONFIDENCE = 0.3


def pieces(split: str, seeds: range) -> dict[str, np.ndarray]:
    """Every piece of ink in photographs, what it is, and how much of it that is."""
    images, labels, shares = [], [], []
    for seed in seeds:
        for kind in photographs.KINDS:
            shown = photographs.photograph(kind, seed, split)
            text = shown.text.replace("\n", "")
            grey = np.asarray(Image.fromarray(shown.image).convert("L"), np.float32)
            for look in scene._looks(grey / 255, 1.0):
                for piece in look.pieces()[:12]:
                    box = look.box(piece)
                    shared = [share(box, other) for other in shown.boxes]
                    best = int(np.argmax(shared)) if shared else 0
                    images.append(np.rint(255 * look.digit(piece)))
                    shares.append(shared[best] if shared else 0.0)
                    labels.append(int(text[best]) if shares[-1] >= 0.6 else NONE)
                    if sum(covered(box, other) > 0.7 for other in shown.boxes) > 1:
                        labels[-1], shares[-1] = SEVERAL, 1.0
    return {
        "images": np.array(images, np.uint8),
        "labels": np.array(labels),
        "shares": np.array(shares, np.float32),
    }


def wholes(split: str, seeds: range) -> dict[str, np.ndarray]:
    """What `prepare_digit` makes of whole photographs, and what it is."""
    images, labels, shares = [], [], []
    for seed in seeds:
        for kind in photographs.KINDS:
            shown = photographs.photograph(kind, seed, split)
            grey = np.asarray(Image.fromarray(shown.image).convert("L"), np.float32)
            easy = scene._easy(grey / 255, 1.0)
            if easy is None:
                continue
            box, text = easy[0].box, shown.text.replace("\n", "")
            shared = [share(box, other) for other in shown.boxes]
            images.append(np.rint(255 * easy[0].image))
            shares.append(shared[0] if len(text) == 1 else 1.0)
            labels.append(int(text) if len(text) == 1 else SEVERAL if text else NONE)
            if len(text) == 1 and shares[-1] < 0.55:
                labels[-1] = NONE
    return {
        "images": np.array(images, np.uint8),
        "labels": np.array(labels),
        "shares": np.array(shares, np.float32),
    }


def both(a: tuple, b: tuple) -> float:
    """The area that two boxes share."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return max(wide, 0) * max(high, 0)


def area(box: tuple) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def covered(a: tuple, b: tuple) -> float:
    """The share of the second box that the first one covers."""
    return both(a, b) / area(b)


def share(a: tuple, b: tuple) -> float:
    """The area of both boxes over that of either."""
    return both(a, b) / (area(a) + area(b) - both(a, b))


def prepared(drawn: np.ndarray) -> np.ndarray:
    """Ink, light on black, prepared as a digit is."""
    images = []
    for level in drawn.astype(np.float32) / 255:
        ink = level[paper.box(level > 0.25)]
        if ink.size:
            images.append(fitted(thickened(ink)))
    return np.rint(255 * np.array(images)).astype(np.uint8)


def others(split: str, count: int) -> np.ndarray:
    """What is no digit."""
    families = set(photographs.NEGATIVES) - {"two digits"}
    return prepared(photographs.negatives(split, 0, count, families))


def several(split: str, count: int) -> np.ndarray:
    """Two digits, side by side or one over the other."""
    return prepared(photographs.negatives(split, 1, count, ["two digits"]))


def numbers(split: str, count: int) -> np.ndarray:
    """Digits in one or two lines, close to each other."""
    rng = np.random.default_rng(2)
    pictures = np.zeros((count, 64, 64), np.uint8)
    for picture in pictures:
        writer = photographs.Writer.new(rng, split, (0.05, 0.16))
        field = np.zeros((120, 520), np.float32)
        for line in range(1 + int(rng.random() < 0.25)):
            at = int(rng.integers(40))
            for name in rng.integers(0, 10, int(rng.integers(2, 9))):
                digit = photographs._digit(rng, str(name), split, writer).alpha(48)
                high, wide = digit.shape
                part = field[60 * line : 60 * line + high, at : at + wide]
                np.maximum(part, digit[: part.shape[0], : part.shape[1]], out=part)
                at += round(wide * rng.uniform(0.85, 1.7))
        field = field[paper.box(field > 0)]
        picture[:] = photographs._framed(field)
    return prepared(pictures)


def drawn(split: str, count: int) -> dict[str, np.ndarray]:
    """Digits of our own writers' lines."""
    labels = np.arange(count) % 10
    generator = np.random.default_rng(0)
    images = [
        photographs.strokes_digit(generator, str(label), split) for label in labels
    ]
    return {"images": prepared(np.array(images)), "labels": labels}


def kept(folder: Path, name: str, make) -> dict[str, np.ndarray]:
    place = folder / f"{name}.npz"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(place, **make())
    with np.load(place) as stored:
        return dict(stored)


def pieces_from(folder: Path, start: int) -> dict[str, np.ndarray]:
    seeds = range(start, start + _ROUNDS)
    found = kept(folder, f"pieces-{start}", lambda: pieces("train", seeds))
    whole = kept(folder, f"wholes-{start}", lambda: wholes("train", seeds))
    return {key: np.concatenate([found[key], whole[key]]) for key in found}


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(800, 64), nn.ReLU(),
        nn.Dropout(0.2), nn.Linear(64, 12),
    )  # fmt: skip


def changed(images: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
    """Turned, slanted, stretched and bent, darker or lighter, some with noise.

    So much, since other writers' digits differ more than these writers' do. A third of
    them move by whole pixels alone, and stay as sharp as they are.
    """
    x = torch.from_numpy(images.astype(np.float32) / 255)[:, None]
    count = len(x)
    still = generator.random(count) < 0.33
    angle, slant = generator.normal(0, (0.12, 0.15), (count, 2)).T
    wide, high = generator.uniform(0.85, 1.15, (2, count))
    moved = generator.uniform(-1.5, 1.5, (2, count)) / 14
    rows = np.zeros((count, 2, 3), np.float32)
    rows[:, 0, 0], rows[:, 0, 1] = np.cos(angle) / wide, (slant - np.sin(angle)) / wide
    rows[:, 1, 0], rows[:, 1, 1] = np.sin(angle) / high, np.cos(angle) / high
    rows[still, :, :2] = np.eye(2)
    rows[..., 2] = np.where(still, np.rint(14 * moved) / 14, moved).T
    grid = nn.functional.affine_grid(
        torch.from_numpy(rows), list(x.shape), align_corners=False
    )
    bends = generator.normal(0, 0.05, (count, 2, 4, 4)) * ~still[:, None, None, None]
    bent = nn.functional.interpolate(
        torch.from_numpy(bends.astype(np.float32)), (28, 28), mode="bicubic"
    )
    grid = grid + bent.permute(0, 2, 3, 1)
    x = nn.functional.grid_sample(x, grid, align_corners=False).clamp(0, 1)
    x **= torch.from_numpy(generator.uniform(0.75, 1.3, (count, 1, 1, 1))).float()
    noisy = torch.from_numpy((generator.random(count) < 0.3).astype(np.float32))
    noise = torch.from_numpy(generator.normal(0, 0.05, x.shape)).float()
    return (x + noisy[:, None, None, None] * (x > 0) * noise).clamp(0, 1)


def odds(model: nn.Module, images: np.ndarray) -> np.ndarray:
    model.eval()
    with torch.no_grad():
        logits = torch.cat(
            [
                model(torch.from_numpy(images[i : i + 1000] / np.float32(255))[:, None])
                for i in range(0, len(images), 1000)
            ]
        )
    model.train()
    return (logits[:, :NONE].logsumexp(1) - logits[:, NONE:].logsumexp(1)).numpy()


def write(model: nn.Module) -> None:
    conv1, bias1, conv2, bias2, dense, bias3, last, bias4 = (
        p.detach().numpy() for p in model.parameters()
    )
    # torch flattens channels first, and `judge` channels last.
    dense = dense.reshape(64, 32, 5, 5).transpose(2, 3, 1, 0).reshape(800, 64)
    stored = {"min confidence": np.float32(MIN_CONFIDENCE)}
    for name, weights in (
        ("kernel1", conv1.transpose(2, 3, 1, 0)),
        ("kernel2", conv2.transpose(2, 3, 1, 0)),
        ("dense", dense),
        ("logits", last.T),
    ):
        largest = np.abs(weights).reshape(-1, weights.shape[-1]).max(0)
        step = (largest / 127).astype(np.float32)
        stored[name] = np.rint(weights / step).astype(np.int8)
        stored[f"{name} step"] = step
    stored |= {
        "bias1": bias1,
        "bias2": bias2,
        "dense bias": bias3,
        "logits bias": bias4,
    }
    np.savez(WEIGHTS, **stored)  # the wheel compresses it, and once is better


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folder", type=Path, default=Path(".judging"))
    asked = parser.parse_args()
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    images, labels = data.load("mnist", "train")
    digits = np.rint(255 * images[..., 0]).astype(np.uint8)
    chosen = generator.permutation(55_000)[:30_000]
    with ProcessPoolExecutor() as pool:
        starts = range(0, asked.rounds, _ROUNDS)
        parts = list(pool.map(partial(pieces_from, asked.folder), starts))
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    clear = (found["shares"] >= 0.7) | (found["shares"] < 0.55)
    x, y = found["images"][clear], found["labels"][clear]
    none = kept(asked.folder, "others", lambda: {"x": others("train", 24_000)})["x"]
    two = kept(asked.folder, "several", lambda: {"x": several("train", 6000)})["x"]
    row = kept(asked.folder, "numbers", lambda: {"x": numbers("train", 4000)})["x"]
    own = kept(asked.folder, "drawn", lambda: drawn("train", 20_000))
    unseen = kept(asked.folder, "unseen", lambda: {"x": others("validation", 3000)})[
        "x"
    ]
    is_digit = y < NONE
    xs = np.concatenate(
        [digits[chosen], own["images"], none, two, row, x, x[is_digit], x[is_digit]]
    )
    ys = np.concatenate(
        [
            labels[chosen],
            own["labels"],
            np.full(len(none), NONE),
            np.full(len(two) + len(row), SEVERAL),
            y,
            y[is_digit],
            y[is_digit],
        ]
    ).astype(np.int64)
    print(f"{len(xs)} images, {(ys < NONE).sum()} of them digits", flush=True)
    model, batch = network(), 128
    steps = len(xs) // batch
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 4e-3, total_steps=asked.epochs * steps
    )
    for epoch in range(asked.epochs):
        order = generator.permutation(len(xs))
        for i in range(steps):
            these = order[i * batch : (i + 1) * batch]
            loss = nn.functional.cross_entropy(
                model(changed(xs[these], generator)), torch.from_numpy(ys[these])
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        least = np.quantile(odds(model, digits[55_000:]), 0.01)
        refused = (odds(model, unseen) < least).mean()
        print(
            f"epoch {epoch + 1}: {refused:.1%} of what is no digit refused", flush=True
        )
    write(model)


if __name__ == "__main__":
    main()
