"""The edges of a folder of photographs: a picture for each, on the road of `batch`."""

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
import test_cli
from PIL import Image
from scipy import ndimage

from kerasconv import batch, pictures
from kerasconv.batch import edges, marks
from kerasconv.errors import KerasconvError, UsageError

pytestmark = pytest.mark.once

run = test_cli.run


@pytest.fixture
def photos(tmp_path):
    """Photographs of several sizes, folders and formats, and one file that is none."""
    folder = tmp_path / "photos"
    random = np.random.default_rng(0)
    for name, shape in {
        "a.jpg": (20, 30, 3),
        "a.jpg.png": (9, 7, 3),
        "deep/er/b.png": (5, 40),
        "deep/c.tiff": (12, 12, 3),
    }.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(place)
    (folder / "deep/bad.png").write_text("no picture")
    return folder


NAMES = ["a.jpg.png", "a.jpg.png.png", "deep/c.tiff.png", "deep/er/b.png"]


def in_turn(work, jobs, *, workers=None):
    """An engine in this process, which has Keras already."""
    return ((job, work(job)) for job in jobs)


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setitem(batch.ENGINES, "processes", in_turn)


def written(out):
    """The pictures in a folder, without the folder of the run."""
    found = (p.relative_to(out) for p in out.rglob("*") if p.is_file())
    return sorted(str(p) for p in found if p.parts[0] != edges.RUN)


def rows_of(out):
    parts = sorted((out / edges.RUN).glob("part-*.csv"))
    return [row for part in parts for row in csv.DictReader(part.open())]


def test_every_picture_has_its_edges_in_the_folder_that_it_lay_in(
    photos, tmp_path, run, here
):
    out = tmp_path / "edges"
    ended = run("edges", photos, "--out", out, "--operator", "prewitt")
    assert ended.status == 1
    assert ended.out == f"{out}: the edges of 4 pictures\n"
    assert "1 input could not be read" in ended.err
    assert written(out) == NAMES
    for name, source in zip(NAMES, ["a.jpg", "a.jpg.png", "deep/c.tiff",
                                    "deep/er/b.png"], strict=True):  # fmt: skip
        photo = pictures.read_photo(photos / source).astype(float)
        # SciPy would smooth along the channels, too.
        slopes = [
            np.stack([ndimage.prewitt(photo[..., c], axis=axis, mode="reflect")
                      for c in range(photo.shape[-1])], -1)
            for axis in (0, 1)
        ]  # fmt: skip
        truth = np.hypot(*slopes)
        drawn = np.asarray(Image.open(out / name)).reshape(truth.shape)
        np.testing.assert_allclose(drawn, 255 * truth / truth.max(), atol=0.51)
    (bad,) = [row for row in rows_of(out) if row["status"] == "error"]
    assert bad["path"].endswith("bad.png")
    assert "not a picture" in bad["error"]
    assert [row["picture"] for row in rows_of(out) if row["picture"]] == sorted(
        NAMES, key=lambda name: name.removesuffix(".png")
    )


def test_one_command_draws_what_the_other_draws(photos, tmp_path, run, here):
    options = ["--output", "x", "--border", "wrap"]
    run("edges", photos / "a.jpg", photos / "deep", "--out", tmp_path / "o", *options)
    run("edges", photos / "a.jpg", "--save", tmp_path / "one.png", *options)
    one, many = (
        Image.open(p) for p in (tmp_path / "one.png", tmp_path / "o/a.jpg.png")
    )
    np.testing.assert_array_equal(np.asarray(many), np.asarray(one))


def test_a_run_that_was_ended_goes_on_and_another_is_refused(
    photos, tmp_path, run, here
):
    out = tmp_path / "edges"
    plan = batch.plan_edges(photos, out, shard_size=2)
    first, *_ = plan.todo()
    plan.work(first)
    times = {name: (out / name).stat().st_mtime_ns for name in written(out)}
    assert len(times) == 2
    with pytest.raises(UsageError, match="edges was 'sobel'"):
        batch.plan_edges(photos, out, shard_size=2, resume=True, operator="prewitt")
    with pytest.raises(UsageError, match="holds a run already"):
        batch.plan_edges(photos, out, shard_size=2)
    again = batch.plan_edges(photos, out, shard_size=2, resume=True)
    batch.work_off(again)
    assert written(out) == NAMES
    assert all((out / name).stat().st_mtime_ns == t for name, t in times.items())
    whole = batch.plan_edges(photos, tmp_path / "whole", shard_size=2)
    batch.work_off(whole)
    for name in NAMES:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert rows_of(out) == rows_of(tmp_path / "whole")
    Image.new("L", (3, 3)).save(photos / "new.png")
    with pytest.raises(UsageError, match="had 5 pictures and has 6 now"):
        batch.plan_edges(photos, out, shard_size=2, resume=True)
    with pytest.raises(UsageError, match="holds no run"):
        batch.opened(out / edges.RUN)


