"""Contours told from times, on made-up trials whose boundary follows from a formula."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from study.analysis.boundary.contour import Contour, contour, contours
from study.analysis.survival.clock import steps_of
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table

BUDGET = 60
SCATTER = 0.25


def study_of(trials: int, *, seed: int, **axes: object) -> pd.DataFrame:
    """NaN at update 1 + ceil(S), S log-normal around 2 / (learning rate x units): half within B where that is B - 1."""
    draw = np.random.default_rng(seed)
    rate = 10 ** draw.uniform(-4, -1, trials)
    units = np.round(2 ** draw.uniform(2, 6, trials)) if "units" not in axes else np.full(trials, axes["units"])
    steps = 2 / (rate * units) * np.exp(SCATTER * draw.standard_normal(trials))
    return results_table(
        1 + np.ceil(steps), budget=BUDGET, **{"learning_rate": rate, "units": units.astype(int), **axes}
    )


def found(table: pd.DataFrame, **asked: object) -> Contour:
    result = contour(table, **asked)  # type: ignore[arg-type]
    assert result is not None
    return result


@pytest.mark.parametrize("updates", [10, 30, 60])
def test_one_study_has_the_contours_of_every_budget(updates: int) -> None:
    table = study_of(150, seed=0)
    crossing = found(table, along=["learning_rate"], at={"units": 16}, updates=updates).crossings[0]
    truth = 2 / (16 * (updates - 1))
    assert crossing.low is not None
    assert crossing.high is not None
    assert crossing.low < truth < crossing.high
    assert crossing.value == pytest.approx(truth, rel=0.25)


def test_over_two_axes_the_contour_follows_the_law() -> None:
    answer = found(study_of(150, seed=1), along=["learning_rate", "units"])
    inside = [one for one in answer.crossings if one.value is not None]
    assert len(inside) > 4
    slope = np.polyfit(np.log([one.beside for one in inside]), np.log([one.value for one in inside]), 1)[0]  # type: ignore[arg-type]
    assert slope == pytest.approx(-1, abs=0.2)
    assert answer.probability.shape == answer.inside.shape == (41, 41)


def test_intervals_cover_the_truth() -> None:
    truth = 2 / (16 * (BUDGET - 1))
    covered = 0
    for seed in range(24):
        crossing = found(study_of(40, seed=seed, units=16), along=["learning_rate"], next_trials=0).crossings[0]
        covered += (crossing.low or 0) <= truth <= (crossing.high or math.inf)
    # At 95% fewer than 19 of 24 cover in one of 1,000 such tests.
    assert covered >= 19


def test_the_level_is_that_of_the_probability_of_a_trial() -> None:
    # A quarter of the trials have taken their last step by exp(-0.6745 deviations) of the median.
    table = study_of(400, seed=3, units=16)
    quarter, half = (found(table, along=["learning_rate"], level=level).crossings[0].value for level in (0.25, 0.5))
    assert quarter is not None
    assert half is not None
    assert math.log(half / quarter) == pytest.approx(0.6745 * SCATTER, rel=0.5)


def test_the_next_trials_are_different_and_told_as_settings() -> None:
    answer = found(study_of(60, seed=4))
    assert len({json.dumps(dict(one.settings)) for one in answer.next_trials}) == 3
    for one in answer.next_trials:
        assert set(one.settings) == {"learning_rate", "units"}
        assert 1 <= one.updates <= BUDGET
        assert 0 <= one.probability <= 1


def test_choices_and_an_axis_that_exists_beside_one_of_them_stay_together() -> None:
    draw = np.random.default_rng(5)
    front = np.array(["none", "conv1d"])[draw.integers(0, 2, 200)]
    norm = np.where(
        front == "conv1d", np.array(["none", "input", "before_activation"])[draw.integers(0, 3, 200)], "none"
    )
    answer = found(study_of(200, seed=5, units=16, front_end=front, batch_norm=norm), next_trials=8)
    for one in answer.next_trials:
        assert one.settings["front_end"] == "conv1d" or one.settings["batch_norm"] == "none"
    assert set(answer.held) == {"front_end", "batch_norm"}


def test_trials_that_diverge_before_any_step_count_as_such() -> None:
    table = study_of(120, seed=8, units=16)
    at_once = table.assign(time_to_nan=1, updates=1, outcome="diverged").iloc[:40]
    mixed = pd.concat([at_once, table.iloc[40:]])
    mixed.attrs = table.attrs
    answers = contours(mixed)
    # A third of all trials at once leaves a later half to less than half of the others: a smaller learning rate.
    assert [one.updates for one in answers] == [15, 30, 60]
    assert [len(one.next_trials) for one in answers] == [0, 0, 3]
    alone, beside = (found(some, along=["learning_rate"]).crossings[0].value for some in (table, mixed))
    assert alone is not None
    assert beside is not None
    assert beside < alone


def test_what_it_tells_is_strict_json() -> None:
    answer = found(study_of(60, seed=6), along=["units", "learning_rate"])
    told = json.loads(json.dumps(answer.as_dict(), allow_nan=False))
    assert told["along"] == ["units", "learning_rate"]
    assert len(told["crossings"]) >= 5


def test_where_all_times_are_the_first_update_the_outcomes_tell_the_boundary() -> None:
    draw = np.random.default_rng(9)
    rate = 10 ** draw.uniform(-4, -1, 80)
    died = draw.random(80) < 1 / (1 + np.exp(-4 * (np.log10(rate) + 2)))  # half at 1e-2
    answer = found(results_table(np.where(died, 1, math.inf), budget=BUDGET, learning_rate=rate))
    crossing = answer.crossings[0]
    assert crossing.low is not None
    assert crossing.high is not None
    assert crossing.low < 1e-2 < crossing.high
    assert crossing.value == pytest.approx(1e-2, rel=0.6)
    assert all(0 <= one.probability <= 1 for one in answer.next_trials)


def test_where_all_diverged_a_smaller_budget_still_has_a_contour() -> None:
    draw = np.random.default_rng(10)
    rate = 10 ** draw.uniform(-2.5, -0.5, 60)
    table = results_table(
        1 + np.ceil(0.1 / rate * np.exp(0.2 * draw.standard_normal(60))), budget=100, learning_rate=rate
    )
    assert (table["outcome"] == "diverged").all()
    assert found(table, updates=10).crossings[0].value == pytest.approx(0.1 / 9, rel=0.3)
    whole = found(table)
    assert whole.crossings[0].status == "everywhere"


def test_a_contour_that_may_be_met_is_not_said_to_be_missed_for_sure() -> None:
    # Of the two trials at the largest value one went to NaN, at the last update.
    rate = [*np.geomspace(1e-4, 1.5e-3, 20), *[1.9e-3] * 2]
    answer = found(results_table([math.inf] * 21 + [60], budget=BUDGET, learning_rate=rate))
    crossing = answer.crossings[0]
    assert crossing.value is None
    assert crossing.unsure
    assert crossing.high is None
    assert "P is below it at all values tried, but that is not sure (95% interval 0.00" in answer.words
    assert "to above the values tried" in answer.words
    assert answer.cells(crossing)[1].endswith("to ...")


@pytest.mark.parametrize("level", [0.05, 0.95])
def test_intervals_of_other_levels_know_that_the_scatter_is_estimated(level: float) -> None:
    truth = 2 / (16 * (BUDGET - 1)) * math.exp(SCATTER * float(ndtri(level)))
    covered = 0
    for seed in range(12):
        crossing = found(
            study_of(40, seed=seed, units=16), along=["learning_rate"], level=level, next_trials=0
        ).crossings[0]
        covered += (crossing.low or 0) <= truth <= (crossing.high or math.inf)
    # At 95% fewer than 8 of 12 cover in one of 6,000 such tests.
    assert covered >= 8


def test_a_number_that_is_unset_in_some_trials_can_be_stated() -> None:
    draw = np.random.default_rng(12)
    clipnorm = np.where(draw.random(120) < 0.5, 1.0, np.nan)
    rate = 10 ** draw.uniform(-4, -1, 120)
    # Clipping lets a trial take ten times the steps.
    steps = np.where(np.isnan(clipnorm), 0.1, 1.0) / rate * np.exp(0.2 * draw.standard_normal(120))
    table = results_table(1 + np.ceil(steps), budget=BUDGET, learning_rate=rate, clipnorm=clipnorm)
    for value, truth in (("none", 0.1 / 59), ("1", 1 / 59)):
        answer = found(table, along=["learning_rate"], at={"clipnorm": value})
        assert answer.crossings[0].value == pytest.approx(truth, rel=0.3)
        assert f"at clipnorm = {value}" in answer.words


def test_what_is_held_exists_beside_what_is_stated() -> None:
    draw = np.random.default_rng(13)
    front = np.array(["none", "conv1d"])[(draw.random(160) < 0.7).astype(int)]
    norm = np.where(front == "conv1d", np.array(["input", "before_activation"])[draw.integers(0, 2, 160)], "none")
    table = study_of(160, seed=13, units=16, front_end=front, batch_norm=norm)
    assert found(table, along=["learning_rate"], at={"front_end": "none"}).held == {"batch_norm": "none"}
    assert found(table, along=["learning_rate"], at={"batch_norm": "input"}).held == {"front_end": "conv1d"}


def test_a_study_of_one_outcome_has_no_contour() -> None:
    table = results_table([math.inf] * 20, learning_rate=np.geomspace(1e-4, 1e-1, 20))
    assert contour(table) is None
    assert contour(results_table([])) is None


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"along": ["activation"]}, "activation: has no order on which to look for a boundary"),
        ({"along": ["layers"]}, "along layers: has one value in all trials"),
        ({"along": ["units", "learning_rate", "layers"]}, "takes one axis or two"),
        ({"along": ["units"], "at": {"learning_rate": "7"}}, "at learning_rate=7: outside what was tried"),
        ({"updates": 61}, "updates 61: takes 2 to 60"),
        ({"at": {"budget": 30}}, "budget: is no axis of a boundary; its times tell every budget"),
        ({"along": ["budget"]}, "budget: is no axis of a boundary"),
        ({"at": {"seed": 3}}, "at seed=3: a boundary is over seeds, so none can be held"),
    ],
)
def test_what_a_study_cannot_tell_is_refused(asked: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        contour(study_of(60, seed=7), **asked)  # type: ignore[arg-type]


def test_steps_are_counted_by_the_clock() -> None:
    low, high = steps_of(np.array([2.0, 10.0, 60.0]), np.array([True, True, False]))
    assert low.tolist() == [0, 8, 59]
    assert high.tolist() == [1, 9, math.inf]
