"""`TrialConfig`: one point of the design, and the single source of every axis.

Defaults, command-line `--set`, MLflow params and the table of axes in the README all come from the fields
below. `python -m study.trial.config` prints that table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from annotated_types import Gt
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from study.trial.axes import NONE, Axes, AxisValue, Counted, as_text
from study.trial.design import Configuration, Design
from study.trial.errors import UserError
from study.trial.markdown import markdown_table

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
CellName = Literal["lstm", "gru", "simple_rnn"]
GateActivation = Literal["none", "sigmoid", "hard_sigmoid", "tanh", "relu", "linear"]
WITHOUT_GATES = ("simple_rnn",)
"""Cells that have no `recurrent_activation`."""

Semantics = Literal["keras-3", "keras-2.2.4"]


OptionalPositive = Annotated[float, Gt(0)] | None


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

    cell: Annotated[
        CellName,
        Field(
            description="of the recurrent layers: Keras's LSTM or, under keras-3 alone, its GRU (`reset_after=True`) "
            "or SimpleRNN"
        ),
        Counted(later=True),
    ] = "lstm"
    activation: Annotated[
        Activation,
        Field(
            description="the cell's `activation`: of the candidate and, in an LSTM, of the cell state on its way out"
        ),
        Counted(bounded=("relu6", "softsign", "tanh", "sigmoid", "hard_sigmoid")),
    ] = "relu"
    recurrent_activation: Annotated[
        GateActivation,
        Field(
            description="activation of the cell's gates; unset, it is `hard_sigmoid` under keras-2.2.4 and `none` "
            "for a cell without gates"
        ),
    ] = "sigmoid"
    units: Annotated[
        int,
        Field(ge=1, le=8192, description="units of every recurrent layer, per direction"),
        Counted(logarithmic=True, unit="of a layer", also=("hidden_size", "hidden_units", "neurons", "num_units")),
    ] = 512
    layers: Annotated[
        int, Field(ge=1, le=16, description="stacked recurrent layers"), Counted(also=("depth", "num_layers"))
    ] = 1
    timesteps: Annotated[
        int,
        Field(ge=1, le=100_000, description="length of a sequence"),
        Counted(logarithmic=True, also=("seq_len", "sequence_length", "length")),
    ] = 672
    features: Annotated[
        int,
        Field(ge=1, le=4096, description="features of a timestep"),
        Counted(logarithmic=True, also=("input_dim", "input_size")),
    ] = 16
    batch_size: Annotated[
        int,
        Field(ge=2, le=4096, description="sequences of an update"),
        Counted(logarithmic=True, unit="sequences"),
    ] = 32
    recurrent_dropout: Annotated[
        float,
        Field(ge=0, lt=1, description="the cell's own rate: one mask per gate, fixed over the timesteps"),
        Counted(step=0.1, unit="rate"),
    ] = 0.3
    dropout: Annotated[
        float,
        Field(ge=0, lt=1, description="rate of the Dropout layers between layers, the last before the Dense"),
        Counted(step=0.1, unit="rate"),
    ] = 0.0
    learning_rate: Annotated[float, Field(gt=0, description="of the optimizer"), Counted(also=("eta", "step_size"))] = (
        4e-4
    )
    optimizer: Annotated[Literal["nadam", "adam", "rmsprop", "sgd"], Field(description="Keras optimizer")] = "nadam"
    clipnorm: Annotated[
        OptionalPositive,
        Field(description="gradient clipping: each tensor by its norm; keras-2.2.4: all together"),
        Counted(also=("clip", "gradient_clipping", "grad_clip", "clip_norm")),
    ] = 1.0
    max_norm: Annotated[
        OptionalPositive, Field(description="MaxNorm(axis=0) of the cell's kernel and recurrent kernel")
    ] = 0.5
    task: Annotated[
        Literal["noise", "learnable"],
        Field(
            description="`noise`: labels that have nothing to do with the inputs; `learnable`: labels by a fixed "
            "random teacher of the sequence"
        ),
        Counted(later=True),
    ] = "noise"
    label_balance: Annotated[
        float,
        Field(ge=0, le=1, description="fraction of '1' labels"),
        Counted(step=0.1, unit="fraction of '1' labels"),
    ] = 5 / 32
    label_sampling: Annotated[
        Literal["shuffled", "bernoulli"],
        Field(description="`shuffled`: the exact count, nearest to the fraction; `bernoulli`: each by itself"),
    ] = "shuffled"
    batch_norm: Annotated[
        Literal["none", "input", "before_activation", "output"],
        Field(
            description="BatchNormalization: of every recurrent layer's `input`; `before_activation` of the front "
            "end (needs one); of the last recurrent layer's `output`"
        ),
    ] = "none"
    front_end: Annotated[
        Literal["none", "conv1d"], Field(description="`conv1d`: Conv1D(features, 3, padding='same') before the layers")
    ] = "none"
    front_end_activation: Annotated[
        Literal["none", "relu", "elu", "selu", "tanh", "sigmoid", "linear"],
        Field(description="activation of the front end; unset, `relu` with a front end and `none` without"),
    ] = "none"
    input_mean: Annotated[float, Field(description="mean of the normal inputs; their deviation is 1")] = 0.0
    bidirectional: Annotated[bool, Field(description="wrap every recurrent layer in Bidirectional (concatenated)")] = (
        False
    )
    stateful: Annotated[bool, Field(description="carry the cells' states from update to update")] = False
    semantics: Annotated[Semantics, Field(description="which Keras's arithmetic")] = "keras-3"
    updates: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="the budget: the largest number of updates"),
        Counted(logarithmic=True, unit="updates", also=("epochs", "steps", "iterations", "budget")),
    ] = 100
    # A typical one, as a default should be: of the MRE's seeds 0 to 9, nine diverge at update 8 and one at update 9.
    seed: Annotated[int, Field(ge=0, lt=2**31, description="of weights, batches, labels and masks")] = 1

    @model_validator(mode="before")
    @classmethod
    def _fill_dependent_defaults(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        values = dict(given)
        if values.get("semantics") == "keras-2.2.4":
            values.setdefault("recurrent_activation", "hard_sigmoid")
        if values.get("cell") in WITHOUT_GATES:
            values.setdefault("recurrent_activation", NONE)
        if values.get("front_end") == "conv1d":
            values.setdefault("front_end_activation", "relu")
        return values

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.cell != "lstm" and self.semantics != "keras-3":
            raise ValueError(
                f"cell={self.cell} is there under semantics=keras-3 alone: set semantics=keras-3 or cell=lstm"
            )
        if self.cell in WITHOUT_GATES and self.recurrent_activation != NONE:
            raise ValueError(
                f"recurrent_activation={self.recurrent_activation} needs a cell with gates, such as cell=lstm"
            )
        if self.cell not in WITHOUT_GATES and self.recurrent_activation == NONE:
            raise ValueError(f"cell={self.cell} needs a recurrent_activation; `linear` stands for no activation")
        if self.front_end == NONE and self.batch_norm == "before_activation":
            raise ValueError("batch_norm=before_activation needs a front end: set front_end=conv1d")
        if self.front_end == NONE and self.front_end_activation != NONE:
            raise ValueError(
                f"front_end_activation={self.front_end_activation} needs a front end: set front_end=conv1d"
            )
        if self.front_end != NONE and self.front_end_activation == NONE:
            raise ValueError("front_end=conv1d needs a front_end_activation; `linear` stands for no activation")
        return self

    @field_validator("*", mode="before")
    @classmethod
    def _check_value(cls, value: Any, info: ValidationInfo) -> AxisValue:
        assert info.field_name
        return AXES[info.field_name].validate(value)

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

    @property
    def design(self) -> Design:
        """The example."""
        return EXAMPLE

    @property
    def axes(self) -> Axes:
        """The axes of the example."""
        return AXES

    def values(self) -> dict[str, AxisValue]:
        """The value of every axis."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def params(self) -> dict[str, str]:
        """Every axis as text, the way MLflow shows it and `parse` reads it back."""
        return {name: as_text(value) for name, value in self.values().items()}

    def as_json(self) -> dict[str, Any]:
        """The value of every axis as strict JSON has it."""
        return self.model_dump()

    def replacing(self, **values: AxisValue) -> Self:
        """The same trial with some axes at other values; they are not checked."""
        return self.model_copy(update=values)


