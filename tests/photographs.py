"""Photographs of handwritten digits, drawn: what reading them is measured on.

    python tests/photographs.py OUT.png [--kind K] [--split S]

draws a sheet of them. `photograph(kind, seed, split)` gives one, with what is written
on it and the box of every digit; `negatives` gives ink that is no digit.

A digit is one of MNIST, redrawn as a line of ink that is sharp at any size, or a line
of our own from the control points in `DIGITS`. Where MNIST is not at hand, the 64
digits of the package stand for it. The splits "train", "validation" and "report" share
no MNIST image. The first two share writers (allographs and ranges), fonts and the
generators of paper, desks, light and shadow; "report" has others, so that a choice is
not measured on what it was made on.
"""

import argparse
import functools
import io
import math
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.interpolate import CubicSpline

OWN = Path(__file__).with_name("own_photographs")
"""A folder of real photographs of yours, which git ignores.

The name of each begins with what it shows: `42 by phone.jpg`, `314+26.png` for two
lines, `none, a cat.jpg` for what is no digit.
"""

SPLITS = ("train", "validation", "report")

# Control points of each glyph in a unit square, x right and y down: blanks between the
# points of a spline, bars between splines. Those that share a point meet there in a
# corner. Each digit has several allographs: "report" leaves out the first one, the
# other splits the last.
DIGITS = {
    "0": (
        ".55,.02 .2,.12 0,.5 .15,.9 .5,1 .85,.82 1,.4 .8,.08 .5,0 .4,.06",
        ".5,0 .12,.2 0,.55 .2,.93 .5,1 .85,.85 1,.45 .85,.1 .5,0",
        ".7,0 .3,.2 .05,.65 .2,.97 .55,.95 .85,.6 .98,.2 .8,.02 .6,.05",
    ),
    "1": (
        ".5,0 .48,.5 .5,1",
        ".3,.25 .5,0|.5,0 .5,1",
        ".25,.28 .5,0|.5,0 .5,1|.2,1 .8,1",
        ".58,0 .42,1",
    ),
    "2": (
        "0,.25 .2,.03 .55,0 .9,.2 .8,.5 .4,.8 0,1|0,1 1,1",
        "0,.2 .3,0 .8,.08 .9,.35 .5,.75 .1,.98 .15,.8 .4,.88 .7,1 1,.92",
        ".05,.15 .5,0 .9,.2 .75,.55 .35,.85 0,1|0,1 .35,.94 .7,1 1,.9",
    ),
    "3": (
        "0,.12 .4,0 .85,.12 .8,.38 .35,.48|.35,.48 .85,.55 1,.8 .6,1 .2,.98 0,.85",
        "0,.08 .5,0 .9,.2 .7,.42 .3,.47 .75,.52 .98,.75 .65,1 0,.95",
        "0,0 .9,0|.9,0 .4,.42|.4,.42 .9,.5 1,.78 .6,1 .2,1 0,.88",
    ),
    "4": (
        ".1,0 0,.55|0,.55 1,.55|.78,.1 .72,1",
        ".7,0 0,.65|0,.65 1,.65|.7,0 .7,1",
        ".05,.05 .05,.35 .3,.52 .85,.42|.9,0 .85,.42 .75,1",
    ),
    "5": (
        ".9,0 .15,0|.15,0 .1,.42|.1,.42 .5,.36 .95,.6 .8,.92 .4,1 0,.9",
        ".2,.02 .15,.42|.15,.42 .6,.38 1,.65 .7,.97 0,.95|.2,.02 1,0",
        ".95,.03 .3,.04|.3,.04 .15,.4|.15,.4 .65,.4 .95,.7 .6,1 0,.93",
    ),
    "6": (
        ".75,0 .3,.25 .02,.65 .2,.97 .6,1 .95,.78 .7,.52 .3,.58 .05,.8",
        ".5,0 .12,.4 .05,.8 .4,1 .85,.85 .8,.6 .4,.55 .1,.75",
        ".9,.02 .4,.15 .05,.6 .25,.98 .7,.95 .9,.7 .6,.5 .2,.62 .1,.75",
    ),
    "7": (
        "0,.02 1,0|1,0 .35,1",
        "0,.05 .95,0|.95,0 .6,.45 .4,1|.2,.5 .85,.47",
        "0,.2 .02,.02|.02,.02 1,.03|1,.03 .55,.5 .45,1",
    ),
    "8": (
        ".8,.12 .45,0 .1,.18 .3,.42 .75,.6 .95,.82 .5,1 .05,.82 .25,.58 .7,.4 .88,.18 "
        ".75,.08",
        ".9,.05 .4,0 .15,.2 .5,.45 .9,.75 .6,1 .15,.9 .3,.6 .8,.25 .9,.05",
        ".5,0 .15,.12 .15,.35 .5,.46 .85,.35 .85,.12 .5,0|"
        ".5,.46 .05,.6 .05,.88 .5,1 .95,.88 .95,.6 .5,.46",
    ),
    "9": (
        ".9,.2 .5,0 .1,.15 .05,.42 .45,.52 .85,.3 .9,.2|.9,.2 .85,.6 .7,1",
        ".9,.25 .6,0 .1,.1 .1,.4 .5,.5 .9,.25|.9,.25 .85,.6 .55,1",
        ".85,.1 .4,0 .05,.25 .3,.5 .75,.4 .88,.1|.88,.1 .9,.6 .6,.95 .15,.97",
    ),
}

# Left out are the letters that a careful reader takes for digits: o O D Q and an open U
# for 0, l I i for 1, z Z for 2, S s for 5, b G for 6, B for 8, g q for 9, y for 4.
LETTERS = {
    "A": (
        "0,1 .5,0|.5,0 1,1|.18,.62 .82,.62",
        "0,1 .1,.4 .5,0 .9,.4 1,1|.05,.6 .95,.6",
    ),
    "C": (".95,.15 .6,0 .15,.2 0,.55 .2,.9 .6,1 .95,.85",),
    "E": (
        ".9,0 0,0|0,0 0,1|0,1 .95,1|0,.5 .75,.5",
        ".9,.1 .4,0 .1,.25 .5,.47 .05,.7 .3,1 .9,.9",
    ),
    "F": (".95,0 0,0|0,0 0,1|0,.48 .75,.48",),
    "H": ("0,0 0,1|1,0 1,1|0,.5 1,.5",),
    "J": (".3,0 1,0|.7,0 .7,.8 .4,1 .05,.85",),
    "K": ("0,0 0,1|.9,0 0,.55|.25,.42 1,1",),
    "L": ("0,0 0,1|0,1 .9,1",),
    "M": ("0,1 .05,0|.05,0 .5,.7|.5,.7 .95,0|.95,0 1,1",),
    "N": ("0,1 0,0|0,0 1,1|1,1 1,0",),
    "P": ("0,0 0,1|0,.03 .6,0 .95,.25 .6,.52 0,.52",),
    "R": ("0,0 0,1|0,.03 .6,0 .95,.25 .6,.5 0,.52|.35,.52 1,1",),
    "T": ("0,0 1,0|.5,0 .5,1",),
    "V": ("0,0 .5,1|.5,1 1,0",),
    "W": ("0,0 .25,1|.25,1 .5,.3|.5,.3 .75,1|.75,1 1,0",),
    "X": ("0,0 1,1|1,0 0,1",),
    "Y": ("0,0 .5,.5|1,0 .5,.5|.5,.5 .5,1",),
    "a": (
        ".85,.15 .4,0 0,.45 .25,.95 .65,.8 .9,.1|.9,.1 .85,.8 1,1",
        ".1,.15 .5,0 .9,.2 .9,1|.9,.5 .3,.5 0,.75 .3,1 .9,.8",
    ),
    "c": (".9,.2 .5,0 .05,.4 .2,.9 .6,1 .95,.8",),
    "d": (".75,.55 .35,.45 0,.75 .3,1 .75,.85|.78,0 .75,.85 .9,1",),
    "e": (".05,.5 .9,.45|.9,.45 .7,.08 .35,0 .02,.45 .2,.92 .6,1 .95,.8",),
    "f": (".95,.1 .65,0 .45,.2 .45,1|.1,.42 .85,.42",),
    "h": (".05,0 .05,1|.05,.65 .4,.45 .8,.55 .85,1",),
    "j": (".7,.3 .7,.85 .4,1 .1,.9|.7,.08 .72,.1",),
    "k": (".05,0 .05,1|.75,.42 .05,.72|.3,.65 .85,1",),
    "m": ("0,.05 .05,1|.05,.3 .28,0 .48,.2 .5,1|.5,.3 .75,0 .95,.2 1,1",),
    "n": ("0,.05 .05,1|.05,.35 .5,0 .9,.25 .95,1",),
    "p": (".05,0 .05,1|.05,.1 .5,0 .9,.2 .7,.5 .05,.5",),
    "r": (".05,0 .1,1|.1,.4 .4,.05 .9,.1",),
    "t": (".4,0 .4,.85 .65,1 .95,.88|.05,.3 .85,.3",),
    "u": ("0,0 .05,.75 .45,1 .9,.6|.95,0 .92,.8 1,1",),
    "v": ("0,0 .45,1|.45,1 .95,0",),
    "w": ("0,0 .15,.9 .35,.95 .5,.4|.5,.4 .6,.95 .85,.9 1,0",),
    "x": ("0,0 .4,.4 1,1|1,0 .5,.6 0,1",),
}

SYMBOLS = {
    "tick": ("0,.6 .35,1|.35,1 1,0",),
    "cross": ("0,0 1,1|1,0 0,1",),
    "plus": ("0,.5 1,.5|.5,0 .5,1",),
    "equals": ("0,.3 1,.28|0,.7 1,.72",),
    "right arrow": ("0,.5 1,.5|.65,.2 1,.5|1,.5 .65,.8",),
    "down arrow": (".5,0 .5,1|.2,.65 .5,1|.5,1 .8,.65",),
    "hash": (".35,0 .25,1|.75,0 .65,1|0,.33 1,.33|0,.68 1,.68",),
    "star": (".5,0 .8,1|.8,1 0,.38|0,.38 1,.38|1,.38 .2,1|.2,1 .5,0",),
    "asterisk": (".5,0 .5,1|.05,.25 .95,.75|.95,.25 .05,.75",),
    "heart": (
        ".5,.28 .3,0 .02,.12 .1,.5 .5,1|.5,1 .9,.5 .98,.12 .7,0 .5,.28",
        ".5,.3 .2,.02 0,.3 .5,1|.5,1 1,.3 .8,.02 .5,.3",
    ),
    "question": ("0,.2 .4,0 .9,.15 .75,.4 .45,.68|.45,.95 .46,.97",),
    "percent": (
        ".95,0 .05,1|.2,.02 .02,.2 .2,.38 .38,.2 .2,.02|"
        ".8,.62 .62,.8 .8,.98 .98,.8 .8,.62",
    ),
    "ampersand": ("1,1 .25,.25 .4,0 .65,.15 .05,.72 .35,1 .95,.6",),
    "at": (
        ".7,.35 .4,.3 .3,.6 .5,.75 .7,.55 .72,.3|.72,.3 .75,.7 1,.6 .95,.2 .5,0 "
        ".05,.3 .1,.8 .5,1 .85,.92",
    ),
    "smiley": (
        ".5,0 .05,.3 .15,.85 .5,1 .85,.85 .95,.3 .5,0|.33,.35 .34,.4|.66,.35 .67,.4|"
        ".28,.62 .5,.78 .72,.62",
    ),
    "house": ("0,.45 0,1|0,1 1,1|1,1 1,.45|0,.45 .5,0|.5,0 1,.45|0,.45 1,.45",),
    "triangle": (".5,0 1,1|1,1 0,1|0,1 .5,0",),
    "infinity": (".5,.5 .8,.3 1,.5 .8,.7 .5,.5 .2,.3 0,.5 .2,.7 .5,.5",),
    "bolt": (".6,0 .15,.55|.15,.55 .75,.45|.75,.45 .3,1",),
    "euro": (".95,.1 .6,0 .2,.3 .2,.7 .6,1 .95,.9|0,.42 .7,.42|0,.58 .65,.58",),
    "corner": ("0,0 0,1|0,1 1,1",),
    "cup": ("0,0 .1,1|.1,1 .8,1|.8,1 .9,0|.9,.2 1.1,.3 1.1,.6 .85,.65",),
    "comb": ("0,0 1,0|0,0 0,1|.33,0 .33,1|.66,0 .66,1|1,0 1,1",),
    "flower": (
        ".5,.5 .3,.1 .7,.1 .5,.5|.5,.5 .9,.3 .9,.7 .5,.5|.5,.5 .7,.9 .3,.9 .5,.5|"
        ".5,.5 .1,.7 .1,.3 .5,.5",
    ),
}
ALPHABET = tuple(LETTERS)
WIDE = {"m": 1.1, "w": 1.1, "M": 0.95, "W": 1.2, "infinity": 1.9, "equals": 1.0}
NARROW = {"j": 0.45, "r": 0.55, "t": 0.55, "f": 0.55}

