"""What the ledger uses of Optuna that is not public, in one place, as of Optuna 5.0.

Optuna's database storage writes a trial's parameters and attributes one by one. For each it reads the trial again, and
each attribute is a transaction of its own: that was nine tenths of what Optuna cost a sweep. Here a trial is written in
one transaction when it begins and in one when it ends, into the same tables. Opening an ended trial again is something
that Optuna has no way to do.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import BaseModel, StudyModel, TrialValueModel
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, delete, func, insert, select, update

assert version("optuna").startswith("5.0."), "private interfaces were checked with Optuna 5.0"

TRIALS, PARAMS, VALUES, USER_ATTRIBUTES, SYSTEM_ATTRIBUTES = (
    BaseModel.metadata.tables[f"trial{rest}"]
    for rest in ("s", "_params", "_values", "_user_attributes", "_system_attributes")
)
OPEN = (TrialState.RUNNING, TrialState.WAITING)


class LedgerStorage(RDBStorage):
    """Optuna's database storage, with a trial's beginning and its end as one transaction each."""

    def begin_trial(
        self,
        study_id: int,
        *,
        values: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        attributes: Mapping[str, Any],
    ) -> tuple[int, int]:
        """Add a running trial.

        Args:
            study_id: Of its study.
            values: Of its parameters, by name.
            distributions: Of the same parameters.
            attributes: The trial's user attributes.

        Returns:
            Its id in the store, and its number in the study.
        """
        with _create_scoped_session(self.scoped_session) as session:
            # As Optuna does: on a server the study's row is locked, for the number is counted.
            StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
            connection = session.connection()
            row = {"study_id": study_id, "state": TrialState.RUNNING, "datetime_start": _now()}
            key = connection.execute(insert(TRIALS).values(row)).inserted_primary_key
            assert key is not None
            trial_id = int(key[0])
            before = (TRIALS.c.study_id == study_id) & (TRIALS.c.trial_id < trial_id)
            number = int(connection.scalar(select(func.count()).where(before)) or 0)
            connection.execute(update(TRIALS).where(TRIALS.c.trial_id == trial_id).values(number=number))
            params = [
                {
                    "trial_id": trial_id,
                    "param_name": name,
                    "param_value": distributions[name].to_internal_repr(value),
                    "distribution_json": distribution_to_json(distributions[name]),
                }
                for name, value in values.items()
            ]
            if params:
                connection.execute(insert(PARAMS), params)
            _insert_attributes(connection, trial_id, attributes)
        return trial_id, number

    def end_trial(
        self, trial_id: int, state: TrialState, *, value: float | None, attributes: Mapping[str, Any]
    ) -> None:
        """Write the final state of a trial that runs or waits; one that has ended stays as it is.

        Args:
            trial_id: Its id in the store.
            state: How it ended.
            value: Of the objective; None without one.
            attributes: User attributes, which replace those of the same name.
        """
        with _create_scoped_session(self.scoped_session) as session:
            connection = session.connection()
            now = _now()
            ended = connection.execute(
                update(TRIALS)
                .where(TRIALS.c.trial_id == trial_id, TRIALS.c.state.in_(OPEN))
                .values(state=state, datetime_start=func.coalesce(TRIALS.c.datetime_start, now), datetime_complete=now)
            )
            if not ended.rowcount:
                return
            if value is not None:
                stored, kind = TrialValueModel.value_to_stored_repr(value)
                row = {"trial_id": trial_id, "objective": 0, "value": stored, "value_type": kind}
                connection.execute(delete(VALUES).where(VALUES.c.trial_id == trial_id))
                connection.execute(insert(VALUES).values(row))
            earlier = (USER_ATTRIBUTES.c.trial_id == trial_id) & USER_ATTRIBUTES.c.key.in_(list(attributes))
            connection.execute(delete(USER_ATTRIBUTES).where(earlier))
            _insert_attributes(connection, trial_id, attributes)

    def reopen_trials(
        self,
        study_id: int,
        numbers: Collection[int],
        *,
        user_attributes: Collection[str],
        system_attributes: Collection[str],
    ) -> None:
        """Let failed trials wait again, in one transaction. A study that is open already has to be loaded again.

        Args:
            study_id: Of the study.
            numbers: Of trials without a value.
            user_attributes: User attributes that they are to lose.
            system_attributes: System attributes that they are to lose.
        """
        chosen = TRIALS.c.study_id == study_id, TRIALS.c.number.in_(numbers), TRIALS.c.state != TrialState.COMPLETE
        with _create_scoped_session(self.scoped_session) as session:
            connection = session.connection()
            ids = connection.scalars(select(TRIALS.c.trial_id).where(*chosen)).all()
            for table, keys in ((USER_ATTRIBUTES, user_attributes), (SYSTEM_ATTRIBUTES, system_attributes)):
                connection.execute(delete(table).where(table.c.trial_id.in_(ids), table.c.key.in_(keys)))
            waiting = {"state": TrialState.WAITING, "datetime_start": None, "datetime_complete": None}
            connection.execute(update(TRIALS).where(TRIALS.c.trial_id.in_(ids)).values(waiting))

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        """As Optuna's own, asked once: Optuna asks a store that is locked five times, deaf to Ctrl-C."""
        with _create_scoped_session(self.scoped_session) as session:
            StudyModel.find_or_raise_by_id(study_id, session, for_update=True)
            trial = self._get_prepared_new_trial(study_id, template_trial, session)
            return self._build_frozen_trial_from_trial_model(trial)


def _insert_attributes(connection: Connection, trial_id: int, attributes: Mapping[str, Any]) -> None:
    rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(attribute)} for key, attribute in attributes.items()
    ]
    if rows:
        connection.execute(insert(USER_ATTRIBUTES), rows)


def _now() -> datetime:
    """The time as the tables keep it: UTC, without saying so."""
    return datetime.now(UTC).replace(tzinfo=None)
