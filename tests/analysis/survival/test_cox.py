from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import chi2

from study.analysis.survival.cox import CoxModel, cox, cox_of
from study.analysis.survival.design_matrix import design_matrix
from study.analysis.survival.kaplan_meier import survival_curve
from study.analysis.survival.likelihood import maximise
from study.analysis.survival.partial_likelihood import PartialLikelihood
from study.analysis.survival.proportional_hazards import Scale, proportional_hazards_test
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table
from tests.analysis.survival.textbook import OVARIAN, design, survival_of

OVARIAN_DESIGN = design({name: OVARIAN[name] for name in ("age", "treatment", "residual")})

# Numbers without another source are those of R 4.2.2, survival 3.5-3.


def test_without_ties_exact_is_coxs_own_likelihood() -> None:
    # coxph(Surv(futime, fustat) ~ age + rx + resid.ds, ovarian), whose times all differ.
    model = cox_of(*survival_of(OVARIAN), OVARIAN_DESIGN)
    expected = [0.128546519583, -0.848898640328, 0.696385857634]
    assert model.hazard_ratios["coefficient"].tolist() == pytest.approx(expected, rel=1e-7)
    errors = [0.0472975570086, 0.6392047974944, 0.7585329301920]
    assert model.hazard_ratios["standard_error"].tolist() == pytest.approx(errors, rel=1e-7)
    assert model.likelihood_ratio == pytest.approx(2 * (34.9849403712 - 26.6011538728), rel=1e-9)


def of_any_order(time: np.ndarray, event: np.ndarray, x: np.ndarray, coefficients: np.ndarray) -> float:
    """The log partial likelihood of ties by its definition: the sum over all orders in which they can have happened."""
    weight = np.exp(x @ coefficients)
    total = 0.0
    for at in np.unique(time[event]):
        tied = np.flatnonzero(event & (time == at))
        outlive = weight[(time > at) | ((time == at) & ~event)].sum()
        probability = 0.0
        for order in itertools.permutations(tied):
            chance, left = 1.0, outlive + weight[tied].sum()
            for trial in order:
                chance *= weight[trial] / left
                left -= weight[trial]
            probability += chance
        total += math.log(probability)
    return total


@pytest.mark.parametrize("seed", range(4))
def test_exact_ties_are_the_sum_over_all_their_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(16, 2)) * 2
    time = rng.integers(1, 4, size=16).astype(float)
    event = rng.random(16) < 0.7
    likelihood = PartialLikelihood(time, event, x)
    at = rng.normal(size=2)
    value, gradient, hessian = likelihood(at)
    assert value == pytest.approx(of_any_order(time, event, x, at), abs=1e-9)
    for step in 1e-4 * np.eye(2):
        slope = of_any_order(time, event, x, at + step) - of_any_order(time, event, x, at - step)
        assert gradient @ step * 2 == pytest.approx(slope, abs=1e-9)
        bend = slope - 2 * gradient @ step
        assert abs(bend) < 1e-9
        np.testing.assert_allclose(hessian @ step * 2, likelihood(at + step)[1] - likelihood(at - step)[1], atol=1e-9)


@pytest.mark.parametrize(
    ("scale", "chi_squares"),
    [
        ("kaplan-meier", [0.209668562454, 0.630797152313, 1.120344869836, 1.958395019915]),
        ("identity", [0.428444765277, 0.344025757035, 1.346371554908, 1.874085023362]),
        ("log", [0.620893905064, 0.670457678695, 0.892109910647, 1.485423885720]),
    ],
)
def test_proportional_hazards_are_checked_as_in_r(scale: Scale, chi_squares: list[float]) -> None:
    # cox.zph(fit, transform, terms = FALSE).
    time, event = survival_of(OVARIAN)
    likelihood = PartialLikelihood(time, event, OVARIAN_DESIGN.values)
    tests = proportional_hazards_test(
        likelihood,
        maximise(likelihood, np.zeros(3)).parameters,
        terms=["age", "treatment", "residual"],
        survival=survival_curve(time, event).points,
        scale=scale,
    )
    assert tests["chi_square"].tolist() == pytest.approx(chi_squares, rel=1e-6)
    assert tests["degrees_of_freedom"].tolist() == [1, 1, 1, 3]


