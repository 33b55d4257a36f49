"""One sweep at a time on one study."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from study.trial.errors import UserError
from study.trial.store_urls import sqlite_file, without_password

POLL_SECONDS = 0.5
Wait = Callable[[], None]


def _nothing() -> None:
    pass


@contextmanager
def exclusive_file(path: Path, *, on_wait: Wait = _nothing, meanwhile: Wait = _nothing) -> Iterator[None]:
    """Hold a lock on a file; the kernel lets go of it when the process ends, however it ends.

    Args:
        path: The file; it is created with its folders, and stays.
        on_wait: Called once if another process holds the lock.
        meanwhile: Called again and again while waiting; what it raises ends the waiting.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            # Polled, for a blocking flock would keep Ctrl-C waiting where a signal handler only sets a flag.
            while not _try_lock(file.fileno()):
                meanwhile()
                sleep(POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def exclusive_study(
    storage_url: str, name: str, *, on_wait: Wait = _nothing, meanwhile: Wait = _nothing
) -> Iterator[None]:
    """Be the only sweep of a study, wherever on its Optuna store the others run; wait until that is so.

    A SQLite store is guarded by a file lock beside it, a PostgreSQL or MySQL store by the database's own
    advisory lock. Both end with the process or its connection.

    Raises:
        UserError: Another kind of store, or a server that does not answer.
    """
    key = hashlib.sha256(name.encode()).hexdigest()[:16]
    file = sqlite_file(storage_url)
    if file is not None:
        # However the URL spells it, one database has one folder of locks.
        database = file.resolve()
        with exclusive_file(database.with_name(f"{database.name}.locks") / key, on_wait=on_wait, meanwhile=meanwhile):
            yield
        return
    with _advisory_lock(storage_url, key, on_wait=on_wait, meanwhile=meanwhile):
        yield


@contextmanager
def _advisory_lock(storage_url: str, key: str, *, on_wait: Wait, meanwhile: Wait) -> Iterator[None]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    queries = {
        "postgresql": ("SELECT pg_try_advisory_lock(:key)", int(key[:15], 16)),
        "mysql": ("SELECT GET_LOCK(:key, 0)", f"study-{key}"),
    }
    try:
        # One connection for as long as the sweep runs, outside any transaction.
        engine = create_engine(storage_url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        if engine.dialect.name not in queries:
            raise UserError(f"--storage {without_password(storage_url)}: takes a sqlite, postgresql or mysql URL")
        query, value = queries[engine.dialect.name]
        connection = engine.connect()
        waited = False
        while not connection.execute(text(query), {"key": value}).scalar():
            if not waited:
                on_wait()
            waited = True
            meanwhile()
            sleep(POLL_SECONDS)
    except (SQLAlchemyError, ImportError) as error:
        raise UserError(f"--storage {without_password(storage_url)}: {_first_line(error)}") from error
    try:
        yield
    finally:
        connection.close()
        engine.dispose()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
