"""Run the checks on a layer and report."""

import inspect
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kerasconv._arguments import check_bool, check_number
from kerasconv._keras import keras
from kerasconv.errors import short
from kerasconv.testing import building, calls, dtypes, saving, shapes, values
from kerasconv.testing._native import HERE
from kerasconv.testing.case import Case, Skip, maker, raised, sample

__all__ = ["ContractError", "Report", "check_layer", "list_checks"]

# Every function of these modules whose name is public is a check: its name is the
# check's, its docstring the meaning. Whether the layer can be called comes first.
_CHECKS: dict[str, Callable[[Case], None]] = {
    name: check
    for theme in (building, shapes, calls, values, dtypes, saving)
    for name, check in vars(theme).items()
    if inspect.isfunction(check)
    and check.__module__ == theme.__name__
    and not name.startswith("_")
}


@dataclass(frozen=True)
class Report:
    """What the checks of one layer found.

    Args:
        layer: The class of the layer.
        backend: The backend that the checks ran on.
        passed: Names of the checks that passed.
        failed: By name of check, what was expected and what was got.
        skipped: By name of check, why it does not apply.
    """

    layer: str
    backend: str
    passed: tuple[str, ...]
    failed: dict[str, str]
    skipped: dict[str, str]

    def __str__(self) -> str:
        lines = [
            f"{self.layer} on {self.backend}: {len(self.passed)} checks passed, "
            f"{len(self.failed)} failed, {len(self.skipped)} do not apply"
        ]
        known = list_checks()
        for name, found in self.failed.items():
            lines += [f"- {name}: {known[name]}", f"  {found}"]
        return "\n".join(lines)


class ContractError(AssertionError):
    """A layer fails some checks; the message names each, `report` holds all."""

    def __init__(self, report: Report):
        super().__init__(str(report))
        self.report = report


def check_layer(
    layer: Any,
    inputs: Any = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    checks: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    batch_independent: bool = True,
    random: bool = False,
    any_size: bool | None = None,
    integers: bool | None = None,
    float64: bool | None = None,
    empty_batch: bool | None = None,
    keeps_nan: bool | None = None,
    compiles: bool | None = None,
    tolerance: float = 1e-5,
) -> Report:
    """Hold a Keras layer to the contract of this package.

    The layer is made anew for the checks, with weights that are random but the same
    each time, and called without `training`; an instance that you pass is left as it
    is. Where an option is None the checks find out: a layer that refuses integers,
    say, is let off, and one that takes them must compute the same as for floats.

    Args:
        layer: A layer, or a function of no arguments (a class, a lambda) that makes
            one. A function is needed where the layer has neither constructor
            arguments of plain Python nor a config.
        inputs: The first argument of a call: an array of at least two examples, or a
            list or dict of arrays. Default: random values of the first shape that
            the layer takes, of images, sequences, volumes and vectors.
        input_shape: Shape of random values to take instead, with the batch.
        checks: Names of the checks to run; None (default) for all.
        exclude: Names of checks to leave out, `"loads_in_a_fresh_process"` for one,
            which takes most of the time.
        batch_independent: Whether an example's output depends on that example alone.
        random: Whether two calls on the same input differ, outside training too.
        any_size: Whether every axis but batch and channels may have any length.
        integers: Whether integers and bools mean the same as floats of these values.
        float64: Whether `dtype="float64"` computes in float64. None expects it of
            tensorflow and jax; elsewhere some of Keras's own operations narrow it.
        empty_batch: Whether a batch may have no examples. None expects it except on
            openvino, some of whose operations then end the process.
        keeps_nan: Whether a NaN in the input shows in the output. None expects it
            except on openvino, whose maximum drops NaN.
        compiles: Whether to hold it to the backend's compiler. None does so on
            tensorflow and jax; torch takes up to a minute to trace a layer.
        tolerance: Difference allowed in float32, relative to the largest value.

    Returns:
        The `Report`, if no check failed.

    Raises:
        ContractError: Some check failed.
        ValueError: An argument is none of these, or no default input fits.
        RuntimeError: Python runs with -O, without assertions.

    Example:
        >>> slow = ["loads_in_a_fresh_process"]
        >>> report = check_layer(keras.layers.Dense(3), exclude=slow)
        >>> "saves_and_loads" in report.passed, report.failed
        (True, {})
    """
    if not __debug__:
        raise RuntimeError("`check_layer` asserts: run Python without -O.")
    names = _chosen(checks, exclude)
    for name, option in {
        "batch_independent": batch_independent,
        "random": random,
        "any_size": any_size,
        "integers": integers,
        "float64": float64,
        "empty_batch": empty_batch,
        "keeps_nan": keeps_nan,
        "compiles": compiles,
    }.items():
        # Where None stands for what the checks find out.
        if option is not None or name in ("batch_independent", "random"):
            check_bool(name, option)
    check_number("tolerance", tolerance)
    make = maker(layer)
    case = Case(
        make,
        sample(make, inputs, input_shape),
        batch_independent=batch_independent,
        random=random,
        any_size=any_size,
        integers=integers,
        float64=HERE.keeps_float64 if float64 is None else float64,
        empty_batch=HERE.takes_empty_batches if empty_batch is None else empty_batch,
        keeps_nan=HERE.keeps_nan if keeps_nan is None else keeps_nan,
        compiles=bool(HERE.compiles if compiles is None else compiles),
        tolerance=tolerance,
    )
    passed: list[str] = []
    failed: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for name in names:
        if "can_be_called" in failed:
            skipped[name] = "the layer cannot be called"
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _CHECKS[name](case)
        except Skip as reason:
            skipped[name] = str(reason)
        except AssertionError as error:
            failed[name] = str(error)
        except Exception as error:
            failed[name] = raised(error)
        else:
            passed.append(name)
    backend = keras.backend.backend()
    report = Report(type(make()).__name__, backend, tuple(passed), failed, skipped)
    if failed:
        raise ContractError(report)
    return report


def list_checks() -> dict[str, str]:
    """The checks of `check_layer`: name and meaning.

    Example:
        >>> list_checks()["empty_batch"]
        'A batch of no examples gives an empty result of the right shape.'
    """
    return {name: check.__doc__ or "" for name, check in _CHECKS.items()}


def _chosen(checks: Iterable[str] | None, exclude: Iterable[str]) -> list[str]:
    # Whether the layer can be called at all is always the first question.
    wanted = {
        "can_be_called",
        *(_CHECKS if checks is None else _known("checks", checks)),
    }
    wanted -= _known("exclude", exclude)
    return [name for name in _CHECKS if name in wanted]


def _known(argument: str, given: Iterable[str]) -> set[str]:
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ValueError(
            f"`{argument}` must be several names. Received: {argument}={short(given)}"
        )
    names = list(given)
    for name in names:
        if not isinstance(name, str) or name not in _CHECKS:
            raise ValueError(
                f"`{argument}` must hold names of `list_checks()`. "
                f"Received: {argument}={short(names)}, of which {short(name)} is none"
            )
    return set(names)
