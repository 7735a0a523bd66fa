"""The live page: draw a digit and look inside a network, in a browser.

`write` makes the page as static files: code from `page/`, and as data the networks of
the zoo, or one of your own, converted from their `.keras` files. Neither Keras nor a
backend is needed. `open_page` opens it in the browser.
"""

import base64
import functools
import http.server
import json
import os
import tempfile
import webbrowser
import zlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasconv import files, untrusted
from kerasconv.errors import KerasconvError, UsageError
from kerasconv.files import check_path
from kerasconv.models import Card, _card, _own, card_of, class_names
from kerasconv.play import convert

if TYPE_CHECKING:
    import keras
    import numpy as np

__all__ = ["OFFERED", "open_page", "read_network", "serve", "write"]

OFFERED = (
    "mnist_cnn/mnist",
    "mnist_cnn/max",
    "mnist_cnn/average",
    "mnist_cnn/l2",
    "mnist_cnn/weighted",
    "edge_classifier/mnist",
)
"""The networks that the page offers: the course's, the same one trained with each kind
of pooling, and one with fixed edges."""


def read_network(model: "str | os.PathLike | keras.Model") -> dict[str, Any]:
    """A network as the page's plain data.

    Args:
        model: The name of a model of the zoo, the path of a `.keras` file, which is
            looked over as `load_model` does, or a Keras model.

    Returns:
        What `kerasconv.play.convert.network` returns, and as the card beside the file
        says the names of the classes, how pictures are prepared (`prepare`), and how
        sure it must be that something is a digit (`min_confidence`). Without a card the
        names are 0, 1, ...

    Raises:
        UsageError: the name is unknown.
        KerasconvError: the file is missing, damaged or refused, the page cannot
            compute such a network, or the card beside it is of another one.

    Example:
        >>> read_network("mnist_cnn")["input"]
        [28, 28, 1]
    """
    if not isinstance(model, str | os.PathLike):
        with tempfile.TemporaryDirectory(prefix="kerasconv-") as folder:
            path = Path(folder) / "model.keras"
            untrusted.save_model(model, path)
            return convert.network(untrusted.inspect(path), str(model.name))
    if not _card.is_file_name(model):
        card = _card.find_card(os.fspath(model))
        archive = untrusted.inspect(card.verify())
        return _network(archive, card.name, card)
    path = Path(os.path.expanduser(model))
    if path.is_file() and path.stat().st_size > convert.MAX_BYTES:
        raise KerasconvError(
            f"{path} has {path.stat().st_size / 1e6:,.0f} MB and the page takes "
            f"{convert.MAX_BYTES / 1e6:.0f} MB at most; show a smaller network"
        )
    return _network(untrusted.inspect(path), path.stem, card_of(path))


def _network(archive: Any, name: str, card: Card | None) -> dict[str, Any]:
    found = convert.network(archive, name)
    _own.check_shapes(found["input"], len(found["classes"]), card)
    found["classes"] = list(class_names(card) or found["classes"])
    reading = card.facts.get("reading", {}) if card else {}
    least = {key: reading[key] for key in ("min_confidence",) if key in reading}
    return {**found, "prepare": _own.preparation_of(card), **least}


def write(
    folder: str | os.PathLike, model: "str | os.PathLike | keras.Model | None" = None
) -> Path:
    """Write the page as static files, to be opened from the disk or from any server.

    Args:
        folder: Where; a page that is there already is replaced.
        model: The network that the page shows first, as of `read_network`. Default:
            the first of `OFFERED`, which the page has all.

    Returns:
        The page, `index.html`.

    Raises:
        UsageError: `folder` holds something else, or the model is unknown.
        KerasconvError: the model cannot be shown, or the place cannot be written.

    Example:
        >>> write("page", "mnist_cnn/l2").name
        'index.html'
    """
    folder = Path(os.path.expanduser(check_path("folder", folder)))
    if folder.exists() and not _is_replaceable(folder):
        raise UsageError(
            f"{str(folder)!r} is there already and holds no page; name another folder"
        )
    own = None if model is None else read_network(model)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}-", dir=folder.parent
        ) as work:
            made = Path(work) / "page"
            made.joinpath("data").mkdir(parents=True)
            for name, text in _contents(own):
                made.joinpath(name).write_text(text, encoding="utf-8")
            files.move_into_place(made, folder)
    except OSError as error:
        raise KerasconvError(
            f"{folder} cannot be written ({error.strerror or error}); choose another "
            "place or make room"
        ) from error
    return folder / "index.html"


