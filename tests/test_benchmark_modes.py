"""What a benchmark times on each backend: complete results, wherever they come from."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import _backends as backends

IMAGE = np.ones((1, 4, 4, 1), np.float32)


@pytest.fixture
def waits(backend, monkeypatch):
    """How often the backend was asked to wait for a GPU, which is made up."""
    asked = []
    if backend == "tensorflow":
        import tensorflow as tf

        monkeypatch.setattr(
            tf.test.experimental, "sync_devices", lambda: asked.append(1)
        )
    elif backend == "jax":
        import jax

        wait = jax.block_until_ready
        monkeypatch.setattr(
            jax, "block_until_ready", lambda x: asked.append(1) or wait(x)
        )
    elif backend == "torch":
        import torch

        monkeypatch.setattr(torch.cuda, "synchronize", lambda: asked.append(1))
    else:
        pytest.skip(f"{backend} computes on no GPU here")
    monkeypatch.setattr(backends, "gpu", True)
    return asked


def test_every_call_that_is_timed_waits_for_the_gpu(backend, waits):
    x = backends.native(IMAGE, backend)

    def double(x):
        return 2 * x

    calls = [backends.copying(IMAGE, backend).call]
    calls += [backends.forward(double, x, backend, "eager")]
    calls += [backends.backward(double, x, x, backend, "eager")]
    for count, call in enumerate(calls, 1):
        call()
        assert len(waits) == count


def test_a_copy_on_the_gpu_is_the_array_in_memory_of_its_own(backend, waits):
    copy = backends.copying(IMAGE, backend)
    assert copy.error(copy.call()) == 0


def test_what_has_no_gpu_is_told_so_and_measures_nothing(backend, monkeypatch):
    if backend not in backends.TRAINS:
        pytest.skip(f"{backend} computes on no GPU here")
    monkeypatch.setattr(backends, "_sees_gpu", lambda name: False)
    with pytest.raises(SystemExit, match=f"{backend} sees no GPU"):
        backends.take_gpu(backend)
    assert not backends.gpu
