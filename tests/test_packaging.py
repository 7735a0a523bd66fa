"""What is built and installed: complete, and usable outside the checkout."""

import ast
import email
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from kerasconv import backends, tutorials
from kerasconv.models import cards

pytestmark = pytest.mark.once

CHECKOUT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
KINDS = ("keras", "toml")  # what the zoo holds of each model


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist, built from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    code = (
        # pip builds where nothing is but what the project's build-system asks for.
        "import sys; sys.modules.update(numpy=None, keras=None);"
        "from hatchling import build;"
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


def test_the_wheel_holds_modules_zoo_notebooks_and_the_typing_marker(built):
    held = names_of(built[0])
    modules = {str(p.relative_to(CHECKOUT)) for p in CHECKOUT.glob("kerasconv/**/*.py")}
    zoo = {f"kerasconv/zoo/{name}.{kind}" for name in cards() for kind in KINDS}
    lessons = {
        f"kerasconv/lessons/{p.stem}.ipynb" for p in CHECKOUT.glob("tutorials/[0-9]*")
    }
    assert lessons
    assert modules <= held
    # Nothing else of models/ and tutorials/: pages and pictures are for a checkout.
    assert zoo == {name for name in held if "/zoo/" in name}
    assert lessons == {name for name in held if "/lessons/" in name}
    assert {"kerasconv/py.typed", "kerasconv/_digits.npz", "kerasconv/NOTICE"} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_wheel_is_small(built):
    assert built[0].stat().st_size <= 3_500_000


def words_of(code):
    """What JavaScript or CSS says: its texts as they are, without spaces and comments.

    A regular expression may be taken for something else, the same in both files.
    """
    texts = [rf"{quote}(?:\\.|[^{quote}\\])*{quote}" for quote in "\"'`"]
    words = re.findall("|".join([r"//[^\n]*", r"/\*.*?\*/", *texts, r"\S"]), code, re.S)
    return [word for word in words if not word.startswith(("//", "/*"))]


def test_the_live_page_in_the_wheel_is_the_same_program_without_comments(built):
    saved = 0
    with zipfile.ZipFile(built[0]) as archive:
        for path in sorted(CHECKOUT.glob("kerasconv/play/page/*")):
            ours = path.read_text("utf-8")
            theirs = archive.read(f"kerasconv/play/page/{path.name}").decode()
            assert words_of(theirs) == words_of(ours), path.name
            saved += len(ours) - len(theirs)
    assert saved > 30_000


def test_the_cards_in_the_wheel_say_what_those_of_the_checkout_say(built):
    with zipfile.ZipFile(built[0]) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))
        for path in sorted(CHECKOUT.glob("models/*/*.toml")):
            name = path.relative_to(CHECKOUT / "models").as_posix()
            held = archive.read(f"kerasconv/zoo/{name}").decode()
            assert tomllib.loads(held) == tomllib.loads(path.read_text("utf-8")), name


def test_the_notebooks_in_the_wheel_are_those_of_the_checkout(built, tmp_path):
    with zipfile.ZipFile(built[0]) as archive:
        for path in tutorials.copy_notebooks(tmp_path / "made"):
            held = archive.read(f"kerasconv/lessons/{path.name}")
            made = json.loads(path.read_text("utf-8"))
            for cell in made["cells"]:
                cell["source"] = "".join(cell["source"])
            assert json.loads(held) == made, path.name


def test_the_description_on_an_index_has_the_readmes_words_and_no_dead_link(built):
    with zipfile.ZipFile(built[0]) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/METADATA"))
        text = archive.read(name).decode().partition("\n\n")[2]
    targets = re.findall(r"\]\(([^)]*)\)", text)
    assert targets
    assert all(target.startswith("https://") for target in targets)
    assert "## A layer in six lines" in text
    assert "A layer of your own is twenty lines." in text


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


