"""What the study uses of MLflow that is not public, in one place, as of MLflow 3.17.

- The store behind `sqlite:` URIs, made by itself: a client makes its tables in place, where a kill leaves half of them,
  and has no way to say where artifacts go.
- The function that makes an SQLite file's folder before it is opened. It does not decode the URL, so that a home named
  `100%` would get an empty `100%25` beside it; our homes are there already.
- The tables of a store that this process opens itself, and its sessions: a client writes a run in six transactions, and
  a row of a metric by way of objects that take ten times as long as the row. That was half of the cost of a sweep.
- The tag that says which half of MLflow's pages an experiment opens in.
- The tags in which MLflow's pages keep the views that people save: the key names the view, the value is JSON with the
  state of the list, compressed. The pages offer them under "Views" and open one by its key in the address.
"""

from __future__ import annotations

import base64
import json
import uuid
import zlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from mlflow.entities import LifecycleStage, Metric, SourceType
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.db import utils
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.uri import append_to_uri_path
from mlflow.utils.validation import _validate_metric_name, _validate_param
from sqlalchemy import insert, select

from study.tracking.whole_run import WholeRun

if TYPE_CHECKING:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

assert version("mlflow").startswith("3.17."), "private interfaces were checked with MLflow 3.17"

utils._make_parent_dirs_if_sqlite = lambda uri: None

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tag of an experiment: its pages are those for training, not those for language models."""


RUN_NAME, CREATED = "attributes.`Run Name`", "runDateAndNestInfo"
"""Columns of the list of runs, by the names that a view's state has for them; they stand first, whatever the order."""


def make_tables(uri: str, *, artifacts: str) -> None:
    """Make the tables of an SQLite store.

    Args:
        uri: Of the store.
        artifacts: Where artifacts of experiments go that do not say.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(uri, artifacts).engine.dispose()


def own_store(client: MlflowClient) -> SqlAlchemyStore | None:
    """The store of a client that opens the database itself; None where a server does."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = client._tracking_client.store
    # A subclass sorts its rows by workspaces, and is left to its own ways.
    return store if type(store) is SqlAlchemyStore else None


def insert_run(store: SqlAlchemyStore, run: WholeRun) -> str:
    """Write a run in one transaction, with the rows that a client's requests come to.

    Returns:
        The run's id.

    Raises:
        MlflowException: The store did not take it, or the experiment is in the trash.
    """
    from mlflow.store.tracking.dbmodels.models import Base

    tables = Base.metadata.tables
    run_id = uuid.uuid4().hex
    of_run = {"run_uuid": run_id}
    for key in {metric.key for metric in run.metrics}:
        _validate_metric_name(key)
    params = [_validate_param(key, value) for key, value in run.params.items()]
    points = [of_run | _point(store, metric) for metric in run.metrics]
    latest: dict[str, dict[str, Any]] = {}
    for point in sorted(points, key=lambda point: (point["step"], point["timestamp"], point["value"])):
        latest[point["key"]] = point
    rows = {
        "tags": [
            of_run | {"key": key, "value": value} for key, value in {**run.tags, MLFLOW_RUN_NAME: run.name}.items()
        ],
        "params": [of_run | {"key": param.key, "value": param.value} for param in params],
        "metrics": points,
        "latest_metrics": list(latest.values()),
    }
    with store.ManagedSessionMaker(read_only=False) as session:
        connection = session.connection()
        experiments = tables["experiments"]
        experiment = connection.execute(
            select(experiments.c.artifact_location, experiments.c.lifecycle_stage).where(
                experiments.c.experiment_id == int(run.experiment_id)
            )
        ).one_or_none()
        if experiment is None or experiment.lifecycle_stage != LifecycleStage.ACTIVE:
            raise MlflowException(f"experiment {run.experiment_id} was deleted", INVALID_PARAMETER_VALUE)
        values = of_run | {
            "name": run.name,
            "source_type": SourceType.to_string(SourceType.UNKNOWN),
            "source_name": "",
            "entry_point_name": "",
            "user_id": "unknown",
            "status": run.status,
            "start_time": run.start,
            "end_time": run.end,
            "source_version": "",
            "lifecycle_stage": LifecycleStage.ACTIVE,
            "artifact_uri": append_to_uri_path(experiment.artifact_location, run_id, store.ARTIFACTS_FOLDER_NAME),
            "experiment_id": int(run.experiment_id),
        }
        connection.execute(insert(tables["runs"]).values(values))
        for table, those in rows.items():
            if those:
                connection.execute(insert(tables[table]), those)
    return run_id


def _point(store: SqlAlchemyStore, metric: Metric) -> dict[str, Any]:
    """The row of a metric, without its run."""
    is_nan, value = store.sanitize_metric_value(metric.value)
    return {
        "key": metric.key,
        "value": value,
        "timestamp": metric.timestamp,
        "step": metric.step,
        "is_nan": is_nan,
    }


def saved_view_tag(key: str, *, name: str, state: dict[str, Any], created: int) -> dict[str, str]:
    """The tag of an experiment that keeps a view.

    Args:
        key: Names the view in addresses.
        name: Names it in the list of views.
        state: Of the list of runs.
        created: Time of making, milliseconds since the epoch.
    """
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    value = {"name": name, "createdAt": created, "updatedAt": created, "state": f"deflate;{packed}"}
    return {f"mlflow.sharedViewState.{key}": json.dumps(value)}


def view_address(experiment_id: str, *, key: str) -> str:
    """Where a saved view is, behind the address of the MLflow UI."""
    return f"/#/experiments/{experiment_id}/runs?viewStateShareKey={key}"
