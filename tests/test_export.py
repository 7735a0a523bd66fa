"""Exports: every file answers as Keras does, and nothing else is left behind."""

import ast
import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import test_cli
from contract import on_the_first

from kerasconv import backends, files, layers
from kerasconv import export as exports
from kerasconv._keras import keras
from kerasconv.data import DATASETS
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.export import FORMATS, export, formats, proof, writers
from kerasconv.models import mnist_cnn

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import exports as table

SUFFIXES = {name: facts.suffix for name, facts in FORMATS.items()}
PAGE = Path(__file__).parents[1] / "models" / "README.md"


def installed(format):
    return bool(formats.writers_of(format))


# To write from another backend takes a process that loads that one, ten to twenty
# seconds of work: here each format is written by each of its writers, with every layer
# by the first, and one from NumPy, which writes none. The table beside the benchmarks
# has every layer in every format from each.
BACKEND = keras.backend.backend()
INSTALLED = [name for name in FORMATS if installed(name)]
OWN = [name for name in INSTALLED if BACKEND in formats.writers_of(name)]
FIRST = [name for name in OWN if formats.writers_of(name)[0] == BACKEND]
# Another backend would have it written in a process of its own, which takes a while.
writes_openvino = on_the_first("openvino", "torch", "tensorflow", "jax", "numpy")
LENT = ["openvino"] if BACKEND == "numpy" and "openvino" in INSTALLED else []


def hidden(folder):
    """What lies in a folder besides what was asked for."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@functools.cache
def every_layer(*names):
    """One network with each layer of the package, or some, and Keras's usual ones.

    Made once: what a backend compiled of it is for every format.
    """
    images = keras.Input((28, 28, 1))
    means = []
    for name, layer in table.our_layers().items():
        if names and name not in names:
            continue
        layer.name = name
        means.append(keras.layers.GlobalAveragePooling2D()(layer(images)))
    x = keras.layers.Concatenate()(means)
    model = keras.Model(images, keras.layers.Dense(5, name="scores")(x), name="ours")
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape))
    return model


@pytest.mark.once
def test_the_network_of_every_layer_has_each_of_ours():
    ours = {getattr(layers, name) for name in layers.__all__}
    used = {type(layer) for layer in every_layer().layers}
    assert ours - used == {layers.Window, layers.WindowLayer}


@pytest.mark.once
def test_each_backend_has_a_writer_for_each_format_that_is_said_of_it():
    said = {(name, backend) for name in FORMATS for backend in FORMATS[name].writers}
    assert said == {
        (name, backend)
        for backend, known in writers._BACKENDS.items()
        for name in known.writers
    }
    assert writers._BACKENDS.keys() == backends.BACKENDS.keys()


class TestOnEveryBackend:
    @pytest.mark.parametrize("format", OWN or LENT)
    def test_every_layer_answers_as_keras_does_in_every_format(
        self, format, backend, tmp_path
    ):
        names = [*table.our_layers()] if format in FIRST else ["SobelConv", "L2Pool"]
        model = every_layer(*names)
        path = tmp_path / f"ours{SUFFIXES[format]}"
        classes = list("abcde")
        done = export(
            *(model, path, format),
            feature_maps=True,
            input_range=(-1, 1),
            class_names=classes,
        )
        assert {*names, "scores"} <= {*done.outputs}
        assert len(done.outputs) == len(model.layers) - 1
        assert done.difference <= 1e-5
        assert [shape[0] for shape in done.shapes] == [1, 7, 64]
        assert done.reference == backend
        writers = FORMATS[format].writers
        assert (
            done.backend == backend if backend in writers else done.backend in writers
        )
        assert done.refused == {}
        facts = metadata_of(format, path)
        assert facts["input_layout"] == "NHWC"
        assert json.loads(facts["input_range"]) == [-1, 1]
        assert json.loads(facts["class_names"]) == classes
        assert hidden(tmp_path) == []


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """mnist_cnn with every layer's output, exported to a format once."""
    folder, made = tmp_path_factory.mktemp("zoo"), {}

    def exported(format):
        if format not in made:
            path = folder / f"digits{SUFFIXES[format]}"
            made[format] = export("mnist_cnn", path, format, feature_maps=True)
        return made[format]

    return exported


