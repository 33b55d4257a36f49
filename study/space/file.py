"""Reads a search space file and checks it.

A file is YAML with the keys `about`, `fixed`, `parameters`, `updates`, `divergence`, `trials`, `replicates` and
`sampler`; the README describes them. Instead of what is varied and how, it can list its `configurations`. Every
mistake a file can hold raises `UserError` here, so that no trial of a running sweep meets it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from study.space.search_space import TRIALS_LIMIT, Choices, Condition, Parameter, Range, SearchSpace, check_trials
from study.trial.config import (
    AXES,
    COMBINED_AXES,
    AxisValue,
    TrialConfig,
    allowed,
    as_text,
    axis_value,
    kind_of,
    unknown_axis,
)
from study.trial.divergence import NONFINITE, TAKES_IN_A_FILE, Divergence, divergence_of
from study.trial.errors import UserError

SAMPLERS = "sobol, random, grid, {tpe: shortest} or {tpe: longest}"
KEYS = ("about", "fixed", "parameters", "updates", "divergence", "trials", "replicates", "sampler", "configurations")
LISTED_KEYS = ("about", "fixed", "updates", "divergence", "configurations")
PARAMETER_KEYS = ("low", "high", "log", "step", "points", "choices", "when")


def load(name: str, *, folders: tuple[Path, ...], overrides: Mapping[str, str] | None = None) -> SearchSpace:
    """Read a search space.

    Args:
        name: A file, or the name of a file in one of the folders, without its ending.
        folders: Where named spaces lie.
        overrides: Axes to fix, as from `--set`; they take a parameter of that name out of the space.

    Raises:
        UserError: There is no such file, or something in it is wrong.
    """
    path = Path(name)
    if not path.suffix:
        named = [folder / f"{name}.yaml" for folder in folders]
        path = next((file for file in named if file.is_file()), path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(named_spaces(folders)) or "none with a name"
        raise UserError(f"{name}: no such search space; there are {known}, or give a file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{name}: cannot be read as a search space: {reason(error)}") from error
    return parse(text, source=str(path), overrides=overrides)


def named_spaces(folders: tuple[Path, ...]) -> list[str]:
    """Names of the search spaces in these folders; what is none, such as the file of claims, is left out."""
    return sorted({file.stem for folder in folders for file in folder.glob("*.yaml") if _is_space(file)})


def _is_space(file: Path) -> bool:
    try:
        content = read_mapping(file.read_text(encoding="utf-8"), keys=KEYS, source=str(file))
    except (UserError, OSError, UnicodeDecodeError):
        return False
    return "contrasts" not in content


def parse(text: str, *, source: str = "search space", overrides: Mapping[str, str] | None = None) -> SearchSpace:
    """Parse the text of a search space file.

    Args:
        text: YAML.
        source: The file's name, put in front of every error message.
        overrides: As for `load`.

    Raises:
        UserError: The first thing that is wrong: the file, the field, what was given, what is allowed.
    """
    return _Parser(source).space(read_mapping(text, keys=KEYS, source=source), overrides or {})


def read_mapping(text: str, *, keys: tuple[str, ...], source: str) -> dict[Any, Any]:
    """Read YAML whose top level is a mapping, and no key of any mapping given twice.

    Raises:
        UserError: It is not YAML, or no mapping; `keys` are the ones named as allowed.
    """
    try:
        content = yaml.load(text, Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: PyYAML's own constructors, on a date such as 2020-99-99.
        raise UserError(f"{source}: is not valid YAML: {reason(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{source}: must be a mapping with the keys {', '.join(keys)}")
    return content


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML takes the last of two equal keys in silence; a search space must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if _is_plain(key)]
        twice = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(problem=f"{twice!r} is given twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _is_plain(key: yaml.Node) -> bool:
    """Whether a key is a scalar, and not the mark of a merge."""
    return isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge"


class _Parser:
    """Turns what YAML gave into a `SearchSpace`, or into the sentence that says why it cannot."""

    def __init__(self, source: str) -> None:
        self.source = source

    def fail(self, place: str, problem: str) -> UserError:
        return UserError(f"{self.source}: {place}: {problem}")

    def space(self, content: dict[Any, Any], overrides: Mapping[str, str]) -> SearchSpace:
        if "contrasts" in content:
            raise self.fail("contrasts", "this is a file of claims and no search space; run it with `study claims`")
        for key in content:
            if key not in KEYS:
                raise self.fail(str(key), f"is not a key of a search space; allowed are {', '.join(KEYS)}")
        overrides = dict(overrides)
        about = content.get("about") or ""
        if not isinstance(about, str):
            raise self.fail("about", f"takes a sentence, not {shown(about)}")
        updates = self.whole("updates", content.get("updates", TrialConfig().updates))
        self.axis_value("updates", updates, place="updates")
        if "updates" in overrides:
            updates = int(str(self.override("updates", overrides.pop("updates"))))
        fixed_given = self.mapping("fixed", content.get("fixed"))
        fixed = {self.axis(axis, "fixed"): self.axis_value(axis, value) for axis, value in fixed_given.items()}
        fixed |= {axis: self.override(axis, value) for axis, value in overrides.items()}
        if "configurations" in content:
            return self.listed(content, about, {**fixed, "updates": updates}, overrides)
        given = self.mapping("parameters", content.get("parameters"))
        for axis in given:
            if self.axis(axis, "parameters") in fixed and axis not in overrides:
                raise self.fail(f"parameters.{axis}", "is also given under fixed; keep one of the two")
        parameters = self.ordered(
            {axis: self.parameter(axis, entry) for axis, entry in given.items() if axis not in overrides},
            fixed,
            overrides,
        )
        sampler, hunt = self.sampler(content.get("sampler", "sobol"))
        replicates = self.whole("replicates", content.get("replicates", 1))
        trials_given = content.get("trials")
        space = SearchSpace(
            about=about,
            fixed=fixed,
            parameters=parameters,
            updates=updates,
            trials=1 if trials_given is None else self.whole("trials", trials_given),
            replicates=replicates,
            sampler=sampler,
            hunt=hunt,
            divergence=self.divergence(content.get("divergence")),
            source=self.source,
        )
        if space.varies_seed and replicates > 1:
            raise self.fail("replicates", "give each trial a seed of its own; take seed out of fixed and parameters")
        self.check_combinations(space)
        return self.with_trials(space, given=trials_given is not None)

    def listed(
        self, content: dict[Any, Any], about: str, common: dict[str, AxisValue], overrides: Mapping[str, str]
    ) -> SearchSpace:
        """A space that is a list of configurations, each a mapping of what it sets beyond `fixed`."""
        stray = next((key for key in content if key not in LISTED_KEYS), None)
        if stray is not None:
            raise self.fail(stray, f"does not go with configurations; allowed beside them are {', '.join(LISTED_KEYS)}")
        entries = content["configurations"]
        if not isinstance(entries, list) or not 1 <= len(entries) <= TRIALS_LIMIT:
            raise self.fail("configurations", f"takes a list of 1 to {TRIALS_LIMIT} mappings, not {shown(entries)}")
        configs = []
        for number, entry in enumerate(entries, start=1):
            place = f"configurations, entry {number}"
            if not isinstance(entry, dict):
                raise self.fail(place, f"takes a mapping from axis names, not {shown(entry)}")
            values = {**common, **entry, **overrides}
            configs.append(TrialConfig.parse(values, where=f"{self.source}: {place}"))
        return SearchSpace.listed(
            configs, about=about, source=self.source, divergence=self.divergence(content.get("divergence"))
        )

    def mapping(self, key: str, value: Any) -> dict[Any, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fail(key, f"takes a mapping from axis names, not {shown(value)}")
        return value

    def axis(self, name: Any, place: str) -> str:
        if name == "updates":
            raise self.fail(f"{place}.updates", "is the budget; give it as the top-level key `updates`")
        if name not in AXES:
            raise self.fail(place, unknown_axis(name))
        return str(name)

    def whole(self, key: str, value: Any) -> int:
        try:
            if isinstance(value, bool):
                raise ValueError
            number = float(value) if isinstance(value, str) else value
            if number != int(number) or not 1 <= number <= TRIALS_LIMIT * 10:
                raise ValueError
            return int(number)
        except (TypeError, ValueError, OverflowError):
            raise self.fail(key, f"takes a whole number, at least 1, not {shown(value)}") from None

    def axis_value(self, axis: str, value: Any, *, place: str | None = None) -> AxisValue:
        """One value of one axis, checked alone."""
        try:
            return axis_value(axis, value)
        except ValueError:
            raise self.fail(place or f"fixed.{axis}", f"{axis} takes {allowed(axis)}, not {shown(value)}") from None

    def override(self, axis: str, value: str) -> AxisValue:
        try:
            return axis_value(axis, value)
        except ValueError:
            raise UserError(f"--set {axis}={value}: {axis} takes {allowed(axis)}") from None

    def parameter(self, axis: str, entry: Any) -> Parameter:
        place = f"parameters.{axis}"
        if not isinstance(entry, dict):
            raise self.fail(place, f"takes {{low, high}} or {{choices}}, not {shown(entry)}")
        when = self.conditions(place, entry.get("when"))
        unknown = [key for key in entry if key not in PARAMETER_KEYS]
        if unknown:
            raise self.fail(place, f"{unknown[0]!r} is not known; allowed are {', '.join(PARAMETER_KEYS)}")
        if "choices" not in entry:
            return self.range(axis, entry, when)
        if entry.keys() - {"choices", "when"}:
            raise self.fail(place, "takes either choices or a range, not both")
        return self.choices(axis, entry["choices"], when)

    def choices(self, axis: str, given: Any, when: tuple[Condition, ...]) -> Choices:
        place = f"parameters.{axis}.choices"
        if not isinstance(given, list) or not given:
            raise self.fail(place, f"takes a list of at least one value, not {shown(given)}")
        values = tuple(self.axis_value(axis, value, place=place) for value in given)
        for index, value in enumerate(values):
            if value in values[:index]:
                raise self.fail(place, f"{as_text(value)} is given twice")
        return Choices(values=values, when=when)

    def range(self, axis: str, entry: dict[Any, Any], when: tuple[Condition, ...]) -> Range:
        place = f"parameters.{axis}"
        kind = kind_of(axis)
        if kind in (str, bool):
            raise self.fail(place, f"{axis} is no number; give choices from {allowed(axis)}")
        bounds: dict[str, float] = {}
        for bound in ("low", "high"):
            if bound not in entry:
                raise self.fail(place, f"needs low and high, or choices; {bound} is missing")
            value = self.axis_value(axis, entry[bound], place=f"{place}.{bound}")
            if not isinstance(value, int | float):
                raise self.fail(f"{place}.{bound}", f"takes a number, not {shown(entry[bound])}")
            bounds[bound] = value
        low, high = bounds["low"], bounds["high"]
        if not low < high:
            raise self.fail(place, f"low must be below high, but low is {low} and high is {high}")
        log = entry.get("log", False)
        if not isinstance(log, bool):
            raise self.fail(f"{place}.log", f"takes true or false, not {shown(log)}")
        if log and low <= 0:
            raise self.fail(place, f"a logarithmic range needs low above 0, not {low}")
        step = self.step(place, entry.get("step"), whole=kind is int, span=high - low)
        if log and step is not None:
            raise self.fail(place, "takes either log or step, not both")
        points = None if entry.get("points") is None else self.whole(f"{place}.points", entry["points"])
        if points == 1 or (points is not None and step is not None):
            raise self.fail(f"{place}.points", "takes a whole number, at least 2, and no step beside it")
        return Range(low=low, high=high, whole=kind is int, log=log, step=step, points=points, when=when)

    def step(self, place: str, given: Any, *, whole: bool, span: float) -> float | None:
        if given is None:
            return None
        try:
            if isinstance(given, bool):
                raise ValueError
            step = float(given)
            if not 0 < step <= span or (whole and step != int(step)) or abs(span / step - round(span / step)) > 1e-6:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            kind = "a whole number" if whole else "a number"
            raise self.fail(
                f"{place}.step", f"takes {kind} above 0 of which high - low is a multiple, not {shown(given)}"
            ) from None
        return int(step) if whole else step

    def conditions(self, place: str, given: Any) -> tuple[Condition, ...]:
        if given is None:
            return ()
        if not isinstance(given, dict) or not given:
            raise self.fail(f"{place}.when", f"takes {{axis: value}} or {{axis: [values]}}, not {shown(given)}")
        conditions = []
        for axis, values in given.items():
            self.axis(axis, f"{place}.when")
            listed = values if isinstance(values, list) else [values]
            checked = tuple(self.axis_value(axis, value, place=f"{place}.when.{axis}") for value in listed)
            if not checked:
                raise self.fail(f"{place}.when.{axis}", "takes at least one value")
            conditions.append(Condition(axis=axis, values=checked))
        return tuple(conditions)

    def ordered(
        self, parameters: dict[str, Parameter], fixed: Mapping[str, AxisValue], overrides: Mapping[str, str]
    ) -> dict[str, Parameter]:
        """Put every parameter behind those its conditions name, and check that the conditions can hold."""
        for axis, parameter in parameters.items():
            for condition in parameter.when:
                place = f"parameters.{axis}.when.{condition.axis}"
                if condition.axis == axis:
                    raise self.fail(place, "refers to the axis itself")
                other = parameters.get(condition.axis)
                if other is None and condition.axis not in fixed:
                    raise self.fail(place, f"{condition.axis} is neither among the parameters nor fixed")
                if other is None and condition.axis not in overrides and fixed[condition.axis] not in condition.values:
                    value = as_text(fixed[condition.axis])
                    raise self.fail(place, f"never holds, for {condition.axis} is fixed at {value}")
                if isinstance(other, Choices):
                    strays = [value for value in condition.values if value not in other.values]
                    if strays:
                        choices = ", ".join(as_text(value) for value in other.values)
                        raise self.fail(place, f"{as_text(strays[0])} is not among the choices {choices}")
                elif isinstance(other, Range):
                    raise self.fail(place, f"{condition.axis} is a range; a condition needs an axis with choices")
        try:
            order = TopologicalSorter(
                {
                    axis: [c.axis for c in parameter.when if c.axis in parameters]
                    for axis, parameter in parameters.items()
                }
            ).static_order()
            return {axis: parameters[axis] for axis in order}
        except CycleError as error:
            raise self.fail("parameters", f"conditions go round in a circle: {' -> '.join(error.args[1])}") from None

    def sampler(self, given: Any) -> tuple[Any, Any]:
        if given in ("sobol", "random", "grid"):
            return given, None
        if isinstance(given, dict) and list(given) == ["tpe"] and given["tpe"] in ("shortest", "longest"):
            return "tpe", given["tpe"]
        raise self.fail("sampler", f"takes {SAMPLERS}, not {shown(given)}")

    def divergence(self, given: Any) -> Divergence:
        try:
            return NONFINITE if given is None else divergence_of(given)
        except ValueError:
            raise self.fail("divergence", f"takes {TAKES_IN_A_FILE}, not {shown(given)}") from None

    def check_combinations(self, space: SearchSpace) -> None:
        """No trial that the space can draw may be refused by `TrialConfig`."""
        relevant = set(COMBINED_AXES) | {c.axis for p in space.parameters.values() for c in p.when}
        values = {
            axis: parameter.values
            for axis, parameter in space.parameters.items()
            if axis in relevant and isinstance(parameter, Choices)
        }
        for chosen in space.combinations(values):
            try:
                TrialConfig.parse({**space.fixed, **chosen, "updates": space.updates})
            except UserError as error:
                shown = ", ".join(f"{axis}={as_text(value)}" for axis, value in chosen.items() if axis in COMBINED_AXES)
                raise self.fail("parameters", f"{error}" + (f" (drawn: {shown})" if shown else "")) from None

    def with_trials(self, space: SearchSpace, *, given: bool) -> SearchSpace:
        """Fill in the number of trials where the sampler knows it, and hold it against what is possible."""
        if space.sampler == "grid":
            for axis, parameter in space.parameters.items():
                if isinstance(parameter, Range) and not parameter.whole and not (parameter.points or parameter.step):
                    raise self.fail(f"parameters.{axis}", "a grid needs points, step or choices")
            size = math.prod(_grid_size(parameter) for parameter in space.parameters.values())
            if size * space.replicates > TRIALS_LIMIT:
                raise self.fail(
                    "parameters", f"a grid may have at most {TRIALS_LIMIT} trials, not {size * space.replicates}"
                )
        elif not given:
            raise self.fail("trials", f"is missing; the {space.sampler} sampler needs a number of trials")
        return check_trials(space, space.trials if given else None)


def _grid_size(parameter: Parameter) -> int:
    if isinstance(parameter, Choices):
        return len(parameter.values)
    return parameter.points or math.floor((parameter.high - parameter.low) / (parameter.step or 1)) + 1


def shown(value: Any) -> str:
    """A value for an error message, on one line and not too long."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return f"{text[:60]}..." if len(text) > 60 else text or "an empty text"


def reason(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__
