from __future__ import annotations

import ast
import contextlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import optuna
import psutil
import pytest
from distributed import LocalCluster

from study.engine import GPU_POPULATION
from study.sweep.workers import dask
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE
from tests.stores import assert_whole_and_equal, mlflow_runs, optuna_trials
from tests.sweep.driver import made_up

Drive = Callable[..., "subprocess.Popen[str]"]
Study = Callable[..., "subprocess.CompletedProcess[str]"]


def finish(process: subprocess.Popen[str], *, status: int = 0) -> str:
    output, _ = process.communicate(timeout=180)
    assert process.returncode == status, output
    return output


def wait_for_trials(home: Path, name: str, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until a running sweep has told that many trials."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        # Until the store is made, looking into it fails in more than one way.
        with contextlib.suppress(Exception):
            if sum(trial.state.is_finished() for trial in optuna_trials(home, name)) >= count:
                return
        time.sleep(0.1)
    raise AssertionError(process.communicate()[0] if process.poll() is not None else "no trial finished")


def test_ten_kills_of_the_command_lose_and_double_nothing(home: Path, drive: Drive) -> None:
    draw = random.Random(20261123)
    for _ in range(10):
        process = drive("card", 30, "killed")
        time.sleep(draw.uniform(0.5, 9))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(drive("card", 30, "killed"))
    assert_whole_and_equal(home, "killed", trials=30)
    finish(drive("card", 30, "whole"))
    assert [t.params for t in optuna_trials(home, "killed")] == [t.params for t in optuna_trials(home, "whole")]
    assert [t.value for t in optuna_trials(home, "killed")] == [t.value for t in optuna_trials(home, "whole")]


def test_a_killed_worker_costs_its_trial_a_retry(home: Path, drive: Drive) -> None:
    process = drive("card", 12, "workers", "once")
    wait_for_trials(home, "workers", 3, process)
    children = [
        child for child in psutil.Process(process.pid).children(recursive=True) if "spawn" in "".join(child.cmdline())
    ]
    children[-1].kill()
    finish(process)
    assert_whole_and_equal(home, "workers", trials=12)
    assert all(trial.state.name == "COMPLETE" for trial in optuna_trials(home, "workers"))


@pytest.mark.parametrize(
    ("mode", "reason"), [("always", "worker process died 3 times"), ("raises", "too large a model")]
)
def test_a_trial_that_cannot_be_run_is_recorded_as_failed_and_the_sweep_goes_on(
    home: Path, drive: Drive, mode: str, reason: str
) -> None:
    finish(drive("card", 6, "failing", mode))
    assert_whole_and_equal(home, "failing", trials=6)
    states = [trial.state.name for trial in optuna_trials(home, "failing")]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    failed = next(run for run in mlflow_runs(f"sqlite:///{home}/mlflow.db", "failing") if run.info.status == "FAILED")
    assert reason in failed.data.tags["failure"]
    assert failed.data.params["units"]


def handed_out(home: Path) -> list[tuple[int, int | None]]:
    """Of every task that a worker began: how many trials, and the population."""
    lines = (home / "handed-out").read_text().splitlines()
    return [tuple(ast.literal_eval(word) for word in line.split()) for line in lines]


@pytest.mark.parametrize(
    ("mode", "reason"), [("always", "worker process died 3 times"), ("raises", "too large a model")]
)
def test_trials_of_a_population_are_handed_out_together_and_fail_alone(
    home: Path, drive: Drive, tmp_path: Path, mode: str, reason: str
) -> None:
    space = tmp_path / "one_structure.yaml"
    space.write_text("{parameters: {learning_rate: {low: 1e-3, high: 1, log: true}}, updates: 20, trials: 9}")
    finish(drive(str(space), 9, "together", mode, POPULATION="4"))
    assert_whole_and_equal(home, "together", trials=9)
    states = [trial.state.name for trial in optuna_trials(home, "together")]
    assert [number for number, state in enumerate(states) if state == "FAIL"] == [2]
    runs = mlflow_runs(f"sqlite:///{home}/mlflow.db", "together")
    assert [reason in run.data.tags["failure"] for run in runs if run.info.status == "FAILED"] == [True]
    # After their task came to nothing trials go alone, in a program of the same population; the one that always kills
    # has three lives then.
    tasks = handed_out(home)
    assert {population for _, population in tasks} == {4}
    assert [trials for trials, _ in tasks].count(4) >= 1
    assert [trials for trials, _ in tasks].count(1) >= 1 + (6 if mode == "always" else 4)


def test_on_gpus_the_engine_chooses_the_population_unless_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "visible_gpus", lambda: ("0",))
    train = partial(made_up, mode="plain", folder=str(tmp_path))
    trials = [(seed, TrialConfig(seed=seed, updates=3)) for seed in range(3)]
    for population, together in ((None, GPU_POPULATION), (2, 2)):
        with dask.DaskWorkers(population=population, train=train) as processes:
            assert (processes.device, processes.count, processes.together) == ("1 GPU", 1, together)
            processes.submit(trials, engine="compiled", divergence=NONFINITE)
            assert (processes.busy, processes.free) == (3, None)
            collected = [processes.collect(timeout=60) for _ in trials]
            assert [(number, result.config) for number, result in collected] == trials
            assert (processes.busy, processes.free) == (0, 0)
    assert handed_out(tmp_path) == [(3, None), (3, 2)]