LAYERS = ["conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1", "flatten"]
LAYERS += ["dropout", "dense"]


def metadata_of(format, path):
    """What a file says besides the graph, as its own runtime or schema reads it."""
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        return session.get_modelmeta().custom_metadata_map
    if format == "openvino":
        import openvino

        facts = openvino.Core().read_model(path).rt_info["kerasconv"]
        return {key: value.astype(str) for key, value in facts.items()}
    if format == "litert":
        from ai_edge_litert.schema_py_generated import Model

        model = Model.GetRootAs(path.read_bytes())
        entries = [model.Metadata(i) for i in range(model.MetadataLength())]
        (entry,) = (e for e in entries if e.Name() == b"kerasconv")
        return json.loads(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    if format == "saved_model":
        return json.loads((path / "assets.extra" / "metadata.json").read_text())
    import torch

    extra = {"metadata.json": ""}
    torch.export.load(path, extra_files=extra)
    return json.loads(extra["metadata.json"])


class TestTheZoo:
    @pytest.mark.skipif("onnx" not in FIRST, reason="another backend writes it")
    def test_the_file_carries_names_and_what_its_images_must_be(self, zoo):
        done = zoo("onnx")
        assert list(done.outputs) == LAYERS
        assert done.difference <= 1e-5
        facts = metadata_of("onnx", done.path)
        assert facts["model"] == "mnist_cnn/mnist"
        assert facts["input_layout"] == "NHWC"
        assert json.loads(facts["input_range"]) == [0, 1]
        assert json.loads(facts["class_names"]) == list(DATASETS["mnist"].classes)

    @pytest.mark.skipif("onnx" not in FIRST, reason="another backend writes it")
    def test_the_onnx_program_of_the_zoos_page_reads_digits_without_keras(
        self, zoo, digits, tmp_path
    ):
        text = PAGE.read_text(encoding="utf-8")
        (code,) = re.findall(r"```py\n(import json.*?)```", text, re.S)
        imported = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(code))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert imported == {"json", "numpy", "onnxruntime", "PIL"}
        shutil.copy(zoo("onnx").path, tmp_path / "digits.onnx")
        from PIL import Image

        pixels = np.rint(255 * digits[0][12, ..., 0]).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "digit.png")
        check = "\nimport sys; assert not {'keras', 'kerasconv'} & set(sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", code + check],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] == str(digits[1][12])

    @pytest.mark.skipif("onnx" not in FIRST, reason="another backend writes it")
    def test_the_onnx_file_reads_every_bundled_digit_as_keras_does(self, zoo, digits):
        import onnxruntime

        session = onnxruntime.InferenceSession(zoo("onnx").path)
        (found,) = session.run(["dense"], {"images": digits[0]})
        expected = mnist_cnn().predict(digits[0], verbose=0)
        np.testing.assert_allclose(found, expected, atol=1e-5)

    @pytest.mark.skipif("openvino" not in FIRST, reason="another backend writes it")
    def test_openvino_keeps_all_bits_of_the_weights_and_the_layout(self, zoo):
        import openvino

        model = openvino.Core().read_model(zoo("openvino").path)
        weights = [op for op in model.get_ops() if op.get_type_name() == "Constant"]
        floats = {op.get_element_type().get_type_name() for op in weights} - {
            *("i32", "i64", "boolean")
        }
        assert floats == {"f32"}
        assert str(model.inputs[0].node.layout) == "[N,H,W,C]"


