"""From the axes of a study to the columns of a regression.

What one unit of a column is, so that a hazard ratio or a time ratio can be read without a key:

- numbers that count by their ratios, such as `learning_rate` and `units`: per doubling (log2);
- other numbers: per the axis's `step`, such as 0.1 of `dropout` or 1 of `layers`;
- choices: each level against a baseline level;
- truth values: true against false;
- an unset number, such as a `clipnorm` of none, has a column of its own, against the axis's default (or the only other
  value), and is 0 in the column of the doublings, which are counted from that value.

`budget` and `seed` are no properties of a model: the one only ends the watching, the other only names a draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.analysis.predictors import texts
from study.analysis.table import durations, usable
from study.analysis.table_axes import axis_of
from study.trial.axes import NONE, NOT_OF_A_MODEL, Axis, as_text
from study.trial.errors import UserError

Kind = Literal["doubling", "difference", "level"]


@dataclass(frozen=True, kw_only=True)
class Term:
    """One column of a design matrix."""

    name: str
    """What the column is, to be read: `learning_rate, per doubling`, `activation: selu, not relu`."""
    axis: str
    kind: Kind
    level: str | None = None
    """The level that the column stands for (1 where a trial has it, 0 elsewhere); None for numbers."""
    baseline: str | None = None
    """The level that it is compared with."""

    step: float = 1.0
    """The difference that the column counts as 1."""

    @property
    def change(self) -> str:
        """One unit of the column as the start of a sentence: `Doubling learning_rate`, `0.1 more dropout`."""
        if self.kind == "level":
            return f"{self.axis} {self.level} rather than {self.baseline}"
        return f"Doubling {self.axis}" if self.kind == "doubling" else f"{self.step:g} more {self.axis}"


@dataclass(frozen=True, kw_only=True)
class DesignMatrix:
    """The columns of a regression, with what they mean and what was left out."""

    terms: tuple[Term, ...]
    values: npt.NDArray[np.float64]
    """Shape (trials, terms): doublings from the axis's `reference`, steps from zero, or 0 and 1."""
    notes: tuple[str, ...]
    """Which axes or levels have no column, and why, a sentence each."""

    def with_columns(self, terms: Sequence[Term], values: npt.NDArray[np.float64]) -> DesignMatrix:
        """The same with more columns behind, shape (trials, terms)."""
        return replace(self, terms=(*self.terms, *terms), values=np.column_stack([self.values, values]))

    def within(self, blocks: pd.Series) -> DesignMatrix:
        """The same with a column for each value of another property but one, such as the seed."""
        values = blocks.to_numpy()
        first, *others = sorted(set(values.tolist()))
        terms = [
            Term(name=f"{blocks.name}: {other}, not {first}", axis=str(blocks.name), kind="level", level=as_text(other),
                 baseline=as_text(first))
            for other in others
        ]  # fmt: skip
        columns = [np.asarray(values == other, dtype=np.float64) for other in others]
        return self.with_columns(terms, np.column_stack(columns)) if columns else self


def design_matrix(table: pd.DataFrame, axes: Iterable[str]) -> DesignMatrix:
    """The design matrix of a regression on the given axes; it has no column for an intercept.

    The baseline of a choice is the axis's default where a trial with it diverged, else the level with the
    most divergences (the first of them in the documented order): against a level in which nothing ever diverged, every
    other level's hazard would be infinitely larger. An axis that does not vary has no column. Nor has a column that
    the ones before it determine, such as a front end's activation `none` beside `front_end`: the data cannot tell the
    two apart.

    Args:
        table: A results table; failed trials are left out.
        axes: Columns of axes, in the order in which they are to stand.

    Raises:
        UserError: Not an axis, one given twice, or one that is no property of a model.
    """
    axes = tuple(axes)
    described = {axis: axis_of(table, axis) for axis in axes}
    for axis in axes:
        if described[axis].name in NOT_OF_A_MODEL:
            raise UserError(f"{axis} is no property of a model; a regression takes the other axes")
        if axes.count(axis) > 1:
            raise UserError(f"{axis} is given twice")
    table = usable(table)
    event = durations(table)[1]
    terms: list[Term] = []
    columns: list[npt.NDArray[np.float64]] = []
    notes: list[str] = []
    for axis in axes:
        if table[axis].nunique(dropna=False) <= 1:
            notes.append(f"{axis} does not vary, so it has no estimate.")
            continue
        for term, column in _columns(table[axis], described[axis], event):
            if _is_determined(column, columns):
                notes.append(f"{term.name}: the axes before it determine this one, so it has no estimate of its own.")
            else:
                terms.append(term)
                columns.append(column)
    values = np.column_stack(columns) if columns else np.empty((len(table), 0))
    return DesignMatrix(terms=tuple(terms), values=values, notes=tuple(notes))


