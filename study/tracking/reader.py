"""Reads studies, sweeps and trials back from MLflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from study.tracking.client import (
    ANATOMY,
    AXES_FILE,
    CAUSE,
    FINAL,
    MODEL_FOLDER,
    MODEL_PATH,
    SWEEP_RUNS,
    TRIAL,
    TRIAL_RUNS,
    VERDICT_TABLES,
    VERSION,
    client_of,
    experiment_of,
    read_artifact,
    reading,
    reason,
    search_runs,
    shown_uri,
)
from study.trial.axes import NONE, OF_TABLE, Axes, Axis, as_text
from study.trial.config import EXAMPLE
from study.trial.design import Design
from study.trial.divergence import NONFINITE, divergence_of
from study.trial.errors import UserError
from study.trial.growth import FIGURES
from study.trial.model_design import ModelDesign
from study.trial.onset import ONSET_NUMBERS, ONSET_TEXTS
from study.trial.result import TrialResult
from study.trial.timeline import LOSS_EXCEEDED, TIMELINE, timeline_column
from study.trial.words import number_words

if TYPE_CHECKING:
    import pandas as pd


def read_results(*, uri: str, study: str) -> pd.DataFrame:
    """The results table of a study: one row a trial, by trial number.

    Its columns are those of `study.analysis.table.COLUMNS`, which `study.analysis.table.as_results` gives their types.

    Raises:
        UserError: No such study, it is in MLflow's trash, or no answer from the store.
    """
    client = client_of(uri)
    with reading(uri):
        experiment = experiment_of(client, study, uri=uri)
        axes = read_axes(client, experiment.experiment_id)
        return table_of(search_runs(client, experiment.experiment_id, TRIAL_RUNS), axes=axes)


def table_of(runs: Iterable[Run], *, axes: Axes) -> pd.DataFrame:
    """The results table of these runs of a study with these axes, as `read_results` describes it."""
    import pandas as pd

    outcome = ("trial_number", "outcome", "time_to_nan", "updates", "divergence", "exploded", "wall_seconds")
    about = ("engine", "device", "loss_at_divergence", "failure", "run_id")
    numbers = [timeline_column(event) for event in TIMELINE] + [f"onset_{name}" for name in ONSET_NUMBERS]
    texts = [f"onset_{name}" for name in ONSET_TEXTS]
    rows = [_row(run, axes, metrics=[*numbers, *FIGURES], tags=texts) for run in runs if run.info.status in FINAL]
    table = pd.DataFrame(rows, columns=[*outcome, *axes.columns, *numbers, *texts, *FIGURES, *about])
    for name, axis in axes.columns.items():
        if axis.optional:
            table[name] = table[name].where(table[name] != NONE)
        if axis.is_numeric:
            table[name] = pd.to_numeric(table[name]).astype("Int64" if axis.kind == "int" else "float64")
        elif axis.kind == "bool":
            table[name] = table[name].map({"true": True, "false": False}).astype("boolean")
    for name in ("trial_number", "time_to_nan", "updates", *numbers):
        table[name] = table[name].astype("Int64")
    table["exploded"] = table["exploded"].astype("boolean")
    for name in FIGURES:
        table[name] = table[name].astype("float64")
    table = table.sort_values("trial_number", ignore_index=True)
    table.attrs[OF_TABLE] = axes.to_json()
    return table


def _row(run: Run, axes: Axes, *, metrics: Iterable[str], tags: Iterable[str]) -> dict[str, Any]:
    given, params, told = run.data.metrics, dict(run.data.params), run.data.tags
    return {
        **{column: params.get(axis.name, _from_before(axis)) for column, axis in axes.columns.items()},
        "trial_number": int(told["trial_number"]),
        "run_id": run.info.run_id,
        **_event(told, given),
        **{name: given.get(name) for name in ("time_to_nan", "updates", "wall_seconds", *metrics)},
        **{name: told.get(name) for name in ("outcome", "engine", "device", "failure", *tags)},
        **{name: number_words(told.get(name)) for name in ("loss_at_divergence", "onset_value")},
    }


def _event(tags: Mapping[str, str], metrics: Mapping[str, float]) -> dict[str, Any]:
    """What the trial was to end at, and whether its loss exploded without that; runs of an earlier version say less."""
    if tags.get("outcome") == "failed":
        return {}
    earlier = tags.get("outcome") == "survived" and LOSS_EXCEEDED in metrics
    exploded = tags["exploded"] == "true" if "exploded" in tags else earlier
    return {"divergence": tags.get("divergence", str(NONFINITE)), "exploded": exploded}


def _from_before(axis: Axis) -> str | None:
    """What a run from before there was an axis stands at."""
    return as_text(axis.default) if axis.later else None


def read_axes(client: MlflowClient, experiment_id: str) -> Axes:
    """The axes of a study: those kept with its parent run, or the example's where there are none, as of old."""
    run = next(iter(search_runs(client, experiment_id, SWEEP_RUNS)), None)
    read = None if run is None else read_artifact(client, run.info.run_id, AXES_FILE, Path.read_text)
    return EXAMPLE.axes if read is None else Axes.from_json(read)


