"""The MLflow client, how its errors are told, and what runs are called.

A study is an experiment. A sweep is its parent run, and every trial is a nested run.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

# The client's own silent retries would hide an outage for minutes, and can make a run twice.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from study.tracking.private_mlflow import make_tables
from study.trial.errors import UserError
from study.trial.store_urls import without_password

RUNS_PER_PAGE = 1000
SWEEP, TRIAL = "sweep", "trial"
SWEEP_RUNS = f"tags.`study.role` = '{SWEEP}'"
TRIAL_RUNS = f"tags.`study.role` = '{TRIAL}'"
FINAL = ("FINISHED", "FAILED")
NOTE = "mlflow.note.content"
VERDICT_TABLES = ("claims", "claims_arms")
"""Artifacts of the parent run of a study of claims, parquet."""
KERAS_RUNS, REMEDIES = "claims_keras", "remedies"
"""The same: the runs of Keras's own `fit`, and what was found of remedies."""
VERSION = "version."
"""Tags of a sweep's run that start with it name the version of a package."""
AXES_FILE = "axes.json"
"""Artifact of a sweep's run: the axes of its study."""
MODEL_FOLDER = "model"
"""Artifacts of a sweep's run: the model file of its study."""
MODEL_PATH = "model_path"
"""Tag of a sweep's run: where its model file was read."""
DIAGNOSIS_UID = "diagnosis.uid"
"""Tag of a diagnosis's experiment and of all its runs."""
ANATOMY = "anatomy.html"
"""Artifact of a trial's run: its page."""
CAUSE = "cause.json"
"""Artifact of a trial's run: the cause of its NaN, as it was measured."""

STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)
"""What a store may raise once there is a client of it."""

Answer = TypeVar("Answer")


def create_store(uri: str, *, artifacts: Path) -> None:
    """Make the tables of an embedded store whose artifacts go to a folder."""
    quieten()
    make_tables(uri, artifacts=artifacts.as_uri())


def client_of(uri: str) -> MlflowClient:
    """A client of an MLflow store.

    Raises:
        UserError: The URI is not one that MLflow knows.
    """
    quieten()
    try:
        return MlflowClient(tracking_uri=uri)
    except (*STORE_ERRORS, ImportError) as error:
        raise UserError(f"MLFLOW_TRACKING_URI {shown_uri(uri)} cannot be used ({reason(error)})") from error


def quieten() -> None:
    """Keep MLflow's notes and tracebacks off the terminal; an error is told of by the one who asked."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def experiment_of(client: MlflowClient, study: str, *, uri: str) -> Experiment:
    """The experiment of a study.

    Raises:
        UserError: There is none of this name, or it is in MLflow's trash.
    """
    experiment: Experiment | None = client.get_experiment_by_name(study)
    if experiment is None:
        known = ", ".join(list_studies(uri=uri)) or "none yet"
        raise UserError(f"{study}: no such study in {shown_uri(uri)}; there are {known}")
    if in_trash(experiment):
        raise UserError(f"{study}: was deleted in MLflow; {how_to_restore(experiment, uri=uri)}")
    if DIAGNOSIS_UID in experiment.tags:
        raise UserError(f"{study}: is a diagnosis and no sweep; `study ui` shows its runs")
    return experiment


def in_trash(experiment: Experiment) -> bool:
    """Whether an experiment was deleted, and can be restored."""
    return bool(experiment.lifecycle_stage != "active")


def how_to_restore(experiment: Experiment, *, uri: str) -> str:
    """The end of a sentence about an experiment in the trash, with a command for the shell."""
    variable = shlex.quote(f"MLFLOW_TRACKING_URI={shown_uri(uri)}")
    return f"`env {variable} mlflow experiments restore -x {experiment.experiment_id}` restores it"


def list_studies(*, uri: str) -> dict[str, str]:
    """Experiment ids of the studies in an MLflow store, by name, newest first.

    Raises:
        UserError: No answer from the store.
    """
    client = client_of(uri)
    with reading(uri):
        experiments: Iterable[Experiment] = client.search_experiments()
    return {e.name: str(e.experiment_id) for e in experiments if "study.uid" in e.tags}


def search_runs(client: MlflowClient, experiment_id: str, query: str) -> Iterator[Run]:
    """The runs of an experiment that a query finds, each once, those in the trash left out.

    A page begins behind so many runs, so that one that is written meanwhile pushes others onto the next page.
    """
    token, known = None, set[str]()
    while True:
        page = client.search_runs(
            [experiment_id], query, ViewType.ACTIVE_ONLY, max_results=RUNS_PER_PAGE, page_token=token
        )
        yield from (run for run in page if run.info.run_id not in known)
        known.update(run.info.run_id for run in page)
        token = page.token
        if not token:
            return


def read_artifact(client: MlflowClient, run_id: str, name: str, read: Callable[[Path], Answer]) -> Answer | None:
    """What a run's artifact holds; None without one."""
    folder, _, _ = name.rpartition("/")
    if name not in {file.path for file in client.list_artifacts(run_id, folder or None)}:
        return None
    with TemporaryDirectory() as here:
        return read(Path(client.download_artifacts(run_id, name, here)))


@contextmanager
def reading(uri: str) -> Iterator[None]:
    """Turn what a store may raise into a sentence."""
    try:
        yield
    except STORE_ERRORS as error:
        raise UserError(f"the MLflow store {shown_uri(uri)} cannot be read ({reason(error)})") from error


def may_pass(error: Exception) -> bool:
    """Whether an error can be one of the server's, the network's or the disk's, and so end by itself."""
    if not isinstance(error, MlflowException):
        return True
    status: int = error.get_http_status_code()
    return status >= 500 or status == 429


def reason(error: Exception) -> str:
    """What is at the bottom of an error, short enough for a sentence."""
    text = " ".join(str(error).split()).partition(" (Background on this error")[0]
    for mark in ("Connection refused", "timed out", "Name or service not known"):
        if mark in text:
            return mark
    return text[:160]


def shown_uri(uri: str) -> str:
    """A tracking URI as it may be shown: no password, no query."""
    return without_password(uri).partition("?")[0]
