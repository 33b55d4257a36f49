"""A study of another model than the example: nothing may know its axes but by its table."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest

from study.analysis.boundary.critical_value import critical_value
from study.analysis.boundary.phase_diagram import phase_panels
from study.analysis.exemplary import exemplary_trials
from study.analysis.findings import findings
from study.analysis.groups import groups_of
from study.analysis.prediction.encoding import encoding_of
from study.analysis.survival.design_matrix import design_matrix
from study.analysis.table import as_results, columns_of, load_results, varying_axes, write_results
from study.analysis.table_axes import axes_file, axes_of, with_axes
from study.report.figures.onset import growth_figure
from study.report.figures.phase import phase_figure
from study.report.figures.scaling import scaling_figure
from study.report.pages.study import Provenance, render, report_of
from study.trial.axes import Axes, Axis, Counted
from study.trial.config import EXAMPLE
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table
from tests.trial.other_axes import OTHER

TRIALS = 90


@cache
def study() -> pd.DataFrame:
    """NaN at about 0.02 / rate updates, log-normal scatter 0.2; later with more width, never with `mean` pooling."""
    draw = np.random.default_rng(3)
    rate = 10 ** draw.uniform(-3.5, -2, TRIALS)
    width = draw.choice([16, 32, 64], TRIALS)
    pooling = draw.choice(["mean", "max", "attention"], TRIALS)
    time = 1 + 0.02 / rate * np.sqrt(width / 32) * draw.lognormal(0, 0.2, TRIALS)
    return results_table(
        np.where(pooling == "mean", np.inf, time),
        of=OTHER,
        budget=60,
        rate=rate,
        width=width,
        pooling=pooling,
        decay=np.where(draw.random(TRIALS) < 0.3, np.nan, draw.uniform(0, 0.5, TRIALS)),
        residual=draw.random(TRIALS) < 0.5,
        depth=draw.integers(1, 4, TRIALS),
    )


def test_a_table_has_the_columns_of_its_own_axes() -> None:
    names = [column.name for column in columns_of(OTHER)]
    assert [name for name in names if name in OTHER.columns] == list(OTHER.columns)
    assert "activation" not in names
    assert varying_axes(study()) == ("pooling", "width", "rate", "decay", "residual", "depth")
    assert study()["width"].dtype == "Int64"
    assert study()["residual"].dtype == "boolean"


def test_the_axes_stay_with_a_table_through_what_pandas_does_to_it() -> None:
    table = study()
    some = table[table["outcome"] == "diverged"].sort_values("rate").assign(why="it did").reset_index(drop=True)
    again = pd.concat([some, table.drop(columns="depth")]).merge(table[["trial_number"]], on="trial_number")
    for one in (some, again, table.groupby("pooling").get_group("max"), table[["rate"]], table.copy()):
        assert axes_of(one) == OTHER


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_axes_come_back_from_a_file_with_the_table(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"other.{ending}"
    write_results(study(), path)
    back = load_results(path)
    assert axes_of(back) == OTHER
    pd.testing.assert_frame_equal(back, study())


def test_a_csv_file_without_its_axes_is_taken_for_one_of_the_example_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    study().to_csv(path, index=False)
    with pytest.raises(UserError, match="lacks the columns activation"):
        load_results(path)
    axes_file(path).write_text("[1", encoding="utf-8")
    with pytest.raises(UserError, match=r"other\.axes\.json: does not hold the axes of other\.csv"):
        load_results(path)


def test_a_table_of_the_example_needs_no_file_beside_it(tmp_path: Path) -> None:
    table = results_table([3.0, np.inf])
    write_results(table, tmp_path / "card.csv")
    assert not axes_file(tmp_path / "card.csv").exists()
    assert axes_of(load_results(tmp_path / "card.csv")) == EXAMPLE.axes


def test_a_value_that_an_axis_does_not_take_is_refused_in_a_table_too() -> None:
    wrong = study().copy()
    wrong.loc[3, "pooling"] = "median"
    with pytest.raises(UserError, match=r"pooling=median of trial 3 .* it takes mean, max or attention"):
        as_results(wrong)


def test_an_axis_that_has_the_name_of_another_column_is_refused() -> None:
    axes = Axes([Axis.annotated("outcome", str, "good"), *OTHER.values()])
    with pytest.raises(UserError, match="outcome: is a column of every results table"):
        as_results(with_axes(study(), axes))


def test_numbers_count_in_a_regression_as_their_axes_say() -> None:
    design = design_matrix(study(), varying_axes(study()))
    # Nothing of the default, `mean`, diverged: the baseline is the level with most divergences.
    died = study()["pooling"][study()["outcome"] == "diverged"].value_counts()
    baseline, other = died.index[0], died.index[1]
    levels = [f"pooling: {level}, not {baseline}" for level in ("mean", "max", "attention") if level != baseline]
    assert other != "mean"
    assert [term.name for term in design.terms] == [
        *levels,
        "width, per doubling",
        "rate, per doubling",
        "decay, per 1",
        f"decay: none, not {study()['decay'].min()}",
        "residual: false, not true",
        "depth, per 1",
    ]
    columns = dict(zip((term.name for term in design.terms), design.values.T, strict=True))
    np.testing.assert_allclose(columns["width, per doubling"], np.log2(study()["width"].to_numpy(dtype=float) / 32))
    np.testing.assert_allclose(columns["rate, per doubling"], np.log2(study()["rate"] / 1e-3))


def test_numbers_are_encoded_on_their_own_scales() -> None:
    table = study()
    encoding = encoding_of(table)
    encoded = encoding.encode(table)
    (width,), (rate,) = encoding.columns()["width"], encoding.columns()["rate"]
    np.testing.assert_allclose(encoded[:, width], np.log10(table["width"].to_numpy(dtype=float)))
    np.testing.assert_allclose(encoded[:, rate], np.log10(table["rate"]))
    assert len(encoding.columns()["pooling"]) == 3
    assert len(encoding.columns()["decay"]) == 2


def test_groups_come_in_the_order_of_the_choices() -> None:
    assert list(groups_of(study(), "pooling").cat.categories) == ["mean", "max", "attention"]
    assert list(groups_of(study(), "residual").cat.categories) == ["false", "true"]
    assert groups_of(study(), "decay").cat.categories[-1] == "none"


def test_a_boundary_is_found_along_its_axes() -> None:
    value = critical_value(study(), axis="rate", at={"pooling": "max"})
    # 60 updates at 0.02 / rate.
    assert value.value == pytest.approx(0.02 / 60, rel=0.5)
    panels = phase_panels(study(), x="rate", y="decay", by="pooling")
    assert [panel.at["pooling"] for panel in panels] == ["attention", "max", "mean"]
    assert phase_figure(panels).figure is not None
    with pytest.raises(UserError, match=r"pooling: has no order .* numeric axes are width, rate, decay, depth, budget"):
        critical_value(study(), axis="pooling")
    with pytest.raises(UserError, match="'units' is not an axis of the results table; those are pooling, width"):
        critical_value(study(), axis="units")


def test_everything_is_asked_of_it_and_shown_on_a_page() -> None:
    found = findings(study())
    assert found.answers[1].startswith("By pooling, there diverged: ")
    assert found.axes[0] in ("rate", "width")
    page = render(report_of(found), Provenance(study="other"))
    assert "pooling" in page
    assert "activation" not in page
    assert growth_figure(study()).figure is None
    assert scaling_figure(found.scaling).caption
    assert {"middle of max", "middle of attention"} <= {
        why for reasons in exemplary_trials(study())["why"] for why in reasons.split(", ")
    }


def test_a_table_from_before_there_was_an_axis_is_of_trials_at_its_default() -> None:
    later = Axis.annotated("norm", Annotated[Literal["none", "layer"], Counted(later=True)], "none")
    axes = Axes([*OTHER.values(), later])
    old = as_results(with_axes(study(), axes))
    assert old["norm"].tolist() == ["none"] * TRIALS
    mixed = old.assign(norm=old["norm"].where(old["trial_number"] > 5, "layer").where(old["trial_number"] > 2))
    assert as_results(mixed)["norm"].value_counts().to_dict() == {"none": TRIALS - 3, "layer": 3}
