"""The command line: what it prints where, and how it ends."""

import contextlib
import csv
import gc
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from kerasconv import backends, cli, data, terminal
from kerasconv._keras import keras
from kerasconv.cli import _app, _predict
from kerasconv.digits import hard_digits
from kerasconv.errors import KerasconvError
from kerasconv.models import _card, find_card, mnist_cnn
from kerasconv.reading import Reader


class Ended(NamedTuple):
    """How a command ended: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    def is_one_line(self, *words):
        assert self.err.startswith("kerasconv: error: ")
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.err
        return True


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kerasconv", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return Ended(ended.value.code, captured.out, captured.err)

    return run


def process(*arguments, **environment):
    """Run the command line in a process of its own, as chatty as libraries are."""
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "kerasconv", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**inherited, **environment},
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def scans(tmp_path, digits):
    """A folder of digits as a scanner gives them: dark ink, large, many formats."""
    images, labels = digits
    folder = tmp_path / "scans"
    folder.mkdir()
    for i, suffix in zip(
        range(0, 60, 6), ["png", "jpg", "tiff", "bmp", "gif"] * 2, strict=True
    ):
        ink = Image.fromarray(np.rint(255 * (1 - images[i, ..., 0])).astype(np.uint8))
        page = Image.new("L", (300, 400), 255)
        page.paste(ink.resize((200, 200), Image.Resampling.BICUBIC), (60, 90))
        page.save(folder / f"{labels[i]}-{i}.{suffix}")
    return folder


def truth_of(path):
    return int(os.path.basename(path)[0])


@pytest.fixture
def wide(monkeypatch):
    """Sets how many characters a line of the terminal has."""

    def wide(width):
        monkeypatch.setattr(terminal, "stdout", lambda: Console(width=width))

    return wide


def drawings(text):
    """How many lines of Braille there are, counted in drawings of a digit."""
    return sum(any("\u2800" <= c <= "\u28ff" for c in s) for s in text.split("  ")) / 5


class TestPredictTheBundledDigits:
    @pytest.mark.once
    def test_every_digit_is_told_and_the_misread_ones_are_drawn(self, run):
        ended = run("predict")
        assert ended.status == 0
        wrong = 64 - find_card("mnist_cnn").facts["bundled_digits"]["correct"]
        assert ended.out.count("✗") == drawings(ended.out) == wrong
        assert ended.out.count("%") == 64 + 2  # and the accuracy here and on the card
        assert "99." in ended.out.splitlines()[-1]
        assert ended.err == ""

    @pytest.mark.once
    def test_all_draws_them_all(self, run):
        assert drawings(run("predict", "--all").out) == 64

    @pytest.mark.once
    def test_all_is_told_on_one_screen_of_eighty_by_fifty(self, run, wide):
        wide(80)
        lines = run("predict").out.splitlines()
        assert len(lines) < 50
        assert max(map(len, lines)) <= 80

    @pytest.mark.once
    def test_the_last_but_one_line_tells_the_hard_digits_apart(self, run, digits):
        said = run("predict").out.splitlines()[-2]
        answers = json.loads(run("predict", "--json").out)
        right = np.array([r["prediction"] for r in answers]) == digits[1]
        hard = np.isin(np.arange(64), [60, 61, 62, 63])
        np.testing.assert_array_equal(hard_digits(), hard)
        assert said.startswith(f"{right.sum()} of 64 right ({right.mean():.1%})")
        assert f"{right[~hard].sum()} of 60 ordinary" in said
        assert f"{right[hard].sum()} of 4 known to be hard" in said

    def test_json_holds_the_truth_and_nothing_else_is_on_stdout(self, run, digits):
        ended = run("predict", "--json")
        records = json.loads(ended.out)
        assert [r["truth"] for r in records] == digits[1].tolist()
        right = sum(r["truth"] == r["prediction"] for r in records)
        assert f"{right} of 64 right" in ended.err

    @pytest.mark.once
    def test_csv_has_a_row_a_digit(self, run):
        rows = list(csv.DictReader(io.StringIO(run("predict", "--csv").out)))
        assert len(rows) == 64
        columns = ["image", "truth", "prediction", "probability", "status", "error"]
        assert list(rows[0]) == [*columns, "text", "digits", "boxes"]
        assert {row["status"] for row in rows} == {"ok"}

    @pytest.mark.once
    @pytest.mark.parametrize("top", [1, 3, 10])
    def test_top_k_are_ordered_and_start_with_the_prediction(self, run, top):
        for record in json.loads(run("predict", "--json", "--top", top).out):
            ranked = record.get("top", [record])
            assert len(ranked) == top
            sure = [r["probability"] for r in ranked]
            assert sure == sorted(sure, reverse=True)
            if top > 1:
                assert ranked[0]["class"] == record["prediction"]
            if top == 10:
                assert sum(sure) == pytest.approx(1, abs=1e-4)


class TestPredictFiles:
    def test_a_folder_of_scans_is_read_right(self, run, scans):
        ended = run("predict", scans, "--json")
        assert ended.status == 0
        records = json.loads(ended.out)
        assert [r["image"] for r in records] == sorted(map(str, scans.iterdir()))
        assert all(r["prediction"] == truth_of(r["image"]) for r in records)
        assert "truth" not in records[0]

    @pytest.mark.once
    def test_a_table_names_the_file_and_draws_the_digit(self, run, scans):
        ended = run("predict", scans / "3-18.bmp")
        assert ended.status == 0
        assert "3-18.bmp" in "".join(ended.out.split())
        assert any("\u2801" <= c <= "\u28ff" for c in ended.out)

    @pytest.mark.once
    def test_globs_files_and_folders_mix_in_the_order_given(self, run, scans):
        ended = run("predict", scans / "*.tiff", scans / "0-0.png", "--csv")
        names = [r["image"] for r in csv.DictReader(io.StringIO(ended.out))]
        tiffs = sorted(map(str, scans.glob("*.tiff")))
        assert names == [*tiffs, str(scans / "0-0.png")]

    def test_batches_give_what_single_images_give(self, run, scans):
        one = json.loads(run("predict", scans, "--json", "--batch-size", 1).out)
        many = json.loads(run("predict", scans, "--json", "--batch-size", 3).out)
        for a, b in zip(one, many, strict=True):
            assert a["prediction"] == b["prediction"]
            assert a["probability"] == pytest.approx(b["probability"], abs=1e-5)

    @pytest.mark.once
    def test_an_unreadable_file_among_others_is_told_and_skipped(self, run, scans):
        (scans / "5-bad.png").write_text("no picture")
        ended = run("predict", scans, "--json")
        assert ended.status == 1
        records = json.loads(ended.out)
        assert [r["status"] for r in records].count("ok") == 10
        (bad,) = (r for r in records if r["status"] == "error")
        assert bad["image"].endswith("5-bad.png")
        assert "not a picture" in bad["error"]
        assert bad["prediction"] is bad["probability"] is None
        assert "5-bad.png" in ended.err
        assert "skipped" in ended.err
        assert "1 input could not be read" in ended.err

    @pytest.mark.once
    def test_a_pattern_that_matches_nothing_is_a_row_among_others(self, run, scans):
        ended = run("predict", scans / "*.webp", scans, "--json")
        assert ended.status == 1
        nothing, *others = json.loads(ended.out)
        assert nothing["image"].endswith("*.webp")
        assert "no file matches" in nothing["error"]
        assert {r["status"] for r in others} == {"ok"}
        assert len(others) == 10

    @pytest.mark.once
    @pytest.mark.parametrize("side", [1, 50])
    def test_a_blank_image_is_a_status_and_no_digit(self, run, tmp_path, side):
        Image.new("L", (side, side), 200).save(tmp_path / "blank.png")
        ended = run("predict", tmp_path / "blank.png", "--json", "--top", 2)
        assert ended.status == 0
        (record,) = json.loads(ended.out)
        assert record["status"] == "blank"
        assert "no ink" in record["error"]
        assert record["prediction"] is record["probability"] is None
        assert record["top"] == []
        assert "warning" in ended.err
        assert "blank.png" in ended.err
        ended = run("predict", tmp_path / "blank.png", "--csv", "--top", 2)
        (row,) = csv.DictReader(io.StringIO(ended.out))
        assert row["status"] == "blank"
        assert row["prediction"] == row["probability_2"] == ""
        assert "blank" in run("predict", tmp_path / "blank.png").out

    def test_a_users_model_is_used(self, run, scans, tmp_path):
        model = mnist_cnn()
        kernel, bias = model.layers[-1].get_weights()
        model.layers[-1].set_weights([kernel, bias + 1000 * np.eye(10)[3]])
        model.save(tmp_path / "threes.keras")
        ended = run("predict", scans, "--json", "--model", tmp_path / "threes.keras")
        assert {r["prediction"] for r in json.loads(ended.out)} == {3}

    @pytest.mark.once
    def test_thousands_of_files_stream_a_batch_at_a_time(self, scans, monkeypatch):
        read = []
        monkeypatch.setattr(
            "kerasconv.pictures.read_reduced",
            lambda path, side: (read.append(path) or np.ones((9, 9)), 1),
        )
        many = [str(scans / "0-0.png")] * 4000
        reader = Reader(mnist_cnn(weights=None), batch_size=50)
        batches = _predict._answers(_predict._Images(many, workers=1), reader)
        for i, batch in zip(range(3), batches, strict=False):
            assert len(batch) == 50
            assert len(read) == 50 * (i + 1)


@pytest.mark.once
class TestBadInput:
    def test_no_such_path(self, run):
        ended = run("predict", "nowhere.png")
        assert ended.status == 2
        assert ended.out == ""
        assert ended.is_one_line("no such file or folder", "nowhere.png")

    def test_a_folder_with_no_image(self, run, tmp_path):
        (tmp_path / "notes.txt").write_text("")
        ended = run("predict", tmp_path)
        assert ended.status == 2
        assert ended.is_one_line(str(tmp_path))

    def test_text_renamed_to_png(self, run, tmp_path):
        (tmp_path / "text.png").write_text("I am no picture")
        ended = run("predict", tmp_path / "text.png")
        assert ended.status == 1
        assert "text.png" in ended.err
        assert "Traceback" not in ended.err

    def test_a_truncated_png(self, run, scans):
        path = scans / "0-0.png"
        path.write_bytes(path.read_bytes()[:-200])
        ended = run("predict", path)
        assert ended.status == 1
        assert "0-0.png" in ended.err

    def test_a_decompression_bomb(self, run, tmp_path):
        Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
        ended = run("predict", tmp_path / "bomb.png")
        assert ended.status == 1
        assert "bomb.png" in ended.err
        assert "80,000,000" in ended.err

    @pytest.mark.parametrize("top", [0, 11, -1, "many"])
    def test_top_outside_one_to_ten(self, run, top):
        ended = run("predict", "--top", top)
        assert ended.status == 2
        assert ended.is_one_line("--top")

    @pytest.mark.parametrize("size", [0, -1, "x"])
    def test_a_batch_size_that_makes_no_sense(self, run, size):
        ended = run("predict", "--batch-size", size)
        assert ended.status == 2
        assert ended.is_one_line("--batch-size")

    def test_json_and_csv_at_once(self, run):
        ended = run("predict", "--json", "--csv")
        assert ended.status == 2
        assert ended.is_one_line("--json", "--csv")

    @pytest.mark.parametrize("command", ["predict --model", "summary", "evaluate"])
    def test_an_unknown_model_gets_the_nearest(self, run, command):
        ended = run(*command.split(), "mnist_cmn")
        assert ended.status == 2
        assert ended.is_one_line("'mnist_cmn'", "did you mean mnist_cnn?")

    def test_an_unknown_backend(self, run):
        ended = run("predict", "--backend", "theano")
        assert ended.status == 2
        assert ended.is_one_line("'theano'", "tensorflow, jax, torch, openvino, numpy")

    def test_an_unknown_command_and_option(self, run):
        assert run("guess").is_one_line("guess")
        assert run("predict", "--bogus").is_one_line("--bogus")
        assert run("predict", "--bogus").status == run("guess").status == 2

    def test_a_model_that_is_a_text_file(self, run, tmp_path):
        (tmp_path / "text.keras").write_text("no model")
        ended = run("predict", "--model", tmp_path / "text.keras")
        assert ended.status == 1
        assert ended.is_one_line("text.keras", "not a whole .keras archive")

    def test_a_model_that_is_truncated(self, run, tmp_path):
        path = tmp_path / "cut.keras"
        path.write_bytes(find_card("mnist_cnn").path.read_bytes()[:100_000])
        ended = run("predict", "--model", path)
        assert ended.status == 1
        assert ended.is_one_line("cut.keras")

    def test_a_model_of_another_architecture(self, run, tmp_path):
        layers = keras.layers
        other = keras.Sequential(
            [keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(2)]
        )
        other.save(tmp_path / "other.keras")
        ended = run("predict", "--model", tmp_path / "other.keras")
        assert ended.status == 1
        assert ended.is_one_line("other.keras", "(32, 32, 3)", "(28, 28, 1)")

    def test_a_model_with_a_lambda_layer(self, run, tmp_path):
        model = keras.Sequential(
            [keras.Input((28, 28, 1)), keras.layers.Lambda(lambda x: x)]
        )
        model.save(tmp_path / "lambda.keras")
        ended = run("predict", "--model", tmp_path / "lambda.keras")
        assert ended.status == 1
        assert ended.is_one_line("lambda.keras", "Lambda")

    def test_damaged_shipped_weights(self, run, tmp_path, monkeypatch):
        zoo = tmp_path / "zoo"
        shutil.copytree(_card.zoo_folder(), zoo)
        monkeypatch.setattr(_card, "zoo_folder", lambda: zoo)
        (zoo / "mnist_cnn" / "mnist.keras").write_bytes(b"replaced")
        ended = run("predict")
        assert ended.status == 1
        assert ended.is_one_line("mnist.keras", "damaged or were replaced")


@pytest.mark.once
def test_summary_prints_the_canonical_table(run):
    ended = run("summary", "mnist_cnn")
    assert ended.status == 0
    assert "(None, 5, 5, 64)" in ended.out
    assert "34,826" in ended.out


class TestEvaluate:
    @pytest.fixture
    def few(self, monkeypatch, digits):
        """The bundled digits in place of the test set."""
        images, labels = digits
        pixels = np.rint(images * 255).astype(np.uint8)
        monkeypatch.setattr(data, "load", lambda *_, **__: (pixels, labels))

    @pytest.mark.once
    def test_a_result_other_than_the_cards_fails(self, run, few):
        ended = run("evaluate", "mnist_cnn")
        bundled = find_card("mnist_cnn").facts["bundled_digits"]
        wrong = bundled["examples"] - bundled["correct"]
        assert ended.status == 1
        assert f"errors       {wrong} of 64" in ended.out
        assert ended.is_one_line(f"makes {wrong} errors here")

    def test_json_tells_whether_it_is_as_on_the_card(self, run, few):
        report = json.loads(run("evaluate", "mnist_cnn", "--json").out)
        assert report["as_on_card"] is False
        assert report["backend"] == keras.backend.backend()

    @pytest.mark.once
    def test_a_missing_data_set_says_how_to_get_it(self, run, tmp_path):
        ended = run("evaluate", "mnist_cnn", "--data-dir", tmp_path)
        assert ended.status == 1
        assert ended.is_one_line(str(tmp_path), "--data-dir", "--download")

    @pytest.mark.once
    def test_another_data_set_has_no_card_to_agree_with(self, run, few):
        ended = run("evaluate", "mnist_cnn", "--dataset", "mnist_corrupted/fog")
        assert ended.status == 0
        assert "mnist_corrupted/fog" in ended.out
        assert "card" not in ended.out

    @pytest.mark.once
    def test_the_confusion_matrix_comes_as_table_and_picture(self, run, few, tmp_path):
        picture = tmp_path / "c.png"
        ended = run("evaluate", "mnist_cnn", "--confusion", "--save", picture)
        assert "true \\ read" in ended.out
        with Image.open(picture) as image:
            assert min(image.size) > 300

    @pytest.mark.once
    @pytest.mark.parametrize(
        ("dataset", "status", "words"),
        [
            ("fasion_mnist", 2, ["unknown data set", "mean fashion_mnist?"]),
            ("cats_vs_dogs", 2, ["cats_vs_dogs has images of", "(28, 28, 1)"]),
        ],
    )
    def test_a_wrong_data_set_is_one_line(self, run, dataset, status, words):
        if dataset == "cats_vs_dogs":
            try:
                data.load(dataset, "test")
            except KerasconvError as error:
                pytest.skip(str(error))
        ended = run("evaluate", "mnist_cnn", "--dataset", dataset)
        assert ended.status == status
        assert ended.is_one_line(*words)

    @pytest.mark.once
    def test_the_real_test_set_gives_the_card(self, run, mnist_test):
        ended = run("evaluate", "mnist_cnn")
        assert ended.status == 0
        stated = find_card("mnist_cnn").facts["test"]
        assert f"errors       {stated['errors']} of 10,000" in ended.out


@pytest.mark.once
class TestCompare:
    few = TestEvaluate.few

    def test_a_model_with_itself_differs_nowhere(self, run, few):
        ended = run("compare", "mnist_cnn", "mnist_cnn/mnist")
        assert ended.status == 0
        assert "p-value      1 (McNemar's exact test)" in ended.out

    def test_json_gives_both_and_the_test(self, run, few):
        report = json.loads(run("compare", "mnist_cnn", "lenet5", "--json").out)
        first, second, test = report["first"], report["second"], report["test"]
        assert first["model"] == "mnist_cnn/mnist"
        gap = test["only_b"] - test["only_a"]
        assert gap == first["errors"] - second["errors"]
        assert test["only_b"] + test["both_wrong"] == first["errors"]

    def test_models_for_different_data_sets_need_one_named(self, run):
        others = [n for n in _card.cards() if n != "mnist_cnn/mnist"]
        other = next(
            (n for n in others if find_card(n).facts["data"]["name"] != "mnist"), None
        )
        if other is None:
            pytest.skip("all models are for one data set")
        ended = run("compare", "mnist_cnn", other)
        assert ended.status == 2
        assert ended.is_one_line("--dataset")


@pytest.mark.once
class TestOtherCommands:
    @pytest.mark.parametrize("width", [40, 60, 80, 96, 120])
    def test_list_cuts_no_name_and_no_figure(self, run, wide, width):
        wide(width)
        ended = run("list")
        lines = [line.split() for line in ended.out.splitlines()]
        assert max(map(len, ended.out.splitlines())) <= width
        assert [line[0] for line in lines[1:]] == list(_card.cards())
        figures = {
            "parameters": lambda facts: f"{facts['parameters']['total']:,}",
            "data": lambda facts: facts["data"]["name"],
            "accuracy": lambda facts: f"{facts['test']['accuracy']:.2%}",
            "size": lambda facts: f"{facts['bytes'] / 1000:,.0f}",
            "images/s": lambda facts: f"{facts['images_per_second']:,}",
        }
        for title, figure in figures.items():
            if title in lines[0]:
                for card, line in zip(_card.cards().values(), lines[1:], strict=True):
                    assert figure(card.facts) in line
            else:
                assert title in ended.err
        assert ("--json" in ended.err) == (width < 96)
        assert ("corrupted" in lines[0]) == (width >= 80)

    def test_list_as_json_holds_every_card(self, run):
        facts = json.loads(run("list", "--json").out)
        assert facts["mnist_cnn/mnist"]["parameters"]["total"] == 34_826
        assert list(facts) == list(_card.cards())

    def test_version(self, run):
        from kerasconv import __version__

        assert run("--version").out == f"kerasconv {__version__}\n"

    def test_no_command_prints_help(self, run):
        assert run().out == run("--help").out
        assert run().status == 0

    @pytest.mark.parametrize(
        "command",
        [
            "predict",
            "edges",
            "features",
            "kernels",
            "summary",
            "list",
            "evaluate",
            "compare",
            "train",
            "backends",
        ],
    )
    def test_every_command_has_help_with_examples(self, run, command):
        ended = run(command, "--help")
        assert ended.status == 0
        assert "Examples:\n    kerasconv" in ended.out or "KERAS_BACKEND=" in ended.out

    def test_completion_is_offered(self, run, monkeypatch):
        monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
        script = run("--show-completion", "bash")
        assert script.status == 0
        assert "_KERASCONV_COMPLETE=complete_bash" in script.out
        models = _app.complete_model("mni")
        assert models == [name for name in _card.cards() if name.startswith("mni")]

    def test_train_refuses_an_unknown_recipe(self, run):
        ended = run("train", "alexnet")
        assert ended.status == 2
        assert ended.is_one_line("alexnet", "mnist_cnn")

    @pytest.mark.once
    def test_a_backend_that_matplotlib_does_not_know_is_none(self, run, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "none")
        assert run("--version").status == 0
        assert "MPLBACKEND" not in os.environ

    @pytest.mark.parametrize("on", [True, False])
    def test_garbage_is_looked_for_after_the_imports_as_before(self, on):
        before = gc.isenabled()
        (gc.enable if on else gc.disable)()
        try:
            with _app.unswept():
                assert not gc.isenabled()
            assert gc.isenabled() == on
        finally:
            (gc.enable if before else gc.disable)()

    def test_interruption_is_one_line(self, run, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(_predict, "_Images", interrupt)
        ended = run("predict")
        assert ended.status == 130
        assert ended.is_one_line("interrupted")

    def test_a_reader_that_has_left_gets_no_traceback(self):
        theirs, ours = os.pipe()
        os.close(theirs)
        done = subprocess.run(
            [sys.executable, "-m", "kerasconv", "list", "--json"],
            stdout=ours,
            stderr=subprocess.PIPE,
        )
        os.close(ours)
        assert done.returncode == 1
        assert done.stderr == b""

    def test_without_unicode_the_digits_are_drawn_in_ascii(self, run, monkeypatch):
        plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", plain)
        assert run("predict").status == 0
        plain.seek(0)
        drawn = plain.read()
        assert "of 64 right" in drawn
        assert "7 x" in drawn


def test_train_without_the_data_set_says_how_to_get_it(run, tmp_path):
    if not backends.BACKENDS[keras.backend.backend()].trains:
        pytest.skip("training needs gradients")
    out = tmp_path / "o"
    ended = run("train", "mnist_cnn", "--data-dir", tmp_path, "--out", out)
    assert ended.status == 1
    assert ended.is_one_line("--download")
    assert not out.exists()


@pytest.fixture
def on_a_terminal(run, monkeypatch):
    """Run the command line with standard error, or both streams, on a terminal."""
    pty = pytest.importorskip("pty")
    monkeypatch.setenv("TERM", "xterm-256color")

    def on_a_terminal(*arguments, stdout_too):
        terminal.stdout.cache_clear()  # it may have seen that it is no terminal
        ours, theirs = pty.openpty()
        shown = []

        def watch():
            with contextlib.suppress(OSError):  # how a closed terminal ends on Linux
                while piece := os.read(ours, 4096):
                    shown.append(piece)

        watcher = threading.Thread(target=watch)
        watcher.start()
        with open(theirs, "w", encoding="utf-8") as screen:
            monkeypatch.setattr(sys, "stderr", screen)
            if stdout_too:
                monkeypatch.setattr(sys, "stdout", screen)
            ended = run(*arguments)
        watcher.join()
        os.close(ours)
        return ended.out, b"".join(shown).decode()

    yield on_a_terminal
    terminal.stdout.cache_clear()


@pytest.mark.once
class TestProgress:
    def test_a_bar_on_the_terminal_leaves_the_results_whole(self, on_a_terminal, scans):
        out, shown = on_a_terminal("predict", scans, "--json", stdout_too=False)
        assert len(json.loads(out)) == 10
        assert "reading images" in shown
        assert "prediction" not in shown

    def test_a_bar_and_a_table_share_a_terminal(self, on_a_terminal, scans):
        _, shown = on_a_terminal("predict", scans, stdout_too=True)
        assert "reading images" in shown
        assert shown.count("100.0%") >= 5

    def test_lines_for_a_program_have_a_terminal_for_themselves(
        self, on_a_terminal, scans
    ):
        _, shown = on_a_terminal("predict", scans, "--csv", stdout_too=True)
        assert "reading images" not in shown
        assert len(shown.strip().splitlines()) == 11


@pytest.mark.once
class TestBackends:
    def test_backends_are_listed_with_the_reason(self, run, monkeypatch):
        monkeypatch.setenv("KERAS_BACKEND", backends.installed()[-1])
        ended = run("backends")
        assert ended.status == 0
        for name in backends.BACKENDS:
            assert name in ended.out
        last = ended.out.splitlines()[-1]
        assert last.startswith(f"{backends.installed()[-1]} would run")
        assert "KERAS_BACKEND" in last

    def test_a_missing_backend_is_named_with_the_remedy(self, run, monkeypatch):
        monkeypatch.setattr(backends, "_is_installed", lambda name: name == "numpy")
        ended = run("predict", "--backend", "torch")
        assert ended.status == 1
        assert ended.is_one_line("pip install torch")


def test_a_process_of_its_own_runs_on_the_backend_asked_for_and_is_quiet(backend):
    shown = {"tensorflow", "openvino"} & {*backends.installed()}
    if shown and backend not in shown:
        pytest.skip("TensorFlow is the loudest, and OpenVINO starts the soonest")
    ended = process("predict", "--json", "--backend", backend, KERAS_BACKEND="numpy")
    assert ended.status == 0
    bundled = find_card("mnist_cnn").facts["bundled_digits"]
    right = sum(r["truth"] == r["prediction"] for r in json.loads(ended.out))
    assert right == bundled["correct"]
    # Two lines on the accuracy, and nothing of what libraries print.
    assert len(ended.err.splitlines()) == 2


@pytest.mark.once
class TestDrawing:
    def test_braille_has_a_dot_for_every_bright_pixel(self):
        image = np.zeros((8, 4))
        image[0, 0] = image[7, 3] = 1
        assert terminal.draw(image, encoding="utf-8") == "\u2801\u2800\n\u2800\u2880"

    def test_every_dot_of_a_cell_is_where_unicode_has_it(self):
        # U+28xx: dots 1-3 and 7 go down the left column, 4-6 and 8 down the right.
        bits = {(0, 0): 0, (1, 0): 1, (2, 0): 2, (0, 1): 3, (1, 1): 4, (2, 1): 5,
                (3, 0): 6, (3, 1): 7}  # fmt: skip
        for place, bit in bits.items():
            image = np.zeros((4, 2))
            image[place] = 1
            assert terminal.draw(image, encoding="utf-8") == chr(0x2800 + (1 << bit))

    def test_shades_stand_in_where_braille_cannot_be_printed(self):
        drawn = terminal.draw(np.eye(8), encoding="ascii")
        assert drawn.isascii()
        assert len(drawn.splitlines()) == 2

    def test_columns_repeat_as_often_as_the_terminal_is_wide(self):
        rows = [[str(i), "x"] for i in range(10)]
        for width, lines in ((12, 11), (80, 2)):
            console = Console(width=width, file=io.StringIO())
            console.print(terminal.side_by_side(["n", "v"], rows, console))
            assert len(console.file.getvalue().splitlines()) == lines


class TestEdges:
    def test_a_picture_of_the_same_size_is_saved(self, run, tmp_path):
        save = tmp_path / "e.png"
        ended = run("edges", "--save", save)
        assert ended.status == 0
        assert "451x300" in ended.out
        pixels = np.asarray(Image.open(save))
        assert pixels.shape == (300, 451, 3)
        assert pixels.max() == 255
        assert pixels.min() == 0

    @pytest.mark.once
    def test_a_grey_picture_stays_grey_and_flat_ground_is_128_along_x(
        self, run, tmp_path
    ):
        Image.new("L", (30, 20), 77).save(tmp_path / "flat.png")
        save = tmp_path / "x.png"
        run("edges", tmp_path / "flat.png", "--output", "x", "--save", save)
        image = Image.open(save)
        assert image.mode == "L"
        assert image.size == (30, 20)
        assert set(np.asarray(image).ravel()) == {128}

    @pytest.mark.once
    def test_without_save_it_is_drawn_in_the_terminal(self, run, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        ended = run("edges", "--operator", "prewitt", "--border", "reflect")
        assert ended.status == 0
        assert len(ended.out.splitlines()) > 20
        assert os.listdir(tmp_path) == []

    @pytest.mark.once
    @pytest.mark.parametrize(
        ("option", "value"),
        [("--operator", "canny"), ("--output", "z"), ("--border", "mirror"),
         ("--save", "edges.docx")],
    )  # fmt: skip
    def test_unknown_names_are_refused(self, run, option, value):
        ended = run("edges", option, value)
        assert ended.status == 2
        assert ended.is_one_line(repr(value))

    @pytest.mark.once
    def test_a_file_that_is_missing_or_no_picture_is_named(self, run, tmp_path):
        assert run("edges", "none.jpg").status == 2
        (tmp_path / "text.png").write_text("")
        ended = run("edges", tmp_path / "text.png")
        assert ended.status == 1
        assert ended.is_one_line("text.png")


@pytest.mark.once
class TestFeaturesAndKernels:
    @pytest.mark.once
    def test_features_draw_every_layer_of_a_digit(self, run, scans, tmp_path):
        save = tmp_path / "maps.png"
        ended = run("features", scans / "0-0.png", "--save", save)
        assert ended.status == 0
        assert "7 layers" in ended.out
        assert min(Image.open(save).size) > 400

    @pytest.mark.once
    def test_kernels_of_a_layer_are_drawn(self, run, tmp_path):
        save = tmp_path / "k.png"
        ended = run("kernels", "mnist_cnn", "--layer", "conv2d_1", "--save", save)
        assert "64 kernels" in ended.out
        assert save.exists()

    @pytest.mark.once
    def test_kernels_of_an_operator_are_printed_and_drawn(self, run, tmp_path):
        save = tmp_path / "k.svg"
        ended = run("kernels", "sobel", "--save", save)
        assert "[-2.  0.  2.]" in ended.out
        assert save.read_text().lstrip().startswith("<?xml")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["kernels", "sobl"], ["did you mean sobel"]),
            (["kernels", "mnist_cnn", "--layer", "c"], ["conv2d, conv2d_1"]),
            (["kernels", "mnist_cnn", "--channel", "1"], ["--channel", "below 1"]),
            (["kernels", "sobel", "--save", "k.docx"], ["k.docx"]),
            (["kernels", "sobel", "--layer", "c"], ["--layer", "sobel"]),
            (["kernels", "sobel", "--channel", "1"], ["--channel", "sobel"]),
            (["features", "none.png"], ["none.png"]),
            (["features", "--save", "maps"], ["maps"]),
            (["features", "--model", "mnist_cmn"], ["did you mean mnist_cnn"]),
        ],
    )
    def test_bad_input_is_one_line(self, run, tmp_path, monkeypatch, arguments, words):
        monkeypatch.chdir(tmp_path)
        ended = run(*arguments)
        assert ended.status == 2
        assert ended.is_one_line(*words)
        assert os.listdir(tmp_path) == []
