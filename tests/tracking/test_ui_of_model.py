"""A sweep over a model file that was killed and went on: whole in both stores, reported, and seen in MLflow."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.processes import ROOT, finish, wait_for_trials
from tests.stores import assert_whole_and_equal, mlflow_runs, optuna_trials
from tests.tracking.test_ui import page, served

__all__ = ["page"]

pytestmark = pytest.mark.nightly

SALES = ROOT / "tests" / "models" / "specimens" / "unscaled_sales.py"
TRIALS = 64
# Half of all rates lie above what its squares of about 1e8 allow.
COMMAND = ("--model", str(SALES), "--vary", "learning_rate=1e-12..1e-4:log", "--vary", "units=2..8:log")


def sweep(home: Path) -> subprocess.Popen[str]:
    """Starts the sweep as a person would, or lets it go on."""
    return subprocess.Popen(
        [sys.executable, "-m", "study", "sweep", *COMMAND, "--trials", str(TRIALS), "--set", "updates=6"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "STUDY_HOME": str(home), "MLFLOW_TRACKING_URI": "", "STUDY_STORAGE": ""},
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the study, whose sweep was killed once on its way."""
    home = tmp_path_factory.mktemp("home")
    process = sweep(home)
    wait_for_trials(home, "unscaled_sales", 8, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 8 <= sum(trial.state.is_finished() for trial in optuna_trials(home, "unscaled_sales")) < TRIALS
    said = finish(sweep(home))
    assert re.search(r"unscaled_sales: (\d+) of 64 trials to run", said)
    return home


def test_a_sweep_over_a_model_file_that_was_killed_loses_and_doubles_nothing(swept: Path) -> None:
    assert_whole_and_equal(swept, "unscaled_sales", trials=TRIALS)
    seeds = [trial.user_attrs["seed"] for trial in optuna_trials(swept, "unscaled_sales")]
    assert seeds == list(range(TRIALS))


def test_its_trials_read_well_in_mlflow(swept: Path, page: Page) -> None:
    runs = mlflow_runs(f"sqlite:///{swept}/mlflow.db", "unscaled_sales")
    diverged = sum(run.data.tags.get("outcome") == "diverged" for run in runs)
    assert 0 < diverged < TRIALS
    with served(swept, study="unscaled_sales") as url:
        page.goto(url)
        names = page.get_by_role("link", name=re.compile(r"^\d{4} (NaN at \d+|survived 6(, exploded)?): "))
        expect(names.first).to_be_visible()
        expect(page.get_by_text("64 matching runs")).to_be_visible()
        for column in ("time_to_nan", "updates", "outcome", "learning_rate", "units", "onset_layer"):
            expect(page.get_by_role("columnheader", name=column, exact=True).first).to_be_visible()
        search = page.get_by_placeholder(re.compile("metrics"))
        search.fill("metrics.diverged = 1")
        search.press("Enter")
        expect(page.get_by_text(f"{diverged} matching runs")).to_be_visible()
        # One trial: what was first, in a sentence, and the axes of the file.
        names.first.click()
        expect(page.get_by_text(re.compile("^At update .* overflowed")).first).to_be_visible()
        for text in ("learning_rate", "units", "time_to_nan", "onset_tensor"):
            expect(page.get_by_text(text, exact=True).first).to_be_visible()
