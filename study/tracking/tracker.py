"""MLflow: the one room that knows it, writing runs and reading them back.

A study is an experiment. A sweep is its parent run; every trial is a nested run, written in one go when the
trial has finished. Only finite numbers become metrics: MLflow stores infinity as 1.8e308, and one NaN can
keep its pages from loading. That a loss was not finite is told by `time_to_nan`, tags and the description.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

# The client's own silent retries would hide an outage for minutes, and can make a run twice.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow.entities import Experiment, Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from study.tracking import views
from study.trial.config import AXES, NONE, TrialConfig, kind_of
from study.trial.errors import UserError
from study.trial.growth import FIGURES
from study.trial.onset import ONSET_NUMBERS, ONSET_TEXTS
from study.trial.result import OUTCOMES, TrialResult, describe
from study.trial.sentence import verdict
from study.trial.timeline import TIMELINE, timeline_column

if TYPE_CHECKING:
    import pandas as pd

    from study.sweep.ledger import Record

METRICS_PER_BATCH = 1000
"""MLflow's own limit for one request."""
RUNS_PER_PAGE = 1000
SWEEP, TRIAL = "sweep", "trial"
SWEEP_RUNS = f"tags.`study.role` = '{SWEEP}'"
FINAL = ("FINISHED", "FAILED")
NOTE = "mlflow.note.content"
VERDICT_TABLES = ("claims", "claims_arms")
"""Artifacts of the parent run of a study of claims, parquet."""
VERSION = "version."
"""Tags of a sweep's run that start with it name the version of a package."""
ANATOMY = "anatomy.html"
"""Artifact of a trial's run: its page."""

Answer = TypeVar("Answer")


