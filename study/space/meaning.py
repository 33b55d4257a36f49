"""What a search space file means: its values checked by the axes, its conditions put in order, its trials counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from study.space.search_space import TRIALS_LIMIT, Choices, Condition, Parameter, Range, SearchSpace, check_trials
from study.space.shape import Given, ParameterEntry, SpaceFile
from study.space.yaml_file import shown
from study.trial.axes import BUDGET, SEED, Axis, AxisValue, as_text
from study.trial.design import Design
from study.trial.errors import UserError


class Meaning:
    """Turns a file of the right shape into a `SearchSpace`, or into the sentence that says why it cannot.

    Args:
        source: The file's name, put in front of every sentence.
        design: What a trial is made of.
    """

    def __init__(self, *, source: str, design: Design) -> None:
        self._source = source
        self._design = design
        self._axes = design.axes

    def space(self, file: SpaceFile, overrides: Mapping[str, str]) -> SearchSpace:
        """The space that a file describes, with some axes fixed beside it.

        Raises:
            UserError: The first thing that is wrong: the file, the field, what was given, what is allowed.
        """
        set_apart = self._overrides(overrides)
        updates = self._updates(file.updates, set_apart)
        for name in file.fixed:
            self._axis(name, "fixed")
        fixed = {name: self._value(f"fixed.{name}", name, given) for name, given in file.fixed.items()}
        fixed |= {name: value for name, value in set_apart.items() if name != BUDGET}
        if file.configurations is not None:
            return self._listed(file, {**fixed, BUDGET: updates}, set_apart)
        for name in file.parameters:
            if self._axis(name, "parameters").name in fixed and name not in set_apart:
                raise self._wrong(f"parameters.{name}", "is also given under fixed; keep one of the two")
        varied = {name: entry for name, entry in file.parameters.items() if name not in set_apart}
        parameters = self._ordered(
            {name: self._parameter(self._axes[name], entry) for name, entry in varied.items()}, fixed, set_apart
        )
        space = SearchSpace(
            about=file.about,
            fixed=fixed,
            parameters=parameters,
            updates=updates,
            trials=file.trials or 1,
            replicates=file.replicates,
            sampler=file.sampler.name,
            hunt=file.sampler.hunt,
            boundary=file.sampler.boundary,
            divergence=file.divergence,
            design=self._design,
            source=self._source,
        )
        if space.varies_seed and space.replicates > 1:
            raise self._wrong("replicates", "give each trial a seed of its own; take seed out of fixed and parameters")
        self._check_boundary(space)
        self._check_combinations(space)
        return self._with_trials(space, given=file.trials is not None)

    def _wrong(self, place: str, problem: str) -> UserError:
        return UserError(f"{self._source}: {place}: {problem}")

    # --- values of axes ---------------------------------------------------------------------------------------------

    def _axis(self, name: Any, place: str) -> Axis:
        if name == BUDGET:
            raise self._wrong(f"{place}.{BUDGET}", f"is the budget; give it as the top-level key `{BUDGET}`")
        if name not in self._axes:
            raise self._wrong(place, self._axes.unknown(name))
        return self._axes[name]

    def _value(self, place: str, name: str, given: Any) -> AxisValue:
        """One value of one axis, checked alone."""
        axis = self._axes[name]
        try:
            return axis.validate(given)
        except ValueError:
            problem = f"{name} takes {axis.allowed()}, not {shown(given)}{axis.hint(given)}"
            raise self._wrong(place, problem) from None

    def _overrides(self, given: Mapping[str, str]) -> dict[str, AxisValue]:
        values: dict[str, AxisValue] = {}
        for name, value in given.items():
            if name not in self._axes:
                raise UserError(f"--set {name}={value}: {self._axes.unknown(name)}")
            try:
                values[name] = self._axes[name].validate(value)
            except ValueError:
                axis = self._axes[name]
                raise UserError(f"--set {name}={value}: {name} takes {axis.allowed()}{axis.hint(value)}") from None
        return values

    def _updates(self, given: int | None, overrides: Mapping[str, AxisValue]) -> int:
        default = self._axes[BUDGET].default if given is None else given
        return int(str(overrides.get(BUDGET, self._value(BUDGET, BUDGET, default))))

    # --- parameters -------------------------------------------------------------------------------------------------

    def _parameter(self, axis: Axis, entry: ParameterEntry) -> Parameter:
        place = f"parameters.{axis.name}"
        when = self._conditions(place, entry.when)
        if entry.choices is not None:
            return self._choices(axis, entry.choices, when)
        return self._range(axis, entry, when)

    def _choices(self, axis: Axis, given: list[Any], when: tuple[Condition, ...]) -> Choices:
        place = f"parameters.{axis.name}.choices"
        values = tuple(self._value(place, axis.name, value) for value in given)
        for index, value in enumerate(values):
            if value in values[:index]:
                raise self._wrong(place, f"{as_text(value)} is given twice")
        return Choices(values=values, when=when)

    def _range(self, axis: Axis, entry: ParameterEntry, when: tuple[Condition, ...]) -> Range:
        place = f"parameters.{axis.name}"
        if not axis.is_numeric or axis.choices:
            raise self._wrong(place, f"{axis.name} is no number; give choices from {axis.allowed()}")
        low, high = (self._end(axis, entry, end) for end in ("low", "high"))
        if not low < high:
            raise self._wrong(place, f"low must be below high, but low is {low} and high is {high}")
        if entry.log and low <= 0:
            raise self._wrong(place, f"a logarithmic range needs low above 0, not {low}")
        whole = axis.kind == "int"
        step = None if entry.step is None else self._step(place, entry.step, whole=whole, span=high - low)
        if entry.log and step is not None:
            raise self._wrong(place, "takes either log or step, not both")
        if entry.points == 1 or (entry.points is not None and step is not None):
            raise self._wrong(f"{place}.points", "takes a whole number, at least 2, and no step beside it")
        return Range(low=low, high=high, whole=whole, log=entry.log, step=step, points=entry.points, when=when)

    def _end(self, axis: Axis, entry: ParameterEntry, end: str) -> float:
        place = f"parameters.{axis.name}"
        if end not in entry.model_fields_set:
            raise self._wrong(place, f"needs low and high, or choices; {end} is missing")
        given = getattr(entry, end)
        value = self._value(f"{place}.{end}", axis.name, given)
        if not isinstance(value, int | float):
            raise self._wrong(f"{place}.{end}", f"takes a number, not {shown(given)}")
        return value

    def _step(self, place: str, given: Any, *, whole: bool, span: float) -> float:
        try:
            if isinstance(given, bool):
                raise ValueError
            step = float(given)
            if not 0 < step <= span or (whole and step != int(step)) or abs(span / step - round(span / step)) > 1e-6:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            kind = "a whole number" if whole else "a number"
            raise self._wrong(
                f"{place}.step", f"takes {kind} above 0 of which high - low is a multiple, not {shown(given)}"
            ) from None
        return int(step) if whole else step

    def _conditions(self, place: str, given: Given | None) -> tuple[Condition, ...]:
        conditions = []
        for name, values in (given or {}).items():
            axis = self._axis(name, f"{place}.when")
            at = f"{place}.when.{axis.name}"
            listed = values if isinstance(values, list) else [values]
            checked = tuple(self._value(at, axis.name, value) for value in listed)
            if not checked:
                raise self._wrong(at, "takes at least one value")
            conditions.append(Condition(axis=axis.name, values=checked))
        return tuple(conditions)

    def _ordered(
        self, parameters: dict[str, Parameter], fixed: Mapping[str, AxisValue], overrides: Mapping[str, AxisValue]
    ) -> dict[str, Parameter]:
        """Put every parameter behind those its conditions name, and check that the conditions can hold."""
        for axis, parameter in parameters.items():
            for condition in parameter.when:
                self._check_condition(axis, condition, parameters, fixed, overrides)
        names = {
            axis: [condition.axis for condition in parameter.when if condition.axis in parameters]
            for axis, parameter in parameters.items()
        }
        try:
            return {axis: parameters[axis] for axis in TopologicalSorter(names).static_order()}
        except CycleError as error:
            raise self._wrong("parameters", f"conditions go round in a circle: {' -> '.join(error.args[1])}") from None

    def _check_condition(
        self,
        axis: str,
        condition: Condition,
        parameters: Mapping[str, Parameter],
        fixed: Mapping[str, AxisValue],
        overrides: Mapping[str, AxisValue],
    ) -> None:
        place = f"parameters.{axis}.when.{condition.axis}"
        other = parameters.get(condition.axis)
        if condition.axis == axis:
            raise self._wrong(place, "refers to the axis itself")
        if isinstance(other, Range):
            raise self._wrong(place, f"{condition.axis} is a range; a condition needs an axis with choices")
        if isinstance(other, Choices):
            strays = [value for value in condition.values if value not in other.values]
            if strays:
                choices = ", ".join(as_text(value) for value in other.values)
                raise self._wrong(place, f"{as_text(strays[0])} is not among the choices {choices}")
        elif condition.axis not in fixed:
            raise self._wrong(place, f"{condition.axis} is neither among the parameters nor fixed")
        elif condition.axis not in overrides and fixed[condition.axis] not in condition.values:
            value = as_text(fixed[condition.axis])
            raise self._wrong(place, f"never holds, for {condition.axis} is fixed at {value}")

    # --- the space as a whole ---------------------------------------------------------------------------------------

    def _listed(
        self, file: SpaceFile, common: Mapping[str, AxisValue], overrides: Mapping[str, AxisValue]
    ) -> SearchSpace:
        """A space that is a list of configurations, each a mapping of what it sets beyond `fixed`."""
        configs = [
            self._design.config(
                {**common, **entry, **overrides}, where=f"{self._source}: configurations, entry {number}"
            )
            for number, entry in enumerate(file.configurations or (), start=1)
        ]
        return SearchSpace.listed(
            configs, about=file.about, source=self._source, divergence=file.divergence, design=self._design
        )

    def _check_boundary(self, space: SearchSpace) -> None:
        if space.boundary is None:
            return
        if not set(space.parameters) - {SEED}:
            raise self._wrong("sampler", "a boundary is looked for along parameters, and there are none")
        if space.replicates > 1:
            raise self._wrong(
                "replicates",
                f"takes 1 beside a boundary, not {space.replicates}; its sampler runs a configuration again where that "
                "tells more than a new one",
            )

    def _check_combinations(self, space: SearchSpace) -> None:
        """No trial that the space can draw may be refused by its design."""
        combined = self._design.combined
        relevant = {*combined, *(condition.axis for p in space.parameters.values() for condition in p.when)}
        values = {
            axis: parameter.values
            for axis, parameter in space.parameters.items()
            if axis in relevant and isinstance(parameter, Choices)
        }
        for chosen in space.combinations(values):
            try:
                self._design.config({**space.fixed, **chosen, BUDGET: space.updates})
            except UserError as error:
                drawn = ", ".join(f"{axis}={as_text(value)}" for axis, value in chosen.items() if axis in combined)
                raise self._wrong("parameters", f"{error}" + (f" (drawn: {drawn})" if drawn else "")) from None

    def _with_trials(self, space: SearchSpace, *, given: bool) -> SearchSpace:
        """Fill in the number of trials where the sampler knows it, and hold it against what is possible."""
        if space.sampler == "grid":
            for axis, parameter in space.parameters.items():
                if isinstance(parameter, Range) and not parameter.whole and not (parameter.points or parameter.step):
                    raise self._wrong(f"parameters.{axis}", "a grid needs points, step or choices")
            size = math.prod(_grid_size(parameter) for parameter in space.parameters.values())
            if size * space.replicates > TRIALS_LIMIT:
                raise self._wrong(
                    "parameters", f"a grid may have at most {TRIALS_LIMIT} trials, not {size * space.replicates}"
                )
        elif not given:
            raise self._wrong("trials", f"is missing; the {space.sampler} sampler needs a number of trials")
        return check_trials(space, space.trials if given else None)


def _grid_size(parameter: Parameter) -> int:
    if isinstance(parameter, Choices):
        return len(parameter.values)
    return parameter.points or math.floor((parameter.high - parameter.low) / (parameter.step or 1)) + 1
