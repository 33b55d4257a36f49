from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import Cli
from tests.stores import mlflow_runs

Study = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL = ("--set", "units=4", "--set", "timesteps=6", "--set", "updates=3")


def test_help_answers_in_under_a_second_of_computing(study: Study) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert study("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 1


def test_trial_json_is_one_strict_json_object(study: Study) -> None:
    answer = study("trial", "--json", *SMALL, "--set", "learning_rate=1e30", "--set", "clipnorm=none")
    assert answer.returncode == 0, answer.stderr

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    result = json.loads(answer.stdout, parse_constant=refuse)
    keys = {"config", "outcome", "time_to_nan", "updates", "loss", "onset", "engine", "device", "versions"}
    assert keys <= result.keys()
    assert result["outcome"] == "diverged"
    assert result["time_to_nan"] == result["updates"] == len(result["loss"]) == 2
    assert result["loss"][-1] in ("nan", "inf", "-inf")
    assert result["config"]["clipnorm"] is None
    assert answer.stderr == ""


EXPLODING = (
    *("--set", "timesteps=6", "--set", "batch_size=4", "--set", "features=2", "--set", "units=8"),
    *("--set", "learning_rate=1e10", "--set", "optimizer=rmsprop", "--set", "updates=6"),
)


def test_a_trial_whose_loss_explodes_is_not_only_said_to_have_survived(cli: Cli) -> None:
    printed = cli("trial", *EXPLODING).output
    assert "Survived its budget of 6 updates, but its loss exploded: it was above 10 at update 2" in printed
    ended = cli("trial", *EXPLODING, "--divergence", "loss_above=10").output
    assert "Diverged: the loss of update 2 rose above 10" in ended
    result = json.loads(cli("trial", "--json", *EXPLODING, "--divergence", "loss_above=10").output)
    assert (result["divergence"], result["outcome"], result["time_to_nan"]) == ("loss_above=10", "diverged", 2)
    assert json.loads(cli("trial", "--json", *EXPLODING).output)["exploded"] is True


def test_trial_text_says_what_it_came_to(cli: Cli) -> None:
    answer = cli("trial", *SMALL, "--set", "activation=tanh")
    assert "Survived its budget of 3 updates" in answer.stdout
    assert "No number stopped being finite in 3 updates" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("trial", "--set", "unit=4"), "--set unit=4: 'unit' is not an axis; did you mean units?"),
        (("trial", "--set", "units=0"), "--set: units=0 is not allowed"),
        (("trial", "--engine", "fast"), "'fast' is not"),
        (("trial", "--divergence", "nan"), "--divergence nan: takes nonfinite or loss_above=NUMBER, for example"),
        (("sweep", "smoke", "--divergence", "loss_above"), "--divergence loss_above: takes nonfinite or loss_above="),
        (("sweep", "nowhere"), "nowhere: no such search space"),
        (("sweep", "/"), "cannot be read as a search space"),
        (("sweep", "smoke", "--set", "activation=rleu"), "--set activation=rleu: activation takes relu"),
        (("sweep", "smoke", "--storage", "sqlite:////no/such/dir/x.db"), "there is no folder /no/such/dir"),
        (("sweep", "smoke", "--scheduler", "nonsense"), "takes an address such as tcp://127.0.0.1:8786"),
        (
            ("sweep", "smoke", "--workers", "3", "--scheduler", "tcp://127.0.0.1:1"),
            "--workers 3: starts processes of this machine, and --scheduler tcp://127.0.0.1:1 uses the workers",
        ),
        (("claims", "--workers", "3", "--scheduler", "tcp://127.0.0.1:1"), "--workers 3: starts processes of this"),
        (("sweep", "smoke", "--trials", "0"), "0 is not in the range"),
        (("sweep", "lr_by_units", "--trials", "10000"), "trials of the grid"),
        (("sweep", "smoke", "--name", "a/b"), "no slash"),
        (("sweep", "smoke", "--storage", "nonsense"), "--storage nonsense"),
        (("sweep", "smoke", "--storage", "redis://127.0.0.1:1"), "--storage redis"),
        (
            ("sweep", "smoke", "--storage", "postgresql://u:secret@127.0.0.1:1/x"),
            "--storage postgresql://u:***@127.0.0.1:1/x",
        ),
        (("sweep", "smoke", "--scheduler", "tcp://127.0.0.1:1"), "no Dask scheduler answers there"),
        (
            ("sweep", "smoke", "--engine", "reference", "--population", "2"),
            "population=2: the reference engine trains one trial at a time",
        ),
        (("results", "nowhere"), "holds no studies yet; run a sweep first"),
        (("anatomy", "nowhere"), "holds no studies yet; run a sweep first"),
        (("anatomy", "x", "--out", "page.pdf"), "--out page.pdf: takes a file that ends in .html"),
        (("anatomy", "x", "--out", "/no/such/page.html"), "--out /no/such/page.html: there is no folder /no/such"),
        (("trial", "--anatomy", "/no/such/page.html"), "--anatomy /no/such/page.html: there is no folder /no/such"),
        (("ui",), "holds no studies yet; run a sweep first"),
        (("frobnicate",), "No such command"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_status_2(
    cli: Cli, home: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    answer = cli(*arguments)
    assert answer.exit_code == 2, answer.stdout
    assert complaint in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stdout == ""


def test_an_unwritable_home_is_told_in_one_sentence(cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDY_HOME", "/dev/null/home")
    answer = cli("sweep", "smoke")
    assert answer.exit_code == 2
    assert answer.stderr == (
        "Error: STUDY_HOME /dev/null/home cannot be written (Not a directory); set STUDY_HOME to a folder that can\n"
    )


def test_a_real_sweep_ends_with_a_summary_and_its_results_can_be_written(
    study: Study, cli: Cli, home: Path, tmp_path: Path
) -> None:
    answer = study("sweep", "smoke", "--trials", "4", "--name", "real", "--workers", "2", "--no-anatomy")
    assert answer.returncode == 0, answer.stderr
    assert "anatomy" not in answer.stdout
    assert "4 of 4 trials to run on CPU, 2 at a time" in answer.stdout
    assert "Look further: make ui (MLflow), or study results real" in answer.stdout
    assert answer.stderr == ""
    for ending, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        assert cli("results", "real", "--out", str(tmp_path / f"table.{ending}")).exit_code == 0
        table = read(tmp_path / f"table.{ending}")
        assert list(table["trial_number"]) == [0, 1, 2, 3]
        assert (table["time_to_nan"].isna() == (table["outcome"] == "survived")).all()
        assert (table["updates"] <= 20).all()
        assert (table["timesteps"] == 12).all()
        assert table["clipnorm"].isna().all()
    assert cli("results", "real").stdout == (tmp_path / "table.csv").read_text()
    missing = cli("results", "unreal")
    assert missing.exit_code == 2
    assert "unreal: no such study" in missing.stderr
    assert "there are real" in missing.stderr
    again = cli("trial", "--json", *_assignments(table.iloc[1]))
    assert json.loads(again.stdout)["updates"] == table.iloc[1]["updates"]

    run_id = table.iloc[2]["run_id"]
    same = cli("replay", run_id)
    assert same.exit_code == 0, same.stderr
    assert same.stdout.startswith("The same to the last bit")
    with sqlite3.connect(home / "mlflow.db") as store:
        store.execute("UPDATE metrics SET value = value * 1.0000001 WHERE key = 'loss' AND step = 2")
    other = cli("replay", run_id)
    assert other.exit_code == 1
    assert other.stdout.startswith("Differs first at update 2: the loss was ")
    parent = next(
        run for run in mlflow_runs(f"sqlite:///{home}/mlflow.db", "real") if run.data.tags["study.role"] == "sweep"
    )
    for bad, complaint in (("nothing", "no such run"), (parent.info.run_id, "is not the run of a trial")):
        refused = cli("replay", bad)
        assert refused.exit_code == 2
        assert complaint in refused.stderr


def _assignments(row: pd.Series) -> list[str]:
    axes = ["activation", "learning_rate", "units", "timesteps", "features", "batch_size", "seed"]
    values = [f"{axis}={row[axis]}" for axis in axes] + ["max_norm=none", "clipnorm=none", "updates=20"]
    return [argument for value in values for argument in ("--set", value)]
