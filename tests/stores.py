"""Looks into the two stores of a study with Optuna's and MLflow's own clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient


def optuna_trials(home: Path, name: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{home}/optuna.db").trials


def mlflow_runs(uri: str, name: str) -> list[Run]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    return list(client.search_runs([experiment.experiment_id], "", ViewType.ACTIVE_ONLY, max_results=5000))


def assert_whole_and_equal(home: Path, name: str, *, trials: int, uri: str | None = None) -> None:
    """Exactly these trials, each once in Optuna and once in MLflow, finished, with equal values."""
    uri = uri or f"sqlite:///{home}/mlflow.db"
    # A killed sweep that was asked for more trials may have left more of them in the queue.
    waiting = optuna.trial.TrialState.WAITING
    told = [trial for trial in optuna_trials(home, name) if trial.number < trials or trial.state != waiting]
    assert [trial.number for trial in told] == list(range(trials))
    runs = mlflow_runs(uri, name)
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.status for run in parents] == ["FINISHED"]
    nested = {int(run.data.tags["trial_number"]): run for run in runs if "mlflow.parentRunId" in run.data.tags}
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
        assert run.info.status == "FINISHED"
        assert run.data.metrics["updates"] == trial.value
        assert run.data.metrics.get("time_to_nan") == (trial.value if run.data.metrics["diverged"] else None)
        for axis, value in trial.params.items():
            assert run.data.params[axis] == _text(value)
        losses = client.get_metric_history(run.info.run_id, "loss")
        finite = int(trial.value) - int(run.data.metrics["diverged"])
        assert sorted(metric.step for metric in losses) == list(range(1, finite + 1))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
