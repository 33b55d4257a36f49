from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from study.sweep import lock
from study.sweep.lock import exclusive_file, exclusive_study
from study.trial.errors import UserError
from study.trial.store_urls import sqlite_url

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def is_free(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_file_is_held_by_one_and_free_afterwards_however_that_ends(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "lock"
    with exclusive_file(path):
        assert not is_free(path)
    assert is_free(path)
    with pytest.raises(ZeroDivisionError), exclusive_file(path):
        raise ZeroDivisionError
    assert is_free(path)


def test_a_process_that_is_killed_lets_go_and_the_one_that_waits_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    happened: list[str] = []

    def nap(seconds: float) -> None:
        happened.append("nap")
        if happened.count("nap") == 3:
            holder.kill()
            holder.wait()

    monkeypatch.setattr(lock, "sleep", nap)
    with exclusive_file(path, on_wait=lambda: happened.append("told"), meanwhile=lambda: happened.append("meanwhile")):
        assert not is_free(path)
    assert happened == ["told", *["meanwhile", "nap"] * 3]


def test_somebody_who_stops_the_sweep_ends_the_waiting(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def stop() -> None:
        raise KeyboardInterrupt

    with exclusive_file(path), pytest.raises(KeyboardInterrupt), exclusive_file(path, meanwhile=stop):
        raise AssertionError("two have it")


def test_a_study_has_one_lock_however_its_store_is_spelled_and_another_study_another(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    plain, linked = (sqlite_url(folder / "optuna.db") for folder in (tmp_path, tmp_path / "link"))

    def taken() -> None:
        raise BlockingIOError

    with exclusive_study(plain, "one"):
        for url in (plain, linked, sqlite_url(tmp_path / "optuna.db", timeout="60")):
            with pytest.raises(BlockingIOError), exclusive_study(url, "one", on_wait=taken):
                raise AssertionError("two have it")
        with exclusive_study(linked, "other", on_wait=taken):
            pass


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("oracle://u:secret@127.0.0.1:1/x", "--storage oracle://u:***@127.0.0.1:1/x"),
        ("nonsense", "--storage nonsense"),
    ],
)
def test_a_store_that_has_no_lock_is_refused_in_a_sentence_without_its_password(url: str, complaint: str) -> None:
    with pytest.raises(UserError) as told, exclusive_study(url, "one"):
        raise AssertionError("nobody can have it")
    assert str(told.value).startswith(complaint)
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)
