from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from study.space.file import parse
from study.space.samplers import build_sampler
from study.space.search_space import TRIALS_LIMIT, SearchSpace
from study.sweep.ledger import Ledger
from study.trial.config import TrialConfig
from study.trial.design import Configuration
from study.trial.record import Record
from study.trial.result import TrialResult

TRIALS = 12
SEED = 3
SPACE = """
parameters:
  layers: {choices: [1, 2]}
  learning_rate: {low: 1e-5, high: 1e-1, log: true}
  units: {low: 1, high: 64, log: true}
  dropout: {low: 0, high: 0.5, step: 0.25}
trials: 12
replicates: 2
"""
SPACES = {
    "sobol": f"{SPACE}\nsampler: sobol",
    "random": f"{SPACE}\nsampler: random",
    "grid": "parameters: {units: {choices: [1, 2, 4]}, layers: {choices: [1, 2]}}\nsampler: grid\nreplicates: 2",
}


def open_ledger(folder: Path, space: SearchSpace) -> Ledger:
    return Ledger.open(storage_url=f"sqlite:///{folder}/optuna.db", name="s", space=space, seed=SEED)


def finish(ledger: Ledger, number: int, config: Configuration) -> None:
    result = TrialResult(config=config, loss=(0.5,) * config.updates, engine="reference", device="CPU", seconds=1.0)
    record = Record(number=number, config=config, result=result, end_time=0.0)
    ledger.journal(record)
    ledger.tell(record, run_id="run")


@pytest.mark.parametrize("sampler", SPACES)
def test_a_trial_written_whole_is_the_one_that_optuna_asks_for(tmp_path: Path, sampler: str) -> None:
    space = parse(SPACES[sampler])
    optuna_study = optuna.create_study(sampler=build_sampler(space, seed=SEED))
    for _ in range(TRIALS):
        space.suggest(optuna_study.ask())

    ledger = open_ledger(tmp_path, space)
    asked = [ledger.ask() for _ in range(TRIALS)]
    ledger.close()
    study = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path}/optuna.db")

    for ours, theirs in zip(study.trials, optuna_study.trials, strict=True):
        assert (ours.number, ours.state) == (theirs.number, theirs.state)
        assert (ours.params, ours.distributions) == (theirs.params, theirs.distributions)
        assert asked[ours.number] == (ours.number, space.config(theirs.params, seed=SEED * TRIALS_LIMIT + ours.number))


@pytest.mark.parametrize("sampler", SPACES)
def test_a_ledger_left_in_the_middle_gives_the_trials_of_one_that_was_not(tmp_path: Path, sampler: str) -> None:
    space = parse(SPACES[sampler])
    (tmp_path / "whole").mkdir()
    whole = open_ledger(tmp_path / "whole", space)
    expected = dict(whole.ask() for _ in range(TRIALS))
    whole.close()

    left = open_ledger(tmp_path, space)
    asked = dict(left.ask() for _ in range(5))
    for number in (0, 3):
        finish(left, number, asked[number])
    left.close()
    resumed = open_ledger(tmp_path, space)
    resumed.requeue()
    again = dict(resumed.ask() for _ in range(TRIALS - 2))
    for number, config in again.items():
        finish(resumed, number, config)
    assert again == {number: config for number, config in expected.items() if number not in (0, 3)}
    assert {record.number: record.config for record in resumed.finished()} == expected
    resumed.close()


def test_trials_that_somebody_else_adds_are_nobody_else_s(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, parse(SPACES["sobol"]))
    other = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path}/optuna.db")
    asked = [ledger.ask()]
    other.ask()  # takes number 1
    asked += [ledger.ask() for _ in range(2)]
    for number, config in asked:
        finish(ledger, number, config)
    ledger.close()
    assert [number for number, _ in asked] == [0, 2, 3]
    assert [config.seed for _, config in asked] == [SEED * TRIALS_LIMIT + number for number in (0, 2, 3)]
    states = [trial.state.name for trial in other.trials]
    assert states == ["COMPLETE", "RUNNING", "COMPLETE", "COMPLETE"]
    for number, config in asked:
        assert isinstance(config, TrialConfig)
        assert other.trials[number].params["learning_rate"] == config.learning_rate


@pytest.mark.parametrize("kind", ["sobol", "listed"])
def test_a_trial_costs_three_transactions(tmp_path: Path, kind: str) -> None:
    configurations = [TrialConfig(units=units) for units in (1, 2)]
    listed = SearchSpace.listed(configurations, about="", source="a list")
    ledger = open_ledger(tmp_path, listed if kind == "listed" else parse(SPACES[kind]))
    finish(ledger, *ledger.ask())
    commits: list[object] = []

    def committed(connection: object) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", committed)
    try:
        finish(ledger, *ledger.ask())
    finally:
        event.remove(Engine, "commit", committed)
    ledger.close()
    assert len(commits) == 3
