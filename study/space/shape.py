"""The shape of a search space file: its keys, and what each takes whatever the axes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, InstanceOf, model_validator

from study.space.samplers.boundary_options import BoundaryOptions
from study.space.search_space import TRIALS_LIMIT
from study.space.yaml_file import Count, Entry, shown, takes, wrong, wrong_at
from study.trial.divergence import NONFINITE, TAKES_IN_A_FILE, Divergence, divergence_of

SAMPLERS = "sobol, random, grid, {tpe: shortest}, {tpe: longest} or {boundary: 0.5}"

LISTED = ("about", "model", "sha256", "fixed", "updates", "divergence", "configurations")
"""Keys of a file that lists its configurations."""

Given = dict[Any, Any]
"""A mapping whose keys and values only the axes can tell about."""

OfAxes = Annotated[Given, takes("a mapping from axis names")]


class BoundaryEntry(Entry):
    """The boundary sampler, as a file asks for it: `{boundary: 0.5, points: 16, exploration: 1, width: 0.05}`."""

    boundary: Annotated[float, Field(gt=0, lt=1), takes("a probability between 0 and 1")]
    points: Count = BoundaryOptions.points
    exploration: Annotated[float, Field(ge=0, le=1), takes("a number from 0 to 1")] = BoundaryOptions.exploration
    width: Annotated[float, Field(gt=0, lt=1), takes("a share of the space between 0 and 1")] | None = None


@dataclass(frozen=True, kw_only=True)
class SamplerEntry:
    """A sampler, and what it looks for."""

    name: Literal["sobol", "random", "grid", "tpe", "boundary"] = "sobol"
    hunt: Literal["shortest", "longest"] | None = None
    boundary: BoundaryOptions | None = None


def _known(sampler: Any) -> Any:
    match sampler:
        case "sobol" | "random" | "grid":
            return SamplerEntry(name=sampler)
        case {"tpe": "shortest" | "longest" as hunt} if len(sampler) == 1:
            return SamplerEntry(name="tpe", hunt=hunt)
        case {"boundary": _}:
            entry = BoundaryEntry.model_validate(sampler)
            options = BoundaryOptions(
                level=entry.boundary, points=entry.points, exploration=entry.exploration, width=entry.width
            )
            return SamplerEntry(name="boundary", boundary=options)
    raise ValueError


def _event(given: Any) -> Divergence:
    try:
        return divergence_of(given)
    except OverflowError as error:
        raise ValueError from error


class ParameterEntry(Entry):
    """How one axis varies, as a file says it; which values it may have is the axis's affair."""

    low: Any = None
    high: Any = None
    log: Annotated[bool, takes("true or false")] = False
    step: Any = None
    points: Count | None = None
    choices: Annotated[list[Any], Field(min_length=1), takes("a list of at least one value")] | None = None
    when: Annotated[Given, Field(min_length=1), takes("{axis: value} or {axis: [values]}")] | None = None

    @classmethod
    def unknown(cls, key: object) -> str:
        return f"{key!r} is not known; allowed are {', '.join(cls.model_fields)}"

    @model_validator(mode="after")
    def _check_one_of_two(self) -> Self:
        if self.choices is not None and self.model_fields_set - {"choices", "when"}:
            raise wrong("takes either choices or a range, not both")
        return self


class SpaceFile(Entry):
    """A search space file.

    `model` names a model file, whose axes it is about in place of the example's; `sha256` is kept with a study, and
    holds a space that was taken from there to the very same text.
    """

    about: Annotated[str, takes("a sentence")] = ""
    model: Annotated[str, Field(min_length=1), takes("the name of a model file")] | None = None
    sha256: Annotated[str, takes("the SHA-256 of the model file")] | None = None
    fixed: OfAxes = Field(default_factory=dict)
    parameters: Annotated[
        dict[Any, Annotated[ParameterEntry, takes("{low, high} or {choices}")]], takes("a mapping from axis names")
    ] = Field(default_factory=dict)
    updates: Count | None = None
    divergence: Annotated[InstanceOf[Divergence], BeforeValidator(_event), takes(TAKES_IN_A_FILE)] = NONFINITE
    trials: Count | None = None
    replicates: Count = 1
    sampler: Annotated[InstanceOf[SamplerEntry], BeforeValidator(_known), takes(SAMPLERS)] = SamplerEntry()
    configurations: (
        Annotated[
            list[OfAxes],
            Field(min_length=1, max_length=TRIALS_LIMIT),
            takes(f"a list of 1 to {TRIALS_LIMIT} mappings"),
        ]
        | None
    ) = None

    @classmethod
    def unknown(cls, key: object) -> str:
        if key == "contrasts":
            return "contrasts: this is a file of claims and no search space; run it with `study claims`"
        return f"{shown(key)}: is not a key of a search space; allowed are {', '.join(cls.model_fields)}"

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_empty(cls, given: Given) -> Given:
        return {key: value for key, value in given.items() if value is not None}

    @model_validator(mode="after")
    def _check_a_list_alone(self) -> Self:
        stray = next((key for key in type(self).model_fields if key in self.model_fields_set - set(LISTED)), None)
        if self.configurations is not None and stray is not None:
            allowed = ", ".join(LISTED)
            raise wrong_at(stray, f"does not go with configurations; allowed beside them are {allowed}")
        return self
