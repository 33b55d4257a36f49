"""The trials of a results table by the arm that they belong to, seed by seed, each seen under a contrast's budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from study.claims.contrast import Arm, seeds_of, without_budget
from study.claims.decision import share_interval
from study.claims.times import Between, median_time, steps
from study.trial.axes import BUDGET_COLUMN
from study.trial.config import EXAMPLE, Semantics, TrialConfig


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A trial with a result, seen under the budget of a contrast."""

    diverged: bool
    updates: int
    """Time to NaN, or the budget at which it is censored."""
    config: TrialConfig
    row: Mapping[str, Any]

    @property
    def exploded(self) -> bool:
        """Whether it survived with a loss that was far too large at some update."""
        return not self.diverged and self.row.get("exploded") is True

    @property
    def steps(self) -> Between:
        """The steps after which it was not finite, or those that it survived."""
        return steps(self.updates, diverged=self.diverged)

    def number(self, column: str) -> float | None:
        """A number of the table; None where it is missing or the table has no such column."""
        value = self.row.get(column)
        return None if value is None or pd.isna(value) else float(value)


class Trials:
    """The results table, by configuration."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._rows: dict[TrialConfig, list[Mapping[str, Any]]] = {}
        columns = EXAMPLE.axes.columns
        for row in table.sort_values("trial_number").to_dict("records"):
            values = {axis.name: _plain(row[column]) for column, axis in columns.items()}
            self._rows.setdefault(without_budget(TrialConfig.model_validate(values)), []).append(
                {str(column): value for column, value in row.items()}
            )

    def runs(self, config: TrialConfig) -> list[Trial | None]:
        """All runs of a configuration with its budget or a larger one, by number; None for one that failed."""
        rows = [row for row in self._rows.get(without_budget(config), []) if row[BUDGET_COLUMN] >= config.updates]
        return [None if row["outcome"] == "failed" else _seen_under(config, row) for row in rows]


def _seen_under(config: TrialConfig, row: Mapping[str, Any]) -> Trial:
    diverged = row["outcome"] == "diverged" and row["time_to_nan"] <= config.updates
    return Trial(
        diverged=diverged,
        updates=int(row["time_to_nan"]) if diverged else config.updates,
        config=config,
        row=row,
    )


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True, kw_only=True)
class Sample:
    """All trials of an arm: by seed, the runs of that seed."""

    arm: Arm
    runs: tuple[list[Trial | None], ...]

    @property
    def first(self) -> list[Trial | None]:
        """The first run of every seed that has a result; None for a seed without one."""
        return [next((trial for trial in runs if trial is not None), None) for runs in self.runs]

    @property
    def median(self) -> float:
        """Median time to NaN in updates (see `median_time`)."""
        return median_time([trial.updates for trial in self.trials], [trial.diverged for trial in self.trials])

    @property
    def trials(self) -> list[Trial]:
        return [trial for trial in self.first if trial is not None]


def samples_of(
    arms: Sequence[Arm], trials: Trials, *, under: Semantics, updates: int, replicates: int, seed: int
) -> list[Sample]:
    """The arms' trials, in their order, seed by seed."""
    return [
        Sample(
            arm=arm,
            runs=tuple(
                trials.runs(arm.config(semantics=under, updates=updates, seed=value))
                for value in seeds_of(replicates, seed=seed)
            ),
        )
        for arm in arms
    ]


def by_seed(samples: Sequence[Sample]) -> list[tuple[Trial, ...]]:
    """The trials of each seed that has a result in every arm."""
    return [
        cast("tuple[Trial, ...]", trials)
        for trials in zip(*(sample.first for sample in samples), strict=True)
        if None not in trials
    ]


def arm_row(sample: Sample, *, asked: int, budget: int) -> dict[str, Any]:
    """What became of an arm's trials; `study.claims.verdicts.Verdicts.arms` says what the columns are."""
    trials = sample.trials
    diverged = sum(trial.diverged for trial in trials)
    failed = sum(bool(runs) and trial is None for runs, trial in zip(sample.runs, sample.first, strict=True))
    low, high = share_interval(diverged, len(trials))
    return {
        "arm": sample.arm.label,
        "trials": len(trials),
        "diverged": diverged,
        "exploded": sum(trial.exploded for trial in trials),
        "failed": failed,
        "missing": asked - len(trials) - failed,
        "share": share(diverged, len(trials)),
        "low": low,
        "high": high,
        "median": sample.median,
        BUDGET_COLUMN: budget,
    }


def share(cases: int, observations: int) -> float:
    """A share; NaN where nothing was observed."""
    return cases / observations if observations else math.nan
