from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from study.analysis.prediction.encoding import encoding_of
from study.analysis.predictors import Condition, conditions, configurations, predictor_axes, same_as, scale, unscale
from study.trial.config import AXES
from study.trial.errors import UserError
from tests.analysis.boundary.studies import card_study, study


def test_an_axis_that_exists_only_under_a_condition_is_found_with_it() -> None:
    table = card_study(np.random.default_rng(0), 80)
    assert conditions(table) == {"batch_norm": Condition(axis="front_end", values=("conv1d",))}
    condition = conditions(table)["batch_norm"]
    assert str(condition) == "front_end = conv1d"
    assert condition.holds(table).tolist() == (table.front_end == "conv1d").tolist()


def test_a_coincidence_in_a_small_study_is_no_condition() -> None:
    # Half of all trials have batch_norm=none, so that the two tanh trials do proves nothing.
    table = study(
        [0, 1, 1, 0, 1, 0, 1, 0],
        activation=["tanh"] * 2 + ["relu"] * 6,
        batch_norm=["none"] * 2 + ["none", "output"] * 3,
    )
    assert conditions(table) == {}


def test_axes_that_always_change_together_count_once() -> None:
    table = card_study(np.random.default_rng(0), 80)
    assert same_as(table) == {"front_end": ("front_end_activation",)}
    assert "front_end" in predictor_axes(table)
    assert "front_end_activation" not in predictor_axes(table)


def test_axes_whose_values_never_repeat_are_not_taken_for_one_another() -> None:
    generator = np.random.default_rng(1)
    table = study(np.zeros(30), learning_rate=generator.random(30), dropout=generator.random(30))
    assert same_as(table) == {}
    # Nor by replicates of each configuration.
    assert same_as(pd.concat([table] * 3)) == {}


def test_the_seed_is_no_axis_and_replicates_are_one_configuration() -> None:
    table = study([0, 1, 0, 1], units=[8, 16, 8, 16], clipnorm=[1.0, np.nan, 1.0, np.nan], seed=[1, 2, 3, 4])
    assert predictor_axes(table) == ("units", "clipnorm")
    assert configurations(table).tolist() == [0, 1, 0, 1]


def test_scales_are_undone() -> None:
    values = [1e-4, 3e-3, 0.5]
    for axis in (AXES["learning_rate"], AXES["recurrent_dropout"]):
        assert unscale(axis, scale(axis, values)) == pytest.approx(values, rel=1e-12)
    assert scale(AXES["units"], [1, 100]).tolist() == [0, 2]
    assert scale(AXES["dropout"], [0.1]).tolist() == [0.1]


def test_an_unset_number_is_a_limit_never_reached_and_has_a_column_of_its_own() -> None:
    table = study([0, 1, 0], clipnorm=[0.1, 10.0, np.nan], activation=["relu", "tanh", "relu"])
    encoding = encoding_of(table)
    assert encoding.columns() == {"activation": [0, 1, 2], "clipnorm": [3, 4]}
    # relu, tanh, bounded, log10 of clipnorm, unset.
    assert encoding.encode(table).tolist() == [[1, 0, 0, -1, 0], [0, 1, 1, 1, 0], [1, 0, 0, 1, 1]]


def test_values_that_no_trial_had_are_refused_in_a_sentence() -> None:
    table = study([0, 1, 0], units=[8, 16, 32], activation=["relu", "tanh", "relu"])
    encoding = encoding_of(table)
    with pytest.raises(UserError, match="activation=elu: was not tried; the study has relu, tanh"):
        encoding.encode(table.assign(activation="elu"))
    with pytest.raises(UserError, match="units=none: was not tried"):
        encoding.encode(table.assign(units=pd.array([8, 16, None], dtype="Int64")))