def reference(axis: Axis, numbers: npt.NDArray[np.float64]) -> float:
    """The value that a logarithmic axis's doublings are counted from: its default, or the smallest where that is unset.

    Args:
        axis: A numeric axis.
        numbers: Its values in the trials; NaN where unset.
    """
    return float(axis.default if isinstance(axis.default, int | float) else np.nanmin(numbers))


def _columns(values: pd.Series, described: Axis, event: pd.Series) -> list[tuple[Term, npt.NDArray[np.float64]]]:
    if not described.is_numeric:
        return _level_columns(values, described, event)
    axis = described.column
    numbers = np.asarray(values.astype("float64"), dtype=np.float64)
    unset = np.isnan(numbers)
    columns: list[tuple[Term, npt.NDArray[np.float64]]] = []
    given = np.unique(numbers[~unset])
    if len(given) > 1:
        if described.logarithmic:
            term = Term(name=f"{axis}, per doubling", axis=axis, kind="doubling")
            column = np.log2(numbers / reference(described, numbers))
        else:
            step = described.step
            term = Term(name=f"{axis}, per {step:g}", axis=axis, kind="difference", step=step)
            column = numbers / step
        columns.append((term, np.where(unset, 0.0, column)))
    if unset.any():
        baseline = as_text(reference(described, numbers) if len(given) > 1 else float(given[0]))
        name = f"{axis}: {NONE}, not {baseline}"
        term = Term(name=name, axis=axis, kind="level", level=NONE, baseline=baseline)
        columns.append((term, unset.astype(np.float64)))
    return columns


def _level_columns(values: pd.Series, described: Axis, event: pd.Series) -> list[tuple[Term, npt.NDArray[np.float64]]]:
    axis = described.column
    text = texts(values)
    levels = [level for level in levels_of(described, text) if (text == level).any()]
    diverged = {level: int(event[text == level].sum()) for level in levels}
    baseline = as_text(described.default)
    if not diverged.get(baseline):
        baseline = max(levels, key=lambda level: diverged[level])
    columns: list[tuple[Term, npt.NDArray[np.float64]]] = []
    for level in levels:
        if level != baseline:
            name = f"{axis}: {level}, not {baseline}"
            term = Term(name=name, axis=axis, kind="level", level=level, baseline=baseline)
            columns.append((term, np.asarray(text == level, dtype=np.float64)))
    return columns


def levels_of(axis: Axis, tried: pd.Series) -> list[str]:
    """The values of an axis that is no number, as texts: in the documented order, else by their names.

    Args:
        axis: Of choices, truth values or texts.
        tried: Its values in the trials, as texts.
    """
    documented = [as_text(choice) for choice in axis.choices or ((False, True) if axis.kind == "bool" else ())]
    return documented + sorted(set(tried) - set(documented))


def _is_determined(column: npt.NDArray[np.float64], before: list[npt.NDArray[np.float64]]) -> bool:
    """Whether a column is a linear combination of the ones before it and a constant."""
    basis = np.column_stack([np.ones(len(column)), *before])
    residual = column - basis @ np.linalg.lstsq(basis, column, rcond=None)[0]
    return float(np.linalg.norm(residual)) <= 1e-8 * float(np.linalg.norm(column - column.mean()) or 1)
