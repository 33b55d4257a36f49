"""Studies that somebody deleted in MLflow: every command says so, and the command that it names restores them."""

from __future__ import annotations

import shlex
from pathlib import Path

import mlflow.experiments
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from study.trial.divergence import NONFINITE
from study.trial.errors import UserError
from tests.cli.conftest import Cli
from tests.stores import mlflow_runs
from tests.sweep.test_divergence import swept


@pytest.fixture
def client(home: Path) -> MlflowClient:
    """Of the store of a home with the study `mine`."""
    swept(NONFINITE)
    return MlflowClient(tracking_uri=f"sqlite:///{home}/mlflow.db")


def test_a_deleted_study_has_no_results_and_no_report_until_it_is_restored(
    home: Path, cli: Cli, client: MlflowClient, tmp_path: Path
) -> None:
    whole = cli("results", "mine").stdout
    client.delete_experiment(client.get_experiment_by_name("mine").experiment_id)
    page = tmp_path / "page.html"
    for command in (("results", "mine"), ("report", "mine", "--out", str(page))):
        answer = cli(*command)
        assert answer.exit_code == 2
        assert answer.stdout == ""
        assert answer.stderr.startswith("Error: mine: was deleted in MLflow; `env ")
    assert not page.exists()

    sentence = cli("results", "mine").stderr
    env, variable, *restore = shlex.split(sentence.split("`")[1])
    assert (env, restore[:2]) == ("env", ["mlflow", "experiments"])
    name, _, value = variable.partition("=")
    assert CliRunner(env={name: value}).invoke(mlflow.experiments.commands, restore[2:]).exit_code == 0
    assert cli("results", "mine").stdout == whole


def test_a_study_whose_parent_run_was_deleted_keeps_its_results_and_its_report(
    home: Path, cli: Cli, client: MlflowClient, tmp_path: Path
) -> None:
    whole = cli("results", "mine").stdout
    runs = mlflow_runs(f"sqlite:///{home}/mlflow.db", "mine")
    parent = next(run for run in runs if run.data.tags["study.role"] == "sweep")
    client.delete_run(parent.info.run_id)
    assert cli("results", "mine").stdout == whole
    page = tmp_path / "page.html"
    answer = cli("report", "mine", "--out", str(page), "--no-open")
    assert answer.exit_code == 0, answer.stderr
    assert page.exists()
    assert "Not kept in MLflow, where the parent run of mine was deleted" in answer.stderr


def test_going_on_with_a_deleted_study_is_refused_until_it_is_restored(client: MlflowClient) -> None:
    client.delete_experiment(client.get_experiment_by_name("mine").experiment_id)
    sentence = r"^--name mine: was deleted in MLflow; `env .*` restores it, or choose another name$"
    with pytest.raises(UserError, match=sentence):
        swept(NONFINITE)


def test_a_run_that_was_deleted_is_written_anew_when_the_sweep_goes_on(
    home: Path, cli: Cli, client: MlflowClient
) -> None:
    runs = mlflow_runs(f"sqlite:///{home}/mlflow.db", "mine")
    client.delete_run(next(run.info.run_id for run in runs if run.data.tags["study.role"] == "trial"))
    assert len(cli("results", "mine").stdout.splitlines()) == 1 + 2
    swept(NONFINITE)
    assert len(cli("results", "mine").stdout.splitlines()) == 1 + 3
