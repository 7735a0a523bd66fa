"""Many pictures into a folder: every picture a row, once, whatever happens."""

import contextlib
import csv
import dataclasses
import functools
import io
import multiprocessing.connection
import os
import pickle
import re
import select
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import test_cli
from PIL import Image
from quick_reader import Quick

from kerasconv import batch
from kerasconv.batch import containers, engines, manifest, marks, preparing, shards
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.reading import Answer

pytestmark = pytest.mark.once

pa = pytest.importorskip("pyarrow", reason="the extra [batch] is not installed")
parquet = pytest.importorskip("pyarrow.parquet")
fsspec = pytest.importorskip("fsspec", reason="the extra [batch] is not installed")

run = test_cli.run


@pytest.fixture(scope="module")
def pngs(digits):
    """The digits of the package as the bytes of PNG files."""
    pixels = np.rint(255 * digits[0][..., 0]).astype(np.uint8)

    def encoded(image):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "png")
        return file.getvalue()

    return [encoded(image) for image in pixels]


@pytest.fixture
def folder(tmp_path, pngs):
    """Twelve pictures and one that is none."""
    place = tmp_path / "scans"
    place.mkdir()
    for i, data in enumerate(pngs[:12]):
        place.joinpath(f"{i:02}.png").write_bytes(data)
    place.joinpath("06-bad.png").write_text("no picture")
    return place


@pytest.fixture
def quick(tmp_path):
    """A plan whose reader needs no network, four pictures a shard."""

    def quick(source, out="out", reader=Quick, shard_size=4, **options):
        options["shard_size"] = shard_size
        planned = batch.plan(source, tmp_path / out, **options)
        return dataclasses.replace(
            planned, work=dataclasses.replace(planned.work, reader=reader, backend=None)
        )

    return quick


def rows_of(out):
    """The rows of all parts, in order."""
    parts = sorted(Path(out).glob("part-*"))
    if parts and parts[0].suffix == ".csv":
        return [r for p in parts for r in csv.DictReader(p.open(encoding="utf-8"))]
    return [row for part in parts for row in parquet.read_table(part).to_pylist()]


def in_this_process(planned):
    return Counter(map(str, map(planned.work, planned.todo())))


