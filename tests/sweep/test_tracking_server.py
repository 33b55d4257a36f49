"""Sweeps that write to a tracking server which goes away."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import psutil
import pytest

from study.trial.errors import UserError
from study.trial.home import Home
from study.trial.store_urls import sqlite_url
from tests.processes import free_port, wait_for_server
from tests.stores import assert_whole_and_equal
from tests.sweep.in_process import sweep
from tests.sweep.made_up import made_up, seeds_of


class Door:
    """A port in front of a server that can be shut and opened, which looks like the server going away."""

    def __init__(self, server_port: int) -> None:
        self.port = free_port()
        self._server_port = server_port
        self._connections: list[socket.socket] = []
        self._listener: socket.socket | None = None

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                outside, _ = listener.accept()
                inside = socket.create_connection(("127.0.0.1", self._server_port))
                self._connections += [outside, inside]
                for source, target in ((outside, inside), (inside, outside)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def server_port(tmp_path_factory: pytest.TempPathFactory, empty_stores: Path) -> Iterator[int]:
    """An MLflow tracking server."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    shutil.copy(empty_stores / "mlflow.db", folder / "server.db")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        sqlite_url(folder / "server.db"),
        "--artifacts-destination",
        str(folder / "files"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for_server(f"http://127.0.0.1:{port}/health")
        yield port
    finally:
        for member in [*psutil.Process(process.pid).children(recursive=True), process]:
            member.kill()
        process.wait()


@pytest.fixture
def door(server_port: int) -> Iterator[Door]:
    door = Door(server_port)
    door.open()
    yield door
    door.shut()


def behind(home: Home, port: int) -> Home:
    return replace(home, tracking_uri=f"http://127.0.0.1:{port}")


class ShutDuring:
    """Trains made-up trials and shuts a door during one of them, for so many seconds or for good."""

    def __init__(self, door: Door, *, seed: int, seconds: float | None) -> None:
        self._door, self._seed, self._seconds = door, seed, seconds
        self.trained: list[int] = []

    def __call__(self, configs: Sequence[str], engine: str, population: int | None, divergence: str) -> list[str]:
        again = self._seed in self.trained
        self.trained += seeds_of(configs)
        if self._seed in self.trained and not again:
            self._door.shut()
            if self._seconds is not None:
                threading.Timer(self._seconds, self._door.open).start()
        return made_up(configs, engine, population, divergence)


def test_a_server_that_is_down_at_the_start_is_told_in_a_sentence(stores: Home) -> None:
    away = behind(stores, free_port())
    with pytest.raises(UserError, match=rf"the MLflow store {away.tracking_uri} cannot be used \(Connection refused\)"):
        sweep(away, "down", 2, patience=60)


def test_a_server_that_goes_away_and_comes_back_is_waited_for(stores: Home, door: Door) -> None:
    home = behind(stores, door.port)
    swept = sweep(home, "away", 8, train=ShutDuring(door, seed=3, seconds=2), patience=60)
    assert re.search(r"does not answer \(.+\); waiting up to 60 seconds", swept.output)
    assert "answers again" in swept.output
    assert_whole_and_equal(home.folder, "away", trials=8, uri=home.tracking_uri)


def test_a_server_that_stays_away_ends_the_sweep_and_loses_nothing(stores: Home, door: Door) -> None:
    home, output = behind(stores, door.port), StringIO()
    training = ShutDuring(door, seed=3, seconds=None)
    with pytest.raises(UserError, match="every finished trial is kept: run the same command again"):
        sweep(home, "gone", 8, train=training, patience=0.6, output=output)
    assert re.search(r"does not answer \(.+\); waiting up to 1 seconds", output.getvalue())
    door.open()
    sweep(home, "gone", 8, train=training)
    assert sorted(training.trained) == list(range(8))
    assert_whole_and_equal(home.folder, "gone", trials=8, uri=home.tracking_uri)
