"""README and its sister pages are true: code runs, commands exist, links resolve."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasconv import cli, layers
from kerasconv.models import cards
from kerasconv.pictures import example_photo
from kerasconv.tutorials import list_tutorials

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "README.md"
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("models/**/README.md"),
                CHECKOUT / "tests" / "benchmarks" / "README.md"])  # fmt: skip

# The modules that each backend needs; those of the others are hidden below.
MODULES = {
    "tensorflow": {"tensorflow"},
    "jax": {"jax", "jaxlib"},
    "torch": {"torch"},
    "openvino": {"openvino"},
}
WITHOUT = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, *rest):
        if name.partition(".")[0] not in {hidden}:
            return self.finder.find_spec(name, *rest)

sys.meta_path[:] = map(Without, sys.meta_path)
"""


def blocks(page, language):
    return re.findall(
        rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL
    )


def table(page, head):
    """The rows, cell by cell, of the table whose first column has that head."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf"^\| {head} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in found[1].splitlines()
    ]


# ---------------------------------------------------------------------------- code


@pytest.mark.skipif(
    keras.backend.backend() not in MODULES, reason="comes with another backend"
)
def test_the_python_of_the_readme_runs_where_one_backend_alone_is_installed(tmp_path):
    backend = keras.backend.backend()
    hidden = set().union(*MODULES.values()) - MODULES[backend]
    start = WITHOUT.format(hidden=hidden)
    environment = {"KERAS_HOME": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
    inherited = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    # Each with names of its own, as if it stood alone.
    code = [f"exec({block!r}, {{}})" for block in blocks(README, "python")]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([start, *code])],
        cwd=tmp_path,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "(8, 64, 64, 3) (None, 32, 32, 6)" in done.stdout
    assert "True  True  True" in done.stdout


@pytest.mark.once
def test_each_python_of_the_readme_has_six_lines():
    for code in blocks(README, "python"):
        assert len([line for line in code.splitlines() if line.strip()]) == 6


def commands(page):
    """What a page says to call: the words after `kerasconv`, without comments."""
    text = page.read_text(encoding="utf-8")
    lines = "\n".join(blocks(page, "sh")).splitlines()
    lines += re.findall(r"`(kerasconv [^`]+)`", text)
    for line in lines:
        words = line.split("#")[0].split()
        if words and words[0] == "kerasconv":
            yield tuple(words[1:])


def call(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["kerasconv", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


@pytest.mark.once
def test_the_five_commands_of_the_readme_run(tmp_path, monkeypatch, capsys):
    from PIL import Image

    from kerasconv.digits import load_digits

    monkeypatch.chdir(tmp_path)
    digit = load_digits()[0][0, ..., 0]
    Image.fromarray(np.uint8(255 - 255 * digit)).save("digit.png")
    Image.open(example_photo()).save("photo.jpg")
    (shown,) = [block for block in blocks(README, "sh") if block.count("\n") == 5]
    for line in shown.splitlines():
        words = line.split("#")[0].split()
        assert words[0] == "kerasconv"
        status, told = call(words[1:], monkeypatch), capsys.readouterr().err
        if words[1] == "compare" and "data set mnist" in told:
            assert status == 1
            assert "--download" in told  # a machine without the data set
        else:
            assert status == 0, (line, told)
    made = {path.name for path in tmp_path.iterdir()}
    assert {"edges.png", "maps.png", "lessons"} <= made


@pytest.mark.once
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_every_command_that_a_page_names_exists_with_its_options(
    page, monkeypatch, capsys
):
    for words in set(commands(page)):
        names = [word for word in words if not word.startswith("-")][:1]
        assert call([*names, "--help"], monkeypatch) == 0, words
        helped = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert option in helped, words


@pytest.mark.once
def test_the_two_commands_do_all_their_set_up():
    predict, test = (
        line
        for block in blocks(README, "sh")
        for line in block.splitlines()
        if line.startswith("python3 -m venv")
    )
    assert predict.endswith("kerasconv predict")
    assert '".[test]"' in test
    assert test.endswith("pytest")


# -------------------------------------------------------------------------- claims


@pytest.mark.once
def test_the_table_of_layers_has_every_layer():
    named = {row[0].strip("`") for row in table(README, "layer")}
    assert named == set(layers.__all__) - {"Window", "WindowLayer"}


@pytest.mark.once
def test_keras_has_the_op_but_none_of_our_layers():
    assert hasattr(keras.ops.image, "sobel_edges")
    for name in dir(keras.layers):
        assert not re.search("sobel|prewitt|lp_?pool|l2_?pool", name, re.IGNORECASE)


@pytest.mark.once
def test_what_the_readme_says_of_other_libraries_holds():
    rows = {row[0].strip("`"): row[-1] for row in table(README, "from")}
    x = np.random.default_rng(0).random((9, 11)).astype("float32")
    ours = {}
    for name, code in rows.items():
        layer = eval(code.strip("`"), vars(layers))
        result = keras.ops.convert_to_numpy(layer(x[None, ..., None]))
        ours[name.partition("(")[0]] = result[0, :, :, 0]

    ndimage = pytest.importorskip("scipy.ndimage")
    filters = pytest.importorskip("skimage.filters")
    cv2 = pytest.importorskip("cv2")
    kornia = pytest.importorskip("kornia")
    torch = pytest.importorskip("torch")

    def close(name, theirs):
        np.testing.assert_allclose(ours.pop(name), theirs, atol=1e-5)

    close("scipy.ndimage.sobel", ndimage.sobel(x, 0))
    close("skimage.filters.sobel_h", filters.sobel_h(x))
    close("cv2.Sobel", cv2.Sobel(x, -1, 1, 0))
    theirs = kornia.filters.spatial_gradient(torch.tensor(x[None, None]))
    assert theirs.shape == (1, 1, 2, 9, 11)
    close(
        "kornia.filters.spatial_gradient",
        np.moveaxis(theirs[0, 0, [1, 0]].numpy(), 0, -1),
    )
    if keras.backend.backend() == "openvino":  # for which Keras has none
        return
    inside = (slice(1, -1), slice(1, -1))  # the border differs by backend
    ours["keras.ops.image.sobel_edges"] = ours["keras.ops.image.sobel_edges"][inside]
    theirs = keras.ops.image.sobel_edges(x[None, ..., None])
    assert theirs.shape == (1, 9, 11, 1, 2)
    close(
        "keras.ops.image.sobel_edges",
        keras.ops.convert_to_numpy(theirs)[0, :, :, 0][inside],
    )
    assert not ours, "a row without a test"


@pytest.mark.once
def test_the_course_is_listed_as_it_is():
    listed = re.findall(
        r"^1\. \[(.+)\]\(tutorials/(.+)\)$", README.read_text("utf-8"), re.MULTILINE
    )
    assert listed == [(lesson.title, lesson.path.name) for lesson in list_tutorials()]


@pytest.mark.once
def test_the_model_called_best_on_corrupted_digits_is():
    corrupted = {
        name: card.facts["corruptions"]["mean"]
        for name, card in cards().items()
        if "corruptions" in card.facts
    }
    (best,) = [row[0] for row in table(README, "model") if "best on" in row[1]]
    assert best.strip("`") == max(corrupted, key=corrupted.get)


@pytest.mark.once
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_no_line_begins_with_a_figures_marker(page):
    # Markdown would take the rest of the paragraph for HTML.
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"^<!-- [^>]+ -->[^\n]", text, re.MULTILINE)


@pytest.mark.once
def test_the_pythons_of_the_readme_are_those_of_the_package():
    project = tomllib.loads(CHECKOUT.joinpath("pyproject.toml").read_text())["project"]
    declared = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    listed = [row[0] for row in table(README, "Python")]
    assert re.findall(r"3\.\d+", ", ".join(listed)) == declared


@pytest.mark.once
def test_the_readme_is_short():
    assert len(README.read_bytes()) < 7250


# --------------------------------------------------------------------------- links


def anchors(page):
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.once
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_every_link_and_picture_in_the_checkout_exists(page):
    for target in re.findall(r"\]\(([^)\s]+)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


@pytest.mark.once
def test_the_top_level_holds_nothing_else():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    tops = {name.split("/")[0] for name in listed.stdout.split()}
    assert {top for top in tops if not top.startswith(".")} <= {
        "pyproject.toml", "kerasconv", "models", "tests", "tutorials", "README.md",
        "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "SECURITY.md",
    }  # fmt: skip