def test_a_hazard_ratio_that_changes_is_told() -> None:
    rng = np.random.default_rng(0)
    group = np.arange(300) % 2
    # Weibull with shapes 1 and 4: one hazard is constant, the other grows.
    time = 20 * rng.exponential(size=300) ** np.where(group, 0.25, 1)
    model = cox(results_table(time, units=np.where(group, 16, 8)))
    assert model.proportional_hazards["p_value"].iloc[0] < 1e-6
    assert model.proportional is False
    assert model.proportional_words.startswith("Hazards are not proportional (chi-square ")
    assert "on 1 degree of freedom, p < 0.0001), above all for units, per doubling" in model.proportional_words


def test_proportional_hazards_are_tested_beside_a_level_in_which_nothing_diverged() -> None:
    # Its trials leave the risk sets, so the test is that of the others alone.
    table = a_study_with_tanh()
    model, without = cox(table), cox(table[table["activation"] != "tanh"])
    assert "activation: tanh, not relu" not in model.proportional_hazards["term"].tolist()
    pd.testing.assert_frame_equal(model.proportional_hazards, without.proportional_hazards)
    assert model.proportional is without.proportional is not None


def test_where_proportional_hazards_cannot_be_tested_it_says_so() -> None:
    only = cox(results_table([*range(1, 11), *[np.inf] * 5], stateful=[False] * 10 + [True] * 5))
    ordered = cox(results_table(np.arange(1, 13), learning_rate=np.geomspace(1e-1, 1e-4, 12)))
    for model in (only, ordered):
        assert model.proportional is None
        assert model.proportional_words == ""
        assert any("cannot be checked" in note for note in model.notes)