# What a plain writer may do wrong, as ONNX: (operation, constant, declared batch).
def onnx_file(path, *, factor=1.0, batch="n", width=4, name="doubled"):
    import onnx
    from onnx import TensorProto, helper

    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, width])

    graph = helper.make_graph(
        [helper.make_node("Mul", ["images", "factor"], [name])],
        "made",
        [value("images")],
        [value(name)],
        [helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])],
    )
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    file.ir_version = 8
    onnx.save(file, path)


WRONG = {
    "a wrong value": (lambda p: onnx_file(p, factor=2.01), "differs from Keras by"),
    "not a number": (
        lambda p: onnx_file(p, factor=np.nan),
        "differs from Keras by nan",
    ),
    "a batch of one": (lambda p: onnx_file(p, factor=2, batch=1), "does not run|takes"),
    "any width": (lambda p: onnx_file(p, factor=2, width="w"), "the file takes"),
    "another name": (lambda p: onnx_file(p, factor=2, name="y"), "the file's outputs"),
    "no ONNX": (lambda p: Path(p).write_bytes(b"\0broken"), "does not run"),
    "half a file": (
        lambda p: (onnx_file(p, factor=2), os.truncate(p, 60)),
        "does not run",
    ),
    "nothing": (lambda p: None, "does not run"),
}


@pytest.fixture
def doubling():
    """A network that doubles four numbers."""
    images = keras.Input((4,))
    return keras.Model(images, keras.layers.Rescaling(2.0, name="doubled")(images))


@pytest.fixture
def writes(monkeypatch):
    """Let functions stand in for the backends that write ONNX, best first."""

    def use(*functions):
        names = list(FORMATS["onnx"].writers)[: len(functions)]
        here = backends.activate()
        calls = dict(
            zip(sorted(names, key=lambda n: n != here), functions, strict=True)
        )
        monkeypatch.setattr(proof, "writers_of", lambda format: names)
        monkeypatch.setattr(
            proof, "_write", lambda model, job, backend: calls[backend](job.path)
        )
        return list(calls)

    return use


@pytest.mark.once
@pytest.mark.skipif("onnx" not in INSTALLED, reason="not installed")
class TestAFileThatIsNotProven:
    @pytest.mark.parametrize(("wrong", "why"), WRONG.values(), ids=WRONG)
    def test_is_not_left_and_what_was_there_stays(
        self, wrong, why, doubling, writes, tmp_path
    ):
        writes(wrong)
        path = tmp_path / "made.onnx"
        path.write_text("the old one")
        with pytest.raises(KerasconvError, match=why) as raised:
            export(doubling, path, "onnx")
        assert "\n" not in str(raised.value)
        assert str(tmp_path) not in str(raised.value)
        assert [p.name for p in tmp_path.iterdir()] == ["made.onnx"]
        assert path.read_text() == "the old one"

    def test_a_right_one_replaces_what_was_there(self, doubling, writes, tmp_path):
        writes(lambda p: onnx_file(p, factor=2))
        path = tmp_path / "made.onnx"
        path.write_text("the old one")
        done = export(doubling, path, "onnx")
        assert done.difference == 0
        assert path.read_bytes() != b"the old one"
        assert hidden(tmp_path) == []

    @pytest.mark.parametrize(("apart", "counts"), [(4e-6, True), (4e-5, False)])
    def test_the_tolerance_is_what_it_is_said_to_be(
        self, apart, counts, doubling, writes, tmp_path
    ):
        writes(lambda p: onnx_file(p, factor=2 * (1 + apart)))
        if counts:
            done = export(doubling, tmp_path / "made.onnx", "onnx")
            assert done.difference == pytest.approx(apart, rel=0.1)
        else:
            with pytest.raises(KerasconvError, match="1e-05 is allowed"):
                export(doubling, tmp_path / "made.onnx", "onnx")

    def test_another_backend_writes_it_and_the_first_is_told_of(
        self, doubling, writes, tmp_path
    ):
        first, second = writes(
            WRONG["a wrong value"][0], lambda p: onnx_file(p, factor=2)
        )
        done = export(doubling, tmp_path / "made.onnx", "onnx")
        assert done.backend == second
        assert list(done.refused) == [first]
        assert "differs from Keras" in done.refused[first]

    def test_none_right_names_each_backend_and_its_reason(
        self, doubling, writes, tmp_path
    ):
        tried = writes(WRONG["a wrong value"][0], WRONG["another name"][0])
        with pytest.raises(KerasconvError, match=r"differs .*outputs") as raised:
            export(doubling, tmp_path / "made.onnx", "onnx")
        for backend in tried:
            assert f"{backend}: " in str(raised.value)

    def test_a_runtime_that_takes_its_process_with_it_is_a_reason(
        self, doubling, writes, tmp_path, monkeypatch
    ):
        writes(lambda p: onnx_file(p, factor=2))
        crash = tmp_path / "crash"
        (crash / "onnxruntime").mkdir(parents=True)
        (crash / "onnxruntime" / "__init__.py").write_text("import os; os.abort()")
        monkeypatch.setenv("PYTHONPATH", str(crash), prepend=os.pathsep)
        with pytest.raises(KerasconvError, match="ended by signal 6"):
            export(doubling, tmp_path / "made.onnx", "onnx")
        assert not (tmp_path / "made.onnx").exists()


