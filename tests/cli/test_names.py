"""One rule for the names of studies: what `sweep` takes, `results` and `report` reach."""

from __future__ import annotations

import shlex
from pathlib import Path

import optuna
import pytest

from study.cli.names import fault_of, study_name
from study.report.tables import is_file
from study.trial.errors import UserError
from study.trial.home import Home
from tests.cli.conftest import Cli

TAKEN_OTHERWISE = (
    "recorded:foo",
    "x.csv",
    "x.parquet",
    "-x",
    ".",
    "..",
    ".hidden",
    "a/b",
    "a\\b",
    "",
    " ",
    " a",
    "a\n",
)
"""Names that another command, a folder of artifacts or a page's file could not have."""

FINE = ("card", "card 2", "card.v2", "it's", "x.csv.old", "ä", "50%", "records:1")


@pytest.mark.parametrize("name", TAKEN_OTHERWISE)
def test_a_study_cannot_be_begun_under_a_name_that_is_read_otherwise(home: Path, name: str) -> None:
    with pytest.raises(UserError, match="choose another with --name"):
        study_name(name, home=Home.find())
    assert not home.exists()


@pytest.mark.parametrize("name", FINE)
def test_a_name_that_is_allowed_is_read_as_that_of_a_study_by_every_command(home: Path, name: str) -> None:
    assert study_name(name, home=Home.find()) == name
    assert not is_file(name)
    assert Path(name).name == name
    assert shlex.split(f"study results {shlex.quote(name)}") == ["study", "results", name]


def test_a_name_has_room_for_an_ending_in_every_file_system() -> None:
    assert fault_of("ü" * 100) is None
    assert fault_of("ü" * 101) is not None


def test_a_study_that_was_begun_under_such_a_name_goes_on(home: Path) -> None:
    home.mkdir()
    optuna.create_study(study_name="x.csv", storage=f"sqlite:///{home}/optuna.db")
    assert study_name("x.csv", home=Home.find()) == "x.csv"
    with pytest.raises(UserError, match=r"--name y\.csv: what ends in \.csv or \.parquet is a file"):
        study_name("y.csv", home=Home.find())


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("sweep", "smoke", "--name", "recorded:foo"), "--name recorded:foo: what starts with recorded: is a study"),
        (("sweep", "smoke", "--name", "-x"), "--name -x: a name starts with neither a dot nor a hyphen"),
        (("claims", "--name", "x.csv"), "--name x.csv: what ends in .csv"),
    ],
)
def test_commands_that_begin_studies_ask_the_rule(cli: Cli, home: Path, arguments: tuple[str, ...], where: str) -> None:
    answer = cli(*arguments)
    assert answer.exit_code == 2
    assert where in answer.stderr
    assert not home.exists()


def test_the_name_of_a_space_file_is_held_against_the_rule_too(
    cli: Cli, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-x.yaml").write_text("{parameters: {activation: {choices: [relu, tanh]}}, trials: 2}")
    answer = cli("sweep", "./-x.yaml")
    assert answer.stderr.startswith("Error: ./-x.yaml: the study would be named -x: a name starts with")
