"""Files, folders and patterns stand for the pictures that a user means."""

from pathlib import Path

import pytest

from kerasconv.errors import KerasconvError, UsageError
from kerasconv.pictures import find, find_images

pytestmark = pytest.mark.once


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.png",
        "a.JPG",
        "notes.txt",
        "data.h5",
        "paper.pdf",
        ".hidden.png",
        "sub/c.tiff",
        "sub/deep/d.webp",
        "sub/deep/e.png",
        ".cache/f.png",
        "empty/readme",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def names(folder, *paths):
    found = find_images(paths)
    return [path.relative_to(folder).as_posix() for path in found]


def test_a_folder_stands_for_the_pictures_below_it_in_order(folder):
    expected = ["a.JPG", "b.png", "sub/c.tiff", "sub/deep/d.webp", "sub/deep/e.png"]
    assert names(folder, folder) == expected
    assert names(folder, str(folder) + "/") == expected


def test_one_path_is_one_path_and_no_list_of_letters(folder):
    assert list(find_images(str(folder / "b.png"))) == [folder / "b.png"]
    assert list(find_images(folder / "b.png")) == [folder / "b.png"]


def test_a_phones_pictures_are_not_passed_by(folder):
    for name in ("sub/c.HEIC", "sub/c.jxl"):
        (folder / name).touch()
    assert names(folder, folder / "sub")[:3] == [
        "sub/c.HEIC",
        "sub/c.jxl",
        "sub/c.tiff",
    ]


def test_a_file_stands_for_itself_whatever_its_extension(folder):
    assert names(folder, folder / "notes.txt", folder / ".hidden.png") == [
        "notes.txt",
        ".hidden.png",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["b.png"]),
        ("?.*", ["a.JPG", "b.png"]),
        ("[ab].*", ["a.JPG", "b.png"]),
        ("sub/*", ["sub/c.tiff"]),
        ("*/*.tiff", ["sub/c.tiff"]),
        ("s*/deep/?.png", ["sub/deep/e.png"]),
        ("**/*.png", ["b.png", "sub/deep/e.png"]),
        ("sub/**", ["sub/c.tiff", "sub/deep/d.webp", "sub/deep/e.png"]),
        ("**/deep/*", ["sub/deep/d.webp", "sub/deep/e.png"]),
        (".*.png", [".hidden.png"]),
        ("sub/../*.png", ["sub/../b.png"]),
    ],
)
def test_a_pattern_stands_for_the_files_that_match(folder, pattern, expected):
    assert names(folder, folder / pattern) == expected


def test_a_relative_pattern_starts_here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert list(find_images(["*.png"])) == [Path("b.png")]
    assert list(find_images(["./s*/*.tiff"])) == [Path("sub/c.tiff")]
    assert list(find_images([Path("b.png")])) == [Path("b.png")]


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert names(folder, "~/b.png", "~/sub/*.tiff") == ["b.png", "sub/c.tiff"]


def test_a_name_that_looks_like_a_pattern_is_a_name(folder):
    (folder / "[1].png").touch()
    assert names(folder, folder / "[1].png") == ["[1].png"]


def test_what_is_named_twice_is_given_twice(folder):
    assert names(folder, folder / "b.png", folder / "*.png") == ["b.png", "b.png"]


def test_a_path_that_is_missing_is_an_error_before_the_first_file(folder):
    with pytest.raises(UsageError, match=r"no such file or folder: .*absent") as caught:
        find_images([folder / "b.png", folder / "absent"])
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("empty", "no picture in the folder .*empty"),
        ("*.gif", r"no file matches .*\*.gif"),
        ("absent/*.png", "no file matches"),
    ],
)
def test_what_stands_for_no_file_is_an_error_in_its_turn(folder, path, message):
    found = find_images([folder / "b.png", folder / path])
    assert next(found) == folder / "b.png"
    with pytest.raises(UsageError, match=message):
        next(found)


def test_links_to_folders_are_not_followed_in_folders(folder):
    (folder / "sub" / "up").symlink_to(folder, target_is_directory=True)
    assert len(names(folder, folder)) == 5


def test_folders_are_listed_only_when_their_turn_comes(folder, monkeypatch):
    listed = []
    scan = find.os.scandir
    monkeypatch.setattr(find.os, "scandir", lambda f: listed.append(f) or scan(f))
    found = find_images([folder])
    assert listed == []
    next(found)
    next(found)
    assert listed == [str(folder)]
    next(found)
    assert len(listed) == 2 or listed[-1].endswith("sub")


def test_a_folder_that_may_not_be_listed_is_named(folder, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(find.os, "scandir", refuse)
    with pytest.raises(KerasconvError, match=r"cannot list the folder .*denied"):
        list(find_images([folder]))
