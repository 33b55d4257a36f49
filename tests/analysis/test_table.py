from __future__ import annotations

import math
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag

from study.analysis.table import (
    COLUMNS,
    as_results,
    columns_table,
    durations,
    event_of,
    load_results,
    usable,
    varying_axes,
)
from study.tracking.reader import table_of
from study.trial.config import AXES, TrialConfig
from study.trial.divergence import NONFINITE, LossAbove
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table


def a_study(trials: int = 40) -> pd.DataFrame:
    """Trials with numbers of all digits, unset numbers, every outcome, and texts that look like something else."""
    rng = np.random.default_rng(0)
    table = results_table(
        rng.uniform(0, 80, trials),
        failed=[3, 4],
        learning_rate=np.exp(rng.uniform(-9, -3, trials)),
        clipnorm=rng.choice([1.0, 0.1, np.nan], trials),
        stateful=rng.choice([True, False], trials),
        seed=rng.integers(0, 2**31, trials),
    )
    diverged = table["outcome"] == "diverged"
    return as_results(
        table.assign(
            loss_at_divergence=np.where(diverged, "not a number", None),
            onset_value=np.where(diverged, "minus infinity", None),
            loss_exceeded=pd.array(np.where(np.arange(trials) % 5 == 0, 1, None), dtype="Int64"),
            exploded=None,
            failure=np.where(table["outcome"] == "failed", 'a "quoted", two-line\nreason', None),
            hidden_growth=rng.normal(size=trials),
            nonfinite_cell_state=table["time_to_nan"],
        )
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_read_back_from_a_file_is_the_one_written(tmp_path: Path, ending: str) -> None:
    table = a_study()
    path = tmp_path / f"results.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path, index=False)
    pd.testing.assert_frame_equal(load_results(path), table, check_exact=True)


def a_run(number: int, **axes: str) -> Run:
    params = {**TrialConfig().params(), **axes}
    diverged = number % 2 == 0
    metrics = {
        "updates": 7.0 if diverged else 100.0,
        "wall_seconds": 1.25,
        **({"time_to_nan": 7.0} if diverged else {}),
    }
    tags = {
        "trial_number": str(number),
        "outcome": "diverged" if diverged else "survived",
        "engine": "compiled",
        "device": "CPU",
        **({"loss_at_divergence": "nan"} if diverged else {}),
    }
    return Run(
        RunInfo(run_id=f"run{number}", experiment_id="1", user_id="", status="FINISHED", start_time=0, end_time=1,
                lifecycle_stage="active"),
        RunData(
            metrics=[Metric(name, value, 0, 0) for name, value in metrics.items()],
            params=[Param(name, value) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        ),
    )  # fmt: skip


def test_the_table_of_the_store_has_the_documented_columns_and_types() -> None:
    table = table_of([a_run(0), a_run(1, clipnorm="none", stateful="true")], axes=AXES)
    documented = {column.name: column for column in COLUMNS}
    assert set(table) <= set(documented)
    assert {name for name, column in documented.items() if column.required} <= set(table)
    typed = as_results(table)
    # A text column without any text has no type of its own in the store's table.
    with_values = [name for name in table if table[name].notna().any()]
    pd.testing.assert_frame_equal(typed[with_values], table[with_values], check_exact=True)
    assert typed.loc[1, "stateful"] is np.True_
    assert pd.isna(typed.loc[1, "clipnorm"])


def test_every_axis_has_a_documented_column() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert set(AXES.columns) <= set(names)


def test_the_documentation_has_one_row_a_column_with_a_type_and_a_meaning() -> None:
    rows = [row.split("|")[1:-1] for row in columns_table().splitlines()]
    assert [name.strip().strip("`") for name, *_ in rows[2:]] == [column.name for column in COLUMNS]
    assert all(cell.strip() for row in rows for cell in row)
    assert len({len(row) for row in rows}) == 1


def test_a_table_read_by_pandas_alone_has_lost_nothing(tmp_path: Path) -> None:
    """Read as a person reads it; what is a number, a truth value or missing is so in pandas's own types."""
    table = a_study()
    table.to_csv(tmp_path / "results.csv", index=False)
    read = pd.read_csv(tmp_path / "results.csv")
    diverged = read["outcome"] == "diverged"
    assert (read.loc[diverged, "loss_at_divergence"] == "not a number").all()
    assert (read.loc[diverged, "onset_value"] == "minus infinity").all()
    assert diverged.any()
    for column in COLUMNS:
        assert read[column.name].isna().equals(table[column.name].isna()), column.name
    pd.testing.assert_frame_equal(as_results(read), table, check_exact=True)


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "NaN"])
def test_a_number_that_is_not_finite_is_words_in_a_table_of_any_age(tmp_path: Path, number: str) -> None:
    table = results_table([3]).assign(loss_at_divergence=number, onset_value=number)
    table.to_csv(tmp_path / "old.csv", index=False)
    read = load_results(tmp_path / "old.csv")
    words = {"nan": "not a number", "inf": "plus infinity", "-inf": "minus infinity"}[number.lower()]
    assert read.loc[0, ["loss_at_divergence", "onset_value"]].tolist() == [words, words]
    read.to_csv(tmp_path / "new.csv", index=False)
    assert pd.read_csv(tmp_path / "new.csv").loc[0, "onset_value"] == words


