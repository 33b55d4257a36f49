from __future__ import annotations

import numpy as np
import pytest

from study.analysis.groups import groups_of
from study.analysis.survival.kaplan_meier import Band, kaplan_meier, survival_curve
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table
from tests.analysis.survival.textbook import REMISSION, survival_of

TREATED = survival_of(REMISSION[REMISSION["placebo"] == 0])
PLACEBO = survival_of(REMISSION[REMISSION["placebo"] == 1])

# R 4.2.2, survival 3.5-3: survfit(Surv(time, status) ~ 1, conf.type = ...) of the patients on 6-MP; the curve itself
# is also the table in Kleinbaum and Klein, Survival analysis (2012), chapter 2.
SURVIVAL = {
    6: (0.857142857143, 0.0763603548321),
    7: (0.806722689076, 0.0869352851801),
    10: (0.752941176471, 0.0963496529943),
    13: (0.690196078431, 0.1068147077750),
    16: (0.627450980392, 0.1140538652568),
    22: (0.537815126050, 0.1282337516930),
    23: (0.448179271709, 0.1345914567558),
}
BANDS: dict[Band, dict[int, tuple[float, float]]] = {
    "log-log": {
        6: (0.619717955266, 0.951551747647),
        16: (0.367510855988, 0.804912189472),
        35: (0.188052005959, 0.680142628495),
    },
    "log": {
        6: (0.719817083916, 1.0),
        16: (0.439393924969, 0.895994938535),
        35: (0.248788226818, 0.807372045529),
    },
    "plain": {
        6: (0.707479311825, 1.0),
        16: (0.403909512191, 0.850992448593),
        35: (0.184384863841, 0.711973679577),
    },
}
MEDIANS: dict[Band, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "log-log": ((23, 13, np.nan), (8, 4, 11)),
    "log": ((23, 16, np.nan), (8, 4, 12)),
    "plain": ((23, 13, np.nan), (8, 4, 11)),
}


def test_curve_and_standard_errors_are_those_of_r() -> None:
    points = survival_curve(*TREATED).points.set_index("time")
    for time, (survival, error) in SURVIVAL.items():
        assert points.loc[time, "survival"] == pytest.approx(survival, rel=1e-10)
        assert points.loc[time, "standard_error"] == pytest.approx(error, rel=1e-10)


@pytest.mark.parametrize("band", BANDS)
def test_bands_and_medians_are_those_of_r(band: Band) -> None:
    curve = survival_curve(*TREATED, band=band)
    points = curve.points.set_index("time")
    for time, limits in BANDS[band].items():
        assert tuple(points.loc[time, ["low", "high"]]) == pytest.approx(limits, rel=1e-10)
    for data, expected in zip((TREATED, PLACEBO), MEDIANS[band], strict=True):
        curve = survival_curve(*data, band=band)
        np.testing.assert_equal((curve.median, curve.median_low, curve.median_high), expected)


def test_trials_are_counted_as_they_leave() -> None:
    points = survival_curve(*TREATED).points
    # Kleinbaum and Klein (2012), chapter 2: 21 at risk; at week 6 three relapse and one is censored.
    assert points.iloc[1][["time", "at_risk", "events", "censored"]].tolist() == [6, 21, 3, 1]
    assert points[["events", "censored"]].sum().tolist() == [9, 12]
    assert points["at_risk"].iloc[-1] == 1
    assert points.iloc[0][["time", "survival", "low", "high", "at_risk", "events"]].tolist() == [0, 1, 1, 1, 21, 0]


def test_without_censoring_the_curve_is_the_share_that_is_left() -> None:
    rng = np.random.default_rng(0)
    time = rng.integers(1, 20, size=200)
    points = survival_curve(time, np.ones(200, dtype=bool)).points
    share = [(time > at).mean() for at in points["time"]]
    np.testing.assert_allclose(points["survival"], share, atol=1e-12)


def test_the_median_is_missing_where_the_curve_never_reaches_one_half() -> None:
    curve = survival_curve([5, 60, 60, 60], [True, False, False, False])
    assert np.isnan(curve.median)
    assert "never reaches one half" in curve.answer


