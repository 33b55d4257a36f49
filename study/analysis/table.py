"""The results table: its columns, in one place, and the way from a file to a table that can be trusted.

One row is one trial. `study.tracking.read_results` makes the table from MLflow, `study results STUDY --out
FILE` writes it, and `load_results` reads that file back with the same types. `python -m study.analysis.table` prints
the columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from study.analysis.table_axes import axes_of, read_axes, with_axes, write_axes
from study.trial.axes import BUDGET_COLUMN, Axes, Axis, Kind
from study.trial.config import EXAMPLE
from study.trial.divergence import NONFINITE, TAKES, Divergence, divergence_of
from study.trial.errors import UserError
from study.trial.markdown import markdown_table
from study.trial.outcome import LOSS_THRESHOLD, OUTCOMES
from study.trial.timeline import LOSS_EXCEEDED, TIMELINE, timeline_column
from study.trial.words import PHASES, number_words

ColumnType = Literal["Int64", "float64", "boolean", "str"]

ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the results table."""

    name: str
    dtype: ColumnType
    """The pandas type; `Int64`, `boolean` and `str` hold missing values, `float64` has NaN for them."""
    unit: str
    meaning: str
    required: bool = True
    """Whether a table without it is refused; a missing optional column is added empty."""


_AXIS_TYPES: dict[Kind, ColumnType] = {"int": "Int64", "float": "float64", "bool": "boolean", "str": "str"}


def _axis_column(axis: Axis) -> Column:
    meaning = axis.description + ("; missing where it is unset" if axis.optional else "")
    return Column(name=axis.column, dtype=_AXIS_TYPES[axis.kind], unit=axis.unit, meaning=meaning)


def _optional(name: str, dtype: ColumnType, unit: str, meaning: str) -> Column:
    return Column(name=name, dtype=dtype, unit=unit, meaning=meaning, required=False)


_OUTCOME = (
    Column(name="trial_number", dtype="Int64", unit="", meaning="number of the trial in its study, from 0"),
    Column(name="outcome", dtype="str", unit="", meaning="diverged, survived or failed (no result)"),
    Column(
        name="time_to_nan",
        dtype="Int64",
        unit="update",
        meaning="1-based number of the first update whose loss is what `divergence` says; missing unless it diverged",
    ),
    Column(
        name="updates",
        dtype="Int64",
        unit="updates",
        meaning="updates run, the diverging one included; a survivor's time-to-NaN is right-censored here",
    ),
    _optional("divergence", "str", "", f"the event that ends a trial: {TAKES}; missing of failed trials"),
    _optional(
        "exploded",
        "boolean",
        "",
        f"whether it survived with a loss above {LOSS_THRESHOLD:g} at some update; missing of failed trials",
    ),
    _optional("wall_seconds", "float64", "s", "wall-clock time of the trial"),
)

_ABOUT = (
    _optional("engine", "str", "", "engine that trained it: compiled or reference"),
    _optional("device", "str", "", "what trained it: CPU, or the GPU's name"),
    _optional(
        "loss_at_divergence",
        "str",
        "",
        "the loss that ended the trial: not a number, plus infinity, minus infinity, or a number",
    ),
    _optional("failure", "str", "", "why a failed trial has no result"),
    _optional("run_id", "str", "", "MLflow run"),
)

_TIMELINE = tuple(
    _optional(
        timeline_column(name),
        "Int64",
        "update",
        f"first update with it{'' if name == LOSS_EXCEEDED else ' not finite'}: {event.label}; missing if none",
    )
    for name, event in TIMELINE.items()
)

_ONSET = (
    _optional("onset_update", "Int64", "update", "update of the very first non-finite number"),
    _optional("onset_phase", "str", "", f"phase of that update: {', '.join(PHASES)}"),
    _optional("onset_layer", "str", "", "layer in which it appeared: lstm_1, dense, ..."),
    _optional("onset_direction", "str", "", "forward or backward of a bidirectional layer"),
    _optional("onset_tensor", "str", "", "tensor in which it appeared: cell_state, hidden_state, logit, ..."),
    _optional("onset_timestep", "Int64", "timestep", "its timestep, from 0"),
    _optional("onset_sample", "Int64", "", "its sample in the batch, from 0"),
    _optional("onset_row", "Int64", "", "its row in the user's arrays, from 0; missing where there are none"),
    _optional("onset_unit", "Int64", "", "its unit, from 0"),
    _optional(
        "onset_value",
        "str",
        "",
        "what it was: not a number, plus infinity, minus infinity, or a number close to the largest",
    ),
    _optional("onset_source", "str", "", "line of the user's code that computed it, `file.py:12`"),
    _optional("onset_warning", "str", "", "what is wrong with the trial's data, or with the finding"),
)

