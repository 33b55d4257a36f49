"""A sweep whose trials end at an event of its own: journal, MLflow, table, summary and names say which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from study.space.search_space import Choices, SearchSpace
from study.sweep.loop import SweepReport, run_sweep
from study.sweep.options import SweepOptions
from study.sweep.summary import summarise
from study.sweep.workers.inline import InlineWorkers
from study.tracking import read_results, read_trial
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence, LossAbove, divergence_of
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.result import TrialResult
from tests.stores import mlflow_runs, optuna_trials

LOSSES = {
    "tanh": (0.7, 0.6, 0.5, 0.4),
    "relu": (0.7, 12.5, 1e9, 0.7),
    "selu": (0.7, 0.7, math.inf),
}
SPACE = SearchSpace(
    about="", fixed={}, parameters={"activation": Choices(values=tuple(LOSSES))}, updates=4, trials=3, sampler="grid"
)


def made_up(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
    """Trials of known losses, ended as a trial ends."""
    event = divergence_of(divergence)
    results = []
    for config in map(TrialConfig.model_validate_json, configs):
        losses = LOSSES[config.activation]
        end = next((n for n, loss in enumerate(losses, start=1) if event.happened(loss)), len(losses))
        result = TrialResult(
            config=config, loss=losses[:end], engine=engine, device="CPU", seconds=0.1, divergence=event
        )
        results.append(result.to_json())
    return results


def swept(divergence: Divergence, *, name: str = "mine") -> tuple[SweepReport, str]:
    """The report of a sweep, and what it printed."""
    console = Console(file=StringIO(), width=200)
    space, home = replace(SPACE, divergence=divergence), Home.find()
    workers = InlineWorkers(train=made_up)
    report = run_sweep(space, SweepOptions(name=name), home=home, console=console, workers=lambda at_most: workers)
    summarise(report, name=name, space=space, home=home, console=console)
    return report, console.file.getvalue()  # type: ignore[attr-defined]


def test_a_study_says_everywhere_at_which_event_its_trials_end(home: Path) -> None:
    event = LossAbove(10)
    report, printed = swept(event)
    table = report.table.set_index("activation")
    assert table["outcome"].to_dict() == {"tanh": "survived", "relu": "diverged", "selu": "diverged"}
    assert table["time_to_nan"].dropna().to_dict() == {"relu": 2, "selu": 3}
    assert set(table["divergence"]) == {"loss_above=10"}
    assert not table["exploded"].any()
    assert table["loss_at_divergence"].dropna().to_dict() == {"relu": "12.5", "selu": "plus infinity"}
    assert "soonest, median: time to a loss above 10 in updates" in printed
    runs = {
        run.data.params.get("activation", "sweep"): run for run in mlflow_runs(f"sqlite:///{home}/mlflow.db", "mine")
    }
    assert [runs[name].info.run_name.split(":")[0][5:] for name in LOSSES] == [
        "survived 4",
        "loss above 10 at 2",
        "loss above 10 at 3",
    ]
    assert {run.data.tags["divergence"] for name, run in runs.items() if name != "sweep"} == {"loss_above=10"}
    assert runs["sweep"].data.params["divergence"] == "loss_above=10"
    assert "had a loss above 10" in runs["sweep"].data.tags["mlflow.note.content"]
    for activation, row in table.iterrows():
        read = read_trial(str(row["run_id"]), uri=f"sqlite:///{home}/mlflow.db")
        assert read.divergence == event
        assert read.loss == LOSSES[str(activation)][: row["updates"]]


def test_a_survivor_whose_loss_exploded_is_named_and_counted_as_such(home: Path) -> None:
    report, printed = swept(NONFINITE)
    assert report.table.set_index("activation")["exploded"].to_dict() == {"tanh": False, "relu": True, "selu": False}
    assert "1 diverged, 2 survived (1 exploded)" in printed
    (row,) = [line.split() for line in printed.splitlines() if line.split()[:1] == ["relu"]]
    assert row == ["relu", "1", "0", "(0%)", ">4", "1", "1", "0"]
    assert "exploded: of those that survived, with a loss above 10 at some update" in printed
    runs = {
        run.data.params.get("activation", "sweep"): run for run in mlflow_runs(f"sqlite:///{home}/mlflow.db", "mine")
    }
    assert "survived 4, exploded: relu" in runs["relu"].info.run_name
    assert [runs[name].data.tags["exploded"] for name in LOSSES] == ["false", "true", "false"]
    assert "Survived its budget of 4 updates, but its loss exploded" in runs["relu"].data.tags["mlflow.note.content"]
    assert runs["sweep"].data.metrics["trials_exploded"] == 1
    assert (
        "2 survived their budget of 4 updates (1 of them with a loss that exploded)"
        in (runs["sweep"].data.tags["mlflow.note.content"])
    )
    assert optuna_trials(home, "mine")[1].user_attrs["outcome"] == "survived"


def test_a_study_goes_on_with_its_own_event_only(home: Path) -> None:
    swept(LossAbove(10))
    report, _ = swept(LossAbove(10))
    assert len(report.table) == 3
    with pytest.raises(UserError, match="made from another search space or seed"):
        swept(NONFINITE)


def test_runs_of_an_earlier_version_are_read_as_what_they_were(home: Path) -> None:
    """They had no tag of the event, since there was one only, and none of an explosion."""
    import sqlite3

    swept(NONFINITE)
    with sqlite3.connect(home / "mlflow.db") as store:
        store.execute("DELETE FROM tags WHERE key IN ('divergence', 'exploded')")
    table = read_results(uri=f"sqlite:///{home}/mlflow.db", study="mine").set_index("activation")
    assert set(table["divergence"]) == {"nonfinite"}
    # The trials have no timeline, as those of the reference engine, so that nothing tells of the explosion.
    assert not table["exploded"].any()
    assert read_trial(str(table.loc["selu", "run_id"]), uri=f"sqlite:///{home}/mlflow.db").loss == LOSSES["selu"]
