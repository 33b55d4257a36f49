"""Sweeps by the boundary sampler: of made-up trials in the test's own process, whose boundary is known by a formula."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from study.space.file import parse
from study.space.search_space import SearchSpace, check_trials
from study.sweep.ledger import Ledger
from study.sweep.loop import SweepReport, run_sweep
from study.sweep.options import SweepOptions
from study.sweep.workers.inline import InlineWorkers
from study.trial.config import TrialConfig
from study.trial.home import Home
from study.trial.record import Record
from study.trial.result import TrialResult
from tests.stores import assert_whole_and_equal, optuna_trials

SPACE = """
parameters:
  learning_rate: {low: 1e-4, high: 1e-1, log: true}
updates: 60
trials: 24
sampler: {boundary: 0.5, points: 8}
"""


def ended(config: TrialConfig) -> TrialResult:
    """NaN at update 1 + ceil(0.1 / learning rate), half of the space within the budget."""
    update = 1 + math.ceil(0.1 / config.learning_rate)
    loss = (0.5,) * config.updates if update > config.updates else (*(0.5,) * (update - 1), math.nan)
    return TrialResult(config=config, loss=loss, engine="compiled", device="CPU", seconds=0.01)


def made_up(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
    return [ended(TrialConfig(**json.loads(config))).to_json() for config in configs]


def sweep(space: SearchSpace, *, name: str = "s", dies_after: int | None = None) -> tuple[SweepReport, str]:
    """The report, and what was said; `dies_after` so many trials the process is gone in the middle of the next."""
    trained = 0

    def train(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        nonlocal trained
        trained += 1
        if dies_after is not None and trained > dies_after:
            raise KeyboardInterrupt
        return made_up(configs, engine, population, divergence)

    console = Console(file=StringIO(), width=300)
    report = run_sweep(
        space,
        SweepOptions(name=name),
        home=Home.find(),
        console=console,
        workers=lambda at_most: InlineWorkers(train=train),
    )
    assert isinstance(console.file, StringIO)
    return report, console.file.getvalue()


def test_a_sweep_that_was_cut_off_goes_on_and_loses_no_trial(home: Path) -> None:
    space = parse(SPACE)
    for more in (5, 9):
        with pytest.raises(KeyboardInterrupt):
            sweep(space, dies_after=more)
    known = {trial.number: trial.params for trial in optuna_trials(home, "s")}
    report, said = sweep(space)
    assert not report.interrupted
    assert_whole_and_equal(home, "s", trials=24)
    trials = optuna_trials(home, "s")
    assert {trial.number: trial.params for trial in trials if trial.number in known} == known
    assert "all 24 trials are spent; the contour P(NaN within 60 updates) = 0.5 is known to a width of" in said


def test_it_stops_when_the_contour_is_known_to_the_width_and_says_so(home: Path) -> None:
    space = parse(SPACE.replace("points: 8", "points: 8, width: 0.2").replace("24", "400"))
    report, said = sweep(space)
    count = len(report.table)
    assert count < 60
    assert not report.interrupted
    assert f"stopped after {count} of 400 trials; the contour" in said
    assert "and 0.2 was asked for" in said
    again, said = sweep(space)
    assert len(again.table) == count
    assert f"stopped after {count} of 400 trials" in said


def test_a_study_is_extended_as_any_other(home: Path) -> None:
    space = parse(SPACE)
    sweep(check_trials(space, 10))
    report, _ = sweep(space)
    assert sorted(report.table["trial_number"]) == list(range(24))


def test_trials_gather_about_the_boundary(home: Path) -> None:
    report, _ = sweep(parse(SPACE))
    later = report.table.sort_values("trial_number")["learning_rate"][8:]
    # 59 steps at 0.1 / 59; a uniform draw has 30% within a factor of 3 to either side.
    assert ((later > 0.1 / 59 / 3) & (later < 0.1 / 59 * 3)).mean() > 0.5


def test_trials_asked_for_together_are_different(home: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(storage_url=f"sqlite:///{tmp_path}/optuna.db", name="s", space=parse(SPACE), seed=0)
    for _ in range(12):
        number, config = ledger.ask()
        record = Record(number=number, config=config, result=ended(config), end_time=0.0)  # type: ignore[arg-type]
        ledger.journal(record)
        ledger.tell(record, run_id="run")
    rates = [ledger.ask()[1].values()["learning_rate"] for _ in range(8)]
    ledger.close()
    assert len(set(rates)) == 8
