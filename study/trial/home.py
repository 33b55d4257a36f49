"""Where a command keeps things and finds them again: the two stores and the artifacts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from study.trial.errors import UserError
from study.trial.folders import home_folder
from study.trial.store_urls import sqlite_file, sqlite_url

LOCK_SECONDS = "5"
"""How long one SQLite writer waits for another at a time, deaf to Ctrl-C: two studies may share a home. A sweep asks
again, for as long as its patience lasts."""


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
        return cls(
            folder=folder,
            storage_url=storage
            or os.environ.get("STUDY_STORAGE")
            or sqlite_url(folder / "optuna.db", timeout=LOCK_SECONDS),
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI")
            or sqlite_url(folder / "mlflow.db", timeout=LOCK_SECONDS),
        )

    @property
    def artifacts(self) -> Path | None:
        """Folder of MLflow's artifacts; None where a tracking server keeps them."""
        return self.folder / "artifacts" if sqlite_file(self.tracking_uri) else None


def existing_home() -> Home:
    """The home that the environment names, if something is kept there.

    Raises:
        UserError: There are no studies yet.
    """
    home = Home.find()
    database = sqlite_file(home.tracking_uri)
    if database is not None and not database.exists():
        raise UserError(f"{database.parent} holds no studies yet; run a sweep first")
    return home
