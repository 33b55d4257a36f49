from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mlflow.tracking import MlflowClient

from study.analysis.exemplary import exemplary_trials
from study.cli.main import study
from study.diagnosis.measured_cause import MeasuredCause
from study.diagnosis.result import Concluded
from study.report.tables import load
from study.tracking import ANATOMY, CAUSE, attach, keep_artifact
from tests.analysis.made_up_trials import results_table
from tests.stores import home_in, mlflow_runs
from tests.sweep.in_process import sweep
from tests.sweep.made_up import made_up

STUDY = "seen"
TRIALS = 8
"""So few that no trials can be held out, which would take most of the time."""


@pytest.fixture(scope="module")
def swept(empty_stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a sweep of made-up trials, one of which failed for want of memory."""
    folder = tmp_path_factory.mktemp("swept") / "home"
    shutil.copytree(empty_stores, folder)
    sweep(home_in(folder), STUDY, TRIALS, train=partial(made_up, mode="raises"))
    return folder


@pytest.fixture
def store(swept: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("STUDY_HOME", str(swept))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return f"sqlite:///{swept}/mlflow.db"


def report(*arguments: str) -> Result:
    return CliRunner().invoke(study, ["report", "--no-open", *arguments])


def kept(uri: str, name: str) -> str:
    (parent,) = (run for run in mlflow_runs(uri, STUDY) if "mlflow.parentRunId" not in run.data.tags)
    return Path(MlflowClient(tracking_uri=uri).download_artifacts(parent.info.run_id, name)).read_text(encoding="utf-8")


def test_a_report_is_written_and_kept_with_the_parent_run(store: str, swept: Path) -> None:
    result = report(STUDY)
    assert result.exit_code == 0, result.output
    page = (swept / "reports" / f"{STUDY}.html").read_text(encoding="utf-8")
    assert str(swept / "reports" / f"{STUDY}.html") in result.output
    for words in (
        "too large a model",  # why a trial failed
        "The seven axes of the question",  # what the space is for
        "tensorflow 2.",
        "recurrent_dropout:",  # the space itself
    ):
        assert words in page
    assert f"<span>trials</span><b>{TRIALS}</b>" in page
    assert kept(store, "report.html") == page


def test_pages_of_trials_are_linked_from_the_file_and_named_in_the_store(
    store: str, swept: Path, tmp_path: Path
) -> None:
    soonest = min(
        (run for run in mlflow_runs(store, STUDY) if "time_to_nan" in run.data.metrics),
        key=lambda run: (run.data.metrics["time_to_nan"], int(run.data.tags["trial_number"])),
    )
    keep_artifact(soonest.info.run_id, ANATOMY, "<p>the page</p>", uri=store)
    out = tmp_path / "linked.html"
    assert report(STUDY, "--out", str(out)).exit_code == 0
    (link,) = re.findall(r'<a href="([^"#][^"]*)">page</a>', out.read_text("utf-8"))
    assert (out.parent / link).resolve().read_text("utf-8") == "<p>the page</p>"
    copy = kept(store, "report.html")
    assert "in its run" in copy
    assert str(swept) not in copy.replace("search_space", "")
    assert "anatomy.html</a>" not in copy


def test_verdicts_kept_with_a_study_are_in_its_report(store: str, tmp_path: Path) -> None:
    row = {
        "contrast": "C5", "statement": "With tanh it does not diverge.", "semantics": "keras-3", "verdict": "supported",
        "observations": 26, "successes": 1, "share": 1 / 26, "low": 0.0, "high": 0.2, "threshold": 0.25,
        "quantifier": "never", "finding": "never: 1 of 26", "p_adjusted": 0.01,
    }  # fmt: skip
    folder = tmp_path / "verdicts"
    folder.mkdir()
    pd.DataFrame([row]).to_parquet(folder / "claims.parquet")
    pd.DataFrame([{"arm": "tanh"}]).to_parquet(folder / "claims_arms.parquet")
    attach(uri=store, study=STUDY, folder=folder, tags={})
    out = tmp_path / "claims.html"
    assert report(STUDY, "--out", str(out)).exit_code == 0
    assert "With tanh it does not diverge." in out.read_text("utf-8")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_has_a_report_too_and_needs_no_store(ending: str, home: Path, tmp_path: Path) -> None:
    table = results_table([3, 9, 99], learning_rate=[1e-2, 1e-3, 1e-4])
    source, out = tmp_path / f"mine.{ending}", tmp_path / "mine.html"
    table.to_csv(source, index=False) if ending == "csv" else table.to_parquet(source, index=False)
    result = report(str(source), "--out", str(out))
    assert result.exit_code == 0, result.output
    assert "2 of the 3 trials diverged" in out.read_text("utf-8")
    assert "MLflow" not in result.output
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.parquet"], "nowhere.parquet: no such file"),
        (["recorded:nothing"], "recorded:nothing: no such recorded study"),
        (["card"], "holds no studies yet"),
        (["nowhere.csv", "--out", "report.pdf"], "takes a file that ends in .html"),
        (["nowhere.csv", "--out", "no/such/folder/report.html"], "there is no folder"),
    ],
)
def test_what_cannot_be_reported_is_told_in_a_sentence(
    arguments: list[str], words: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = report(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_study_is_named_with_those_that_there_are(store: str) -> None:
    result = report("unseen")
    assert result.exit_code == 2
    assert f"there are {STUDY}" in result.stderr


def test_the_cause_of_exemplary_trials_is_told_where_it_was_measured(store: str, tmp_path: Path) -> None:
    chosen = exemplary_trials(load(STUDY))
    first, *others = chosen["run_id"]
    cause = Concluded(id="unbounded_recurrence", weight=0.9, sentence="It grows.", evidence=("by 1.3 a timestep",))
    keep_artifact(first, CAUSE, MeasuredCause(cause=cause, also=("initial_weights",)).to_json(), uri=store)
    out = tmp_path / "causes.html"
    result = report(STUDY, "--out", str(out))
    number = chosen["trial_number"].iloc[0]
    meaning = "a recurrent state grows by a factor per timestep through an activation without a bound"
    assert f"Measured cause of trial {number}: `unbounded_recurrence`, {meaning}." in result.output
    page = out.read_text("utf-8")
    for words in ("<code>unbounded_recurrence</code>", "It grows.", "by 1.3 a timestep", "initial_weights"):
        assert words in page
    assert page.count("<td>unbounded_recurrence</td>") == 1
    assert others
    assert "<code>study diagnose --run RUN</code> measures the cause of a trial that has none here" in page