AXES: Axes = Axes.of(TrialConfig)
"""The axes of the example, in the order in which they are documented."""


class _Example(Design):
    """The minimal example and everything that its axes make of it."""

    combined = ("cell", "recurrent_activation", "semantics", "batch_norm", "front_end", "front_end_activation")

    @property
    def axes(self) -> Axes:
        return AXES

    def config(self, values: Mapping[str, Any], *, where: str = "") -> TrialConfig:
        return TrialConfig.parse(values, where=where)

    def title(self, config: Configuration) -> str:
        values = config.values()
        layers = f"{values['layers']}x" if values["layers"] != 1 else ""
        return f"{values['activation']} lr={values['learning_rate']:.2g} {layers}{values['units']}"

    def tags(self, config: Configuration) -> dict[str, str]:
        return {"semantics": str(config.values()["semantics"])}

    def differences(self, config: Configuration) -> dict[str, AxisValue]:
        values = config.values()
        filled_in = {
            "recurrent_activation": values["semantics"] != AXES["semantics"].default,
            "front_end_activation": values["front_end"] != AXES["front_end"].default,
        }
        return {axis: value for axis, value in values.items() if value != AXES[axis].default or filled_in.get(axis)}


EXAMPLE: Design = _Example()


def explain(error: ValidationError) -> str:
    """The first error of a validation, as one sentence: the field, what was given, what is allowed."""
    first = error.errors()[0]
    if not first["loc"]:
        return str(first["msg"]).removeprefix("Value error, ")
    name = str(first["loc"][0])
    return AXES.unknown(name) if first["type"] == "extra_forbidden" else AXES[name].explain(first["input"])


def axes_table() -> str:
    """The table of axes as Markdown, the one in the README."""
    rows = (
        (f"`{name}`", f"`{as_text(axis.default)}`", axis.allowed(), axis.description) for name, axis in AXES.items()
    )
    return markdown_table(("axis", "default (the MRE)", "takes", "what it is"), rows)


if __name__ == "__main__":
    print(axes_table())
