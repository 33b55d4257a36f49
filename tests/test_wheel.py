"""The package away from its checkout: the wheel, installed elsewhere, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import ROOT

Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs the command line of the installed wheel in an empty folder; returns what it printed."""
    target, folder = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("empty")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STUDY_HOME", "MLFLOW"))}

    def study(*arguments: str, status: int = 0) -> str:
        answer = subprocess.run(
            [sys.executable, "-m", "study", *arguments],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**environment, "PYTHONPATH": str(target)},
            check=False,
        )
        assert answer.returncode == status, answer.stderr
        return answer.stdout + answer.stderr

    return study


def test_the_wheel_carries_what_the_checkout_has_at_its_top_level(wheel: Path) -> None:
    carried = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("search_spaces", "notebooks/recorded"):
        for path in (ROOT / folder).iterdir():
            assert f"study/shipped/{folder}/{path.name}" in carried
    assert "study/py.typed" in carried
    assert not [name for name in carried if name.startswith(("tests/", "benchmarks/"))]


def test_a_shipped_space_is_swept_and_reported_anywhere(run: Run) -> None:
    assert "2 trials" in run("sweep", "smoke", "--trials", "2", "--workers", "1", "--no-anatomy")
    assert "smoke" in run("report", "smoke", "--out", "smoke.html")


def test_the_figures_of_a_recorded_study_are_drawn_anywhere(run: Run) -> None:
    assert "phase_diagram.png" in run("figures")


def test_the_claims_are_found_anywhere(run: Run) -> None:
    refused = run("claims", "--only", "C99", status=2)
    assert "--only C99: is not in " in refused
    assert "there are C1, " in refused


def test_a_recorded_study_is_reported_anywhere(run: Run) -> None:
    assert "All of the 10 trials diverged" in run("report", "recorded:mre", "--no-open")
