"""Files are written whole or not at all."""

import os
import stat

import pytest

from kerasconv import files
from kerasconv.errors import KerasconvError

pytestmark = pytest.mark.once


def test_text_is_written_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "text.txt"
    files.write_text(path, "grüße\n")
    assert path.read_text(encoding="utf-8") == "grüße\n"
    assert os.listdir(path.parent) == ["text.txt"]


def test_the_file_is_as_readable_as_any_other(tmp_path):
    plain, ours = tmp_path / "plain", tmp_path / "ours"
    plain.write_text("")
    files.write_text(ours, "")
    assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_failure_keeps_the_old_file_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "weights.keras"
    path.write_text("old")

    def fail(beside):
        beside.write_text("half")
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError):
        files.write_with(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["weights.keras"]


def test_the_temporary_file_has_the_same_suffix(tmp_path):
    seen = []
    files.write_with(tmp_path / "w.keras", lambda p: seen.append(p) or p.touch())
    assert seen[0].suffix == ".keras"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KerasconvError, match="cannot be written"):
        files.write_text(tmp_path / "file" / "below.txt", "")
