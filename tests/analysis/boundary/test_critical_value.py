from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from study.analysis.boundary.critical_value import critical_value
from study.analysis.boundary.phase_diagram import phase_diagram
from study.trial.errors import UserError
from tests.analysis.boundary.studies import logistic_study, study


def penalised_log_likelihood(coefficients: np.ndarray, design: np.ndarray, outcome: np.ndarray) -> float:
    """By its definition in Firth (1993); the design has its column of ones."""
    chance = 1 / (1 + np.exp(-design @ coefficients))
    information = design.T @ np.diag(chance * (1 - chance)) @ design
    likelihood = np.log(np.where(outcome, chance, 1 - chance)).sum()
    return float(likelihood + np.log(np.linalg.det(information)) / 2)


def test_intervals_of_the_critical_value_cover_the_truth_in_95_percent_of_studies() -> None:
    generator = np.random.default_rng(20)
    studies = 1000
    below = above = 0
    for number in range(studies):
        table = logistic_study(generator, 60 + 20 * (number % 8))
        found = critical_value(table, axis="learning_rate", at={"units": 16})
        below += found.high is not None and found.high < 1e-3
        above += found.low is not None and found.low > 1e-3
    assert 0.93 <= 1 - (below + above) / studies <= 0.97
    # The misses are on both sides.
    assert below <= 0.04 * studies
    assert above <= 0.04 * studies


def test_the_estimate_is_near_the_truth_in_a_large_study() -> None:
    table = logistic_study(np.random.default_rng(1), 5000)
    found = critical_value(table, axis="learning_rate", at={"units": 64})
    # Two doublings of the units above 16: log10(lr / 1e-3) = -2 / 4.
    assert found.value == pytest.approx(1e-3 * 10**-0.5, rel=0.1)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 1e-3 * 10**-0.5 < found.high
    assert found.direction == "rises"
    assert found.odds_ratio is not None
    assert found.odds_ratio[1] < np.exp(6) < found.odds_ratio[2]


def test_the_interval_ends_where_the_penalised_likelihood_has_fallen_by_half_of_3_84() -> None:
    table = logistic_study(np.random.default_rng(5), 80)
    found = critical_value(table, axis="learning_rate", at={"units": 32})
    x, y = np.log10(table.learning_rate.to_numpy()), np.log10(table.units.to_numpy(float) / 32)
    outcome = (table.outcome == "diverged").to_numpy()
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None

    def most(design: np.ndarray, free: list[int]) -> float:
        def loss(values: np.ndarray) -> float:
            coefficients = np.zeros(design.shape[1])
            coefficients[free] = values
            return -penalised_log_likelihood(coefficients, design, outcome)

        start = np.array([0.0, 5.0, 1.0])[free]
        return -minimize(
            loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}
        ).fun

    for value, fall in ((found.value, 0), (found.low, 3.841459 / 2), (found.high, 3.841459 / 2)):
        design = np.column_stack([np.ones(len(x)), x - np.log10(value), y])
        # In a model measured from the value, P = 1/2 there is an intercept of zero.
        assert most(design, [0, 1, 2]) - most(design, [1, 2]) == pytest.approx(fall, abs=1e-6)


def test_separated_trials_bracket_the_critical_value() -> None:
    learning_rate = np.geomspace(1e-4, 1e-2, 41)
    found = critical_value(study(learning_rate > 9e-4, learning_rate=learning_rate), axis="learning_rate")
    assert found.separated_between == pytest.approx((learning_rate[19], learning_rate[20]))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < learning_rate[19] < found.value < learning_rate[20] < found.high
    # The interval reaches a few trials beyond the gap, not over the range.
    assert learning_rate[15] < found.low
    assert found.high < learning_rate[24]


@pytest.mark.filterwarnings("error")
def test_a_thousand_separated_trials_have_a_finite_interval() -> None:
    learning_rate = np.geomspace(1e-4, 1e-2, 1000)
    found = critical_value(study(learning_rate > 1e-3, learning_rate=learning_rate), axis="learning_rate")
    assert (found.low, found.value, found.high) == pytest.approx((1e-3, 1e-3, 1e-3), rel=0.02)
    assert found.odds_ratio is not None
    assert found.odds_ratio[1] > 1e30


