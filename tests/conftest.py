from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from threadpoolctl import threadpool_limits

from study.sweep.lock import exclusive_file
from study.sweep.stores import create_stores
from study.trial.home import Home
from tests.processes import ROOT, Drive, Study
from tests.stores import home_in

# All processes of all tests find each other's compiled programs, and those of the last run.
os.environ.setdefault("STUDY_PROGRAMS", str(ROOT / ".pytest_cache" / "programs"))
# Tests run side by side, and so do processes that they start: a core each, since threads that wait for one another take
# several times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
threadpool_limits(limits=1)
# They run the code under test, and find what the tests have for them.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


@event.listens_for(Engine, "connect")
def _do_not_wait_for_the_disk(connection: Any, record: Any) -> None:
    """Tests end processes and never the machine, so what SQLite wrote need not have reached the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A STUDY_HOME that is not there yet, and no other store in the environment."""
    folder = tmp_path / "home"
    monkeypatch.setenv("STUDY_HOME", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("STUDY_STORAGE", raising=False)
    return folder


@pytest.fixture(scope="session")
def empty_stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both stores and no study in them, made once for all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "empty_stores"
    with exclusive_file(folder.with_suffix(".lock")):
        create_stores(home_in(folder))
    return folder


@pytest.fixture
def stores(home: Path, empty_stores: Path) -> Home:
    """A STUDY_HOME whose stores are there: making MLflow's takes seconds, copying it none."""
    shutil.copytree(empty_stores, home)
    return Home.find()


@pytest.fixture(scope="session")
def study() -> Study:
    """Runs the command line as a person would."""

    def run(*arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "study", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=ROOT,
            env={**os.environ, **environment},
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def drive() -> Drive:
    """Starts a sweep of made-up trials in a process of its own."""

    def start(space: str, trials: int, name: str, mode: str = "plain", **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "sweep" / "driver.py"), space, str(trials), name, mode],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
            start_new_session=True,
        )

    return start
