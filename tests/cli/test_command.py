"""What holds of every command: its help, its answer to a slip, and its answer to an interruption."""

from __future__ import annotations

import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from study import __version__
from study.cli.command import Command, Group, interruptible
from study.cli.main import study
from study.trial.errors import UserError
from tests.cli.conftest import Cli
from tests.processes import ROOT

HEAVY = {"tensorflow", "keras", "mlflow", "optuna", "distributed"}


def takes_text(parameter: click.Parameter) -> bool:
    return not (isinstance(parameter, click.Option) and (parameter.is_flag or parameter.is_eager))


TEXTS = [
    (name, parameter)
    for name, command in study.commands.items()
    for parameter in command.params
    if takes_text(parameter)
]


def test_no_help_imports_what_trains_or_keeps() -> None:
    calls = [[], *([name] for name in study.commands)]
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom study.cli.main import study\n"
        f"print([CliRunner().invoke(study, [*call, '--help']).exit_code for call in {calls}])\nprint(*sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    codes, modules = answer.stdout.splitlines()
    assert codes == str([0] * len(calls))
    assert not HEAVY & set(modules.split())


def test_the_version_is_that_of_the_package(cli: Cli) -> None:
    assert cli("--version").stdout == f"study, version {__version__}\n"


@pytest.mark.parametrize(("name", "parameter"), TEXTS, ids=[f"{name} {p.opts[0]}" for name, p in TEXTS])
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_text_is_refused_wherever_a_text_is_taken(
    cli: Cli, name: str, parameter: click.Parameter, empty: str
) -> None:
    if isinstance(parameter, click.Option):
        needed = [other.opts[0] for other in study.commands[name].params if isinstance(other, click.Argument)]
        answer = cli(name, *needed, f"{parameter.opts[0]}={empty}")
    else:
        answer = cli(name, empty)
    assert answer.exit_code == 2
    assert "an empty text is given" in answer.stderr
    assert parameter.opts[0].upper() in answer.stderr.upper() or str(parameter.metavar) in answer.stderr


@pytest.mark.parametrize(
    "arguments", [("frobnicate",), ("sweep",), ("sweep", "smoke", "--nam", "x"), ("ui", "--port", "0"), ("--nam",)]
)
def test_a_slip_is_told_in_one_line_that_says_where_help_is(cli: Cli, arguments: tuple[str, ...]) -> None:
    answer = cli(*arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    (line,) = answer.stderr.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith("--help)")


def made_of(raises: BaseException) -> Group:
    """A command line with one command that raises."""

    @click.command(cls=Command)
    def fails() -> None:
        raise raises

    return Group(commands={"fails": fails})


def test_a_fault_of_the_program_is_not_hidden_behind_a_sentence() -> None:
    assert isinstance(CliRunner().invoke(made_of(ZeroDivisionError()), ["fails"]).exception, ZeroDivisionError)


def test_a_mistake_that_the_user_can_mend_is_its_own_sentence() -> None:
    answer = CliRunner().invoke(made_of(UserError("units=0 is not allowed")), ["fails"])
    assert (answer.exit_code, answer.stderr) == (2, "Error: units=0 is not allowed\n")


def test_an_interruption_claims_nothing_that_the_command_does_not_say() -> None:
    answer = CliRunner().invoke(made_of(KeyboardInterrupt()), ["fails"])
    assert (answer.exit_code, answer.stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruptible_command_says_what_is_kept(number: signal.Signals) -> None:
    @click.command(cls=Command)
    def works() -> None:
        with interruptible("three trials are kept") as stop:
            signal.raise_signal(number)
            assert stop.is_set()
            raise KeyboardInterrupt

    answer = CliRunner().invoke(Group(commands={"works": works}), ["works"])
    assert (answer.exit_code, answer.stderr) == (130, "Interrupted; three trials are kept.\n")
