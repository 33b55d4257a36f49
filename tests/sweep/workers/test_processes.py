from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import dask
import psutil
import pytest

from study.sweep.workers import processes
from study.sweep.workers.base import TrialFailed
from study.sweep.workers.dask import DaskWorkers
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE
from study.trial.errors import UserError
from study.trial.result import TrialResult
from tests.sweep.driver import made_up

MINUTE = 60.0


def worker_processes() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def outcome(workers: DaskWorkers, *, seed: int) -> TrialResult | TrialFailed | None:
    """What a trial comes to; None if that takes longer than a minute."""
    workers.submit([(0, TrialConfig(seed=seed, updates=3))], engine="reference", divergence=NONFINITE)
    deadline = time.monotonic() + MINUTE
    while time.monotonic() < deadline:
        collected = workers.collect(timeout=0.25)
        if collected is not None:
            return collected[1]
    return None


@contextmanager
def ctrl_c_at_every_worker() -> Iterator[None]:
    """Send what a terminal sends to its processes, beginning with their first moment."""
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.02):
            for child in worker_processes():
                with suppress(psutil.NoSuchProcess):
                    child.send_signal(signal.SIGINT)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_ctrl_c_in_the_terminal_reaches_no_worker_not_even_one_that_is_starting(tmp_path: Path) -> None:
    train = partial(made_up, mode="plain", folder=str(tmp_path))
    with ctrl_c_at_every_worker(), DaskWorkers(count=1, train=train) as workers:
        assert isinstance(outcome(workers, seed=1), TrialResult)


def test_workers_that_are_still_starting_end_with_the_rest() -> None:
    with DaskWorkers(count=2):
        deadline = time.monotonic() + MINUTE
        while not worker_processes() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert worker_processes() == []


def test_a_worker_that_is_away_for_longer_than_dask_waits_is_restarted_all_the_same(tmp_path: Path) -> None:
    # Dask's own clusters dismiss a worker that is away after this time, 15 seconds unless told otherwise: with one that
    # died twice it was all a matter of when.
    hasty = dask.config.set({"distributed.deploy.lost-worker-timeout": "100ms"})
    train = partial(made_up, mode="once", folder=str(tmp_path))
    with hasty, DaskWorkers(count=1, train=train) as workers:
        assert isinstance(outcome(workers, seed=2), TrialResult)
    assert (tmp_path / "killed-once").exists()


def test_a_worker_that_cannot_be_started_again_ends_the_waiting_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MOST_STARTS", 2)
    (tmp_path / "preload.py").write_text(
        f"import os, pathlib\nif pathlib.Path({str(tmp_path / 'killed-once')!r}).exists(): os._exit(1)\n"
    )
    preloading = dask.config.set({"distributed.worker.preload": [os.fspath(tmp_path / "preload.py")]})
    train = partial(made_up, mode="once", folder=str(tmp_path))
    sentence = r"a worker process cannot be started, .* every finished trial is kept"
    with preloading, DaskWorkers(count=1, train=train) as workers, pytest.raises(UserError, match=sentence):
        outcome(workers, seed=2)
