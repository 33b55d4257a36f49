from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from study.sweep import stores
from study.sweep.stores import create_stores
from study.tracking import Tracker, read_sweep
from study.trial.config import EXAMPLE
from study.trial.errors import UserError
from study.trial.home import Home, existing_home
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
    tracker.open(uid="u", tags={}, params={}, axes=EXAMPLE.axes, varied=["units"], space_yaml="about: nothing")
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


def test_the_environment_and_the_option_say_where_things_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Home.find()
    assert (found.folder, found.artifacts) == (home, home / "artifacts")
    assert [sqlite_file(url) for url in (found.storage_url, found.tracking_uri)] == [
        home / "optuna.db",
        home / "mlflow.db",
    ]
    monkeypatch.setenv("STUDY_STORAGE", "postgresql://server/studies")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    found = Home.find()
    assert (found.storage_url, found.tracking_uri) == ("postgresql://server/studies", "http://127.0.0.1:5000")
    assert found.artifacts is None
    assert Home.find(storage="mysql://server/studies").storage_url == "mysql://server/studies"
    assert not home.exists()


def test_what_is_read_must_be_there_but_a_server_is_asked_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=f"{home} holds no studies yet; run a sweep first"):
        existing_home()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert existing_home().tracking_uri == "http://127.0.0.1:5000"


def test_a_store_whose_making_was_cut_short_is_made_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(uri: str, *, artifacts: Path | None) -> None:
        (home / "mlflow.db.partial").write_text("half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(stores, "create_store", killed)
    with pytest.raises(KeyboardInterrupt):
        create_stores(Home.find())
    assert not (home / "mlflow.db").exists()
    whole = (home / "optuna.db").stat().st_ino

    made = []
    monkeypatch.setattr(stores, "create_store", lambda uri, artifacts: made.append(sqlite_file(uri)))
    create_stores(Home.find())
    assert made == [home / "mlflow.db.partial"]
    assert b"half of it" not in (home / "mlflow.db").read_bytes()
    assert (home / "optuna.db").stat().st_ino == whole
