"""Cards: what was measured of one set of trained weights, and the way to it.

A card is `models/<architecture>/<weights>.toml`, written by the recipe that
trained the weights `<weights>.keras` beside it, never by hand.
"""

import hashlib
import os
import tomllib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasconv import untrusted
from kerasconv._arguments import check_text
from kerasconv.errors import KerasconvError, UsageError, meant, printable, short
from kerasconv.models._adapt import NewHeadWarning, body, keep_body, untrained
from kerasconv.models._architecture import ARCHITECTURES

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Card:
    """Facts about one set of weights.

    Attributes:
        architecture: The function of `kerasconv.models` that builds the network.
        weights: The name of the weights.
        path: The `.keras` file.
        facts: Everything the card's TOML file says.
    """

    architecture: str
    weights: str
    path: Path
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """The full name, "architecture/weights"."""
        return f"{self.architecture}/{self.weights}"

    def verify(self) -> Path:
        """The path of the weights, once their SHA-256 is the card's.

        Raises:
            KerasconvError: the file is missing, damaged or another one.
        """
        try:
            digest = file_digest(self.path)
        except OSError as error:
            raise KerasconvError(
                f"the weights {self.path} cannot be read ({error.strerror}); "
                "install kerasconv again"
            ) from error
        if digest != self.facts["sha256"]:
            raise KerasconvError(
                f"the weights {self.path} are damaged or were replaced: their SHA-256 "
                f"is {digest[:12]}..., the card says {self.facts['sha256'][:12]}...; "
                "install kerasconv again"
            )
        return self.path


def file_digest(path: str | os.PathLike) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def zoo_folder() -> Path:
    """Where the trained weights are: in the installed package, or in the checkout."""
    installed = Path(str(resources.files("kerasconv"))) / "zoo"
    if installed.is_dir():
        return installed
    return Path(__file__).resolve().parents[2] / "models"


def read_card(path: Path) -> Card:
    """The card in a TOML file."""
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
        if "next" in facts:
            facts = untrusted.settled(facts, file_digest(path.with_suffix(".keras")))
    except (OSError, ValueError) as error:
        raise KerasconvError(
            f"the card {path} cannot be read ({error}); install kerasconv again"
        ) from error
    return Card(path.parent.name, path.stem, path.with_suffix(".keras"), facts)


def cards() -> dict[str, Card]:
    """Every card of the zoo by its full name, "architecture/weights"."""
    return {name: read_card(path) for name, path in _names().items()}


def _names() -> dict[str, Path]:
    """The path of every card by its full name: to read them all takes a while."""
    paths = sorted(zoo_folder().glob("*/*.toml"))
    return {f"{path.parent.name}/{path.stem}": path for path in paths}


def list_models() -> list[str]:
    """The full names of the trained models of the zoo.

    Example:
        >>> "mnist_cnn/mnist" in list_models()
        True
    """
    return list(_names())


def find_card(name: str, others: Sequence[str] = ()) -> Card:
    """The card of a model of the zoo.

    Args:
        name: "architecture/weights", or "architecture" for its default weights.
        others: What else the name might have been meant for, for the message.

    Raises:
        UsageError: no such model; the message names the nearest.
    """
    known, full = _names(), check_text("name", name)
    if name in ARCHITECTURES:
        full = f"{name}/{ARCHITECTURES[name].weights}"
    if full in known:
        return read_card(known[full])
    architecture, _, weights = full.partition("/")
    if architecture in ARCHITECTURES and (
        weights in ARCHITECTURES[architecture].recipes
    ):
        raise UsageError(
            f"{full} has a recipe and no trained weights yet; train it first"
        )
    names = [*others, *ARCHITECTURES, *known]
    # No name of the zoo has a dot or two slashes.
    is_path = "." in name or name.count("/") > 1
    hint = "a file of yours must end in .keras" if is_path else meant(name, names)
    raise UsageError(f"unknown model {printable(name, 200)!r}; {hint}")


def load_model(
    name: str | os.PathLike, trust: bool = False, *, sealed: bool = False
) -> "keras.Model":
    """A trained model of the zoo, or one of your own `.keras` files.

    A model of the zoo is built by this package's code and takes only its weights
    from the file, once the file's SHA-256 is the card's. A file of your own is
    looked over before Keras opens it: it may name Keras's plain layers and functions
    and those of this package, and nothing that runs code; it may declare no more
    weights than it stores; and if it carries digests of its contents (`save_model`
    writes them), or a card with digests lies beside it, it must agree with them.
    Changed weights in a file without digests cannot be recognised, and no digest tells
    who wrote it: one notices accidents, not attackers.

    Args:
        name: "mnist_cnn", "mnist_cnn/mnist", or the path of a `.keras` file.
        trust: Take a file of your own as it is: any class and function, code within
            the file included, and any size. Such a file can do whatever your programs
            can: give this only for a file whose maker you know.
        sealed: Refuse a file of your own that carries no digests of its contents: you
            know that `save_model` wrote it, so somebody took them off.

    Returns:
        A Keras model, not compiled.

    Raises:
        UsageError: the name is unknown and no such file exists.
        KerasconvError: the file is missing, damaged, or refused.

    Example:
        >>> from kerasconv.models import load_model
        >>> load_model("mnist_cnn").count_params()
        34826
    """
    if is_file_name(name):
        return untrusted.load_file(Path(name), trust=trust, sealed=sealed)
    card = find_card(os.fspath(name))
    build = ARCHITECTURES[card.architecture].build
    return build(weights=card.weights, **card.facts["arguments"])


