"""The axes of a model file: the parameters of its two functions, and what every model has beside them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError

from study.engine.runtime import keras
from study.models.blame import ModelError, blaming
from study.models.file import Functions, ModelFile
from study.trial.axes import BUDGET, SEED, Axes, Axis, Counted, as_text
from study.trial.errors import UserError
from study.trial.model_design import ModelDesign

AS_COMPILED = "none: as the file has it"

GENERAL = Axes(
    [
        Axis.annotated(
            "learning_rate",
            Annotated[float, Gt(0), Counted(also=("lr",))] | None,
            None,
            description=f"of the optimizer; {AS_COMPILED}",
        ),
        Axis.annotated(
            "clipnorm",
            Annotated[float, Ge(0)] | None,
            None,
            description=f"gradient clipping: each tensor by its norm; 0 clips nothing; {AS_COMPILED}",
        ),
        Axis.annotated(
            "global_clipnorm",
            Annotated[float, Ge(0)] | None,
            None,
            description=f"gradient clipping: all tensors by their norm together; 0 clips nothing; {AS_COMPILED}",
        ),
        Axis.annotated(
            "clipvalue",
            Annotated[float, Ge(0)] | None,
            None,
            description=f"gradient clipping: each number; 0 clips nothing; {AS_COMPILED}",
        ),
        Axis.annotated(
            "batch_size",
            Annotated[int, Ge(1), Le(2**31 - 1)],
            32,
            description="rows of an update, of arrays",
        ),
        Axis.annotated(
            "jit_compile", bool | None, None, description=f"whether XLA compiles the training step; {AS_COMPILED}"
        ),
        Axis.annotated(
            "dtype_policy",
            Literal["float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"] | None,
            None,
            description=f"Keras's policy for layers without one of their own; {AS_COMPILED}",
        ),
        Axis.annotated(
            BUDGET,
            Annotated[int, Ge(1), Le(1_000_000), Counted(unit="updates")],
            100,
            description="the budget: the largest number of updates",
        ),
        Axis.annotated(
            SEED,
            Annotated[int, Ge(0), Lt(2**31)],
            0,
            description="of initial weights, the order of the rows, and whatever the file draws",
        ),
    ]
)
"""Axes of every model, whether its functions take them or not."""

NUMBERS = ("batch_size", BUDGET, SEED)
"""Those of `GENERAL` that count something in the trial itself, so that a function may only take them as such."""

TAKEN = ("model", "sha256", "engine", "device", "outcome", "name")
"""Names that a trial's configuration and result use already."""


@dataclass(frozen=True, kw_only=True)
class _Parameter:
    """A parameter of one of the two functions."""

    function: str
    name: str
    annotation: Any
    """`Parameter.empty` where there is none."""
    default: Any

    @property
    def is_annotated(self) -> bool:
        return self.annotation is not inspect.Parameter.empty

    def axis(self) -> Axis:
        """Raises `UserError` where it cannot be one."""
        general = GENERAL.get(self.name)
        if general is not None and not self.is_annotated:
            optional = general.optional and self.default is None
            return replace(general, default=self.default, optional=optional)
        annotation = self.annotation if self.is_annotated else type(self.default)
        axis = Axis.annotated(self.name, annotation, self.default, description=f"of {self.function}()")
        if general is None:
            return axis
        if self.name in NUMBERS and axis.kind != "int":
            raise UserError(f"{self.name}: is a whole number in every study, not {axis.allowed()}")
        return replace(axis, **_bounds_added(axis, general))


def axes_of(functions: Functions) -> Axes:
    """All axes of a model file: those of its functions first, in their order.

    Raises:
        ModelError: A parameter without a default, of a type that is no axis, or told in two ways.
    """
    own: dict[str, list[_Parameter]] = {}
    for which in ("build", "data"):
        for parameter in _parameters(functions, which):
            own.setdefault(parameter.name, []).append(parameter)
    axes = [_agreed(parameters, file=functions.file.name) for parameters in own.values()]
    return Axes([*axes, *(axis for name, axis in GENERAL.items() if name not in own)])


def design_of(file: ModelFile) -> ModelDesign:
    """What a model file can be trained with; its code is run for it.

    Raises:
        ModelError: As of `axes_of`, or the file's code raises an exception.
    """
    keras.utils.set_random_seed(0)  # the code may draw where it is loaded, which takes a seed
    with redirect_stdout(sys.stderr):  # what the user's code prints is none of the answer
        axes = axes_of(file.load())
    return ModelDesign(model=file.name, sha256=file.sha256, file_axes=axes)


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a function that can be given a value by their name, annotations as they are written."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(function).parameters
    return {name: parameter for name, parameter in found.items() if parameter.kind not in several}


def _parameters(functions: Functions, which: str) -> Iterator[_Parameter]:
    function = getattr(functions, which)
    file = functions.file.name
    with blaming(functions.file.path, doing=f"the annotations of {which}()"):
        evaluated = inspect.signature(function, eval_str=True).parameters
    for name, parameter in parameters_of(function).items():
        if parameter.default is inspect.Parameter.empty:
            raise ModelError(f"{file}: {which}() has the parameter {name} without a default; an axis needs one")
        if name in TAKEN:
            raise ModelError(f"{file}: {which}() has a parameter {name}, which no axis may be called; rename it")
        default = parameter.default.item() if isinstance(parameter.default, np.generic) else parameter.default
        yield _Parameter(function=which, name=name, annotation=evaluated[name].annotation, default=default)


def _agreed(parameters: list[_Parameter], *, file: str) -> Axis:
    """The axis of a name that one function has, or both."""
    axes = []
    for parameter in parameters:
        try:
            axes.append(parameter.axis())
        except (UserError, ValidationError) as error:
            told = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise ModelError(f"{file}: {parameter.function}(): {told.removeprefix('Value error, ')}") from error
    annotated = [axis for axis, parameter in zip(axes, parameters, strict=True) if parameter.is_annotated] or axes
    same_defaults = len({as_text(axis.default) for axis in axes}) == 1
    if not same_defaults or any(_meaning(axis) != _meaning(annotated[0]) for axis in annotated):
        one, other = (f"{axis.allowed()} (default {as_text(axis.default)})" for axis in axes)
        raise ModelError(
            f"{file}: {axes[0].name} of build() takes {one}, of data() {other}; a name that both have gets one value"
        )
    return annotated[0]


def _meaning(axis: Axis) -> Axis:
    return replace(axis, description="")


def _bounds_added(axis: Axis, general: Axis) -> dict[str, Any]:
    """Bounds of a general axis for a parameter whose annotation has none on that side."""
    bounds: dict[str, Any] = {}
    for side in (("ge", "gt"), ("le", "lt")):
        if not axis.choices and all(getattr(axis, bound) is None for bound in side):
            bounds |= {bound: getattr(general, bound) for bound in side}
    return bounds | {"also": general.also}