def test_an_older_table_gets_the_optional_columns_it_lacks_empty(tmp_path: Path) -> None:
    table = a_study()
    optional = [column.name for column in COLUMNS if not column.required]
    table.drop(columns=optional).to_csv(tmp_path / "old.csv", index=False)
    read = load_results(tmp_path / "old.csv")
    assert read[[name for name in optional if name not in ("divergence", "exploded")]].isna().all(axis=None)
    assert list(read.dtypes) == list(table.dtypes)


def test_a_table_that_knew_one_event_only_ended_its_trials_at_that_one() -> None:
    old = results_table([3, math.inf, math.inf, 5], failed=[3]).drop(columns=["divergence", "exploded"])
    old["loss_exceeded"] = pd.array([2, 7, None, None], dtype="Int64")
    table = as_results(old)
    assert table["divergence"].tolist()[:3] == ["nonfinite"] * 3
    assert pd.isna(table.loc[3, "divergence"])
    assert table["exploded"].tolist()[:3] == [False, True, False]
    assert pd.isna(table.loc[3, "exploded"])
    assert event_of(table) == event_of(old) == NONFINITE


def test_trials_of_different_events_are_not_taken_together() -> None:
    table = results_table([3, 5]).assign(divergence=["nonfinite", "loss_above=10"])
    with pytest.raises(UserError, match="the trials end at loss_above=10 and nonfinite; analyse those of one event"):
        event_of(table)
    assert event_of(table.iloc[1:]) == LossAbove(10)
    with pytest.raises(UserError, match="divergence=nan is not allowed; divergence takes nonfinite or loss_above"):
        event_of(table.assign(divergence="nan"))


def test_a_column_that_is_not_documented_is_kept(tmp_path: Path) -> None:
    a_study().assign(remark="mine").to_parquet(tmp_path / "more.parquet")
    assert load_results(tmp_path / "more.parquet")["remark"].eq("mine").all()


def test_rows_come_by_trial_number() -> None:
    table = a_study()
    pd.testing.assert_frame_equal(as_results(table.sample(frac=1, random_state=1)), table)


def refusal(table: pd.DataFrame) -> str:
    with pytest.raises(UserError) as caught:
        as_results(table, where="results.csv")
    return str(caught.value)


