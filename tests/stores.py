"""Looks into the two stores of a study with Optuna's and MLflow's own clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient

from study.sweep.ledger import JOURNAL
from study.trial.home import LOCK_SECONDS, Home
from study.trial.store_urls import sqlite_url


def home_in(folder: Path) -> Home:
    """The home that STUDY_HOME would name."""
    optuna_file, mlflow_file = folder / "optuna.db", folder / "mlflow.db"
    return Home(
        folder=folder,
        storage_url=sqlite_url(optuna_file, timeout=LOCK_SECONDS),
        tracking_uri=sqlite_url(mlflow_file, timeout=LOCK_SECONDS),
    )


def optuna_trials(home: Path, name: str) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.RDBStorage(sqlite_url(home / "optuna.db"))
    try:
        return optuna.load_study(study_name=name, storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()


def mlflow_runs(uri: str, name: str) -> list[Run]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], "", ViewType.ACTIVE_ONLY, max_results=5000))


def trial_runs(uri: str, name: str) -> dict[int, Run]:
    """The runs of a study's trials, by trial number; no number has two."""
    runs = [run for run in mlflow_runs(uri, name) if "mlflow.parentRunId" in run.data.tags]
    numbered = {int(run.data.tags["trial_number"]): run for run in runs}
    assert len(numbered) == len(runs)
    return numbered


def assert_whole_and_equal(home: Path, name: str, *, trials: int, uri: str | None = None) -> None:
    """Exactly these trials, each once in Optuna and once in MLflow, finished, with equal values."""
    uri = uri or sqlite_url(home / "mlflow.db")
    # A killed sweep that was asked for more trials may have left more of them in the queue.
    waiting = optuna.trial.TrialState.WAITING
    told = [trial for trial in optuna_trials(home, name) if trial.number < trials or trial.state != waiting]
    assert [trial.number for trial in told] == list(range(trials))
    runs = mlflow_runs(uri, name)
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.status for run in parents] == ["FINISHED"]
    nested = trial_runs(uri, name)
    assert len(runs) == trials + 1
    assert sorted(nested) == list(range(trials))
    client = MlflowClient(tracking_uri=uri)
    for trial in told:
        run = nested[trial.number]
        assert run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
        assert trial.user_attrs["mlflow_run_id"] == run.info.run_id
        assert trial.user_attrs["outcome"] == run.data.tags["outcome"]
        if trial.state == optuna.trial.TrialState.FAIL:
            assert run.info.status == "FAILED"
            continue
        assert trial.state == optuna.trial.TrialState.COMPLETE
        assert trial.value is not None
        assert run.info.status == "FINISHED"
        assert run.data.metrics["updates"] == trial.value
        assert run.data.metrics.get("time_to_nan") == (trial.value if run.data.metrics["diverged"] else None)
        for axis, value in trial.params.items():
            assert run.data.params[axis] == _text(value)
        losses = client.get_metric_history(run.info.run_id, "loss")
        finite = int(trial.value) - int(run.data.metrics["diverged"])
        assert sorted(metric.step for metric in losses) == list(range(1, finite + 1))


def told(home: Home, name: str) -> dict[str, Any]:
    """Everything that both stores say of a study, but for ids, times and the command."""
    client = MlflowClient(tracking_uri=home.tracking_uri)
    runs: dict[str, Any] = {}
    for run in mlflow_runs(home.tracking_uri, name):
        key = run.data.tags.get("trial_number", "the sweep")
        assert key not in runs
        history = {
            name: sorted((metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name))
            for name in run.data.metrics
        }
        runs[key] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "params": run.data.params,
            "tags": {k: v for k, v in run.data.tags.items() if k not in ("mlflow.parentRunId", "command")},
            # The counts of a study are told anew each time a sweep of it ends.
            "metrics": run.data.metrics if key == "the sweep" else history,
            "files": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
        }
    trials = [
        {
            "number": trial.number,
            "state": trial.state.name,
            "params": trial.params,
            "values": trial.values,
            "attributes": {key: value for key, value in trial.user_attrs.items() if key != "mlflow_run_id"},
            "journal": {k: v for k, v in trial.system_attrs.get(JOURNAL, {}).items() if k != "end_time"},
        }
        for trial in optuna_trials(home.folder, name)
    ]
    return {"runs": runs, "trials": trials}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
