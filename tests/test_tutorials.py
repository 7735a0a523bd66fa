"""Every tutorial runs, says what the course page says, and travels as a notebook."""

import ast
import re
import runpy
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasconv import backends, cli, plotting, tutorials
from kerasconv.errors import KerasconvError, UsageError

CHECKOUT = Path(__file__).resolve().parents[1]
SCRIPTS = {path.stem[:2]: path for path in sorted(tutorials.folder().glob("[0-9]*.py"))}
TEXTS = {number: path.read_text("utf-8") for number, path in SCRIPTS.items()}


def refuse(*_):
    raise AssertionError("a tutorial must not use the network")


def figures_have_words(figures):
    """Each figure, an alternative text and a caption, says what it shows."""
    assert figures
    for alt, caption in figures:
        assert len(alt) > 40
        assert len(caption) > 15
        assert alt != caption
        assert alt.endswith(".")
    assert len({alt for alt, _ in figures}) == len(figures)


class Run:
    """A tutorial that has run: what it left behind and the figures that it showed."""

    def __init__(self, number, folder):
        self.number = number
        self.figures = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KERASCONV_FAST", "1")
            patch.chdir(folder)
            patch.setattr(plotting, "show", self.show)
            patch.setattr(socket.socket, "connect", refuse)
            self.names = runpy.run_path(str(SCRIPTS[number]), run_name="__main__")

    def show(self, figure, *, alt, caption):
        figure.draw_without_rendering()
        self.figures.append((alt, caption))

    def __getitem__(self, name):
        return self.names[name]


# Pages that state no number of the course's, and take longest, to train or to start
# every backend: the site's build runs them, as it does all, and `test_site` looks at
# their figures.
ON_THE_SITE = ("07", "09", "10")


# Short pages show that the course runs on any backend; NumPy, which compiles nothing,
# runs the others, and PyTorch that which trains (as it does all, in the site's build).
READERS = {"01": "jax", "02": "openvino", "05": "torch", "08": "tensorflow"}


def reader(number):
    """The installed backend that a tutorial is run on here, if one can run it."""
    stated = re.search(r"^#\s+backends: (.+)$", TEXTS[number], re.MULTILINE)
    names = backends.installed()
    able = [name for name in names if not stated or name in stated[1].split()]
    wanted = READERS.get(number, "numpy")
    return wanted if wanted in able else next(iter(able), None)


@pytest.fixture(scope="module", params=[n for n in SCRIPTS if n not in ON_THE_SITE])
def run(request, tmp_path_factory):
    """Each tutorial, run once in this process."""
    number = request.param
    if backends.activate() != (name := reader(number)):
        pytest.skip(f"{SCRIPTS[number].name} runs on {name or 'another backend'}")
    return Run(number, tmp_path_factory.mktemp("tutorial"))


# What the course page and the package's answers to it name, by tutorial and name.
NUMBERS = {
    "01": {
        "x": [0, 0, 2, 5, 5, 3, 3, 4],
        "kernel": [-1, 1],
        "first": 0,
        "second": 0,
        "y": [0, 0, 2, 3, 0, -2, 0, 1],
        "lifted": [10, 0, 2, 3, 0, -2, 0, 1],
        "ahead": [0, 2, 3, 0, -2, 0, 1, -4],
        "every_second": [0, 2, 0, 0],
        "sizes": [28, 26, 13, 11, 5],
        "by_correlation": [1, 2, 4],
        "by_convolution": [4, 2, 1],
    },
    "02": {
        "prewitt": [[-1, 0, 1]] * 3,
        "sobel": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        "in_a_row": 2,
        "in_a_window": 6,
    },
    "03": {
        "dense": {2: 16_010, 1: 77_450, 0: 368_650},
        "table": {
            "one strong pixel": [8, 2, 8],
            "four strong pixels": [8, 8, 16],
            "four weak pixels": [2, 2, 4],
        },
        "weighted": [4, 1],
    },
    "04": {
        "sizes": [28, 26, 13, 11, 5],
        "by_arithmetic": {
            "conv2d": 320,
            "max_pooling2d": 0,
            "conv2d_1": 18_496,
            "max_pooling2d_1": 0,
            "flatten": 0,
            "dropout": 0,
            "dense": 16_010,
        },
        "total": 34_826,
        "counted": [320, 18_496, 0, 368_650],
    },
    "05": {
        "y": [0.5, 2, 2.5],
        "loss": 6.25,
        "by_hand": [10.5, 6.5],
        "automatic": [10.5, 6.5],
        "found": [-1, 1],
    },
    "06": {
        "dense_weights": 16_981_120,
        "sparse_weights": 216_320,
        "convolution_weights": 320,
        "conv_bytes": 1_280,
        "dense_bytes": 67_924_480,
    },
    "08": {"midrange": [[2.5, 4.5], [10.5, 12.5]]},
}


