"""Writes a study to MLflow, so that a kill, an outage or a lost answer leaves no run half written or twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.tracking import MlflowClient

from study.tracking.client import (
    AXES_FILE,
    FINAL,
    MODEL_FOLDER,
    MODEL_PATH,
    NOTE,
    STORE_ERRORS,
    SWEEP,
    SWEEP_RUNS,
    TRIAL,
    TRIAL_RUNS,
    client_of,
    experiment_of,
    how_to_restore,
    in_trash,
    may_pass,
    reason,
    search_runs,
    shown_uri,
)
from study.tracking.patience import Patience, Waiting
from study.tracking.private_mlflow import KIND
from study.tracking.reader import KeptFile, table_of
from study.tracking.trial_run import EXPERIMENT_NOTE, run_name, trial_metrics, trial_tags
from study.tracking.views import view_tag
from study.tracking.whole_run import WholeRun
from study.tracking.write_run import write_run
from study.trial.axes import Axes
from study.trial.errors import UserError
from study.trial.outcome import OUTCOMES
from study.trial.record import Record

if TYPE_CHECKING:
    import pandas as pd


class Tracker:
    """Writes one study to MLflow and reads it back.

    Args:
        uri: MLflow tracking URI.
        study: The study's name, and so the experiment's.
        artifacts: Where artifacts of a new experiment go; None leaves it to the tracking server.
        waiting: How to wait for a server that went away.
    """

    def __init__(self, *, uri: str, study: str, artifacts: Path | None = None, waiting: Waiting | None = None) -> None:
        self._client = client_of(uri)
        self._uri = uri
        self._study = study
        self._artifacts = artifacts
        self._patience = Patience(
            f"the MLflow store {shown_uri(uri)}",
            errors=STORE_ERRORS,
            may_pass=may_pass,
            reason=reason,
            waiting=waiting or Waiting(),
        )
        self._axes = Axes(())
        self._experiment_id = ""
        self._sweep_id = ""
        self._written: dict[int, str] = {}

    def open(
        self,
        *,
        uid: str,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        axes: Axes,
        varied: Iterable[str],
        space_yaml: str,
        model: KeptFile | None = None,
    ) -> None:
        """Create the experiment and the parent run, or take up those of an earlier, interrupted sweep.

        Half-written runs are removed. A server that does not answer now is not waited for.

        Args:
            uid: What tells this study from another of its name.
            tags: Tags of the parent run; those of an earlier sweep are overwritten.
            params: Params of the parent run.
            axes: Of the study, kept as an artifact.
            varied: Those that vary, shown as columns in the saved view of the run list.
            space_yaml: The search space, kept as an artifact.
            model: The model file of the study, kept as an artifact.

        Raises:
            UserError: No answer, or the experiment belongs to another study or lies in MLflow's trash.
        """
        try:
            self._axes = axes
            self._experiment_id = self._find_or_create_experiment(uid, varied)
            self._take_up_runs()
            if not self._sweep_id:
                run = self._client.create_run(
                    self._experiment_id, run_name=f"sweep {self._study}", tags=_run_tags(SWEEP, tags)
                )
                self._sweep_id = str(run.info.run_id)
            else:
                self._client.update_run(self._sweep_id, status="RUNNING")
                for key, value in tags.items():
                    self._client.set_tag(self._sweep_id, key, value)
            self._client.log_batch(self._sweep_id, params=[Param(key, value) for key, value in params.items()])
            self._client.log_text(self._sweep_id, space_yaml, "search_space.yaml")
            self._client.log_text(self._sweep_id, axes.to_json(), AXES_FILE)
            if model is not None:
                self._client.log_text(self._sweep_id, model.text, f"{MODEL_FOLDER}/{model.name}")
                self._client.set_tag(self._sweep_id, MODEL_PATH, model.path)
        except (*STORE_ERRORS, ImportError) as error:
            raise UserError(
                f"the MLflow store {shown_uri(self._uri)} cannot be used ({reason(error)}); "
                "start it, or set MLFLOW_TRACKING_URI to another"
            ) from error

    def abandon(self) -> None:
        """Mark the parent run as killed if that can be done at once; what cannot be, the next sweep takes up."""
        with contextlib.suppress(Exception):
            if self._sweep_id:
                self._client.set_terminated(self._sweep_id, status="KILLED")

    @property
    def written(self) -> Mapping[int, str]:
        """Run ids of the trials that MLflow holds completely, by trial number."""
        return self._written

    @property
    def experiment_id(self) -> str:
        return self._experiment_id

    def log_trial(self, record: Record) -> str:
        """Write a finished trial as a nested run, once: a run that is already there is left as it is.

        Returns:
            The run's id.

        Raises:
            UserError: The server went away and did not come back in time. The trial can be written later.
        """
        if record.number not in self._written:
            self._written[record.number] = self._patience.wait_out(
                lambda: self._write_trial(record), again=lambda: self._find_or_write_trial(record)
            )
        return self._written[record.number]

    def delete_trial(self, number: int) -> None:
        """Delete the run of a trial, if there is one; MLflow keeps it in its trash.

        Raises:
            UserError: As of `log_trial`.
        """
        self._patience.wait_out(lambda: self._delete_runs(number))
        self._written.pop(number, None)

    def has_artifact(self, run_id: str, name: str) -> bool:
        """Whether a trial's run has an artifact already."""
        return self._patience.wait_out(lambda: name in {file.path for file in self._client.list_artifacts(run_id)})

    def keep_artifact(self, run_id: str, name: str, text: str, *, tags: Mapping[str, str]) -> None:
        """Keep a text in a trial's run, and tags with it."""
        self._patience.wait_out(lambda: _keep(self._client, run_id, name, text, tags=tags))

    def close(self, *, status: str, table: pd.DataFrame, note: str) -> None:
        """End the parent run with counts, the results table and a description.

        Args:
            status: `FINISHED` or `KILLED`.
            table: The results table.
            note: Markdown shown on the run's page.
        """
        self._patience.wait_out(lambda: self._write_close(status, table, note))

    def _write_close(self, status: str, table: pd.DataFrame, note: str) -> None:
        now = _milliseconds(time.time())
        counts = {outcome: int((table["outcome"] == outcome).sum()) for outcome in OUTCOMES}
        counts["exploded"] = int(table["exploded"].sum())
        metrics = [Metric(f"trials_{name}", float(count), now, 0) for name, count in counts.items()]
        self._client.log_batch(self._sweep_id, metrics=metrics, tags=[RunTag(NOTE, note)])
        with TemporaryDirectory() as folder:
            for ending, write in (("csv", table.to_csv), ("parquet", table.to_parquet)):
                path = Path(folder) / f"results.{ending}"
                write(path, index=False)
                self._client.log_artifact(self._sweep_id, str(path))
        self._client.set_terminated(self._sweep_id, status=status, end_time=now)

    def _find_or_create_experiment(self, uid: str, varied: Iterable[str]) -> str:
        experiment = self._client.get_experiment_by_name(self._study)
        if experiment is None:
            location = (self._artifacts / self._study).as_uri() if self._artifacts else None
            tags = {
                "study.uid": uid,
                NOTE: EXPERIMENT_NOTE,
                **KIND,
                **view_tag(list(varied), created=_milliseconds(time.time())),
            }
            experiment_id: str = self._client.create_experiment(self._study, artifact_location=location, tags=tags)
            return experiment_id
        if in_trash(experiment):
            restore = how_to_restore(experiment, uri=self._uri)
            raise UserError(f"--name {self._study}: was deleted in MLflow; {restore}, or choose another name")
        if experiment.tags.get("study.uid") != uid:
            raise UserError(
                f"--name {self._study}: MLflow already has an experiment of this name that is not of this "
                "Optuna study; choose another name"
            )
        return str(experiment.experiment_id)

    def _take_up_runs(self) -> None:
        for run in self._runs():
            if run.data.tags.get("study.role") == SWEEP:
                self._sweep_id = run.info.run_id
            elif run.data.tags.get("study.role") != TRIAL:
                continue
            elif run.info.status in FINAL:
                self._written[int(run.data.tags["trial_number"])] = run.info.run_id
            else:
                self._client.delete_run(run.info.run_id)

    def _find_or_write_trial(self, record: Record) -> str:
        # An answer may have been lost on the way back: what was asked for may be there, wholly or in part.
        for run in self._runs(f"tags.trial_number = '{record.number}'"):
            if run.info.status in FINAL:
                return str(run.info.run_id)
            self._client.delete_run(run.info.run_id)
        return self._write_trial(record)

    def _delete_runs(self, number: int) -> None:
        for run in self._runs(f"tags.trial_number = '{number}'"):
            self._client.delete_run(run.info.run_id)

    def _write_trial(self, record: Record) -> str:
        result = record.result
        seconds = result.seconds if result else 0.0
        start, end = _milliseconds(record.end_time - seconds), _milliseconds(record.end_time)
        return write_run(
            self._client,
            WholeRun(
                experiment_id=self._experiment_id,
                name=run_name(record),
                tags=_run_tags(TRIAL, trial_tags(record), parent=self._sweep_id),
                params=record.config.params(),
                metrics=list(trial_metrics(result, start=start, end=end)) if result else [],
                start=start,
                end=end,
                status="FINISHED" if result else "FAILED",
            ),
        )

    def _runs(self, query: str = "") -> list[Run]:
        return list(search_runs(self._client, self._experiment_id, query))

    def table(self) -> pd.DataFrame:
        """The results table of the study, as `read_results` gives it."""
        return self._patience.wait_out(lambda: table_of(self._runs(TRIAL_RUNS), axes=self._axes))