# --------------------------------------------------------------------------- sources


def _old(split: str) -> bool:
    """Whether a split has the writers and textures of "train"."""
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: {split!r}")
    return split != "report"


def _data(name: str, split: str) -> tuple[np.ndarray, np.ndarray] | None:
    """A whole data set where it is at hand."""
    from kerasconv.data import load
    from kerasconv.errors import KerasconvError

    try:
        return load(name, split)
    except KerasconvError:
        return None


@functools.lru_cache(maxsize=3)
def _mnist(split: str) -> dict[str, np.ndarray]:
    """The images (n, 28, 28), uint8, of each digit."""
    found = _data("mnist", "test" if split == "report" else "train")
    if found is None:
        from kerasconv.digits import load_digits

        images, labels = load_digits()
        images = np.round(images[..., 0] * 255).astype(np.uint8)[:60]
        labels = labels[:60]
    else:
        part = {"train": slice(55000), "validation": slice(55000, None)}
        images = found[0][part.get(split, slice(None)), ..., 0]
        labels = found[1][part.get(split, slice(None))]
    return {str(c): images[labels == c] for c in range(10)}


@functools.lru_cache(maxsize=6)
def _others(name: str, split: str) -> np.ndarray | None:
    """The pictures of a data set that shows no digits, or None."""
    found = _data(name, "test" if split == "report" else "train")
    if found is None:
        return None
    images = found[0]
    if split == "report":
        return images
    cut = len(images) * 11 // 12
    return images[:cut] if split == "train" else images[cut:]


@functools.lru_cache(maxsize=1)
def _cat() -> np.ndarray:
    from kerasconv.pictures import example_photo

    with Image.open(example_photo()) as file:
        return np.asarray(file.convert("RGB"))


@functools.lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", name), size)


FONTS = {
    True: ("DejaVuSans", "DejaVuSerif", "DejaVuSans-Oblique", "DejaVuSansMono-Bold"),
    False: ("STIXGeneral", "STIXGeneralItalic", "cmss10", "cmtt10", "STIXGeneralBol"),
}
PRINTED_SYMBOLS = {True: "&%#@?+=→←↑✓✗★♥☺☂♪♣¶€", False: "&%#@?+=→←↓¶€∑∞†‡¥"}

# ------------------------------------------------------------------------------- ink
#
# Ink is kept as a distance: `_Line.field` is positive inside the line, in parts of the
# glyph's height, so that a small array gives a sharp edge at any size.


@dataclass
class _Line:
    """The shape of one glyph's ink."""

    field: np.ndarray
    """Signed distance to the edge of the ink, in heights."""

    step: float
    """Of a sample, in heights."""

    def alpha(self, height: float) -> np.ndarray:
        """Ink in [0, 1] where the glyph is `height` pixels high, cut to its box."""
        h, w = self.field.shape
        scale = self.step * height
        size = max(2, round(w * scale)), max(2, round(h * scale))
        image = Image.fromarray(self.field).resize(
            size, Image.Resampling.BICUBIC if scale > 0.5 else Image.Resampling.BOX
        )
        alpha = np.clip(np.asarray(image) * height + 0.5, 0, 1)
        rows, cols = (
            np.flatnonzero(alpha.max(1) > 0.3),
            np.flatnonzero(alpha.max(0) > 0.3),
        )
        if not len(rows):
            return alpha
        return alpha[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]


@dataclass
class Writer:
    """How someone writes: the same for all that stands on one sheet."""

    slant: float
    aspect: float
    wobble: np.ndarray
    """Amplitudes, frequencies and phases of a smooth displacement."""

    jitter: float
    bend: float
    pen: float
    """Width of the line in heights."""

    pressure: float
    sloppy: float
    old: bool
    mnist: bool

    @staticmethod
    def new(
        rng: np.random.Generator,
        split: str,
        pen: tuple[float, float] | None = None,
        mnist: float = 0.65,
    ) -> "Writer":
        old = _old(split)
        low, high = pen or ((0.05, 0.15) if old else (0.045, 0.165))
        return Writer(
            slant=rng.normal(0.08, 0.14) if old else rng.uniform(-0.2, 0.4),
            aspect=rng.uniform(0.5, 0.78) if old else rng.uniform(0.42, 0.85),
            wobble=rng.normal(size=(3, 2, 2)),
            jitter=rng.uniform(0.01, 0.04) if old else rng.uniform(0.005, 0.045),
            bend=rng.uniform(0.02, 0.065) if old else rng.uniform(0.015, 0.075),
            pen=math.exp(rng.uniform(math.log(low), math.log(high))),
            pressure=rng.uniform(0, 0.3),
            sloppy=rng.uniform(0, 0.04),
            old=old,
            mnist=bool(rng.random() < mnist),
        )


@functools.lru_cache(maxsize=512)
def _points(glyph: str) -> tuple[np.ndarray, ...]:
    return tuple(
        np.array([tuple(map(float, p.split(","))) for p in part.split()])
        for part in glyph.split("|")
    )


def _bent(
    rng: np.random.Generator, strokes: Iterable[np.ndarray], writer: Writer
) -> list:
    """The strokes as one writer draws them this time: smooth curves of points."""
    # One displacement field for all strokes, so that those that meet still meet.
    amplitude = writer.bend * (writer.wobble[0] + rng.normal(0, 0.4, (2, 2)))
    turn = rng.normal(0, 0.05)
    stretch = rng.normal(1, 0.06)
    curves = []
    for points in strokes:
        x, y = points.T
        if writer.old:
            dx = amplitude[0, 0] * np.sin(4 * y + writer.wobble[1, 0, 0] * 2)
            dx = dx + amplitude[0, 1] * np.sin(3 * x + writer.wobble[1, 0, 1] * 2)
            dy = amplitude[1, 0] * np.sin(3.5 * x + writer.wobble[1, 1, 0] * 2)
            dy = dy + amplitude[1, 1] * np.sin(3 * y + writer.wobble[1, 1, 1] * 2)
        else:
            u, v = 2 * x - 1, 2 * y - 1
            dx = amplitude[0, 0] * (u * v + v * v) + amplitude[0, 1] * v**3
            dy = amplitude[1, 0] * (u * v + u * u) + amplitude[1, 1] * u**3
        # The same points move alike, wherever they are listed.
        key = np.round(points @ (57, 101)).astype(int)[:, None] + np.array([0, 7919])
        shake = np.sin(key * 12.9898 + amplitude.sum() * 1e4) * writer.jitter
        p = np.stack((x * stretch + dx, y + dy), 1) + shake
        if len(p) > 2:
            step = np.linalg.norm(np.diff(p, axis=0), axis=1) ** 0.5 + 1e-3
            t = np.concatenate(([0], np.cumsum(step)))
            p = CubicSpline(t, p, bc_type="natural")(np.linspace(0, t[-1], 12 * len(t)))
        elif writer.sloppy:
            # No hand draws a straight line.
            t = np.linspace(0, 1, 9)[:, None]
            bow = np.sin(np.pi * t) * rng.normal(0, writer.sloppy)
            along = p[1] - p[0]
            p = p[0] + t * along + bow * np.array((-along[1], along[0]))
        curves.append(p)
    c, s = math.cos(turn), math.sin(turn)
    return [
        np.stack((p[:, 0] * c - p[:, 1] * s, p[:, 0] * s + p[:, 1] * c), 1)
        for p in curves
    ]


def _line(
    rng: np.random.Generator,
    curves: Sequence[np.ndarray],
    writer: Writer,
    samples: int = 96,
) -> _Line:
    """Ink along curves that are given in heights."""
    low = np.min([c.min(0) for c in curves], 0)
    high = np.max([c.max(0) for c in curves], 0)
    margin = 2 * writer.pen + 0.05
    size = np.ceil((high - low + 2 * margin) * samples).astype(int) + 1
    image = Image.new("L", tuple(size), 255)
    draw = ImageDraw.Draw(image)
    for curve in curves:
        draw.line([tuple(p) for p in (curve - low + margin) * samples], fill=0)
    distance = ndimage.distance_transform_edt(np.asarray(image))
    return _Line(_inked(rng, distance / samples, 1 / samples, writer), 1 / samples)


def _inked(
    rng: np.random.Generator, distance: np.ndarray, step: float, writer: Writer
) -> np.ndarray:
    """The field of a line whose width changes as the pressure does."""
    h, w = distance.shape
    width = writer.pen / 2
    if writer.pressure > 0.03:
        rough = rng.normal(1, writer.pressure, (5, 4)).astype(np.float32)
        width = width * np.clip(_enlarged(rough, h, w), 0.6, 1.5)
    # What the blur takes from the ridge is given back.
    field = (width + 0.6 * step - distance).astype(np.float32)
    return ndimage.gaussian_filter(field, 1.0, truncate=2.0)


def _glyph(
    rng: np.random.Generator,
    allographs: Sequence[str],
    writer: Writer,
    aspect: float = 1.0,
) -> _Line:
    curves = _bent(rng, _points(allographs[rng.integers(len(allographs))]), writer)
    matrix = np.array([[writer.aspect * aspect, -writer.slant * 0.8], [0, 1]])
    shift = np.array([writer.slant * 0.8, 0])
    curves = [c @ matrix.T + shift for c in curves]
    high = max(c[:, 1].max() for c in curves) - min(c[:, 1].min() for c in curves)
    wide = max(c[:, 0].max() for c in curves) - min(c[:, 0].min() for c in curves)
    # With the pen's width, the whole is one high (or, if it lies, as wide as that).
    scale = max(0.3, 1 - writer.pen) / max(high, 0.6 * wide, 0.05)
    return _line(rng, [c * scale for c in curves], writer)


def _own(glyphs: dict[str, Sequence[str]], name: str, old: bool) -> Sequence[str]:
    forms = glyphs[name]
    if glyphs is not DIGITS:
        return forms
    return forms[:-1] if old else forms[1:]