class TestSources:
    """Each kind of source gives the same pictures, whose rows say where they lay."""

    def read(self, source, quick, **options):
        planned = quick(
            source, f"out-{len(os.listdir(Path(source[0]).parent))}", **options
        )
        in_this_process(planned)
        rows = rows_of(planned.out)
        assert len(rows) == planned.pictures
        return rows

    @pytest.fixture
    def expected(self, pngs):
        truth = [int(np.asarray(Image.open(io.BytesIO(p))).argmax() % 28) for p in pngs]
        return [str(column) for column in truth[:12]]

    def test_a_folder_a_pattern_and_a_list_give_the_same_rows(
        self, folder, quick, tmp_path, expected
    ):
        listing = tmp_path / "list.txt"
        listing.write_text("\n".join(sorted(f"scans/{p}" for p in os.listdir(folder))))
        found = [
            self.read([str(source)], lambda s, out, n=n: quick(s, f"out{n}"))
            for n, source in enumerate([folder, folder / "*.png", listing])
        ]
        assert found[0] == found[1] == found[2]
        ok = [row for row in found[0] if row["status"] == "ok"]
        assert [row["prediction"] for row in ok] == expected
        (bad,) = [row for row in found[0] if row["status"] == "error"]
        assert bad["path"].endswith("06-bad.png")
        assert "not a picture" in bad["error"]

    @pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
    def test_members_of_an_archive_are_read_where_they_lie(
        self, kind, pngs, quick, tmp_path, expected
    ):
        path = tmp_path / f"digits.{kind}"
        members = [(f"../{i:02}.png", data) for i, data in enumerate(pngs[:12])]
        # As WebDataset has it: a label beside each picture, and no order of names.
        members = [m for name, data in members[::-1]
                   for m in ((name, data), (name[:-3] + "cls", b"7"))]  # fmt: skip
        members += [("__MACOSX/._00.png", b"a double of macOS")]
        if kind == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                for name, data in members:
                    archive.writestr(name, data)
        else:
            with tarfile.open(path, f"w:{kind[4:]}") as archive:
                for name, data in members:
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
        rows = self.read([str(path)], lambda s, out: quick(s))
        assert [row["member"] for row in rows] == [
            f"../{i:02}.png" for i in range(11, -1, -1)
        ]
        assert {row["path"] for row in rows} == {str(path)}
        assert [row["prediction"] for row in rows] == expected[::-1]

    @pytest.mark.parametrize("kind", ["parquet", "arrow", "stream.arrow"])
    def test_rows_of_a_table_are_read_by_number(
        self, kind, pngs, quick, tmp_path, expected
    ):
        path = tmp_path / f"digits.{kind}"
        cells = [
            {"bytes": data, "path": f"{i}.png"} for i, data in enumerate(pngs[:12])
        ]
        cells[5] = None
        table = pa.table({"label": list(range(12)), "image": cells})
        if kind == "parquet":
            parquet.write_table(table, path, row_group_size=5)
        else:
            new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
            with new(str(path), table.schema) as writer:
                writer.write_table(table, max_chunksize=5)
        rows = self.read([str(path)], lambda s, out: quick(s))
        assert [row["member"] for row in rows] == [str(i) for i in range(12)]
        assert rows.pop(5)["error"] == "this row of the table holds no picture"
        del expected[5]
        assert [row["prediction"] for row in rows] == expected

    def test_an_address_is_read_by_fsspec(self, pngs, quick, expected):
        memory = fsspec.filesystem("memory")
        for i, data in enumerate(pngs[:12]):
            memory.pipe(f"/scans/deep/{i:02}.png", data)
        memory.pipe("/scans/.hidden.png", b"")
        memory.pipe("/scans/notes.txt", b"")
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            for i, data in enumerate(pngs[:12]):
                archive.writestr(f"{i:02}.png", data)
        memory.pipe("/all.zip", whole.getvalue())
        source = ["memory://scans", "memory://scans/deep/*.png", "memory://all.zip"]
        planned = quick(source)
        in_this_process(planned)
        rows = rows_of(planned.out)
        assert [row["prediction"] for row in rows] == 3 * expected
        assert rows[0]["path"] == "memory:///scans/deep/00.png"
        assert rows[24]["member"] == "00.png"

    def test_members_and_files_of_the_same_name_are_each_a_row(
        self, pngs, quick, tmp_path
    ):
        path = tmp_path / "two.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.png", pngs[0])
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr("a.png", pngs[30])
        one = tmp_path / "one.png"
        one.write_bytes(pngs[0])
        planned = quick([str(path), str(one), str(one)])
        in_this_process(planned)
        rows = rows_of(planned.out)
        assert [row["member"] for row in rows] == ["a.png", "a.png", None, None]
        assert rows[0]["prediction"] != rows[1]["prediction"]
        assert rows[2] == rows[3]

    def test_what_cannot_be_opened_is_a_row_and_the_rest_is_read(
        self, folder, quick, tmp_path, pngs
    ):
        broken = tmp_path / "broken.zip"
        broken.write_bytes(b"PK no archive")
        cut = tmp_path / "cut.tar"
        with tarfile.open(cut, "w") as archive:
            for name in ("a.png", "b.png"):
                info = tarfile.TarInfo(name)
                info.size = len(pngs[0])
                archive.addfile(info, io.BytesIO(pngs[0]))
        planned = quick([str(broken), str(cut), str(tmp_path / "no*"), str(folder)])
        # It is cut short only after it was listed.
        cut.write_bytes(cut.read_bytes()[:600])
        in_this_process(planned)
        rows = rows_of(planned.out)
        assert [row["status"] for row in rows[:5]] == ["error"] * 4 + ["ok"]
        assert "damaged" in rows[0]["error"]
        assert "cut short" in rows[1]["error"]
        assert "no file matches" in rows[3]["error"]
        assert len(rows) == 4 + 13

    def test_names_that_are_no_text_are_rows(self, folder, quick):
        odd = os.path.join(os.fsencode(folder), b"\xff.png")
        os.rename(folder / "00.png", odd)
        for format in batch.FORMATS:
            planned = quick(str(folder), format, format=format)
            in_this_process(planned)
            assert rows_of(planned.out)[-1]["path"].endswith("\\udcff.png")

    def test_a_spreadsheet_runs_no_name(self, pngs, quick, tmp_path):
        path = tmp_path / "names.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("=cmd|1.png", "-1.png", "plain.png"):
                archive.writestr(name, pngs[0])
        planned = quick(str(path), format="csv")
        in_this_process(planned)
        members = [row["member"] for row in rows_of(planned.out)]
        assert members == ["./=cmd|1.png", "./-1.png", "plain.png"]

    def test_a_class_is_a_cell_as_it_is_and_no_path(self):
        columns = ("prediction", "text", "path")
        cells = list(map(shards._cell, "-++", columns))
        assert cells == ["-", "+", "./+"]

    def test_what_is_not_there_is_one_line(self, folder, tmp_path, quick, pngs):
        (tmp_path / "empty").mkdir()
        two = tmp_path / "two.parquet"
        parquet.write_table(pa.table({"a": pngs[:2], "b": pngs[:2]}), two)
        none = tmp_path / "none.parquet"
        parquet.write_table(pa.table({"a": [1, 2]}), none)
        bad = tmp_path / "bad.txt"
        bad.mkdir()
        for source, words in {
            tmp_path / "gone": "no such file or folder",
            tmp_path / "empty": "no picture in the folder",
            tmp_path / "*.bmp": "no file matches",
            two: "several columns hold bytes",
            none: "no column holds encoded pictures",
            bad: "a text file with a path a line",
            "memory://nothing/*.png": "no picture at",
            "nonsense://x": "cannot be listed",
        }.items():
            with pytest.raises(KerasconvError, match=words) as refused:
                quick(str(source), "refused")
            assert "\n" not in str(refused.value)
            assert not (tmp_path / "refused" / manifest.MANIFEST).exists()
        assert quick(str(two), column="b").pictures == 2
        with pytest.raises(UsageError, match="'c' holds no encoded pictures"):
            quick(str(two), "third", column="c")

    def test_a_picture_too_large_for_one_is_not_fetched(
        self, pngs, quick, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(containers, "LARGEST", 500)
        path = tmp_path / "bomb.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", bytes(10_000))
            archive.writestr("b.png", pngs[0])
        planned = quick(str(path))
        in_this_process(planned)
        first, second = rows_of(planned.out)
        assert "over 500 bytes" in first["error"]
        assert second["status"] == "ok"


