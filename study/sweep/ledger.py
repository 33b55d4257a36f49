"""The Optuna study as the ledger of a sweep: which trials there are, and what each came to.

A trial's result is journalled in Optuna before anything else is told of it. From then on it is finished:
MLflow's run and the trial's final state can be written again from the journal at any time, by any process.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from study.space.samplers import BuildSampler, build_sampler
from study.space.samplers.numbered import NumberedSampler
from study.space.search_space import TRIALS_LIMIT, SearchSpace
from study.sweep.reopen import reopen_trials
from study.trial.axes import AxisValue
from study.trial.design import Configuration
from study.trial.errors import UserError
from study.trial.record import Record
from study.trial.store_urls import without_password

OPEN = (TrialState.WAITING, TrialState.RUNNING)
JOURNAL = "study:record"
TOLD = ("outcome", "seed", "mlflow_run_id", "failure")
"""User attributes of a trial that was told."""
CONFIGURATION = "configuration"
"""User attribute of a listed space's trial: its configuration, which no sampler could suggest again."""


@contextmanager
def telling_of_storage_errors(storage_url: str) -> Iterator[None]:
    """Turn what an Optuna store can raise into a `UserError`."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, ImportError) as error:
        cause = error.__cause__ or error
        raise UserError(
            f"the Optuna store {without_password(storage_url)} cannot be used ({_line(cause)}); "
            "every finished trial is kept: run the same command again when that is mended"
        ) from error


class Ledger:
    """One study in an Optuna store. Only the process that holds the study's lock may use it."""

    def __init__(self, *, storage: RDBStorage, study: optuna.Study, space: SearchSpace, seed: int, uid: str) -> None:
        self._storage = storage
        self._study = study
        self._space = space
        self._seed = seed
        self._missing = Counter(space.configurations)
        self._unasked: Counter[Configuration] | None = None
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._asked: dict[int, int] = {}
        self._queued: int | None = None
        self._next: int | None = None
        self.uid = uid
        """Names this very study, wherever its results are told."""

    @classmethod
    def open(
        cls, *, storage_url: str, name: str, space: SearchSpace, seed: int, sampler: BuildSampler = build_sampler
    ) -> Ledger:
        """Create the study, or load it and hold it against the search space.

        Args:
            storage_url: SQLAlchemy URL of the Optuna store.
            name: Of the study.
            space: What is varied.
            seed: Of the sampler, and of the trials' own seeds.
            sampler: Makes what chooses the configurations.

        Raises:
            UserError: The study was made with another space or seed, or with another text of its model file.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        direction = StudyDirection.MAXIMIZE if space.hunt == "longest" else StudyDirection.MINIMIZE
        storage = RDBStorage(storage_url)
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
        return cls(storage=storage, study=study, space=space, seed=seed, uid=study.user_attrs["uid"])

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()

    def requeue(self) -> None:
        """Put every trial that is running back into the queue: nobody else can be running it."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._storage.set_trial_state_values(self._trial_id(trial.number), TrialState.WAITING)
        self._asked.clear()
        self._queued = self._next = None

    def finished(self) -> list[Record]:
        """All trials told, by number."""
        trials = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
        return [record for trial in trials if (record := self._journalled(trial))]

    def journalled(self) -> list[Record]:
        """Trials that are finished but not told, by number."""
        trials = self._study.get_trials(deepcopy=False, states=OPEN)
        return [record for trial in trials if (record := self._journalled(trial))]

    def unfinished(self) -> list[int]:
        """Numbers of trials that wait or run and are not finished."""
        trials = self._study.get_trials(deepcopy=False, states=OPEN)
        return [trial.number for trial in trials if JOURNAL not in trial.system_attrs]

    def engine(self) -> str | None:
        """The engine that gave the study its first result; None before there is one."""
        for trial in self._study.get_trials(deepcopy=False):
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
        reopen_trials(self._storage, self._study_id, numbers, user_attributes=TOLD, system_attributes=[JOURNAL])
        # What Optuna has read of an ended trial it never reads again.
        name, sampler = self._study.study_name, self._study.sampler
        self._study = optuna.load_study(study_name=name, storage=self._storage, sampler=sampler)

    def ask(self) -> tuple[int, Configuration]:
        """Number and config of the next trial: a queued one before a new one."""
        if self._space.sampler == "listed":
            return self._ask_listed()
        if self._queued is None or self._next is None:
            trials = self._study.get_trials(deepcopy=False)
            self._next, self._queued = len(trials), sum(trial.state == TrialState.WAITING for trial in trials)
        sampler = self._study.sampler
        if self._queued == 0 and isinstance(sampler, NumberedSampler):
            return self._ask_numbered(self._next, sampler)
        trial = self._study.ask()
        self._queued, self._next = max(0, self._queued - 1), max(self._next, trial.number + 1)
        return trial.number, self._space.config(self._space.suggest(trial), seed=self._seed_of(trial.number))

    def _ask_numbered(self, number: int, sampler: NumberedSampler) -> tuple[int, Configuration]:
        """A new trial in one transaction, where `Study.ask` takes one for each parameter."""
        distributions: dict[str, BaseDistribution] = {}

        def value(axis: str, distribution: BaseDistribution) -> AxisValue:
            distributions[axis] = distribution
            chosen: AxisValue = sampler.value_of(number, axis, distribution)
            return chosen

        values = self._space.choose(value)
        trial = optuna.trial.create_trial(state=TrialState.RUNNING, params=values, distributions=distributions)
        trial_id = self._storage.create_new_trial(self._study_id, trial)
        self._next = number + 1
        if self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number) != trial_id:
            # Somebody else has added a trial, or an answer was lost and the store was asked once more by Optuna.
            number, self._next = self._storage.get_trial_number_from_id(trial_id), None
        self._asked[number] = trial_id
        return number, self._space.config(values, seed=self._seed_of(number))

    def _seed_of(self, number: int) -> int:
        return self._seed * TRIALS_LIMIT + number

    def _ask_listed(self) -> tuple[int, Configuration]:
        if self._unasked is None:
            self._unasked = +self._missing
        while True:
            trial = self._study.ask()
            written = trial.user_attrs.get(CONFIGURATION)
            # A process killed between the two lines below leaves a trial without its configuration.
            config = self._space.design.config(written) if written else next(c for c in self._unasked.elements())
            trial.set_user_attr(CONFIGURATION, config.params())
            if self._unasked[config] > 0:
                self._unasked[config] -= 1
                return trial.number, config
            # It was queued for another list, and goes back into the queue with all that are running: see `requeue`.

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
        self._storage.set_trial_system_attr(self._trial_id(record.number), JOURNAL, record.as_dict())

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
        trial_id = self._trial_id(record.number)
        if record.number not in self._asked:
            # One that was journalled by a process that was killed waits in the queue; only a running trial can be told.
            self._storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        for key, value in attributes.items():
            self._storage.set_trial_user_attr(trial_id, key, value)
        # As `Study.tell` does, which reads the whole trial twice before; no sampler here learns in its `after_trial`.
        if record.result is None:
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
        else:
            self._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [float(record.result.updates)])

    def _trial_id(self, number: int) -> int:
        if number in self._asked:
            return self._asked[number]
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

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


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
