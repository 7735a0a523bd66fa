"""`kerasconv export`: a model in the format of another runtime."""

from pathlib import Path
from typing import Annotated

import typer

from kerasconv import export as exports
from kerasconv.cli._app import (
    Backend,
    Sealed,
    Trust,
    app,
    checked_model,
    complete_model,
    hushed,
    remark,
    start,
)
from kerasconv.errors import KerasconvError


@app.command()
def export(
    model: Annotated[
        str,
        typer.Argument(
            help="A model of the zoo, or the path of a .keras file.",
            autocompletion=complete_model,
            metavar="NAME|PATH",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join(exports.FORMATS)}.",
            autocompletion=lambda incomplete: [
                name for name in exports.FORMATS if name.startswith(incomplete)
            ],
            metavar="FORMAT",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="The file to write (.onnx, .xml, .tflite or .pt2), or for saved_model "
            "a new folder.",
            metavar="PATH",
        ),
    ],
    feature_maps: Annotated[
        bool,
        typer.Option(
            "--feature-maps", help="Add every layer's output, by the layer's name."
        ),
    ] = False,
    class_names: Annotated[
        str | None,
        typer.Option(
            help="Names of the classes, to store in the file of your own model.",
            metavar="NAME,NAME...",
        ),
    ] = None,
    input_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="The least and the largest value of an image, to store likewise.",
            metavar="LEAST LARGEST",
        ),
    ] = None,
    trust: Trust = False,
    sealed: Sealed = False,
    backend: Backend = None,
) -> None:
    """Write a model for another runtime, and keep the file only if it is right.

    That runtime runs the file on 1, 7 and 64 real digits, and its answers are compared
    with Keras's; a file that does not run, or answers otherwise, is not kept. Where
    the backend cannot write the format, another installed one does.

    \b
    Examples:
      kerasconv export mnist_cnn --to onnx --out digits.onnx
      kerasconv export mnist_cnn --to litert --out digits.tflite --feature-maps
      kerasconv export mine.keras --to saved_model --out served --class-names cat,dog
    """  # noqa: D301
    exports.check(to, out)
    checked_model(model, trust=trust, sealed=sealed)
    start(backend)
    failure = None
    with hushed():
        try:
            done = exports.export(
                model,
                out,
                to,
                feature_maps=feature_maps,
                input_range=input_range,
                class_names=None if class_names is None else class_names.split(","),
                trust=trust,
            )
        except KerasconvError as error:
            failure = error
    if failure is not None:
        raise failure
    for name, reason in done.refused.items():
        remark(f"{name}: {reason}")
    if done.backend != done.reference:
        remark(f"written on {done.backend}, in a process of its own")
    sizes = ", ".join("x".join(map(str, shape)) for shape in done.shapes)
    print(f"{out}: {to} with {', '.join(done.outputs)}")
    print(f"run again by {done.runtime} on digits of {sizes}")
    print(f"largest difference from Keras on {done.reference}: {done.difference:.1e}")
