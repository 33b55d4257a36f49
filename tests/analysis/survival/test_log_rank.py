from __future__ import annotations

import numpy as np
import pytest

from study.analysis.survival.log_rank import log_rank, log_rank_test
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table
from tests.analysis.survival.textbook import REMISSION, VETERAN, survival_of

# Expected numbers: R 4.2.2, survival 3.5-3, survdiff(); that of the remission data without strata is also 16.79 in
# Kleinbaum and Klein, Survival analysis (2012), chapter 2.


def test_two_groups_are_compared_as_in_r() -> None:
    test = log_rank_test(*survival_of(REMISSION), REMISSION["placebo"])
    assert test.chi_square == pytest.approx(16.7929409892, rel=1e-9)
    assert test.degrees_of_freedom == 1
    assert test.groups["expected"].tolist() == pytest.approx([19.2505009480, 10.7494990520], rel=1e-9)
    assert test.groups["events"].tolist() == [9, 21]


def test_four_groups_are_compared_as_in_r() -> None:
    test = log_rank_test(*survival_of(VETERAN), VETERAN["cell_type"])
    assert test.chi_square == pytest.approx(25.4037003458, rel=1e-9)
    assert test.degrees_of_freedom == 3
    expected = [47.6546776725, 30.1020793268, 15.6937646144, 34.5494783863]
    assert test.groups["expected"].tolist() == pytest.approx(expected, rel=1e-9)


def test_strata_are_added_up_as_in_r() -> None:
    test = log_rank_test(*survival_of(REMISSION), REMISSION["placebo"], strata=REMISSION["male"])
    assert test.chi_square == pytest.approx(9.70351616791, rel=1e-9)
    assert test.groups["expected"].tolist() == pytest.approx([16.545644878, 13.454355122], rel=1e-9)
    test = log_rank_test(*survival_of(VETERAN), VETERAN["cell_type"], strata=VETERAN["treatment"])
    assert test.chi_square == pytest.approx(22.7821199353, rel=1e-9)


def test_a_p_value_is_right_where_one_minus_it_is_one() -> None:
    # The square of a standard normal number beyond 10 has probability 2 Phi(-10) = 1.5e-23 (any table of tails).
    rng = np.random.default_rng(0)
    time = np.concatenate([rng.uniform(0, 10, 300), rng.uniform(9, 30, 300)])
    test = log_rank_test(time, np.ones(600, dtype=bool), [0] * 300 + [1] * 300)
    assert test.chi_square > 100
    assert 0 < test.p_value < 1.6e-23


def test_the_answer_says_what_was_compared() -> None:
    table = results_table([2, 3, 4, 5, 40, 45, 50, np.inf], activation=["relu"] * 4 + ["selu"] * 4, units=[8, 16] * 4)
    found = log_rank(table, by="activation", stratify_by="units")
    assert found.answer.startswith("Time-to-NaN differs between the groups of activation within units (log-rank")
    same = log_rank(table, by="units")
    assert same.answer.startswith("The data do not show that time-to-NaN differs between the groups of units")


def test_where_there_is_no_test_the_answer_says_why() -> None:
    never = results_table([np.inf] * 4, units=[8, 8, 16, 16])
    for table, why in [
        (never, "no trial diverged"),
        (results_table([3, 4, 5], units=8), "all trials are of one group, 8"),
        (results_table([3, 4], failed=[0, 1], units=[8, 16]), "there are no trials"),
        # Everyone diverges at once: nobody was outlived.
        (results_table([1, 1, 1], units=[8, 16, 32]), "no divergence compares 8 with 16 with 32"),
    ]:
        test = log_rank(table, by="units")
        assert why in test.answer
        assert np.isnan(test.chi_square)
        assert np.isnan(test.p_value)
    # Within each activation there is one number of units only.
    apart = results_table([3, 4, 5, 6], units=[8, 8, 16, 16], activation=["relu", "relu", "selu", "selu"])
    assert "no divergence compares 8 with 16" in log_rank(apart, by="units", stratify_by="activation").answer


def test_an_axis_is_not_stratified_by_itself() -> None:
    with pytest.raises(UserError, match="cannot be stratified by units itself"):
        log_rank(results_table([1, 2]), by="units", stratify_by="units")


def test_of_equal_groups_one_test_in_twenty_finds_a_difference() -> None:
    rng = np.random.default_rng(1)
    time = np.ceil(rng.weibull(2, size=(1000, 60)) * 10)
    group = np.arange(60) % 3
    found = [log_rank_test(np.minimum(one, 12), one <= 12, group).p_value < 0.05 for one in time]
    assert 0.03 <= np.mean(found) <= 0.07
