from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from study.sweep.stores import create_stores
from study.tracking import Tracker, read_sweep
from study.trial.home import Home
from study.trial.store_urls import sqlite_file, sqlite_url, without_password

NAMES = ["100%", "why?", "a #1", "{x}", "50%25 off", "a&b=c;d", "ü ber", "a\\b"]


@pytest.mark.parametrize("name", NAMES)
def test_the_url_of_a_file_leads_back_to_it(name: str) -> None:
    file = Path("/some") / name / "optuna.db"
    assert sqlite_file(sqlite_url(file)) == file
    assert sqlite_file(sqlite_url(file, timeout="60")) == file


def test_only_urls_of_sqlite_files_have_a_file() -> None:
    assert sqlite_file("postgresql://somebody:secret@server/studies") is None
    assert sqlite_file("http://127.0.0.1:5000") is None
    assert sqlite_file("nonsense") is None
    assert sqlite_file("sqlite+pysqlite:////tmp/a.db") == Path("/tmp/a.db")


def test_a_url_is_shown_without_its_password() -> None:
    assert without_password("postgresql://somebody:secret@server/db") == "postgresql://somebody:***@server/db"
    assert without_password("no url at all") == "no url at all"


@pytest.mark.parametrize("name", ["100% sure? #1 {a}", "50%25 off"])
def test_a_home_of_any_name_holds_both_stores_and_nothing_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "homes" / name
    monkeypatch.setenv("STUDY_HOME", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("STUDY_STORAGE", raising=False)
    home = Home.find()
    create_stores(home)
    tracker = Tracker(uri=home.tracking_uri, study="odd", artifacts=home.artifacts)
    tracker.open(uid="u", tags={}, params={}, axes=["units"], space_yaml="about: nothing")
    sweep = read_sweep(uri=home.tracking_uri, study="odd")
    assert sweep is not None
    assert sweep.space_yaml == "about: nothing"
    assert [path.name for path in folder.parent.iterdir()] == [name]
    assert {path.name for path in folder.iterdir()} >= {"optuna.db", "mlflow.db", "artifacts"}
    tables = {"optuna.db": "trials", "mlflow.db": "experiments"}
    for file, table in tables.items():
        with closing(sqlite3.connect(folder / file)) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        assert table in names
        assert not names & (set(tables.values()) - {table})