def keep_artifact(
    run_id: str, name: str, text: str, *, uri: str, tags: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Keep a text in a trial's run, in place of an earlier one, and tags with it.

    Raises:
        UserError: The store refused, or did not answer.
    """
    try:
        _keep(client_of(uri), run_id, name, text, tags=tags)
    except STORE_ERRORS as error:
        raise UserError(
            f"the MLflow store {shown_uri(uri)} did not take {name} for run {run_id} ({reason(error)})"
        ) from error


def _keep(client: MlflowClient, run_id: str, name: str, text: str, *, tags: Mapping[str, str]) -> None:
    client.log_text(run_id, text, name)
    if tags:
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def attach(*, uri: str, study: str, folder: Path, tags: Mapping[str, str]) -> None:
    """Keep the files of a folder as artifacts of a study's parent run, and tags with it.

    Raises:
        UserError: No such study, or no answer from the store.
    """
    client = client_of(uri)
    try:
        experiment = experiment_of(client, study, uri=uri)
        runs = list(search_runs(client, experiment.experiment_id, SWEEP_RUNS))
        if not runs:
            raise UserError(f"{study}: its parent run was deleted in MLflow; restore it on the experiment's page there")
        client.log_artifacts(runs[0].info.run_id, str(folder))
        client.log_batch(runs[0].info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    except STORE_ERRORS as error:
        raise UserError(f"the MLflow store {shown_uri(uri)} cannot be used ({reason(error)})") from error


def _run_tags(role: str, tags: Mapping[str, str], *, parent: str | None = None) -> dict[str, str]:
    return {"study.role": role, **tags} | ({"mlflow.parentRunId": parent} if parent else {})


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