def test_a_curve_that_touches_one_half_has_its_median_there() -> None:
    # Thirds and sixths that multiply to 1/2 only up to rounding.
    curve = survival_curve([1, 2, 3, 60, 60, 60], [True, True, True, False, False, False])
    assert curve.median == 3


def test_a_survivor_is_censored_and_not_scored_beyond_its_budget() -> None:
    early = results_table([3, 4, np.inf, np.inf], budget=10)
    points = kaplan_meier(early).curves[0].points
    assert points["survival"].iloc[-1] == pytest.approx(0.5)
    assert points["time"].max() == 10


def test_curves_by_an_axis_are_the_curves_of_its_trials() -> None:
    table = results_table([3, 9, 5, np.inf, 7, 11], activation=["selu", "relu", "selu", "tanh", "relu", "relu"])
    found = kaplan_meier(table, by="activation")
    assert [curve.group for curve in found.curves] == ["relu", "selu", "tanh"]
    for curve in found.curves:
        alone = kaplan_meier(table[table["activation"] == curve.group]).curves[0]
        assert curve.points.equals(alone.points)
    assert found.medians["median"].tolist()[:2] == [9, 3]
    assert found.points.groupby("group").size().to_dict() == {"relu": 4, "selu": 3, "tanh": 2}
    assert found.answers[2] == "tanh: none of 1 trial diverged; the longest ran 60 updates."


def test_only_the_groups_asked_for_are_shown() -> None:
    table = results_table([3, 9, 5], activation=["selu", "relu", "tanh"])
    assert [c.group for c in kaplan_meier(table, by="activation", only=["tanh", "relu"]).curves] == ["relu", "tanh"]
    with pytest.raises(UserError, match=r"activation has no group 'elu'; its groups are relu, selu, tanh"):
        kaplan_meier(table, by="activation", only=["elu"])


def test_numbers_with_many_values_are_cut_into_groups_whose_labels_are_true() -> None:
    rng = np.random.default_rng(0)
    rate = np.exp(rng.uniform(-9, -3, 400))
    groups = groups_of(results_table(np.full(400, 5), learning_rate=rate), "learning_rate")
    assert len(groups.cat.categories) == 4
    assert groups.value_counts().min() > 60
    for label in groups.cat.categories:
        numbers = [float(word) for word in label.split() if word[0].isdigit()]
        inside = {
            "up": lambda rates, ends=numbers: rates <= ends[0],
            "above": lambda rates, ends=numbers: rates > ends[0],
        }.get(label.split()[0], lambda rates, ends=numbers: (rates > ends[0]) & (rates <= ends[-1]))
        np.testing.assert_array_equal((groups == label).to_numpy(), inside(rate))
        assert len(label) < 25


def test_few_values_choices_truth_values_and_unset_numbers_are_groups_of_their_own() -> None:
    table = results_table(
        [1, 2, 3, 4],
        units=[512, 64, 64, 8],
        clipnorm=[1.0, np.nan, 50.0, 1.0],
        stateful=[True, False, True, True],
        activation=["tanh", "relu", "selu", "relu"],
        recurrent_dropout=[0.123456789, 0.2, 0.3, 0.3],
    )
    expected = {
        "units": ["8", "64", "512"],
        "clipnorm": ["1.0", "50.0", "none"],
        "stateful": ["false", "true"],
        "activation": ["relu", "selu", "tanh"],
        "recurrent_dropout": ["0.1235", "0.2", "0.3"],
    }
    assert {axis: list(groups_of(table, axis).cat.categories) for axis in expected} == expected
    assert list(groups_of(table, "clipnorm")) == ["1.0", "none", "50.0", "1.0"]


def test_what_is_no_axis_is_refused() -> None:
    table = results_table([1, 2])
    with pytest.raises(UserError, match="'outcome' is not an axis"):
        kaplan_meier(table, by="outcome")
    with pytest.raises(UserError, match="quantiles=1"):
        kaplan_meier(table, by="units", quantiles=1)