def read_trial(run_id: str, *, uri: str) -> TrialResult[Any]:
    """The result of one tracked trial, its losses to the last bit.

    Raises:
        UserError: No such run, a run that is no trial's or has no result, or no answer from the store.
    """
    return read_run(run_id, uri=uri).result


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """The model file of a study."""

    path: str
    """Where it was read; there may be another text by now, or none."""
    text: str

    @property
    def name(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True, kw_only=True)
class TrackedTrial:
    """What MLflow knows of one trial."""

    result: TrialResult[Any]
    """Its losses are the same to the last bit; without timeline, onset and growth."""
    name: str
    """Of the run."""
    versions: Mapping[str, str]
    """Versions that the sweep ran with, by package."""
    model: KeptFile | None = None
    """The model file that it was a trial of; None of the example."""


def read_run(run_id: str, *, uri: str) -> TrackedTrial:
    """One tracked trial; errors as of `read_trial`."""
    client = client_of(uri)
    try:
        run = client.get_run(run_id)
        history = client.get_metric_history(run_id, "loss")
        parent = run.data.tags.get("mlflow.parentRunId")
        of_sweep = client.get_run(parent).data.tags if parent else {}
    except MlflowException as error:
        if error.get_http_status_code() in (400, 404):
            raise UserError(
                f"{run_id}: no such run in {shown_uri(uri)}; `study results STUDY` lists run ids"
            ) from error
        raise UserError(f"the MLflow store {shown_uri(uri)} cannot be read ({reason(error)})") from error
    tags = run.data.tags
    if run.info.lifecycle_stage != "active":
        raise UserError(f"{run_id}: was deleted in MLflow; restore it on the page of its experiment there")
    if tags.get("study.role") != TRIAL:
        raise UserError(f"{run_id}: is not the run of a trial; `study results STUDY` lists those")
    if run.info.status != "FINISHED":
        raise UserError(f"{run_id}: the trial has no result ({tags.get('failure', 'it was not finished')})")
    losses = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
    if len(losses) < run.data.metrics["updates"]:  # the last one is no metric where it is not finite
        losses.append(float(tags["loss_at_divergence"]))
    with reading(uri):
        design, model = _design_of(client, run)
    result: TrialResult[Any] = TrialResult(
        config=design.config(run.data.params, where=run_id),
        loss=tuple(losses),
        engine=tags["engine"],
        device=tags["device"],
        seconds=run.data.metrics["wall_seconds"],
        divergence=divergence_of(tags.get("divergence", str(NONFINITE))),
        population=int(tags.get("population", "1")),
    )
    versions = {key.removeprefix(VERSION): value for key, value in of_sweep.items() if key.startswith(VERSION)}
    return TrackedTrial(result=result, name=str(run.info.run_name), versions=versions, model=model)


