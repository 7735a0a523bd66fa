"""The progress bar of the tutorials: one line, wherever it is drawn."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kerasconv import backends
from kerasconv.tutorials import progress_bar

pytestmark = pytest.mark.skipif(
    not backends.BACKENDS[backends.activate()].trains, reason="training needs gradients"
)


@pytest.fixture
def train():
    """Trains a tiny network: two epochs of three batches."""
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    x = np.ones((6, 2), "float32")
    bar = progress_bar(batches_shown=1)
    return lambda: model.fit(
        x, x[:, :1], batch_size=2, epochs=2, verbose=0, callbacks=[bar]
    )


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_plain_script_gets_a_line_an_epoch(train, capsys):
    train()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1 of 2 [##########..........] ")
    assert second.startswith("epoch 2 of 2 [####################] ")
    assert "loss" in second


def test_a_terminal_has_one_line_redrawn_in_place(train, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    train()
    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    states = text.split("\r")[1:]
    assert len(states) > 6  # each batch, each epoch
    assert states[0].startswith("epoch 1 of 2 [###.")
    assert states[-1].startswith("epoch 2 of 2 [####################]")
    assert len({len(state.rstrip("\n")) for state in states}) == 1  # no rest of a line


def test_a_notebook_has_one_output_that_is_updated(train, monkeypatch, capsys):
    sent = []

    def publish(data, *, transient, update):
        sent.append((data["text/plain"], transient["display_id"], update))

    shell = SimpleNamespace(display_pub=SimpleNamespace(publish=publish))
    monkeypatch.setitem(
        sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell)
    )
    train()
    assert [update for _, _, update in sent] == [False] + [True] * (len(sent) - 1)
    assert len({name for _, name, _ in sent}) == 1
    assert sent[-1][0].startswith("epoch 2 of 2 [####################]")
    assert not capsys.readouterr().out

    first_run = sent[-1][1]
    train()
    assert sent[-1][1] != first_run  # a second call of fit has an output of its own
