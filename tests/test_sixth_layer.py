"""The layer that CONTRIBUTING.md shows keeps the contract."""

import re
from pathlib import Path

import numpy as np
import oracles
import pytest
from contract import (
    BACKEND,
    TRAINS,
    assert_close,
    check_gradient,
    check_layer,
    to_numpy,
)

SHAPES = {1: (2, 9, 3), 2: (2, 8, 7, 2), 3: (2, 5, 6, 4, 2)}


@pytest.fixture(scope="module")
def range_pool():
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (block,) = [b for b in blocks if "class RangePool" in b][:1]
    names = {"__name__": __name__}
    exec(compile(block, "CONTRIBUTING.md", "exec"), names)
    return names["RangePool"]


def image(rank):
    return np.random.default_rng(0).normal(size=SHAPES[rank]).astype("float32")


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_it_keeps_the_contract(range_pool, rank):
    # Keras's own `maximum` narrows float64 on the other backends.
    keeps_float64 = BACKEND in ("tensorflow", "jax")
    check_layer(range_pool, image(rank), keeps_float64=keeps_float64)
    if TRAINS and keeps_float64:
        check_gradient(range_pool, image(rank))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_it_is_the_largest_minus_the_smallest_value(range_pool, rank, padding):
    x = image(rank)
    expected = oracles.each_channel(
        lambda i: oracles.range_pool(
            i, (3,) * rank, strides=2, padding=padding, mode="edge"
        ),
        x,
    )
    assert_close(to_numpy(range_pool(3, 2, padding)(x)), expected)


def test_it_is_about_twenty_lines(range_pool):
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
    body = text[text.index("class RangePool") :].partition("```")[0]
    assert len([line for line in body.splitlines() if line.strip()]) <= 25
