"""Writes a run that has ended, in one go where the store allows it."""

from __future__ import annotations

from mlflow.entities import Param
from mlflow.tracking import MlflowClient

from study.tracking.private_mlflow import insert_run, own_store
from study.tracking.whole_run import WholeRun

METRICS_PER_BATCH = 1000
"""MLflow's own limit for one request."""


def write_run(client: MlflowClient, run: WholeRun) -> str:
    """Write a run: in one transaction where this process opens the store itself, else by requests to its server.

    Returns:
        The run's id.
    """
    store = own_store(client)
    return request_run(client, run) if store is None else insert_run(store, run)


def request_run(client: MlflowClient, run: WholeRun) -> str:
    """Write a run by requests. One that was not written to its end is still running in MLflow, which tells it apart.

    Returns:
        The run's id.
    """
    created = client.create_run(run.experiment_id, run_name=run.name, tags=dict(run.tags), start_time=run.start)
    run_id = str(created.info.run_id)
    params = [Param(key, value) for key, value in run.params.items()]
    client.log_batch(run_id, params=params, metrics=run.metrics[:METRICS_PER_BATCH])
    for first in range(METRICS_PER_BATCH, len(run.metrics), METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=run.metrics[first : first + METRICS_PER_BATCH])
    client.set_terminated(run_id, status=run.status, end_time=run.end)
    return run_id
