from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from study.cli import ui
from tests.cli.conftest import Cli


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def started(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the process became, in a home with one study."""
    home.mkdir()
    (home / "mlflow.db").touch()
    monkeypatch.chdir(home)  # the command goes there itself, and only this brings the tests back
    monkeypatch.setattr("study.tracking.list_studies", lambda uri: {"mine": "7"})
    commands: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: commands.append([program, *arguments]))
    return commands


def test_a_port_that_is_taken_is_refused_with_one_that_is_not(cli: Cli, taken: int, started: list[list[str]]) -> None:
    answer = cli("ui", "--port", str(taken))
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith(f"Error: --port {taken}: is taken on 127.0.0.1; --port ")
    assert started == []
    other = int(answer.stderr.split("--port ")[2].split()[0])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", other))


def test_no_other_port_is_promised_where_none_is_free(
    cli: Cli, taken: int, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "PORTS_TRIED", 0)
    assert cli("ui", "--port", str(taken)).stderr == f"Error: --port {taken}: is taken on 127.0.0.1\n"


def test_the_process_becomes_the_server_on_a_port_that_is_free(
    cli: Cli, taken: int, started: list[list[str]], home: Path
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        free = listener.getsockname()[1]
    answer = cli("ui", "--port", str(free))
    assert answer.exit_code == 0
    assert str(home) in answer.stdout
    assert f"mine: http://127.0.0.1:{free}/" in answer.stdout
    ((program, *arguments),) = started
    assert program == arguments[0] == sys.executable
    assert arguments[arguments.index("--port") + 1] == str(free)