@functools.lru_cache(maxsize=1)
def _thinning() -> tuple[np.ndarray, np.ndarray]:
    """Whether Zhang and Suen (1984) take a point away, for each neighbourhood."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1  # N NE E SE S SW W NW
    turns = ((bits == 0) & (np.roll(bits, -1, 1) == 1)).sum(1)
    edge = (bits.sum(1) >= 2) & (bits.sum(1) <= 6) & (turns == 1)
    n, e, s, w = bits[:, 0], bits[:, 2], bits[:, 4], bits[:, 6]
    return edge & (n * e * s == 0) & (e * s * w == 0), edge & (n * e * w == 0) & (
        n * s * w == 0
    )


def _thin(mask: np.ndarray) -> np.ndarray:
    """The centre line of a mask."""
    m = np.pad(mask.astype(np.uint8), 1)
    around = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    h, w = mask.shape
    inner = m[1:-1, 1:-1]
    for _ in range(40):
        before = int(inner.sum())
        for table in _thinning():
            code = np.zeros((h, w), np.uint8)
            for bit, (dy, dx) in enumerate(around):
                code |= m[1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w] << bit
            inner[table[code]] = 0
        if int(inner.sum()) == before:
            break
    return inner.astype(bool)


# Loops that a digit must have; 2 and 4 have one or none.
HOLES = {"0": 1, "6": 1, "8": 2, "9": 1, "1": 0, "3": 0, "5": 0, "7": 0}


def _whole(levels: np.ndarray, digit: str) -> tuple[np.ndarray, bool]:
    """The mask of a digit at the first level that keeps its loops and its one piece."""
    first = levels > 85
    for level in (85, 115, 65, 145, 175):
        mask = levels > level
        holes = ndimage.label(~mask)[1] - 1
        pieces = ndimage.label(mask, np.ones((3, 3)))[1]
        if holes == HOLES.get(digit, holes) and pieces == 1:
            return mask, True
    return first, False


def _redrawn(
    rng: np.random.Generator, image: np.ndarray, digit: str, writer: Writer
) -> _Line:
    """An MNIST digit as a line of ink: its own shape, drawn with another pen."""
    rows, cols = np.flatnonzero(image.max(1) > 60), np.flatnonzero(image.max(0) > 60)
    part = image[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    samples = 72
    scale = samples / max(part.shape[0], 0.6 * part.shape[1])
    part = np.pad(part, 2)
    size = round(part.shape[1] * scale), round(part.shape[0] * scale)
    large = np.asarray(
        Image.fromarray(part.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    )
    large = np.pad(ndimage.gaussian_filter(large, 0.35 * scale, truncate=2.5), 6)
    mask, sound = _whole(large, digit)
    inside = ndimage.distance_transform_edt(mask)
    core = _thin(mask)
    own = 2 * float(np.median(inside[core])) / samples if core.any() else 0.1
    if sound and writer.pen < 0.75 * own:
        distance = ndimage.distance_transform_edt(~core) / samples
        return _Line(_inked(rng, distance, 1 / samples, writer), 1 / samples)
    signed = (inside - ndimage.distance_transform_edt(~mask)) / samples
    grown = np.clip((writer.pen - own) / 2, -0.02, 0.025)
    line = (signed + grown).astype(np.float32)
    return _Line(ndimage.gaussian_filter(line, 1.2, truncate=2.0), 1 / samples)


def _digit(rng: np.random.Generator, digit: str, split: str, writer: Writer) -> _Line:
    if writer.mnist:
        images = _mnist(split)[digit]
        return _redrawn(rng, _some(rng, images), digit, writer)
    return _glyph(rng, _own(DIGITS, digit, writer.old), writer)


def _letter(rng: np.random.Generator, letter: str, writer: Writer) -> _Line:
    aspect = WIDE.get(letter, NARROW.get(letter, 0.85 if letter.islower() else 1.0))
    return _glyph(rng, LETTERS[letter], writer, aspect * 1.15)


def _symbol(rng: np.random.Generator, name: str, writer: Writer) -> _Line:
    return _glyph(rng, SYMBOLS[name], writer, WIDE.get(name, 1.0) * 1.5)


def _scribble(rng: np.random.Generator, writer: Writer) -> _Line:
    """A line that goes here and there."""
    form = rng.integers(4)
    n = int(rng.integers(10, 18))
    t = np.linspace(0, 1, n)
    if form == 0:
        p = rng.uniform(0, 1, (n, 2))
    elif form == 1:  # zigzag
        p = np.stack((t, (np.arange(n) % 2) + rng.normal(0, 0.1, n)), 1)
        if rng.random() < 0.5:
            p = p[:, ::-1]
        curves = [np.stack((p[i], p[i + 1])) for i in range(n - 1)]
        return _line(rng, curves, writer, 64)
    elif form == 2:  # a spring
        angle = np.linspace(0, 2 * np.pi * rng.uniform(3, 6), 4 * n)
        p = np.stack(
            (np.linspace(0, 1, 4 * n) + 0.2 * np.cos(angle), np.sin(angle) / 2), 1
        )
        p = p + rng.normal(0, 0.02, p.shape)
    else:  # a spiral of several turns
        angle = np.linspace(0, 2 * np.pi * rng.uniform(2.6, 4.5), 4 * n)
        radius = np.linspace(0.05, 0.5, 4 * n)[:, None]
        p = radius * np.stack((np.cos(angle), np.sin(angle)), 1) + 0.5
    s = np.linspace(0, 1, len(p))
    p = CubicSpline(s, p)(np.linspace(0, 1, 10 * len(p)))
    p = (p - p.min(0)) / max(float(np.ptp(p, axis=0).max()), 0.1) * (1 - writer.pen)
    return _line(rng, [p], writer, 64)


def _printed(text: str, font: str, height: int) -> np.ndarray:
    """Printed text as ink in [0, 1], cut to its box."""
    face = _font(font + ".ttf", max(6, round(height * 1.35)))
    left, top, right, bottom = face.getbbox(text)
    image = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=face)
    alpha = np.asarray(image, np.float32) / 255
    return alpha if alpha.max() > 0.3 else np.ones((3, 3), np.float32)


def _framed(alpha: np.ndarray, size: int = 64, fill: float = 0.75) -> np.ndarray:
    """Ink scaled into the middle of a square, uint8."""
    h, w = alpha.shape
    scale = size * fill / max(h, w)
    new = max(1, round(w * scale)), max(1, round(h * scale))
    image = Image.fromarray(np.round(np.clip(alpha, 0, 1) * 255).astype(np.uint8))
    square = Image.new("L", (size, size))
    square.paste(image.resize(new), ((size - new[0]) // 2, (size - new[1]) // 2))
    return np.asarray(square)


def strokes_digit(
    rng: np.random.Generator, digit: int | str, split: str = "report", size: int = 64
) -> np.ndarray:
    """A digit of our own strokes: uint8 (size, size), light on black."""
    writer = Writer.new(rng, split, (0.05, 0.18))
    line = _glyph(rng, _own(DIGITS, str(digit), writer.old), writer)
    return _framed(line.alpha(0.75 * size), size)


def strokes_letter(
    rng: np.random.Generator, letter: str, split: str = "report", size: int = 64
) -> np.ndarray:
    """A letter of `LETTERS`: uint8 (size, size), light on black."""
    writer = Writer.new(rng, split, (0.05, 0.18))
    return _framed(_letter(rng, letter, writer).alpha(0.75 * size), size)


# -------------------------------------------------------------------------- negatives

_Negative = Callable[[np.random.Generator, str], np.ndarray]


def _some(rng: np.random.Generator, values: Sequence) -> Any:
    return values[int(rng.integers(len(values)))]


def _any_digit(
    rng: np.random.Generator, split: str, digits: str = "0123456789"
) -> np.ndarray:
    writer = Writer.new(rng, split, (0.05, 0.18))
    return _digit(rng, _some(rng, digits), split, writer).alpha(48)


def _n_letter(rng: np.random.Generator, split: str) -> np.ndarray:
    return strokes_letter(rng, _some(rng, ALPHABET), split)


def _n_printed_letter(rng: np.random.Generator, split: str) -> np.ndarray:
    font = _some(rng, FONTS[_old(split)])
    return _framed(_printed(_some(rng, ALPHABET), font, 48))


def _n_printed_symbol(rng: np.random.Generator, split: str) -> np.ndarray:
    old = _old(split)
    font = "DejaVuSans" if old else "STIXGeneral"
    return _framed(_printed(_some(rng, PRINTED_SYMBOLS[old]), font, 48))


def _n_symbol(rng: np.random.Generator, split: str) -> np.ndarray:
    writer = Writer.new(rng, split, (0.05, 0.16))
    return _framed(_symbol(rng, _some(rng, tuple(SYMBOLS)), writer).alpha(48))


def _n_scribble(rng: np.random.Generator, split: str) -> np.ndarray:
    return _framed(_scribble(rng, Writer.new(rng, split, (0.03, 0.12))).alpha(48))


def _n_lines(rng: np.random.Generator, split: str) -> np.ndarray:
    """Ruled lines, grids and corners that cross the whole field."""
    image = Image.new("L", (128, 128))
    draw = ImageDraw.Draw(image)
    width = int(rng.integers(3, 14))
    slope = rng.normal(0, 4)
    if rng.random() < 0.3:  # a corner
        x, y = rng.uniform(30, 98, 2)
        ends = _some(rng, ((0, 0), (128, 0), (0, 128), (128, 128)))
        draw.line([(ends[0], y), (x, y), (x, ends[1])], fill=255, width=width)
    else:
        # Two lines at least: one alone is a 1.
        step, first = min(50, rng.uniform(2.5, 8) * width), rng.uniform(10, 40)
        both = rng.random() < 0.5
        across = np.arange(first, 128, step)
        if not both:
            across = across[: int(rng.integers(2, 6))]
        for at in across:
            draw.line([(0, at), (128, at + slope)], fill=255, width=width)
            if both:
                draw.line([(at, 0), (at - slope, 128)], fill=255, width=width)
        if not both and rng.random() < 0.5:
            image = image.transpose(Image.Transpose.ROTATE_90)
    return np.asarray(image.resize((64, 64), Image.Resampling.BOX))


def _n_blob(rng: np.random.Generator, split: str) -> np.ndarray:
    rough = ndimage.gaussian_filter(rng.normal(size=(64, 64)), rng.uniform(3, 8))
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    dome = 1.2 - (x**2 + y**2) * rng.uniform(1.5, 4)
    field = rough / rough.std() * rng.uniform(0.2, 0.8) + dome
    return (np.clip(field * 6, 0, 1) * 255).astype(np.uint8)


def _n_texture(rng: np.random.Generator, split: str) -> np.ndarray:
    sigma = rng.uniform(0.3, 3, 2) if _old(split) else rng.uniform(0.2, 6, 2)
    rough = ndimage.gaussian_filter(rng.normal(size=(64, 64)), sigma, mode="wrap")
    rough = rough / rough.std()
    return (np.clip(rough * 0.4 + rng.uniform(-0.2, 0.5), 0, 1) * 255).astype(np.uint8)


def _n_two_digits(rng: np.random.Generator, split: str) -> np.ndarray:
    """Two digits side by side, or one over the other."""
    over = rng.random() < 0.2
    writer = Writer.new(rng, split, (0.05, 0.09 if over else 0.16))
    # One over the other only where neither hides in the other: no 1, no pair of equals,
    # no thick lines, and not right on top.
    names = rng.choice(list("02345679" if over else "0123456789"), 2, replace=not over)
    a, b = (_digit(rng, str(name), split, writer).alpha(48) for name in names)
    wide = a.shape[1] + b.shape[1]
    shift = round(a.shape[1] * rng.uniform(*((0.35, 0.55) if over else (0.75, 1.3))))
    high = max(a.shape[0], b.shape[0])
    canvas = np.zeros((high, wide + 40), np.float32)
    canvas[: a.shape[0], : a.shape[1]] = a
    part = canvas[high - b.shape[0] :, shift : shift + b.shape[1]]
    np.maximum(part, b[:, : part.shape[1]], out=part)
    return _framed(canvas[:, : np.flatnonzero(canvas.max(0))[-1] + 1])


def _n_half(rng: np.random.Generator, split: str) -> np.ndarray:
    """The upper part of a digit, upright or turned.

    Of 0, 2, 3 and 4 it is an arc or two lines; of 5 it may be a 7, of 8 and 9 a 0.
    """
    alpha = _any_digit(rng, split, "0234")
    half = alpha[: max(2, round(alpha.shape[0] * rng.uniform(0.28, 0.4)))]
    return _framed(np.rot90(half, rng.integers(4)), fill=rng.uniform(0.4, 0.75))


def _n_turned(rng: np.random.Generator, split: str) -> np.ndarray:
    """A digit on its side or in a mirror, those that are no digit then."""
    if rng.random() < 0.5:
        return _framed(_any_digit(rng, split, "3679")[:, ::-1])
    return _framed(np.rot90(_any_digit(rng, split, "23457"), _some(rng, (1, 3))))


def _n_clothes(rng: np.random.Generator, split: str) -> np.ndarray:
    images = _others("fashion_mnist", split)
    if images is None:
        return _n_texture(rng, split)
    return np.asarray(Image.fromarray(_some(rng, images)[..., 0]).resize((64, 64)))


def _n_photo(rng: np.random.Generator, split: str) -> np.ndarray:
    """A part of a photograph, light or dark."""
    images = _others("cats_vs_dogs", split)
    if images is None or rng.random() < 0.1:
        cat = _cat()
        side = int(rng.integers(40, 200))
        y, x = (
            rng.integers(0, cat.shape[0] - side),
            rng.integers(0, cat.shape[1] - side),
        )
        picture = Image.fromarray(cat[y : y + side, x : x + side])
    else:
        picture = Image.fromarray(_some(rng, images))
    grey = np.asarray(picture.convert("L").resize((64, 64)))
    return 255 - grey if rng.random() < 0.5 else grey


NEGATIVES: dict[str, tuple[float, _Negative]] = {
    "letter": (6, _n_letter),
    "printed letter": (2, _n_printed_letter),
    "symbol": (3, _n_symbol),
    "printed symbol": (1, _n_printed_symbol),
    "scribble": (2, _n_scribble),
    "lines": (1, _n_lines),
    "blob": (1, _n_blob),
    "texture": (1, _n_texture),
    "two digits": (2, _n_two_digits),
    "half a digit": (1, _n_half),
    "turned digit": (1, _n_turned),
    "clothes": (1, _n_clothes),
    "photograph": (1, _n_photo),
}
"""How much of each family `negatives` draws, and how."""


def negatives(
    split: str, seed: int, n: int, families: Iterable[str] | None = None
) -> np.ndarray:
    """Ink that is no digit, light on black: uint8 (n, 64, 64).

    `families` are names of `NEGATIVES` (all of them by default), which lets a choice be
    measured on families that it has not seen. Letters that read as digits are left out
    (`LETTERS` says which), and so are turned and mirrored digits that may be digits:
    0, 1, 4 and 8 in a mirror, 2 and 5 (each other's mirror images), 0, 1, 6, 8 and 9
    on their side.
    """
    names = sorted(NEGATIVES if families is None else set(families))
    shares = np.array([NEGATIVES[name][0] for name in names], float)
    rng = _seeded("negatives", split, seed)
    chosen = rng.choice(len(names), n, p=shares / shares.sum())
    images = np.empty((n, 64, 64), np.uint8)
    for i, name in enumerate(chosen):
        images[i] = NEGATIVES[names[name]][1](rng, split)
    return images


def _number(text: str) -> int:
    return zlib.crc32(text.encode())


def _seeded(name: str, split: str, seed: int) -> np.random.Generator:
    _old(split)  # refuses an unknown one
    return np.random.default_rng([_number(name), SPLITS.index(split), seed])


# --------------------------------------------------------------------------- textures


def _enlarged(small: np.ndarray, h: int, w: int, smooth: bool = True) -> np.ndarray:
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    return np.asarray(
        Image.fromarray(np.asarray(small, np.float32)).resize((w, h), how)
    )


@functools.lru_cache(maxsize=8)
def _tile(name: str) -> np.ndarray:
    """A texture of 512x512 that repeats without a seam: mean 0, deviation 1."""
    rng = np.random.default_rng(_number(name))
    white = rng.standard_normal((512, 512)).astype(np.float32)
    if name == "white":
        return white
    f = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None])
    f[0, 0] = 1
    spectrum = np.fft.rfft2(white)
    if name == "cloud":
        spectrum *= f**-1.6
    elif name == "pulp":  # paper, of the splits other than "report"
        spectrum *= np.exp(-((f / 0.18) ** 2)) + 0.15 * f**-0.5
    elif name == "fibre":  # paper of "report": threads in a few directions
        field = np.zeros((512, 512), np.float32)
        for angle in rng.uniform(0, np.pi, 9):
            along = np.cos(angle) * np.fft.fftfreq(512)[:, None]
            along = along + np.sin(angle) * np.fft.rfftfreq(512)[None]
            noise = np.fft.rfft2(rng.standard_normal((512, 512)))
            field += np.fft.irfft2(
                noise * np.exp(-((along / 0.06) ** 2) - (f / 0.3) ** 2)
            )
        return ((field - field.mean()) / field.std()).astype(np.float32)
    elif name == "weave":
        y, x = np.mgrid[:512, :512] * (2 * np.pi * 64 / 512)
        cloth = np.maximum(
            np.sin(x) * np.sign(np.sin(y / 2)), np.sin(y) * np.sign(np.sin(x / 2))
        )
        white = cloth.astype(np.float32) + 0.3 * white
        return (white - white.mean()) / white.std()
    field = np.fft.irfft2(spectrum)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def _texture(
    rng: np.random.Generator,
    name: str,
    h: int,
    w: int,
    grain: tuple[float, float] = (1, 1),
) -> np.ndarray:
    """A random part of a texture, enlarged by `grain` (down, across)."""
    tile = _tile(name)
    if rng.random() < 0.5:
        tile = tile[::-1]
    if rng.random() < 0.5:
        tile = tile[:, ::-1]
    n = max(2, math.ceil(h / grain[0])), max(2, math.ceil(w / grain[1]))
    y, x = rng.integers(0, 512, 2)
    part = np.take(
        np.take(tile, np.arange(y, y + n[0]), 0, mode="wrap"),
        np.arange(x, x + n[1]),
        1,
        mode="wrap",
    )
    return part if n == (h, w) else _enlarged(part, h, w, smooth=max(grain) > 4)


def _grid(h: int, w: int, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of every `step`-th pixel, in pixels."""
    return (
        np.linspace(0, h, max(2, h // step), dtype=np.float32)[:, None],
        np.linspace(0, w, max(2, w // step), dtype=np.float32)[None],
    )


def _lamp(
    rng: np.random.Generator, old: bool, h: int, w: int, least: float
) -> np.ndarray:
    """Uneven light: 1 where it is brightest, about `least` where it is darkest."""
    y, x = _grid(h, w, 16)
    if old:
        angle = rng.uniform(0, 2 * np.pi)
        t = np.cos(angle) * (x / w - 0.5) + np.sin(angle) * (y / h - 0.5)
        t = t + rng.uniform(0, 0.5) * t * np.abs(t)
    else:  # a lamp near the sheet
        cy, cx = rng.uniform(-0.3, 1.3, 2)
        t = -(((y / h - cy) ** 2 + (x / w - cx) ** 2) ** rng.uniform(0.4, 1))
        t = t + rng.normal(0, 0.05) * np.sin(3 * x / w + 2 * y / h)
    t = (t - t.min()) / (t.max() - t.min())
    return _enlarged(least + (1 - least) * t, h, w)


def _shade(
    rng: np.random.Generator, old: bool, h: int, w: int, soft: float, depth: float
) -> np.ndarray:
    """The shadow of something: 1 in the light, `depth` in the shade."""
    y, x = _grid(h, w, 8)
    side = max(h, w)
    if old and rng.random() < 0.6:  # a straight edge, a little bent
        angle, offset = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.2)
        d = np.cos(angle) * (x / w - 0.5) + np.sin(angle) * (y / h - 0.5) - offset
        bow = rng.normal(0, 0.4) * (np.sin(angle) * x / w - np.cos(angle) * y / h) ** 2
        d = (d + bow) * side
    elif old:  # a head
        cy, cx = rng.uniform(0, 1, 2)
        ry, rx = rng.uniform(0.25, 0.6, 2)
        r = np.sqrt(((y / h - cy) / ry) ** 2 + ((x / w - cx) / rx) ** 2)
        d = (r - 1) * min(ry * h, rx * w)
    else:  # an arm with fingers or the telephone itself, from the rim
        shape = x.shape[1] * 2, y.shape[0] * 2
        image = Image.new("L", shape)
        draw = ImageDraw.Draw(image)
        angle = rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0.1, 0.55)
        c, s = math.cos(angle), math.sin(angle)
        centre = np.array(shape) / 2 + rng.normal(0, 0.12, 2) * shape
        if rng.random() < 0.5:
            corners = np.array(
                [(0.75 - reach, -0.2), (2, -0.2), (2, 0.25), (0.75 - reach, 0.22)]
            )
            corners = corners + rng.normal(0, 0.04, (4, 2))
            shapes = [corners]
        else:
            shapes = [np.array([(0.3, -0.15), (2, -0.3), (2, 0.3), (0.3, 0.18)])]
            for at in np.linspace(-0.13, 0.14, 4):
                tip = 0.3 - rng.uniform(0.1, 0.4)
                shapes.append(
                    np.array(
                        [
                            (tip, at * 1.6 - 0.03),
                            (0.4, at - 0.04),
                            (0.4, at + 0.04),
                            (tip, at * 1.6 + 0.03),
                        ]
                    )
                )
        for corners in shapes:
            turned = np.stack(
                (
                    corners[:, 0] * c - corners[:, 1] * s,
                    corners[:, 0] * s + corners[:, 1] * c,
                ),
                1,
            )
            draw.polygon([tuple(p) for p in turned * max(shape) + centre], fill=255)
        mask = np.asarray(image) > 0
        d = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
        d = ndimage.gaussian_filter(d.astype(np.float32), 1.5) * 4
    d = _enlarged(d, h, w)
    t = np.clip(d / max(soft, 0.7) * 0.5 + 0.5, 0, 1)
    t = t * t * (3 - 2 * t)
    return depth + (1 - depth) * t


DESKS = {
    True: ("wood", "plain", "cloud"),
    False: ("planks", "weave", "marble"),
}


def _desk(
    rng: np.random.Generator, old: bool, h: int, w: int, tone: tuple[float, float]
) -> np.ndarray:
    """What a sheet lies on: (3, h, w)."""
    kind = _some(rng, DESKS[old])
    level = rng.uniform(*tone)
    brown = np.array([1.12, 0.98, 0.78])
    grey = np.array([1, 1, 1]) + rng.normal(0, 0.04, 3)
    y, x = _grid(h, w, 2)
    if kind == "wood":
        bend = _texture(rng, "cloud", *(y.shape[0], x.shape[1]), (4, 16))
        rings = np.sin(y / h * rng.uniform(20, 60) + 2.5 * bend)
        t = 0.06 * rings + 0.04 * _texture(
            rng, "white", y.shape[0], x.shape[1], (1, 24)
        )
        colour = brown
    elif kind == "planks":
        n = int(rng.integers(3, 7))
        plank = np.floor(y / h * n).astype(int)[:, 0]
        t = np.repeat(rng.normal(0, 0.07, n + 1)[plank][:, None], x.shape[1], 1)
        t = t + 0.07 * _texture(rng, "white", y.shape[0], x.shape[1], (2, 40))
        t = t - 0.3 * ((y / h * n) % 1 < 0.03)
        colour = brown
    elif kind == "weave":
        t = 0.1 * _texture(rng, "weave", y.shape[0], x.shape[1])
        colour = grey + rng.normal(0, 0.1, 3)
    elif kind == "marble":
        vein = np.abs(_texture(rng, "cloud", y.shape[0], x.shape[1], (1.5, 1.5)))
        t = 0.12 * np.minimum(vein, 1.5) - 0.1
        colour = grey
    elif kind == "plain":
        t = 0.02 * _texture(rng, "pulp", y.shape[0], x.shape[1])
        colour = grey + rng.normal(0, 0.08, 3)
    else:
        t = 0.08 * _texture(rng, "cloud", y.shape[0], x.shape[1])
        colour = grey
    field = np.clip(level * (1 + _enlarged(t, h, w, smooth=False)), 0.01, 1)
    return (field * colour.astype(np.float32)[:, None, None]).astype(np.float32)


# ------------------------------------------------------------------------------ scene


@dataclass(frozen=True)
class Photograph:
    """A drawn photograph, and what is on it."""

    kind: str
    image: np.ndarray
    """uint8 (h, w), or (h, w, 3) in colour."""

    text: str
    """"7", "427", "31\\n07" for two lines, "" where there is no digit."""

    boxes: list[tuple[int, int, int, int]]
    """(left, top, right, bottom) of each digit in the order of `text`, in pixels; right
    and bottom are the first pixels outside."""


PENS = {
    # Width in heights of a digit, how much light the ink leaves, grain.
    "pencil": ((0.04, 0.075), (0.25, 0.45), 0.45),
    "ballpoint": ((0.045, 0.08), (0.08, 0.25), 0.12),
    "fineliner": ((0.06, 0.1), (0.03, 0.15), 0.03),
    "felt": ((0.085, 0.13), (0.03, 0.15), 0.05),
    "marker": ((0.13, 0.2), (0.02, 0.12), 0.03),
}
INKS = {
    "black": (1.0, 1.0, 1.0),
    "blue": (0.6, 1.0, 3.6),
    "red": (6.0, 0.9, 1.0),
    "green": (0.8, 3.5, 1.3),
    "violet": (2.6, 0.9, 3.8),
}


@dataclass
class Scene:
    """A sheet that is written on, then lit, then photographed.

    `planes` (3, h, w) is the sheet. `pose` takes the camera's view, of `view` pixels,
    to the sheet. `light` and what follows are on the view, and `shot` applies them.
    """

    rng: np.random.Generator
    split: str
    view: tuple[int, int]
    planes: np.ndarray = field(default_factory=lambda: np.zeros((3, 1, 1), np.float32))
    text: str = ""
    outlines: list[np.ndarray] = field(default_factory=list)
    pose: np.ndarray | None = None
    light: np.ndarray | None = None
    glare: np.ndarray | None = None
    cast: np.ndarray | None = None
    desk: np.ndarray | None = None
    defocus: float = 0.0
    motion: float = 0.0
    noise: float = 0.0
    quality: int = 0
    grey: bool = False

    def __post_init__(self):
        self.h, self.w = self.view
        self.old = _old(self.split)
        self.noise = self.rng.uniform(0.5, 2.5)

    @property
    def unit(self) -> float:
        """A hundredth of the picture's shorter side, in pixels."""
        return min(self.view) / 100

    # The sheet

    def paper(
        self,
        low: float = 0.82,
        high: float = 0.97,
        tint: float = 0.012,
        rough: float = 1.0,
    ) -> None:
        rng = self.rng
        level = rng.uniform(low, high)
        colour = np.clip(level * (1 + rng.normal(0, tint, 3)), 0, 1).astype(np.float32)
        name = "pulp" if self.old else "fibre"
        fine = _texture(rng, name, self.h, self.w)
        broad = _texture(rng, "cloud", self.h // 8 + 2, self.w // 8 + 2)
        broad = _enlarged(broad, self.h, self.w, smooth=False)
        t = fine * (rough * rng.uniform(0.003, 0.012))
        t += broad * (rough * rng.uniform(0, 0.008))
        t += 1
        self.planes = t * colour[:, None, None]

    def ruled(
        self, squared: bool = False, strength: tuple[float, float] = (0.2, 0.5)
    ) -> None:
        rng = self.rng
        spacing = self.unit * (rng.uniform(4, 9) if squared else rng.uniform(7, 14))
        thick = max(0.7, self.unit * rng.uniform(0.15, 0.4))
        colour = _some(
            rng, ((0.55, 0.3, 0.12), (0.4, 0.4, 0.4), (0.5, 0.25, 0.4), (0.2, 0.5, 0.4))
        )
        depth = np.array(colour, np.float32) / 0.5 * rng.uniform(*strength)

        def profile(n: int) -> np.ndarray:
            at = (np.arange(n) - rng.uniform(0, spacing)) % spacing
            line = np.clip((thick + 1) / 2 - np.abs(at - spacing / 2), 0, 1)
            return line.astype(np.float32)

        self.planes *= 1 - depth[:, None, None] * profile(self.h)[:, None]
        if squared:
            self.planes *= 1 - depth[:, None, None] * profile(self.w)
        if not squared and rng.random() < 0.4:  # the margin
            x = int(self.w * rng.uniform(0.05, 0.15))
            self.planes[1:, :, x : x + max(1, round(thick))] *= 0.55

    def bar(self, box: tuple[float, float, float, float], level: float) -> None:
        """A printed line, given by its box in pixels."""
        left, top, right, bottom = (round(v) for v in box)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        if right > 0 and bottom > 0:
            self.planes[:, max(0, top) : bottom, max(0, left) : right] *= level

    # Writing

    def pen(
        self, name: str | None = None, ink: str | None = None, mnist: float = 0.65
    ) -> "Pen":
        rng = self.rng
        name = name or _some(rng, ("ballpoint", "fineliner", "felt", "felt", "marker"))
        width, left, grain = PENS[name]
        if ink is None:
            ink = (
                "black" if name == "pencil" else _some(rng, ("black", "black", "blue"))
            )
        colour = np.array(INKS[ink]) * rng.uniform(*left) * (1 + rng.normal(0, 0.05, 3))
        writer = Writer.new(rng, self.split, width, mnist)
        return Pen(writer, np.clip(colour, 0, 0.95).astype(np.float32), grain)

    def write(
        self,
        text: str,
        pen: "Pen",
        height: float,
        centre: tuple[float, float] = (0.5, 0.5),
        *,
        overlap: tuple[float, float] | None = None,
        gap: tuple[float, float] = (0.12, 0.4),
    ) -> tuple[int, int, int, int]:
        """Write a line of digits; heights in pixels, the centre in parts of the sheet.

        What does not fit is made smaller. Returns the box of the whole.
        """
        rng = self.rng
        lines = [_digit(rng, c, self.split, pen.writer) for c in text]
        sizes = height * (
            1 if len(text) == 1 else rng.normal(1, 0.05, len(text)).clip(0.85, 1.15)
        )
        sizes = np.broadcast_to(sizes, len(text))
        spaces = rng.uniform(*gap, len(text)) * height
        for _ in range(2):
            pieces = [line.alpha(s) for line, s in zip(lines, sizes, strict=True)]
            wide = sum(p.shape[1] for p in pieces) + spaces[1:].sum()
            limit = min(1, 0.86 * self.view[1] / wide)
            if limit == 1:
                break
            sizes, spaces = sizes * limit, spaces * limit
        lefts = [0.0]
        for i in range(1, len(text)):
            before = pieces[i - 1]
            if overlap is None:
                lefts.append(lefts[-1] + before.shape[1] + spaces[i])
            else:
                lefts.append(
                    lefts[-1]
                    + _touch(before, pieces[i])
                    - rng.uniform(*overlap) * height
                )
        total = max(left + p.shape[1] for left, p in zip(lefts, pieces, strict=True))
        x0, y0 = centre[0] * self.w - total / 2, centre[1] * self.h
        boxes = []
        for left, piece in zip(lefts, pieces, strict=True):
            # Those that touch would part again.
            alone = len(text) == 1 or overlap is not None
            drift = 0 if alone else rng.normal(0, 0.03) * height
            at = round(x0 + left), round(y0 - piece.shape[0] / 2 + drift)
            boxes.append(self.put(piece, pen, at))
        self.text += text
        b = np.array(boxes)
        return (*b[:, :2].min(0).tolist(), *b[:, 2:].max(0).tolist())

    def put(
        self, alpha: np.ndarray, pen: "Pen", at: tuple[int, int], digit: bool = True
    ) -> tuple[int, int, int, int]:
        """Lay ink on the sheet; what lies outside is lost."""
        x, y = at
        h, w = alpha.shape
        top, left = max(0, -y), max(0, -x)
        alpha = alpha[top : max(top + 1, self.h - y), left : max(left + 1, self.w - x)]
        y, x = y + top, x + left
        h, w = alpha.shape
        if digit:
            rows = np.flatnonzero((alpha > 0.3).any(1))
            if len(rows):
                inked = alpha[rows] > 0.3
                first, last = inked.argmax(1), w - inked[:, ::-1].argmax(1)
                points = [
                    np.stack((x + first, y + rows), 1),
                    np.stack((x + last, y + rows + 1), 1),
                ]
                self.outlines.append(np.concatenate(points).astype(float))
        part = self.planes[:, y : y + h, x : x + w]
        cover = alpha
        if pen.grain > 0.02 and h > 3 and w > 3:
            rough = _texture(self.rng, "white", h, w, (max(1, self.unit * 0.3),) * 2)
            cover = alpha * np.clip(1 - pen.grain * np.abs(rough), 0.15, 1)
        ink = pen.colour[:, None, None]
        if pen.light:
            part += cover * (ink - part)
        else:
            part *= 1 - cover * (1 - ink)
        return x, y, x + w, y + h

    # Light and camera

    def lit(self, field: np.ndarray) -> None:
        self.light = field if self.light is None else self.light * field

    def lamp(self, least: tuple[float, float] = (0.35, 0.7)) -> None:
        self.lit(_lamp(self.rng, self.old, *self.view, self.rng.uniform(*least)))

    def shadow(
        self, soft: tuple[float, float], depth: tuple[float, float] = (0.35, 0.65)
    ) -> None:
        soft_px = self.rng.uniform(*soft) * self.unit
        self.lit(
            _shade(self.rng, self.old, *self.view, soft_px, self.rng.uniform(*depth))
        )

    def look(self, angle: float = 0.0, keystone: float = 0.0) -> None:
        """Turn the camera (degrees, parts of the sides); call it before `paper`."""
        h, w = self.view
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        corners = np.array([(-w, -h), (w, -h), (w, h), (-w, h)]) / 2
        corners = corners * (1 + keystone * self.rng.uniform(-1, 1, (4, 1)))
        corners = corners @ np.array([(c, s), (-s, c)])
        reach = np.abs(corners).max(0) + 2
        self.w, self.h = (int(v) for v in np.ceil(2 * reach))
        view = np.array([(0, 0), (w, 0), (w, h), (0, h)])
        self.pose = _homography(view, corners + reach)

    def on_desk(self, tone: tuple[float, float], turn: float, keystone: float) -> None:
        """Lay the sheet on a desk; call it before `paper`."""
        rng = self.rng
        h, w = self.view
        self.desk = _desk(rng, self.old, h, w, tone)
        sides = np.array([w, h]) * rng.uniform(0.55, 0.8, 2)
        self.w, self.h = (int(v) for v in np.round(sides))
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * sides / 2
        corners = corners * (1 + keystone * rng.uniform(-1, 1, (4, 1)))
        a = math.radians(rng.uniform(-turn, turn))
        corners = corners @ np.array(
            [(math.cos(a), math.sin(a)), (-math.sin(a), math.cos(a))]
        )
        reach = np.abs(corners).max(0)
        corners = corners * min(1, 0.485 * w / reach[0], 0.485 * h / reach[1])
        room = np.array([w, h]) / 2 - np.abs(corners).max(0)
        corners = corners + np.array([w, h]) / 2 + room * rng.uniform(-0.85, 0.85, 2)
        sheet = np.array([(0, 0), (self.w, 0), (self.w, self.h), (0, self.h)])
        self.pose = _homography(corners, sheet)

    def shot(self, kind: str, scale: float) -> Photograph:
        """What the camera gives."""
        rng = self.rng
        if self.pose is not None:
            self._posed()
        full = np.float32(255)
        levels = self.planes * (full if self.light is None else self.light * full)
        if self.cast is not None:
            levels *= self.cast[:, None, None]
        if self.glare is not None:
            levels += self.glare * full
        if self.grey:
            levels = np.tensordot(np.float32((0.3, 0.59, 0.11)), levels, 1)[None]
        if self.defocus:
            sigma = (0, self.defocus, self.defocus)
            levels = ndimage.gaussian_filter(levels, sigma, truncate=2.2)
        if scale > 1:
            size = round(self.view[0] * scale), round(self.view[1] * scale)
            levels = np.stack([_enlarged(p, *size) for p in levels])
        if self.motion:
            angle, length = rng.uniform(0, 3), self.motion * scale
            levels = np.stack([_smeared(p, length, angle) for p in levels])
        if self.noise:
            h, w = levels.shape[1:]
            levels += self.noise * _texture(rng, "white", h, w)
            if len(levels) == 3 and self.noise > 3:
                for plane in levels:
                    plane += 0.5 * self.noise * _texture(rng, "white", h, w, (2, 2))
        image = _rounded(levels)
        if image.shape[2] == 1:
            image = image[..., 0]
        if self.quality:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "JPEG", quality=self.quality)
            image = np.asarray(Image.open(file))
        return Photograph(kind, image, self.text, self._boxes(image.shape, scale))

    def _posed(self) -> None:
        h, w = self.view
        image = Image.fromarray(_rounded(self.planes * np.float32(255)))
        coefficients = tuple(self.pose.ravel()[:8])
        how = Image.Transform.PERSPECTIVE
        turned = image.transform((w, h), how, coefficients, Image.Resampling.BILINEAR)
        planes = np.asarray(turned).transpose(2, 0, 1) * np.float32(1 / 255)
        if self.desk is not None:
            whole = Image.new("L", image.size, 255)
            mask = whole.transform((w, h), how, coefficients, Image.Resampling.BILINEAR)
            cover = np.asarray(mask, np.float32) / 255
            cover = ndimage.uniform_filter(cover, 3)
            fall = ndimage.gaussian_filter(cover[::4, ::4], self.unit * 0.5)
            fall = _enlarged(fall, h, w, smooth=False)
            off = round(self.unit * self.rng.uniform(0.3, 1.5))
            fall = np.roll(fall, (off, off), (0, 1))
            desk = self.desk * (1 - 0.4 * fall)
            planes = desk + cover * (planes - desk)
        self.planes = planes

    def _boxes(
        self, shape: tuple[int, ...], scale: float
    ) -> list[tuple[int, int, int, int]]:
        boxes = []
        for points in self.outlines:
            if self.pose is not None:
                back = np.linalg.inv(self.pose)
                p = np.concatenate((points, np.ones((len(points), 1))), 1) @ back.T
                points = p[:, :2] / p[:, 2:]
            points = points * scale
            left, top = np.floor(points.min(0) + 1e-6).astype(int).tolist()
            right, bottom = np.ceil(points.max(0) - 1e-6).astype(int).tolist()
            boxes.append(
                (max(0, left), max(0, top), min(shape[1], right), min(shape[0], bottom))
            )
        return boxes


def _rounded(levels: np.ndarray) -> np.ndarray:
    """Planes of levels as pixels, uint8 (h, w, channels); changes its argument."""
    levels += np.float32(0.5)
    np.clip(levels, 0, 255, out=levels)
    image = np.empty((*levels.shape[1:], len(levels)), np.uint8)
    np.copyto(image, levels.transpose(1, 2, 0), casting="unsafe")
    return image


@dataclass
class Pen:
    writer: Writer
    colour: np.ndarray
    """What is left of the light, or the ink's own colour if `light`."""

    grain: float
    light: bool = False


def _touch(a: np.ndarray, b: np.ndarray) -> float:
    """How far right of a's left rim b stands where they just touch, both centred."""
    h = max(len(a), len(b))
    right, left = np.full(h, -1e6), np.full(h, 1e6)
    top = (h - len(a)) // 2
    ink = a > 0.5
    right[top : top + len(a)] = np.where(
        ink.any(1), a.shape[1] - ink[:, ::-1].argmax(1), -1e6
    )
    top = (h - len(b)) // 2
    ink = b > 0.5
    left[top : top + len(b)] = np.where(ink.any(1), ink.argmax(1), 1e6)
    gap = float((right - left).max())
    return gap if gap > -1e5 else a.shape[1]


def _homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The 3x3 matrix that takes four points to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows, float), values), 1).reshape(3, 3)