def is_file_name(name: str | os.PathLike) -> bool:
    """Whether this means a file rather than a model of the zoo.

    Raises:
        UsageError: it is neither a name nor a path.
    """
    if not isinstance(name, str | os.PathLike):
        raise UsageError(
            "a model is given by its name or the path of its file, a str or a "
            f"pathlib.Path. Received: {short(name)}"
        )
    if isinstance(name, os.PathLike):
        return True
    if name.endswith((".keras", ".h5")) or name.startswith((".", "~", os.sep)):
        return True
    # A file that happens to be called so hides no model: ./lenet5 means it.
    return name.partition("/")[0] not in ARCHITECTURES and os.path.isfile(name)


def built(
    architecture: str,
    weights: str | os.PathLike | None,
    build: "Callable[[], keras.Model]",
) -> "keras.Model":
    """A network with its weights: a set of the zoo's, a file's, or random ones.

    A network for images of another size, other classes, or without a head gets those
    of the body; its head, if it has one, is random, with a `NewHeadWarning`.

    Raises:
        UsageError: no weights of that name, or they do not fit the network.
        KerasconvError: the file is missing or damaged.
    """
    if weights is None:
        return build()
    known = [
        name.partition("/")[2]
        for name in _names()
        if name.startswith(f"{architecture}/")
    ]
    if weights not in known and is_file_name(weights):
        what = f"the weights in {os.fspath(weights)}"
        path = Path(os.path.expanduser(weights))
    else:
        if weights not in known:
            raise UsageError(
                f"`weights` must be one of {', '.join(map(repr, known))}, the path of "
                f"a .keras file, or None. Received: weights={weights!r}"
            )
        card = find_card(f"{architecture}/{weights}")
        path = card.verify()
        what = f"weights={weights!r} (trained with {_arguments(card)})"
    archive = untrusted.inspect(path)
    with untrusted.values_to_come() as take:
        model = build()
        stored = [tensor.shape for tensor in archive.weights.values()]
        wanted = [tuple(weight.shape) for weight in model.weights]
        misfit = UsageError(
            f"{what} do not fit this {architecture}: its weights are of shapes "
            f"{wanted}, the file has {stored}; change the arguments or "
            "use weights=None"
        )
        fits = sorted(stored) == sorted(wanted)
        if fits:
            _check_unstored(model, architecture, archive, what)
            try:
                untrusted.load_tensors(model, archive)
            except ValueError as error:
                raise misfit from error
            take(model)
    if not fits:
        given = path if is_file_name(weights) and weights not in known else card.name
        if not keep_body(model, load_model(given)):
            raise misfit
        if len(body(model)) < len(model.layers):
            warnings.warn(
                f"this {architecture} has the convolutions of {os.fspath(weights)!r} "
                "and a new, random head: train it before you use it",
                NewHeadWarning,
                stacklevel=4,  # who called the architecture, which is checked first
            )
    return model


def _check_unstored(
    model: "keras.Model", architecture: str, archive: untrusted.Archive, what: str
) -> None:
    """Refuse weights of other pooling or fixed kernels, which no shape shows."""
    layers = _mapping(archive.config.get("config")).get("layers")
    theirs = [
        (kind, fixed)
        for layer in map(_mapping, layers if isinstance(layers, list) else ())
        for kind in [layer.get("class_name", "")]
        for fixed in [_mapping(layer.get("config")).get("kernels")]
        if fixed or "Pool" in kind
    ]
    ours = untrained(model.layers)
    if theirs != ours:
        has, wants = (
            ", ".join(kind for kind, _ in side) or "none" for side in (theirs, ours)
        )
        differ = (
            f"with {has}, this {architecture} has {wants}"
            if has != wants
            else f"with other fixed kernels than this {architecture}"
        )
        raise UsageError(
            f"{what} are of a network {differ}; change the arguments or use "
            "weights=None"
        )


def _mapping(value: Any) -> dict[str, Any]:
    """`value`, or an empty dict where a foreign file has something else."""
    return value if isinstance(value, dict) else {}


def _arguments(card: Card) -> str:
    pairs = card.facts["arguments"].items()
    return ", ".join(
        f"{key}={tuple(value) if isinstance(value, list) else value!r}"
        for key, value in pairs
    )