def test_it_runs_and_shows_figures_with_words(run):
    figures_have_words(run.figures)


def test_its_numbers_are_those_of_the_page(run):
    for name, expected in NUMBERS.get(run.number, {}).items():
        if isinstance(expected, dict):
            assert run[name] == expected, name
        else:
            np.testing.assert_allclose(run[name], expected, atol=1e-5, err_msg=name)


# The scripts as texts ---------------------------------------------------------------

once = pytest.mark.once


def cells(number):
    """The cells of a script: (kind and tags, text)."""
    parts = re.split(r"^# %%(.*)\n", TEXTS[number], flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def prose(number):
    return re.sub(
        r"^# ?", "", "".join(t for k, t in cells(number) if "[markdown]" in k),
        flags=re.MULTILINE,
    )  # fmt: skip


@once
def test_the_tutorials_are_numbered_in_the_order_of_reading():
    assert list(SCRIPTS) == [f"{i:02}" for i in range(1, 11)]


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_it_opens_with_what_one_learns_and_how_long_it_takes(number):
    kind, text = cells(number)[0]
    assert "[markdown]" in kind
    assert re.search(r"^# # \S", text, re.MULTILINE)
    assert "**What you will learn.**" in text
    assert "**Reading time:**" in text
    assert re.search(r"page is built|site is built", text)


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_its_reading_time_is_believable(number):
    minutes = re.search(r"\*\*Reading time:\*\* (\d+) minutes", TEXTS[number])[1]
    words = len(prose(number).split())
    code = sum(t.count("\n") for k, t in cells(number) if "[markdown]" not in k)
    # Two hundred words of prose, or thirty lines of code, in a minute.
    estimate = words / 200 + code / 30
    assert 0.5 * estimate <= int(minutes) <= 1.5 * estimate


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_it_has_exercises_whose_answers_are_hidden_and_run(number):
    kinds = cells(number)
    answers = [i for i, (_, text) in enumerate(kinds) if "<details>" in text]
    assert len(answers) >= 2
    for i in answers:
        assert "<summary>Answer</summary>" in kinds[i][1]
        assert "</details>" in kinds[i][1]
        assert 'tags=["hide-cell"]' in kinds[i + 1][0]
        assert "assert" in kinds[i + 1][1]


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_it_ends_with_a_link_to_the_next(number):
    last = " ".join(re.sub(r"^# ?", "", cells(number)[-1][1], flags=re.M).split())
    following = f"{int(number) + 1:02}"
    if following in SCRIPTS:
        title = tutorials.list_tutorials()[int(number)].title
        name = SCRIPTS[following].name
        assert re.search(rf"\*\*Next:\*\* \[(.+)\]\({name}\)", last), name
        assert title.startswith(re.search(r"\[(.+?)\]", last)[1])
    else:
        assert "**Next:**" not in last


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_its_links_lead_somewhere(number):
    for target in re.findall(r"\]\(([^)#]+)\)", prose(number)):
        if not target.startswith("https://"):
            assert (CHECKOUT / "tutorials" / target).exists(), target


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_its_code_is_for_every_backend(number):
    script = ast.parse(TEXTS[number])
    for node in ast.walk(script):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [getattr(node, "module", None) or "", *(a.name for a in node.names)]
            assert not any("._" in name or name.startswith("_") for name in names)
            tops = {name.partition(".")[0] for name in names}
            if node in script.body:  # elsewhere a condition may ask for the backend
                assert not tops & {"tensorflow", "jax", "torch", "openvino"}


@once
def test_the_layer_written_there_is_the_one_that_contributing_shows():
    def of(text):
        return re.search(r"^class RangePool.*?(?=^\S|```|\Z)", text, re.M | re.S)[0]

    contributing = (CHECKOUT / "CONTRIBUTING.md").read_text("utf-8")
    assert of(TEXTS["08"]).strip() == of(contributing).strip()


def figures(text):
    """The calls of `show` in a cell."""
    return [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("show")
    ]


def assertions(text):
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Assert)]