class TestRuns:
    def test_two_processes_give_the_rows_of_one(self, folder, quick):
        planned = quick(str(folder), "one")
        in_this_process(planned)
        seen = []
        summary = batch.work_off(
            quick(str(folder), "two"), workers=2, progress=lambda *p: seen.append(p)
        )
        assert rows_of(summary.out) == rows_of(planned.out)
        assert summary.statuses == {"ok": 12, "error": 1}
        assert seen[-1] == (13, 13)
        names = {p.name for p in Path(summary.out).iterdir()}
        assert len(names) == 4 + 2, names

    def test_a_picture_that_kills_its_process_is_an_error_and_the_rest_goes_on(
        self, folder, quick
    ):
        (folder / "05.png").rename(folder / "05-deadly.png")
        (folder / "09.png").rename(folder / "09-once.png")
        # Fewer shards than workers.
        summary = batch.work_off(quick(str(folder), shard_size=7), workers=3)
        rows = rows_of(summary.out)
        assert [Path(r["path"]).name for r in rows] == sorted(
            p.name for p in folder.glob("*.png")
        )
        dead = [row for row in rows if row["error"] == str(marks.DIED)]
        assert [Path(row["path"]).name for row in dead] == ["05-deadly.png"]
        assert summary.statuses == {"ok": 11, "error": 2}
        assert not (Path(summary.out) / marks.READING).exists()

    def test_a_process_loads_the_network_once_for_all_its_shards(self, folder, quick):
        work = quick(str(folder), reader=functools.partial(Quick, "mnist_cnn")).work
        copy = pickle.loads(pickle.dumps(work))
        assert shards._reader_of(copy) is shards._reader_of(work)

    def test_processes_that_die_before_any_picture_end_the_run(self, folder, quick):
        planned = quick(str(folder), reader=functools.partial(os.kill, 0, 0))
        mark = Path(planned.out, marks.READING, "0")
        mark.parent.mkdir()
        mark.write_text("         -1\n" * 3)
        with pytest.raises(KerasconvError, match="enough memory"):
            planned.work(next(planned.todo()))

    def test_a_full_disk_is_one_line_and_what_was_done_stays(
        self, folder, quick, monkeypatch
    ):
        planned = quick(str(folder))
        first = next(planned.todo())
        planned.work(first)
        before = rows_of(planned.out)

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(parquet, "write_table", full)
        monkeypatch.setitem(batch.ENGINES, "here", in_turn)
        with pytest.raises(KerasconvError) as failed:
            batch.work_off(planned, engine="here")
        assert "No space left on device" in str(failed.value)
        assert "1 of 4 shards are in" in str(failed.value)
        assert rows_of(planned.out) == before
        assert not [n for n in os.listdir(planned.out) if n.startswith(".")]

    def test_more_errors_than_allowed_end_the_run(self, folder, quick, monkeypatch):
        monkeypatch.setitem(batch.ENGINES, "here", in_turn)
        (folder / "01.png").write_text("no picture")
        with pytest.raises(KerasconvError, match="2 pictures could not be read"):
            batch.work_off(quick(str(folder)), engine="here", max_errors=1)
        # What failed before counts when the run goes on, too.
        with pytest.raises(KerasconvError, match="2 pictures could not be read"):
            batch.work_off(quick(str(folder), resume=True), engine="here", max_errors=1)
        summary = batch.work_off(
            quick(str(folder), resume=True), engine="here", max_errors=2
        )
        assert summary.statuses == {"ok": 11, "error": 2}