def test_a_boundary_that_falls_along_the_axis_is_found_too() -> None:
    clipnorm = np.geomspace(0.01, 100, 40)
    found = critical_value(study(clipnorm < 1, clipnorm=clipnorm), axis="clipnorm")
    assert found.direction == "falls"
    assert found.value == pytest.approx(1, rel=0.2)
    assert found.odds_ratio is not None
    assert found.odds_ratio[2] < 1


@pytest.mark.parametrize(
    ("critical", "status", "said"),
    [(3e-5, "below", "below the smallest value tried, "), (3e-2, "above", "above the largest value tried, ")],
)
def test_a_critical_value_outside_the_range_tried_is_said_to_be_there_and_not_given(
    critical: float, status: str, said: str
) -> None:
    table = logistic_study(np.random.default_rng(2), 200, slope=3, critical=critical)
    found = critical_value(table, axis="learning_rate", at={"units": 16})
    assert found.status == status
    assert found.value is None
    edge = table.learning_rate.min() if status == "below" else table.learning_rate.max()
    assert f"{said}{edge:.3g}" in found.words
    # The interval is open on the side of the truth.
    assert found.high is None if status == "above" else found.low is None
    assert (found.low or 0) < critical < (found.high or np.inf)


@pytest.mark.parametrize(
    ("table", "status", "said"),
    [
        (study(np.zeros(9), learning_rate=np.geomspace(1e-4, 1e-2, 9)), "none diverged", "No trial diverged at"),
        (study(np.ones(9), learning_rate=np.geomspace(1e-4, 1e-2, 9)), "all diverged", "Every trial diverged at"),
        (study([0, 0, 1], learning_rate=[1e-4, 1e-3, 1e-2]), "flat", "do not show that divergence depends"),
        (study([0, 1], learning_rate=[1e-4, 1e-3]), "too few", "too few"),
        (study([0, 1] * 9, learning_rate=[1e-3] * 18), "constant", "which is the same in all trials"),
        (study([], learning_rate=np.empty(0)), "too few", "no trial with a result"),
        (study([0, 1] * 20, learning_rate=np.geomspace(1e-4, 1e-2, 40)), "flat", "do not show that divergence depends"),
    ],
    ids=["none diverged", "all diverged", "three trials", "two trials", "constant axis", "no trial", "no effect"],
)
def test_a_study_without_a_critical_value_says_why(table: pd.DataFrame, status: str, said: str) -> None:
    found = critical_value(table, axis="learning_rate")
    assert found.status == status
    assert said in found.words
    assert (found.value, found.low, found.high) == (None, None, None)


def test_a_shape_that_the_fit_cannot_have_is_called_a_poor_fit() -> None:
    learning_rate = np.geomspace(1e-4, 1e-2, 200)
    # NaN only in the upper middle: a logistic curve rises or falls.
    diverged = (learning_rate > 8e-4) & (learning_rate < 5e-3)
    found = critical_value(study(diverged, learning_rate=learning_rate), axis="learning_rate")
    assert found.misfit is not None
    assert found.misfit < 1e-6
    assert "The fit is poor" in found.words
    straight = critical_value(logistic_study(np.random.default_rng(3), 200), axis="learning_rate", at={"units": 16})
    assert straight.misfit is not None
    assert straight.misfit > 0.05
    assert "poor" not in straight.words


def test_a_stated_category_selects_trials_and_a_stated_number_does_not() -> None:
    generator = np.random.default_rng(6)
    parts = [logistic_study(generator, 300, critical=critical) for critical in (5e-4, 2e-3)]
    table = pd.concat([part.assign(activation=name) for part, name in zip(parts, ("relu", "selu"), strict=True)])
    for part, name in zip(parts, ("relu", "selu"), strict=True):
        selected = critical_value(table, axis="learning_rate", at={"units": 16, "activation": name})
        alone = critical_value(part, axis="learning_rate", at={"units": 16})
        assert selected.trials == alone.trials == 300
        assert (selected.value, selected.low, selected.high) == (alone.value, alone.low, alone.high)
    assert "Averaged over activation" in critical_value(table, axis="learning_rate", at={"units": 16}).words


