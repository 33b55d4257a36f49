"""A diagnosis in MLflow: a run of the unchanged model, and nested in it a run for each training with a remedy.

Every run is written when its training has ended, so that a kill loses none that had, and the same diagnosis takes up
those that are there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from study.tracking.client import (
    DIAGNOSIS_UID,
    FINAL,
    MODEL_FOLDER,
    NOTE,
    STORE_ERRORS,
    Answer,
    client_of,
    how_to_restore,
    in_trash,
    read_artifact,
    reason,
    search_runs,
    shown_uri,
)
from study.tracking.whole_run import WholeRun
from study.tracking.write_run import write_run
from study.trial.errors import UserError

UNCHANGED, REMEDY = "diagnosis", "remedy"
CASE = "case.json"
"""Artifact of the parent run: what was measured of the unchanged model."""
EXPERIMENT_NOTE = """\
Each run is a diagnosis of a model: the model as it is, with what was measured of it. Nested in it are the trainings
with a remedy, one run a seed, with their losses by update.
"""


@dataclass(frozen=True, kw_only=True)
class KeptTraining:
    """One training of a diagnosis, as MLflow has it.

    Attributes:
        loss: Of every update.
        diverged: Whether the event that ends a training happened.
        refused: Why the remedy cannot be made to the model; None where it was run.
    """

    loss: tuple[float, ...]
    diverged: bool
    refused: str | None = None


@dataclass(kw_only=True)
class DiagnosisRuns:
    """Keeps one diagnosis.

    Attributes:
        uri: MLflow tracking URI.
        study: Name of the experiment, which may hold several diagnoses.
        uid: Tells this diagnosis from another: its model, axes and versions.
        artifacts: Where artifacts of a new experiment go; None leaves it to the tracking server.
    """

    uri: str
    study: str
    uid: str
    artifacts: Path | None
    _client: MlflowClient = field(init=False)
    _experiment_id: str = field(init=False, default="")
    _parent: str = field(init=False, default="")

    def open(
        self, *, name: str, tags: Mapping[str, str], params: Mapping[str, str], model: tuple[str, str] | None
    ) -> dict[str, KeptTraining]:
        """Begin the diagnosis, or take up one that was begun.

        Args:
            name: Of the parent run.
            tags: Of the parent run.
            params: The same.
            model: Name and text of the model file, kept as an artifact; None of the minimal example.

        Returns:
            The trainings that are there, by the keys that they were kept under.

        Raises:
            UserError: No answer from the store, or the experiment is another study's or lies in MLflow's trash.
        """
        self._client = client_of(self.uri)
        try:
            self._experiment_id = self._experiment()
            self._parent, known = self._take_up()
            if not self._parent:
                own = {"study.role": UNCHANGED, DIAGNOSIS_UID: self.uid, **tags}
                created = self._client.create_run(self._experiment_id, run_name=name, tags=own)
                self._parent = str(created.info.run_id)
            self._client.update_run(self._parent, status="RUNNING")
            self._client.log_batch(self._parent, params=[Param(key, value) for key, value in params.items()])
            if model is not None:
                self._client.log_text(self._parent, model[1], f"{MODEL_FOLDER}/{model[0]}")
            return known
        except (*STORE_ERRORS, ImportError) as error:
            raise UserError(
                f"the MLflow store {shown_uri(self.uri)} cannot be used ({reason(error)}); "
                "start it, or set MLFLOW_TRACKING_URI to another"
            ) from error

    def case(self) -> str | None:
        """What `keep_case` was given; None before.

        Raises:
            UserError: No answer from the store.
        """
        return self._asked(lambda: read_artifact(self._client, self._parent, CASE, lambda path: path.read_text()))

    def keep_case(self, text: str, training: KeptTraining) -> None:
        """Keep the training of the unchanged model, and what was measured of it.

        Raises:
            UserError: The store did not take it.
        """

        def keep() -> None:
            metrics = _metrics(training, end=_now())
            for first in range(0, len(metrics), 1000):
                self._client.log_batch(self._parent, metrics=metrics[first : first + 1000])
            self._client.log_text(self._parent, text, CASE)

        self._asked(keep)

    def keep(
        self,
        key: str,
        training: KeptTraining,
        *,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, str],
        seconds: float,
    ) -> None:
        """Keep a training with a remedy.

        Args:
            key: Tells it from the other trainings of this diagnosis.
            training: What came of it.
            name: Of its run.
            tags: Of its run.
            params: The same.
            seconds: That it took.

        Raises:
            UserError: The store did not take it.
        """
        end = _now()
        told = {"study.role": REMEDY, "mlflow.parentRunId": self._parent, DIAGNOSIS_UID: self.uid, "training": key}
        if training.refused is not None:
            told["refused"] = training.refused
        if training.loss and not math.isfinite(training.loss[-1]):
            told["loss_at_divergence"] = str(training.loss[-1])
        run = WholeRun(
            experiment_id=self._experiment_id,
            name=name,
            tags={**told, **tags},
            params=params,
            metrics=_metrics(training, end=end),
            start=end - int(1000 * seconds),
            end=end,
            status="FINISHED",
        )
        self._asked(lambda: write_run(self._client, run))

    def close(self, *, name: str, note: str, tags: Mapping[str, str], files: Mapping[str, str], status: str) -> None:
        """End the parent run.

        Args:
            name: Of the run, with the outcome in it.
            note: Markdown shown on the run's page.
            tags: Of the run.
            files: Texts to keep, by name.
            status: `FINISHED` or `KILLED`.

        Raises:
            UserError: The store did not take it.
        """

        def close() -> None:
            self._client.log_batch(
                self._parent, tags=[RunTag(key, value) for key, value in {**tags, NOTE: note}.items()]
            )
            for file, text in files.items():
                self._client.log_text(self._parent, text, file)
            self._client.update_run(self._parent, name=name)
            self._client.set_terminated(self._parent, status=status)

        self._asked(close)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except STORE_ERRORS as error:
            raise UserError(
                f"the MLflow store {shown_uri(self.uri)} does not answer ({reason(error)}); "
                "what it has is kept: run the same command again when it does"
            ) from error

    def _experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self.study)
        if experiment is None:
            location = (self.artifacts / self.study).as_uri() if self.artifacts else None
            tags = {DIAGNOSIS_UID: "", NOTE: EXPERIMENT_NOTE}
            return str(self._client.create_experiment(self.study, artifact_location=location, tags=tags))
        if in_trash(experiment):
            restore = how_to_restore(experiment, uri=self.uri)
            raise UserError(f"--name {self.study}: was deleted in MLflow; {restore}, or choose another name")
        if DIAGNOSIS_UID not in experiment.tags:
            raise UserError(
                f"--name {self.study}: MLflow already has an experiment of this name that is no diagnosis; "
                "choose another name"
            )
        return str(experiment.experiment_id)

    def _take_up(self) -> tuple[str, dict[str, KeptTraining]]:
        parent, known = "", {}
        for run in search_runs(self._client, self._experiment_id, f"tags.`{DIAGNOSIS_UID}` = '{self.uid}'"):
            tags = run.data.tags
            if tags.get("study.role") == UNCHANGED:
                parent = str(run.info.run_id)
            elif run.info.status not in FINAL:
                self._client.delete_run(run.info.run_id)
            else:
                history = self._client.get_metric_history(run.info.run_id, "loss")
                loss = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
                if "loss_at_divergence" in tags:
                    loss.append(float(tags["loss_at_divergence"]))
                known[tags["training"]] = KeptTraining(
                    loss=tuple(loss), diverged=run.data.metrics["diverged"] == 1, refused=tags.get("refused")
                )
        return parent, known


def _metrics(training: KeptTraining, *, end: int) -> list[Metric]:
    """All finite: MLflow stores infinity as 1.8e308, and one NaN can keep its pages from loading."""
    metrics = [Metric("loss", loss, end, step) for step, loss in enumerate(training.loss, 1) if math.isfinite(loss)]
    metrics += [
        Metric("diverged", float(training.diverged), end, 0),
        Metric("updates", float(len(training.loss)), end, 0),
    ]
    if training.diverged:
        metrics.append(Metric("time_to_nan", float(len(training.loss)), end, 0))
    return metrics


def _now() -> int:
    return int(time.time() * 1000)