def in_turn(work, jobs, *, workers=None):
    """An engine in this process: the third that there is."""
    return ((job, work(job)) for job in jobs)


class TestResume:
    def test_only_what_is_not_done_is_done(self, folder, quick):
        planned = quick(str(folder))
        shards = list(planned.todo())
        planned.work(shards[2])
        times = {p: p.stat().st_mtime_ns for p in Path(planned.out).glob("part-*")}
        again = quick(str(folder), resume=True)
        assert [s["number"] for s in again.todo()] == [0, 1, 3]
        in_this_process(again)
        again.work(shards[2])  # as whoever was given all shards before would
        assert all(path.stat().st_mtime_ns == t for path, t in times.items())
        assert len(rows_of(again.out)) == 13

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (
                lambda f: f.joinpath("07.png").write_bytes(b"another"),
                "has changed since",
            ),
            (lambda f: f.joinpath("07.png").unlink(), "had 13 pictures and has 12 now"),
            (lambda f: os.utime(f / "07.png", (1, 1)), "has changed since"),
            ({"format": "csv"}, "its format was 'parquet' and would be 'csv'"),
            ({"model": "lenet5"}, "its model was 'mnist_cnn'"),
            ({"top": 2}, "its top was None and would be 2"),
            ({"model": "none.keras"}, "'none.keras' cannot be read"),
            ({"toop": 2}, "unexpected keyword argument 'toop'"),
        ],
    )
    def test_another_run_or_source_is_refused(self, folder, quick, change, words):
        in_this_process(quick(str(folder)))
        options = change if isinstance(change, dict) else {}
        if callable(change):
            change(folder)
        before = sorted(os.listdir(folder.parent / "out"))
        with pytest.raises(KerasconvError, match=words):
            quick(str(folder), resume=True, **options)
        assert sorted(os.listdir(folder.parent / "out")) == before

    def test_a_card_that_names_other_classes_is_another_run(
        self, folder, quick, tmp_path
    ):
        model = tmp_path / "mine.keras"
        model.touch()
        card = model.with_suffix(".toml")
        card.write_text('classes = ["a", "b"]')
        quick(str(folder), model=str(model))
        card.write_text('classes = ["b", "a"]')
        with pytest.raises(UsageError, match="belongs to another run: its card"):
            quick(str(folder), model=str(model), resume=True)

    def test_a_folder_that_is_there_is_opened_by_any_number_of_processes(
        self, folder, quick, tmp_path
    ):
        planned = quick(str(folder), batch_size=7)
        mark = planned.out / marks.READING / "0"
        mark.parent.mkdir()
        mark.touch()
        opened = batch.opened(planned.out)
        assert mark.exists()
        assert opened.work.reader.keywords == {"trust": False, "batch_size": 7}
        assert [*opened.todo()] == [*planned.all()]
        assert (opened.shards, opened.pictures) == (4, 13)
        same = dataclasses.replace(opened.work, reader=Quick, backend=None)
        assert same == planned.work
        with pytest.raises(UsageError, match="holds no run"):
            batch.opened(folder)

    def test_a_folder_with_anything_in_it_is_refused(self, folder, quick, tmp_path):
        quick(str(folder))
        with pytest.raises(UsageError, match="holds a run already"):
            quick(str(folder))
        with pytest.raises(UsageError, match=r"other files, such as '\d\d"):
            batch.plan(str(folder), folder)
        with pytest.raises(UsageError, match="is a file"):
            batch.plan(str(folder), folder / "00.png")
        (tmp_path / "out" / manifest.MANIFEST).write_text("{")
        with pytest.raises(KerasconvError, match="damaged"):
            quick(str(folder), resume=True)

    def test_a_run_that_was_killed_while_it_listed_is_begun_again(
        self, folder, quick, tmp_path
    ):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / manifest.SHARDS).write_text("half a li")
        assert quick(str(folder), resume=True).shards == 4


