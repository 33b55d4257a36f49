"""`SearchSpace`: what a study varies, and how Optuna draws configurations from it.

Spaces are read from files by `study.space.file`, which checks them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import yaml

from study.space.samplers.boundary_options import BoundaryOptions
from study.trial.axes import BUDGET, NOT_OF_A_MODEL, SEED, Axes, AxisValue, as_text
from study.trial.config import EXAMPLE
from study.trial.design import Configuration, Design
from study.trial.divergence import NONFINITE, Divergence, in_a_file
from study.trial.errors import UserError

if TYPE_CHECKING:
    import optuna

TRIALS_LIMIT = 100_000
"""Largest number of trials of a study: seeds are numbered within blocks of this size."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """`when`: the axis exists only while another axis has one of these values."""

    axis: str
    values: tuple[AxisValue, ...]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """An axis that takes one of a list of values."""

    values: tuple[AxisValue, ...]
    when: tuple[Condition, ...] = ()

    def distribution(self) -> optuna.distributions.BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def grid(self) -> tuple[AxisValue, ...]:
        return self.values


@dataclass(frozen=True, kw_only=True)
class Range:
    """An axis that takes any value from `low` to `high`, both included."""

    low: float
    high: float
    whole: bool
    log: bool = False
    step: float | None = None
    points: int | None = None
    """Number of grid points, evenly spaced (in the logarithm if `log`); only the grid sampler reads it."""
    when: tuple[Condition, ...] = ()

    def distribution(self) -> optuna.distributions.BaseDistribution:
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def grid(self) -> tuple[AxisValue, ...]:
        if self.points is None:
            step = self.step or 1
            values = [self.low + k * step for k in range(math.floor((self.high - self.low) / step + 1e-9) + 1)]
        elif self.log:
            ratio = self.high / self.low
            values = [self.low * ratio ** (k / (self.points - 1)) for k in range(self.points)]
        else:
            values = [self.low + (self.high - self.low) * k / (self.points - 1) for k in range(self.points)]
        if self.whole:
            return tuple(dict.fromkeys(round(value) for value in values))
        # Rounding must not carry the last point out of the range.
        return tuple(min(max(value, self.low), self.high) for value in values)


Parameter = Choices | Range


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """What a study varies, over what values, how often and how long."""

    about: str
    fixed: Mapping[str, AxisValue]
    """Values of axes that differ from the defaults and do not vary."""
    parameters: Mapping[str, Parameter]
    """Axes that vary, every one after those its conditions name."""
    updates: int
    """The budget of a trial."""
    trials: int
    """Number of trials, replicates included."""
    replicates: int = 1
    """Trials per configuration, each with a seed of its own."""
    sampler: Literal["sobol", "random", "grid", "tpe", "boundary", "listed"] = "sobol"
    hunt: Literal["shortest", "longest"] | None = None
    """Which time-to-NaN the TPE sampler looks for."""
    boundary: BoundaryOptions | None = None
    """What the boundary sampler looks for."""
    divergence: Divergence = NONFINITE
    """The event that ends a trial before its budget."""
    configurations: tuple[Configuration, ...] = ()
    """Of a listed space: every trial, seeds and budgets included; one listed twice is run twice."""
    design: Design = EXAMPLE
    """What a trial is made of: the example, or a model of the user's own."""
    source: str = field(default="", compare=False)
    """Where the space was read from."""

    @classmethod
    def listed(
        cls,
        configurations: Iterable[Configuration],
        *,
        about: str,
        source: str,
        divergence: Divergence = NONFINITE,
        design: Design = EXAMPLE,
    ) -> Self:
        """The space that has these trials and no others, in this order.

        Its `parameters` say what differs between them, seeds and budgets aside.
        """
        listed = tuple(configurations)
        assert listed
        values = {
            axis: tuple(dict.fromkeys(config.values()[axis] for config in listed))
            for axis in design.axes
            if axis not in NOT_OF_A_MODEL
        }
        return cls(
            about=about,
            fixed={},
            parameters={axis: Choices(values=several) for axis, several in values.items() if len(several) > 1},
            updates=max(config.updates for config in listed),
            trials=len(listed),
            sampler="listed",
            divergence=divergence,
            configurations=listed,
            design=design,
            source=source,
        )

    @property
    def varies_seed(self) -> bool:
        """Whether the file itself says which seeds to use."""
        return SEED in self.parameters or SEED in self.fixed

    @property
    def learns(self) -> bool:
        """Whether the sampler learns from results, so that it is asked for one trial at a time."""
        return self.sampler in ("tpe", "boundary")

    @property
    def axes(self) -> Axes:
        """The axes of the study: those of its design, on a logarithmic scale where it is drawn from one."""
        drawn = [axis for axis, parameter in self.parameters.items() if isinstance(parameter, Range) and parameter.log]
        axes = self.design.axes
        return axes.replacing(*(axes[axis].on_logarithmic_scale() for axis in drawn))

    def is_active(self, axis: str, chosen: Mapping[str, AxisValue]) -> bool:
        """Whether a parameter exists, given the values chosen for those before it."""
        values = {**self.fixed, **chosen}
        return all(
            condition.axis in values and values[condition.axis] in condition.values
            for condition in self.parameters[axis].when
        )

    def suggest(self, trial: optuna.trial.Trial) -> dict[str, AxisValue]:
        """Let Optuna choose the active parameters of a trial.

        Asked again for the same trial, it returns the values that the trial has already been given.
        """
        return self.choose(lambda axis, distribution: _suggest(trial, axis, distribution))

    def choose(self, value: Callable[[str, optuna.distributions.BaseDistribution], AxisValue]) -> dict[str, AxisValue]:
        """Values of the active parameters, each chosen by `value` from its axis and distribution."""
        chosen: dict[str, AxisValue] = {}
        for axis, parameter in self.parameters.items():
            if self.is_active(axis, chosen):
                chosen[axis] = value(axis, parameter.distribution())
        return chosen

    def config(self, chosen: Mapping[str, AxisValue], *, seed: int) -> Configuration:
        """The trial that these chosen values stand for; `seed` counts unless the space varies it itself."""
        return self.design.config({SEED: seed, **self.fixed, **chosen, BUDGET: self.updates})

    def grid(self) -> list[dict[str, AxisValue]]:
        """Every configuration of the grid, an inactive parameter left out."""
        return list(self.combinations({axis: parameter.grid() for axis, parameter in self.parameters.items()}))

    def combinations(self, values: Mapping[str, tuple[AxisValue, ...]]) -> Iterator[dict[str, AxisValue]]:
        """All assignments of the given axes, in the order of `parameters`, conditions obeyed."""
        axes = [axis for axis in self.parameters if axis in values]

        def extend(chosen: dict[str, AxisValue], rest: list[str]) -> Iterator[dict[str, AxisValue]]:
            if not rest:
                yield chosen
            elif self.is_active(rest[0], chosen):
                for value in values[rest[0]]:
                    yield from extend({**chosen, rest[0]: value}, rest[1:])
            else:
                yield from extend(chosen, rest[1:])

        return extend({}, axes)

    def as_dict(self) -> dict[str, Any]:
        """The space in the form of its file."""
        # Unsaid where it is the usual one, as in the files of studies that knew no other.
        event = {} if self.divergence == NONFINITE else {"divergence": in_a_file(self.divergence)}
        if self.sampler == "listed":
            configurations = [_as_entry(self.design.differences(config)) for config in self.configurations]
            return {**self.design.identity, "about": self.about, **event, "configurations": configurations}
        parameters: dict[str, Any] = {}
        for axis, parameter in self.parameters.items():
            if isinstance(parameter, Choices):
                entry: dict[str, Any] = {"choices": [_yaml_value(value) for value in parameter.values]}
            else:
                entry = {"low": parameter.low, "high": parameter.high}
                entry |= {"log": True} if parameter.log else {}
                entry |= {"step": parameter.step} if parameter.step else {}
                entry |= {"points": parameter.points} if parameter.points else {}
            if parameter.when:
                entry["when"] = {c.axis: [_yaml_value(value) for value in c.values] for c in parameter.when}
            parameters[axis] = entry
        return {
            **self.design.identity,
            "about": self.about,
            "fixed": _as_entry(self.fixed),
            "parameters": parameters,
            "updates": self.updates,
            **event,
            "trials": self.trials,
            "replicates": self.replicates,
            "sampler": self._sampler_entry(),
        }

    def _sampler_entry(self) -> Any:
        if self.boundary is not None:
            return self.boundary.as_entry()
        return {"tpe": self.hunt} if self.sampler == "tpe" else self.sampler

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.as_dict(), sort_keys=False)

    def digest(self) -> str:
        """A fingerprint of everything but `about` and the number of trials, which a study may extend.

        A listed space may be any list: its trials are known by their configurations and not by their numbers.
        """
        left_out = ("about", "trials", "configurations")
        content = {key: value for key, value in self.as_dict().items() if key not in left_out}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _suggest(trial: optuna.trial.Trial, axis: str, distribution: optuna.distributions.BaseDistribution) -> AxisValue:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match distribution:
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(axis, choices)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(axis, low, high, step=step, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(axis, low, high, step=step, log=log)
    raise AssertionError(distribution)


def check_trials(space: SearchSpace, trials: int | None) -> SearchSpace:
    """The space with another number of trials (None: all that a grid has).

    Raises:
        UserError: More trials than a grid has, or than a study may have.
    """
    match space.sampler:
        case "grid":
            limit, what = len(space.grid()) * space.replicates, "trials of the grid"
        case "listed":
            limit, what = len(space.configurations), "trials of the list"
        case _:
            limit, what = TRIALS_LIMIT, "trials of a study"
    trials = limit if trials is None else trials
    if not 1 <= trials <= limit:
        raise UserError(f"{space.source}: trials: takes a whole number from 1 to {limit} ({what}), not {trials}")
    if trials % space.replicates:
        raise UserError(
            f"{space.source}: trials: takes a multiple of replicates, {space.replicates}, not {trials}; "
            "else a configuration has fewer seeds than the others"
        )
    return replace(space, trials=trials, configurations=space.configurations[:trials])


def _as_entry(values: Mapping[str, AxisValue]) -> dict[str, Any]:
    return {axis: _yaml_value(value) for axis, value in values.items()}


def _yaml_value(value: AxisValue) -> Any:
    return as_text(value) if value is None else value
