"""What is built and installed: complete, and usable outside the checkout."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from kerasconv import backends
from kerasconv.models import cards

pytestmark = pytest.mark.once

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist, built from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    code = (
        "import sys; from hatchling import build;"
        "build.build_wheel(sys.argv[1]); build.build_sdist(sys.argv[1])"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def names_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_modules_zoo_tutorials_and_the_typing_marker(built):
    held = names_of(built[0])
    modules = {str(p.relative_to(CHECKOUT)) for p in CHECKOUT.glob("kerasconv/**/*.py")}
    zoo = {
        f"kerasconv/zoo/{p.relative_to(CHECKOUT / 'models')}"
        for p in CHECKOUT.glob("models/*/*")
    }
    lessons = {
        f"kerasconv/lessons/{p.name}" for p in CHECKOUT.glob("tutorials/[0-9]*.py")
    }
    assert lessons
    assert modules | zoo | lessons <= held
    # Of tutorials/ nothing else: the site is built from a clone.
    assert lessons == {name for name in held if "lessons/" in name}
    assert {"kerasconv/py.typed", "kerasconv/_digits.npz", "kerasconv/NOTICE"} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_wheel_holds_nothing_else(built):
    tops = {name.split("/")[0] for name in names_of(built[0])}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"kerasconv"}


def test_the_wheel_holds_only_whole_models(built):
    for name in names_of(built[0]):
        assert not Path(name).name.startswith(".")


def test_the_sdist_holds_code_models_and_tests(built):
    with tarfile.open(built[1]) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "tests/conftest.py"} <= held
    assert {f"models/{name}.keras" for name in cards()} <= held


def distributions_of(requirement, extras=()):
    """Everything that a requirement pulls in, as pip would resolve it here."""
    from packaging.requirements import Requirement

    todo, found = [(requirement, frozenset(extras))], {}
    while todo:
        name, wanted = todo.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if wanted <= found.get(key, set()) and key in found:
            continue
        found[key] = found.get(key, set()) | wanted
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for text in requires:
            required = Requirement(text)
            marks = [{"extra": extra} for extra in found[key]] or [{"extra": ""}]
            if required.marker is None or any(map(required.marker.evaluate, marks)):
                todo.append((required.name, frozenset(required.extras)))
    return found.keys() - {"kerasconv"}


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A fresh environment with the wheel, one backend, and what these require.

    Nothing is downloaded: the requirements are linked in from this environment,
    and only those that the wheel's own metadata asks for.
    """
    backend = next(n for n in ("jax", "openvino", "tensorflow", "torch")
                   if n in backends.installed())  # fmt: skip
    home = tmp_path_factory.mktemp("fresh")
    venv.create(home, with_pip=False, symlinks=True)
    site = next(home.glob("lib/python*/site-packages"))
    extra = backends.BACKENDS[backend].extra
    for name in distributions_of("kerasconv", [extra]):
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            top = file.parts[0]
            target = Path(importlib.metadata.distribution(name).locate_file(top))
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(target.resolve())
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet",
         "--target", site, built[0]],
        check=True,
        capture_output=True,
    )  # fmt: skip
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "KERAS", "VIRTUAL_ENV", "TFDS"))
    }
    clean["KERAS_HOME"] = str(home / "keras")

    def run(*command):
        return subprocess.run(
            [home / "bin" / "python", *command],
            capture_output=True,
            text=True,
            cwd=home,
            env=clean,
        )

    return backend, run


def test_the_installed_wheel_predicts_outside_the_checkout(installed):
    backend, run = installed
    done = run("-m", "kerasconv", "predict", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 64
    where = run("-c", "import kerasconv; print(kerasconv.__file__)").stdout
    assert str(CHECKOUT / "kerasconv") not in where
    assert "site-packages" in where
    listed = run("-m", "kerasconv", "backends").stdout
    assert f"{backend} would run: the first one installed" in listed


def test_the_installed_wheel_has_only_the_backend_that_was_asked_for(installed):
    backend, run = installed
    for other in ("tensorflow", "torch", "openvino", "jax"):
        if other != backend:
            assert run("-c", f"import {other}").returncode == 1
    assert run("-c", "import pytest").returncode == 1


def test_the_installed_wheel_asks_for_a_missing_backend_by_its_extra(installed):
    _, run = installed
    done = run("-m", "kerasconv", "predict", "--backend", "torch")
    assert done.returncode == 1
    assert 'pip install "kerasconv[torch]"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_installed_wheel_says_that_the_site_is_built_from_a_clone(installed):
    _, run = installed
    done = run("-m", "kerasconv.docs", "site")
    assert done.returncode == 1
    assert "built from a clone" in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_package_that_the_code_imports_is_a_requirement():
    imported = set()
    for path in CHECKOUT.glob("kerasconv/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    imported -= {"kerasconv", *sys.stdlib_module_names}
    # h5py is how Keras itself stores weights.
    known = {"h5py": "keras", "PIL": "pillow"}
    wanted = {known.get(name, name.replace("_", "-")) for name in imported}
    stated = importlib.metadata.requires("kerasconv")
    assert wanted <= {re.match(r"[\w-]+", text)[0] for text in stated}


def test_every_extra_that_a_message_names_exists():
    extras = importlib.metadata.metadata("kerasconv").get_all("Provides-Extra")
    assert {*extras} == {
        "tensorflow", "jax", "torch", "openvino", "data", "docs", "export",
        "test", "all",
    }  # fmt: skip
    for path in CHECKOUT.glob("kerasconv/**/*.py"):
        for named in re.findall(r"kerasconv\[([\w,]+)\]", path.read_text()):
            assert set(named.split(",")) <= {*extras}
