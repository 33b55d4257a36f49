"""`Axes`: the axes of a study as one value, which every room takes from the study at hand.

How to use it:

- The example's are `study.trial.config.EXAMPLE.axes`. Those of a user's functions are made of their signatures:
  `Axes(Axis.annotated(name, annotation, default) for ...)`.
- `axes["units"]` is an `Axis`: kind, default, bounds or choices, scale, unit, step, description.
- `axes.parse(values)` checks texts or YAML values and fills in the defaults; `axes.check(values)` does not fill in.
- `axes.to_json()` and `Axes.from_json(text)` keep them in MLflow, in Optuna and in a results table, so that a study
  is read without its model.
- `axes.columns` has them by the names of their columns in a results table.
- A module that serves any study takes `axes: Axes`, or the axes of its table (`study.analysis.table.axes_of`), and
  names no axis but `SEED` and `BUDGET`, which every study has, and `LEARNING_RATE` where it has that.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, TypeAdapter

from study.trial.axis import (
    BUDGET,
    BUDGET_COLUMN,
    LEARNING_RATE,
    NONE,
    SEED,
    Axis,
    AxisValue,
    Counted,
    Kind,
    as_text,
    column_of,
)
from study.trial.errors import UserError

__all__ = [
    "BUDGET",
    "BUDGET_COLUMN",
    "LEARNING_RATE",
    "NONE",
    "NOT_OF_A_MODEL",
    "OF_TABLE",
    "SEED",
    "Axes",
    "Axis",
    "AxisValue",
    "Counted",
    "Kind",
    "as_text",
    "column_of",
]

NOT_OF_A_MODEL = (BUDGET, SEED)
"""Axes that are no properties of a model: the one only ends the watching, the other only names a draw."""

OF_TABLE = "axes"
"""Where in `DataFrame.attrs` a results table has them; see `study.analysis.table_axes`."""

_JSON = TypeAdapter(tuple[Axis, ...])


class Axes(Mapping[str, Axis]):
    """An ordered, immutable mapping from names to axes; hashable and picklable.

    Example:
        >>> axes = Axes([Axis.annotated("units", int, 64), Axis.annotated("seed", int, 1)])
        >>> axes.parse({"units": "32"})
        {'units': 32, 'seed': 1}
    """

    def __init__(self, axes: Iterable[Axis]) -> None:
        self._axes = tuple(axes)
        self._by_name = {axis.name: axis for axis in self._axes}
        if len(self._by_name) < len(self._axes):
            names = [axis.name for axis in self._axes]
            twice = next(name for index, name in enumerate(names) if name in names[:index])
            raise ValueError(f"the axis {twice} is there twice")

    @classmethod
    def of(cls, model: type[BaseModel]) -> Axes:
        """The axes that the fields of a pydantic model describe.

        Raises:
            UserError: A field that cannot be an axis.
        """
        return cls(
            Axis.annotated(
                name,
                # Pydantic keeps `Annotated`'s metadata apart from the type.
                _annotated(field.annotation, field.metadata),
                field.default,
                description=field.description or "",
            )
            for name, field in model.model_fields.items()
        )

    def __getitem__(self, name: str) -> Axis:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._axes)

    def __eq__(self, other: object) -> bool:
        return self._axes == other._axes if isinstance(other, Axes) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._axes)

    def __repr__(self) -> str:
        return f"Axes({', '.join(self)})"

    def __reduce__(self) -> tuple[type[Axes], tuple[tuple[Axis, ...]]]:
        return type(self), (self._axes,)

    def to_json(self) -> str:
        """All that is known of them, as a list in JSON."""
        return _JSON.dump_json(self._axes, exclude_defaults=True).decode()

    @classmethod
    def from_json(cls, text: str) -> Axes:
        """Read back what `to_json` wrote."""
        return cls(_JSON.validate_json(text))

    @cached_property
    def columns(self) -> Mapping[str, Axis]:
        """The axes by the names of their columns in a results table, in their order."""
        return {axis.column: axis for axis in self._axes}

    @cached_property
    def predictors(self) -> Mapping[str, Axis]:
        """The columns that can tell something of an outcome: all but the seed, which is chance."""
        return {column: axis for column, axis in self.columns.items() if axis.name != SEED}

    @cached_property
    def properties(self) -> Mapping[str, Axis]:
        """The columns that are properties of a model: all but the budget and the seed."""
        return {column: axis for column, axis in self.columns.items() if axis.name not in NOT_OF_A_MODEL}

    def first_choice(self, columns: Collection[str]) -> str | None:
        """The first of these columns, in the axes' order, whose values are names, such as `activation`."""
        return next((name for name, axis in self.columns.items() if axis.kind == "str" and name in columns), None)

    @property
    def defaults(self) -> dict[str, AxisValue]:
        """The value of every axis unless it is told otherwise."""
        return {name: axis.default for name, axis in self._by_name.items()}

    def replacing(self, *axes: Axis) -> Axes:
        """The same axes with some described anew."""
        new = {axis.name: axis for axis in axes}
        return Axes(new.get(axis.name, axis) for axis in self._axes)

    def check(self, values: Mapping[Any, Any], *, where: str = "") -> dict[str, AxisValue]:
        """The given values, each checked alone and given its axis's type.

        Args:
            values: Names of axes and their values; text such as `1e-5`, `true` or `none` is understood.
            where: What the values come from, named at the start of an error message.

        Raises:
            UserError: An unknown axis, or a value that its axis does not take.
        """
        checked = {}
        for name, value in values.items():
            if name not in self._by_name:
                raise UserError(_at(where, self.unknown(name)))
            try:
                checked[name] = self._by_name[name].validate(value)
            except ValueError as error:
                raise UserError(_at(where, str(error))) from None
        return checked

    def parse(self, values: Mapping[Any, Any], *, where: str = "") -> dict[str, AxisValue]:
        """A value for every axis, in their order: the given ones, checked as by `check`, and else the defaults."""
        return self.defaults | self.check(values, where=where)

    def parse_assignments(self, assignments: Iterable[str], *, where: str = "--set") -> dict[str, str]:
        """Split `name=value` texts; the values are not checked.

        Raises:
            UserError: A text without `=`, an unknown axis, or an axis given twice.
        """
        values: dict[str, str] = {}
        for assignment in assignments:
            name, separator, value = assignment.partition("=")
            name = name.strip()
            if not separator:
                raise UserError(f"{where} {assignment}: write it as name=value, for example {self._assignment()}")
            if name not in self._by_name:
                raise UserError(f"{where} {assignment}: {self.unknown(name)}")
            if name in values:
                raise UserError(f"{where} {assignment}: {name} is given twice")
            values[name] = value.strip()
        return values

    def _assignment(self) -> str:
        axis = next((axis for axis in self._axes if axis.is_numeric), self._axes[0])
        return f"{axis.name}={as_text(axis.default)}"

    def unknown(self, name: object) -> str:
        """The sentence for an axis that does not exist, with the one that may have been meant."""
        near = self._nearest(str(name))
        hint = f"did you mean {near}?" if near else f"allowed are {', '.join(self)}"
        return f"{name!r} is not an axis; {hint}"

    def _nearest(self, name: str) -> str | None:
        written = name.lower().replace("-", "_")
        for axis in self._axes:
            initials = "".join(part[0] for part in axis.name.split("_") if part)
            if written in axis.also or (len(initials) > 1 and written == initials):
                return axis.name
        near = difflib.get_close_matches(written, self, n=1)
        return near[0] if near else None


def _annotated(annotation: Any, metadata: list[Any]) -> Any:
    from typing import Annotated

    return Annotated[(annotation, *metadata)] if metadata else annotation


def _at(where: str, sentence: str) -> str:
    return f"{where}: {sentence}" if where else sentence