def _is_replaceable(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    page = folder / "data" / "index.js"
    return page.is_file() or not any(folder.iterdir())


def _contents(own: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    """The page's files by their names: the code as it is, and the data as scripts.

    A page that is opened from the disk may load scripts and nothing else.
    """
    code = resources.files("kerasconv.play").joinpath("page")
    for file in code.iterdir():
        if file.name.endswith((".html", ".js", ".css")):
            yield file.name, file.read_text(encoding="utf-8")
    networks = {name: read_network(name) for name in OFFERED}
    first = OFFERED[0]
    if own is not None:
        first = own["name"]
        if networks.get(first, own)["layers"] != own["layers"]:
            first += " (yours)"  # a file that is called as one of the zoo is
        networks = {first: {**own, "name": first}, **networks}
    listed = {}
    for number, (name, network) in enumerate(networks.items()):
        listed[name] = f"data/network{number}.js"
        text = json.dumps({**network, "weights": _packed(network["weights"])})
        yield listed[name], f"DATA.loaded[{json.dumps(name)}] = {text};\n"
    index = {
        "first": first, "networks": listed, "loaded": {}, "constants": _constants(),
    }  # fmt: skip
    yield "data/index.js", f"const DATA = {json.dumps(index)};\n"
    yield "data/digits.js", f"DATA.digits = {json.dumps(_digits())};\n"
    yield "data/photo.js", f"DATA.photo = {json.dumps(_photo())};\n"
    yield "data/judge.js", f"DATA.judge = {json.dumps(_judge())};\n"


def _packed(values: "np.ndarray") -> str:
    """Numbers as text, for `Engine.bytes` and `Engine.floats` in `page/engine.js`.

    All first bytes come first, then all second ones, and so on: those are alike.
    """
    planes = values.reshape(-1, 1).view("uint8").T
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(planes.tobytes()) + deflate.flush()
    return base64.b64encode(packed).decode()


def _constants() -> dict[str, dict[str, float]]:
    """The figures by which a picture is prepared, as Python has them, by module."""
    from kerasconv.pictures import (
        clothes,
        digit,
        ink,
        look,
        paper,
        scene,
        sheet,
        strokes,
    )

    return {
        module.__name__.rpartition(".")[2]: {
            name.strip("_"): value
            for name, value in vars(module).items()
            if name.isupper() and type(value) in (int, float)
        }
        for module in (clothes, digit, ink, look, paper, scene, sheet, strokes)
    }


def _judge() -> dict[str, Any]:
    """The network that tells whether a picture is a digit, as the page takes it."""
    from kerasconv.pictures import judge

    stored = judge.stored()
    steps = {
        name: stored[f"{name} step"] for name in stored if f"{name} step" in stored
    }
    return {
        "min confidence": float(stored["min confidence"]),
        "arrays": {
            name: {"values": _packed(stored[name]), "step": step.tolist()}
            for name, step in steps.items()
        },
        "vectors": {
            name: values.tolist()
            for name, values in stored.items()
            if values.ndim and values.dtype == "float32" and not name.endswith(" step")
        },
    }


def _digits() -> dict[str, Any]:
    import numpy as np

    from kerasconv.digits import load_digits

    images, labels = load_digits()
    pixels = np.rint(255 * images).astype(np.uint8)
    return {
        "labels": labels.tolist(),
        "images": _packed(pixels),
    }


def _photo() -> str:
    from kerasconv.pictures import example_photo

    jpeg = base64.b64encode(example_photo().read_bytes()).decode()
    return f"data:image/jpeg;base64,{jpeg}"


def open_page(model: "str | os.PathLike | keras.Model | None" = None) -> Path:
    """Write the page into a new temporary folder and open it in the browser.

    Args:
        model: As for `write`.

    Returns:
        The page, which stays until the system empties its temporary folder.

    Example:
        >>> open_page("lenet5")
    """
    page = write(Path(tempfile.mkdtemp(prefix="kerasconv-play-")), model)
    webbrowser.open(page.as_uri())
    return page


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(folder: str | os.PathLike) -> http.server.ThreadingHTTPServer:
    """A server of a folder's files, for this machine alone.

    Args:
        folder: Where `write` wrote the page.

    Returns:
        The server, on a free port of 127.0.0.1; `serve_forever()` starts it.

    Example:
        >>> server = serve("page")
        >>> server.server_address[0]
        '127.0.0.1'
    """
    handler = functools.partial(_Quiet, directory=os.fspath(folder))
    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
