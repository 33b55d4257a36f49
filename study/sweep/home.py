"""Where things are kept: the two stores and the artifacts."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from study.trial.errors import UserError
from study.trial.folders import home_folder


@dataclass(frozen=True, kw_only=True)
class Home:
    """The stores that a command works on.

    `STUDY_HOME` (see `study.trial.folders`) holds `mlflow.db`, `optuna.db` and `artifacts/`.
    `MLFLOW_TRACKING_URI` and `STUDY_STORAGE` or `--storage` replace one store each.
    """

    folder: Path
    storage_url: str
    """SQLAlchemy URL of the Optuna store."""
    tracking_uri: str
    """URI of the MLflow store."""

    @classmethod
    def find(cls, *, storage: str | None = None) -> Home:
        """The home that the environment names; nothing is created yet."""
        folder = home_folder()
        # The timeout is the seconds that one SQLite writer waits for another: two studies may share a home.
        return cls(
            folder=folder,
            storage_url=storage or os.environ.get("STUDY_STORAGE") or f"sqlite:///{folder}/optuna.db?timeout=60",
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder}/mlflow.db?timeout=60",
        )

    @property
    def artifacts(self) -> Path | None:
        """Folder of MLflow's artifacts; None where a tracking server keeps them."""
        return self.folder / "artifacts" if self.tracking_uri.startswith("sqlite:") else None

    def create(self) -> None:
        """Create the folder and the embedded stores that are missing.

        A store is built under another name and moved into place when it is whole, so that being killed while
        the tables are made leaves none that is half made.

        Raises:
            UserError: The folder cannot be written.
        """
        from study.sweep.lock import exclusive_file

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with exclusive_file(self.folder / "create.lock"):
                for remains in self.folder.glob("*.partial"):
                    remains.unlink()
                _create_once(embedded_file(self.storage_url), _create_optuna)
                _create_once(embedded_file(self.tracking_uri), lambda path: _create_mlflow(path, self.artifacts))
        except OSError as error:
            raise UserError(
                f"STUDY_HOME {self.folder} cannot be written ({error.strerror or error}); "
                "set STUDY_HOME to a folder that can"
            ) from error


def existing_home() -> Home:
    """The home that the environment names, if something is kept there.

    Raises:
        UserError: There are no studies yet.
    """
    home = Home.find()
    database = embedded_file(home.tracking_uri)
    if database is not None and not database.exists():
        raise UserError(f"{database.parent} holds no studies yet; run a sweep first")
    return home


def embedded_file(url: str) -> Path | None:
    """The file of a SQLite URL."""
    return Path(url.removeprefix("sqlite:///").partition("?")[0]) if url.startswith("sqlite:///") else None


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

    storage = RDBStorage(f"sqlite:///{path}")
    storage.remove_session()
    storage.engine.dispose()


def _create_mlflow(path: Path, artifacts: Path | None) -> None:
    from study.tracking.tracker import create_store

    create_store(f"sqlite:///{path}", artifacts=artifacts)
