from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from threading import Event
from typing import Any

import optuna
import pytest
from mlflow.tracking import MlflowClient

from study.engine import run
from study.space.file import parse
from study.space.samplers.grid import GridSampler
from study.space.search_space import SearchSpace
from study.sweep.lock import exclusive_study
from study.sweep.workers.base import train
from study.trial.config import TrialConfig
from study.trial.errors import UserError
from study.trial.home import Home
from tests.stores import assert_whole_and_equal, optuna_trials, trial_runs
from tests.sweep.in_process import sweep
from tests.sweep.made_up import made_up, seeds_of

raises = partial(made_up, mode="raises")


class StopAfter:
    """Trains made-up trials and stops the sweep with the last of so many."""

    def __init__(self, trials: int) -> None:
        self.stop = Event()
        self._left = trials

    def __call__(self, configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        self._left -= len(configs)
        if self._left <= 0:
            self.stop.set()
        return made_up(configs, engine, population, divergence)


def test_a_sweep_tells_both_stores_the_same_and_says_how_it_goes(stores: Home) -> None:
    swept = sweep(stores, "whole", 6)
    assert_whole_and_equal(stores.folder, "whole", trials=6)
    assert "whole: 6 of 6 trials to run on this process, 1 at a time, compiled engine" in swept.output
    assert "6/6 trials: " in swept.output
    assert not swept.report.interrupted
    assert swept.report.table["trial_number"].tolist() == list(range(6))


def test_a_trial_that_cannot_be_run_is_recorded_as_failed_and_the_sweep_goes_on(stores: Home) -> None:
    sweep(stores, "failing", 6, train=raises)
    assert_whole_and_equal(stores.folder, "failing", trials=6)
    states = [trial.state.name for trial in optuna_trials(stores.folder, "failing")]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    failed = trial_runs(stores.tracking_uri, "failing")[2]
    assert failed.info.status == "FAILED"
    assert failed.data.tags["failure"] == "MemoryError: too large a model"
    assert failed.data.params["units"]


ONE_STRUCTURE = "{parameters: {learning_rate: {low: 1e-3, high: 1, log: true}}, updates: 20, trials: 9}"


def test_trials_of_a_population_are_handed_out_together_and_fail_alone(stores: Home) -> None:
    tasks: list[list[int]] = []

    def noted(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        assert population == 4
        tasks.append(seeds_of(configs))
        return raises(configs, engine, population, divergence)

    sweep(stores, "together", 9, space=parse(ONE_STRUCTURE), train=noted, population=4)
    assert_whole_and_equal(stores.folder, "together", trials=9)
    states = [trial.state.name for trial in optuna_trials(stores.folder, "together")]
    assert [number for number, state in enumerate(states) if state == "FAIL"] == [2]
    # After their task came to nothing they go alone, in a program of the same population.
    assert tasks == [[0, 1, 2, 3], [0], [1], [2], [3], [4, 5, 6, 7], [8]]


def test_a_sweep_of_populations_comes_to_what_the_engine_says(stores: Home) -> None:
    axes: dict[str, Any] = {
        "timesteps": 12,
        "features": 4,
        "batch_size": 8,
        "max_norm": None,
        "clipnorm": None,
        "updates": 20,
    }
    axes |= {"units": 4, "learning_rate": 300, "activation": "relu"}
    configs = [TrialConfig.model_validate({**axes, "seed": seed}) for seed in range(5)]
    space = SearchSpace.listed(configs, about="", source="")
    swept = sweep(stores, "real", 5, space=space, train=train, population=3)
    assert "3 at a time" in swept.output
    assert_whole_and_equal(stores.folder, "real", trials=5)
    results = run(configs, population=3)
    assert [trial.value for trial in optuna_trials(stores.folder, "real")] == [result.updates for result in results]
    assert {result.outcome.name for result in results} == {"diverged", "survived"}


def test_a_sweep_that_is_stopped_keeps_what_is_finished_and_leaves_nothing_running(stores: Home) -> None:
    training = StopAfter(3)
    swept = sweep(stores, "stopped", 50, train=training, stop=training.stop)
    assert swept.report.interrupted
    assert len(swept.report.table) == 3
    assert {run.info.status for run in trial_runs(stores.tracking_uri, "stopped").values()} == {"FINISHED"}
    states = [trial.state.name for trial in optuna_trials(stores.folder, "stopped")]
    assert states.count("COMPLETE") == 3
    assert set(states) == {"COMPLETE", "WAITING"}


def test_a_sweep_that_was_stopped_goes_on_to_be_one_that_was_not(stores: Home) -> None:
    training = StopAfter(4)
    sweep(stores, "stopped", 9, train=training, stop=training.stop)
    sweep(stores, "stopped", 9)
    sweep(stores, "whole", 9)
    assert_whole_and_equal(stores.folder, "stopped", trials=9)
    stopped, whole = (optuna_trials(stores.folder, name) for name in ("stopped", "whole"))
    assert [(t.params, t.values, t.state) for t in stopped] == [(t.params, t.values, t.state) for t in whole]


def test_a_sweep_that_is_stopped_before_it_began_writes_nothing(stores: Home) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        sweep(stores, "early", 5, stop=stop)
    assert optuna.get_all_study_names(stores.storage_url) == []


def test_fewer_trials_than_before_are_a_finished_sweep_of_those(stores: Home) -> None:
    training = StopAfter(6)
    sweep(stores, "fewer", 60, train=training, stop=training.stop)
    assert not sweep(stores, "fewer", 3).report.interrupted
    sweep(stores, "fewer", 20)
    assert_whole_and_equal(stores.folder, "fewer", trials=20)


def test_more_trials_extend_a_study(stores: Home) -> None:
    sweep(stores, "longer", 3, space="smoke")
    swept = sweep(stores, "longer", 5, space="smoke")
    assert "2 of 5 trials to run" in swept.output
    assert_whole_and_equal(stores.folder, "longer", trials=5)


def test_a_name_used_for_another_space_is_refused(stores: Home) -> None:
    sweep(stores, "taken", 2, space="smoke")
    with pytest.raises(UserError, match="taken: a study of this name was made from another search space or seed"):
        sweep(stores, "taken", 2)
    assert_whole_and_equal(stores.folder, "taken", trials=2)


def test_a_study_that_no_sweep_made_is_left_alone(stores: Home) -> None:
    theirs = optuna.create_study(study_name="theirs", storage=stores.storage_url)
    theirs.ask()
    with pytest.raises(UserError, match="the Optuna store has a study of this name that no sweep made"):
        sweep(stores, "theirs", 2)
    assert [trial.state.name for trial in theirs.trials] == ["RUNNING"]


def test_a_second_sweep_of_a_study_waits_for_the_first(stores: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = exclusive_study(stores.storage_url, "shared")
    first.__enter__()
    # Instead of half a second of waiting, the first sweep ends.
    monkeypatch.setattr("study.sweep.lock.sleep", lambda seconds: first.__exit__(None, None, None))
    swept = sweep(stores, "shared", 3)
    assert swept.output.startswith("another sweep is working on shared; waiting for it to end\n")
    assert_whole_and_equal(stores.folder, "shared", trials=3)


def test_the_sampler_that_is_handed_in_chooses_the_configurations(stores: Home) -> None:
    space = parse("parameters: {units: {low: 1, high: 64}}\ntrials: 3\nupdates: 3")

    def three_sizes(space: SearchSpace, *, seed: int, trials_so_far: int = 0) -> GridSampler:
        return GridSampler(grid=[{"units": 9}, {"units": 8}, {"units": 7}], seed=seed, replicates=1)

    sweep(stores, "grid", 3, space=space, sampler=three_sizes)
    assert sorted(trial.params["units"] for trial in optuna_trials(stores.folder, "grid")) == [7, 8, 9]


def test_a_run_that_somebody_deleted_in_mlflow_is_written_again(stores: Home) -> None:
    sweep(stores, "deleted", 3)
    client = MlflowClient(tracking_uri=stores.tracking_uri)
    client.delete_run(trial_runs(stores.tracking_uri, "deleted")[1].info.run_id)
    sweep(stores, "deleted", 3)
    assert sorted(trial_runs(stores.tracking_uri, "deleted")) == [0, 1, 2]
