"""Processes that tests start, and what they wait for."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Protocol

from tests.stores import optuna_trials

ROOT = Path(__file__).resolve().parent.parent

PATIENCE = 600
"""Seconds after which something hangs, however busy the machine is."""


class Study(Protocol):
    """Runs the command line in a process of its own; keywords add to its environment."""

    def __call__(
        self, *arguments: str, timeout: float = 300, **environment: str
    ) -> subprocess.CompletedProcess[str]: ...


class Drive(Protocol):
    """Starts a sweep of made-up trials in a process of its own, see `tests/sweep/driver.py`."""

    def __call__(
        self, space: str, trials: int, name: str, mode: str = "plain", **environment: str
    ) -> subprocess.Popen[str]: ...


def finish(process: subprocess.Popen[str], *, status: int = 0) -> str:
    """Wait for a process that must end with this status; what it said."""
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, output
    return output


def wait_for_trials(home: Path, name: str, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until a running sweep has told that many trials."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        # Until the study is made, looking into it fails in more than one way.
        with contextlib.suppress(Exception):
            if sum(trial.state.is_finished() for trial in optuna_trials(home, name)) >= count:
                return
        time.sleep(0.1)
    raise AssertionError(process.communicate()[0] if process.poll() is not None else "no trial finished")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_server(url: str) -> None:
    """Wait until an address answers."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{url} does not answer")
