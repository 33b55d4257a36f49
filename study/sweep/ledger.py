"""The Optuna study as the ledger of a sweep: which trials there are, and what each came to.

A trial's result is journalled in Optuna before anything else is told of it. From then on it is finished:
MLflow's run and the trial's final state can be written again from the journal at any time, by any process.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from study.space.samplers import BuildSampler, build_sampler
from study.space.samplers.numbered import NumberedSampler
from study.space.samplers.stopping import StoppingSampler
from study.space.search_space import TRIALS_LIMIT, SearchSpace
from study.sweep.private_optuna import LedgerStorage
from study.tracking import Patience, Waiting
from study.trial.axes import AxisValue
from study.trial.design import Configuration
from study.trial.errors import UserError
from study.trial.record import Record
from study.trial.store_urls import sqlite_file, without_password

OPEN = (TrialState.WAITING, TrialState.RUNNING)
JOURNAL = "study:record"
TOLD = ("outcome", "seed", "mlflow_run_id", "failure")
"""User attributes of a trial that was told."""
CONFIGURATION = "configuration"
"""User attribute of a listed space's trial: its configuration, which no sampler could suggest again."""

STORE_ERRORS = (StorageInternalError, SQLAlchemyError)
"""What an Optuna store may raise."""

PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""Errors of an SQLite file that can end by themselves: another process holds its lock, or the disk is full or away."""


@contextmanager
def telling_of_storage_errors(storage_url: str) -> Iterator[None]:
    """Turn what an Optuna store can raise into a `UserError`."""
    try:
        yield
    except (*STORE_ERRORS, ImportError) as error:
        raise UserError(
            f"{_store_name(storage_url)} cannot be used ({_reason(error)}); "
            "every finished trial is kept: run the same command again when that is mended"
        ) from error


class Ledger:
    """One study in an Optuna store. Only the process that holds the study's lock may use it.

    A store that is locked or went away is waited for. What was asked of it then may have been done all the same, its
    answer lost, so every question can be asked twice.
    """

    def __init__(
        self,
        *,
        storage: LedgerStorage,
        study: optuna.Study,
        space: SearchSpace,
        seed: int,
        uid: str,
        patience: Patience,
    ) -> None:
        self._storage = storage
        self._study = study
        self._space = space
        self._seed = seed
        self._patience = patience
        self._missing = Counter(space.configurations)
        self._unasked: Counter[Configuration] | None = None
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._running: set[int] = set()
        self._ids: dict[int, int] = {}
        self._queued: int | None = None
        self._next: int | None = None
        self.uid = uid
        """Names this very study, wherever its results are told."""

    @classmethod
    def open(
        cls,
        *,
        storage_url: str,
        name: str,
        space: SearchSpace,
        seed: int,
        sampler: BuildSampler = build_sampler,
        waiting: Waiting | None = None,
    ) -> Ledger:
        """Create the study, or load it and hold it against the search space.

        Args:
            storage_url: SQLAlchemy URL of the Optuna store.
            name: Of the study.
            space: What is varied.
            seed: Of the sampler, and of the trials' own seeds.
            sampler: Makes what chooses the configurations.
            waiting: How to wait for a store that does not answer. To open it, a file that another process has locked
                is waited for, a server is not.

        Raises:
            UserError: The study was made with another space or seed, or with another text of its model file; or the
                store refused, or did not answer in time.
        """
        patience = Patience(
            _store_name(storage_url),
            errors=STORE_ERRORS,
            may_pass=_may_pass,
            reason=_reason,
            waiting=waiting or Waiting(),
        )

        def open_now() -> Ledger:
            return cls._open(storage_url, name, space, seed, sampler, patience)

        return patience.wait_out(open_now) if sqlite_file(storage_url) else open_now()

    @classmethod
    def _open(
        cls, storage_url: str, name: str, space: SearchSpace, seed: int, sampler: BuildSampler, patience: Patience
    ) -> Ledger:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        direction = StudyDirection.MAXIMIZE if space.hunt == "longest" else StudyDirection.MINIMIZE
        storage = LedgerStorage(storage_url)
        study = optuna.create_study(study_name=name, storage=storage, direction=direction, load_if_exists=True)
        attributes = study.user_attrs
        if "uid" not in attributes and (attributes or study.get_trials(deepcopy=False)):
            raise UserError(
                f"--name {name}: the Optuna store has a study of this name that no sweep made; choose another"
            )
        _check_same_text(name, before=attributes.get("identity", {}), now=space.design.identity)
        known = attributes.get("space_digest"), attributes.get("seed")
        if known not in ((None, None), (space.digest(), None), (space.digest(), seed)):
            raise UserError(
                f"--name {name}: a study of this name was made from another search space or seed "
                f"({attributes.get('space_source')}, seed {known[1]}); give this one another name"
            )
        # The uid comes first: it is what marks the study as a sweep's.
        for key, value in {
            "uid": attributes.get("uid") or uuid.uuid4().hex,
            "space_digest": space.digest(),
            "space_source": space.source,
            "seed": seed,
            **({"identity": space.design.identity} if space.design.identity else {}),
        }.items():
            if attributes.get(key) != value:
                study.set_user_attr(key, value)
        study.sampler = sampler(space, seed=seed, trials_so_far=len(study.get_trials(deepcopy=False)))
        uid = study.user_attrs["uid"]
        return cls(storage=storage, study=study, space=space, seed=seed, uid=uid, patience=patience)

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()

    def requeue(self) -> None:
        """Put every trial that is running back into the queue: nobody else can be running it."""
        self._patience.wait_out(lambda: self._requeue(but=set()))
        self._running.clear()

    def _requeue(self, *, but: set[int]) -> None:
        self._queued = self._next = None
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.number not in but:
                self._storage.set_trial_state_values(self._trial_id(trial.number), TrialState.WAITING)

    def finished(self) -> list[Record]:
        """All trials told, by number."""
        return self._records(TrialState.COMPLETE, TrialState.FAIL)

    def journalled(self) -> list[Record]:
        """Trials that are finished but not told, by number."""
        return self._records(*OPEN)

    def _records(self, *states: TrialState) -> list[Record]:
        return [record for trial in self._trials(*states) if (record := self._journalled(trial))]

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Those in these states, of all states without any."""
        return self._patience.wait_out(lambda: self._study.get_trials(deepcopy=False, states=states or None))

    def unfinished(self) -> list[int]:
        """Numbers of trials that wait or run and are not finished."""
        return [trial.number for trial in self._trials(*OPEN) if JOURNAL not in trial.system_attrs]

    def engine(self) -> str | None:
        """The engine that gave the study its first result; None before there is one."""
        for trial in self._trials():
            record = self._journalled(trial)
            if record is not None and record.result is not None:
                return record.result.engine
        return None

    def failed(self) -> list[int]:
        """Numbers of trials that are finished without a result and that the space asks for, told or not."""
        records = [*self.finished(), *self.journalled()]
        listed = self._space.sampler == "listed"
        return [
            record.number
            for record in records
            if record.result is None
            and (record.config in self._space.configurations if listed else record.number < self._space.trials)
        ]

    def reopen(self, numbers: Collection[int]) -> None:
        """Put failed trials back into the queue, as if they had never run."""
        self._patience.wait_out(lambda: self._reopen(numbers))

    def _reopen(self, numbers: Collection[int]) -> None:
        self._storage.reopen_trials(self._study_id, numbers, user_attributes=TOLD, system_attributes=[JOURNAL])
        # What Optuna has read of an ended trial it never reads again.
        name, sampler = self._study.study_name, self._study.sampler
        self._study = optuna.load_study(study_name=name, storage=self._storage, sampler=sampler)

    def is_done(self) -> bool:
        """Whether the sampler wants no further trial, by a stopping rule of its own, and none is queued."""
        sampler = self._study.sampler
        if not isinstance(sampler, StoppingSampler) or self._trials(TrialState.WAITING):
            return False
        return self._patience.wait_out(lambda: sampler.is_done(self._study))

    def verdict(self) -> str | None:
        """What is known of what the sampler looks for, as a sentence; None of a sampler that looks for nothing."""
        sampler = self._study.sampler
        if not isinstance(sampler, StoppingSampler):
            return None
        return self._patience.wait_out(lambda: sampler.verdict(self._study))

    def ask(self) -> tuple[int, Configuration]:
        """Number and config of the next trial: a queued one before a new one."""
        number, config = self._patience.wait_out(self._ask, again=self._ask_again)
        self._running.add(number)
        return number, config

    def _ask_again(self) -> tuple[int, Configuration]:
        """Ask once more: a trial that was begun without an answer goes into the queue, and comes first."""
        self._requeue(but=self._running)
        return self._ask()

    def _ask(self) -> tuple[int, Configuration]:
        if self._queued is None or self._next is None:
            trials = self._study.get_trials(deepcopy=False)
            self._next, self._queued = len(trials), sum(trial.state == TrialState.WAITING for trial in trials)
        if self._space.sampler == "listed":
            return self._ask_listed()
        sampler = self._study.sampler
        if self._queued == 0 and isinstance(sampler, NumberedSampler):
            return self._ask_numbered(self._next, sampler)
        trial = self._ask_optuna()
        return trial.number, self._space.config(self._space.suggest(trial), seed=self._seed_of(trial.number))

    def _ask_optuna(self) -> optuna.Trial:
        """A queued trial, or a new one without values."""
        trial = self._study.ask()
        self._queued, self._next = max(0, (self._queued or 0) - 1), max(self._next or 0, trial.number + 1)
        return trial

    def _ask_numbered(self, number: int, sampler: NumberedSampler) -> tuple[int, Configuration]:
        """A new trial in one transaction, where `Study.ask` takes one for each parameter."""
        distributions: dict[str, BaseDistribution] = {}

        def value(axis: str, distribution: BaseDistribution) -> AxisValue:
            distributions[axis] = distribution
            chosen: AxisValue = sampler.value_of(number, axis, distribution)
            return chosen

        values = self._space.choose(value)
        number = self._begin(values=values, distributions=distributions)
        return number, self._space.config(values, seed=self._seed_of(number))

    def _begin(
        self,
        *,
        values: Mapping[str, AxisValue] = MappingProxyType({}),
        distributions: Mapping[str, BaseDistribution] = MappingProxyType({}),
        attributes: Mapping[str, object] = MappingProxyType({}),
    ) -> int:
        """Begin a new trial, and give its number: another than expected where somebody else has added one."""
        trial_id, number = self._storage.begin_trial(
            self._study_id, values=values, distributions=distributions, attributes=attributes
        )
        self._ids[number] = trial_id
        self._next = number + 1
        return number

    def _seed_of(self, number: int) -> int:
        return self._seed * TRIALS_LIMIT + number

    def _ask_listed(self) -> tuple[int, Configuration]:
        if self._unasked is None:
            self._unasked = +self._missing
        while self._queued:
            trial = self._ask_optuna()
            written = trial.user_attrs.get(CONFIGURATION)
            # One that was queued without its configuration gets one now.
            config = self._space.design.config(written) if written else next(self._unasked.elements())
            if not written:
                trial.set_user_attr(CONFIGURATION, config.params())
            if self._unasked[config] > 0:
                self._unasked[config] -= 1
                return trial.number, config
            # It was queued for another list, and goes back into the queue with all that are running: see `requeue`.
        config = next((+self._unasked).elements())
        number = self._begin(attributes={CONFIGURATION: config.params()})
        self._unasked[config] -= 1
        return number, config

    def is_asked_for(self, record: Record) -> bool:
        """Whether the space asks for this finished trial; to be asked once for each.

        A study that was asked for more before holds trials that a smaller space is not about.
        """
        if self._space.sampler != "listed":
            return record.number < self._space.trials
        self._missing[record.config] -= 1
        return self._missing[record.config] >= 0

    def journal(self, record: Record) -> None:
        """Make a trial finished, before the world is told."""
        values = record.as_dict()
        self._patience.wait_out(
            lambda: self._storage.set_trial_system_attr(self._trial_id(record.number), JOURNAL, values)
        )

    def tell(self, record: Record, *, run_id: str) -> None:
        """Close a trial that is journalled and tracked.

        The objective is the number of updates run: the time-to-NaN of a trial that diverged, the budget of
        one that survived, told apart by the attribute `outcome`.
        """
        attributes = {
            "outcome": record.result.outcome.name if record.result else "failed",
            "seed": record.config.seed,
            "mlflow_run_id": run_id,
        }
        if record.failure:
            attributes["failure"] = record.failure
        value = float(record.result.updates) if record.result else None
        state = TrialState.COMPLETE if record.result else TrialState.FAIL
        # Beside `Study.tell`, for no sampler here learns in its `after_trial`.
        self._patience.wait_out(
            lambda: self._storage.end_trial(self._trial_id(record.number), state, value=value, attributes=attributes)
        )
        self._running.discard(record.number)

    def _trial_id(self, number: int) -> int:
        if number not in self._ids:
            self._ids[number] = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return self._ids[number]

    def _journalled(self, trial: FrozenTrial) -> Record | None:
        values = trial.system_attrs.get(JOURNAL)
        return Record.from_dict(trial.number, values, design=self._space.design) if values else None