def _design_of(client: MlflowClient, trial: Run) -> tuple[Design, KeptFile | None]:
    """What a trial was made of, and its model file; nothing of the file is run for it."""
    sha256, parent = trial.data.tags.get("sha256"), trial.data.tags.get("mlflow.parentRunId")
    if sha256 is None:
        return EXAMPLE, None
    name = trial.data.tags["model"]
    text = parent and read_artifact(client, parent, f"{MODEL_FOLDER}/{name}", lambda path: path.read_bytes().decode())
    axes = parent and read_artifact(client, parent, AXES_FILE, Path.read_text)
    if not text or not axes:
        raise UserError(f"{trial.info.run_id}: the run of its sweep, which kept {name}, is not there any more")
    path = client.get_run(parent).data.tags.get(MODEL_PATH, name)
    return ModelDesign(model=name, sha256=sha256, file_axes=Axes.from_json(axes)), KeptFile(path=path, text=text)


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """What a study's parent run keeps of how it ran."""

    run_id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    space_yaml: str
    """Empty where it is not there."""


def read_sweep(*, uri: str, study: str) -> SweepRun | None:
    """The parent run of a study; None where somebody has deleted it.

    Raises:
        UserError: No such study, it is in MLflow's trash, or no answer from the store.
    """
    client = client_of(uri)
    with reading(uri):
        experiment = experiment_of(client, study, uri=uri)
        run = next(iter(search_runs(client, experiment.experiment_id, SWEEP_RUNS)), None)
        if run is None:
            return None
        text = read_artifact(
            client, run.info.run_id, "search_space.yaml", lambda path: path.read_text(encoding="utf-8")
        )
    return SweepRun(
        run_id=run.info.run_id, tags=dict(run.data.tags), params=dict(run.data.params), space_yaml=text or ""
    )


def read_verdicts(*, uri: str, study: str) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The verdicts that `study claims` kept with a study's parent run: contrasts and arms; None without any.

    Raises:
        UserError: No such study, or no answer from the store.
    """
    contrasts, arms = (read_kept(uri=uri, study=study, name=name) for name in VERDICT_TABLES)
    return None if contrasts is None or arms is None else (contrasts, arms)


def read_kept(*, uri: str, study: str, name: str) -> pd.DataFrame | None:
    """A table that was kept with a study's parent run; None without it.

    Raises:
        UserError: No such study, or no answer from the store.
    """
    import pandas as pd

    sweep = read_sweep(uri=uri, study=study)
    if sweep is None:
        return None
    client = client_of(uri)
    with reading(uri):
        return read_artifact(client, sweep.run_id, f"{name}.parquet", pd.read_parquet)


def read_metric(run_id: str, name: str, *, uri: str) -> dict[int, float]:
    """A metric of a run by update; empty where it has none.

    Raises:
        UserError: No such run, or no answer from the store.
    """
    client = client_of(uri)
    with reading(uri):
        return {metric.step: metric.value for metric in client.get_metric_history(run_id, name)}


def pages_of(run_ids: Iterable[str], *, uri: str) -> dict[str, Path | None]:
    """The runs that have a page of their anatomy, and where its file is if that is on this machine.

    Raises:
        UserError: No answer from the store.
    """
    client = client_of(uri)
    found: dict[str, Path | None] = {}
    with reading(uri):
        for run_id in run_ids:
            if ANATOMY not in {file.path for file in client.list_artifacts(run_id)}:
                continue
            folder = Path(unquote(str(client.get_run(run_id).info.artifact_uri).removeprefix("file://")))
            found[run_id] = folder / ANATOMY if (folder / ANATOMY).is_file() else None
    return found


def read_causes(run_ids: Iterable[str], *, uri: str) -> dict[str, str]:
    """The runs whose cause was measured, and what was kept of it: run id -> JSON.

    Raises:
        UserError: No answer from the store.
    """
    client = client_of(uri)
    with reading(uri):
        kept = {run: read_artifact(client, run, CAUSE, Path.read_text) for run in run_ids}
    return {run: text for run, text in kept.items() if text is not None}