def test_a_sweep_of_populations_comes_to_what_the_engine_says(home: Path, study: Study) -> None:
    command = ("sweep", "smoke", "--trials", "5", "--workers", "1", "--population", "3")
    done = study(*command, "--set", "units=4", "--set", "learning_rate=300", "--set", "activation=relu")
    assert done.returncode == 0, done.stderr
    assert "3 at a time" in done.stdout
    assert_whole_and_equal(home, "smoke", trials=5)
    from study.engine import run

    axes = {"timesteps": 12, "features": 4, "batch_size": 8, "max_norm": None, "clipnorm": None, "updates": 20}
    axes |= {"units": 4, "learning_rate": 300, "activation": "relu"}
    results = run([TrialConfig(**axes, seed=seed) for seed in range(5)], population=3)
    assert [trial.value for trial in optuna_trials(home, "smoke")] == [result.updates for result in results]
    assert {result.outcome.name for result in results} == {"diverged", "survived"}


def test_a_population_is_refused_to_an_engine_that_trains_one_trial_at_a_time(home: Path, study: Study) -> None:
    done = study("sweep", "smoke", "--engine", "reference", "--population", "2")
    assert done.returncode == 2
    assert done.stderr == "Error: population=2: the reference engine trains one trial at a time\n"


def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing_running(home: Path, drive: Drive) -> None:
    process = drive("card", 500, "stopped")
    wait_for_trials(home, "stopped", 3, process)
    process.send_signal(signal.SIGINT)
    finish(process, status=130)
    runs = mlflow_runs(f"sqlite:///{home}/mlflow.db", "stopped")
    assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}
    told = optuna_trials(home, "stopped")
    assert len(runs) == sum(trial.state.is_finished() for trial in told) + 1
    assert not any(trial.state.name == "RUNNING" for trial in told)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 4.0])
def test_ctrl_c_at_start_up_stops_the_sweep(home: Path, drive: Drive, seconds: float) -> None:
    finish(drive("smoke", 1, "early"))
    process = drive("smoke", 5000, "early")
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not any(trial.state.name == "RUNNING" for trial in optuna_trials(home, "early"))
    assert "RUNNING" not in {run.info.status for run in mlflow_runs(f"sqlite:///{home}/mlflow.db", "early")}


