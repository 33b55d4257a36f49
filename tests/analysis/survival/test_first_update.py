from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from study.analysis.survival.first_update import first_update
from tests.analysis.made_up_trials import results_table


def test_of_two_groups_the_odds_ratio_is_firths() -> None:
    # Of a table of two by two Firth's penalty adds one half to each cell (Heinze and Schemper 2002).
    time = [*[1] * 12, *[9] * 28, *[1] * 4, *[np.inf] * 36]
    row = first_update(results_table(time, stateful=[False] * 40 + [True] * 40)).odds_ratios.iloc[0]
    assert row["odds_ratio"] == pytest.approx((4.5 / 36.5) / (12.5 / 28.5), rel=1e-6)
    assert (row["trials"], row["events"]) == (40, 4)
    width = norm.ppf(0.975) * math.sqrt(1 / 4.5 + 1 / 36.5 + 1 / 12.5 + 1 / 28.5)
    assert np.log([row["low"], row["high"]]) == pytest.approx(
        math.log(row["odds_ratio"]) + np.array([-width, width]), abs=0.15
    )
    assert 0.01 < row["p_value"] < 0.05


def test_what_matters_only_after_a_step_has_an_odds_ratio_near_1() -> None:
    draw = np.random.default_rng(0)
    rate, units = 10 ** draw.uniform(-4, -2, 800), draw.choice([8, 16, 32], 800)
    at_once = draw.random(800) < 0.4 * (units / 8) ** -1.0
    table = results_table(np.where(at_once, 1, 1 + 0.05 / rate), learning_rate=rate, units=units)
    found = first_update(table)
    rows = found.odds_ratios.set_index("axis")
    assert rows.loc["learning_rate", "low"] < 1 < rows.loc["learning_rate", "high"]
    assert rows.loc["units", "high"] < 1
    assert found.p_values["learning_rate"] > 0.01 > found.p_values["units"]
    assert found.events == at_once.sum()
    shares = [at_once[units == size].mean() for size in (8, 16, 32)]
    assert [found.probability[units == size].mean() for size in (8, 16, 32)] == pytest.approx(shares, abs=0.03)


def test_a_level_with_which_nothing_diverged_at_update_1_is_estimated_too() -> None:
    activation = ["relu", "tanh"] * 40
    found = first_update(results_table([1, np.inf, 9, np.inf] * 20, activation=activation))
    row = found.odds_ratios.iloc[0]
    assert 0 < row["low"] < row["odds_ratio"] < row["high"] < 1
    assert row["events"] == 0


def test_where_there_is_no_model_the_answer_says_why() -> None:
    for table, says in [
        (results_table([]), "No trial has a result"),
        (results_table([3, 4], units=[8, 16]), "None of the divergences is at update 1"),
        (results_table([np.inf, np.inf], units=[8, 16]), "None of the 2 trials diverged"),
        (results_table([1, 4, 5], units=[8, 16, 32]), "too few trials, 1, diverged at update 1 for 1 term"),
        (results_table([1, 1, 1, 5], units=[8, 16, 32, 8]), "too few trials, 1, diverged later or not at all"),
        (results_table([1, 1, 3, 3]), "none of the axes varies"),
    ]:
        found = first_update(table)
        assert not found.estimated
        assert says in " ".join((found.answer, *found.notes))
