from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# All processes of all tests find each other's compiled programs, and those of the last run.
os.environ.setdefault("STUDY_PROGRAMS", str(ROOT / ".pytest_cache" / "programs"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty STUDY_HOME, and no other store in the environment."""
    folder = tmp_path / "home"
    monkeypatch.setenv("STUDY_HOME", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("STUDY_STORAGE", raising=False)
    return folder


@pytest.fixture(scope="session")
def study() -> Callable[..., subprocess.CompletedProcess[str]]:
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
def drive() -> Callable[..., subprocess.Popen[str]]:
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the engines' tests in one process: they share programs that take seconds to compile."""
    for item in items:
        if "engine" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("engine"))
