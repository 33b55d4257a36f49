"""A lock on the Optuna store, held by another connection, is waited for and loses nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from study.space.file import parse
from study.space.search_space import SearchSpace
from study.sweep.ledger import Ledger
from study.tracking import Waiting
from study.trial.config import TrialConfig
from study.trial.design import Configuration
from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.record import Record
from study.trial.store_urls import sqlite_url
from tests.stores import assert_whole_and_equal
from tests.sweep.in_process import sweep
from tests.sweep.made_up import made_up, result_of, seeds_of

AXES = "parameters: {units: {choices: [1, 2, 4]}, layers: {choices: [1, 2]}}\nupdates: 2\ntrials: 6\n"
SPACES = {
    "sobol": parse(AXES),
    "tpe": parse(f"{AXES}sampler: {{tpe: shortest}}"),
    "listed": SearchSpace.listed(
        [TrialConfig(units=units, updates=2) for units in range(1, 7)], about="", source="a list"
    ),
}
TOLD, LONGER = "does not answer (database is locked); waiting up to", "answers again"


class Lock:
    """A connection that holds the store's write lock."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)

    def take(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def store(stores: Home) -> Home:
    """A home whose Optuna store gives up a lock at once."""
    return replace(stores, storage_url=sqlite_url(stores.folder / "optuna.db", timeout="0"))


@pytest.fixture
def lock(store: Home) -> Iterator[Lock]:
    with closing(Lock(store.folder / "optuna.db")) as lock:
        yield lock


def finish(ledger: Ledger, number: int, config: Configuration, *, before: Callable[[], None] = lambda: None) -> None:
    assert isinstance(config, TrialConfig)
    record = Record(number=number, config=config, result=result_of(config), end_time=0.0)
    before()
    ledger.journal(record)
    before()
    ledger.tell(record, run_id="run")


@pytest.mark.parametrize("kind", SPACES)
def test_a_lock_before_any_question_changes_no_trial(store: Home, lock: Lock, kind: str) -> None:
    space, said = SPACES[kind], list[str]()
    waiting = Waiting(seconds=60, say=said.append, sleep=lambda seconds: lock.release())

    def held() -> Ledger:
        lock.take()
        return Ledger.open(storage_url=store.storage_url, name="held", space=space, seed=0, waiting=waiting)

    free = Ledger.open(storage_url=store.storage_url, name="free", space=space, seed=0)
    expected = []
    for _ in range(3):
        expected.append(free.ask())
        finish(free, *expected[-1])
    ledger = held()
    asked = []
    for _ in range(3):
        lock.take()
        asked.append(ledger.ask())
        finish(ledger, *asked[-1], before=lock.take)
    left = ledger.ask()
    lock.take()
    ledger.requeue()
    ledger.close()

    again = held()
    assert again.ask() == left
    assert asked == expected
    assert {record.number: record.config for record in again.finished()} == dict(expected)
    assert len(said) % 2 == 0
    assert all(TOLD in sentence for sentence in said[::2])
    assert all(LONGER in sentence for sentence in said[1::2])
    assert len(said) // 2 >= 3 * 3 + 2
    for opened in (free, again):
        opened.close()


def test_a_trial_that_was_begun_though_the_answer_was_lost_is_asked_for_again(
    store: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.open(
        storage_url=store.storage_url,
        name="lost",
        space=SPACES["sobol"],
        seed=0,
        waiting=Waiting(sleep=lambda seconds: monkeypatch.undo()),
    )
    begin = ledger._storage.begin_trial
    first = ledger.ask()

    def lost(*arguments: object, **named: object) -> None:
        begin(*arguments, **named)  # type: ignore[arg-type]
        raise StorageInternalError from OperationalError("INSERT", {}, ConnectionError("connection lost"))

    monkeypatch.setattr(ledger._storage, "begin_trial", lost)
    second = ledger.ask()
    assert [first[0], second[0], ledger.ask()[0]] == [0, 1, 2]
    ledger.close()


def sweep_of_6(store: Home, *, patience: float = 0, output: StringIO | None = None, lock: Lock | None = None) -> None:
    """A sweep whose third trial leaves the store locked if a lock is given."""

    def train(configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        if lock is not None and seeds_of(configs) == [2]:
            lock.take()
        return made_up(configs, engine, population, divergence)

    sweep(store, "locked", 6, space=SPACES["sobol"], train=train, patience=patience, output=output)


def test_a_sweep_outlives_a_lock_within_its_patience(store: Home, lock: Lock) -> None:
    class Watched(StringIO):
        def write(self, text: str) -> int:
            if TOLD in text:
                lock.release()
            return super().write(text)

    output = Watched()
    sweep_of_6(store, patience=30, output=output, lock=lock)
    assert f"{store.folder}/optuna.db" in output.getvalue()
    assert "waiting up to 30 seconds" in output.getvalue()
    assert LONGER in output.getvalue()
    assert_whole_and_equal(store.folder, "locked", trials=6)


def test_a_lock_beyond_the_patience_ends_the_sweep_in_a_sentence_and_loses_nothing(store: Home, lock: Lock) -> None:
    with pytest.raises(UserError, match=r"has not answered for 0 seconds \(database is locked\); every finished"):
        sweep_of_6(store, lock=lock)
    lock.release()
    sweep_of_6(store)
    assert_whole_and_equal(store.folder, "locked", trials=6)
