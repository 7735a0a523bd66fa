"""Which backend runs, and why; imports of the package start none."""

import json
import os
import pkgutil
import subprocess
import sys

import pytest

import kerasconv
from kerasconv import backends, data
from kerasconv.errors import KerasconvError, UsageError

pytestmark = pytest.mark.once


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a choice of backends, and no wishes of its user."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)

    class Machine:
        def has(self, *modules):
            monkeypatch.setattr(backends, "_found", lambda name: name in modules)

        def environment(self, name):
            monkeypatch.setenv("KERAS_BACKEND", name)

        def keras_json(self, text):
            (tmp_path / "keras.json").write_text(text)

    machine = Machine()
    machine.has("tensorflow", "jax", "jaxlib", "torch", "openvino")
    return machine


def test_the_first_installed_runs_if_nobody_chose(machine):
    machine.has("torch", "openvino")
    choice = backends.choose()
    assert choice.name == "torch"
    assert choice.reason == "the first one installed"


def test_keras_json_comes_before_the_first_installed(machine):
    machine.keras_json(json.dumps({"backend": "jax"}))
    choice = backends.choose()
    assert choice.name == "jax"
    assert "keras.json" in choice.reason


def test_keras_json_that_names_a_missing_backend_does_not_count(machine):
    machine.has("jax", "jaxlib")
    machine.keras_json(json.dumps({"backend": "tensorflow"}))
    choice = backends.choose()
    assert choice.name == "jax"
    assert "says tensorflow, which is not installed" in choice.reason


def test_without_a_home_the_first_installed_runs(machine, monkeypatch, tmp_path):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(backends.Path, "home", no_home)
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert backends.choose().reason == "the first one installed"
    assert data._places(None)[1] == tmp_path / ".keras" / "datasets"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"backend": 3}'])
def test_a_broken_keras_json_does_not_count(machine, text):
    machine.keras_json(text)
    assert backends.choose().name == "tensorflow"


def test_the_environment_comes_before_keras_json(machine):
    machine.keras_json(json.dumps({"backend": "jax"}))
    machine.environment("torch")
    choice = backends.choose()
    assert (choice.name, choice.reason) == (
        "torch",
        "the environment variable KERAS_BACKEND",
    )


def test_the_option_comes_before_the_environment(machine):
    machine.environment("torch")
    assert backends.choose("openvino").name == "openvino"


def test_nothing_installed_says_how_to_install(machine):
    machine.has()
    with pytest.raises(KerasconvError, match="pip install tensorflow "):
        backends.choose()


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("tensorflow", "tensorflow"),
        ("torch", "torch"),
        ("jax", "jax"),
        ("openvino", "openvino"),
        ("numpy", "jax"),
    ],
)
def test_a_missing_backend_says_how_to_install_it(machine, name, extra):
    machine.has()
    for ask in (lambda: backends.choose(name), lambda: self_chosen(machine, name)):
        with pytest.raises(KerasconvError) as caught:
            ask()
        assert str(caught.value).endswith(f"pip install {extra}")
        assert caught.value.exit_status == 1


def self_chosen(machine, name):
    machine.environment(name)
    return backends.choose()


def test_an_unknown_backend_is_a_usage_error_that_names_the_known(machine):
    with pytest.raises(UsageError, match="tensorflow, jax, torch, openvino, numpy"):
        backends.choose("theano")
    machine.environment("theano")
    with pytest.raises(UsageError, match="KERAS_BACKEND"):
        backends.choose()


def test_numpy_needs_jax_for_its_convolutions(machine):
    machine.has("tensorflow")
    assert backends.installed() == ["tensorflow"]
    machine.has("jax", "jaxlib")
    assert backends.installed() == ["jax", "numpy"]


def test_another_backend_than_the_running_one_is_refused():
    import keras  # which settles it

    running = backends.activate()
    assert running == keras.backend.backend()
    other = next(name for name in backends.BACKENDS if name != running)
    assert backends.activate(running) == running
    with pytest.raises(KerasconvError, match=f"already runs on {running}"):
        backends.activate(other)


HEAVY = ["keras", "tensorflow", "jax", "torch", "openvino"]


# That which a process imports soonest, where it is no matter which.
QUICK = ("numpy", "jax", "openvino", "torch", "tensorflow")


def quickest():
    return min(backends.installed(), key=QUICK.index)


def loaded(code, *modules):
    """Which of the modules a fresh process has imported after running the code."""
    probe = (
        f"{code}\nimport sys; print([m for m in {list(modules)} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        env={**os.environ, "KERAS_BACKEND": quickest()},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1].replace("'", '"'))


@pytest.mark.parametrize(
    "code",
    [
        "import kerasconv",
        "import kerasconv.models, kerasconv.backends, kerasconv.data, kerasconv.errors",
        "from kerasconv.models import cards; cards()",
        "import kerasconv.cli",
        "from kerasconv.cli import app\ntry: app(['--help'])\nexcept SystemExit: pass",
        "from kerasconv.cli import app\ntry: app(['list'])\nexcept SystemExit: pass",
    ],
)
def test_no_backend_is_imported_before_it_is_needed(code):
    assert loaded(code, *HEAVY) == []


def test_importing_the_package_imports_not_even_numpy():
    assert loaded("import kerasconv", "numpy", "PIL", "rich", "typer") == []


@pytest.mark.parametrize(
    "code",
    [
        "import kerasconv.layers, keras",
        "import keras, kerasconv.layers",
        "from importlib.util import find_spec; import kerasconv; find_spec('keras')\n"
        "import keras; kerasconv.layers",
        "from kerasconv.models import mnist_cnn; mnist_cnn(weights=None); import keras",
    ],
)
def test_importing_the_layers_registers_them_whatever_is_imported_first(code):
    code += "\nassert keras.saving.get_registered_object('kerasconv>SobelConv')"
    assert loaded(code, "kerasconv.layers") == ["kerasconv.layers"]


def test_importing_the_package_changes_nothing_of_the_process_that_keras_does_not(
    tmp_path,
):
    """Nobody names the backend: the package settles it, and leaves no trace of that."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": quickest()}))
    state = "[dict(os.environ), os.getcwd(), sys.path, str(list(map(signal.getsignal, "
    state += "signal.valid_signals()))), threading.active_count()]"
    modules = [m.name for m in pkgutil.walk_packages(kerasconv.__path__, "kerasconv.")]
    # Each backend's own file needs that backend.
    alone = ("__main__", "window.backends.", "compiled.")
    modules = [m for m in modules if not any(part in m for part in alone)]
    settled, found = {"KERAS_BACKEND", *backends.OURS}, []
    for code in ("import keras", f"import {', '.join(modules)}"):
        code = f"import json, os, signal, sys, threading\n{code}\n"
        done = subprocess.run(
            [sys.executable, "-c", code + f"print(json.dumps({state}))"],
            env={
                **{k: v for k, v in os.environ.items() if k not in settled},
                "KERAS_HOME": str(tmp_path),
            },
            capture_output=True,
            check=True,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert found[1] == found[0]


def test_importing_the_package_changes_no_import():
    code = "import sys; before = [*sys.meta_path]; import kerasconv\n"
    assert loaded(code + "assert sys.meta_path == before", *HEAVY) == []


def test_without_any_backend_the_command_line_says_what_to_install():
    hide = (
        "import kerasconv.backends as b, sys; b._found = lambda name: False\n"
        "import os; os.environ.pop('KERAS_BACKEND', None)\n"
        "from kerasconv.cli import main; sys.argv = ['kerasconv', 'predict']; main()"
    )
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "pip install tensorflow" in done.stderr
