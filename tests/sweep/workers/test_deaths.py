"""Worker processes that die, and what the trials come to that they held."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from distributed import LocalCluster

from study.engine import GPU_POPULATION
from study.sweep.workers import dask
from study.sweep.workers.base import TrialFailed
from study.sweep.workers.dask import LIVES, DaskWorkers
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE
from study.trial.home import Home
from study.trial.result import TrialResult
from tests.stores import assert_whole_and_equal, optuna_trials
from tests.sweep.in_process import sweep
from tests.sweep.made_up import made_up, result_of, seeds_of
from tests.sweep.workers.test_processes import worker_processes

KILLS_ONCE, KILLS_ALWAYS, RAISES = 101, 102, 103
"""Seeds of trials that end their process, the first time or every time, or raise."""

Outcomes = dict[int, TrialResult | TrialFailed]


def dying(configs: Sequence[str], engine: str, population: int | None, divergence: str, *, folder: str) -> list[str]:
    """Made-up trials, some of which end their process; `handed-out` of the folder gets a line for every task."""
    seeds = seeds_of(configs)
    with (Path(folder) / "handed-out").open("a") as file:
        file.write(f"{len(configs)} {population}\n")
    for seed in seeds:
        mark = Path(folder) / str(seed)
        if seed == KILLS_ALWAYS or (seed == KILLS_ONCE and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if seed == RAISES:
            raise MemoryError("too large a model")
    return made_up(configs, engine, population, divergence)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def workers(folder: Path) -> Iterator[DaskWorkers]:
    with DaskWorkers(count=2, population=4, train=partial(dying, folder=str(folder))) as workers:
        yield workers


def outcomes(workers: DaskWorkers, *tasks: Sequence[int]) -> Outcomes:
    """What trials of these seeds come to, by seed, handed in together as told; their number is their seed."""
    left, collected = list(tasks), {}
    deadline = time.monotonic() + 120
    while (left or workers.busy) and time.monotonic() < deadline:
        while left and workers.free is not None:
            trials = [(seed, TrialConfig(seed=seed, updates=3)) for seed in left.pop(0)]
            workers.submit(trials, engine="compiled", divergence=NONFINITE)
        if (outcome := workers.collect(timeout=0.1)) is not None:
            collected[outcome[0]] = outcome[1]
    return collected


def assert_finished(outcome: TrialResult | TrialFailed, *, seed: int) -> None:
    assert isinstance(outcome, TrialResult)
    assert outcome.to_json() == result_of(TrialConfig(seed=seed, updates=3)).to_json()


def handed_out(folder: Path) -> list[tuple[int, str]]:
    """Of every task that a worker began: how many trials, and the population."""
    lines = [line.split() for line in (folder / "handed-out").read_text().splitlines()]
    return [(int(trials), population) for trials, population in lines]


def test_a_trial_has_three_lives_and_its_neighbours_lose_none(workers: DaskWorkers, folder: Path) -> None:
    found = outcomes(workers, [0], [KILLS_ONCE], [1], [KILLS_ALWAYS], [2], [RAISES], [3])
    for seed in (0, 1, 2, 3, KILLS_ONCE):
        assert_finished(found[seed], seed=seed)
    assert str(found[KILLS_ALWAYS]) == "its worker process died 3 times, for example for want of memory"
    assert str(found[RAISES]) == "MemoryError: too large a model"
    # A task for each life: one of the plain ones and of the one that raises, two and three of those that kill.
    assert handed_out(folder) == [(1, "4")] * (5 + 2 + LIVES)


def test_trials_handed_out_together_fail_alone(workers: DaskWorkers, folder: Path) -> None:
    found = outcomes(workers, [0, 1, RAISES, 2], [3, KILLS_ALWAYS, 4], [5, 6, 7, 8])
    for seed in range(9):
        assert_finished(found[seed], seed=seed)
    assert str(found[RAISES]) == "MemoryError: too large a model"
    assert str(found[KILLS_ALWAYS]) == "its worker process died 3 times, for example for want of memory"
    # After their task came to nothing trials go alone, in a program of the same population, with all their lives.
    tasks = handed_out(folder)
    assert {population for _, population in tasks} == {"4"}
    assert [trials for trials, _ in tasks].count(4) == 2
    assert [trials for trials, _ in tasks].count(1) == 4 + 2 + LIVES


def test_a_sweep_goes_on_when_a_trial_and_somebody_else_kill_its_workers(stores: Home, tmp_path: Path) -> None:
    killed: list[int] = []

    class Attacked(DaskWorkers):
        """Loses a process from outside, once three trials are there."""

        def collect(self, *, timeout: float) -> tuple[int, TrialResult | TrialFailed] | None:
            collected = super().collect(timeout=timeout)
            # One that has just died is no longer there to be killed.
            if collected is not None and collected[0] >= 3 and not killed and (processes := worker_processes()):
                processes[-1].kill()
                killed.append(processes[-1].pid)
            return collected

    train = partial(made_up, mode="once", folder=str(tmp_path))
    sweep(stores, "attacked", 12, workers=lambda at_most: Attacked(count=2, train=train))
    assert killed
    assert_whole_and_equal(stores.folder, "attacked", trials=12)
    assert {trial.state.name for trial in optuna_trials(stores.folder, "attacked")} == {"COMPLETE"}


def test_on_gpus_the_engine_chooses_the_population_unless_it_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "visible_gpus", lambda: ("0",))
    for population, together in ((None, GPU_POPULATION), (2, 2)):
        with DaskWorkers(population=population, train=partial(dying, folder=str(folder))) as workers:
            assert (workers.device, workers.count, workers.together) == ("1 GPU", 1, together)
            found = outcomes(workers, [0, 1, 2])
            assert sorted(found) == [0, 1, 2]
            assert (workers.busy, workers.free) == (0, 0)
    assert handed_out(folder) == [(3, "None"), (3, "2")]


def test_two_sweeps_on_one_cluster_get_their_own_results(folder: Path) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        address = cluster.scheduler_address
        with DaskWorkers(scheduler=address, train=made_up) as one, DaskWorkers(scheduler=address, train=made_up) as two:
            for workers, updates in ((one, 3), (two, 5)):
                for number in range(2):
                    trial = (number, TrialConfig(seed=number, updates=updates))
                    workers.submit([trial], engine="compiled", divergence=NONFINITE)
            for workers, updates in ((two, 5), (one, 3)):
                collected = dict(filter(None, (workers.collect(timeout=60) for _ in range(2))))
                assert sorted(collected) == [0, 1]
                for number, outcome in collected.items():
                    assert isinstance(outcome, TrialResult)
                    assert outcome.config == TrialConfig(seed=number, updates=updates)
