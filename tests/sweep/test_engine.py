from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from study.space.search_space import Choices, SearchSpace
from study.sweep.loop import run_sweep
from study.sweep.options import SweepOptions
from study.sweep.workers.inline import InlineWorkers
from study.trial.config import TrialConfig
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.result import TrialResult
from tests.stores import mlflow_runs, optuna_trials

SPACE = SearchSpace(
    about="", fixed={}, parameters={"units": Choices(values=(2, 4))}, updates=3, trials=2, sampler="grid"
)


def made_up(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
    parsed = map(TrialConfig.model_validate_json, configs)
    about: dict[str, Any] = {"engine": engine, "device": "CPU", "seconds": 0.1}
    return [TrialResult(config=config, loss=(0.5,) * config.updates, **about).to_json() for config in parsed]


def sweep(engine: str, *, name: str = "s") -> None:
    run_sweep(
        SPACE,
        SweepOptions(name=name, engine=engine),
        home=Home.find(),
        console=Console(file=StringIO()),
        workers=lambda at_most: InlineWorkers(train=made_up),
    )


def test_a_study_goes_on_with_the_engine_that_it_was_begun_with_and_no_other(home: Path) -> None:
    sweep("compiled")
    before = optuna_trials(home, "s")
    with pytest.raises(UserError) as refused:
        sweep("reference")
    assert str(refused.value) == (
        "--name s: this study was begun with the compiled engine, not with the reference engine; "
        "go on with --engine compiled, or give this one another name"
    )
    assert optuna_trials(home, "s") == before
    runs = mlflow_runs(f"sqlite:///{home}/mlflow.db", "s")
    assert {run.info.status for run in runs} == {"FINISHED"}
    sweep("compiled")
    sweep("reference", name="other")
    assert {run.data.tags.get("engine") for run in mlflow_runs(f"sqlite:///{home}/mlflow.db", "other")} == {
        "reference",
        None,
    }