# What the command line says of the reader where nobody says more.
SETTINGS = {"top": 1, "batch_size": 128}

PROGRAM = """
import functools, signal, sys
# A shell starts what is in its background with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
import quick_reader
from kerasconv import batch, cli
batch.Reader = quick_reader.Stopping
batch.plan = functools.partial(batch.plan, shard_size=4)
sys.argv[0] = "kerasconv"
cli.main()
"""


class TestEnds:
    """A process is ended, verified to be gone, and no row is lost or double."""

    @pytest.fixture
    def stopped(self, folder, tmp_path):
        """A run that is at the picture 10.png, after two shards; and its worker."""
        os.mkfifo(folder / "here")
        tests = str(Path(__file__).parent)
        path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
        arguments = ["predict", folder, "--out", tmp_path / "out", "--workers", "1"]
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
        )  # fmt: skip
        # Both ends, so that it opens at once, and is not at its end before a word came.
        pipe = os.open(folder / "here", os.O_RDWR)
        readable = select.select([pipe, program.stderr], [], [], 60)[0]
        assert readable == [pipe], program.communicate()
        worker = os.pidfd_open(int(os.read(pipe, 100)))
        os.close(pipe)
        yield program, worker
        program.kill()
        program.communicate()

    def end(self, stopped, signal, ends):
        program, worker = stopped
        parts = sorted(p.name for p in ends.glob("part-*"))
        assert len(parts) == 2
        signal(program.pid)
        out, err = program.communicate(timeout=60)
        assert select.select([worker], [], [], 60)[0], "the worker lives"
        os.close(worker)
        assert sorted(p.name for p in ends.glob("part-*")) == parts
        return program.returncode, out, err

    def goes_on(self, quick, folder):
        times = {
            p: p.stat().st_mtime_ns for p in (folder.parent / "out").glob("part-*")
        }
        in_this_process(planned := quick(str(folder), resume=True, **SETTINGS))
        in_this_process(whole := quick(str(folder), "whole"))
        assert rows_of(planned.out) == rows_of(whole.out)
        assert len(rows_of(whole.out)) == 13
        assert all(path.stat().st_mtime_ns == t for path, t in times.items())

    def test_a_driver_that_is_killed(self, stopped, folder, quick, tmp_path):
        status, _, _ = self.end(
            stopped, lambda pid: os.kill(pid, signal.SIGKILL), tmp_path / "out"
        )
        assert status == -signal.SIGKILL
        self.goes_on(quick, folder)

    def test_ctrl_c_is_one_line_that_says_how_to_go_on(
        self, stopped, folder, quick, tmp_path
    ):
        out = tmp_path / "out"
        status, said, err = self.end(
            stopped, lambda pid: os.killpg(pid, signal.SIGINT), out
        )
        assert status == 130
        assert said == ""
        assert err == (
            f"kerasconv: error: interrupted; 2 of 4 shards are in {str(out)!r}: "
            "--resume goes on\n"
        )
        self.goes_on(quick, folder)

    def test_a_worker_that_is_killed(self, folder, quick):
        ended = []

        def kill_one(*_):
            if not ended:
                (worker,) = multiprocessing.active_children()
                worker.kill()
                # The pool's own thread waits for it too, and takes its exit code.
                multiprocessing.connection.wait([worker.sentinel])
                ended.append(worker.pid)

        summary = batch.work_off(quick(str(folder)), workers=1, progress=kill_one)
        assert len(ended) == 1
        in_this_process(whole := quick(str(folder), "whole"))
        assert rows_of(summary.out) == rows_of(whole.out)