_GROWTH = (
    _optional("max_hidden", "float64", "", "largest absolute hidden state at the last timestep"),
    _optional("max_cell", "float64", "", "largest absolute cell state at the last timestep"),
    _optional(
        "hidden_growth", "float64", "1/timestep", "growth rate of the hidden state: slope of log max over timesteps"
    ),
    _optional("cell_growth", "float64", "1/timestep", "growth rate of the cell state: slope of log max over timesteps"),
    _optional("gradient_norm", "float64", "", "norm of the gradient before clipping"),
    _optional("weight_norm", "float64", "", "norm of the weights"),
    _optional("weight_distance", "float64", "", "distance of the weights from the initial ones"),
)


def columns_of(axes: Axes) -> tuple[Column, ...]:
    """Every column of the results table of a study with these axes, in order.

    Growth is that at the last update in which the number was finite.

    Raises:
        UserError: An axis has the name of another column.
    """
    of_axes = tuple(map(_axis_column, axes.values()))
    of_all = (*_OUTCOME, *_ABOUT, *_TIMELINE, *_ONSET, *_GROWTH)
    taken = {column.name for column in of_all} & {column.name for column in of_axes}
    if taken:
        raise UserError(f"{min(taken)}: is a column of every results table, so no axis can have that name")
    return (*_OUTCOME, *of_axes, *_ABOUT, *_TIMELINE, *_ONSET, *_GROWTH)


COLUMNS = columns_of(EXAMPLE.axes)
"""Every column of the results table of a study of the example, in order."""


def columns_table() -> str:
    """The columns of the results table as Markdown."""
    rows = ((f"`{c.name}`", c.dtype, c.unit or "-", c.meaning) for c in COLUMNS)
    return markdown_table(("column", "type", "unit", "meaning"), rows)


