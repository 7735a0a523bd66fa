"""The command line against hostile, careless and broken surroundings: one line each."""

import csv
import errno
import io
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import test_cli
from PIL import Image
from rich.console import Console

from kerasconv import __main__, batch, data, plotting, reading, terminal
from kerasconv._keras import keras
from kerasconv.cli import _app, _own, _pictures
from kerasconv.errors import KerasconvError, UsageError, in_a_cell
from kerasconv.models import find_card, load_model, mnist_cnn, save_model
from kerasconv.pictures import find_images, prepare_clothes, read_image
from kerasconv.pictures.annotate import annotated
from kerasconv.reading import read_digits

pytestmark = pytest.mark.once

run, scans, on_a_terminal = test_cli.run, test_cli.scans, test_cli.on_a_terminal


@pytest.fixture
def one(tmp_path, digits):
    """Writes pictures of a seven."""

    def one(name):
        pixels = np.rint(255 * digits[0][42, ..., 0]).astype(np.uint8)
        path = os.path.join(os.fsencode(tmp_path), os.fsencode(name))
        Image.fromarray(pixels).save(os.fsdecode(path), format="png")
        return os.fsdecode(path)

    return one


@pytest.fixture
def model_file(tmp_path):
    """Saves a network for digits, with something odd about it."""

    def model_file(name="odd", spoil=None, policy=None, **more):
        layers = [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(2, 3, name=name, dtype=policy, **more),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
        model = keras.Sequential(layers)
        if spoil is not None:
            kernel, bias = model.layers[0].get_weights()
            model.layers[0].set_weights([np.full_like(kernel, spoil), bias])
        path = tmp_path / "odd.keras"
        model.save(path)
        return path

    return model_file


class TestFolders:
    def test_links_that_lead_nowhere_or_in_circles_end_no_batch(
        self, run, one, tmp_path
    ):
        one("b.png")
        (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
        (tmp_path / "c.png").symlink_to(tmp_path / "gone.png")
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        (tmp_path / "up").symlink_to(tmp_path)
        ended = run("predict", tmp_path, "--json")
        assert ended.status == 1
        found = {os.path.basename(r["image"]): r for r in json.loads(ended.out)}
        assert [r["status"] for r in found.values()] == ["error", "ok", "error"]
        assert found["b.png"]["prediction"] == 7
        assert "a link that leads nowhere" in found["a.png"]["error"]
        assert "Traceback" not in ended.err

    def test_an_unreadable_folder_ends_no_batch(self, run, one, tmp_path, monkeypatch):
        one("z.png")
        (tmp_path / "locked").mkdir()
        listed = os.scandir

        def scandir(folder):
            if str(folder).endswith("locked"):  # whoever runs the test may be root
                raise PermissionError(errno.EACCES, "Permission denied")
            return listed(folder)

        monkeypatch.setattr(os, "scandir", scandir)
        ended = run("predict", tmp_path, "--csv")
        assert ended.status == 1
        bad, good = csv.DictReader(io.StringIO(ended.out))
        assert (bad["status"], good["status"]) == ("error", "ok")
        assert bad["image"].endswith("locked")
        assert "Permission denied" in bad["error"]
        assert run("predict", tmp_path / "locked").is_one_line("Permission denied")
        with pytest.raises(KerasconvError, match="Permission denied"):
            list(find_images([tmp_path]))

    def test_names_too_long_for_a_file_system_are_one_line(self, run):
        long = "x" * 100_000
        for command in (["predict"], ["edges"], ["features"], ["summary"]):
            ended = run(*command, long)
            assert ended.status == 2
            assert ended.is_one_line("xxx")
            assert len(ended.err) < 3000
        for end in (".keras", "/"):
            assert run("summary", "~" + long + end).is_one_line()
        assert run("edges", "--save", f"{long}.png").is_one_line()


class TestNames:
    def test_a_name_that_is_no_text_is_read_and_written_everywhere(
        self, run, one, tmp_path
    ):
        path = one(b"\xff7.png")
        ended = run("predict", path, "--json")
        assert ended.status == 0
        (record,) = json.loads(ended.out)
        assert os.fsencode(record["image"]) == os.fsencode(path)
        for how in ([], ["--csv"]):
            assert "\\udcff7.png" in "".join(run("predict", path, *how).out.split())

    def test_a_terminal_obeys_no_name(self, run, one):
        path = one("\x1b[2J\x9b\u202e7.png")
        bad = one("\x1b]0;t\x07.png")
        Path(bad).write_text("no picture")
        for how in ([], ["--csv"], ["--json"]):
            ended = run("predict", path, bad, *how)
            text = (ended.out + ended.err).replace("\n", "")
            assert text.isprintable()

    def test_a_spreadsheet_runs_no_name(self, run, one, tmp_path, monkeypatch):
        names = ["=cmd|1.png", "+1.png", "-1.png", "@1.png"]
        for name in names:
            one(name)
        monkeypatch.chdir(tmp_path)
        ended = run("predict", "--csv", "--", *names)
        rows = list(csv.DictReader(io.StringIO(ended.out)))
        assert [row["image"] for row in rows] == [f"./{name}" for name in names]
        assert all(os.path.isfile(row["image"]) for row in rows)

    def test_a_class_of_any_name_stands_in_the_table_as_it_is(self, capsys):
        _own.print_confusion([[1, 0], [0, 2]], ["[/b]", ":cat:"])
        assert capsys.readouterr().out.split()[3:8] == [
            *("[/b]", ":cat:", "[/b]", "1", "."),
        ]

    def test_a_class_is_a_cell_as_it_is_unless_it_could_do_something(self):
        classes = ["-", "+1", "=", "@home", "=A(1)", "-2+3|x"]
        assert list(map(in_a_cell, classes)) == [*classes[:4], "'=A(1)", "'-2+3|x"]

    @pytest.mark.parametrize(
        "name", ["$x^{$", "a_$\\frac$", "\ud800", "\x1b[2J", "x" * 100_000, "[red]"]
    )
    def test_layers_of_any_name_are_drawn_and_listed(
        self, run, tmp_path, monkeypatch, name
    ):
        maps = {name: np.ones((3, 3, 2))}
        for figure in (
            plotting.plot_feature_maps(maps),
            plotting.plot_kernels({name: np.ones((3, 3))}),
            plotting.plot_confusion_matrix(np.eye(2, dtype=int), [name, "b"]),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                plotting.save_figure(figure, tmp_path / "f.png", dpi=30)
        monkeypatch.setattr(
            keras.Model,
            "summary",
            lambda self, line_length, print_fn: print_fn(f"{name}\n34,826"),
        )
        ended = run("summary", "mnist_cnn")
        assert ended.status == 0
        assert ended.out.replace("\n", "").isprintable()
        assert "34,826" in ended.out

    def test_a_file_beside_hides_no_model(self, run, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("lenet5", "mnist"):
            (tmp_path / name).touch()
        assert "61,706" in run("summary", "lenet5").out
        assert run("summary", "./lenet5").is_one_line("lenet5")
        assert mnist_cnn(weights="mnist").count_params() == 34_826


class TestStandardOutput:
    @pytest.fixture
    def full(self):
        """Standard output, on a disk that is full."""
        if not os.path.exists("/dev/full"):
            pytest.skip("there is no /dev/full")
        stream = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115
        yield stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        stream.close()

    @pytest.mark.parametrize("command", ["list", "list --json", "kernels sobel"])
    def test_a_full_disk_is_one_line(self, run, full, command, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        # Not in the fixture: `capsys` sets its own when the test begins.
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(terminal, "stdout", lambda: Console(file=full))
        ended = run(*command.split())
        assert ended.status == 1
        assert ended.is_one_line("standard output", "No space left")

    def test_a_closed_one_is_one_line(self, run, monkeypatch):
        monkeypatch.setattr(sys, "stdout", None)
        ended = run("list")
        assert ended.status == 1
        assert ended.is_one_line("standard output is closed")

    def test_with_standard_error_closed_nothing_else_gets_its_lines(
        self, run, monkeypatch, tmp_path
    ):
        monkeypatch.setattr(sys, "stderr", None)
        ended = run("predict", tmp_path / "none.png")
        assert ended.status == 2
        assert ended.out == ""

    def test_both_hold_for_the_process_too(self):
        command = f"{sys.executable} -m kerasconv list --json"
        for redirected, status in ((">/dev/full", 1), (">&-", 1), ("2>&-", 0)):
            done = subprocess.run(
                ["sh", "-c", f"{command} {redirected}"], capture_output=True, text=True
            )
            assert done.returncode == status
            assert done.stderr.count("\n") == status
            assert "Traceback" not in done.stderr

    def test_characters_that_it_lacks_are_escaped(self, run, one, monkeypatch):
        plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", plain)
        assert run("predict", one("é7.png"), "--csv").status == 0
        plain.seek(0)
        assert "\\xe97.png" in plain.read()

    @pytest.mark.parametrize("columns", ["0", "1", "7", "100000", "999999999999", "x"])
    def test_any_width_of_a_terminal_prints(self, run, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", columns)
        terminal.stdout.cache_clear()
        try:
            others = ("backends", "tutorials") if columns == "7" else ()
            for command in ("list", *others):
                ended = run(command)
                assert ended.status == 0
                assert len(ended.out.split()) > 5
            assert 20 <= terminal.stdout().width <= 1000
        finally:
            terminal.stdout.cache_clear()


def test_an_interrupted_start_is_one_line(monkeypatch, capsys):
    class Interrupts:
        def find_spec(self, name, *_):
            if name == "kerasconv.cli":
                raise KeyboardInterrupt

    import kerasconv

    monkeypatch.delitem(sys.modules, "kerasconv.cli")
    monkeypatch.delattr(kerasconv, "cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupts(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "kerasconv: error: interrupted\n"


def test_an_interruption_amid_native_code_ends_at_once(monkeypatch, capfd):
    left = []
    monkeypatch.setattr(_app.os, "_exit", left.append)
    before = signal.getsignal(signal.SIGINT)
    with _app._leaving_on_interruption(), _app.hushed():
        signal.raise_signal(signal.SIGINT)
    assert left == [130]
    assert capfd.readouterr().err == "kerasconv: error: interrupted\n"
    assert signal.getsignal(signal.SIGINT) == before


def interrupted_by(name, before=""):
    """How a command ends that is sent a signal while it works."""
    code = f"""if True:
        import os, signal, sys, tempfile, threading
        from kerasconv import __main__
        from kerasconv.cli import _app

        def work(**_):
            # A library's thread, which Python would wait for.
            threading.Thread(target=threading.Event().wait).start()
            with tempfile.TemporaryDirectory(dir=sys.argv[1]):
                os.kill(os.getpid(), signal.{name})
            print("done", flush=True)
            os._exit(0)

        # Whoever runs the tests in the background has these ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        {before}
        _app.app = work
        __main__.main()
    """
    return lambda place: subprocess.run(
        [sys.executable, "-c", code, place], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_whoever_interrupts_is_told_in_one_line_and_nothing_stays(name, tmp_path):
    ended = interrupted_by(name)(tmp_path)
    assert ended.stderr == "kerasconv: error: interrupted\n"
    assert list(tmp_path.iterdir()) == []
    # A supervisor sees that its signal was what ended it.
    assert ended.returncode == (130 if name == "SIGINT" else -signal.Signals[name])


def test_a_command_under_nohup_works_on_when_the_terminal_closes(tmp_path):
    ignore = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    ended = interrupted_by("SIGHUP", ignore)(tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


def test_signals_amid_native_code_end_it_at_once(monkeypatch):
    monkeypatch.setattr(_app.os, "_exit", lambda _: None)
    with __main__._asked_to_end():
        ours = signal.getsignal(signal.SIGTERM)
        assert callable(ours)
        with _app._leaving_on_interruption():
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) == ours
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_keras_imports_for_a_training_says_nothing(monkeypatch, capfd):
    monkeypatch.setattr(
        keras.utils, "set_random_seed", lambda _: os.write(2, b"chatter")
    )
    _app.start_to_train(None)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("summary", "~nosuchuser/x.keras"),
        ("play", "~nosuchuser/x.keras"),
        ("export", "mnist_cnn", "--to", "onnx", "--out", "~nosuchuser/x.txt"),
        ("evaluate", "mnist_cnn", "--data-dir", "~nosuchuser"),
        ("train", "lenet5", "--images", "~nosuchuser"),
        ("features", "~nosuchuser.png"),
    ],
)
def test_the_home_of_a_user_that_there_is_not_is_one_line(run, arguments):
    ended = run(*arguments)
    assert ended.status in (1, 2)
    assert ended.is_one_line("~nosuchuser")


def test_the_home_that_a_shell_leaves_in_an_option_is_meant(run, one, monkeypatch):
    place = Path(one("a.png")).parent
    monkeypatch.setenv("HOME", str(place))
    assert run("edges", "~/a.png", "--save", "~/edges.png").status == 0
    assert (place / "edges.png").exists()
    assert run("edges", "~/a.png", "--save", "~/a.png").is_one_line("picture to read")
    planned = batch.plan("~/a.png", "~/out", format="csv")
    assert planned.out == place / "out"
    assert batch.opened("~/out").out == planned.out


def test_a_backend_that_cannot_be_imported_is_one_line(run, monkeypatch):
    load = _app.importlib.import_module

    def broken(name, *rest):
        if name != "kerasconv._keras":
            return load(name, *rest)
        raise ImportError("libx.so: no such file\nsecond line")

    monkeypatch.setattr(_app.importlib, "import_module", broken)
    ended = run("summary", "mnist_cnn")
    assert ended.status == 1
    assert ended.is_one_line("libx.so", "--backend")


class TestOddNetworks:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_nan_is_an_error_and_no_answer(self, run, one, model_file, value):
        model, image = model_file(spoil=value), one("7.png")
        ended = run("predict", image, "--model", model, "--json")
        assert ended.status == 1
        (record,) = json.loads(ended.out, parse_constant=pytest.fail)
        assert record["status"] == "error"
        assert "NaN" in record["error"]
        assert record["prediction"] is record["probability"] is None
        ended = run("predict", image, "--model", model, "--csv")
        assert ended.status == 1
        (row,) = csv.DictReader(io.StringIO(ended.out))
        assert (row["status"], row["prediction"]) == ("error", "")
        ended = run("predict", image, "--model", model)
        assert ended.status == 1
        assert "error" in ended.out
        assert "nan%" not in ended.out
        assert "NaN" in ended.err

    def test_nan_is_no_measurement(self, run, one, model_file, tmp_path):
        model = model_file(spoil=np.nan)
        names = ", ".join(f'"{i}"' for i in range(10))
        model.with_suffix(".toml").write_text(f'classes = [{names}]\nprepare = "digit"')
        for name in ("7", "8"):
            (tmp_path / "of" / name).mkdir(parents=True)
            os.rename(one("x.png"), tmp_path / "of" / name / f"{name}.png")
        (tmp_path / "of" / "8" / "8.png").write_bytes(
            Path(one("8.png")).read_bytes() + b"x"
        )
        for command in (["evaluate", model], ["compare", "lenet5", model]):
            for how in ([], ["--json"]):
                ended = run(*command, "--images", tmp_path / "of", *how)
                assert ended.status == 1
                assert ended.is_one_line("odd.keras", "2 of 2", "NaN")

    def test_nan_weights_are_drawn_blank_and_told(self, run, one, model_file, tmp_path):
        model = model_file(spoil=np.nan)
        ended = run("kernels", model, "--save", tmp_path / "k.png")
        assert ended.status == 0
        assert "warning: 9 of 9 weights" in ended.err
        ended = run("features", one("7.png"), "--model", model, "--save",
                    tmp_path / "f.png")  # fmt: skip
        assert ended.status == 0
        assert "are NaN or infinite" in ended.err
        assert "Traceback" not in ended.err

    def test_what_the_backend_cannot_run_is_one_line(self, run, one, monkeypatch):
        from kerasconv import predict

        def fails(*_, **__):
            raise TypeError("lax.conv requires\n  floats, got int8")

        monkeypatch.setattr(predict, "Predictor", fails)
        monkeypatch.setattr(predict, "feature_maps", fails)
        for command in ("predict", "features"):
            ended = run(command, one("7.png"))
            assert ended.status == 1
            assert ended.is_one_line("mnist_cnn", "lax.conv requires floats")

    @pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "string"])
    def test_inputs_that_are_no_floats_are_one_line(self, run, one, tmp_path, dtype):
        """Pixels from 0 to 1 would be 0, nearly all of them."""
        inputs = keras.Input((28, 28, 1), dtype=dtype)
        x, says = keras.layers.Identity()(inputs), ["odd.keras"]
        if dtype != "string":  # of which Keras makes no ten numbers
            x = keras.layers.Dense(10)(keras.layers.Flatten()(x))
            says += [f"an input of {dtype}"]
        keras.Model(inputs, x).save(tmp_path / "odd.keras")
        where = ["--save", tmp_path / "f.png"]
        for command, more in (("predict", []), ("features", where)):
            ended = run(command, one("7.png"), "--model", tmp_path / "odd.keras", *more)
            assert ended.status == 1
            assert ended.is_one_line(*says)
        assert not (tmp_path / "f.png").exists()

    @pytest.mark.skipif(
        keras.backend.backend() == "torch", reason="PyTorch makes no such layers"
    )
    @pytest.mark.parametrize("dtype", ["int32", "uint8"])
    def test_layers_of_integers_answer_as_they_do_in_keras_or_in_one_line(
        self, run, one, model_file, dtype
    ):
        layer = keras.dtype_policies.DTypePolicy(dtype)
        path = model_file(policy=layer, kernel_initializer="ones")
        ended = run("predict", one("7.png"), "--model", path, "--json")
        if ended.status == 0:
            (record,) = json.loads(ended.out)
            assert record["status"] == "ok"
            image = np.asarray(read_digits(one("7.png")).image)
            (row,) = keras.ops.convert_to_numpy(load_model(path)(image[None]))
            assert record["prediction"] == row.argmax()
            assert record["probability"] == pytest.approx(row.max(), abs=1e-5)
        else:
            assert ended.status == 1
            assert ended.is_one_line("odd.keras")


@pytest.mark.parametrize(
    "command",
    [
        "summary",
        "predict --model",
        "features --model",
        "kernels",
        "evaluate --images .",
        "compare --images . lenet5",
        "export --to onnx --out odd.onnx",
        "play --no-open",
    ],
)
def test_a_file_that_is_said_to_be_sealed_and_is_not_is_refused(
    run, model_file, monkeypatch, command
):
    bare = model_file()
    monkeypatch.chdir(bare.parent)
    ended = run(*command.split(), bare, "--sealed")
    assert ended.status == 1
    assert ended.is_one_line("odd.keras", "carries no digests")
    if command == "summary":
        assert run(command, bare).status == 0
        save_model(load_model(bare), "sealed.keras")
        assert run(command, "sealed.keras", "--sealed").status == 0
        assert run(command, "mnist_cnn", "--sealed").status == 0


class TestCards:
    def test_clothes_have_names_and_no_digit_is_asked_for(
        self, run, one, monkeypatch, tmp_path
    ):
        name = "mnist_cnn/fashion_mnist"
        known = data.DATASETS["fashion_mnist"].classes
        ended = run("predict", one("7.png"), "--model", name, "--json", "--top", 3)
        (record,) = json.loads(ended.out)
        assert record["prediction"] in known
        assert {each["class"] for each in record["top"]} <= set(known)
        ended = run("predict", "--model", name)
        assert ended.status == 2
        assert ended.is_one_line("name the pictures")

    def test_cats_and_dogs_are_called_so(self, run, scans):
        ended = run("predict", scans, "--model", "cats_dogs_cnn", "--csv")
        rows = csv.DictReader(io.StringIO(ended.out))
        assert {row["prediction"] for row in rows} <= {"cat", "dog"}
        ended = run("predict", scans, "--model", "cats_dogs_cnn", "--top", 3)
        assert ended.is_one_line("--top must be from 1 to 2")

    def test_the_accuracy_of_a_card_is_told_of_its_own_data_alone(self, run):
        assert "(its card)" in run("predict", "--model", "lenet5").out
        for name in ("mnist_cnn/fashion_mnist", "cats_dogs_cnn"):
            ended = run("predict", "--model", name)
            assert "(its card)" not in ended.out + ended.err

    def test_the_card_says_how_a_picture_is_prepared(self, one, digits):
        network, path = mnist_cnn(weights=None), one("7.png")
        card = find_card("mnist_cnn/fashion_mnist")
        assert reading.pictures_of(None) == "digit"
        assert reading.pictures_of(card) == "clothes"
        grey = read_image(path)
        clothes = reading.preparation((28, 28, 1), card)(Path(path))
        np.testing.assert_array_equal(clothes[..., 0], prepare_clothes(grey))
        digit = reading.preparation((28, 28, 1), find_card("mnist_cnn"))(Path(path))
        np.testing.assert_array_equal(digit, digits[0][42])
        with pytest.raises(UsageError, match="name an image"):
            _pictures._picture_for(network, card, None)


class TestClothes:
    def test_a_picture_on_a_light_ground_fills_the_field_in_negative(self):
        picture = np.full((100, 60), 250, np.uint8)
        picture[20:76, 10:38] = 51  # 56 x 28 at a fifth of white
        image = prepare_clothes(picture)
        expected = np.zeros((28, 28), np.float32)
        expected[:, 7:21] = 0.8
        np.testing.assert_allclose(image, expected, atol=1e-6)

    def test_a_picture_of_the_data_set_comes_through(self):
        image = np.zeros((28, 28), np.float32)
        image[3:20, 5:25] = 0.5
        np.testing.assert_array_equal(prepare_clothes(image), image)

    def test_a_blank_one_warns_and_another_shape_is_refused(self):
        from kerasconv.pictures import BlankImageWarning

        with pytest.warns(BlankImageWarning):
            assert not prepare_clothes(np.full((9, 9), 200, np.uint8)).any()
        with pytest.raises(ValueError, match=r"shape=\(2, 2, 3\)"):
            prepare_clothes(np.zeros((2, 2, 3)))


class TestPlaces:
    def test_no_picture_is_replaced_that_was_not_named(
        self, run, one, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        for command, file in (("kernels sobel", "kernels.png"),
                              ("features", "features.png")):  # fmt: skip
            Path(file).write_text("mine")
            ended = run(*command.split())
            assert ended.status == 2
            assert ended.is_one_line(file, "--save")
            assert Path(file).read_text() == "mine"
        assert run("kernels", "sobel", "--save", "kernels.png").status == 0
        assert Image.open("kernels.png").size
        image = one("7.png")
        before = Path(image).read_bytes()
        for command in ("edges", "features"):
            assert run(command, image, "--save", "7.png").is_one_line("7.png")
        assert Path(image).read_bytes() == before

    def test_a_picture_of_one_line_is_drawn_on_too(self):
        assert annotated(np.ones((1, 5000, 1)), []).size == (1600, 1)

    def test_missing_folders_are_made(self, run, tmp_path):
        from kerasconv.export import check

        assert run("kernels", "sobel", "--save", tmp_path / "a" / "k.png").status == 0
        assert check("onnx", tmp_path / "b" / "c.onnx")

    def test_a_picture_in_the_terminal_says_what_it_shows(self, run, one):
        first = run("edges", one("7.png"), "--output", "x").out.splitlines()[0]
        assert first.startswith("Sobel: the derivative along x of ")
        assert first.endswith("7.png, 28x28 pixels; light is strong")


class TestBar:
    def test_it_knows_the_number_of_files_and_no_warning_lands_in_it(
        self, on_a_terminal, scans
    ):
        Image.new("L", (9, 9), 255).save(scans / "4-blank.png")
        out, shown = on_a_terminal(
            "predict", scans, "--json", "--batch-size", 2, stdout_too=False
        )
        assert len(json.loads(out)) == 11
        assert "/11" in shown
        (line,) = (s for s in shown.splitlines() if "is blank" in s)
        assert "reading images" not in line.rpartition("\x1b[2K")[2]


def test_messages_of_the_package_are_told_in_options(run, tmp_path):
    ended = run("evaluate", "mnist_cnn", "--data-dir", tmp_path)
    assert ended.is_one_line("--data-dir", "--download")
    assert "`" not in ended.err
    with pytest.raises(KerasconvError, match=r"`data_dir`.*`download=True`"):
        data.load("mnist", "test", tmp_path)
    ended = run("train", "lenet5", "--images", tmp_path, "--freeze")
    assert ended.is_one_line("--freeze is of the model that --from names")
    assert run("edges", "--border", "mirror").is_one_line("--border")
    assert _app._in_options("`border_mode` and `nothing=3`") == (
        "--border and `nothing=3`"
    )


def test_a_name_is_shown_whole_or_with_an_ellipsis():
    from kerasconv.errors import printable

    assert printable("é 7.png") == "é 7.png"
    assert len(printable("x" * 100_000, 60)) == 60


def test_the_column_of_drawings_is_headed_by_what_the_card_reads(run, one):
    for model, word in (("mnist_cnn", "digit"), ("mnist_cnn/fashion_mnist", "picture")):
        ended = run("predict", one("a.png"), "--single", "--model", model)
        assert ended.status == 0
        assert ended.out.split()[0] == word


def test_train_replaces_a_model_only_with_force_and_says_so(run, tmp_path):
    for label in "ab":
        (tmp_path / "in" / label).mkdir(parents=True)
        for i in range(3):
            noise = np.random.default_rng(i).integers(0, 255, (28, 28), np.uint8)
            Image.fromarray(noise).save(tmp_path / "in" / label / f"{i}.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "in.keras").write_text("hours of work")
    plan = ("train", "dense_classifier", "--images", tmp_path / "in")
    ended = run(*plan, "--out", tmp_path / "out")
    if keras.backend.backend() in ("numpy", "openvino"):
        assert ended.is_one_line("cannot train")
        return
    assert ended.status == 2
    assert ended.is_one_line("in.keras exists already", "--name", "--out", "--force")
    assert (tmp_path / "out" / "in.keras").read_text() == "hours of work"


def test_force_is_of_pictures_of_ones_own(run):
    ended = run("train", "mnist_cnn", "--force")
    assert ended.is_one_line("--force cannot be given without --images")