class TestRay:
    @pytest.fixture
    def ray(self):
        pytest.importorskip("ray", reason="the extra [ray] is not installed")

    def test_it_gives_the_rows_of_processes(self, ray, folder, quick, monkeypatch):
        tests = str(Path(__file__).parent)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, *sys.path]))
        (folder / "05.png").rename(folder / "05-deadly.png")
        summary = batch.work_off(quick(str(folder)), engine="ray", workers=2)
        rows = rows_of(summary.out)
        assert summary.statuses == {"ok": 11, "error": 2}
        assert [r["error"] for r in rows if "deadly" in r["path"]] == [str(marks.DIED)]

    def test_a_cluster_that_is_not_there_is_one_line(self, ray, folder, tmp_path, run):
        ended = run("predict", folder, "--out", tmp_path / "o", "--engine", "ray",
                    "--address", "127.0.0.1:1")  # fmt: skip
        assert ended.status == 1
        assert ended.is_one_line("no Ray at 127.0.0.1:1", "ray start --head")


class TestPage:
    """The lines of the page At scale do what it says."""

    def code(self, word):
        page = Path(__file__).parents[1] / "tutorials" / "scale.md"
        blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        (block,) = (each for each in blocks if word in each)
        return block

    def test_the_tasks_of_a_job_array_do_each_shard_once(
        self, folder, quick, monkeypatch
    ):
        planned = quick(str(folder))
        monkeypatch.setattr(batch, "opened", {"answers": planned}.__getitem__)
        monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "3")
        for task, there in zip("021", (2, 3, 4), strict=True):
            monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
            exec(self.code("SLURM_ARRAY_TASK_ID"), {})
            assert len([*planned.out.glob("part-*")]) == there
        in_this_process(whole := quick(str(folder), "whole"))
        assert rows_of(planned.out) == rows_of(whole.out)

    def test_a_third_engine_does_every_shard(self, folder, quick, monkeypatch):
        in_this_process(whole := quick(str(folder), "whole"))
        planned = quick(str(folder))

        class Frame(list):
            """What the lines ask of a frame of Spark: rows of one column."""

            def repartition(self, count):
                assert count == len(self)
                return self

            def mapInPandas(self, function, schema):
                frames = ({"shard": row} for row in self)
                return Frame([frame["shard"] for frame in function(frames)])

            count = list.__len__

        session = SimpleNamespace(
            createDataFrame=lambda rows, schema: Frame(rows),
            read=SimpleNamespace(parquet=rows_of),
        )
        spark = ModuleType("pyspark.sql")
        spark.SparkSession = SimpleNamespace(
            builder=SimpleNamespace(getOrCreate=lambda: session)
        )
        monkeypatch.setitem(sys.modules, "pyspark", ModuleType("pyspark"))
        monkeypatch.setitem(sys.modules, "pyspark.sql", spark)
        monkeypatch.setattr(batch, "plan", lambda source, out, resume: planned)
        lines = self.code("pyspark").replace("/shared/answers", str(planned.out))
        exec(lines, found := {})
        assert found["answers"] == rows_of(whole.out)


