"""Failed trials that are tried again: whatever is killed in between, each is there once."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from study.space.search_space import Choices, SearchSpace
from study.sweep.ledger import Ledger
from study.sweep.loop import run_sweep
from study.sweep.options import SweepOptions
from study.sweep.summary import summarise
from study.sweep.workers.base import Train
from study.sweep.workers.inline import InlineWorkers
from study.tracking import Tracker
from study.trial.config import TrialConfig
from study.trial.home import Home
from study.trial.result import TrialResult
from tests.stores import assert_whole_and_equal, optuna_trials

VARIED = SearchSpace(
    about="", fixed={}, parameters={"units": Choices(values=(2, 4, 8, 16))}, updates=3, trials=4, sampler="grid"
)
LISTED = SearchSpace.listed([TrialConfig(units=units, updates=3) for units in (2, 4, 8, 16)], about="", source="")
SPACES = {"varied": VARIED, "listed": LISTED}


class Killed(BaseException):
    """Stands for a kill."""


def machine(*, memory: int) -> Train:
    """What trains as many units as there is memory for."""

    def train(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        results = []
        for config in map(TrialConfig.model_validate_json, configs):
            if config.units > memory:
                raise MemoryError(f"{config.units} units")
            about: dict[str, Any] = {"engine": engine, "device": "CPU", "seconds": 0.1}
            results.append(TrialResult(config=config, loss=(0.5,) * config.updates, **about).to_json())
        return results

    return train


def sweep(space: SearchSpace, *, memory: int, retry_failed: bool = False) -> str:
    """Run the study to its end; what it printed."""
    console = Console(file=StringIO(), width=200)
    home, workers = Home.find(), InlineWorkers(train=machine(memory=memory))
    options = SweepOptions(name="s", retry_failed=retry_failed)
    report = run_sweep(space, options, home=home, console=console, workers=lambda at_most: workers)
    summarise(report, name="s", space=space, home=home, console=console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def states(home: Path) -> list[str]:
    """Of the trials, sorted: a grid begins anywhere."""
    return sorted(trial.state.name for trial in optuna_trials(home, "s"))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_trials_that_failed_are_tried_again_when_that_is_asked_for(home: Path, space: SearchSpace) -> None:
    assert "2 failed: the same command with --retry-failed tries them again" in sweep(space, memory=4)
    assert states(home) == ["COMPLETE", "COMPLETE", "FAIL", "FAIL"]
    sweep(space, memory=16)
    assert states(home) == ["COMPLETE", "COMPLETE", "FAIL", "FAIL"]
    before = optuna_trials(home, "s")

    printed = sweep(space, memory=8, retry_failed=True)
    assert "2 trials that failed will be tried again" in printed
    assert states(home) == ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL"]
    assert_whole_and_equal(home, "s", trials=4)
    assert "1 trial that failed will be tried again" in sweep(space, memory=16, retry_failed=True)
    assert states(home) == ["COMPLETE"] * 4
    assert_whole_and_equal(home, "s", trials=4)
    after = optuna_trials(home, "s")
    assert [trial.params for trial in after] == [trial.params for trial in before]
    assert [trial.user_attrs["seed"] for trial in after] == [trial.user_attrs["seed"] for trial in before]
    assert not any("failure" in trial.user_attrs for trial in after)
    assert "that failed" not in sweep(space, memory=16, retry_failed=True)


def test_what_was_not_asked_for_is_not_tried_again(home: Path) -> None:
    sweep(VARIED, memory=1)
    smaller = SearchSpace(about="", fixed={}, parameters=VARIED.parameters, updates=3, trials=3, sampler="grid")
    sweep(smaller, memory=16, retry_failed=True)
    assert [trial.state.name for trial in optuna_trials(home, "s")] == ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL"]


KILLS = {
    "before the trials are opened": (Ledger, "reopen", 0),
    "before the first run is deleted": (Tracker, "delete_trial", 0),
    "before the second run is deleted": (Tracker, "delete_trial", 1),
    "between the next journal and its run": (Tracker, "log_trial", 2),
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_a_kill_while_failed_trials_are_taken_up_again_loses_and_doubles_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, kill: tuple[type, str, int]
) -> None:
    sweep(VARIED, memory=4)
    owner, method, after = kill
    original, calls = getattr(owner, method), []

    def killed(self: object, *arguments: object, **named: object) -> object:
        calls.append(arguments)
        if len(calls) > after:
            raise Killed
        return original(self, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(owner, method, killed)
        with pytest.raises(Killed):
            sweep(VARIED, memory=16, retry_failed=True)
    sweep(VARIED, memory=16)
    assert_whole_and_equal(home, "s", trials=4)
    assert states(home) == ["COMPLETE"] * 2 + ["FAIL" if method == "reopen" else "COMPLETE"] * 2