@pytest.mark.once
def test_a_difference_is_relative_to_the_largest_value_beyond_one():
    small, large = np.array([[0.5, -0.25]]), np.array([[-50.0, 4.0]])
    assert proof._difference(small + 1e-3, small) == pytest.approx(1e-3)
    assert proof._difference(large + 1e-3, large) == pytest.approx(2e-5)
    assert proof._difference(np.zeros((1, 1)), np.zeros((1, 2))) == np.inf


@pytest.mark.once
def test_a_file_is_held_to_keras_on_every_batch(doubling, monkeypatch):
    batches = [np.ones((n, 4), "f4") for n in (1, 3)]

    def run(module, format, path, given, answered):
        right, wrong = 2 * batches[0], 2 * batches[1] + [[0], [0], [1]]
        found = {"arr_0:doubled": right, "arr_1:doubled": wrong}
        np.savez(answered, shape=json.dumps([None, 4]), **found)
        return ""

    monkeypatch.setattr(proof, "_run", run)
    job = writers.Job("onnx", "made.onnx", ["doubled"], "NC", {})
    expected = [[2 * batch] for batch in batches]
    with pytest.raises(KerasconvError, match=r"differs from Keras by 5\.0e-01 in dou"):
        proof._prove(doubling, job, batches, expected)