class TestPreparing:
    def test_several_processes_give_what_one_gives_in_its_order(self, folder, pngs):
        pictures = [str(p) for p in sorted(folder.glob("*.png"))] * 6
        pictures[40] = Answer("missing", status="error", error="it is missing")
        alone = [*preparing.prepared(Quick().prepare, pictures, workers=1)]
        shared = [*preparing.prepared(Quick().prepare, pictures, workers=2, pays=0)]
        assert [a.name for a in shared] == [a.name for a in alone]
        assert [a.status for a in shared] == [a.status for a in alone]
        for one, two in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(one.image, two.image)

    def test_few_pictures_start_no_process(self, folder, monkeypatch):
        monkeypatch.setattr(engines, "_pool", None)
        pictures = [str(p) for p in sorted(folder.glob("*.png"))] * 6
        assert len([*preparing.prepared(Quick().prepare, pictures, workers=2)]) == 78

    def test_a_program_without_a_guard_runs_once(self, tmp_path):
        program = tmp_path / "program.py"
        program.write_text(
            "from kerasconv.batch.preparing import prepared\n"
            "from kerasconv.reading import Answer\n"
            "print('begun')\n"
            "names = [str(i) for i in range(40)]\n"
            "answers = [*prepared(Answer, names, workers=2, pays=0)]\n"
            "print([each.name for each in answers] == names)\n"
        )
        done = subprocess.run(
            [sys.executable, program], capture_output=True, text=True, timeout=300
        )
        assert done.stdout == "begun\nTrue\n"

    @pytest.fixture
    def workers(self, monkeypatch):
        """Workers that do nothing, and the jobs that each has, newest last."""
        pending = []

        class Pool:
            def submit(self, work, job):
                future = engines.futures.Future()
                pending.append((future, job))
                return future

            _processes = None

            def shutdown(self, **_):
                pass

        def wait(futures, **_):
            # The oldest is never done before nothing else can be begun.
            future, job = pending.pop() if len(pending) > 1 else pending.pop(0)
            future.set_result(job)
            return {future}, set()

        monkeypatch.setattr(engines, "_pool", Pool)
        monkeypatch.setattr(engines.futures, "wait", wait)
        return pending

    def test_a_worker_has_its_next_job_before_a_result_is_handed_out(self, workers):
        for done, _ in enumerate(engines.processes(None, range(5), workers=1), 1):
            assert [job for _, job in workers] == [*range(5)][done : done + 1]

    def test_no_more_than_some_chunks_are_begun_beyond_the_oldest(self, workers):
        begun, done = [], []

        def jobs():
            for i in range(20):
                begun.append(i)
                yield i

        for _, result in engines.processes(None, jobs(), workers=2, ahead=5):
            done.append(result)
            oldest = min(set(range(21)) - set(done))
            assert max(begun) < oldest + 5 + 1
        assert sorted(done) == list(range(20))

    def test_no_worker_stays_that_had_its_job_when_ctrl_c_came(self, monkeypatch):
        stop = engines._surroundings

        @contextlib.contextmanager
        def interrupted():
            with stop():
                yield
            raise KeyboardInterrupt  # as it was held back until here

        monkeypatch.setattr(engines, "_surroundings", interrupted)
        never_done = functools.partial(select.select, [], [], [])
        with pytest.raises(KeyboardInterrupt):
            next(engines.processes(never_done, [600.0], workers=1))
        left = multiprocessing.active_children()
        for worker in left:
            worker.kill()
        assert not left


