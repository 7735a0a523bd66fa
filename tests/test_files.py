"""Files are written whole or not at all."""

import os
import signal
import stat
import subprocess
import sys
import textwrap

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


@pytest.fixture
def events(monkeypatch):
    """The order in which files reach the disk and move, each by its inode."""
    seen = []

    def watched(name, inode):
        call = getattr(os, name)

        def done(*arguments):
            seen.append((name, inode(arguments[0])))
            return call(*arguments)

        monkeypatch.setattr(files.os, name, done)

    watched("fsync", lambda handle: os.fstat(handle).st_ino)
    for name in ("replace", "rename"):
        watched(name, lambda path: os.stat(path).st_ino)
    return seen


def test_a_written_file_is_on_the_disk_before_it_is_in_its_place(tmp_path, events):
    files.write_text(tmp_path / "text.txt", "new")
    inode = (tmp_path / "text.txt").stat().st_ino
    assert events == [("fsync", inode), ("replace", inode)]


@pytest.mark.parametrize("folder", [False, True])
def test_what_moves_is_on_the_disk_before_it_is_in_its_place(tmp_path, events, folder):
    made, path = tmp_path / "made", tmp_path / "path"
    content = made / "deep" / "file" if folder else made
    content.parent.mkdir(parents=True, exist_ok=True)
    content.write_text("new")
    inodes = content.stat().st_ino, made.stat().st_ino
    files.move_into_place(made, path)
    assert [inode for _, inode in events] == [*inodes]
    assert events[0][0] == "fsync"


def test_an_old_folder_comes_back_where_the_new_one_cannot_move(tmp_path, monkeypatch):
    made, path = tmp_path / "made", tmp_path / "path"
    for folder in (made, path):
        folder.mkdir()
        (folder / folder.name).touch()
    rename = os.rename

    def refuse(source, target):
        if source == made:
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", refuse)
    with pytest.raises(OSError, match="no"):
        files.move_into_place(made, path)
    assert os.listdir(path) == ["path"]
    assert sorted(os.listdir(tmp_path)) == ["made", "path"]


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from kerasconv import files

    def save(beside):
        beside.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)

    path = Path(sys.argv[1])
    if path.suffix:
        files.write_with(path, save)
    with files.working_folder(path) as folder:
        save(folder / "graph")
"""


@pytest.mark.skipif(os.name == "nt", reason="needs locks of files that end with us")
@pytest.mark.parametrize("name", ["weights.keras", "folder"])
def test_the_next_save_sweeps_what_a_killed_one_left(tmp_path, name):
    script = textwrap.dedent(KILLED)
    done = subprocess.run([sys.executable, "-c", script, tmp_path / name])
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 1, "it was killed half way"
    files.write_text(tmp_path / "other.txt", "")
    assert os.listdir(tmp_path) == ["other.txt"]


def test_the_sweep_keeps_what_is_being_written_and_what_is_not_ours(tmp_path):
    others = [".weights-abcdefgh.keras", ".kerasconv-unfinished-x", ".kerasconv"]
    for name in others:
        (tmp_path / name).write_text("mine")
    target = tmp_path / "target"
    target.write_text("mine")
    link = tmp_path / ".kerasconv-unfinished-abcdefgh"
    link.symlink_to(target)

    def save(beside):
        files.write_text(tmp_path / "second.txt", "")
        assert beside.exists()
        beside.write_text("first")

    files.write_with(tmp_path / "first.txt", save)
    with files.working_folder(tmp_path / "third") as folder:
        files.write_text(tmp_path / "second.txt", "")
        assert folder.is_dir()
    assert set(os.listdir(tmp_path)) == {
        *others,
        "target",
        link.name,
        "first.txt",
        "second.txt",
    }
    assert target.read_text() == "mine"


def test_a_lock_on_a_file_that_the_program_before_removed_is_none(
    tmp_path, monkeypatch
):
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "training.lock"
    lock, removals = fcntl.flock, [path.unlink]

    def after_the_other_ended(handle, how):
        # It was opened a moment before, and is locked when the other's lock ends.
        while removals:
            removals.pop()()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", after_the_other_ended)
    with files.alone(path) as first, files.alone(path) as second:
        assert (first, second) == (True, False)
    assert not path.exists()