def constants(nodes, kind):
    return [
        node.value
        for parent in nodes
        for node in ast.walk(parent)
        if isinstance(node, ast.Constant) and isinstance(node.value, kind)
    ]


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_an_assertion_stands_behind_the_words_of_every_figure(number):
    """Beside the figure; and a number that was not measured there stands in one."""
    texts = [text for kind, text in cells(number) if "[markdown]" not in kind]
    for before, text in zip(["", *texts], texts, strict=False):
        for figure in figures(text):
            assert assertions(text), ast.unparse(figure)[:200]
            asserted = constants(assertions(before) + assertions(text), (int, float))
            # An f-string's own parts are measured; what stands between them is written.
            words = " ".join(constants([k.value for k in figure.keywords], str))
            written = re.findall(r"(?<![\w.])(?<!\w-)\d+(?:,\d{3})*(?:\.\d+)?", words)
            for figure_said in written:
                value = float(figure_said.replace(",", ""))
                assert value in map(abs, asserted), (figure_said, words)


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_an_assertion_stands_before_every_conclusion(number):
    kinds = cells(number)
    for i, (kind, _) in enumerate(kinds):
        if "conclusion" in kind:
            assert "[markdown]" in kind
            assert assertions(kinds[i - 1][1]), kinds[i][1]


@once
def test_pages_that_measure_have_conclusions():
    for number in ("05", "09"):
        assert any("conclusion" in kind for kind, _ in cells(number)), number


# The list and the notebooks ---------------------------------------------------------


@once
@pytest.mark.parametrize(
    ("value", "fast"),
    [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)],
)
def test_the_environment_says_whether_to_be_fast(monkeypatch, value, fast):
    monkeypatch.delenv("KERASCONV_FAST", raising=False)
    if value is not None:
        monkeypatch.setenv("KERASCONV_FAST", value)
    assert tutorials.is_fast() is fast


@once
def test_without_jupytext_a_checkout_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(KerasconvError, match="pip install jupytext"):
        tutorials.copy_notebooks(tmp_path / "lessons")
    assert not (tmp_path / "lessons").exists()


@once
def test_every_tutorial_is_listed_with_its_title_and_time():
    listed = tutorials.list_tutorials()
    assert [t.path for t in listed] == list(SCRIPTS.values())
    assert listed[0].name == "01_convolution_in_one_dimension"
    assert listed[0].title == "Convolution in one dimension"
    assert all(3 <= t.minutes <= 20 for t in listed)
    assert len({t.title for t in listed}) == len(listed)


