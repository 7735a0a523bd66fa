"""`kerasconv edges`, `features` and `kernels`: what convolution sees, as pictures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kerasconv.cli import _batch
from kerasconv.cli._app import (
    Backend,
    Model,
    Sealed,
    Trust,
    app,
    checked_model,
    existing,
    place,
    progress,
    remark,
    running,
    start,
)
from kerasconv.errors import UsageError, printable
from kerasconv.kernels import OPERATORS, laplacian

if TYPE_CHECKING:
    import numpy as np

    from kerasconv.models import Card


@app.command()
def edges(
    images: Annotated[
        list[str] | None,
        typer.Argument(
            help="An image file, grey or colour; with --out any number of files, "
            "folders and patterns. Default: the one in the package.",
            metavar="IMAGE...",
        ),
    ] = None,
    operator: Annotated[
        str, typer.Option(help=f"{' or '.join(OPERATORS)}.", metavar="NAME")
    ] = "sobel",
    output: Annotated[
        str, typer.Option(help="magnitude, x or y.", metavar="NAME")
    ] = "magnitude",
    border: Annotated[
        str,
        typer.Option(
            help="What lies outside: symmetric, reflect, edge, wrap or constant.",
            metavar="MODE",
        ),
    ] = "symmetric",
    save: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture of the same size. Default: draw in the terminal.",
            metavar="FILE",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write a picture for each into this folder, as PNG, in the folders "
            "that they lie in. A run that was ended goes on with --resume.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    workers: _batch.Workers = None,
    resume: _batch.Resume = False,
    max_errors: _batch.MaxErrors = None,
    backend: Backend = None,
) -> None:
    """Find the edges of a photograph with a Sobel or Prewitt layer, or of many.

    The derivative along x marks vertical edges, and along y horizontal ones. Each
    colour channel is filtered on its own.

    With --out, photos/cats/tom.jpg of the folder photos becomes DIR/cats/tom.jpg.png.
    What cannot be read is a row with its error in DIR/_run, and the exit status is 1.

    \b
    Examples:
      kerasconv edges
      kerasconv edges photo.jpg --save edges.png
      kerasconv edges photo.jpg --operator prewitt --output x --save x.png
      kerasconv edges photos/ --out edges --resume
    """  # noqa: D301
    from kerasconv import pictures

    settings: dict[str, Any] = {
        "operator": operator,
        "output": output,
        "border_mode": border,
    }
    try:
        pictures.check_edges(**settings)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if out is not None:
        if save is not None:
            raise UsageError("--out and --save exclude each other; give one of them")
        if not images:
            raise UsageError("name the pictures whose edges go into the folder")
        _edges_into_folder(
            images, out, settings, workers, max_errors, resume=resume, backend=backend
        )
        return
    _batch.refuse_without_out(workers=workers, resume=resume, max_errors=max_errors)
    if images and (len(images) > 1 or os.path.isdir(images[0])):
        raise UsageError("of several pictures: give --out, a folder for their edges")
    image = existing(Path(images[0])) if images else None
    if save is not None:
        pictures.check_suffix(save)
        save = place(save, "", image)
    photo = pictures.read_photo(image or pictures.example_photo())
    start(backend)
    found = pictures.edges(photo, **settings)
    pixels = pictures.to_pixels(found, output)
    if save is not None:
        pictures.write_photo(save, pixels)
        print(f"{save}: {pixels.shape[1]}x{pixels.shape[0]} pixels")
        return
    from kerasconv import terminal

    console = terminal.stdout()
    what = {"x": "derivative along x of", "y": "derivative along y of"}.get(output)
    name = "the photograph in the package" if image is None else printable(str(image))
    print(
        f"{operator.capitalize()}: the {what or 'magnitude of the edges in'} {name}, "
        f"{pixels.shape[1]}x{pixels.shape[0]} pixels; light is strong"
    )
    print(terminal.draw_photo(abs(found).max(-1), console.width))


def _edges_into_folder(
    images: list[str],
    out: Path,
    settings: dict[str, Any],
    workers: int | None,
    max_errors: int | None,
    **options: Any,
) -> None:
    from kerasconv import batch

    plan = batch.plan_edges(images, out, **settings, **options)
    with progress("drawing edges", speed=True) as advance:
        summary = batch.work_off(
            plan, workers=workers, max_errors=max_errors, progress=advance
        )
    print(f"{out}: the edges of {summary.statuses.get('ok', 0):,} pictures")
    _batch.tell_errors(summary, f" of {plan.out / 'part-*.csv'}")


@app.command()
def features(
    image: Annotated[
        Path | None,
        typer.Argument(
            help="An image file. Default: a digit in the package.", metavar="IMAGE"
        ),
    ] = None,
    model: Model = "mnist_cnn",
    save: Annotated[
        Path | None,
        typer.Option(
            help="Where the picture goes. Default: features.png, unless it exists.",
            metavar="FILE",
        ),
    ] = None,
    trust: Trust = False,
    sealed: Sealed = False,
    backend: Backend = None,
) -> None:
    """Draw what every layer of a model makes of an image, as one picture.

    \b
    Examples:
      kerasconv features
      kerasconv features seven.jpg --model mnist_cnn --save maps.png
    """  # noqa: D301
    from kerasconv import plotting

    image = existing(image)
    save = place(save, "features.png", image)
    plotting.check_suffix(save)
    card = checked_model(model, trust=trust, sealed=sealed)
    start(backend)
    from kerasconv.models import load_model
    from kerasconv.predict import feature_maps

    network = load_model(model, trust=trust)
    picture = _picture_for(network, card, image)
    with running(model):
        maps = feature_maps(network, picture)
    _remark_on_nan({"the image": picture, **maps}, "values of")
    plotting.save_figure(plotting.plot_feature_maps({"image": picture, **maps}), save)
    print(f"{save}: {len(maps)} layers of {model}")


@app.command()
def kernels(
    name: Annotated[
        str,
        typer.Argument(
            help=f"An operator ({', '.join((*OPERATORS, 'laplacian'))}), a model or a "
            ".keras file.",
            metavar="NAME",
        ),
    ],
    layer: Annotated[
        str | None,
        typer.Option(
            help="The layer, of a model. Default: the first with a kernel.",
            metavar="LAYER",
        ),
    ] = None,
    channel: Annotated[
        int,
        typer.Option(help="The input channel, of a layer.", min=0, metavar="N"),
    ] = 0,
    save: Annotated[
        Path | None,
        typer.Option(
            help="Where the picture goes. Default: kernels.png, unless it exists.",
            metavar="FILE",
        ),
    ] = None,
    trust: Trust = False,
    sealed: Sealed = False,
    backend: Backend = None,
) -> None:
    """Draw the kernels of an operator or of a layer of a model.

    \b
    Examples:
      kerasconv kernels sobel
      kerasconv kernels mnist_cnn --layer conv2d_1 --channel 5 --save k.png
    """  # noqa: D301
    from kerasconv import plotting

    save = place(save, "kernels.png")
    plotting.check_suffix(save)
    operators = _operators()
    if name in operators:
        for option, value in {"--layer": layer, "--channel": channel or None}.items():
            if value is not None:
                raise UsageError(f"{option} is of a model, and {name} is an operator")
        drawn = operators[name]
        for title, kernel in drawn.items():
            print(f"{title}:\n{kernel}")
    else:
        checked_model(name, *operators, trust=trust, sealed=sealed)
        start(backend)
        from kerasconv.models import load_model

        network = load_model(name, trust=trust)
        drawn = _layer_kernels(network, name, layer, channel)
        _remark_on_nan(drawn, "weights in")
    plotting.save_figure(plotting.plot_kernels(drawn), save)
    print(f"{save}: {len(drawn)} kernels")


def _operators() -> dict[str, dict[str, "np.ndarray"]]:
    """The kernels of each operator by a title."""
    found = {
        name: {
            f"{name} along {axis}": kernel
            for axis, kernel in zip("yx", make(), strict=True)
        }
        for name, make in OPERATORS.items()
    }
    return {**found, "laplacian": {"laplacian": laplacian()}}


def _layer_kernels(
    model: Any, name: str, layer: str | None, channel: int
) -> dict[str, "np.ndarray"]:
    """The kernels of a convolution for one input channel, by the filter's number."""
    import numpy as np

    convolutions = {
        each.name: each.get_weights()[0]
        for each in model.layers
        if each.weights and 3 <= len(each.weights[0].shape) <= 5
    }
    if not convolutions or (layer is not None and layer not in convolutions):
        known = ", ".join(convolutions) or "none"
        raise UsageError(
            f"{name} has no kernels to draw in {layer or 'any layer'}; its layers with "
            f"kernels: {known}"
        )
    layer = layer or next(iter(convolutions))
    kernel = convolutions[layer]
    if channel >= kernel.shape[-2]:
        raise UsageError(
            f"--channel must be below {kernel.shape[-2]}, the input channels of "
            f"{layer}, not {channel}"
        )
    filters = np.moveaxis(kernel[..., channel, :], -1, 0)
    return {f"{layer} {i}": each for i, each in enumerate(filters)}


def _remark_on_nan(arrays: dict[str, "np.ndarray"], what: str) -> None:
    import numpy as np

    for name, values in arrays.items():
        missing = int(np.sum(~np.isfinite(values)))
        if missing:
            remark(
                f"warning: {missing:,} of {values.size:,} {what} {printable(name, 60)} "
                "are NaN or infinite, and are left blank"
            )


def _picture_for(model: Any, card: "Card | None", path: Path | None) -> "np.ndarray":
    """An image brought to what a network takes, or a digit where it takes digits."""
    from kerasconv import pictures
    from kerasconv.digits import load_digits
    from kerasconv.reading import pictures_of, preparation

    shape = tuple(model.inputs[0].shape[1:])
    prepare = preparation(shape, card)
    if path is not None:
        return prepare(path)
    if pictures_of(card) == "digit" and shape == (pictures.FIELD, pictures.FIELD, 1):
        return load_digits()[0][0]
    raise UsageError(f"name an image: the model takes {shape}, not a digit")
