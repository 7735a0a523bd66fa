"""README and CONTRIBUTING are true: code runs, commands exist, links resolve."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kerasconv import cli

pytestmark = pytest.mark.once

CHECKOUT = Path(__file__).resolve().parents[1]
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("models/*/README.md"),
                CHECKOUT / "tests" / "benchmarks" / "README.md"])  # fmt: skip


def blocks(page, language):
    text = (CHECKOUT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("code", blocks("README.md", "python"), ids=["zoo", "layers"])
def test_the_readmes_python_runs(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_first_python_of_the_readme_has_six_lines():
    lines = blocks("README.md", "python")[0].splitlines()
    assert len([line for line in lines if line.strip()]) == 6


def test_the_readme_shows_most_digits_read_right(tmp_path):
    code = blocks("README.md", "python")[0]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.count("True") > 50
    assert 0 < done.stdout.count("False") < 10


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_command_shown_exists_with_its_options(page, monkeypatch, capsys):
    shown = set()
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if "kerasconv" in words:
                shown.add(tuple(words[words.index("kerasconv") + 1 :]))
    assert shown or page != "README.md"
    for command, *arguments in shown:
        monkeypatch.setattr(sys, "argv", ["kerasconv", command, "--help"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0
        helped = capsys.readouterr().out
        for option in (word for word in arguments if word.startswith("--")):
            assert option in helped


def test_the_two_commands_do_all_their_set_up():
    predict, test = (
        line
        for block in blocks("README.md", "sh")
        for line in block.splitlines()
        if line.startswith("python3 -m venv")
    )
    assert predict.endswith("kerasconv predict")
    assert '".[test]"' in test
    assert test.endswith("pytest")


@pytest.mark.parametrize(
    "page", PAGES, ids=[str(p.relative_to(CHECKOUT)) for p in PAGES]
)
def test_every_link_and_picture_in_the_checkout_exists(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), target


def test_the_top_level_holds_nothing_else():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    tops = {name.split("/")[0] for name in listed.stdout.split()}
    assert {top for top in tops if not top.startswith(".")} <= {
        "pyproject.toml", "kerasconv", "models", "tests", "tutorials", "README.md",
        "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
    }  # fmt: skip