@once
def test_missing_or_damaged_tutorials_are_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(tutorials, "folder", lambda: tmp_path)
    with pytest.raises(KerasconvError, match=r"there are no tutorials in .*install"):
        tutorials.list_tutorials()
    (tmp_path / "01_x.py").write_text("# # Title\n")
    with pytest.raises(KerasconvError, match=r"01_x\.py has no title or no reading"):
        tutorials.list_tutorials()


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    import nbformat

    folder = tmp_path_factory.mktemp("copied") / "new" / "folder"
    written = tutorials.copy_notebooks(folder)
    assert sorted(folder.iterdir()) == written
    return {path.stem[:2]: nbformat.read(path, as_version=4) for path in written}


@once
def test_every_notebook_is_a_valid_one_for_python(notebooks):
    import nbformat

    assert list(notebooks) == list(SCRIPTS)
    for notebook in notebooks.values():
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3"


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_a_notebook_holds_every_cell_of_its_script(notebooks, number):
    made = notebooks[number].cells
    for cell, (kind, text) in zip(made, cells(number), strict=True):
        assert cell.cell_type == ("markdown" if "[markdown]" in kind else "code")
        assert cell.metadata.get("tags", []) == re.findall(r'"([\w-]+)"', kind)
        if cell.cell_type == "code":
            assert cell.source.strip() == text.strip()
            assert cell.outputs == []
    assert made[0].source.startswith("# ")


@once
@pytest.mark.parametrize("number", SCRIPTS)
def test_links_between_notebooks_are_to_notebooks(notebooks, number):
    names = {f"{path.stem}.ipynb" for path in SCRIPTS.values()}
    for cell in notebooks[number].cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\((\d\d_[^)#]+)\)", cell.source):
                assert target in names


@once
def test_a_notebook_that_is_there_is_kept_and_nothing_written(tmp_path):
    mine = tmp_path / f"{SCRIPTS['03'].stem}.ipynb"
    mine.write_text("my work")
    with pytest.raises(
        UsageError, match=r"03_pooling\.ipynb exists already.*overwrite=True"
    ):
        tutorials.copy_notebooks(tmp_path)
    assert [*tmp_path.iterdir()] == [mine]
    assert mine.read_text() == "my work"
    tutorials.copy_notebooks(tmp_path, overwrite=True)
    assert mine.read_text() != "my work"
    assert len([*tmp_path.iterdir()]) == len(SCRIPTS)


def ask(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["kerasconv", "tutorials", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@once
def test_the_command_lists_them(monkeypatch, capsys):
    assert ask(monkeypatch) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()[1:]]
    assert rows == [
        [str(i), *tutorial.title.split(), str(tutorial.minutes), "minutes"]
        for i, tutorial in enumerate(tutorials.list_tutorials(), 1)
    ]


@once
def test_the_command_writes_notebooks_and_says_where(monkeypatch, capsys, tmp_path):
    assert ask(monkeypatch, "--copy", tmp_path / "lessons") == 0
    written = capsys.readouterr().out.split()
    assert written == [
        str(tmp_path / "lessons" / f"{path.stem}.ipynb") for path in SCRIPTS.values()
    ]
    assert all(Path(name).stat().st_size > 1000 for name in written)


@once
def test_the_command_replaces_only_when_forced(monkeypatch, capsys, tmp_path):
    assert ask(monkeypatch, "--copy", tmp_path) == 0
    assert ask(monkeypatch, "--copy", tmp_path) == 2
    assert ask(monkeypatch, "--copy", tmp_path, "--force") == 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "--force" in err


@once
@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_bad_folder_is_one_line(monkeypatch, capsys, tmp_path, below):
    (tmp_path / "file").write_text("mine")
    assert ask(monkeypatch, "--copy", tmp_path / "file" / below) == 1
    err = capsys.readouterr().err
    assert re.fullmatch(r"kerasconv: error: .*cannot be written.*\n", err)
    assert (tmp_path / "file").read_text() == "mine"


@once
def test_forcing_without_copying_is_refused(monkeypatch, capsys):
    assert ask(monkeypatch, "--force") == 2
    assert "--copy" in capsys.readouterr().err