def _smeared(plane: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Motion blur: the mean along a line of `length` pixels."""
    n = max(2, round(length))
    if abs(math.sin(angle)) < 0.3:
        return ndimage.uniform_filter1d(plane, n, 1)
    if abs(math.cos(angle)) < 0.3:
        return ndimage.uniform_filter1d(plane, n, 0)
    total = np.zeros_like(plane)
    for i in np.linspace(-0.5, 0.5, min(n, 12)):
        dy, dx = round(i * n * math.sin(angle)), round(i * n * math.cos(angle))
        total += np.roll(plane, (dy, dx), (0, 1))
    return total / min(n, 12)


# ------------------------------------------------------------------------------ kinds

_KINDS: dict[str, tuple[str, Callable[[Scene], None]]] = {}


def _kind(name: str, group: str) -> Callable[[Callable[[Scene], None]], Callable]:
    def add(function: Callable[[Scene], None]) -> Callable[[Scene], None]:
        _KINDS[name] = group, function
        return function

    return add


def _one(s: Scene) -> str:
    return str(s.rng.integers(10))


def _number_of(s: Scene, low: int, high: int) -> str:
    return "".join(map(str, s.rng.integers(0, 10, int(s.rng.integers(low, high + 1)))))


def _middle(
    s: Scene, height: tuple[float, float] = (30, 60)
) -> tuple[float, tuple[float, float]]:
    """A height in pixels and a centre, so that the digit is whole in the view."""
    high = s.rng.uniform(*height) * s.unit
    free = np.array(s.view[::-1]) - 1.25 * high
    at = 0.5 * np.array([s.w, s.h]) + free.clip(0) * s.rng.uniform(-0.4, 0.4, 2)
    return high, tuple(at / (s.w, s.h))


def _plain(s: Scene, pen: Pen | None = None, height: tuple[float, float] = (30, 60)):
    """One digit somewhere on the sheet; its box."""
    pen = pen or s.pen()
    high, centre = _middle(s, height)
    return s.write(_one(s), pen, high, centre), pen, high


@_kind("clean scan", "easy")
def _(s: Scene) -> None:
    s.paper(0.9, 1.0, 0.01, 0.5)
    s.grey, s.noise = bool(s.rng.random() < 0.6), 0.5
    _plain(s)


@_kind("tight crop", "easy")
def _(s: Scene) -> None:
    pen = s.pen()
    s.view = s.h, s.w = s.h, round(s.h * s.rng.uniform(0.75, 1.0))
    s.paper()
    s.write(_one(s), pen, s.h * s.rng.uniform(0.78, 0.92))


@_kind("touching the rim", "easy")
def _(s: Scene) -> None:
    s.paper()
    pen = s.pen()
    high = s.rng.uniform(35, 65) * s.unit
    alpha = _digit(s.rng, text := _one(s), s.split, pen.writer).alpha(high)
    h, w = alpha.shape
    x, y = s.rng.integers(0, s.w - w + 1), s.rng.integers(0, s.h - h + 1)
    side = s.rng.integers(6)
    x = {0: 0, 1: s.w - w, 4: 0}.get(int(side), x)
    y = {2: 0, 3: s.h - h, 4: 0}.get(int(side), y)
    if side == 5:
        x, y = s.w - w, s.h - h
    s.put(alpha, pen, (int(x), int(y)))
    s.text = text


@_kind("small in a large page", "easy")
def _(s: Scene) -> None:
    s.paper()
    _plain(s, s.pen(_some(s.rng, ("fineliner", "felt", "marker"))), (6, 12))


@_kind("light ink on dark", "easy")
def _(s: Scene) -> None:
    s.paper(0.04, 0.3, 0.06)
    pen = s.pen(_some(s.rng, ("felt", "marker")))
    pen.light, pen.colour = True, s.rng.uniform(0.75, 1, 3).astype(np.float32)
    _plain(s, pen)


@_kind("uneven light", "hard")
def _(s: Scene) -> None:
    s.paper()
    s.lamp()
    _plain(s)


@_kind("vignette", "hard")
def _(s: Scene) -> None:
    s.paper()
    _plain(s)
    _vignette(s, s.rng.uniform(0.3, 0.65))


def _vignette(s: Scene, depth: float) -> None:
    y, x = _grid(*s.view, 16)
    r = (y / s.view[0] - 0.5) ** 2 + (x / s.view[1] - 0.5) ** 2
    shape = 1 - 2 * depth * r if s.old else 1 / (1 + depth * 2.2 * r) ** 1.5
    s.lit(_enlarged(shape, *s.view))


@_kind("soft shadow", "hard")
def _(s: Scene) -> None:
    s.paper()
    _plain(s)
    s.shadow((8, 25))


@_kind("sharp shadow", "hard")
def _(s: Scene) -> None:
    s.paper()
    _plain(s)
    s.shadow((0.3, 2))


@_kind("two shadows", "hard")
def _(s: Scene) -> None:
    s.paper()
    _plain(s)
    s.shadow((0.5, 6), (0.5, 0.75))
    s.shadow((4, 20), (0.5, 0.75))


PAPERS = (
    (0.98, 0.9, 0.45),
    (0.95, 0.6, 0.7),
    (0.6, 0.8, 0.95),
    (0.6, 0.9, 0.6),
    (0.8, 0.7, 0.5),
)


@_kind("coloured paper", "easy")
def _(s: Scene) -> None:
    s.paper(0.8, 1)
    s.planes *= np.array(_some(s.rng, PAPERS), np.float32)[:, None, None]
    _plain(s)


@_kind("coloured pen", "easy")
def _(s: Scene) -> None:
    s.paper()
    _plain(s, s.pen(None, _some(s.rng, ("blue", "red", "green", "violet"))))


@_kind("ruled paper", "easy")
def _(s: Scene) -> None:
    s.paper()
    s.ruled()
    _plain(s, None, (18, 45))


@_kind("squared paper", "easy")
def _(s: Scene) -> None:
    s.paper()
    s.ruled(squared=True)
    _plain(s, None, (18, 45))


def _underline(s: Scene, box: tuple[int, int, int, int], pen: Pen, high: float) -> None:
    rng = s.rng
    left, _, right, bottom = box
    wide = (right - left) + high * rng.uniform(0.3, 0.9)
    n = 6
    x = np.linspace(0, wide / high, n)
    y = x * rng.normal(0, 0.03) + np.cumsum(rng.normal(0, 0.006, n))
    for i in range(1 + (rng.random() < 0.15)):
        curve = np.stack((x, y + i * 0.12), 1)
        spline = CubicSpline(np.arange(n), curve)(np.linspace(0, n - 1, 60))
        line = _line(rng, [spline], pen.writer, 48)
        alpha = line.alpha(high)
        at = (left + right) / 2 - alpha.shape[1] / 2 + high * rng.normal(0, 0.05)
        below = bottom + high * (rng.uniform(-0.07, 0.12) + 0.12 * i)
        s.put(alpha, pen, (round(at), round(below)), digit=False)


@_kind("underlined", "hard")
def _(s: Scene) -> None:
    s.paper()
    box, pen, high = _plain(s, None, (25, 50))
    _underline(s, box, pen, high)


@_kind("form field", "hard")
def _(s: Scene) -> None:
    """A digit in a printed box or table, often across a line of it."""
    s.paper(0.85, 0.98, 0.02)
    rng, unit = s.rng, s.unit
    high, (cx, cy) = _middle(s, (22, 45))
    cx, cy = cx * s.w, cy * s.h
    thick = max(1, unit * rng.uniform(0.3, 0.7))
    level = rng.uniform(0.1, 0.5)
    half = high * rng.uniform(0.62, 0.9), high * rng.uniform(0.5, 0.8)
    # In one of three a line goes through the digit.
    drift = rng.normal(0, 0.08, 2) * high
    if rng.random() < 0.35:
        drift += high * np.array(
            _some(rng, ((0, 0.3), (0, -0.3), (0.25, 0), (-0.3, 0)))
        )
    x0, x1 = cx - half[1] + drift[0], cx + half[1] + drift[0]
    y0, y1 = cy - half[0] + drift[1], cy + half[0] + drift[1]
    table = rng.random() < 0.5
    ends = (0, s.w, 0, s.h) if table else (x0, x1, y0, y1)
    for y in (y0, y1):
        s.bar((ends[0], y, ends[1], y + thick), level)
    for x in (x0, x1):
        s.bar((x, ends[2], x + thick, ends[3]), level)
    s.write(_one(s), s.pen(), high, (cx / s.w, cy / s.h))


WORDS = (
    "ba",
    "co",
    "du",
    "fe",
    "gi",
    "ha",
    "jo",
    "ku",
    "la",
    "me",
    "ni",
    "po",
    "ra",
    "tu",
)


def _word(rng: np.random.Generator) -> str:
    return "".join(_some(rng, WORDS) for _ in range(int(rng.integers(1, 5))))


def _print(
    s: Scene, x: float, y: float, text: str, height: float, level: float
) -> None:
    alpha = _printed(text, _some(s.rng, FONTS[s.old]), round(height))
    colour = np.full(3, level, np.float32)
    s.put(alpha, Pen(None, colour, 0), (round(x), round(y)), digit=False)


@_kind("receipt", "hard")
def _(s: Scene) -> None:
    """A digit on a creased slip with small print above and below."""
    s.paper(0.85, 0.97, 0.02)
    rng, unit = s.rng, s.unit
    _creases(s, int(rng.integers(1, 4)))
    height = unit * rng.uniform(2, 3.2)
    at = 0.5 * s.h + unit * rng.uniform(-8, 8)
    high = unit * rng.uniform(25, 38)
    left, level = unit * rng.uniform(3, 15), rng.uniform(0.2, 0.5)
    for y in np.arange(unit * 3, s.h - 2 * height, height * 2):
        if abs(y + height / 2 - at) > 0.5 * high + 2.5 * height and rng.random() < 0.85:
            _print(s, left, y, " ".join(_word(rng) for _ in range(4)), height, level)
    s.write(_one(s), s.pen(), high, (rng.uniform(0.35, 0.65), at / s.h))


def _creases(s: Scene, n: int, depth: float = 0.12) -> None:
    """Folds: the sheet is a little darker on one side, with a bright or dark edge."""
    rng = s.rng
    y = np.arange(s.h, dtype=np.float32)[:, None]
    x = np.arange(s.w, dtype=np.float32)[None]
    for _ in range(n):
        flat = rng.random() < 0.5
        slope = rng.normal(0, 0.04)
        if flat:
            d = y - s.h * rng.uniform(0.15, 0.85) - slope * x
        else:
            d = x - s.w * rng.uniform(0.15, 0.85) - slope * y
        side = np.clip(d / s.unit, -1, 1)
        reach = np.exp(-np.abs(d) / (s.unit * rng.uniform(8, 40)))
        field = 1 - depth * rng.uniform(0.3, 1) * (side > 0) * reach
        field -= _some(rng, (-0.06, 0.1)) * np.exp(-((d / (s.unit * 0.35)) ** 2))
        s.planes *= field


@_kind("folded paper", "hard")
def _(s: Scene) -> None:
    s.paper()
    _creases(s, int(s.rng.integers(1, 4)), 0.3)
    _plain(s)


@_kind("sheet on a dark desk", "hard")
def _(s: Scene) -> None:
    s.on_desk((0.03, 0.25), 8, 0.04)
    s.paper()
    s.write(
        _one(s),
        s.pen(),
        min(s.h, s.w) * s.rng.uniform(0.35, 0.6),
        s.rng.uniform(0.42, 0.58, 2),
    )


@_kind("sheet on a wooden desk", "hard")
def _(s: Scene) -> None:
    s.on_desk((0.35, 0.65), 20, 0.06)
    s.paper(0.85, 0.97)
    s.write(
        _one(s),
        s.pen(),
        min(s.h, s.w) * s.rng.uniform(0.35, 0.6),
        s.rng.uniform(0.42, 0.58, 2),
    )
    s.lamp((0.65, 0.9))


@_kind("chalkboard", "easy")
def _(s: Scene) -> None:
    rng = s.rng
    _board(s)
    pen = s.pen(_some(rng, ("felt", "marker")))
    pen.light, pen.grain = True, rng.uniform(0.3, 0.5)
    chalk = np.array(_some(rng, ((1, 1, 1), (1, 1, 0.7), (1, 0.8, 0.85))), np.float32)
    pen.colour = rng.uniform(0.75, 0.98) * chalk
    _plain(s, pen)
    s.lamp((0.6, 0.95))


def _board(s: Scene) -> None:
    """A chalkboard, wiped."""
    rng = s.rng
    s.paper(0.12, 0.3, 0.1)
    tone = np.array(_some(rng, ((0.6, 1, 0.75), (1, 1, 1), (0.8, 0.95, 1))), np.float32)
    s.planes *= tone[:, None, None]
    stretch = (1, 3) if s.old else (4, 1)
    wipe = np.clip(_texture(rng, "cloud", s.h // 4 + 2, s.w // 4 + 2, stretch), -1, 2)
    s.planes += 0.06 * rng.uniform(0.3, 1) * _enlarged(wipe, s.h, s.w)


@_kind("whiteboard", "hard")
def _(s: Scene) -> None:
    rng = s.rng
    s.paper(0.65, 0.85, 0.03, 0.4)
    _plain(s, s.pen(_some(rng, ("felt", "marker")), _some(rng, tuple(INKS))))
    s.lamp((0.6, 0.9))
    y, x = _grid(*s.view, 8)
    cy, cx = rng.uniform(0, 1, 2) * s.view
    ry, rx = rng.uniform(8, 25, 2) * s.unit * ((1, 1) if s.old else (0.5, 3))
    spot = np.exp(-(((y - cy) / ry) ** 2) - ((x - cx) / rx) ** 2)
    s.glare = _enlarged(spot * rng.uniform(0.25, 0.6), *s.view)


@_kind("screen", "easy")
def _(s: Scene) -> None:
    rng = s.rng
    s.paper(0.75, 0.95, 0.03, 0.2)
    pen = s.pen(_some(rng, ("felt", "marker")))
    if rng.random() < 0.35:
        s.planes *= 0.15
        pen.light, pen.colour = True, rng.uniform(0.8, 1, 3).astype(np.float32)
    _plain(s, pen)
    _mesh(s)


def _mesh(s: Scene) -> None:
    """A screen's pixels, and how they beat with those of the camera."""
    rng = s.rng
    y = np.arange(s.h, dtype=np.float32)[:, None]
    x = np.arange(s.w, dtype=np.float32)[None]
    f, (down, across) = 2 * np.pi / rng.uniform(2.1, 4.5), rng.normal(0, 0.02, 2)
    mesh = np.sin(f * (y + down * x)) + np.sin(f * (x + across * y))
    s.planes *= 1 - rng.uniform(0.03, 0.1) * (1 + 0.5 * mesh)
    y, x = _grid(s.h, s.w, 4)
    angle, period = rng.uniform(0, np.pi), s.unit * rng.uniform(1, 3)
    along = np.cos(angle) * x + np.sin(angle) * y + 0.1 * x * y / s.h
    beat = 1 + rng.uniform(0.02, 0.08) * np.sin(along / period)
    s.planes *= _enlarged(beat, s.h, s.w)


@_kind("faint pencil", "easy")
def _(s: Scene) -> None:
    s.paper()
    pen = s.pen("pencil")
    pen.colour = np.full(3, s.rng.uniform(0.4, 0.68), np.float32)
    _plain(s, pen)


@_kind("bold marker", "easy")
def _(s: Scene) -> None:
    s.paper()
    _plain(s, s.pen("marker"))


@_kind("JPEG at quality 10", "easy")
def _(s: Scene) -> None:
    s.paper()
    s.quality = 10
    _plain(s, None, (18, 50))


@_kind("sensor noise", "easy")
def _(s: Scene) -> None:
    s.paper(0.6, 0.9)
    s.noise = s.rng.uniform(10, 28)
    _plain(s)


@_kind("motion blur", "hard")
def _(s: Scene) -> None:
    s.paper()
    _, _, high = _plain(s)
    s.motion = high * s.rng.uniform(0.05, 0.12)


@_kind("out of focus", "easy")
def _(s: Scene) -> None:
    s.paper()
    _, _, high = _plain(s)
    s.defocus = high * s.rng.uniform(0.015, 0.04)


@_kind("tilted", "easy")
def _(s: Scene) -> None:
    s.look(_some(s.rng, (-1, 1)) * s.rng.uniform(5, 15))
    s.paper()
    if s.rng.random() < 0.3:
        s.ruled()
    _plain(s)


@_kind("perspective", "easy")
def _(s: Scene) -> None:
    s.look(s.rng.uniform(-6, 6), s.rng.uniform(0.08, 0.22))
    s.paper()
    if s.rng.random() < 0.4:
        s.ruled(squared=True)
    _plain(s)


@_kind("back side shining through", "easy")
def _(s: Scene) -> None:
    s.paper()
    rng = s.rng
    ghost = s.pen("felt")
    ghost.colour = np.full(3, 1 - rng.uniform(0.06, 0.16), np.float32)
    blur = s.unit * 0.25
    letters = [_letter(rng, _some(rng, ALPHABET), ghost.writer) for _ in range(6)]
    letters = [
        ndimage.gaussian_filter(a.alpha(9 * s.unit)[:, ::-1], blur) for a in letters
    ]
    right, step = s.w - 12 * s.unit, s.unit * rng.uniform(8, 14)
    for y in np.arange(8 * s.unit, s.h - 12 * s.unit, s.unit * rng.uniform(14, 22)):
        for x in np.arange(rng.uniform(0, 12) * s.unit, right, step):
            if rng.random() < 0.4:
                s.put(_some(rng, letters), ghost, (round(x), round(y)), digit=False)
    _plain(s, None, (30, 60))


def _phone(s: Scene) -> None:
    """What a hand-held telephone adds: light, noise, blur and JPEG at once."""
    rng = s.rng
    s.lamp((0.5, 0.85))
    warm = rng.uniform(-0.04, 0.1)
    s.cast = np.array([1 + warm, 1, 1 - warm], np.float32)
    if rng.random() < 0.7:
        s.shadow((1, 12), (0.45, 0.75))
    if rng.random() < 0.4:
        _vignette(s, rng.uniform(0.1, 0.35))
    s.noise = rng.uniform(2, 8)
    s.defocus = s.unit * rng.uniform(0.05, 0.35)
    s.quality = int(rng.integers(40, 90))


@_kind("phone", "hard")
def _(s: Scene) -> None:
    s.look(s.rng.uniform(-10, 10), s.rng.uniform(0, 0.12))
    s.paper(0.75, 0.95, 0.05)
    choice = s.rng.random()
    if choice < 0.45:
        s.ruled(squared=choice < 0.25)
    _plain(s, None, (20, 50))
    _phone(s)


@_kind("phone, sheet on a desk", "hard")
def _(s: Scene) -> None:
    s.on_desk((0.04, 0.55), 12, 0.08)
    s.paper(0.8, 0.97)
    s.write(
        _one(s),
        s.pen(),
        min(s.h, s.w) * s.rng.uniform(0.35, 0.6),
        s.rng.uniform(0.42, 0.58, 2),
    )
    _phone(s)


# Numbers


def _number_line(
    s: Scene, text: str, height: tuple[float, float] = (18, 36), y: float | None = None
):
    pen = s.pen()
    high = s.rng.uniform(*height) * s.unit
    high = min(high, s.view[1] * 1.1 / len(text))
    at = s.rng.uniform(0.46, 0.54), y or s.rng.uniform(0.35, 0.65)
    return s.write(text, pen, high, at), pen, high


@_kind("number", "numbers")
def _(s: Scene) -> None:
    s.paper()
    _number_line(s, _number_of(s, 2, 8))


@_kind("two lines of numbers", "numbers")
def _(s: Scene) -> None:
    s.paper()
    pen = s.pen()
    high = s.rng.uniform(16, 26) * s.unit
    middle = s.rng.uniform(0.48, 0.52)
    for i in range(2):
        text = _number_of(s, 1 if i else 2, 6)
        size = min(high, s.view[1] * 1.1 / len(text))
        y = middle + (i - 0.5) * s.rng.uniform(1.5, 1.8) * high / s.h
        s.write(text, pen, size, (s.rng.uniform(0.45, 0.55), y))
        s.text += "" if i else "\n"


@_kind("underlined number", "numbers")
def _(s: Scene) -> None:
    s.paper()
    box, pen, high = _number_line(s, _number_of(s, 2, 6))
    _underline(s, box, pen, high)


@_kind("number on ruled paper in shadow", "numbers")
def _(s: Scene) -> None:
    s.paper()
    s.ruled()
    _number_line(s, _number_of(s, 2, 6))
    s.shadow((1, 12), (0.45, 0.7))


@_kind("number by phone", "numbers")
def _(s: Scene) -> None:
    s.look(s.rng.uniform(-8, 8), s.rng.uniform(0, 0.08))
    s.paper(0.75, 0.95)
    _number_line(s, _number_of(s, 2, 5))
    _phone(s)


@_kind("touching pair", "touching")
def _(s: Scene) -> None:
    s.paper()
    high, centre = _middle(s, (25, 50))
    s.write(_number_of(s, 2, 2), s.pen(), high, centre, overlap=(0.015, 0.09))


# No digit


@_kind("blank, white", "blanks")
def _(s: Scene) -> None:
    s.paper(0.8, 1)


@_kind("blank, shaded", "blanks")
def _(s: Scene) -> None:
    s.paper()
    s.lamp()


@_kind("blank, shadow", "blanks")
def _(s: Scene) -> None:
    s.paper()
    s.shadow((0.3, 15))


@_kind("blank, ruled", "blanks")
def _(s: Scene) -> None:
    s.paper()
    s.ruled()
    s.lamp((0.6, 1))


@_kind("blank, squared", "blanks")
def _(s: Scene) -> None:
    s.paper()
    s.ruled(squared=True)
    s.lamp((0.6, 1))


@_kind("blank, desk", "blanks")
def _(s: Scene) -> None:
    s.planes = _desk(s.rng, s.old, s.h, s.w, (0.05, 0.65))
    s.lamp((0.6, 1))


@_kind("blank, sheet on a desk", "blanks")
def _(s: Scene) -> None:
    s.on_desk((0.05, 0.6), 12, 0.05)
    s.paper()
    _phone(s)


@_kind("blank, folded", "blanks")
def _(s: Scene) -> None:
    s.paper()
    _creases(s, int(s.rng.integers(1, 4)), 0.3)


@_kind("blank, chalkboard", "blanks")
def _(s: Scene) -> None:
    _board(s)
    s.lamp((0.6, 0.95))


@_kind("blank, screen", "blanks")
def _(s: Scene) -> None:
    s.paper(0.1, 0.95, 0.03, 0.2)
    _mesh(s)


@_kind("blank, noise", "blanks")
def _(s: Scene) -> None:
    s.paper(0.2, 0.9)
    s.noise = s.rng.uniform(10, 40)


@_kind("letter", "non-digits")
def _(s: Scene) -> None:
    s.paper()
    _shape(s, lambda w: _letter(s.rng, _some(s.rng, ALPHABET), w))


@_kind("symbol", "non-digits")
def _(s: Scene) -> None:
    s.paper()
    _shape(s, lambda w: _symbol(s.rng, _some(s.rng, tuple(SYMBOLS)), w))


@_kind("scribble", "non-digits")
def _(s: Scene) -> None:
    s.paper()
    _shape(s, lambda w: _scribble(s.rng, w))


def _shape(s: Scene, draw: Callable[[Writer], _Line], lit: bool = True) -> None:
    pen = s.pen()
    high, (cx, cy) = _middle(s)
    alpha = draw(pen.writer).alpha(high)
    at = round(cx * s.w - alpha.shape[1] / 2), round(cy * s.h - alpha.shape[0] / 2)
    s.put(alpha, pen, at, digit=False)
    if lit and s.rng.random() < 0.3:
        s.lamp((0.5, 0.9))


@_kind("letter by phone", "non-digits")
def _(s: Scene) -> None:
    s.look(s.rng.uniform(-10, 10), s.rng.uniform(0, 0.1))
    s.paper(0.75, 0.95)
    if s.rng.random() < 0.4:
        s.ruled()
    _shape(s, lambda w: _letter(s.rng, _some(s.rng, ALPHABET), w), lit=False)
    _phone(s)


@_kind("printed letter", "non-digits")
def _(s: Scene) -> None:
    s.paper()
    high = s.rng.uniform(25, 55) * s.unit
    text = _some(s.rng, ALPHABET)
    _print(
        s,
        s.w * s.rng.uniform(0.1, 0.5),
        s.h * s.rng.uniform(0.1, 0.4),
        text,
        high,
        0.15,
    )


@_kind("word", "non-digits")
def _(s: Scene) -> None:
    s.paper()
    rng = s.rng
    if rng.random() < 0.4:
        _print(s, s.w * 0.15, s.h * 0.4, _word(rng), s.unit * rng.uniform(12, 22), 0.15)
        return
    pen = s.pen()
    high = rng.uniform(14, 24) * s.unit
    x = s.w * rng.uniform(0.05, 0.2)
    for _ in range(int(rng.integers(3, 6))):
        alpha = _letter(
            rng, _some(rng, [c for c in LETTERS if c.islower()]), pen.writer
        ).alpha(high)
        s.put(alpha, pen, (round(x), round(s.h * 0.5 - alpha.shape[0])), digit=False)
        x += alpha.shape[1] + rng.uniform(-0.02, 0.15) * high


def _shown(s: Scene, picture: np.ndarray) -> None:
    """A picture that fills the view."""
    image = Image.fromarray(picture).resize((s.w, s.h), Image.Resampling.BICUBIC)
    s.planes = np.asarray(image.convert("RGB"), np.float32).transpose(
        2, 0, 1
    ) / np.float32(255)


@_kind("cat", "non-digits")
def _(s: Scene) -> None:
    """A part of the package's photograph."""
    cat, rng = _cat(), s.rng
    h = round(cat.shape[0] * rng.uniform(0.45, 1))
    w = min(cat.shape[1], round(h * s.w / s.h))
    y, x = rng.integers(0, cat.shape[0] - h + 1), rng.integers(0, cat.shape[1] - w + 1)
    part = cat[y : y + h, x : x + w]
    _shown(s, part[:, ::-1] if rng.random() < 0.5 else part)
    s.lit(np.full(s.view, rng.uniform(0.6, 1), np.float32))


@_kind("cat or dog", "non-digits")
def _(s: Scene) -> None:
    images = _others("cats_vs_dogs", s.split)
    if images is None:
        _KINDS["cat"][1](s)
        return
    side = min(s.view)
    s.view = s.h, s.w = side, side
    _shown(s, _some(s.rng, images))


@_kind("piece of clothing", "non-digits")
def _(s: Scene) -> None:
    """One of Fashion-MNIST, dark on paper or light on dark."""
    s.paper()
    images = _others("fashion_mnist", s.split)
    if images is None:
        _shape(s, lambda w: _scribble(s.rng, w))
        return
    alpha = _some(s.rng, images)[..., 0].astype(np.float32) / 255
    high = round(s.rng.uniform(35, 80) * s.unit)
    alpha = np.clip(_enlarged(alpha, high, high), 0, 1)
    dark = Pen(None, s.rng.uniform(0.05, 0.4, 3).astype(np.float32), 0)
    if s.rng.random() < 0.3:
        s.planes *= 0.1
        dark.light, dark.colour = True, dark.colour + 0.5
    s.put(
        alpha,
        dark,
        (round((s.w - high) * s.rng.uniform(0, 1)), (s.h - high) // 2),
        digit=False,
    )


@_kind("texture", "non-digits")
def _(s: Scene) -> None:
    s.planes = _desk(s.rng, s.old, s.h, s.w, (0.3, 0.7))
    field = ndimage.gaussian_filter(s.rng.normal(size=(48, 64)), s.rng.uniform(0.5, 4))
    s.planes *= 1 + 0.25 * _enlarged(field / field.std(), s.h, s.w)


KINDS = tuple(_KINDS)


def _group(name: str) -> frozenset[str]:
    return frozenset(kind for kind, (group, _) in _KINDS.items() if group == name)


EASY = _group("easy")
"""One digit, where `prepare_digit` and mnist_cnn/mnist alone misread at most one of 40.

Measured on the first 40 seeds of "report".
"""

HARD = _group("hard")
"""One digit, where they misread more."""

NUMBERS = _group("numbers")
"""Several digits that do not touch."""

TOUCHING = _group("touching")
BLANKS = _group("blanks")
NON_DIGITS = _group("non-digits")


def photograph(
    kind: str, seed: int, split: str = "report", scale: float = 1.0
) -> Photograph:
    """One drawn photograph, the same for the same arguments.

    Args:
        kind: One of `KINDS`.
        seed: Any whole number from 0.
        split: "train", "validation" or "report".
        scale: How much larger than about 640x480 it is: 7 gives 15 megapixels.

    Returns:
        The picture, with its text and boxes.
    """
    if kind not in _KINDS:
        raise ValueError(f"`kind` must be one of {KINDS}. Received: {kind!r}")
    rng = _seeded(kind, split, seed)
    # Larger pictures are drawn at most at twice the size, then enlarged: a lens and a
    # sensor of so many pixels show no more than that.
    drawn = min(max(scale, 0.1), 2.0)
    long = rng.uniform(560, 720) * drawn
    short = long * (rng.uniform(0.7, 0.8) if _old(split) else rng.uniform(0.62, 0.85))
    view = (round(short), round(long))
    if rng.random() < 0.3:
        view = view[::-1]
    scene = Scene(rng, split, view)
    _KINDS[kind][1](scene)
    return scene.shot(kind, scale / drawn)


def own() -> dict[Path, str]:
    """The pictures of `OWN`, and what each shows."""
    paths = sorted(path for path in OWN.glob("*") if path.is_file())
    texts = (re.match(r"none|[0-9+]+", path.name) for path in paths)
    return {
        path: text[0].replace("none", "").replace("+", "\n")
        for path, text in zip(paths, texts, strict=True)
        if text
    }


def sheet(
    pictures: Sequence[Photograph], columns: int = 6, size: int = 220
) -> Image.Image:
    """A contact sheet: the pictures with their boxes, kinds and texts."""
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * size, rows * (size + 14)), "white")
    draw = ImageDraw.Draw(whole)
    for i, p in enumerate(pictures):
        x, y = i % columns * size, i // columns * (size + 14)
        image = Image.fromarray(p.image).convert("RGB")
        marks = ImageDraw.Draw(image)
        for left, top, right, bottom in p.boxes:
            marks.rectangle((left, top, right - 1, bottom - 1), outline="red")
        image.thumbnail((size - 4, size - 4))
        whole.paste(image, (x, y + 13))
        text = p.text.replace("\n", " / ")
        draw.text(
            (x + 2, y + 1),
            f"{p.kind}: {text}",
            fill="black",
            font=_font("DejaVuSans.ttf", 10),
        )
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT.png")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        metavar="K",
        help="24 of this kind; default: one of each",
    )
    parser.add_argument("--split", choices=SPLITS, default="report")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    args = parser.parse_args()
    kinds = [args.kind] * 24 if args.kind else KINDS
    seeds = range(args.seed, args.seed + 24) if args.kind else [args.seed] * len(kinds)
    sheet(
        [photograph(k, n, args.split) for k, n in zip(kinds, seeds, strict=True)]
    ).save(args.out)


if __name__ == "__main__":
    main()
