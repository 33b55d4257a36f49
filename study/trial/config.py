"""`TrialConfig`: one point of the design, and the single source of every axis.

Defaults, command-line `--set`, MLflow params and the table of axes in the README all come from the fields
below. `python -m study.trial.config` prints that table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from study.trial.errors import UserError

AxisValue = str | bool | int | float | None

NONE = "none"
"""How an unset value is written in files, on the command line and in MLflow."""

Activation = Literal[
    "relu",
    "relu6",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "tanh",
    "sigmoid",
    "hard_sigmoid",
    "linear",
]
GateActivation = Literal["sigmoid", "hard_sigmoid", "tanh", "relu", "linear"]
Semantics = Literal["keras-3", "keras-2.2.4"]


def _number(value: Any) -> Any:
    """Refuse what is no number but would be taken for one: `true` is not 1 layer."""
    if isinstance(value, bool):
        raise ValueError("a truth value is not a number")
    return value


def _optional_number(value: Any) -> Any:
    return None if value == NONE else _number(value)


Whole = Annotated[int, BeforeValidator(_number)]
Real = Annotated[float, BeforeValidator(_number)]
OptionalPositive = Annotated[Annotated[float, Gt(0)] | None, BeforeValidator(_optional_number)]


class TrialConfig(BaseModel):
    """One training run, described completely: the same config gives the same losses.

    Frozen, hashable, validated at construction, and free of TensorFlow. The defaults are the minimal
    reproducible example. Construct it with `TrialConfig(...)`, which raises pydantic's `ValidationError`,
    or with `TrialConfig.parse(...)`, which raises `UserError` in one sentence.

    Example:
        >>> TrialConfig().units
        512
        >>> TrialConfig(semantics="keras-2.2.4").recurrent_activation
        'hard_sigmoid'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    activation: Annotated[
        Activation, Field(description="LSTM `activation`: of the candidate and of the cell state on its way out")
    ] = "relu"
    recurrent_activation: Annotated[
        GateActivation,
        Field(description="activation of the three gates; unset, it is `hard_sigmoid` under keras-2.2.4"),
    ] = "sigmoid"
    units: Annotated[Whole, Field(ge=1, le=8192, description="units of every LSTM layer, per direction")] = 512
    layers: Annotated[Whole, Field(ge=1, le=16, description="stacked LSTM layers")] = 1
    timesteps: Annotated[Whole, Field(ge=1, le=100_000, description="length of a sequence")] = 672
    features: Annotated[Whole, Field(ge=1, le=4096, description="features of a timestep")] = 16
    batch_size: Annotated[Whole, Field(ge=2, le=4096, description="sequences of an update")] = 32
    recurrent_dropout: Annotated[
        Real, Field(ge=0, lt=1, description="the LSTM's own rate: one mask per gate, fixed over the timesteps")
    ] = 0.3
    dropout: Annotated[
        Real, Field(ge=0, lt=1, description="rate of the Dropout layers between layers, the last before the Dense")
    ] = 0.0
    learning_rate: Annotated[Real, Field(gt=0, description="of the optimizer")] = 4e-4
    optimizer: Annotated[Literal["nadam", "adam", "rmsprop", "sgd"], Field(description="Keras optimizer")] = "nadam"
    clipnorm: Annotated[
        OptionalPositive, Field(description="gradient clipping: each tensor by its norm; keras-2.2.4: all together")
    ] = 1.0
    max_norm: Annotated[
        OptionalPositive, Field(description="MaxNorm(axis=0) of the LSTM's kernel and recurrent kernel")
    ] = 0.5
    label_balance: Annotated[Real, Field(ge=0, le=1, description="fraction of '1' labels")] = 5 / 32
    label_sampling: Annotated[
        Literal["shuffled", "bernoulli"],
        Field(description="`shuffled`: the exact count, nearest to the fraction; `bernoulli`: each drawn alone"),
    ] = "shuffled"
    batch_norm: Annotated[
        Literal["none", "input", "before_activation", "output"],
        Field(
            description="BatchNormalization: of every LSTM's `input`; `before_activation` of the front end "
            "(needs one); of the last LSTM's `output`"
        ),
    ] = "none"
    front_end: Annotated[
        Literal["none", "conv1d"], Field(description="`conv1d`: Conv1D(features, 3, padding='same') before the LSTM")
    ] = "none"
    front_end_activation: Annotated[
        Literal["none", "relu", "elu", "selu", "tanh", "sigmoid", "linear"],
        Field(description="activation of the front end; unset, `relu` with a front end and `none` without"),
    ] = "none"
    input_mean: Annotated[Real, Field(description="mean of the normal inputs; their deviation is 1")] = 0.0
    bidirectional: Annotated[bool, Field(description="wrap every LSTM in Bidirectional (concatenated)")] = False
    stateful: Annotated[bool, Field(description="carry the LSTM's state from update to update")] = False
    semantics: Annotated[Semantics, Field(description="which Keras's arithmetic")] = "keras-3"
    updates: Annotated[Whole, Field(ge=1, le=1_000_000, description="the budget: the largest number of updates")] = 100
    # A typical one, as a default should be: of the MRE's seeds 0 to 9, nine diverge at update 8 and one at update 9.
    seed: Annotated[Whole, Field(ge=0, lt=2**31, description="of weights, batches, labels and masks")] = 1

    @model_validator(mode="before")
    @classmethod
    def _fill_dependent_defaults(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        values = dict(given)
        if values.get("semantics") == "keras-2.2.4":
            values.setdefault("recurrent_activation", "hard_sigmoid")
        if values.get("front_end") == "conv1d":
            values.setdefault("front_end_activation", "relu")
        return values

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.front_end == NONE and self.batch_norm == "before_activation":
            raise ValueError("batch_norm=before_activation needs a front end: set front_end=conv1d")
        if self.front_end == NONE and self.front_end_activation != NONE:
            raise ValueError(
                f"front_end_activation={self.front_end_activation} needs a front end: set front_end=conv1d"
            )
        if self.front_end != NONE and self.front_end_activation == NONE:
            raise ValueError("front_end=conv1d needs a front_end_activation; `linear` stands for no activation")
        return self

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, where: str = "") -> Self:
        """Build a config from text or YAML values.

        Args:
            values: Axis names and their values; text such as `1e-5`, `true` or `none` is understood.
            where: What the values come from, named at the start of an error message.

        Raises:
            UserError: An unknown axis, a wrong type, a value out of range, or a combination that cannot be.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise UserError(f"{where}: {explain(error)}" if where else explain(error)) from error

    def params(self) -> dict[str, str]:
        """Every axis as text, the way MLflow shows it and `parse` reads it back."""
        return {name: as_text(value) for name, value in self.model_dump().items()}


COMBINED_AXES = ("batch_norm", "front_end", "front_end_activation")
"""Axes whose values are only valid in some combinations."""

AXES: tuple[str, ...] = tuple(TrialConfig.model_fields)
"""Names of all axes, in the order in which they are documented."""


def as_text(value: Any) -> str:
    """Write one axis value so that `TrialConfig.parse` reads the very same value back."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def kind_of(axis: str) -> type:
    """Type of an axis's values: `str`, `bool`, `int` or `float`."""
    annotation = _bare(TrialConfig.model_fields[axis].annotation)
    return str if get_origin(annotation) is Literal else annotation