def _check_same_text(name: str, *, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Whether a study of a model file goes on with the text that it was begun with."""
    if before and now and before["model"] == now["model"] and before["sha256"] != now["sha256"]:
        kept = f"model/{now['model']}"
        then, today = before["sha256"][:12], now["sha256"][:12]
        raise UserError(
            f"--name {name}: this study was begun with another text of {now['model']} (SHA-256 {then}..., not "
            f"{today}...); put that text back, which MLflow keeps with the study as {kept}, or give this one another "
            "name"
        )


def _store_name(storage_url: str) -> str:
    return f"the Optuna store {without_password(storage_url)}"


def _may_pass(error: Exception) -> bool:
    """Whether an error can be one of a lock, the disk, the network or the server, and so end by itself."""
    cause = error.__cause__ or error
    original = cause.orig if isinstance(cause, DBAPIError) else None
    if isinstance(original, sqlite3.Error):
        # The extended codes have the kind of error in their lowest byte.
        return getattr(original, "sqlite_errorcode", 0) & 0xFF in PASSING
    return isinstance(cause, OperationalError | InterfaceError)


def _reason(error: Exception) -> str:
    """What is at the bottom of an error, short enough for a sentence."""
    cause = error.__cause__ or error
    if isinstance(cause, DBAPIError) and cause.orig is not None:
        cause = cause.orig
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
