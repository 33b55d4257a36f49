"""A sweep that is killed at any of its writes goes on to be the one that was not."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from study.space.file import parse
from study.space.search_space import SearchSpace
from study.sweep.stores import create_stores
from study.trial.config import TrialConfig
from study.trial.home import Home
from tests.processes import Drive, finish, wait_for_trials
from tests.stores import assert_whole_and_equal, home_in, optuna_trials, told
from tests.sweep.in_process import page_exhibit, sweep
from tests.sweep.made_up import made_up

PARTS = 2
"""The writes are shared out among so many tests, so that several processes can run them."""

SPACES = {
    "sampled": parse(
        "parameters: {activation: {choices: [relu, tanh]}, learning_rate: {low: 1e-5, high: 1e-1, log: true}}\n"
        "updates: 3\ntrials: 3\n"
    ),
    # One of it twice; a listed trial's configuration is a write of its own.
    "listed": SearchSpace.listed([TrialConfig(updates=3), TrialConfig(updates=3)], about="a list", source="list.yaml"),
}


def draw_a_page(recorded: str, about: str) -> str:
    return f"<p>{json.loads(about)['title']}</p>"


def run(home: Home, space: SearchSpace) -> None:
    """A sweep whose trial of seed 2 fails, and which writes pages at its end."""
    pages = [page_exhibit(draw_a_page)]
    sweep(home, "killed", space.trials, space=space, train=partial(made_up, mode="raises"), exhibits=pages)


class Disk:
    """The folder of a home as it is before each write to it, which is what a process killed there leaves.

    Args:
        home: The folder; it keeps its path, for MLflow writes it into its tables.
        remains: Where copies go.
    """

    def __init__(self, home: Path, remains: Path) -> None:
        self.home = home
        self.copies: list[Path] = []
        self._remains = remains
        self._engines: WeakSet[Engine] = WeakSet()

    @contextmanager
    def watched(self) -> Iterator[list[Path]]:
        """Copy the folder before every transaction and every artifact; the copies in order."""
        self.copies = []
        listeners: dict[str, Callable[..., None]] = {
            "engine_connect": self._connected,
            "before_cursor_execute": self._executed,
            "commit": self._committed,
            "rollback": self._rolled_back,
        }
        for name, listener in listeners.items():
            event.listen(Engine, name, listener)
        try:
            with pytest.MonkeyPatch.context() as patch:
                for method in ("log_artifact", "log_artifacts"):
                    patch.setattr(LocalArtifactRepository, method, self._kept(getattr(LocalArtifactRepository, method)))
                yield self.copies
        finally:
            for name, listener in listeners.items():
                event.remove(Engine, name, listener)

    def become(self, copy: Path) -> None:
        """Put a copy in the place of the folder."""
        for engine in self._engines:
            engine.dispose()  # its open files are those that go
        shutil.rmtree(self.home)
        shutil.copytree(copy, self.home)

    def _copy(self) -> None:
        self.copies.append(self._remains / f"{len(list(self._remains.iterdir())):03}")
        shutil.copytree(self.home, self.copies[-1])

    def _connected(self, connection: Connection) -> None:
        self._engines.add(connection.engine)

    def _executed(self, connection: Connection, cursor: Any, statement: str, *rest: Any) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            connection.info["has written"] = True

    def _committed(self, connection: Connection) -> None:
        if connection.info.pop("has written", False):
            self._copy()

    def _rolled_back(self, connection: Connection) -> None:
        connection.info.pop("has written", None)

    def _kept(self, original: Any) -> Any:
        def keep(*arguments: Any, **named: Any) -> Any:
            self._copy()
            return original(*arguments, **named)

        return keep


@pytest.fixture
def disk(stores: Home, tmp_path: Path) -> Disk:
    remains = tmp_path / "remains"
    remains.mkdir()
    return Disk(stores.folder, remains)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", SPACES)
def test_a_sweep_killed_at_any_write_loses_and_doubles_nothing(disk: Disk, kind: str, part: int) -> None:
    home, space = home_in(disk.home), SPACES[kind]
    with disk.watched() as copies:
        run(home, space)
    expected = told(home, "killed")
    assert len(expected["runs"]) == space.trials + 1
    # Each trial is asked for, journalled, written to MLflow and told at least.
    assert len(copies) > 4 * space.trials
    for number, copy in list(enumerate(copies))[part::PARTS]:
        disk.become(copy)
        run(home, space)
        assert told(home, "killed") == expected, f"killed at write {number} of {len(copies)}"


def test_a_sweep_killed_again_and_again_gets_there(disk: Disk) -> None:
    draw = random.Random(20261123)
    home, space = home_in(disk.home), SPACES["sampled"]
    with disk.watched() as copies:
        run(home, space)
    expected = told(home, "killed")
    for _ in range(6):
        # Killed early, it has much left to write, during which it is killed once more.
        disk.become(draw.choice(copies[: max(1, len(copies) // 3)]))
        with disk.watched() as copies:
            run(home, space)
        assert told(home, "killed") == expected


@pytest.mark.parametrize("file", ["optuna.db", "mlflow.db"])
def test_a_kill_while_a_store_is_made_leaves_none_that_is_half_made(
    home: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    replace = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if Path(target).name == file:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            create_stores(Home.find())
    assert not (home / file).exists()
    assert list(home.glob("*.partial"))
    create_stores(Home.find())
    assert (home / file).exists()
    assert not list(home.glob("*.partial"))


def test_two_real_kills_of_the_command_lose_and_double_nothing(stores: Home, drive: Drive) -> None:
    for enough in (3, 12):
        process = drive("card", 24, "killed")
        wait_for_trials(stores.folder, "killed", enough, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(drive("card", 24, "killed"))
    assert_whole_and_equal(stores.folder, "killed", trials=24)
    sweep(stores, "whole", 24)
    killed, whole = (optuna_trials(stores.folder, name) for name in ("killed", "whole"))
    assert [(trial.params, trial.values) for trial in killed] == [(trial.params, trial.values) for trial in whole]
