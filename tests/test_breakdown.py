"""The commands that show what bounds a missed target, on small arrays and untimed."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import _harness as harness
import breakdown
import breakdown_pools

PAGE = Path(__file__).parent / "benchmarks" / "README.md"


@pytest.fixture
def backend():
    return keras.backend.backend()


def test_what_bounds_the_pools_runs_and_has_right_values(backend, monkeypatch):
    groups = getattr(breakdown_pools, backend, None)
    if groups is None:
        pytest.skip("only of backends that train")
    sizes = {"SMALL": (2, 6, 7, 1), "LARGE": (1, 12, 13, 3), "MANY": (2, 7, 6, 4)}
    for name, shape in (sizes | {"BIAS": (1, 5, 5, 2)}).items():
        monkeypatch.setattr(breakdown_pools, name, shape)
    checked = 0
    for title, contenders in groups():
        if not title.startswith("compiled"):  # each takes a C++ compiler seconds
            harness.check(contenders, 1e-4)
            checked += len(contenders)
    assert checked > 10


def test_a_wrong_pool_is_not_timed(backend, monkeypatch):
    if backend != "jax":
        pytest.skip("one backend will do")
    import jax.numpy as jnp

    wrong = breakdown_pools.programs((1, 4, 4, 1), 2, "jax", sum, lambda x: 2 * x)
    with pytest.raises(harness.WrongValueError, match="their roots"):
        harness.check(wrong, 1e-4)
    right = breakdown_pools.programs((1, 4, 4, 1), 2, "jax", sum, jnp.sqrt)
    harness.check(right, 1e-4)


def test_the_slices_that_torch_differentiates_are_as_many_as_the_page_says(backend):
    if backend != "torch":
        pytest.skip("only torch differentiates slice by slice")
    import torch

    x = torch.zeros(4, 8, requires_grad=True)
    assert breakdown.sliced(x[1:] + x[:-1]) == 2 * [4 * 32 / 2**20]
    assert len(breakdown.nodes(x[1:] + x[:-1])) == 4  # a sum, two slices, what adds up

    from kerasconv import layers

    image = torch.rand(1, 2048, 2048, 1, requires_grad=True)
    found = breakdown.sliced(layers.SobelConv(output="magnitude")(image))
    said = f"{len(found)} slices, whose gradients are {sum(found):.0f} MiB in all"
    assert said in " ".join(PAGE.read_text("utf-8").split())
    # Each is as large as the image, some with a border about it.
    np.testing.assert_allclose(found, 4 * image.numel() / 2**20, rtol=0.01)
