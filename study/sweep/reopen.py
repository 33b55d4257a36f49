"""Opens failed trials of an Optuna study again, which Optuna itself has no way to do, in the tables of Optuna 5.0."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version

from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel
from optuna.trial import TrialState
from sqlalchemy import delete, select, update

assert version("optuna").startswith("5.0."), "private interfaces were checked with Optuna 5.0"

TRIALS, USER_ATTRIBUTES, SYSTEM_ATTRIBUTES = (
    BaseModel.metadata.tables[name] for name in ("trials", "trial_user_attributes", "trial_system_attributes")
)


def reopen_trials(
    storage: RDBStorage,
    study_id: int,
    numbers: Collection[int],
    *,
    user_attributes: Collection[str],
    system_attributes: Collection[str],
) -> None:
    """Let failed trials wait again, in one transaction. A study that is open already has to be loaded again.

    Args:
        storage: Where the study is.
        study_id: Of the study.
        numbers: Of trials without a value.
        user_attributes: User attributes that they are to lose.
        system_attributes: System attributes that they are to lose.
    """
    chosen = TRIALS.c.study_id == study_id, TRIALS.c.number.in_(numbers), TRIALS.c.state != TrialState.COMPLETE
    with storage.engine.begin() as connection:
        ids = connection.scalars(select(TRIALS.c.trial_id).where(*chosen)).all()
        for table, keys in ((USER_ATTRIBUTES, user_attributes), (SYSTEM_ATTRIBUTES, system_attributes)):
            connection.execute(delete(table).where(table.c.trial_id.in_(ids), table.c.key.in_(keys)))
        waiting = {"state": TrialState.WAITING, "datetime_start": None, "datetime_complete": None}
        connection.execute(update(TRIALS).where(TRIALS.c.trial_id.in_(ids)).values(waiting))
