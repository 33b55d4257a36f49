"""From the axes of a study to the columns of a regression.

One place says what one unit of each axis is, so that a hazard ratio or a time ratio can be read without a key:

- `learning_rate`, `units`, `timesteps`, `features`, `batch_size`, `clipnorm`, `max_norm`: per doubling (log2);
- `recurrent_dropout`, `dropout`, `label_balance`: per 0.1;
- `layers`, `input_mean`: per 1;
- choices: each level against a baseline level;
- truth values: true against false;
- an unset `clipnorm` or `max_norm` has a column of its own, against the value of the minimal example (or the only
  other one), and is 0 in the column of the doublings, which are counted from that value.

`budget` and `seed` are no properties of a model: the one only ends the watching, the other only names a draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from study.analysis.groups import check_axes
from study.analysis.table import AXIS_OF, durations, usable
from study.trial.config import NONE, TrialConfig, as_text, kind_of
from study.trial.errors import UserError

DOUBLINGS = ("learning_rate", "units", "timesteps", "features", "batch_size", "clipnorm", "max_norm")
"""Numeric axes whose unit is a doubling."""
STEPS: dict[str, float] = {
    "recurrent_dropout": 0.1,
    "dropout": 0.1,
    "label_balance": 0.1,
    "layers": 1,
    "input_mean": 1,
}
"""Numeric axes whose unit is a difference."""
NO_PROPERTY = ("budget", "seed")
"""Columns of axes that are no properties of a model, and so never in a regression."""

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
    """Shape (trials, terms): doublings from the minimal example's value, units from zero, or 0 and 1."""
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

    The baseline of a choice is the minimal example's value where a trial with it diverged, else the level with the
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
    check_axes(*axes)
    for axis in axes:
        if axis in NO_PROPERTY:
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
        for term, column in _columns(table[axis], event):
            if _is_determined(column, columns):
                notes.append(f"{term.name}: the axes before it determine this one, so it has no estimate of its own.")
            else:
                terms.append(term)
                columns.append(column)
    values = np.column_stack(columns) if columns else np.empty((len(table), 0))
    return DesignMatrix(terms=tuple(terms), values=values, notes=tuple(notes))


def _columns(values: pd.Series, event: pd.Series) -> list[tuple[Term, npt.NDArray[np.float64]]]:
    axis = str(values.name)
    if kind_of(AXIS_OF[axis]) in (str, bool):
        return _level_columns(values, event)
    default = TrialConfig.model_fields[AXIS_OF[axis]].default
    numbers = np.asarray(values.astype("float64"), dtype=np.float64)
    unset = np.isnan(numbers)
    columns: list[tuple[Term, npt.NDArray[np.float64]]] = []
    given = np.unique(numbers[~unset])
    if len(given) > 1:
        if axis in DOUBLINGS:
            term = Term(name=f"{axis}, per doubling", axis=axis, kind="doubling")
            column = np.log2(numbers / default)
        else:
            term = Term(name=f"{axis}, per {STEPS[axis]:g}", axis=axis, kind="difference", step=STEPS[axis])
            column = numbers / STEPS[axis]
        columns.append((term, np.where(unset, 0.0, column)))
    if unset.any():
        baseline = as_text(default if len(given) > 1 else float(given[0]))
        name = f"{axis}: {NONE}, not {baseline}"
        term = Term(name=name, axis=axis, kind="level", level=NONE, baseline=baseline)
        columns.append((term, unset.astype(np.float64)))
    return columns


def _level_columns(values: pd.Series, event: pd.Series) -> list[tuple[Term, npt.NDArray[np.float64]]]:
    axis = str(values.name)
    field = TrialConfig.model_fields[AXIS_OF[axis]]
    text = values.map(as_text)
    documented = ["false", "true"] if kind_of(AXIS_OF[axis]) is bool else list(get_args(field.annotation))
    levels = [level for level in documented if (text == level).any()]
    diverged = {level: int(event[text == level].sum()) for level in levels}
    baseline = as_text(field.default)
    if not diverged.get(baseline):
        baseline = max(levels, key=lambda level: diverged[level])
    columns: list[tuple[Term, npt.NDArray[np.float64]]] = []
    for level in levels:
        if level != baseline:
            name = f"{axis}: {level}, not {baseline}"
            term = Term(name=name, axis=axis, kind="level", level=level, baseline=baseline)
            columns.append((term, np.asarray(text == level, dtype=np.float64)))
    return columns


def _is_determined(column: npt.NDArray[np.float64], before: list[npt.NDArray[np.float64]]) -> bool:
    """Whether a column is a linear combination of the ones before it and a constant."""
    basis = np.column_stack([np.ones(len(column)), *before])
    residual = column - basis @ np.linalg.lstsq(basis, column, rcond=None)[0]
    return float(np.linalg.norm(residual)) <= 1e-8 * float(np.linalg.norm(column - column.mean()) or 1)