def test_pictures_in_a_folder_of_the_runs_own_name_are_kept(photos, tmp_path, here):
    clash = photos / edges.RUN / marks.READING
    clash.mkdir(parents=True)
    Image.new("L", (3, 3)).save(clash / "0.png")
    for resume in (False, True):
        batch.work_off(batch.plan_edges(photos, tmp_path / "o", resume=resume))
        assert (tmp_path / "o" / edges.RUN / marks.READING / "0.png").exists()


def test_a_picture_that_kills_its_process_is_an_error(photos, tmp_path):
    plan = batch.plan_edges(photos, tmp_path / "o")
    mark = Path(plan.work.out, marks.READING, "0")
    mark.parent.mkdir()
    mark.write_text("          1\n" * 2)
    plan.work(next(plan.todo()))
    (dead,) = [row for row in rows_of(tmp_path / "o") if "died" in row["error"]]
    assert dead["path"].endswith("a.jpg.png")
    assert not mark.exists()


def test_a_full_disk_ends_the_run_and_a_name_that_cannot_be_does_not(
    photos, tmp_path, monkeypatch
):
    long = photos / (251 * "x" + ".jpg")
    Image.new("L", (3, 3)).save(long)
    plan = batch.plan_edges(photos, tmp_path / "o")
    plan.work(next(plan.todo()))
    assert "File name too long" in rows_of(tmp_path / "o")[-1]["error"]

    def full(*_):
        raise OSError(28, "No space left on device")

    plan = batch.plan_edges(photos, tmp_path / "full")
    monkeypatch.setattr(edges.os, "replace", full)
    with pytest.raises(KerasconvError, match="No space left"):
        plan.work(next(plan.todo()))
    assert rows_of(tmp_path / "full") == []
    assert written(tmp_path / "full") == []


def test_what_is_done_with_a_shard_travels_to_another_process(photos, tmp_path):
    plan = batch.plan_edges(photos, tmp_path / "o", shard_size=3)
    for shard in plan.all():
        pickle.loads(pickle.dumps(plan.work))(shard)
    assert written(tmp_path / "o") == NAMES


def test_what_makes_no_sense_is_one_line_and_nothing_is_written(
    photos, tmp_path, run, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "list.txt").write_text("photos/a.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.zip").write_bytes(b"")
    before = sorted(map(str, tmp_path.rglob("*")))
    for arguments, words in {
        ("photos",): ["--out"],
        ("photos/a.jpg", "photos/deep"): ["--out"],
        ("--out", "o"): ["name the pictures"],
        ("photos", "--out", "o", "--save", "x.png"): ["--save"],
        ("photos", "--workers", "2"): ["--workers needs --out"],
        ("photos", "--resume"): ["--resume needs --out"],
        ("photos", "--out", "full"): ["other files", "mine.txt"],
        ("photos", "--out", "photos/edges"): ["lies in 'photos'"],
        ("photos", "--out", "list.txt"): ["is a file"],
        ("gone", "--out", "o"): ["no such file or folder"],
        ("empty", "--out", "o"): ["no picture in the folder"],
        ("list.txt", "--out", "o"): ["'list.txt' is no picture"],
        ("x.zip", "--out", "o"): ["x.zip"],
        ("s3://bucket/x", "--out", "o"): ["s3://bucket/x"],
        ("photos", "--out", "o", "--operator", "canny"): ["--operator", "canny"],
        ("photos", "--out", "o", "--border", "mirror"): ["--border", "mirror"],
    }.items():
        ended = run("edges", *arguments)
        assert ended.status == 2, (arguments, ended.err)
        assert ended.is_one_line(*words)
    assert sorted(map(str, tmp_path.rglob("*"))) == before
