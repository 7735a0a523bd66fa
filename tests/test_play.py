"""The live page: what it computes is what Keras computes, and all of it can be used."""

import base64
import functools
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
import webbrowser
import zipfile
import zlib
from pathlib import Path

import h5py
import keras_values
import numpy as np
import pytest
from photographs import KINDS, photograph
from PIL import Image
from scipy import ndimage

from kerasconv import cli, play, untrusted
from kerasconv import layers as kerasconv_layers
from kerasconv._keras import keras
from kerasconv.digits import load_digits
from kerasconv.errors import KerasconvError
from kerasconv.models import cards, mnist_cnn
from kerasconv.pictures import prepare_clothes, prepare_digit
from kerasconv.pictures.read import grey_levels
from kerasconv.reading import Reader

pytestmark = pytest.mark.once

HERE = Path(__file__).parent
PAGE = Path(play.__file__).parent / "page"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page as `kerasconv play --out` writes it."""
    return play.write(tmp_path_factory.mktemp("play") / "page").parent


@pytest.fixture(scope="module")
def node(page, tmp_path_factory):
    """Asks a script of `tests/play` in Node, with the page's own code."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed (Debian: apt-get install nodejs)")
    folder = tmp_path_factory.mktemp("node")

    def ask(*requests, script="engine_check.js", at=page):
        path = folder / "request.json"
        path.write_text(json.dumps(requests))
        done = subprocess.run(
            [program, HERE / "play" / script, at, path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def networks(page):
    text = (page / "data" / "index.js").read_text()
    return json.loads(text.removeprefix("const DATA = ").rstrip(";\n"))["networks"]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The requests that compare networks of a page with Keras's values.

    Each is of a model, images and the page's file; one process computes them all.
    """
    folder = tmp_path_factory.mktemp("reference")

    def requests(*asked):
        jobs = [
            (str(model), images, folder / re.sub(r"\W", "-", str(model)))
            for model, images, _ in asked
        ]
        return [
            {"what": "differences", "file": file, "images": first, "layers": layers}
            for (*_, file), (first, *layers) in zip(
                asked, keras_values.write(*jobs), strict=True
            )
        ]

    return requests


# -------------------------------------------------------------------- the engine


@pytest.fixture(scope="module")
def compared(page, own_files, reference, tmp_path_factory):
    """The request that compares each network with Keras, by its name.

    Of those that the page offers, on digits of each class; and of learners' files, with
    the page that shows each.
    """
    images = load_digits()[0][::4]
    offered = networks(page)
    asked = [(name, images, file) for name, file in offered.items()]
    folder, pages = tmp_path_factory.mktemp("learners"), {}
    for name, (path, model) in own_files.items():
        pages[name] = play.write(folder / name, path).parent
        images = np.random.default_rng(4).random((3, *model.input_shape[1:]), "float32")
        asked.append((path, images, networks(pages[name])[name]))
    requests = reference(*asked)
    learners = requests[len(offered) :]
    return (
        dict(zip(offered, requests, strict=False)),
        [(name, pages[name], r) for name, r in zip(pages, learners, strict=True)],
    )


@pytest.fixture(scope="module")
def against_keras(compared):
    """For each network that the page offers the request that compares it."""
    return compared[0]


def test_every_layer_of_every_offered_network_is_keras_own(node, against_keras):
    for name, worst in zip(against_keras, node(*against_keras.values()), strict=True):
        assert max(worst) <= 1e-5, (name, worst)
        assert worst[-1] <= 1e-6, (name, worst)


def test_what_the_microscope_adds_up_is_the_value_shown(node, against_keras):
    rng = np.random.default_rng(0)
    requests = []
    for request in against_keras.values():
        count = len(request["layers"])
        places = [
            [int(rng.integers(count)), *rng.random(3).tolist()] for _ in range(60)
        ]
        requests.append({**request, "what": "explained", "places": places})
    assert max(node(*requests)) <= 1e-5


def test_receptive_fields_are_three_four_eight_and_ten_pixels(node, page):
    file = networks(page)["mnist_cnn/mnist"]
    (fields,) = node({"what": "fields", "file": file})
    assert fields[:4] == [[n, n] for n in (3, 4, 8, 10)]
    # A Dense layer sees all but what the second pool, 5 of 11, leaves out.
    assert fields[6] == [26, 26]


# --------------------------------------------------------- the reader's own picture


def pictures():
    """Forty pictures of digits as people make them: sizes, papers, light, noise."""
    rng = np.random.default_rng(1)
    images, _ = load_digits()
    for number in range(40):
        digit = images[number, ..., 0]
        height, width = rng.integers(20, 160, 2)
        if number % 10 == 0:  # as it is, or its negative
            yield digit if number % 20 else 1 - digit
            continue
        ink = Image.fromarray(digit).resize((width, height), Image.Resampling.BILINEAR)
        margin = rng.integers(0, 60, 4)
        ink = np.pad(np.asarray(ink), margin.reshape(2, 2))
        y, x = np.mgrid[-1 : 1 : ink.shape[0] * 1j, -1 : 1 : ink.shape[1] * 1j]
        paper = 0.8 + rng.uniform(-0.1, 0.1) * y + rng.uniform(-0.1, 0.1) * x
        grey = paper - rng.uniform(0.2, 0.6) * ink + rng.normal(0, 0.01, ink.shape)
        grey = grey.clip(0, 1).astype("float32")
        yield grey if number % 3 else 1 - grey


@pytest.fixture
def find(node, tmp_path):
    """What the page's JavaScript makes of pictures, given as arrays."""

    def ask(arrays, what, **more):
        requests = []
        for number, array in enumerate(arrays):
            path = tmp_path / f"{number}.bin"
            array.tofile(path)
            channels = array.shape[2] if array.ndim == 3 else 1
            height, width = array.shape[:2]
            requests.append({"file": str(path), "height": height, "width": width,
                             "channels": channels, "what": what, **more})  # fmt: skip
        return node(*requests, script="search_check.js")

    return ask


def levels(image):
    return np.rint(255 * image.ravel()).astype(int)


def test_the_page_finds_the_digits_that_predict_finds(find):
    photos = [photograph(kind, 1, scale=0.25).image for kind in KINDS]
    greys = [grey_levels(Image.fromarray(photo)) for photo in photos]
    greys += pictures()
    strip = np.ones((30, 6000), np.float32)
    for place, image in zip((300, 2900, 5500), load_digits()[0], strict=False):
        strip[1:29, place : place + 28] -= image[..., 0]
    greys += [strip, strip.T]
    assert len(greys) >= 100
    reader = Reader("mnist_cnn")
    least = play.read_network("mnist_cnn")["min_confidence"]
    assert least == reader.min_confidence
    found = find(greys, "search", least=least)
    numbers = 0
    for number, (grey, mine) in enumerate(zip(greys, found, strict=True)):
        answer = reader.prepare(grey)
        theirs = answer.digits if answer.status != "no digit" else []
        assert [one["box"] for one in mine["digits"]] == [
            list(digit.box) for digit in theirs
        ], number
        for one, digit in zip(mine["digits"], theirs, strict=True):
            assert np.abs(one["image"] - levels(digit.image)).max() <= 1, number
            assert abs(one["confidence"] - digit.confidence) < 1e-4, number
            assert one["status"] == digit.status, number
        # The sentences say the same, and numbers were compared above.
        told, said = (
            re.sub(r"[0-9.e-]+", "", t) for t in (mine["says"], answer.error or "")
        )
        assert told == said, number
        numbers += len(theirs) > 1
    assert numbers >= 5


def test_a_drawing_is_centred_in_the_page_as_prepare_digit_does_it(find):
    drawings = [np.roll(image[..., 0], 3, 1) for image in load_digits()[0][:20]]
    for mine, drawing in zip(find(drawings, "digit"), drawings, strict=True):
        assert np.abs(mine - levels(prepare_digit(drawing))).max() <= 1
    assert find([np.full((28, 28), 0.9, "<f4")], "digit") == [None]


def test_clothes_are_prepared_in_the_page_as_prepare_clothes_does_it(find):
    images = [image for image in pictures() if image.shape != (28, 28)][:12]
    images += [load_digits()[0][0, ..., 0], 1 - load_digits()[0][1, ..., 0]]
    for mine, image in zip(find(images, "clothes"), images, strict=True):
        assert np.abs(mine - levels(prepare_clothes(image))).max() <= 1


def test_the_pixels_of_a_canvas_become_the_grey_levels_of_predict(find):
    rng = np.random.default_rng(2)
    pixels = []
    for kind in ("opaque", "ink alone", "own paper"):
        rgba = rng.integers(0, 256, (12, 9, 4), np.uint8)
        if kind == "opaque":
            rgba[..., 3] = 255
        if kind == "ink alone":
            rgba[..., :3] = 20
        pixels.append(rgba)
    for mine, rgba in zip(find(pixels, "grey"), pixels, strict=True):
        grey = grey_levels(Image.fromarray(rgba))
        assert np.abs(np.reshape(mine, grey.shape) - grey).max() < 1e-6


# ------------------------------------------------------------------ a dropped file


def plain(network):
    """A network as JSON would hold it, its weights as bits."""
    weights = base64.b64encode(network["weights"].tobytes()).decode()
    return json.loads(json.dumps({**network, "weights": weights}))


@pytest.fixture(scope="module")
def own_files(tmp_path_factory):
    """`.keras` files as learners write them, with names of how they were made."""
    folder, layers = tmp_path_factory.mktemp("own"), keras.layers
    last = {"data_format": "channels_last"}
    image = keras.Input((32, 20, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", groups=1, **last)(image)
    x = layers.BatchNormalization(center=False)(x)
    x = layers.ReLU()(x)
    # Not an average: there Keras's backends disagree on what lies outside.
    x = layers.MaxPooling2D(3, 2, "same", **last)(x)
    x = kerasconv_layers.WeightedPool(per_channel=True, weights="learned", **last)(x)
    x = layers.Dense(5, activation="tanh", use_bias=False)(x)
    x = layers.GlobalMaxPooling2D(**last)(x)
    functional = keras.Model(image, layers.Dense(3)(x))
    sequential = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Conv2D(6, (3, 2), dilation_rate=2, groups=2, **last),
            kerasconv_layers.FixedConv([[[1.0, 2.0], [0.0, -1.0]]], 2, **last),
            layers.Activation("sigmoid"),
            layers.AveragePooling2D((1, 2), 1, **last),
            kerasconv_layers.LpPool(2, 1, "same", p=3, mean=True, **last),
            kerasconv_layers.WeightedPool(3, 2, "same", weights="gaussian", **last),
            layers.Flatten(**last),
            layers.Dropout(0.3),
            layers.Dense(4, activation="linear"),
            layers.Softmax(),
        ]
    )
    sequential.compile("adam", "mse")  # an optimizer's arrays are no weights
    found = {}
    for name, model in {"functional": functional, "sequential": sequential}.items():
        rng = np.random.default_rng(3)
        model.set_weights([rng.random(w.shape, "float32") for w in model.weights])
        model.save(folder / f"{name}.keras")
        found[name] = (folder / f"{name}.keras", model)
    return found


def test_a_dropped_file_becomes_what_the_command_makes_of_it(node, own_files):
    paths = [card.path for card in cards().values()]
    paths += [path for path, _ in own_files.values()]
    wanted = [
        plain(play.convert.network(untrusted.inspect(path), path.stem))
        for path in paths
    ]
    requests = [{"file": str(path), "name": path.stem} for path in paths]
    found = node(*requests, script="file_check.js")
    for path, mine, theirs in zip(paths, wanted, found, strict=True):
        assert theirs == mine, (path, theirs.get("refused"))


def test_every_layer_of_a_learners_file_is_keras_own(node, own_files, compared):
    for name, at, request in compared[1]:
        shown = len(play.read_network(own_files[name][0])["layers"])
        request = {**request, "layers": request["layers"][-shown:]}
        (worst,) = node(request, at=at)
        assert max(worst) <= 1e-5, (name, worst)


@pytest.mark.parametrize("saved", ["by Keras", "packed"])
def test_a_file_with_random_bytes_is_refused_or_the_same(node, own_files, saved):
    path = cards()["edge_classifier/mnist"].path
    if saved == "by Keras":
        path, _ = own_files["functional"]
    rng, size = np.random.default_rng(5), path.stat().st_size
    changes = [
        [int(rng.integers(size)), int(rng.integers(256)),
         int(rng.integers(size)) if i % 10 == 0 else None]
        for i in range(300)
    ]  # fmt: skip
    found = node({"file": str(path), "name": "x", "changes": changes},
                 script="file_check.js")  # fmt: skip
    assert set(found) <= {"refused", "same"}
    assert found.count("refused") > 250


def unfit(folder):
    """Files that the page cannot show, by a word of the reason."""
    layers, image = keras.layers, keras.Input((8, 8, 1))
    several = layers.Flatten()(image)
    models = {
        "LayerNormalization": [layers.LayerNormalization()],
        "elu": [layers.Conv2D(1, 3, activation="elu")],
        "70x70x1": [keras.Input((70, 70, 1)), layers.Flatten()],
        "images": [keras.Input((9,)), layers.Dense(2)],
        "channels first": [layers.MaxPooling2D(1, data_format="channels_first")],
        "chain": keras.Model(image, layers.Add()([several, several])),
    }
    for word, made in models.items():
        if isinstance(made, list):
            shaped = any(type(each).__name__ == "KerasTensor" for each in made)
            start = [] if shaped else [keras.Input((8, 8, 1))]
            made = keras.Sequential([*start, *made])
        path = folder / f"{word.replace(' ', '-')}.keras"
        made.save(path)
        yield word, path


def test_what_the_page_cannot_show_is_one_sentence_here_and_there(
    node, tmp_path, capsys
):
    files = dict(unfit(tmp_path))
    requests = [{"file": str(path), "name": path.name} for path in files.values()]
    for word, path, found in zip(
        files, files.values(), node(*requests, script="file_check.js"), strict=True
    ):
        assert word in found["refused"]
        with pytest.raises(KerasconvError, match=re.escape(word)) as caught:
            play.read_network(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [9, 11])
def test_a_card_of_other_classes_is_refused(tmp_path, count):
    path = tmp_path / "mine.keras"
    untrusted.save_model(mnist_cnn(), path)
    path.with_suffix(".toml").write_text(f"classes = {list('abcdefghijk')[:count]}")
    with pytest.raises(KerasconvError, match=f"names {count} classes and .* gives 10"):
        play.write(tmp_path / "page", path)
    assert not (tmp_path / "page").exists()


def packed(**members):
    """A zip of members, packed, as bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_a_file_that_unpacks_to_more_than_there_is_room_is_refused(node, tmp_path):
    room = 9_000_000
    bomb = packed(**{f"member{i}": bytes(room) for i in range(4)})
    assert len(bomb) < 40_000
    (tmp_path / "bomb.keras").write_bytes(bomb)
    request = {"file": str(tmp_path / "bomb.keras"), "name": "bomb.keras"}
    (found,) = node(request, script="file_check.js")
    assert "bomb.keras cannot be shown: it unpacks to more than" in found["refused"]


# Bytes of a tensor of 64 numbers, and how often the first filters were left out.
PIECES = {
    "right": (zlib.compress(bytes(256)), 0),
    "short": (zlib.compress(bytes(255)), 0),
    "long": (zlib.compress(bytes(1 << 20)), 0),
    "cut": (zlib.compress(bytes(256))[:-1], 0),
    "never deflated": (bytes(256), 0),
    "without a filter": (zlib.compress(bytes(256)), 1),
}


def test_a_packed_array_that_is_not_what_it_says_is_refused(node, tmp_path):
    model = keras.Sequential(
        [keras.Input((1, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(8)]
    )
    model.save(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "plain.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    def write(name, shape, content, mask=0, **options):
        buffer = io.BytesIO(members["model.weights.h5"])
        filters = {"chunks": shape, "shuffle": True, "compression": 9} | options
        with h5py.File(buffer, "r+") as file:
            del file["layers/dense/vars/0"]
            made = file.create_dataset("layers/dense/vars/0", shape, "f4", **filters)
            if content:
                made.id.write_direct_chunk((0,) * len(shape), content, mask)
        path = tmp_path / f"{name}.keras"
        path.write_bytes(packed(**{**members, "model.weights.h5": buffer.getvalue()}))
        return {"file": str(path), "name": path.name}

    requests = [write(name, (8, 8), *piece) for name, piece in PIECES.items()]
    requests += [
        write("never written", (8, 8), b""),
        write("a bomb", (1 << 24,), zlib.compress(bytes(1 << 26))),
        write("in halves", (8, 8), b"", chunks=(8, 4)),
        write("without shuffle", (8, 8), PIECES["right"][0], shuffle=False),
        write("with a check sum", (8, 8), PIECES["right"][0], fletcher32=True),
    ]
    right, *others = node(*requests, script="file_check.js")
    assert "refused" not in right
    for request, found in zip(requests[1:], others, strict=True):
        reason = "damaged, or not as Keras writes it|it is damaged"
        assert re.search(reason, found.get("refused", "")), request["name"]


def test_what_is_no_keras_file_is_refused_in_one_sentence(node, tmp_path):
    for name, content in {
        "text": b"hello " * 99,
        "empty": b"",
        "zip": b"PK\5\6" + bytes(18),
    }.items():
        (tmp_path / name).write_bytes(content)
    names = ("text", "empty", "zip")
    requests = [{"file": str(tmp_path / name), "name": name} for name in names]
    for found in node(*requests, script="file_check.js"):
        assert "cannot be shown" in found["refused"]


# --------------------------------------------------------------------- the command


def test_a_page_opens_in_the_browser_unless_that_is_not_wanted(monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    page = play.open_page("edge_classifier")
    cli.app(["play", "--no-open"], standalone_mode=False)
    assert opened == [page.as_uri()]
    address = capsys.readouterr().out.strip()
    for folder in (page.parent, Path(address.removeprefix("file://")).parent):
        assert folder.joinpath("index.html").is_file()
        shutil.rmtree(folder)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "kerasconv", "play", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_the_command_writes_the_page_and_says_where(tmp_path):
    done = command("lenet5", "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [(tmp_path / "page" / "index.html").as_uri()]
    assert next(iter(networks(tmp_path / "page"))) == "lenet5/mnist"


def test_wrong_calls_are_one_line_and_write_nothing(tmp_path):
    kept = tmp_path / "thesis" / "text.txt"
    kept.parent.mkdir()
    kept.write_text("years of work")
    fresh = tmp_path / "fresh"
    for arguments, status in {
        ("--out", kept.parent): 2,
        ("no_such_model", "--out", fresh): 2,
        (tmp_path / "missing.keras", "--out", fresh): 1,
    }.items():
        done = command(*arguments)
        assert done.returncode == status, done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
    assert kept.read_text() == "years of work"
    assert {path.name for path in tmp_path.iterdir()} == {"thesis"}


def sparse(path, size):
    """A file of so many bytes, which takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "inspect", None)
    with pytest.raises(KerasconvError, match=r"huge\.keras has 500 MB and the page"):
        play.write(tmp_path / "page", sparse(tmp_path / "huge.keras", 500_000_000))
    assert not (tmp_path / "page").exists()


def test_a_page_is_replaced_by_a_page_and_served_to_this_machine_alone(tmp_path):
    page = play.write(tmp_path / "page")
    play.write(tmp_path / "page", "lenet5")
    with play.serve(page.parent) as server:
        assert server.server_address[0] == "127.0.0.1"
    assert {path.name for path in tmp_path.iterdir()} == {"page"}


def test_code_and_data_keep_to_their_budgets(page):
    size = {path.name: path.stat().st_size for path in page.glob("**/*.*")}
    loaded = re.findall(r'src="([\w.]+\.js)"', (page / "index.html").read_text())
    code = sum(size[name] for name in loaded)
    assert code <= 60_000
    assert code + size["index.html"] + size["style.css"] <= 70_000
    assert size["network0.js"] <= 200_000
    assert sum(size.values()) <= 1_200_000
    for path in PAGE.iterdir():
        assert len(path.read_text().splitlines()) < 600, path


# ------------------------------------------------------------------ in a browser

SIZES = {"desktop": (1280, 860), "tablet": (768, 1024), "phone": (390, 844)}


@pytest.fixture(scope="module")
def tab_of(browser):
    """A tab for a size and options, which tests share: Chromium opens one for long."""

    @functools.cache
    def tab(size, **options):
        width, height = SIZES[size]
        viewport = {"width": width, "height": height}
        return browser.new_context(viewport=viewport, **options).new_page()

    return tab


@pytest.fixture
def visit(tab_of, page):
    """Opens the page anew and lists what went wrong; a test ends with none of it."""
    faults, heard = [], []

    def go(where="index.html", size="desktop", at=None, **options):
        tab, own = tab_of(size, **options), at or page.as_uri()

        def asks(request):
            if not request.url.startswith((own, "data:", "blob:", "about:blank")):
                faults.append(f"asks for {request.url}")

        tab.goto("about:blank")  # else another fragment alone loads nothing
        tab.emulate_media(media="screen")
        tab.mouse.move(0, 0)
        for event, hear in {
            "console": lambda message: faults.append(message.text),
            "pageerror": lambda error: faults.append(str(error)),
            "request": asks,
        }.items():
            tab.on(event, hear)
            heard.append((tab, event, hear))
        tab.goto(f"{own}/{where}")
        tab.wait_for_function("document.body.dataset.ready")
        return tab

    yield go
    for tab, event, hear in heard:
        tab.remove_listener(event, hear)
    assert not faults


def shown(tab):
    return tab.locator("#at").inner_text()


def test_the_browser_computes_what_node_and_keras_compute(visit, against_keras):
    tab = visit()
    for name, request in against_keras.items():
        # Eight digits, for the loops are those that Node ran for all.
        every = [np.fromfile(path, "<f4").reshape(16, -1) for path in request["layers"]]
        layers = [values[::2] for values in every]
        found = tab.evaluate(
            """async ([name, file]) => {
                if (!DATA.loaded[name]) await new Promise((done) => {
                    const script = document.createElement("script");
                    script.src = file;
                    script.onload = done;
                    document.head.append(script);
                });
                const data = DATA.loaded[name];
                const weights = typeof data.weights === "string"
                    ? await Engine.floats(data.weights) : data.weights;
                const net = Engine.build({ ...data, weights });
                const { pixels } = DATA.digits;
                return Array.from({ length: 8 }, (_, i) => Engine.run(net,
                    Float32Array.from(pixels.subarray(784 * 8 * i).slice(0, 784),
                        (v) => v / 255)).slice(1).map(({ values }, n, all) =>
                            n === all.length - 1 || i % 4 === 0
                                ? Array.from(values) : null));
            }""",
            [name, request["file"]],
        )
        for i, passed in enumerate(found):
            for n, values in enumerate(passed):
                if values is not None:
                    worst = np.abs(np.float32(values) - layers[n][i]).max()
                    assert worst <= (1e-6 if n == len(passed) - 1 else 1e-5), (name, n)


def test_an_address_leads_to_the_value_that_it_names_and_follows_the_choice(visit):
    tab = visit("index.html#digit=18&layer=2&map=23&at=7,6")
    assert shown(tab) == "3 · convolution: map 23, row 7, column 6"
    assert tab.locator("#what").inner_text() == "Test digit 18: a 3"
    tab.locator(".panel").nth(0).click(position={"x": 60, "y": 20})
    fragment = tab.evaluate("location.hash")
    assert "layer=0&map=1" in fragment
    title = shown(tab)
    assert shown(visit(f"index.html{fragment}")) == title
    # What an address names wrongly is left as it was.
    assert shown(visit("index.html#digit=99&layer=x&map=-1&at=7&net=../no&pool=no"))


def test_hovering_shows_the_sum_that_makes_the_value(visit):
    tab = visit("index.html#digit=18&layer=0&map=2&at=12,12")
    tab.locator(".panel").nth(0).hover(position={"x": 18, "y": 12})
    assert "map 0" in shown(tab)
    numbers = re.findall(r"[−]?\d*\.?\d+", tab.locator(".sum").first.inner_text())
    total, bias, before = (float(n.replace("−", "-")) for n in numbers)
    signed = bias if "+ bias" in tab.locator(".sum").first.inner_text() else -bias
    assert abs(total + signed - before) < 0.02  # each is rounded to two places


def test_everything_is_reached_and_done_by_keyboard(visit):
    tab = visit()
    reached = []
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.append(
            tab.evaluate(
                "(e => e.id || e.className || e.dataset.key || e.tagName)"
                "(document.activeElement)"
            )
        )
    for wanted in ("skip", "network", "pad", "erase", "clear", "centre", "next",
                   "choose", "picture", "keras", "pool", "panel", "Sobel x",
                   "learned", "w4"):  # fmt: skip
        assert wanted in reached, (wanted, reached)
    tab.locator("#clear").focus()
    tab.keyboard.press("Enter")
    tab.locator("#pad").focus()
    for _ in range(5):
        tab.keyboard.press("Shift+ArrowDown")
    tab.keyboard.press(" ")
    assert tab.locator("#what").inner_text() == "Your own drawing or picture"
    panel = tab.locator(".panel").nth(0)
    panel.focus()
    tab.keyboard.press("PageDown")
    before = shown(tab)
    tab.keyboard.press("ArrowRight")
    assert shown(tab) != before
    assert tab.locator("#answers .best").count() == 1


def test_a_kernel_can_be_edited_and_brought_back(visit):
    tab = visit("index.html#digit=18&layer=0&map=2&at=12,12")
    answers = tab.locator("#answers").inner_text()
    cell = tab.locator("[data-key=w0]")
    learned = cell.input_value()
    tab.locator("[data-key='Sobel x']").click()
    assert cell.input_value() == "−1"
    cell.fill("5")
    cell.press("Enter")
    assert tab.locator("[data-key=w0]").input_value() == "5"
    tab.locator("[data-key=learned]").click()
    assert tab.locator("[data-key=w0]").input_value() == learned
    assert tab.locator("#answers").inner_text() == answers


def test_a_pool_is_swapped_with_the_same_weights_or_with_those_trained_with_it(visit):
    tab = visit()
    read = tab.locator("#score")
    for pool, right in {"same/max": 59, "same/average": 59, "same/l2": 60}.items():
        tab.locator("#pool").select_option(pool)
        read.filter(has_text=f"It reads {right} of").wait_for(timeout=20_000)
    tab.locator("#pool").select_option("trained/l2")
    # The trained network is a file that the page loads first.
    tab.wait_for_function("location.hash.includes('pool=trained/l2')")
    tab.locator("#layers h2", has_text="L2 pooling").first.wait_for()


def test_a_readers_own_file_and_picture_are_taken(visit, own_files, tmp_path):
    tab = visit()
    tab.locator("#file").set_input_files(own_files["sequential"][0])
    tab.locator("#network option", has_text="sequential (yours)").wait_for(
        state="attached"
    )
    assert tab.locator("#answers li").count() == 4
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    tab.locator("#file").set_input_files(tmp_path / "broken.keras")
    tab.locator("#said", has_text="broken.keras cannot be shown").wait_for()
    (tmp_path / "text.png").write_text("no picture")
    tab.locator("#file").set_input_files(tmp_path / "text.png")
    tab.locator("#said", has_text="is no picture that this browser reads").wait_for()
    tab.locator("#network").select_option("mnist_cnn/mnist")
    tab.locator("#layers h2", has_text="1 · convolution").wait_for()
    digit = load_digits()[0][18, ..., 0]
    scan = Image.fromarray(np.rint(255 * (1 - digit)).astype(np.uint8)).resize(
        (140, 140)
    )
    scan.save(tmp_path / "scan.png")
    tab.locator("#file").set_input_files(tmp_path / "scan.png")
    tab.locator("#what", has_text="Your own").wait_for()
    assert tab.locator("#answers .best b").inner_text() == "3"


def blank_png(side):
    """A blank picture of `side` x `side` pixels, a bit each, packed."""

    def chunk(kind, data):
        whole = kind + data
        return (
            struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))
        )

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((side // 8 + 1) * side), 1)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_huge_file_is_refused_in_a_sentence_and_not_read(visit, tmp_path):
    tab = visit()
    tab.evaluate(
        """() => { for (const way of ["arrayBuffer", "slice", "stream"])
            Blob.prototype[way] = () => { throw new Error("read"); };
            window.createImageBitmap = Blob.prototype.stream; }"""
    )
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(blank_png(9600))
    for path, why in {
        sparse(tmp_path / "huge.keras", 500_000_000): "more than 32 MB",
        sparse(tmp_path / "huge.jpg", 500_000_000): "more than 100 MB",
        bomb: "9600 × 9600 pixels: crop or shrink it",
    }.items():
        tab.locator("#file").set_input_files(path)
        tab.locator("#said", has_text=why).wait_for(timeout=9_000)


def test_a_photograph_of_a_telephone_is_taken(visit, tmp_path):
    tab = visit()
    digit = Image.fromarray(np.rint(255 * (1 - load_digits()[0][18, ..., 0])))
    digit.convert("L").resize((4000, 3200)).save(tmp_path / "photo.jpg", quality=50)
    tab.locator("#file").set_input_files(tmp_path / "photo.jpg")
    tab.locator("#what", has_text="Your own").wait_for()
    assert tab.locator("#answers .best b").inner_text() == "3"


def three_digits(width, height):
    """A scan of three test digits, of which the first is a 3."""
    number = np.pad(np.hstack(load_digits()[0][[18, 2, 0], ..., 0]), (5, 20))
    scan = Image.fromarray(np.rint(255 * (1 - number)).astype(np.uint8))
    return scan.resize((width, height))


def test_of_several_digits_the_reader_chooses_and_what_is_none_is_said(visit, tmp_path):
    tab = visit()
    three_digits(416, 170).save(tmp_path / "number.png")
    tab.locator("#file").set_input_files(tmp_path / "number.png")
    what = tab.locator("#what")
    what.filter(has_text="3 digits were found, this is digit 1").wait_for()
    first, _, last = tab.locator("#found button").all()
    assert tab.evaluate("document.scrollingElement.scrollHeight") <= 860
    assert first.get_attribute("aria-pressed") == "true"
    assert tab.locator("#answers .best b").inner_text() == "3"
    last.focus()
    tab.keyboard.press("Enter")
    assert "this is digit 3" in what.inner_text()
    assert last.get_attribute("aria-label") == "digit 3 of 3"
    assert [b.get_attribute("aria-pressed") for b in (first, last)] == ["false", "true"]
    read = int(tab.locator("#answers .best b").inner_text())
    assert read == load_digits()[1][0]
    Image.new("L", (90, 60), 240).save(tmp_path / "blank.png")
    words = photograph("word", 1, scale=0.4).image
    Image.fromarray(words).save(tmp_path / "word.png")
    for name, says in {
        "blank": "blank.png: the picture is blank: no ink stands out from the paper.",
        "word": "what it shows is no digit.",
    }.items():
        tab.locator("#file").set_input_files(tmp_path / f"{name}.png")
        tab.locator("#said", has_text=says).wait_for()
        assert "this is digit 3" in what.inner_text()
    tab.locator("#next").click()
    assert not tab.locator("#found").is_visible()


def test_a_large_picture_is_reduced_in_the_page_as_predict_reads_it(visit, tmp_path):
    path = tmp_path / "large.png"
    three_digits(4803, 1472).save(path, compress_level=1)
    tab = visit()
    tab.locator("#file").set_input_files(path)
    tab.locator("#found button").first.wait_for()
    found = tab.evaluate(
        """async (content) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const net = { input: [28, 28, 1], classes: [..."0123456789"] };
            const [load, choice] = [async () => {}, document.createElement("div")];
            return new Promise((done) => Own.open(new File([bytes], "large.png"), net,
                { load, choice, take: (image) => done(Array.from(image)) }));
        }""",
        base64.b64encode(path.read_bytes()).decode(),
    )
    wanted = Reader("mnist_cnn").prepare(path).digits[0].image
    assert np.abs(found - wanted.ravel()).max() <= 1 / 255 + 1e-6


def test_a_browser_that_cannot_unpack_says_so_of_a_file(visit, own_files):
    tab = visit()
    tab.evaluate("delete window.DecompressionStream")
    tab.locator("#file").set_input_files(own_files["sequential"][0])
    tab.locator("#said", has_text="too old to unpack").wait_for()


def test_a_file_that_is_dropped_on_the_page_is_opened(visit, own_files):
    tab = visit()
    content = base64.b64encode(own_files["sequential"][0].read_bytes()).decode()
    tab.evaluate(
        """(content) => {
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], "mine.keras"));
            const how = { dataTransfer, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent("drop", how));
        }""",
        content,
    )
    tab.locator("#network option", has_text="(yours)").wait_for(state="attached")
    assert tab.locator("#answers li").count() == 4


def test_a_finger_draws(visit):
    tab = visit("index.html#digit=18", "phone", has_touch=True)
    tab.locator("#pad").tap(position={"x": 40, "y": 40})
    assert tab.locator("#what").inner_text() == "Your own drawing or picture"


def test_on_paper_stand_the_maps_and_the_sum_without_what_is_to_be_pressed(visit):
    tab = visit("index.html#digit=18&layer=2&map=23&at=7,6")
    tab.emulate_media(media="print")
    assert tab.locator("#layers").is_visible()
    assert tab.locator(".sum").first.is_visible()
    assert not [b for b in tab.locator("button").all() if b.is_visible()]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_scrolls_sideways_and_axe_finds_nothing(visit, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    for where in ("index.html#digit=18&layer=2&map=23&at=7,6",
                  "index.html#digit=18&layer=6&map=3", "bench.html"):  # fmt: skip
        tab = visit(where, size, color_scheme=scheme)
        tab.evaluate("document.body.classList.add('open')")
        root = "document.scrollingElement"
        assert tab.evaluate(f"{root}.scrollWidth - innerWidth") <= 0, where
        # Preloading reads styles by requests, which a page from the disk may not make.
        found = axe.Axe().run(tab, options={"preload": False}).response["violations"]
        assert not [(v["id"], v["nodes"][0]["html"][:200]) for v in found], where
        if size == "desktop" and where.startswith("index"):
            assert tab.evaluate(f"{root}.scrollHeight") <= 860


def test_on_a_phone_the_microscope_is_a_sheet_and_targets_are_large(visit):
    tab = visit("index.html#digit=18&layer=0&map=2&at=12,12", "phone", has_touch=True)
    tab.locator(".panel").nth(0).tap(position={"x": 60, "y": 60})
    box = tab.locator("#microscope").bounding_box()
    assert box["height"] <= 0.46 * 844 + 1
    assert abs(box["y"] + box["height"] - 844) <= 1
    small = tab.evaluate(
        """() => [...document.querySelectorAll("button, select, .grid input")]
            .map((e) => [e.id || e.textContent, e.getBoundingClientRect()])
            .filter(([, r]) => r.width && r.height < 43.9).map(([name]) => name)"""
    )
    assert not small


def test_the_page_works_from_a_server_too(visit, page):
    with play.serve(page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab = visit(at=f"http://127.0.0.1:{server.server_port}")
        assert tab.locator("#answers .best").count() == 1
        server.shutdown()


def test_without_javascript_or_data_the_page_says_what_to_do(browser, page):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{page.as_uri()}/index.html")
    assert "needs JavaScript" in tab.locator("body").inner_text()
    context.close()
    tab = browser.new_page()
    tab.goto((PAGE / "index.html").as_uri())
    assert "kerasconv play makes it whole" in tab.locator("#old").inner_text()
    tab.close()


@pytest.mark.parametrize("where", ["index.html", "bench.html"])
def test_a_browser_without_what_the_page_needs_gets_a_sentence(browser, page, where):
    context = browser.new_context()
    context.add_init_script("delete Array.prototype.at; delete Object.entries")
    tab = context.new_page()
    tab.goto(f"{page.as_uri()}/{where}")
    tab.evaluate("document.getAnimations().forEach((each) => each.finish())")
    assert tab.locator("#old").is_visible()
    assert "too old" in tab.locator("#old").inner_text()
    context.close()


def test_the_benches_compute_what_numpy_computes(visit):
    tab = visit("bench.html")

    def results(bench):
        texts = tab.locator(f"{bench} .rows .grid button").all_inner_texts()
        return [float(t.replace("−", "-")) for t in texts]

    x = [0, 0, 2, 5, 5, 3, 3, 4]
    assert results("#one") == [0, 0, 2, 3, 0, -2, 0, 1]
    tab.locator("#one [data-key='[1, 2, 4]']").click()
    tab.locator("#one [data-key=Pads]").select_option("same")
    assert results("#one") == np.correlate(x, [1, 2, 4], "same").tolist()
    tab.locator("#one [data-key=Operation]").select_option("1")
    assert results("#one") == np.convolve(x, [1, 2, 4], "same").tolist()
    image = np.where(np.arange(7) < 3, 0, np.where(np.arange(7) < 4, 9, 5)[:, None])
    modes = {"constant": "constant", "symmetric": "reflect", "reflect": "mirror",
             "edge": "nearest", "wrap": "wrap"}  # fmt: skip
    kernel = np.reshape([-1, 0, 1, -2, 0, 2, -1, 0, 1], (3, 3))
    for ours, scipy in modes.items():
        for stride in (1, 2):
            tab.locator("#two [data-key=Border]").select_option(ours)
            tab.locator("#two [data-key=Stride]").select_option(str(stride))
            wanted = ndimage.correlate(image, kernel, mode=scipy)[::stride, ::stride]
            assert results("#two") == wanted.ravel().tolist(), (ours, stride)


# ---------------------------------------------------------------- the code itself


def tool(name):
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed (npm install --global {name})")
    return program


def test_eslints_recommended_rules_find_nothing():
    done = subprocess.run(
        [tool("eslint"), "--config", HERE / "play" / "eslint.config.cjs", PAGE,
         HERE / "play"],
        capture_output=True, text=True, cwd=HERE.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_code_of_the_page_is_formatted():
    done = subprocess.run(
        [tool("prettier"), "--use-tabs", "--print-width", "88", "--check", PAGE,
         HERE / "play"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tutorials_lead_to_values_that_there_are(page):
    found = []
    for path in (HERE.parent / "tutorials").glob("*.*"):
        if path.suffix in (".py", ".md"):
            text = " ".join(path.read_text("utf-8").replace("\n# ", " ").split())
            found += re.findall(
                r"\]\(\.\./(kerasconv/play/page/[^)#]+)#?([^)]*)\)", text
            )
    assert len(found) >= 8
    shapes = [(26, 26, 32), (13, 13, 32), (11, 11, 64), (5, 5, 64)]
    for file, fragment in found:
        assert (HERE.parent / file).is_file()
        if not file.endswith("index.html") or not fragment:
            continue
        asked = dict(part.split("=") for part in fragment.split("&"))
        shape = shapes[int(asked["layer"])]
        at = [*map(int, asked["at"].split(",")), int(asked["map"])]
        assert all(i < n for i, n in zip(at, shape, strict=True)), fragment
        assert int(asked.get("digit", 0)) < 64
