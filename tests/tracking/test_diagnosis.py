"""A diagnosis in MLflow: taken up as it was left, wherever it was cut off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from study.sweep.stores import create_stores
from study.tracking import DiagnosisRuns, KeptTraining, list_studies, read_results
from study.tracking.client import DIAGNOSIS_UID
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.store_urls import sqlite_url

SURVIVED = KeptTraining(loss=(0.1 + 0.2, 1 / 3, 1e-30), diverged=False)
DIVERGED = KeptTraining(loss=(0.1, math.inf), diverged=True)
REFUSED = KeptTraining(loss=(), diverged=True, refused="its learning rate follows a schedule")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    home = Home(
        folder=folder,
        storage_url=sqlite_url(folder / "optuna.db"),
        tracking_uri=sqlite_url(folder / "mlflow.db"),
    )
    create_stores(home)
    return home


@dataclass(frozen=True)
class Store:
    """A store, and the name of a study in it that no other test has."""

    home: Home
    study: str

    @property
    def uri(self) -> str:
        return self.home.tracking_uri


@pytest.fixture
def store(made: Home, request: pytest.FixtureRequest) -> Store:
    return Store(made, f"diagnosis-{request.node.name[:40]}")


def opened(store: Store, *, uid: str = "one") -> tuple[DiagnosisRuns, dict[str, KeptTraining]]:
    runs = DiagnosisRuns(uri=store.uri, study=store.study, uid=uid, artifacts=store.home.artifacts)
    known = runs.open(name="diagnosis of m.py", tags={"command": "study diagnose m.py"}, params={}, model=("m.py", "#"))
    return runs, known


def keep(runs: DiagnosisRuns, key: str, training: KeptTraining) -> None:
    runs.keep(key, training, name=key, tags={"remedy": "clipnorm"}, params={"seed": "1"}, seconds=1.0)


def runs_of(store: Store) -> list[Any]:
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name(store.study)
    return list(client.search_runs([experiment.experiment_id]))


def test_what_was_kept_before_a_kill_is_there_to_the_last_bit_and_once(store: Store) -> None:
    before, known = opened(store)
    assert known == {}
    assert before.case() is None
    before.keep_case('{"seconds": 1}', DIVERGED)
    trainings = {"a": SURVIVED, "b": DIVERGED, "c": REFUSED}
    for key, training in trainings.items():
        keep(before, key, training)
    after, known = opened(store)  # nothing was closed
    assert known == trainings
    assert after.case() == '{"seconds": 1}'
    assert len(runs_of(store)) == 4


def test_a_training_that_was_half_written_is_done_again(store: Store) -> None:
    opened(store)
    client = MlflowClient(store.uri)
    parent = runs_of(store)[0].info
    tags = {"study.role": "remedy", "mlflow.parentRunId": parent.run_id, DIAGNOSIS_UID: "one", "training": "a"}
    client.create_run(parent.experiment_id, tags=tags)
    after, known = opened(store)
    assert known == {}
    keep(after, "a", SURVIVED)
    assert opened(store)[1] == {"a": SURVIVED}
    assert len(runs_of(store)) == 2


def test_another_diagnosis_of_the_model_has_a_run_and_trainings_of_its_own(store: Store) -> None:
    first, _ = opened(store)
    keep(first, "a", SURVIVED)
    _, known = opened(store, uid="two")
    assert known == {}
    roles = sorted(run.data.tags["study.role"] for run in runs_of(store))
    assert roles == ["diagnosis", "diagnosis", "remedy"]


def test_a_closed_diagnosis_has_its_answer_and_can_be_taken_up_again(store: Store) -> None:
    first, _ = opened(store)
    keep(first, "a", SURVIVED)
    first.close(
        name="m.py: clipnorm", note="A sentence.", tags={"cause": "x"}, files={"d.json": "{}"}, status="FINISHED"
    )
    (parent,) = [run for run in runs_of(store) if run.data.tags["study.role"] == "diagnosis"]
    assert (parent.info.status, parent.info.run_name) == ("FINISHED", "m.py: clipnorm")
    assert parent.data.tags["mlflow.note.content"] == "A sentence."
    assert opened(store)[1] == {"a": SURVIVED}


def test_a_diagnosis_is_not_taken_for_a_sweep_nor_a_sweep_for_a_diagnosis(store: Store) -> None:
    opened(store)
    assert store.study not in list_studies(uri=store.uri)
    with pytest.raises(UserError, match="is a diagnosis and no sweep"):
        read_results(uri=store.uri, study=store.study)
    MlflowClient(store.uri).create_experiment("other", tags={"study.uid": "u"})
    other = DiagnosisRuns(uri=store.uri, study="other", uid="one", artifacts=store.home.artifacts)
    with pytest.raises(UserError, match="no diagnosis; choose another name"):
        other.open(name="n", tags={}, params={}, model=("m.py", "#"))
