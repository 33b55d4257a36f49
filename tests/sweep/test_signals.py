"""Ctrl-C as a terminal sends it to the command and to all its processes."""

from __future__ import annotations

import os
import signal
import time

import pytest

from study.trial.home import Home
from tests.processes import Drive, finish, wait_for_trials
from tests.stores import mlflow_runs, optuna_trials
from tests.sweep.in_process import sweep


def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing_running(stores: Home, drive: Drive) -> None:
    process = drive("card", 500, "stopped")
    wait_for_trials(stores.folder, "stopped", 3, process)
    os.killpg(process.pid, signal.SIGINT)
    finish(process, status=130)
    runs = mlflow_runs(stores.tracking_uri, "stopped")
    assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}
    told = optuna_trials(stores.folder, "stopped")
    assert len(runs) == sum(trial.state.is_finished() for trial in told) + 1
    assert not any(trial.state.name == "RUNNING" for trial in told)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 4.0])
def test_ctrl_c_at_start_up_stops_the_sweep(stores: Home, drive: Drive, seconds: float) -> None:
    sweep(stores, "early", 1, space="smoke")
    process = drive("smoke", 5000, "early")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    finish(process, status=130)
    assert not any(trial.state.name == "RUNNING" for trial in optuna_trials(stores.folder, "early"))
    assert "RUNNING" not in {run.info.status for run in mlflow_runs(stores.tracking_uri, "early")}
