from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from study.tracking import client as module
from study.tracking.client import search_runs


def test_a_run_that_is_written_while_others_are_read_gives_none_of_them_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RUNS_PER_PAGE", 2)
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.create_experiment("busy")
    known = [client.create_run(experiment, start_time=number).info.run_id for number in range(5)]

    reading = search_runs(client, experiment, "")
    found = [next(reading).info.run_id, next(reading).info.run_id]
    client.create_run(experiment, start_time=10)
    found += [run.info.run_id for run in reading]

    assert sorted(found) == sorted(known)
