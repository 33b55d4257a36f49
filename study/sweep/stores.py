"""Makes the two stores of a home that are missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from study.sweep.lock import exclusive_file
from study.tracking import create_store
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.store_urls import sqlite_file, sqlite_url


def create_stores(home: Home) -> None:
    """Create the home's folder and the embedded stores that are missing.

    A store is built under another name and moved into place when it is whole, so that being killed while
    the tables are made leaves none that is half made.

    Raises:
        UserError: The folder cannot be written.
    """
    try:
        home.folder.mkdir(parents=True, exist_ok=True)
        with exclusive_file(home.folder / "create.lock"):
            for remains in home.folder.glob("*.partial"):
                remains.unlink()
            _create_once(sqlite_file(home.storage_url), _create_optuna)
            _create_once(sqlite_file(home.tracking_uri), lambda path: _create_mlflow(path, home.folder / "artifacts"))
    except OSError as error:
        raise UserError(
            f"STUDY_HOME {home.folder} cannot be written ({error.strerror or error}); "
            "set STUDY_HOME to a folder that can"
        ) from error


def _create_once(path: Path | None, create: Callable[[Path], None]) -> None:
    if path is None or path.exists():
        return
    if not path.parent.is_dir():
        raise UserError(f"{path}: cannot be created, for there is no folder {path.parent}")
    partial = path.with_name(f"{path.name}.partial")
    create(partial)
    # A write-ahead log takes a third of the time for a small write, and lets the UI read while a sweep writes.
    with closing(sqlite3.connect(partial)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    partial.replace(path)


def _create_optuna(path: Path) -> None:
    from optuna.storages import RDBStorage

    storage = RDBStorage(sqlite_url(path))
    storage.remove_session()
    storage.engine.dispose()


def _create_mlflow(path: Path, artifacts: Path) -> None:
    create_store(sqlite_url(path), artifacts=artifacts)
