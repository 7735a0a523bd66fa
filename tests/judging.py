"""Trains the network that says whether a prepared picture is a digit.

    python tests/judging.py [--rounds 39] [--epochs 9] [--folder DIR]

writes `kerasconv/pictures/_judge.npz`, and prints after every epoch what is refused of
what is no digit where one of a hundred digits is. It learns from MNIST's first 55,000
training images, from `photographs.negatives`, and from every piece of ink that
`kerasconv.pictures` finds in `photographs` of the split "train", of as many seeds of
each kind as there are rounds: a piece is the digit whose box it shares 0.7 of, and none
where it shares less than 0.55 of any. What was drawn is kept in the folder, so that a
second run begins with it. Nothing of the split "report" is used.

The weights are stored as one byte each, in steps of an output channel. Trained with
torch on one core: on several, threads that wait for each other took six times as long.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import photographs
import torch
from PIL import Image
from torch import nn

from kerasconv import data
from kerasconv.pictures import digit, judge, paper, scene

WEIGHTS = Path(judge.__file__).with_name("_judge.npz")
NONE = 10
# Of digits of photographs that are read right one of a hundred is less certain.
MIN_CONFIDENCE = 0.4


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
                    shared = [share(look.box(piece), box) for box in shown.boxes]
                    best = int(np.argmax(shared)) if shared else 0
                    images.append(np.rint(255 * look.digit(piece)))
                    shares.append(shared[best] if shared else 0.0)
                    labels.append(int(text[best]) if shares[-1] >= 0.6 else NONE)
    return {
        "images": np.array(images, np.uint8),
        "labels": np.array(labels),
        "shares": np.array(shares, np.float32),
    }


def share(a: tuple, b: tuple) -> float:
    """The area of both boxes over that of either."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    both = max(wide, 0) * max(high, 0)
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return both / (area - both)


def others(split: str, count: int) -> np.ndarray:
    """What is no digit, prepared as a digit is."""
    prepared = []
    for drawn in photographs.negatives(split, 0, count).astype(np.float32) / 255:
        ink = drawn[paper.box(drawn > 0.25)]
        if ink.size:
            level = scene._thickened(ink)
            prepared.append(digit.centred(digit.fitted(level)).astype(np.uint8))
    return np.array(prepared)


def kept(folder: Path, name: str, make) -> dict[str, np.ndarray]:
    place = folder / f"{name}.npz"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(place, **make())
    with np.load(place) as stored:
        return dict(stored)


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(800, 64), nn.ReLU(),
        nn.Dropout(0.2), nn.Linear(64, 11),
    )  # fmt: skip


def changed(images: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
    """Moved by a pixel, darker or lighter, and some with noise in the ink."""
    x = images.astype(np.float32) / 255
    moved = np.empty_like(x)
    steps = generator.integers(-1, 2, (len(x), 2))
    for step in np.unique(steps, axis=0):
        these = (steps == step).all(1)
        moved[these] = np.roll(x[these], tuple(step), (1, 2))
    moved **= generator.uniform(0.75, 1.3, (len(x), 1, 1)).astype(np.float32)
    noisy = generator.random(len(x)) < 0.3
    noise = generator.normal(0, 0.05, moved[noisy].shape).astype(np.float32)
    moved[noisy] += (moved[noisy] > 0) * noise
    return torch.from_numpy(np.clip(moved, 0, 1))[:, None]


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
    return (logits[:, :NONE].logsumexp(1) - logits[:, NONE]).numpy()


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
    np.savez_compressed(WEIGHTS, **stored)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=39)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=Path(".judging"))
    asked = parser.parse_args()
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    images, labels = data.load("mnist", "train")
    digits = np.rint(255 * images[..., 0]).astype(np.uint8)
    chosen = generator.permutation(55_000)[:30_000]
    found = kept(
        asked.folder, "pieces", lambda: pieces("train", range(2 * asked.rounds))
    )
    clear = (found["shares"] >= 0.7) | (found["shares"] < 0.55)
    x, y = found["images"][clear], found["labels"][clear]
    none = kept(asked.folder, "others", lambda: {"x": others("train", 24_000)})["x"]
    unseen = kept(asked.folder, "unseen", lambda: {"x": others("validation", 3000)})[
        "x"
    ]
    is_digit = y < NONE
    xs = np.concatenate([digits[chosen], none, x, x[is_digit], x[is_digit]])
    ys = np.concatenate(
        [labels[chosen], np.full(len(none), NONE), y, y[is_digit], y[is_digit]]
    ).astype(np.int64)
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
        print(f"epoch {epoch + 1}: {refused:.1%} of what is no digit refused")
    write(model)


if __name__ == "__main__":
    main()