def load_results(path: Path | str) -> pd.DataFrame:
    """Read a results table from a file that `study results STUDY --out FILE` wrote.

    Args:
        path: A file that ends in .csv or .parquet.

    Returns:
        One row a trial, by trial number, with the columns of `columns_of` in their order and types, and the axes that
        `study.analysis.table_axes.axes_of` gives; optional columns that an older table lacks are there and empty, and
        unknown ones come last, as they were.

    Raises:
        UserError: No such file, another ending, not such a file, a required column that is missing, or a value
            that cannot be.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise UserError(f"{path}: a results table is a file that ends in {' or '.join(ENDINGS)}")
    if not path.is_file():
        raise UserError(f"{path}: no such file; `study results STUDY --out {path.name}` writes one")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            # pandas would take the loss `nan` for a missing one.
            table = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])
            table = with_axes(table, read_axes(path))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: cannot be read as {path.suffix[1:]} ({reason})") from error
    return as_results(table, where=str(path))


def write_results(table: pd.DataFrame, path: Path) -> None:
    """Write a results table so that `load_results` reads it back, its axes included.

    Args:
        table: A results table.
        path: A file that ends in .csv, beside which the axes are put unless they are the example's, or in .parquet.
    """
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
        return
    table.to_csv(path, index=False)
    write_axes(table, path)


def as_results(table: pd.DataFrame, *, where: str = "the results table") -> pd.DataFrame:
    """Give a table of trials the documented columns and types, and check its values.

    Args:
        table: One row a trial; numbers and truth values may be text. Its axes are those it has with it.
        where: What the table comes from, named at the start of an error message.

    Raises:
        UserError: A required column that is missing, or a value that cannot be.
    """
    axes = axes_of(table)
    table = _with_later_axes(table, axes)
    documented = columns_of(axes)
    missing = [column.name for column in documented if column.required and column.name not in table]
    if missing:
        raise UserError(
            f"{where}: lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} of a results table"
        )
    table = table.reset_index(drop=True)
    table = table.assign(**_by_event(table))
    columns = {
        column.name: _typed(table[column.name], column, where=where)
        if column.name in table
        else pd.Series(None, index=table.index, dtype=_pandas_type(column.dtype))
        for column in documented
    }
    unknown: dict[str, pd.Series] = {str(name): table[name] for name in table if name not in columns}
    typed = with_axes(pd.DataFrame({**columns, **unknown}), axes)
    _check_outcomes(typed, where=where)
    _check_axes(typed, axes, where=where)
    return typed.sort_values("trial_number", ignore_index=True)


def _with_later_axes(table: pd.DataFrame, axes: Axes) -> pd.DataFrame:
    """The table with the axes that it is too old to have, at their defaults."""
    for column, axis in axes.columns.items():
        if axis.later and not axis.optional:
            given = table[column] if column in table else pd.Series(None, index=table.index, dtype=object)
            table = table.assign(**{column: given.astype(object).where(given.notna(), axis.default)})
    return table


def _by_event(table: pd.DataFrame) -> dict[str, pd.Series]:
    """What a table of an earlier version leaves unsaid, its one event, or says otherwise: `nan` for the words."""
    ran, survived = table["outcome"] != "failed", table["outcome"] == "survived"

    def given(name: str) -> pd.Series:
        return table[name] if name in table else pd.Series(None, index=table.index, dtype=object)

    above = survived & given(LOSS_EXCEEDED).notna()
    words = {
        name: given(name).map(lambda number: number_words(str(number)), na_action="ignore")
        for name in WITH_WORDS
        if name in table
    }
    return {
        "divergence": given("divergence").astype(object).where(given("divergence").notna() | ~ran, str(NONFINITE)),
        "exploded": given("exploded").astype(object).where(given("exploded").notna() | ~ran, above),
        **words,
    }


WITH_WORDS = ("loss_at_divergence", "onset_value")
"""Columns of numbers that may not be finite, and are then words."""


def event_of(table: pd.DataFrame) -> Divergence:
    """The event that the trials of a results table end at: what is meant by `diverged` in it.

    Raises:
        UserError: They end at different ones, or at none that is known.
    """
    events = sorted(set(table["divergence"].dropna())) if "divergence" in table else []
    if len(events) > 1:
        raise UserError(f"divergence: the trials end at {' and '.join(events)}; analyse those of one event at a time")
    try:
        return divergence_of(events[0]) if events else NONFINITE
    except ValueError:
        raise UserError(f"divergence={events[0]} is not allowed; divergence takes {TAKES}") from None


def _pandas_type(dtype: ColumnType) -> Any:
    # Text whose missing values are NaN is what pandas infers for a column of strings.
    return pd.StringDtype(na_value=np.nan) if dtype == "str" else dtype


_TRUTH = {"true": True, "false": False}


def _whole(value: object) -> int:
    number = float(str(value))
    if not number.is_integer():
        raise ValueError
    # Not int(number): a seed of more than 53 bits would lose some.
    return int(str(value)) if str(value).lstrip("+-").isdigit() else int(number)


def _truth(value: object) -> bool:
    if (truth := _TRUTH.get(str(value).lower())) is None:
        raise ValueError
    return truth


_PARSERS: dict[ColumnType, tuple[Callable[[object], object], str]] = {
    "Int64": (_whole, "whole numbers"),
    "float64": (lambda value: float(str(value)), "numbers"),
    "boolean": (_truth, "true or false"),
}


def _typed(values: pd.Series, column: Column, *, where: str) -> pd.Series:
    wanted = _pandas_type(column.dtype)
    if values.dtype == wanted:
        return values
    if column.dtype == "str":
        return values.astype(object).where(values.notna(), np.nan).astype(wanted)
    parse, takes = _PARSERS[column.dtype]
    parsed: list[object] = []
    for row, value in enumerate(values, start=1):
        if pd.isna(value):
            parsed.append(math.nan if column.dtype == "float64" else pd.NA)
            continue
        try:
            parsed.append(parse(value))
        except (ValueError, OverflowError):
            raise UserError(f"{where}: {column.name}={value} in row {row} is not allowed; it takes {takes}") from None
    return pd.Series(parsed, index=values.index, dtype=wanted, name=column.name)


def _check_outcomes(table: pd.DataFrame, *, where: str) -> None:
    """Refuse a table whose rows cannot have come from trials."""
    number = table["trial_number"]
    if number.isna().any():
        raise UserError(f"{where}: trial_number is missing in row {int(number.isna().to_numpy().argmax()) + 1}")
    if number.duplicated().any():
        raise UserError(f"{where}: trial {number[number.duplicated()].iloc[0]} is there twice; a trial has one row")
    outcome, time, updates = (table[name] for name in ("outcome", "time_to_nan", "updates"))
    budget = table[BUDGET_COLUMN]
    _refuse(table, ~outcome.isin(OUTCOMES), where, "outcome", f"it is {', '.join(OUTCOMES[:-1])} or {OUTCOMES[-1]}")
    diverged, survived = outcome == "diverged", outcome == "survived"
    ran = diverged | survived
    _refuse(table, diverged & time.isna(), where, "time_to_nan", "a trial that diverged has one")
    _refuse(table, ~diverged & time.notna(), where, "time_to_nan", "only a trial that diverged has one")
    _refuse(table, ran & updates.isna(), where, "updates", "a trial that diverged or survived has run some")
    _refuse(table, _true(updates < 1), where, "updates", "it is at least 1")
    _refuse(table, diverged & _true(time != updates), where, "time_to_nan", "it is the last of the updates run")
    _refuse(table, _true(updates > budget), where, "updates", "it is at most the budget")
    _refuse(table, survived & _true(updates != budget), where, "updates", "a trial that survived ran its whole budget")
    for column in _TIMELINE:
        _refuse(table, _true(table[column.name] < 1), where, column.name, "it is at least 1")


def _true(condition: pd.Series) -> pd.Series:
    """A condition on numbers that may be missing; a missing one does not meet it."""
    return condition.fillna(False).astype(bool)


def _refuse(table: pd.DataFrame, wrong: pd.Series, where: str, column: str, rule: str) -> None:
    if wrong.any():
        row = table[wrong].iloc[0]
        given = "missing" if pd.isna(row[column]) else row[column]
        about = f" ({row['outcome']})" if column != "outcome" else ""
        raise UserError(f"{where}: {column}={given} of trial {row['trial_number']}{about} is not allowed; {rule}")


def _check_axes(table: pd.DataFrame, axes: Axes, *, where: str) -> None:
    for name, axis in axes.columns.items():
        values = table[name]
        if not axis.optional:
            _refuse(table, values.isna(), where, name, f"it takes {axis.allowed()}")
        for value in values.dropna().unique().tolist():
            try:
                axis.validate(value)
            except ValueError:
                _refuse(table, _true(values == value), where, name, f"it takes {axis.allowed()}")


def usable(table: pd.DataFrame) -> pd.DataFrame:
    """The trials that have a result: all but the failed ones, with the rows' own index."""
    return table[table["outcome"] != "failed"]


def durations(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Survival data: how long each trial is known to have trained, and whether it then diverged.

    A trial that diverged has the duration `time_to_nan` and the event True. One that survived is right-censored at the
    updates it ran: the event is False, and its time-to-NaN is only known to be larger. Failed trials have no duration.

    Returns:
        duration: Whole updates (int64), one for each usable row, with the table's index.
        event: Truth values (bool), likewise.
    """
    table = usable(table)
    event = (table["outcome"] == "diverged").rename("event")
    duration = table["time_to_nan"].where(event, table["updates"]).astype("int64").rename("duration")
    return duration, event.astype(bool)


def varying_axes(table: pd.DataFrame, *, among: Iterable[str] | None = None) -> tuple[str, ...]:
    """The columns of axes that have more than one value in the usable trials, in the documented order.

    Args:
        among: Columns to look at, those that the table lacks aside; without it all axes but `budget` and `seed`, which
            are no properties of a model.
    """
    rows = usable(table)
    names = axes_of(table).properties if among is None else among
    return tuple(name for name in names if name in rows and rows[name].nunique(dropna=False) > 1)


if __name__ == "__main__":
    print(columns_table())