def requirements_of(wheel):
    """What the wheel's own metadata asks for; this environment's may be older."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name)).get_all("Requires-Dist")


def distributions_of(requirements, extras=()):
    """The names of all that requirements pull in, as pip would resolve them here."""
    from packaging.requirements import Requirement

    def wanted(texts, extras):
        for required in map(Requirement, texts):
            marks = [{"extra": extra} for extra in extras or [""]]
            if required.marker is None or any(map(required.marker.evaluate, marks)):
                yield required.name, frozenset(required.extras)

    todo, found = [*wanted(requirements, extras)], {}
    while todo:
        name, asked = todo.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if asked <= found.get(key, set()) and key in found:
            continue
        found[key] = found.get(key, set()) | asked
        try:
            texts = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        todo += wanted(texts, found[key])
    return found.keys()


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
    for name in distributions_of(requirements_of(built[0]), [extra]):
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


def test_the_installed_wheel_says_how_to_install_a_missing_backend(installed):
    _, run = installed
    done = run("-m", "kerasconv", "predict", "--backend", "torch")
    assert done.returncode == 1
    assert done.stderr.endswith("pip install torch\n")
    assert done.stderr.count("\n") == 1


def test_the_installed_wheel_says_that_the_site_is_built_from_a_clone(installed):
    _, run = installed
    done = run("-m", "kerasconv.docs", "site")
    assert done.returncode == 1
    assert "built from a clone" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_installed_wheel_writes_a_live_page_that_opens(
    installed, browser, tmp_path
):
    _, run = installed
    done = run("-m", "kerasconv", "play", "--out", str(tmp_path / "page"))
    assert done.returncode == 0, done.stderr
    tab = browser.new_page()
    tab.goto(done.stdout.strip() + "#digit=18")
    assert tab.locator("#answers .best b").inner_text() == "3"
    tab.close()


def test_the_installed_wheel_lists_its_models(installed):
    _, run = installed
    listed = run("-m", "kerasconv", "list")
    assert listed.returncode == 0, listed.stderr
    for name in cards():
        assert name in listed.stdout


def test_the_installed_wheel_copies_its_notebooks_without_jupytext(installed, tmp_path):
    _, run = installed
    assert run("-c", "import jupytext").returncode == 1
    copied = run("-m", "kerasconv", "tutorials", "--copy", str(tmp_path / "lessons"))
    assert copied.returncode == 0, copied.stderr
    written = sorted((tmp_path / "lessons").iterdir())
    assert [path.stem for path in written] == [
        path.stem for path in sorted(CHECKOUT.glob("tutorials/[0-9]*.py"))
    ]
    for path in written:
        assert json.loads(path.read_text("utf-8"))["cells"]
    (title,) = re.findall("^1 +(.+?) {2,}", run("-m", "kerasconv", "tutorials").stdout,
                          re.MULTILINE)  # fmt: skip
    assert title == tutorials.list_tutorials()[0].title


# What a library uses that depends on the layers alone.
ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"{name} is not to be imported", name=name)

sys.meta_path.insert(0, Blocked())

from kerasconv import layers
from kerasconv.digits import load_digits
from kerasconv.models import mnist_cnn
from kerasconv.predict import Predictor

images, labels = load_digits()
for layer in (
    layers.FixedConv([[1.0, -1.0]]), layers.PrewittConv(), layers.SobelConv(),
    layers.LearnedConv(4, 3), layers.LpPool(p=3.0), layers.L2Pool(),
    layers.WeightedPool(),
):
    assert layer(images).shape[0] == 64, layer
model = mnist_cnn()
answers = Predictor(model)(images)
print((answers.argmax(axis=1) == labels).sum())
"""


def test_layers_network_and_predictor_need_only_keras_numpy_and_a_backend():
    # JAX itself needs SciPy, so it comes last; so does Keras on OpenVINO.
    backend = next((n for n in ("torch", "tensorflow", "jax")
                    if n in backends.installed()), None)  # fmt: skip
    if backend is None:
        pytest.skip("needs one of torch, tensorflow, jax")
    needed = distributions_of(["keras", "numpy", *EXTRAS[backend]])
    asked = [*PROJECT["dependencies"], *EXTRAS["data"], *EXTRAS["train"], "jupytext"]
    others = {re.match(r"[\w-]+", text)[0] for text in asked}
    others -= {"kerasconv", *needed}
    assert {"typer", "pillow", "matplotlib", "tomli-w"} < others
    known = {"pillow": "PIL"}
    modules = [known.get(name, name.replace("-", "_")) for name in others]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *modules],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) == 59


# ----------------------------------------------------- what the project says of itself


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
    stated = [*PROJECT["dependencies"], *(t for some in EXTRAS.values() for t in some)]
    assert wanted <= {re.match(r"[\w-]+", text)[0] for text in stated}


def test_no_message_names_an_extra_of_a_release_that_may_not_be_there():
    for path in CHECKOUT.glob("kerasconv/**/*.py"):
        assert not re.search(r"kerasconv\[\w", path.read_text("utf-8")), path


def test_messages_inside_python_speak_of_arguments_not_of_options():
    options = re.compile(
        r"""["' (]--(backend|data-dir|download|force|resume|trust|model|save)\b"""
    )
    for path in CHECKOUT.glob("kerasconv/**/*.py"):
        if path.parent.name == "cli" or path.name == "page.py":
            continue
        strings = (
            node.value
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        # Docstrings may name the command: a message is of one line.
        for text in strings:
            assert "\n" in text or not options.search(text), (path, text)


def test_every_dependency_has_a_lowest_version_that_ci_can_try():
    for text in [*PROJECT["dependencies"], *EXTRAS["jax"]]:
        assert re.fullmatch(r"[\w.-]+>=[\w.]+", text), text


def test_one_version_of_ruff_checks_the_style():
    (pinned,) = (text for text in EXTRAS["test"] if text.startswith("ruff=="))
    hooks = (CHECKOUT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"rev: v(.+)", hooks) == [pinned.removeprefix("ruff==")]


def test_the_workflow_runs_what_ci_runs_on_pythons_that_are_promised():
    workflow = (CHECKOUT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert "- run: .ci/run\n" in workflow
    tried = re.search(r"python: \[(.+)\]", workflow)[1].replace('"', "").split(", ")
    promised = [text.rpartition(" ")[2] for text in PROJECT["classifiers"]
                if text.startswith("Programming Language :: Python :: 3.")]  # fmt: skip
    assert {*tried} <= {*promised}
    assert PROJECT["requires-python"] == f">={promised[0]}"


def test_the_citation_says_what_the_package_does():
    yaml = pytest.importorskip("yaml")
    cited = yaml.safe_load((CHECKOUT / "CITATION.cff").read_text("utf-8"))
    assert cited["title"] == PROJECT["name"]
    assert " AND ".join(cited["license"]) == PROJECT["license"]
    assert cited["authors"] == PROJECT["authors"]
