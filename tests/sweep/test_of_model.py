"""Sweeps over a model file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import distributed
import pytest
from mlflow.tracking import MlflowClient
from rich.console import Console

from study.analysis.table import as_results
from study.models.file import ModelFile
from study.models.signature import design_of
from study.models.trial import run_trial
from study.report.study_report import analyse
from study.space.search_space import SearchSpace
from study.space.vary import space_of
from study.sweep.loop import SweepReport, run_sweep
from study.sweep.options import SweepOptions
from study.sweep.workers.dask import DaskWorkers
from study.sweep.workers.inline import InlineWorkers
from study.sweep.workers.of_model import train_on
from study.tracking import list_studies, read_results, read_run, read_sweep
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.model_design import ENGINE, ModelDesign
from study.trial.result import first_difference
from tests.models.files import DATA, file_of
from tests.processes import ROOT

BUILD = """
def build(activation: str = "relu"):
    model = keras.Sequential([keras.Input((5, 3)), layers.Flatten(), layers.Dense(1, activation=activation)])
    model.compile(optimizer="sgd", loss="mse")
    return model
"""


def space(file: ModelFile, *, trials: int = 3, activations: str = "linear,nosuch") -> SearchSpace:
    return space_of(
        ["learning_rate=1e-2..1e30:log", f"activation={activations}"],
        design=design_of(file),
        about="",
        overrides={"updates": "6"},
        trials=trials,
    )


def swept(home: Home, file: ModelFile, *, trials: int = 3, about: SearchSpace | None = None) -> SweepReport:
    about = about or space(file, trials=trials)
    design = about.design
    assert isinstance(design, ModelDesign)
    return run_sweep(
        about,
        SweepOptions(name="mine", engine=ENGINE, patience=0),
        home=home,
        console=Console(file=StringIO()),
        workers=lambda at_most: InlineWorkers(train=train_on(file, design)),
        model=file,
    )


@pytest.fixture
def file(tmp_path: Path) -> ModelFile:
    return file_of(tmp_path, BUILD, DATA)


def test_a_study_of_a_model_file_is_kept_read_replayed_and_goes_on_with_the_same_text(
    home: Path, file: ModelFile, tmp_path: Path
) -> None:
    stores = Home.find()
    table = swept(stores, file, trials=4).table
    outcomes = dict(zip(table["activation"], table["outcome"], strict=False))
    assert outcomes["nosuch"] == "failed"
    assert table["failure"].dropna().str.startswith("my_model.py:7: ValueError: Could not interpret activation").all()
    assert set(table.loc[table["activation"] == "linear", "outcome"]) <= {"diverged", "survived"}
    assert (table["outcome"] == "diverged").any()
    assert table.loc[table["outcome"] == "diverged", "onset_phase"].isin(["forward", "loss"]).all()

    sweep = read_sweep(uri=stores.tracking_uri, study="mine")
    assert sweep is not None
    assert (sweep.tags["model"], sweep.tags["sha256"]) == ("my_model.py", file.sha256)
    kept = MlflowClient(tracking_uri=stores.tracking_uri).download_artifacts(
        sweep.run_id, "model/my_model.py", str(tmp_path)
    )
    assert Path(kept).read_text() == file.text

    Path(file.path).unlink()
    for run_id in table.loc[table["outcome"] == "diverged", "run_id"]:
        tracked = read_run(run_id, uri=stores.tracking_uri)
        assert tracked.model is not None
        kept_file = ModelFile(path=tracked.model.path, text=tracked.model.text)
        assert kept_file == file
        assert first_difference(tracked.result, run_trial(tracked.result.config, file=kept_file)) is None

    assert len(swept(stores, file, trials=6).table) == 6
    with pytest.raises(UserError) as told:
        swept(stores, ModelFile(path=file.path, text=file.text + "\n"))
    assert str(told.value).startswith("--name mine: this study was begun with another text of my_model.py (SHA-256 ")
    assert "MLflow keeps with the study as model/my_model.py" in str(told.value)


def test_reading_a_study_runs_none_of_the_users_code(home: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    marked = file_of(tmp_path, f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n", BUILD, DATA)
    stores = Home.find()
    about = space(marked, activations="linear,relu", trials=4)
    swept(stores, marked, about=about)
    assert mark.exists()
    mark.unlink()

    table = as_results(read_results(uri=stores.tracking_uri, study="mine"), where="mine")
    assert len(table) == 4
    assert "mine" in list_studies(uri=stores.tracking_uri)
    assert read_sweep(uri=stores.tracking_uri, study="mine") is not None
    for run_id in table["run_id"]:
        assert read_run(run_id, uri=stores.tracking_uri).model is not None
    assert "my_model.py" in analyse("mine", out=tmp_path / "report.html", home=stores).page
    # A sweep that is finished has nothing to train.
    assert len(swept(stores, marked, about=about).table) == 4
    assert not mark.exists()


def test_what_travels_to_a_worker_is_text(file: ModelFile) -> None:
    design = design_of(file)
    train = train_on(file, design)
    config = design.config({"activation": "linear", "updates": 3})
    Path(file.path).unlink()
    (text,) = train([json.dumps(config.as_json())], ENGINE, 1, "nonfinite")
    assert json.loads(text)["config"] == config.as_json()
    assert json.loads(text)["updates"] == 3


@contextmanager
def workers_started_by_hand(folder: Path, *, count: int) -> Iterator[tuple[str, set[int]]]:
    """A Dask scheduler with workers in a folder of their own; its address, and the workers' process ids."""
    folder.mkdir()
    with distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster:
        address = cluster.scheduler_address
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        processes = [
            subprocess.Popen(
                [*command, "--no-dashboard"],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(count)
        ]
        try:
            with distributed.Client(address, set_as_default=False) as client:
                client.wait_for_workers(count, timeout=180)
            yield address, {process.pid for process in processes}
        finally:
            for process in processes:
                process.send_signal(signal.SIGKILL)
                process.wait()


def test_the_file_travels_to_workers_that_were_started_by_hand_in_another_folder(home: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    ran.mkdir()
    marking = f"import os, pathlib\npathlib.Path({str(ran)!r}, str(os.getpid())).touch()\n"
    file = file_of(tmp_path, marking, BUILD, DATA)
    about, design = space(file, trials=6), design_of(file)
    (ran / str(os.getpid())).unlink()
    Path(file.path).unlink()
    with workers_started_by_hand(tmp_path / "elsewhere", count=2) as (address, pids):
        table = run_sweep(
            about,
            SweepOptions(name="mine", engine=ENGINE, patience=0),
            home=Home.find(),
            console=Console(file=StringIO()),
            workers=lambda at_most: DaskWorkers(scheduler=address, train=train_on(file, design)),
            model=file,
        ).table
    assert {path.name for path in ran.iterdir()} == set(map(str, pids))
    failed = table["activation"] == "nosuch"
    assert 0 < failed.sum() < 6
    assert (table.loc[failed, "outcome"] == "failed").all()
    assert table.loc[failed, "failure"].str.startswith("my_model.py:9: ValueError: Could not interpret acti").all()
    assert set(table.loc[~failed, "outcome"]) <= {"diverged", "survived"}
    assert not list((tmp_path / "elsewhere").glob("*.py"))
