"""A study of another model, written to MLflow and read back without it."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from study.analysis.table import as_results, load_results, write_results
from study.analysis.table_axes import axes_of
from study.tracking import Tracker, create_store, read_results
from study.trial.model_design import ModelDesign
from study.trial.record import Record
from study.trial.result import TrialResult
from tests.trial.other_axes import OTHER

DESIGN = ModelDesign(model="other.py", sha256="0" * 64, file_axes=OTHER)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{folder}/mlflow.db"
    create_store(uri, artifacts=folder / "artifacts")
    tracker = Tracker(uri=uri, study="other", artifacts=folder / "artifacts")
    tracker.open(uid="u", tags={}, params={}, axes=OTHER, varied=["rate", "pooling"], space_yaml="about: other")
    for number, pooling in enumerate(("mean", "max", "attention")):
        config = DESIGN.config(
            {"pooling": pooling, "rate": 10.0**-number, "decay": 0.1 if number else None, "updates": 3}
        )
        losses = (1.0, math.nan) if pooling == "max" else (1.0, 1.0, 1.0)
        result = TrialResult(config=config, loss=losses, engine="keras", device="CPU", seconds=1)
        tracker.log_trial(Record(number=number, config=config, result=result, end_time=1.0))
    tracker.close(status="FINISHED", table=tracker.table(), note="")
    return uri


def test_its_table_has_its_axes_and_their_types(uri: str) -> None:
    table = as_results(read_results(uri=uri, study="other"))
    assert axes_of(table) == OTHER
    assert table["pooling"].tolist() == ["mean", "max", "attention"]
    assert table["rate"].tolist() == [1.0, 0.1, 0.01]
    assert table["width"].tolist() == [32, 32, 32]
    assert table["decay"].isna().tolist() == [True, False, False]
    assert table["residual"].tolist() == [True, True, True]
    assert table["prefix"].tolist() == ["block", "block", "block"]
    assert table["budget"].tolist() == [3, 3, 3]
    assert table["outcome"].tolist() == ["survived", "diverged", "survived"]
    assert "activation" not in table


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_its_file_is_the_same_table(uri: str, ending: str, tmp_path: Path) -> None:
    table = read_results(uri=uri, study="other")
    write_results(table, tmp_path / f"other.{ending}")
    pd.testing.assert_frame_equal(load_results(tmp_path / f"other.{ending}"), as_results(table))


def test_its_runs_are_told_apart_by_what_they_set(uri: str) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("other")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.trial_number = '1'")
    assert runs[0].info.run_name == "0001 NaN at 2: pooling=max rate=0.1 decay=0.1"
    assert runs[0].data.tags["sha256"] == "0" * 64
