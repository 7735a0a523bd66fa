"""The layer that CONTRIBUTING.md shows keeps the contract."""

import importlib
import re
from pathlib import Path

import oracles
import pytest
from comparisons import image
from contract import (
    BACKEND,
    assert_close,
    keeps_the_contract,
    starts_soonest,
    to_numpy,
)

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"


def block_with(text):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (block,) = [block for block in blocks if text in block]
    return block


@pytest.fixture(scope="module")
def range_pool(tmp_path_factory):
    """The class, in a module that another process can import too."""
    folder = tmp_path_factory.mktemp("sixth")
    (folder / "range_pool.py").write_text(block_with("class RangePool"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("range_pool").RangePool


@starts_soonest
def test_it_keeps_the_contract_as_the_page_says(range_pool, capsys):
    """All of it: a fresh process on another backend too."""
    names = {"RangePool": range_pool}
    exec(compile(block_with("check_layer(RangePool"), PAGE.name, "exec"), names)
    assert "0 failed" in capsys.readouterr().out


@pytest.mark.parametrize("rank", [2, 3])
def test_it_keeps_the_contract_on_every_backend(range_pool, rank):
    if rank == 3 and BACKEND not in ("numpy", "torch"):
        pytest.skip("it compiles every layer, and one rank shows it")
    # Keras's own `maximum` narrows float64 on the other backends.
    float64 = BACKEND in ("tensorflow", "jax")
    keeps_the_contract(range_pool, image(rank), float64=float64)


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


def test_it_is_about_twenty_lines():
    body = block_with("class RangePool")
    body = body[body.index("class RangePool") :]
    assert len([line for line in body.splitlines() if line.strip()]) <= 25