def create_store(uri: str, *, artifacts: Path | None) -> None:
    """Make the tables of an embedded store."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    quieten()
    store = SqlAlchemyStore(uri, str(artifacts))
    store.engine.dispose()


def client_of(uri: str) -> MlflowClient:
    """A client of an MLflow store.

    Raises:
        UserError: The URI is not one that MLflow knows.
    """
    quieten()
    try:
        return MlflowClient(tracking_uri=uri)
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise UserError(f"MLFLOW_TRACKING_URI {shown_uri(uri)} cannot be used ({_reason(error)})") from error


def quieten() -> None:
    """Keep MLflow's notes and tracebacks off the terminal; an error is told of by the one who asked."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class Tracker:
    """Writes one study to MLflow and reads it back.

    Args:
        uri: MLflow tracking URI.
        study: The study's name, and so the experiment's.
        artifacts: Where artifacts of a new experiment go; None leaves it to the tracking server.
        patience: Seconds to wait for a server that went away before giving up.
        meanwhile: Called again and again while waiting; what it raises ends the waiting.
        say: Takes a sentence for the person at the terminal.
    """

    def __init__(
        self,
        *,
        uri: str,
        study: str,
        artifacts: Path | None = None,
        patience: float = 600,
        meanwhile: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._client = client_of(uri)
        self._uri = uri
        self._study = study
        self._artifacts = artifacts
        self._patience = patience
        self._meanwhile = meanwhile
        self._say = say
        self._experiment_id = ""
        self._sweep_id = ""
        self._written: dict[int, str] = {}

    def open(
        self, *, uid: str, tags: Mapping[str, str], params: Mapping[str, str], axes: Iterable[str], space_yaml: str
    ) -> None:
        """Create the experiment and the parent run, or take up those of an earlier, interrupted sweep.

        Half-written runs are removed. A server that does not answer now is not waited for.

        Args:
            uid: What tells this study from another of its name.
            tags: Tags of the parent run; those of an earlier sweep are overwritten.
            params: Params of the parent run.
            axes: The axes that vary, shown as columns in the saved view of the run list.
            space_yaml: The search space, kept as an artifact.

        Raises:
            UserError: No answer, or the experiment belongs to another study or lies in MLflow's trash.
        """
        try:
            self._experiment_id = self._find_or_create_experiment(uid, axes)
            self._take_up_runs()
            if not self._sweep_id:
                self._sweep_id = self._create_run(SWEEP, f"sweep {self._study}", parent=None, tags=dict(tags))
            else:
                self._client.update_run(self._sweep_id, status="RUNNING")
                for key, value in tags.items():
                    self._client.set_tag(self._sweep_id, key, value)
            self._client.log_batch(self._sweep_id, params=[Param(key, value) for key, value in params.items()])
            self._client.log_text(self._sweep_id, space_yaml, "search_space.yaml")
        except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
            raise UserError(
                f"the MLflow store {shown_uri(self._uri)} cannot be used ({_reason(error)}); "
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
            self._written[record.number] = self._patiently(
                lambda: self._write_trial(record), again=lambda: self._find_or_write_trial(record)
            )
        return self._written[record.number]

    def has_anatomy(self, run_id: str) -> bool:
        """Whether a trial's run has its page already."""
        return self._patiently(lambda: ANATOMY in {file.path for file in self._client.list_artifacts(run_id)})

    def log_anatomy(self, run_id: str, page: str) -> None:
        """Keep a trial's page in its run."""
        self._patiently(lambda: self._client.log_text(run_id, page, ANATOMY))

    def close(self, *, status: str, table: pd.DataFrame, note: str) -> None:
        """End the parent run with counts, the results table and a description.

        Args:
            status: `FINISHED` or `KILLED`.
            table: The results table.
            note: Markdown shown on the run's page.
        """
        self._patiently(lambda: self._write_close(status, table, note))

    def _write_close(self, status: str, table: pd.DataFrame, note: str) -> None:
        now = _milliseconds(time.time())
        metrics = [
            Metric(f"trials_{outcome}", float((table["outcome"] == outcome).sum()), now, 0) for outcome in OUTCOMES
        ]
        self._client.log_batch(self._sweep_id, metrics=metrics, tags=[RunTag(NOTE, note)])
        with TemporaryDirectory() as folder:
            for ending, write in (("csv", table.to_csv), ("parquet", table.to_parquet)):
                path = Path(folder) / f"results.{ending}"
                write(path, index=False)
                self._client.log_artifact(self._sweep_id, str(path))
        self._client.set_terminated(self._sweep_id, status=status, end_time=now)

    def _find_or_create_experiment(self, uid: str, axes: Iterable[str]) -> str:
        experiment = self._client.get_experiment_by_name(self._study)
        if experiment is None:
            location = str(self._artifacts / self._study) if self._artifacts else None
            tags = {
                "study.uid": uid,
                # Which half of MLflow's pages the experiment opens in: those for training, not for language models.
                "mlflow.experimentKind": "custom_model_development",
                views.TAG: views.saved_view(axes, created=_milliseconds(time.time())),
                NOTE: EXPERIMENT_NOTE,
            }
            experiment_id: str = self._client.create_experiment(self._study, artifact_location=location, tags=tags)
            return experiment_id
        if experiment.lifecycle_stage != "active":
            raise UserError(f"--name {self._study}: the experiment is in MLflow's trash; restore it or choose a name")
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

    def _write_trial(self, record: Record) -> str:
        result = record.result
        seconds = result.seconds if result else 0.0
        start, end = _milliseconds(record.end_time - seconds), _milliseconds(record.end_time)
        run_id = self._create_run(TRIAL, run_name(record), parent=self._sweep_id, tags=trial_tags(record), start=start)
        params = [Param(name, value) for name, value in record.config.params().items()]
        metrics = list(trial_metrics(result, start=start, end=end)) if result else []
        self._client.log_batch(run_id, params=params, metrics=metrics[:METRICS_PER_BATCH])
        for first in range(METRICS_PER_BATCH, len(metrics), METRICS_PER_BATCH):
            self._client.log_batch(run_id, metrics=metrics[first : first + METRICS_PER_BATCH])
        self._client.set_terminated(run_id, status="FINISHED" if result else "FAILED", end_time=end)
        return run_id

    def _create_run(
        self, role: str, name: str, *, parent: str | None, tags: dict[str, str], start: int | None = None
    ) -> str:
        tags = {"study.role": role, **tags} | ({"mlflow.parentRunId": parent} if parent else {})
        run: Run = self._client.create_run(self._experiment_id, run_name=name, tags=tags, start_time=start)
        return str(run.info.run_id)

    def _runs(self, query: str = "") -> list[Run]:
        return list(_search(self._client, self._experiment_id, query))

    def table(self) -> pd.DataFrame:
        """The results table of the study, as `read_results` gives it."""
        return self._patiently(lambda: table_of(self._runs(f"tags.`study.role` = '{TRIAL}'")))

    def _patiently(self, ask: Callable[[], Answer], *, again: Callable[[], Answer] | None = None) -> Answer:
        """Do something on the server; wait out an outage, telling of it, until the patience ends.

        Args:
            ask: What to do.
            again: What to do instead once it has failed, when it may have been done all the same.
        """
        began = time.monotonic()
        pause = 0.5
        told = False
        while True:
            try:
                answer = ask()
            except (MlflowException, SQLAlchemyError, OSError) as error:
                waited = time.monotonic() - began
                if not _may_pass(error):
                    raise UserError(
                        f"the MLflow store {shown_uri(self._uri)} refused ({_reason(error)}); "
                        "every finished trial is kept: run the same command again when that is mended"
                    ) from error
                if waited + pause > self._patience:
                    raise UserError(
                        f"the MLflow store {shown_uri(self._uri)} has not answered for {waited:.0f} seconds "
                        f"({_reason(error)}); every finished trial is kept: run the same command again when it does"
                    ) from error
                if not told:
                    self._say(
                        f"the MLflow store {shown_uri(self._uri)} does not answer; "
                        f"waiting up to {self._patience:.0f} seconds for it"
                    )
                told = True
                self._meanwhile()
                time.sleep(pause)
                pause = min(2 * pause, 5)
                ask = again or ask
            else:
                if told:
                    self._say("the MLflow store answers again")
                return answer


def trial_tags(record: Record) -> dict[str, str]:
    """Tags of a trial's run."""
    tags = {"trial_number": str(record.number), "semantics": record.config.semantics}
    if record.result is None:
        return {**tags, "outcome": "failed", "failure": str(record.failure), NOTE: f"Failed: {record.failure}"}
    result = record.result
    tags |= {"outcome": result.outcome, "engine": result.engine, "device": result.device}
    tags["population"] = str(result.population)
    if result.diverged:
        tags["loss_at_divergence"] = str(result.loss[-1])
    if result.onset is not None:
        tags |= {f"onset_{name}": text for name, text in result.onset.texts().items()}
    return {**tags, NOTE: f"{describe(result)}\n\n{verdict(result)}"}


def trial_metrics(result: TrialResult, *, start: int, end: int) -> Iterable[Metric]:
    """Metrics of a trial's run, all finite: the loss by update, and what it came to.

    Args:
        result: The trial's result.
        start: Time of the trial's start, milliseconds since the epoch.
        end: Time of its end.
    """
    yield Metric("diverged", float(result.diverged), end, 0)
    yield Metric("updates", float(result.updates), end, 0)
    yield Metric("wall_seconds", result.seconds, end, 0)
    if result.time_to_nan is not None:
        yield Metric("time_to_nan", float(result.time_to_nan), end, 0)

    def at(update: int) -> int:
        return start + (end - start) * update // result.updates

    for update, loss in enumerate(result.loss, start=1):
        if math.isfinite(loss):
            yield Metric("loss", loss, at(update), update)
    for event, first in (result.timeline or {}).items():
        if first is not None:
            yield Metric(timeline_column(event), float(first), end, 0)
    if result.onset is not None:
        for place in ONSET_NUMBERS:
            if (number := getattr(result.onset, place)) is not None:
                yield Metric(f"onset_{place}", float(number), end, 0)
    if result.growth is not None:
        for name, values in result.growth.figures.items():
            for update, value in zip(result.growth.updates, values, strict=True):
                if value is not None:
                    yield Metric(name, value, at(update), update)


def run_name(record: Record) -> str:
    """A name under which a trial reads well in MLflow's list, without opening it."""
    config = record.config
    if record.result is None:
        outcome = "failed"
    elif record.result.diverged:
        outcome = f"NaN at {record.result.time_to_nan}"
    else:
        outcome = f"survived {record.result.updates}"
    layers = f"{config.layers}x" if config.layers > 1 else ""
    return f"{record.number:04d} {outcome}: {config.activation} lr={config.learning_rate:.2g} {layers}{config.units}"


EXPERIMENT_NOTE = """\
Each nested run is one training run of an LSTM, until its loss is no longer finite or its budget of updates ends.

- `time_to_nan`: the 1-based number of the first update whose loss is not finite; absent where the trial survived.
- `diverged`: 1 or 0. A trial that survived is right-censored at `updates`.
- `loss`: by update, as far as it is finite; the tag `loss_at_divergence` says what came then.
- `onset_...`: the very first number that was not finite: metrics for its update and place, tags for the rest.
- `nonfinite_...`: the first update at which such a number was not finite; `loss_exceeded`: the first whose loss was
  above 10.
- `max_hidden`, `hidden_growth` and so on, by update: the growth that leads there.

The view "Trials, soonest NaN first" under Views shows the axes that vary. Filter with `metrics.diverged = 1` or
`params.activation = 'relu'`.
"""


def read_results(*, uri: str, study: str) -> pd.DataFrame:
    """The results table of a study: one row a trial, by trial number.

    Columns: `trial_number`, `outcome` (diverged, survived or failed), `time_to_nan` (missing where the trial
    did not diverge), `updates` (those run), `wall_seconds`, every axis (`updates` under the name `budget`),
    the timeline (`nonfinite_gate` and so on, `loss_exceeded`), the onset (`onset_update`, `onset_phase`,
    `onset_layer`, `onset_direction`, `onset_tensor`, `onset_value`, `onset_warning`, `onset_timestep`, `onset_sample`,
    `onset_unit`),
    the last finite value of each of `study.trial.growth.FIGURES`, `engine`, `device`, `loss_at_divergence`, `failure`,
    `run_id`.

    Raises:
        UserError: No such study, or no answer from the store.
    """
    client = client_of(uri)
    try:
        experiment = client.get_experiment_by_name(study)
        if experiment is None:
            known = ", ".join(list_studies(uri=uri)) or "none yet"
            raise UserError(f"{study}: no such study in {shown_uri(uri)}; there are {known}")
        return table_of(_search(client, experiment.experiment_id, f"tags.`study.role` = '{TRIAL}'"))
    except MlflowException as error:
        raise UserError(f"the MLflow store {shown_uri(uri)} cannot be read ({_reason(error)})") from error


def table_of(runs: Iterable[Run]) -> pd.DataFrame:
    """The results table of these runs, as `read_results` describes it."""
    import pandas as pd

    # The axis `updates` is the budget; the column of that name is what was run.
    axes = {"budget" if axis == "updates" else axis: kind_of(axis) for axis in AXES}
    outcome = ("trial_number", "outcome", "time_to_nan", "updates", "wall_seconds")
    about = ("engine", "device", "loss_at_divergence", "failure", "run_id")
    numbers = [timeline_column(event) for event in TIMELINE] + [f"onset_{name}" for name in ONSET_NUMBERS]
    texts = [f"onset_{name}" for name in ONSET_TEXTS]
    rows = [_row(run, metrics=[*numbers, *FIGURES], tags=texts) for run in runs if run.info.status in FINAL]
    table = pd.DataFrame(rows, columns=[*outcome, *axes, *numbers, *texts, *FIGURES, *about])
    for axis, kind in axes.items():
        if kind in (int, float):
            column = pd.to_numeric(table[axis].where(table[axis] != NONE))
            table[axis] = column.astype("Int64" if kind is int else "float64")
        elif kind is bool:
            table[axis] = table[axis].map({"true": True, "false": False}).astype("boolean")
    for name in ("trial_number", "time_to_nan", "updates", *numbers):
        table[name] = table[name].astype("Int64")
    for name in FIGURES:
        table[name] = table[name].astype("float64")
    return table.sort_values("trial_number", ignore_index=True)


def _row(run: Run, *, metrics: Iterable[str], tags: Iterable[str]) -> dict[str, Any]:
    given, params = run.data.metrics, dict(run.data.params)
    return {
        **{axis: params.get(axis) for axis in AXES if axis != "updates"},
        "budget": params.get("updates"),
        "trial_number": int(run.data.tags["trial_number"]),
        "run_id": run.info.run_id,
        **{name: given.get(name) for name in ("time_to_nan", "updates", "wall_seconds", *metrics)},
        **{name: run.data.tags.get(name) for name in ("outcome", "engine", "device", "loss_at_divergence", "failure")},
        **{name: run.data.tags.get(name) for name in tags},
    }


def _search(client: MlflowClient, experiment_id: str, query: str) -> Iterable[Run]:
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], query, ViewType.ACTIVE_ONLY, max_results=RUNS_PER_PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def read_trial(run_id: str, *, uri: str) -> TrialResult:
    """The result of one tracked trial, its losses to the last bit.

    Raises:
        UserError: No such run, a run that is no trial's or has no result, or no answer from the store.
    """
    return read_run(run_id, uri=uri).result


@dataclass(frozen=True, kw_only=True)
class TrackedTrial:
    """What MLflow knows of one trial."""

    result: TrialResult
    """Its losses are the same to the last bit; without timeline, onset and growth."""
    name: str
    """Of the run."""
    versions: Mapping[str, str]
    """Versions that the sweep ran with, by package."""


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
        raise UserError(f"the MLflow store {shown_uri(uri)} cannot be read ({_reason(error)})") from error
    tags = run.data.tags
    if tags.get("study.role") != TRIAL:
        raise UserError(f"{run_id}: is not the run of a trial; `study results STUDY` lists those")
    if run.info.status != "FINISHED":
        raise UserError(f"{run_id}: the trial has no result ({tags.get('failure', 'it was not finished')})")
    losses = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
    if "loss_at_divergence" in tags:
        losses.append(float(tags["loss_at_divergence"]))
    result = TrialResult(
        config=TrialConfig.parse(run.data.params, where=run_id),
        loss=tuple(losses),
        engine=tags["engine"],
        device=tags["device"],
        seconds=run.data.metrics["wall_seconds"],
        population=int(tags.get("population", "1")),
    )
    versions = {key.removeprefix(VERSION): value for key, value in of_sweep.items() if key.startswith(VERSION)}
    return TrackedTrial(result=result, name=str(run.info.run_name), versions=versions)


def keep_anatomy(run_id: str, page: str, *, uri: str) -> None:
    """Keep a trial's page in its run, in place of an earlier one.

    Raises:
        UserError: The store refused, or did not answer.
    """
    try:
        client_of(uri).log_text(run_id, page, ANATOMY)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise UserError(
            f"the MLflow store {shown_uri(uri)} did not take {ANATOMY} for run {run_id} ({_reason(error)})"
        ) from error


def attach(*, uri: str, study: str, folder: Path, tags: Mapping[str, str]) -> None:
    """Keep the files of a folder as artifacts of a study's parent run, and tags with it.

    Raises:
        UserError: No such study, or no answer from the store.
    """
    client = client_of(uri)
    try:
        experiment = client.get_experiment_by_name(study)
        runs = [] if experiment is None else list(_search(client, experiment.experiment_id, SWEEP_RUNS))
        if not runs:
            raise UserError(f"{study}: no such study in {shown_uri(uri)}")
        client.log_artifacts(runs[0].info.run_id, str(folder))
        client.log_batch(runs[0].info.run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise UserError(f"the MLflow store {shown_uri(uri)} cannot be used ({_reason(error)})") from error


@dataclass(frozen=True, kw_only=True)
class SweepRun:
    """What a study's parent run keeps of how it ran."""

    run_id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    space_yaml: str
    """Empty where it is not there."""


def read_sweep(*, uri: str, study: str) -> SweepRun | None:
    """The parent run of a study; None where there is none, as in a study that was never opened.

    Raises:
        UserError: No such study, or no answer from the store.
    """
    client = client_of(uri)
    with _reading(uri):
        experiment = client.get_experiment_by_name(study)
        if experiment is None:
            raise UserError(f"{study}: no such study in {shown_uri(uri)}")
        run = next(iter(_search(client, experiment.experiment_id, SWEEP_RUNS)), None)
        if run is None:
            return None
        text = _artifact(client, run.info.run_id, "search_space.yaml", lambda path: path.read_text(encoding="utf-8"))
    return SweepRun(
        run_id=run.info.run_id, tags=dict(run.data.tags), params=dict(run.data.params), space_yaml=text or ""
    )


def read_verdicts(*, uri: str, study: str) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """The verdicts that `study claims` kept with a study's parent run: contrasts and arms; None without any.

    Raises:
        UserError: No such study, or no answer from the store.
    """
    import pandas as pd

    sweep = read_sweep(uri=uri, study=study)
    if sweep is None:
        return None
    client = client_of(uri)
    with _reading(uri):
        tables = [_artifact(client, sweep.run_id, f"{name}.parquet", pd.read_parquet) for name in VERDICT_TABLES]
    contrasts, arms = tables
    return None if contrasts is None or arms is None else (contrasts, arms)


def pages_of(run_ids: Iterable[str], *, uri: str) -> dict[str, Path | None]:
    """The runs that have a page of their anatomy, and where its file is if that is on this machine.

    Raises:
        UserError: No answer from the store.
    """
    client = client_of(uri)
    found: dict[str, Path | None] = {}
    with _reading(uri):
        for run_id in run_ids:
            if ANATOMY not in {file.path for file in client.list_artifacts(run_id)}:
                continue
            folder = Path(str(client.get_run(run_id).info.artifact_uri).removeprefix("file://"))
            found[run_id] = folder / ANATOMY if (folder / ANATOMY).is_file() else None
    return found


def _artifact(client: MlflowClient, run_id: str, name: str, read: Callable[[Path], Answer]) -> Answer | None:
    """What a run's artifact holds; None without one."""
    if name not in {file.path for file in client.list_artifacts(run_id)}:
        return None
    with TemporaryDirectory() as folder:
        return read(Path(client.download_artifacts(run_id, name, folder)))


@contextlib.contextmanager
def _reading(uri: str) -> Iterator[None]:
    """Turn what a store may raise into a sentence."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise UserError(f"the MLflow store {shown_uri(uri)} cannot be read ({_reason(error)})") from error


def list_studies(*, uri: str) -> dict[str, str]:
    """Experiment ids of the studies in an MLflow store, by name, newest first."""
    experiments: Iterable[Experiment] = client_of(uri).search_experiments()
    return {e.name: str(e.experiment_id) for e in experiments if "study.uid" in e.tags}


def _may_pass(error: Exception) -> bool:
    """Whether an error can be one of the server's, the network's or the disk's, and so end by itself."""
    if not isinstance(error, MlflowException):
        return True
    status: int = error.get_http_status_code()
    return status >= 500 or status == 429


def _reason(error: Exception) -> str:
    """What is at the bottom of an error, short enough for a sentence."""
    text = " ".join(str(error).split()).partition(" (Background on this error")[0]
    for mark in ("Connection refused", "timed out", "Name or service not known"):
        if mark in text:
            return mark
    return text[:160]


def shown_uri(uri: str) -> str:
    """A tracking URI as it may be shown: no password, no query."""
    from study.sweep.lock import hide_password

    return hide_password(uri).partition("?")[0]


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