def test_failed_and_unset_trials_are_left_out_and_counted() -> None:
    table = study(np.arange(40) > 20, clipnorm=np.geomspace(0.01, 100, 40))
    table["outcome"] = table["outcome"].astype(object)
    whole = critical_value(table.drop(index=[3, 30, 31]), axis="clipnorm")
    table.loc[3, "outcome"] = "failed"
    table.loc[[30, 31], "clipnorm"] = np.nan
    found = critical_value(table, axis="clipnorm")
    assert found.value == whole.value
    assert found.trials == 37
    assert "2 trials left out, where an axis is unset." in found.words
    assert "1 trial left out that failed." in found.words
    unset = critical_value(table.assign(clipnorm=np.nan), axis="clipnorm")
    assert unset.words.startswith("There is no trial with a result and a number on clipnorm; 0 trials")


def test_replicates_that_share_averaged_axes_are_called_too_narrow() -> None:
    table = logistic_study(np.random.default_rng(7), 100)
    twice = pd.concat([table, table])
    assert "the uncertainty is larger than stated" in critical_value(twice, axis="learning_rate").words
    assert "larger than stated" not in critical_value(twice, axis="learning_rate", at={"units": 16}).words
    assert "larger than stated" not in critical_value(table, axis="learning_rate").words


@pytest.mark.parametrize(
    ("axis", "at", "message"),
    [
        ("learning", {}, "'learning' is not an axis"),
        ("activation", {}, "activation: has no order"),
        ("seed", {}, "seed: has no order"),
        ("learning_rate", {"learning_rate": 1e-3}, "cannot be held"),
        ("learning_rate", {"units": 128}, "at units=128: outside what was tried, 4 to 64"),
        ("learning_rate", {"units": "many"}, "at units=many: takes a number"),
        ("learning_rate", {"activation": "tanh"}, "at activation=tanh: was not tried; the study has relu"),
        ("learning_rate", {"layer": 2}, "'layer' is not an axis"),
        ("timesteps", {}, "timesteps: is not a column of this results table"),
    ],
)
def test_a_question_that_the_study_cannot_have_an_answer_to_is_refused_in_a_sentence(
    axis: str, at: dict[str, object], message: str
) -> None:
    table = logistic_study(np.random.default_rng(0), 30).assign(activation="relu", seed=np.arange(30))
    with pytest.raises(UserError, match=message):
        critical_value(table, axis=axis, at=at)  # type: ignore[arg-type]


SMALL = st.lists(
    st.tuples(
        st.sampled_from(["diverged", "survived", "failed"]),
        st.sampled_from([1e-4, 1e-3, 1e-2]),
        st.sampled_from([8, 16]),
        st.sampled_from([1.0, 2.0, None]),
        st.sampled_from(["relu", "tanh"]),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SMALL)
def test_no_small_study_ends_in_a_traceback_or_in_numbers_without_a_fit(rows: list[tuple[object, ...]]) -> None:
    table = pd.DataFrame(rows, columns=["outcome", "learning_rate", "units", "clipnorm", "activation"])
    table = table.astype({"learning_rate": float, "units": "Int64", "clipnorm": float})
    for axis in ("learning_rate", "clipnorm"):
        found = critical_value(table, axis=axis)
        assert found.words.endswith(".")
        if found.status == "inside":
            assert found.value is not None
            assert (found.low or 0) <= found.value <= (found.high or np.inf)
        else:
            assert found.value is None
    diagram = phase_diagram(table, x="learning_rate", y="clipnorm", points=3)
    assert diagram.words.endswith(".")
    assert np.isfinite(diagram.probability).all() == diagram.fitted or diagram.probability.size == 0
    assert np.isfinite(diagram.above_half).all() == diagram.fitted or diagram.probability.size == 0