def _bare(annotation: Any) -> Any:
    """The type inside `... | None` and `Annotated[...]`."""
    while get_origin(annotation) in (Annotated, UnionType, Union):
        annotation = get_args(annotation)[0]
    return annotation


def is_optional(axis: str) -> bool:
    """Whether an axis may be unset, written `none`."""
    return type(None) in get_args(TrialConfig.model_fields[axis].annotation)


def allowed(axis: str) -> str:
    """What an axis takes, in words: `relu, tanh or linear`, `a whole number, at least 1`."""
    field = TrialConfig.model_fields[axis]
    kind = kind_of(axis)
    if kind is str:
        choices = get_args(field.annotation)
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if kind is bool:
        return "true or false"
    words = ["a whole number" if kind is int else "a number"]
    optional = is_optional(axis)
    for bound in (Gt(0),) if optional else field.metadata:
        match bound:
            case Ge(ge=low):
                words.append(f"at least {low}")
            case Gt(gt=low):
                words.append(f"above {low}")
            case Le(le=high):
                words.append(f"at most {high}")
            case Lt(lt=high):
                words.append(f"below {high}")
    return ", ".join(words) + (f", or {NONE}" if optional else "")


@cache
def _validator(axis: str) -> TypeAdapter[Any]:
    field = TrialConfig.model_fields[axis]
    bounded: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    return TypeAdapter(bounded, config=ConfigDict(allow_inf_nan=False))


def axis_value(axis: str, value: object) -> AxisValue:
    """Check one value of one axis alone and give it the axis's type.

    Raises:
        ValueError: The axis does not take that value; `allowed` says what it takes.
    """
    checked: AxisValue = _validator(axis).validate_python(value)
    return checked


def unknown_axis(name: object) -> str:
    """The sentence for an axis that does not exist, with the nearest one that does."""
    import difflib

    near = difflib.get_close_matches(str(name), AXES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"allowed are {', '.join(AXES)}"
    return f"{name!r} is not an axis; {hint}"


def explain(error: ValidationError) -> str:
    """The first error of a validation, as one sentence: the field, what was given, what is allowed."""
    first = error.errors()[0]
    if not first["loc"]:
        return str(first["msg"]).removeprefix("Value error, ")
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return unknown_axis(name)
    return f"{name}={as_text(first['input'])} is not allowed; {name} takes {allowed(name)}"


def parse_assignments(assignments: Iterable[str], *, where: str = "--set") -> dict[str, str]:
    """Split `name=value` texts.

    Raises:
        UserError: A text without `=`, an unknown axis, or an axis given twice.
    """
    values: dict[str, str] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        name = name.strip()
        if not separator:
            raise UserError(f"{where} {assignment}: write it as name=value, for example units=64")
        if name not in AXES:
            raise UserError(f"{where} {assignment}: {unknown_axis(name)}")
        if name in values:
            raise UserError(f"{where} {assignment}: {name} is given twice")
        values[name] = value.strip()
    return values


def axes_table() -> str:
    """The table of axes as Markdown, the one in the README."""
    rows = ["| axis | default (the MRE) | takes | what it is |", "| --- | --- | --- | --- |"]
    for name, field in TrialConfig.model_fields.items():
        rows.append(f"| `{name}` | `{as_text(field.default)}` | {allowed(name)} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(axes_table())
