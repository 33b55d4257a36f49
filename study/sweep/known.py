"""Which studies an Optuna store has, asked without making anything."""

from __future__ import annotations

from study.trial.home import Home
from study.trial.store_urls import sqlite_file


def study_names(home: Home) -> list[str]:
    """Names of the studies in the Optuna store; none where there is no store yet.

    Raises:
        UserError: The store cannot be used.
    """
    file = sqlite_file(home.storage_url)
    if file is not None and not file.exists():
        return []
    from optuna.storages import RDBStorage
    from optuna.study import get_all_study_names

    from study.sweep.ledger import telling_of_storage_errors

    with telling_of_storage_errors(home.storage_url):
        storage = RDBStorage(home.storage_url)
        try:
            return get_all_study_names(storage)
        finally:
            storage.remove_session()
            storage.engine.dispose()
