from __future__ import annotations

import math

import numpy as np
import pytest

from study.analysis.survival.scaling import scaling
from tests.analysis.made_up_trials import results_table
from tests.report.studies import AT_ONCE, TRIALS, made_up_study


def test_trials_that_diverge_before_the_first_step_are_left_out_and_counted() -> None:
    found = scaling(made_up_study())
    assert found.at_once == AT_ONCE
    assert not (found.trials["time_to_nan"] == 1).any()
    assert f"{AT_ONCE} of the" in found.left_out


def test_choices_with_which_nothing_diverged_are_left_out_and_named() -> None:
    table = made_up_study()
    found = scaling(table)
    assert set(found.trials["activation"]) == {"relu"}
    never = int((table["activation"] == "tanh").sum())
    assert f"{never} trials with activation tanh, of which none diverged" in found.left_out
    assert len(found.trials) == TRIALS - never - AT_ONCE


def test_the_made_up_exponent_is_found_though_some_trials_diverge_at_once() -> None:
    product = scaling(made_up_study()).law.constant_product
    assert product is not None
    assert product.low < -1 < product.high
    assert product.high - product.low < 0.4


def test_where_nothing_is_left_out_nothing_is_said() -> None:
    draw = np.random.default_rng(2)
    rate = 10 ** draw.uniform(-4, -2, 30)
    found = scaling(results_table(1 + 0.02 / rate, learning_rate=rate))
    assert found.left_out == ""
    assert found.at_once == 0
    assert len(found.trials) == 30


@pytest.mark.parametrize("failed", [(), (0, 1, 2)])
def test_a_study_without_divergence_has_no_law_and_says_so(failed: tuple[int, ...]) -> None:
    found = scaling(results_table([math.inf] * 3, failed=failed, activation=["relu", "tanh", "elu"]))
    assert not found.law.estimated
    assert found.law.answer.startswith("There is no law")
    assert len(found.trials) == 3


def test_whether_the_exponent_changes_is_asked_where_the_learning_rate_varies() -> None:
    assert scaling(made_up_study()).pure is not None
    assert scaling(results_table([9, 7, 5, 3, 2, 4], units=[8, 8, 16, 16, 32, 32])).pure is None
