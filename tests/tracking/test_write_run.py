"""A trial's run is the same in MLflow whether it is written in one transaction or by a client's requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from study.tracking.private_mlflow import own_store
from study.tracking.whole_run import WholeRun
from study.tracking.write_run import request_run, write_run
from study.trial.home import Home

LONG = "x" * 7000
"""Longer than MLflow's 6,000 characters of a param."""

RUN = WholeRun(
    experiment_id="",
    name="0007 NaN at 3: relu",
    tags={
        "study.role": "trial",
        "mlflow.parentRunId": "0" * 32,
        "mlflow.note.content": "Diverged.",
        "trial_number": "7",
    },
    params={"activation": "relu", "units": "512", "path": LONG},
    metrics=[
        Metric("diverged", 1.0, 1234, 0),
        *(Metric("loss", 1 / step, 1000 + step // 2, step) for step in range(1, 1100)),
        # Growth is logged out of order here, and twice at one step: the later time is the latest.
        Metric("weight_norm", 1e300, 1200, 9),
        Metric("weight_norm", 3.0, 1199, 9),
        Metric("weight_norm", -1e-300, 1100, 4),
    ],
    start=1000,
    end=1234,
    status="FINISHED",
)
FAILED = replace(RUN, name="0002 failed: relu", metrics=[], params={}, status="FAILED")


@pytest.fixture
def client(stores: Home) -> MlflowClient:
    return MlflowClient(tracking_uri=stores.tracking_uri)


@pytest.fixture
def experiment(client: MlflowClient, request: pytest.FixtureRequest) -> str:
    return str(client.create_experiment(request.node.name))


def told(client: MlflowClient, run_id: str) -> dict[str, Any]:
    """All that MLflow tells of a run, but for its id."""
    run = client.get_run(run_id)
    info = {key: str(value).replace(run_id, "ID") for key, value in dict(run.info).items()}
    history = {
        key: sorted((m.step, m.timestamp, m.value) for m in client.get_metric_history(run_id, key))
        for key in run.data.metrics
    }
    return {"info": info, "data": run.data.to_dictionary(), "inputs": run.inputs.to_dictionary(), "history": history}


@pytest.mark.parametrize("run", [RUN, FAILED], ids=["finished", "failed"])
def test_one_transaction_and_a_clients_requests_come_to_the_same_run(
    client: MlflowClient, experiment: str, run: WholeRun
) -> None:
    run = replace(run, experiment_id=experiment)
    written, requested = told(client, write_run(client, run)), told(client, request_run(client, run))
    assert written == requested
    assert written["data"]["metrics"].keys() == {metric.key for metric in run.metrics}


def test_a_run_that_could_not_be_written_whole_is_not_there(client: MlflowClient, experiment: str) -> None:
    def fail(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("INSERT INTO latest_metrics"):
            raise OperationalError(statement, {}, OSError("database or disk is full"))

    event.listen(Engine, "before_cursor_execute", fail)
    try:
        with pytest.raises(MlflowException, match="disk is full"):
            write_run(client, replace(RUN, experiment_id=experiment))
    finally:
        event.remove(Engine, "before_cursor_execute", fail)
    assert client.search_runs([experiment]) == []


def test_an_experiment_in_the_trash_takes_no_run(client: MlflowClient, experiment: str) -> None:
    client.delete_experiment(experiment)
    with pytest.raises(MlflowException, match="was deleted"):
        write_run(client, replace(RUN, experiment_id=experiment))


def test_a_trial_costs_one_commit(client: MlflowClient, experiment: str) -> None:
    commits = []

    def committed(connection: object) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", committed)
    try:
        write_run(client, replace(RUN, experiment_id=experiment))
    finally:
        event.remove(Engine, "commit", committed)
    assert len(commits) == 1


def test_a_tracking_server_gets_requests() -> None:
    assert own_store(MlflowClient(tracking_uri="http://127.0.0.1:9")) is None