def test_impossible_values_are_refused_in_one_sentence_that_names_them() -> None:
    table = results_table([5, 70, 9], failed=[2])

    def with_value(column: str, row: int, value: object) -> pd.DataFrame:
        return table.astype({column: object}).assign(
            **{column: [value if at == row else old for at, old in enumerate(table[column])]}
        )

    for column, row, value, named in [
        ("outcome", 0, "exploded", "outcome=exploded of trial 0"),
        ("time_to_nan", 1, 60, "time_to_nan=60 of trial 1 (survived)"),
        ("time_to_nan", 2, 3, "time_to_nan=3 of trial 2 (failed)"),
        ("time_to_nan", 0, None, "time_to_nan=missing of trial 0 (diverged)"),
        ("time_to_nan", 0, 4, "time_to_nan=4 of trial 0 (diverged)"),
        ("time_to_nan", 0, 4.5, "time_to_nan=4.5 in row 1"),
        ("updates", 1, None, "updates=missing of trial 1"),
        ("updates", 1, 59, "updates=59 of trial 1 (survived)"),
        ("updates", 2, 0, "updates=0 of trial 2"),
        ("updates", 1, 61, "updates=61 of trial 1"),
        ("trial_number", 1, 0, "trial 0 is there twice"),
        ("trial_number", 1, None, "trial_number is missing in row 2"),
        ("learning_rate", 0, -1.0, "learning_rate=-1.0 of trial 0"),
        ("learning_rate", 0, "fast", "learning_rate=fast in row 1"),
        ("learning_rate", 1, None, "learning_rate=missing of trial 1"),
        ("activation", 1, "swish", "activation=swish of trial 1"),
        ("stateful", 1, "perhaps", "stateful=perhaps in row 2"),
        ("nonfinite_loss", 0, 0, "nonfinite_loss=0 of trial 0"),
    ]:
        message = refusal(with_value(column, row, value))
        assert message.startswith("results.csv: ")
        assert named in message
        assert "\n" not in message
        assert not re.search(r"[.!?] [A-Z]", message)


def test_missing_columns_are_named() -> None:
    table = results_table([5.0])
    assert refusal(table.drop(columns="outcome")) == "results.csv: lacks the column outcome of a results table"
    assert "columns time_to_nan, units of" in refusal(table.drop(columns=["units", "time_to_nan"]))


def test_files_that_cannot_be_read_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "table.parquet").write_text("no parquet")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "table.xlsx").write_text("")
    for name, says in [
        ("absent.csv", "no such file"),
        ("table.xlsx", "ends in .csv or .parquet"),
        ("table.parquet", "cannot be read as parquet"),
        ("empty.csv", "cannot be read as csv"),
    ]:
        with pytest.raises(UserError, match=says) as caught:
            load_results(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_survivors_are_censored_at_the_updates_they_ran_and_failed_trials_are_left_out() -> None:
    table = results_table([5, np.inf, 9, 60, 60.5], failed=[2])
    duration, event = durations(table)
    assert duration.to_dict() == {0: 5, 1: 60, 3: 60, 4: 60}
    assert event.to_dict() == {0: True, 1: False, 3: True, 4: False}
    assert (duration.dtype, event.dtype) == (np.dtype("int64"), np.dtype(bool))
    assert list(usable(table)["trial_number"]) == [0, 1, 3, 4]


def test_only_axes_with_several_values_in_usable_trials_vary() -> None:
    table = results_table(
        [1, 2, 3], failed=[2], units=[8, 8, 16], seed=[1, 2, 3], clipnorm=[1.0, np.nan, 1.0], layers=[1, 2, 1]
    )
    assert varying_axes(table) == ("layers", "clipnorm")
    assert varying_axes(table, among=["seed", "units"]) == ("seed",)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_ten_thousand_trials_load_in_seconds(tmp_path: Path, ending: str) -> None:
    table = a_study(10_000)
    path = tmp_path / f"results.{ending}"
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path, index=False)
    start = time.perf_counter()
    assert len(load_results(path)) == 10_000
    assert time.perf_counter() - start < 10


def test_a_study_continued_after_an_axis_was_added_has_its_default_in_the_older_trials() -> None:
    table = results_table([3, 5, 99])
    older = table.assign(cell=[None, None, "gru"], task=[None, "learnable", "noise"])
    assert as_results(older)["cell"].tolist() == ["lstm", "lstm", "gru"]
    assert as_results(older)["task"].tolist() == ["noise", "learnable", "noise"]