def test_one_unit_of_each_axis_is_as_documented() -> None:
    table = results_table(
        [1, 2, 3, 4, 5, 6, 7, 8],
        learning_rate=[4e-4, 8e-4, 1e-4, 4e-4, 4e-4, 4e-4, 4e-4, 4e-4],
        recurrent_dropout=[0.0, 0.1, 0.5, 0.2, 0.2, 0.3, 0.3, 0.3],
        layers=[1, 2, 3, 1, 1, 1, 2, 2],
        clipnorm=[1.0, np.nan, 4.0, 1.0, 1.0, 1.0, np.nan, 0.5],
        activation=["relu", "tanh", "selu", "relu", "selu", "relu", "relu", "relu"],
        bidirectional=[False, True, False, True, False, True, False, False],
    )
    made = design_matrix(table, ["learning_rate", "recurrent_dropout", "layers", "clipnorm", "units"])
    assert [term.name for term in made.terms] == [
        "learning_rate, per doubling",
        "recurrent_dropout, per 0.1",
        "layers, per 1",
        "clipnorm, per doubling",
        "clipnorm: none, not 1.0",
    ]
    expected = [
        [0, 0, 1, 0, 0],
        [1, 1, 2, 0, 1],
        [-2, 5, 3, 2, 0],
        [0, 2, 1, 0, 0],
        [0, 2, 1, 0, 0],
        [0, 3, 1, 0, 0],
        [0, 3, 2, 0, 1],
        [0, 3, 2, -1, 0],
    ]
    np.testing.assert_allclose(made.values, expected, atol=1e-12)
    assert made.notes == ("units does not vary, so it has no estimate.",)
    made = design_matrix(table, ["activation", "bidirectional"])
    assert [term.change for term in made.terms] == [
        "activation selu rather than relu",
        "activation tanh rather than relu",
        "bidirectional true rather than false",
    ]
    expected = [[0, 0, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_array_equal(made.values, expected)


def test_the_baseline_is_the_minimal_examples_value_unless_nothing_of_it_diverged() -> None:
    levels = ["relu", "relu", "selu", "selu", "tanh", "tanh"]
    for time, baseline in [([1, 99, 1, 1, 1, 1], "relu"), ([99, 99, 9, 9, 9, 99], "selu")]:
        made = design_matrix(results_table(time, activation=levels), ["activation"])
        assert {term.baseline for term in made.terms} == {baseline}


def test_what_earlier_axes_determine_is_left_out_and_named() -> None:
    table = results_table(
        np.arange(1, 9),
        front_end=["none", "conv1d"] * 4,
        front_end_activation=["none", "relu", "none", "tanh"] * 2,
        units=[8] * 4 + [16] * 4,
        timesteps=[64] * 4 + [128] * 4,
    )
    made = design_matrix(table, ["front_end", "front_end_activation", "units", "timesteps"])
    assert [term.name for term in made.terms] == [
        "front_end: conv1d, not none",
        "front_end_activation: relu, not none",
        "units, per doubling",
    ]
    assert [note.partition(":")[0] for note in made.notes] == ["front_end_activation", "timesteps, per doubling"]


def test_no_property_of_a_model_is_refused_as_an_axis() -> None:
    table = results_table([1, 2])
    for axes, says in [
        (["seed"], "seed is no property of a model"),
        (["budget"], "budget is no property of a model"),
        (["loss"], "'loss' is not an axis"),
        (["units", "units"], "units is given twice"),
    ]:
        with pytest.raises(UserError, match=says):
            cox(table, axes=axes)


def a_study_with_tanh(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    activation = np.array(["relu", "selu", "tanh"])[np.arange(90) % 3]
    rate = np.exp(rng.uniform(-7, -4, 90))
    time = np.where(activation == "tanh", np.inf, 0.05 / rate * rng.weibull(2, 90))
    return results_table(time, activation=activation, learning_rate=rate)


def row_of(model: CoxModel, name: str) -> pd.Series:
    return model.hazard_ratios.set_index("term").loc[name]


def test_a_level_in_which_nothing_diverged_has_a_bound_and_no_hazard_ratio() -> None:
    table = a_study_with_tanh()
    model = cox(table)
    tanh = row_of(model, "activation: tanh, not relu")
    assert np.isnan(tanh[["hazard_ratio", "coefficient", "standard_error", "low"]].astype(float)).all()
    assert 0 < tanh["high"] < 0.2
    assert tanh["p_value"] < 1e-3
    assert "no hazard ratio, since none of the 30 trials with activation tanh diverged" in tanh["answer"]
    assert f"up to {tanh['high']:.3g} (95% confidence)" in tanh["answer"]
    # As tanh's hazard goes to zero its trials leave the risk sets, so all else is as without them.
    without = cox(table[table["activation"] != "tanh"])
    for name in ("activation: selu, not relu", "learning_rate, per doubling"):
        for number in ("coefficient", "standard_error", "low", "high", "p_value"):
            assert row_of(model, name)[number] == pytest.approx(row_of(without, name)[number], rel=1e-5)


def test_the_bound_of_a_level_without_divergences_is_where_its_likelihood_ratio_is_refused() -> None:
    # Ten of group A diverge at different updates, five of group B never do; with a and b at risk the log partial
    # likelihood is - sum log(a + b exp(beta)), and its limit for beta to minus infinity is - sum log a.
    at_risk = np.arange(10, 0, -1)

    def fallen(beta: float) -> float:
        return 2 * np.sum(np.log(at_risk + 5 * np.exp(beta)) - np.log(at_risk)) - chi2.ppf(0.95, 1)

    table = results_table([*range(1, 11), *[np.inf] * 5], stateful=[False] * 10 + [True] * 5)
    row = cox(table).hazard_ratios.iloc[0]
    assert row["high"] == pytest.approx(np.exp(brentq(fallen, -10, 5)), rel=1e-5)
    assert row["p_value"] == pytest.approx(chi2.sf(fallen(0.0) + chi2.ppf(0.95, 1), 1), rel=1e-6)


def test_an_order_without_chance_has_a_bound_and_no_hazard_ratio() -> None:
    table = results_table(np.arange(1, 13), learning_rate=np.geomspace(1e-1, 1e-4, 12))
    row = cox(table).hazard_ratios.iloc[0]
    assert np.isnan(row["hazard_ratio"])
    assert np.isnan(row["high"])
    assert row["low"] > 1
    assert "no hazard ratio, since the order of the divergences is just what this would explain" in row["answer"]


def test_what_the_data_do_not_see_is_bounded_to_neither_side() -> None:
    # All trials of one level were censored before the first divergence.
    table = results_table([20, 21, 22, 23, 24, np.inf, np.inf], stateful=[False] * 5 + [True] * 2)
    table.loc[[5, 6], ["budget", "updates"]] = 10
    row = cox(table).hazard_ratios.iloc[0]
    assert row[["hazard_ratio", "low", "high"]].isna().all()
    assert "the data bound its factor to neither side" in row["answer"]


def test_where_there_is_no_model_the_answer_says_why() -> None:
    for table, why in [
        (results_table([np.inf] * 5, units=[8, 8, 16, 16, 32]), "5 trials and no divergence"),
        (results_table([1, 2, 3, 4]), "none of the axes varies"),
        (results_table([1, 2, 3], units=[8, 16, 32], stateful=[True, True, False]), "too few divergences, 3, for 2"),
        (results_table([]), "there are no trials"),
        (results_table([1, 2], failed=[0, 1], units=[8, 16]), "there are no trials"),
    ]:
        model = cox(table)
        assert not model.estimated
        assert why in model.answer
        assert np.isnan(model.likelihood_ratio)


def test_small_studies_never_end_in_an_error_nor_in_a_number_that_ran_away() -> None:
    rng = np.random.default_rng(0)
    unestimated = 0
    for _ in range(60):
        size = int(rng.integers(4, 14))
        rate = np.exp(rng.uniform(-8, -3, size))
        time = np.where(rng.random(size) < 0.3, np.inf, 0.03 / rate * rng.weibull(3, size))
        table = results_table(
            time, budget=20, learning_rate=rate, units=rng.choice([8, 16], size), stateful=rng.random(size) < 0.5
        )
        model = cox(table)
        spread = design_matrix(table, model.axes).values.std(axis=0)
        for (_, row), deviation in zip(model.hazard_ratios.iterrows(), spread, strict=False):
            if math.isfinite(row["hazard_ratio"]):
                assert 0 < row["low"] <= row["hazard_ratio"] <= row["high"]
                # A likelihood that rises for ever stops more than twenty deviations out.
                assert abs(row["coefficient"]) * deviation < 20
            else:
                unestimated += 1
                assert "no hazard ratio" in row["answer"]
                assert np.isnan(row["low"]) or np.isnan(row["high"])
    assert unestimated > 5


def test_ten_thousand_trials_are_fitted_with_few_divergences_told() -> None:
    rng = np.random.default_rng(0)
    rate = np.exp(rng.uniform(-8, -3, 10_000))
    model = cox(results_table(0.03 / rate * rng.weibull(2, 10_000), learning_rate=rate))
    row = model.hazard_ratios.iloc[0]
    assert row["low"] < 4 < row["high"]
    few = cox(results_table([1, 2, 4, 3, 5, np.inf], units=[8, 16, 8, 16, 8, 8], stateful=[True, False, False] * 2))
    assert any("5 divergences for 2 terms are fewer than 5 a term" in note for note in few.notes)