@pytest.mark.once
def test_openvinos_graph_is_never_beside_weights_of_another(tmp_path, monkeypatch):
    old, made = tmp_path / "d.xml", tmp_path / "made.xml"
    for path in (old, made):
        path.write_text(f"graph of {path.stem}")
        path.with_suffix(".bin").write_text(f"weights of {path.stem}")
    move = files.move_into_place

    def stop(source, target):
        move(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(proof.files, "move_into_place", stop)
    with pytest.raises(KeyboardInterrupt):
        proof._move(made, old)
    assert not old.exists()
    assert old.with_suffix(".bin").read_text() == "weights of made"


@pytest.mark.once
class TestAFolder:
    @pytest.fixture
    def writes_folder(self, monkeypatch):
        def use(model, job, backend):
            Path(job.path).mkdir()
            Path(job.path, "saved_model.pb").write_text("new")

        monkeypatch.setattr(proof, "_write", use)
        monkeypatch.setattr(proof, "writers_of", lambda format: ["tensorflow"])

    def test_that_is_proven_replaces_an_old_saved_model(
        self, doubling, writes_folder, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(proof, "_prove", lambda *arguments: 0.0)
        path = tmp_path / "served"
        path.mkdir()
        (path / "saved_model.pb").write_text("old")
        (path / "stale").write_text("old")
        export(doubling, path, "saved_model")
        assert [p.name for p in path.iterdir()] == ["saved_model.pb"]
        assert (path / "saved_model.pb").read_text() == "new"
        assert [p.name for p in tmp_path.iterdir()] == ["served"]

    def test_that_is_not_leaves_the_old_one(
        self, doubling, writes_folder, tmp_path, monkeypatch
    ):
        def refuse(*arguments):
            raise KerasconvError("it is wrong")

        monkeypatch.setattr(proof, "_prove", refuse)
        path = tmp_path / "served"
        path.mkdir()
        (path / "saved_model.pb").write_text("old")
        with pytest.raises(KerasconvError, match="it is wrong"):
            export(doubling, path, "saved_model")
        assert (path / "saved_model.pb").read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["served"]

    def test_of_something_else_is_never_replaced(self, doubling, tmp_path):
        (tmp_path / "letter.txt").write_text("dear")
        with pytest.raises(UsageError, match="new folder"):
            export(doubling, tmp_path, "saved_model")
        assert (tmp_path / "letter.txt").read_text() == "dear"


class TestWhatAModelMayBe:
    @pytest.mark.skipif(not FIRST, reason="another backend writes it")
    def test_open_height_and_width_stay_open(self, tmp_path):
        format = FIRST[0]
        images = keras.Input((None, None, 2))
        model = keras.Model(images, layers.SobelConv(name="edges")(images))
        done = export(model, tmp_path / f"e{SUFFIXES[format]}", format)
        assert {shape[1:] for shape in done.shapes} == {(28, 28, 2), (37, 45, 2)}
        assert len(done.shapes) == 6

    @pytest.mark.skipif("openvino" not in FIRST, reason="another backend writes it")
    def test_three_axes_and_channels_first_and_a_fixed_batch(self, tmp_path):
        format = "openvino"
        images = keras.Input(batch_shape=(3, 2, 9, 8, 7))
        model = keras.Model(
            images, layers.L2Pool(2, data_format="channels_first", name="l2")(images)
        )
        path = tmp_path / f"p{SUFFIXES[format]}"
        done = export(model, path, format)
        assert done.shapes == ((3, 2, 9, 8, 7),)
        assert metadata_of(format, path)["input_layout"] == "NCDHW"

    @pytest.mark.once
    def test_names_of_layers_become_names_of_outputs_without_doubles(self):
        names = proof._readable(["block/conv 1", "images", "a", "a", "a_1"])
        assert names == ["block_conv_1", "images_1", "a", "a_1", "a_1_1"]

    @writes_openvino
    def test_facts_of_ones_own_model_travel(self, doubling, tmp_path):
        path = tmp_path / "d.xml"
        export(
            doubling, path, "openvino", input_range=(0, 255), class_names=list("abcd")
        )
        facts = metadata_of("openvino", path)
        assert json.loads(facts["input_range"]) == [0, 255]
        assert json.loads(facts["class_names"]) == list("abcd")

    @pytest.mark.once
    @pytest.mark.parametrize(
        "facts",
        [{"class_names": ["a"]}, {"class_names": "abcd"}, {"input_range": (1, 0)}],
        ids=str,
    )
    def test_facts_that_do_not_fit_are_refused(self, facts, doubling, tmp_path):
        with pytest.raises(UsageError, match=next(iter(facts))):
            export(doubling, tmp_path / "d.xml", "openvino", **facts)

    @pytest.mark.once
    def test_two_inputs_an_integer_input_and_no_graph_are_refused(self, tmp_path):
        class Own(keras.Model):
            def call(self, x):
                return x

        a, b = keras.Input((4,)), keras.Input((4,))
        ints = keras.Input((4,), dtype="int32")
        for model in (
            keras.Model([a, b], keras.layers.Add()([a, b])),
            keras.Model(ints, keras.layers.Identity()(ints)),
            Own(),
            keras.Sequential([keras.layers.Dense(2)]),
        ):
            with pytest.raises(UsageError, match="`model` must"):
                export(model, tmp_path / "d.onnx", "onnx")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.once
    def test_a_layer_of_ones_own_script_cannot_go_to_another_process(self, tmp_path):
        @keras.saving.register_keras_serializable(package="script")
        class Own(keras.layers.Layer):
            def call(self, x):
                return x

        images = keras.Input((4,))
        model = keras.Model(images, Own()(images))
        # Those that fewest backends write: each is tried, in a process of its own.
        others = ("torch", "saved_model", "openvino")
        format = next(n for n in others if BACKEND not in FORMATS[n].writers)
        with pytest.raises(KerasconvError, match="cannot write it") as raised:
            export(model, tmp_path / f"d{SUFFIXES[format]}", format)
        assert "\n" not in str(raised.value)
        assert list(tmp_path.iterdir()) == []


def test_tracing_for_other_runtimes_changes_no_value(digits):
    x = keras.ops.convert_to_tensor(digits[0][:3])
    for mode in ("symmetric", "reflect", "wrap"):
        layer = layers.SobelConv(output="magnitude", border_mode=mode)
        with writers.portable():
            portable = keras.ops.convert_to_numpy(layer(x))
        usual = keras.ops.convert_to_numpy(layer(x))
        np.testing.assert_allclose(portable, usual, atol=1e-5)


command = test_cli.run


@pytest.fixture
def run(command):
    return functools.partial(command, "export")


class TestTheCommand:
    @writes_openvino
    def test_prints_the_largest_difference_and_who_wrote_it(
        self, run, backend, tmp_path
    ):
        out = tmp_path / "digits.xml"
        if not installed("openvino"):
            pytest.skip("openvino is not installed")
        ended = run("mnist_cnn", "--to", "openvino", "--out", out)
        assert ended.status == 0, ended.err
        said = re.search(rf"difference from Keras on {backend}: (\S+)", ended.out)
        assert float(said[1]) <= 1e-5
        assert "1x28x28x1, 7x28x28x1, 64x28x28x1" in ended.out
        assert "openvino 20" in ended.out
        if backend in FORMATS["openvino"].writers:
            assert ended.err == ""
        else:
            assert ended.err == (
                "kerasconv: written on openvino, in a process of its own\n"
            )
        assert out.with_suffix(".bin").exists()

    @pytest.mark.once
    @pytest.mark.parametrize(
        ("arguments", "status", "words"),
        [
            ("mnist_cnn --to onyx --out {}/a.onnx", 2, "unknown format 'onyx'"),
            ("mnist_cnn --to onnx --out {}/a.tflite", 2, "a .onnx file"),
            ("mnist_cnn --to onnx --out {}", 2, "a .onnx file"),
            ("mnist_cnn --to saved_model --out {}/a.onnx", 2, "a new folder"),
            ("mnist_cn --to onnx --out {}/a.onnx", 2, "did you mean mnist_cnn"),
            ("{}/no.keras --to onnx --out {}/a.onnx", 1, "does not exist"),
            ("mnist_cnn --out {}/a.onnx", 2, "--to"),
            ("mnist_cnn --to onnx", 2, "--out"),
            ("mnist_cnn --to onnx --out {}/a.onnx --class-names a", 2, "10 names"),
            ("{}/lambda.keras --to onnx --out {}/a.onnx", 1, "Lambda"),
        ],
    )
    def test_bad_input_is_one_line_and_leaves_nothing(
        self, arguments, status, words, run, tmp_path
    ):
        if "lambda" in arguments:
            images = keras.Input((4,))
            keras.Model(images, keras.layers.Lambda(lambda x: x)(images)).save(
                tmp_path / "lambda.keras"
            )
        before = sorted(tmp_path.iterdir())
        ended = run(*arguments.replace("{}", str(tmp_path)).split())
        assert (ended.status, ended.out) == (status, "")
        assert ended.err.startswith("kerasconv: error: ")
        assert ended.err.count("\n") == 1
        assert words in ended.err
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.once
    @pytest.mark.parametrize(
        ("missing", "format", "packages"),
        [
            (("onnxruntime",), "onnx", "onnxruntime"),
            (("tf2onnx", "onnxscript"), "onnx", "tf2onnx"),
            (("ai_edge_litert",), "litert", "ai-edge-litert"),
            (("openvino",), "openvino", "openvino"),
            (("tensorflow",), "litert", "tensorflow"),
            (("tensorflow",), "saved_model", "tensorflow"),
            (("torch",), "torch", "torch"),
            (("tensorflow", "torch"), "onnx", "tensorflow"),
        ],
        ids=str,
    )
    def test_a_missing_runtime_is_named_with_its_pip_install(
        self, missing, format, packages, run, tmp_path, monkeypatch
    ):
        def find(name, *rest):
            return None if name in missing else importlib.util.find_spec(name)

        monkeypatch.setattr(formats, "find_spec", find)
        monkeypatch.setattr(backends, "_found", lambda name: find(name) is not None)
        ended = run(
            "mnist_cnn", "--to", format, "--out", tmp_path / f"a{SUFFIXES[format]}"
        )
        assert ended.status == 1
        assert ended.err.endswith(f"pip install {packages}\n")
        assert ended.err.count("\n") == 1

    @pytest.mark.once
    def test_help_needs_no_keras(self):
        code = (
            "import sys; from kerasconv import cli; sys.argv = ['', 'export', '-h']\n"
            "try: cli.main()\nexcept SystemExit: pass\n"
            "assert not {'keras', 'onnx', 'onnxruntime', 'openvino'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


FIGURES = {
    "facts": {"date": "2026-01-01", "versions": {"onnx": "1.0"}},
    "rows": [
        {"backend": "jax", "format": "onnx", "layer": "L2Pool", "difference": 1e-7}
        | {"written_on": "tensorflow"},
        {"backend": "torch", "format": "onnx", "layer": "L2Pool"}
        | {"difference": 2e-7, "written_on": "torch"},
        {"backend": "torch", "format": "litert", "layer": "L2Pool"}
        | {"refused": "no | way"},
    ],
}


@pytest.mark.once
class TestTheTable:
    def test_shows_the_largest_difference_the_refusals_and_who_wrote(self):
        lines = table.rendered(FIGURES).splitlines()
        assert lines[0] == "| layer | onnx | litert |"
        assert "| L2Pool | 2.0e-07 | torch: no / way |" in lines
        assert "| jax | tensorflow | refused |" in lines

    def test_in_full_has_a_line_a_backend(self):
        lines = table.rendered(FIGURES, digest=False).splitlines()
        assert "| jax | L2Pool | 1.0e-07 (tensorflow) |  |" in lines
        assert "| torch | L2Pool | 2.0e-07 (torch) | torch: no / way |" in lines

    def test_tries_layers_one_by_one_where_the_network_is_refused(self, monkeypatch):
        def refuse(model, path, format):
            if len(model.outputs) > 1 or model.outputs[0].shape[-1] == 4:
                raise KerasconvError("it is wrong")
            return exports.Exported(
                *(path, format, "jax", "jax", "r", (), ("y",), {"y": 0.0}, {})
            )

        monkeypatch.setattr(exports, "export", refuse)
        rows = {row["layer"]: row for row in table.measure("onnx")}
        assert set(rows) == {*table.our_layers(), "mnist_cnn"}
        assert rows["LearnedConv"]["refused"] == "it is wrong"
        assert rows["SobelConv"]["difference"] == 0