def test_fewer_trials_than_before_are_a_finished_sweep_of_those(home: Path, drive: Drive) -> None:
    process = drive("card", 60, "fewer")
    wait_for_trials(home, "fewer", 6, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finish(drive("card", 3, "fewer"))
    finish(drive("card", 20, "fewer"))
    assert_whole_and_equal(home, "fewer", trials=20)


def test_a_study_that_no_sweep_made_is_left_alone(home: Path, drive: Drive) -> None:
    home.mkdir()
    theirs = optuna.create_study(study_name="theirs", storage=f"sqlite:///{home}/optuna.db")
    theirs.ask()
    output = finish(drive("smoke", 2, "theirs"), status=2)
    assert "the Optuna store has a study of this name that no sweep made" in output
    assert [trial.state.name for trial in theirs.trials] == ["RUNNING"]


def test_two_studies_on_one_dask_cluster_get_their_own_results(home: Path, drive: Drive) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        address = cluster.scheduler_address
        first, second = drive("card", 8, "one", SCHEDULER=address), drive("smoke", 8, "two", SCHEDULER=address)
        finish(first)
        finish(second)
    assert_whole_and_equal(home, "one", trials=8)
    assert_whole_and_equal(home, "two", trials=8)


def test_two_sweeps_of_one_study_at_the_same_time_both_finish(home: Path, drive: Drive) -> None:
    first, second = drive("card", 10, "shared"), drive("card", 10, "shared")
    outputs = [finish(first), finish(second)]
    assert any("another sweep is working on shared" in output for output in outputs)
    assert_whole_and_equal(home, "shared", trials=10)


def test_more_trials_extend_a_study(home: Path, drive: Drive) -> None:
    finish(drive("smoke", 3, "longer"))
    finish(drive("smoke", 5, "longer"))
    assert_whole_and_equal(home, "longer", trials=5)


def test_a_name_used_for_another_space_is_refused(home: Path, drive: Drive) -> None:
    finish(drive("smoke", 2, "taken"))
    output = finish(drive("card", 2, "taken"), status=2)
    assert "taken: a study of this name was made from another search space or seed" in output
    assert_whole_and_equal(home, "taken", trials=2)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Door:
    """A port in front of a server that can be shut and opened, which looks like the server going away."""

    def __init__(self, server_port: int) -> None:
        self.port = free_port()
        self._server_port = server_port
        self._connections: list[socket.socket] = []
        self._listener: socket.socket | None = None

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                outside, _ = listener.accept()
                inside = socket.create_connection(("127.0.0.1", self._server_port))
                self._connections += [outside, inside]
                for source, target in ((outside, inside), (inside, outside)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def server_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An MLflow tracking server."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        for member in [*psutil.Process(process.pid).children(recursive=True), process]:
            member.kill()
        process.wait()


def test_a_tracking_server_that_is_down_at_the_start_is_told_in_a_sentence(home: Path, drive: Drive) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    output = finish(drive("card", 2, "down", MLFLOW_TRACKING_URI=uri), status=2)
    assert f"the MLflow store {uri} cannot be used (Connection refused)" in output
    assert "Traceback" not in output


def test_a_tracking_server_that_goes_away_and_comes_back_is_waited_for(
    home: Path, drive: Drive, server_port: int
) -> None:
    door = Door(server_port)
    door.open()
    uri = f"http://127.0.0.1:{door.port}"
    process = drive("card", 30, "away", MLFLOW_TRACKING_URI=uri)
    wait_for_trials(home, "away", 3, process)
    door.shut()
    time.sleep(4)
    door.open()
    output = finish(process)
    assert re.search(r"does not answer \(.+\); waiting up to 60 seconds", output)
    assert "answers again" in output
    assert_whole_and_equal(home, "away", trials=30, uri=uri)
    door.shut()


def test_a_tracking_server_that_stays_away_ends_the_sweep_and_loses_nothing(
    home: Path, drive: Drive, server_port: int
) -> None:
    door = Door(server_port)
    door.open()
    uri = f"http://127.0.0.1:{door.port}"
    process = drive("card", 30, "gone", MLFLOW_TRACKING_URI=uri, PATIENCE="2")
    wait_for_trials(home, "gone", 3, process)
    door.shut()
    output = finish(process, status=2)
    assert "every finished trial is kept: run the same command again" in output
    assert "Traceback" not in output
    door.open()
    finish(drive("card", 30, "gone", MLFLOW_TRACKING_URI=uri))
    assert_whole_and_equal(home, "gone", trials=30, uri=uri)
    door.shut()