class TestCommand:
    def test_the_rows_are_those_of_plain_predict(self, folder, tmp_path, run, backend):
        out = tmp_path / "answers"
        arguments = ["predict", folder, "--top", "2"]
        ended = run(*arguments, "--out", out, "--format", "csv", "--workers", "1",
                    "--backend", backend)  # fmt: skip
        assert ended.status == 1, ended.err
        said = "13 pictures in 1 file (1 error, 12 ok)"
        assert ended.out == f"{out}: {said}\n"
        plain = list(csv.DictReader(io.StringIO(run(*arguments, "--csv").out)))
        rows = rows_of(out)
        assert [r["path"] for r in rows] == [r["image"] for r in plain]
        same = ["prediction", "prediction_2", "status", "error"]
        assert [[r[k] for k in same] for r in rows] == [
            [r[k] for k in same] for r in plain
        ]
        for ours, theirs in zip(rows, plain, strict=True):
            assert float(ours["probability"] or 0) == pytest.approx(
                float(theirs["probability"] or 0), abs=2e-6
            )
        assert {len(r["model_sha256"]) for r in rows} == {64}
        again = run(*arguments, "--out", out, "--format", "csv", "--backend", backend)
        assert again.status == 2
        assert again.is_one_line("holds a run already", "--resume")
        done = run(*arguments, "--out", out, "--format", "csv", "--backend", backend,
                   "--resume")  # fmt: skip
        assert done.out == ended.out

    def test_options_that_make_no_sense_are_one_line(self, folder, run, tmp_path):
        out = ["--out", tmp_path / "o"]
        for arguments, words in {
            (folder, "--resume"): ["--resume needs --out"],
            (folder, "--max-errors", "0"): ["--max-errors needs --out"],
            (folder, *out, "--json"): ["--out writes files"],
            (*out,): ["name the pictures"],
            (folder, *out, "--format", "xml"): ["--format", "parquet", "csv", "xml"],
            (folder, *out, "--engine", "spark"): ["--engine", "'processes', 'ray'"],
            (folder, *out, "--workers", "0"): ["--workers"],
            (folder, *out, "--address", "auto"): ["--address", "--engine"],
            (tmp_path / "gone", *out): ["no such file or folder"],
        }.items():
            ended = run("predict", *arguments)
            assert ended.status == 2, arguments
            assert ended.is_one_line(*words)
        assert not (tmp_path / "o").exists()

    @pytest.mark.parametrize(
        ("module", "arguments"),
        [
            ("pyarrow.parquet", ()),
            ("fsspec", ("memory://x/*.png", "--format", "csv")),
            ("ray", ("--engine", "ray")),
        ],
    )
    def test_a_library_that_is_not_there_is_named(
        self, module, arguments, folder, run, tmp_path, monkeypatch
    ):
        monkeypatch.setitem(sys.modules, module, None)
        ended = run("predict", folder, "--out", tmp_path / "o", *arguments)
        assert ended.status == 1
        assert ended.is_one_line(f"pip install {module[:7].rstrip('.')}")
