from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, logistic, norm
from scipy.stats import t as student

from study.analysis.survival.accelerated_failure_time import (
    AcceleratedFailureTime,
    accelerated_failure_time,
    accelerated_failure_time_of,
)
from study.analysis.survival.censored_times import DISTRIBUTIONS, CensoredTimes, Distribution
from study.trial.errors import UserError
from tests.analysis.made_up_trials import results_table
from tests.analysis.survival.textbook import AML, CELL_TYPES, VETERAN, design, survival_of

# Expected numbers without another source: R 4.2.2, survival 3.5-3, survreg(..., dist = ...): for each distribution the
# coefficients (intercept first) and log scale, their standard errors, and the log-likelihood.
Expected = dict[Distribution, tuple[list[float], list[float], float]]

# survreg(Surv(time, status) ~ x, aml)
R_AML: Expected = {
    "weibull": (
        [4.109055051262, -0.929341611366, -0.234514914705],
        [0.299889655031, 0.382501857386, 0.178224506459],
        -80.5216452034,
    ),
    "log-normal": (
        [3.578862028706, -0.724473085572, -0.145370418814],
        [0.284686280874, 0.380316718989, 0.169505926134],
        -78.9276124503,
    ),
    "log-logistic": (
        [3.502991827310, -0.604490743583, -0.666882284990],
        [0.287625371363, 0.393302766152, 0.191554871061],
        -79.3526633855,
    ),
}
# survreg(Surv(time, status) ~ celltype + karno + trt, veteran)
R_VETERAN: Expected = {
    "weibull": (
        [3.8426653312424, -0.7995019026948, -1.0997698795668, -0.3876205043301, 0.0290714556151, -0.2094220738103,
         -0.0723587746497],
        [0.46261775870166, 0.23891409908219, 0.25197870921545, 0.25421612096719, 0.00455706010016, 0.18156962180632,
         0.06626207271240],
        -715.857305287,
    ),
    "log-normal": (
        [2.4893924848157, -0.5633357436659, -0.6444986692447, 0.0954532688083, 0.0372421238679, -0.1371604041578,
         0.0687123787834],
        [0.46672924898253, 0.24856776504921, 0.28029115909508, 0.28136662005392, 0.00479346733594, 0.19085390537139,
         0.06258099877033],
        -715.904438867,
    ),
    "log-logistic": (
        [2.5720382230366, -0.6998940635858, -0.7755011811861, -0.0334210196047, 0.0359396271429, -0.0534652114619,
         -0.5429117852356],
        [0.45327952411367, 0.24536271119403, 0.26549776649065, 0.26394889550099, 0.00443199037791, 0.17664625566114,
         0.07418289530703],
        -712.548223611,
    ),
}  # fmt: skip

# Learning rate, units, steps taken, diverged; made up with T = 0.06 / learning_rate (units / 16)^-0.6 Weibull(2.5).
TRIALS = """
0.0003,8,60,0 0.0003,8,60,0 0.0003,8,60,0 0.0003,16,60,0 0.0003,16,50,1 0.0003,16,60,0 0.0003,32,60,0 0.0003,32,56,1
0.0003,32,43,1 0.001,8,60,0 0.001,8,60,0 0.001,8,60,0 0.001,16,34,1 0.001,16,60,0 0.001,16,60,0 0.001,32,53,1
0.001,32,31,1 0.001,32,15,1 0.003,8,22,1 0.003,8,25,1 0.003,8,41,1 0.003,16,6,1 0.003,16,9,1 0.003,16,19,1 0.003,32,9,1
0.003,32,12,1 0.003,32,15,1 0.01,8,3,1 0.01,8,12,1 0.01,8,1,1 0.01,16,9,1 0.01,16,6,1 0.01,16,4,1 0.01,32,4,1
0.01,32,5,1 0.01,32,4,1
"""
# survreg(Surv(n - 1, n, type = "interval2") ~ log(learning_rate / 4e-4) + log(units / 512)), survivors (60, NA) and
# n = 1 as (NA, 1)
R_INTERVAL: Expected = {
    "weibull": (
        [2.468787921715, -0.969313285890, -0.694962157326, -0.796955488918],
        [0.5648977870370, 0.0886239683587, 0.1639309281472, 0.1646305822793],
        -88.6439710898,
    ),
    "log-normal": (
        [2.719384394358, -0.998444607354, -0.564436857182, -0.405640203923],
        [0.756336604142, 0.106154623202, 0.224924849743, 0.148919809690],
        -92.5330586616,
    ),
    "log-logistic": (
        [2.332689584417, -0.924237564366, -0.655108685007, -1.036661881445],
        [0.685070301612, 0.100459087616, 0.198152894795, 0.172563389462],
        -91.3759414471,
    ),
}


def trials() -> pd.DataFrame:
    rows = np.array([[float(number) for number in row.split(",")] for row in TRIALS.split()])
    steps = np.where(rows[:, 3] == 1, rows[:, 2], np.inf)
    return results_table(1 + steps, budget=61, learning_rate=rows[:, 0], units=rows[:, 1])


def agrees(model: AcceleratedFailureTime, expected: tuple[list[float], list[float], float]) -> None:
    coefficients, errors, log_likelihood = expected
    assert model.intercept == pytest.approx(coefficients[0], rel=1e-6)
    assert model.time_ratios["coefficient"].tolist() == pytest.approx(coefficients[1:-1], rel=1e-6)
    assert math.log(model.scale) == pytest.approx(coefficients[-1], rel=1e-6)
    assert model.time_ratios["standard_error"].tolist() == pytest.approx(errors[1:-1], rel=1e-6)
    assert model.log_likelihood == pytest.approx(log_likelihood, rel=1e-9)
    assert model.akaike == pytest.approx(2 * len(coefficients) - 2 * log_likelihood, rel=1e-9)


def censored(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Times known exactly or from below."""
    time, event = survival_of(data)
    return time, np.where(event, time, np.inf)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_right_censored_times_are_fitted_as_in_r(distribution: Distribution) -> None:
    one = design({"not_maintained": AML["not_maintained"]})
    agrees(accelerated_failure_time_of(*censored(AML), one, distribution=distribution), R_AML[distribution])
    cells = {cell: VETERAN["cell_type"] == number for number, cell in enumerate(CELL_TYPES[1:], start=2)}
    several = design({**cells, "karnofsky": VETERAN["karnofsky"], "treatment": VETERAN["treatment"]})
    agrees(accelerated_failure_time_of(*censored(VETERAN), several, distribution=distribution), R_VETERAN[distribution])


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_steps_are_fitted_as_the_intervals_that_updates_tell_of_as_in_r(distribution: Distribution) -> None:
    agrees(accelerated_failure_time(trials(), distribution=distribution), R_INTERVAL[distribution])


def test_the_best_distribution_is_the_one_with_the_smallest_criterion() -> None:
    model = accelerated_failure_time(trials())
    order = sorted(R_INTERVAL, key=lambda name: -R_INTERVAL[name][2])
    assert model.alternatives["distribution"].tolist() == order
    assert model.distribution == order[0]
    assert model.alternatives["akaike"].is_monotonic_increasing


def test_exponents_under_every_distribution_are_those_of_r_with_the_interval_of_few_divergences() -> None:
    model = accelerated_failure_time(trials())
    q = 3
    width = student.ppf(0.975, model.events - q) * math.sqrt(model.events / (model.events - q))
    best = max(log_likelihood for _, _, log_likelihood in R_INTERVAL.values())
    for name, (coefficients, errors, log_likelihood) in R_INTERVAL.items():
        own = model.exponents[model.exponents["distribution"] == name]
        assert own["axis"].tolist() == ["learning_rate", "units"]
        assert own["exponent"].tolist() == pytest.approx(coefficients[1:-1], rel=1e-5)
        assert (own["high"] - own["exponent"]).tolist() == pytest.approx([width * e for e in errors[1:-1]], rel=1e-5)
        assert (own["exponent"] - own["low"]).tolist() == pytest.approx([width * e for e in errors[1:-1]], rel=1e-5)
        assert own["akaike_above"].tolist() == pytest.approx([2 * (best - log_likelihood)] * 2, abs=1e-6)


def test_a_distribution_that_fits_far_better_than_the_others_is_told_alone() -> None:
    # By R the second best has a criterion that is 5.5 higher.
    model = accelerated_failure_time(trials())
    assert model.fit_as_well == ""
    assert model.answer.endswith("diverged).")


def test_the_exponents_of_all_distributions_that_fit_about_as_well_are_told() -> None:
    several = set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        rate = np.exp(rng.uniform(-8, -4, 50))
        table = results_table(1 + 10 * (0.002 / rate) * np.exp(0.3 * rng.logistic(size=50)), learning_rate=rate)
        model = accelerated_failure_time(table)
        alone = {name: accelerated_failure_time(table, distribution=name) for name in DISTRIBUTIONS}
        least = min(one.akaike for one in alone.values())
        alike = {name: one for name, one in alone.items() if one.akaike <= least + 2}
        several.add(len(alike) > 1)
        assert (model.fit_as_well != "") == (len(alike) > 1)
        assert model.answer.endswith(model.fit_as_well)
        for name, one in alone.items():
            row = one.time_ratios.iloc[0]
            interval = f"({row['exponent_low']:.2f} to {row['exponent_high']:.2f})"
            told = f"learning_rate^{row['exponent']:.2f} {interval}" in _part_of(model.fit_as_well, name)
            assert told == (len(alike) > 1 and name in alike)
    assert several == {True, False}


def _part_of(sentence: str, distribution: str) -> str:
    parts = sentence.partition("intervals): ")[2].split("; ")
    return next((part for part in parts if part.startswith(f"{distribution}, ")), "")


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_likelihood_is_that_of_its_distribution(distribution: Distribution) -> None:
    scatter = {
        # The smallest extreme value: exp of it is a standard exponential number.
        "weibull": (lambda z: -np.expm1(-np.exp(z)), lambda z: np.exp(z - np.exp(z))),
        "log-normal": (norm.cdf, norm.pdf),
        "log-logistic": (logistic.cdf, logistic.pdf),
    }
    cumulative, density = scatter[distribution]
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(40), rng.normal(size=40)])
    time = np.exp(1.5 + 0.5 * x[:, 1] + 0.4 * rng.normal(size=40))
    low, high = np.ceil(time) - 1, np.ceil(time)
    low[:10] = high[:10] = time[:10]
    low[10:20], high[10:20] = 3, np.inf
    low[20:25] = 0
    likelihood = CensoredTimes(low, high, x, distribution=distribution)
    b, sigma = np.array([1.3, 0.7]), 0.6
    parameters = np.array([*(b / sigma), 1 / sigma])
    with np.errstate(divide="ignore"):
        z_low, z_high = (np.log(low) - x @ b) / sigma, (np.log(high) - x @ b) / sigma
    expected = np.log(density(z_high[:10]) / sigma / time[:10]).sum()
    expected += np.log(cumulative(z_high[10:]) - cumulative(z_low[10:])).sum()
    value, gradient, hessian = likelihood(parameters)
    assert value == pytest.approx(expected, rel=1e-10)
    for step in 1e-5 * np.eye(3):
        above, below = likelihood(parameters + step), likelihood(parameters - step)
        assert gradient @ step * 2 == pytest.approx(above[0] - below[0], abs=1e-8)
        np.testing.assert_allclose(hessian @ step * 2, above[1] - below[1], atol=1e-7)


def test_of_log_normal_times_without_censoring_the_intervals_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    log_time = 1 + 0.5 * x + 0.3 * rng.normal(size=12)
    model = accelerated_failure_time_of(np.exp(log_time), np.exp(log_time), design({"x": x}), distribution="log-normal")
    # The textbook interval of a slope: Student's t with n - 2 degrees of freedom.
    slope = np.cov(x, log_time)[0, 1] / x.var(ddof=1)
    left = log_time - log_time.mean() - slope * (x - x.mean())
    error = math.sqrt(left @ left / 10 / np.sum((x - x.mean()) ** 2))
    row = model.time_ratios.iloc[0]
    assert row["coefficient"] == pytest.approx(slope, rel=1e-8)
    assert np.log([row["low"], row["high"]]) == pytest.approx(slope + student.ppf([0.025, 0.975], 10) * error, rel=1e-6)
    assert row["p_value"] == pytest.approx(2 * student.sf(abs(slope / error), 10), rel=1e-6)


def test_an_exponent_is_told_as_such_and_as_a_factor_a_doubling() -> None:
    row = accelerated_failure_time(trials()).time_ratios.iloc[0]
    assert row["term"] == "learning_rate, per doubling"
    assert row["time_ratio"] == pytest.approx(2 ** row["exponent"])
    assert [row["low"], row["high"]] == pytest.approx([2 ** row["exponent_low"], 2 ** row["exponent_high"]])
    assert row["answer"].startswith(
        f"Doubling learning_rate multiplies the steps to NaN by {row['time_ratio']:.3g} (95%"
    )


def scaled(exponent: float, *, trials: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rate = np.exp(rng.uniform(-8, -4, trials))
    return results_table(1 + 10 * (rate / 0.002) ** exponent * rng.weibull(4, trials), learning_rate=rate)


@pytest.mark.parametrize(
    ("exponent", "says"),
    [
        (-1.0, "so the data agree with a constant product of the two"),
        (-0.8, "so their product is not constant: it rises with the learning rate"),
        (-1.3, "so their product is not constant: it falls as the learning rate rises"),
    ],
)
def test_whether_time_times_learning_rate_is_constant_is_answered(exponent: float, says: str) -> None:
    product = accelerated_failure_time(scaled(exponent)).constant_product
    assert product is not None
    assert says in product.answer
    assert product.low < exponent < product.high
    assert (product.p_value < 0.05) == (exponent != -1)


def test_trials_at_update_1_took_no_step_and_are_left_out_with_a_note() -> None:
    table = trials()
    at_once = results_table([1, 1, 1], learning_rate=[1e-3, 3e-3, 1e-2], units=8)
    at_once["trial_number"] += len(table)
    both = accelerated_failure_time(pd.concat([table, at_once], ignore_index=True))
    assert both.notes == ("Not in the law: 3 trials at update 1, before the first step.",)
    assert both.trials == len(table)
    pd.testing.assert_frame_equal(both.time_ratios, accelerated_failure_time(table).time_ratios)


def test_within_seeds_trials_are_compared_with_their_own_as_by_a_column_for_each() -> None:
    rng = np.random.default_rng(0)
    rate, seeds = np.tile([3e-4, 1e-3, 3e-3, 1e-2], 6), np.repeat(np.arange(6), 4)
    steps = 0.03 * rng.lognormal(0, 1, 6)[seeds] * rate**-0.9 * rng.lognormal(0, 0.1, 24)
    table = results_table(1 + steps, budget=400, learning_rate=rate, seed=seeds)
    paired = accelerated_failure_time(table, axes=["learning_rate"], within="seed", distribution="log-normal")
    assert paired.time_ratios["term"].tolist() == ["learning_rate, per doubling"]
    assert paired.covariance.shape == (1, 1)
    columns = {"rate": np.log(rate), **{f"seed {seed}": seeds == seed for seed in range(1, 6)}}
    whole = np.ceil(steps)
    died = whole <= 399
    by_hand = accelerated_failure_time_of(
        np.where(died, whole - 1, 399), np.where(died, whole, np.inf), design(columns), distribution="log-normal"
    )
    row, expected = paired.time_ratios.iloc[0], by_hand.time_ratios.iloc[0]
    for number in ("coefficient", "standard_error", "p_value"):
        assert row[number] == pytest.approx(expected[number], rel=1e-6)
    assert paired.covariance[0, 0] == pytest.approx(expected["standard_error"] ** 2, rel=1e-6)
    # Seeds differ by a factor of three; what is left within one is the scatter of the draw.
    assert 0.05 < paired.scale < 0.2 < accelerated_failure_time(table, axes=["learning_rate"]).scale


def test_without_the_learning_rate_there_is_no_such_question() -> None:
    assert accelerated_failure_time(trials(), axes=["units"]).constant_product is None


def test_axes_that_vary_but_are_not_in_the_law_are_named() -> None:
    table = trials().assign(activation=["relu", "selu"] * 18)
    assert accelerated_failure_time(table).notes[0] == "Not in the law, though the trials differ in it: activation."
    both = accelerated_failure_time(table, axes=["learning_rate", "activation"])
    assert both.time_ratios["term"].tolist() == ["learning_rate, per doubling", "activation: selu, not relu"]
    assert np.isnan(both.time_ratios["exponent"].iloc[1])
    assert "units" in both.notes[0]


def test_a_level_in_which_nothing_diverged_has_a_bound_and_no_time_ratio() -> None:
    table = trials()
    never = results_table([np.inf] * 8, budget=61, learning_rate=[0.01, 0.003] * 4, units=16, activation="tanh")
    never["trial_number"] += len(table)
    together = pd.concat([table, never], ignore_index=True)
    axes = ["learning_rate", "activation"]
    model = accelerated_failure_time(together, axes=axes, distribution="weibull")
    row = model.time_ratios.iloc[1]
    assert np.isnan(row[["time_ratio", "coefficient", "standard_error", "high"]].astype(float)).all()
    assert "no time ratio, since none of the 8 trials with activation tanh diverged" in row["answer"]
    # All else is as without them.
    alone = accelerated_failure_time(table, axes=axes[:1], distribution="weibull")
    first = model.time_ratios.iloc[0]
    assert first["exponent"] == pytest.approx(alone.time_ratios["exponent"].iloc[0], rel=1e-5)
    assert first["standard_error"] == pytest.approx(alone.time_ratios["standard_error"].iloc[0], rel=1e-4)

    # The bound, by another optimiser on the likelihood written out.
    x, tanh = np.log(together["learning_rate"] / 4e-4).to_numpy(), (together["activation"] == "tanh").to_numpy()
    steps, event = together["updates"].to_numpy(dtype=float) - 1, (together["outcome"] == "diverged").to_numpy()

    def surviving(to: np.ndarray, location: np.ndarray, sigma: float) -> np.ndarray:
        return np.exp(-((to / np.exp(location)) ** (1 / sigma)))

    def lost(parameters: np.ndarray, effect: float) -> float:
        location, sigma = parameters[0] + parameters[1] * x + effect * tanh, np.exp(parameters[2])
        start = np.where(event, steps - 1, steps)
        chance = surviving(start, location, sigma) - event * surviving(steps, location, sigma)
        return -np.log(np.maximum(chance, 1e-300)).sum()

    def best(effect: float) -> float:
        options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000, "maxfev": 4000}
        return -minimize(lost, [4.0, -1.0, -0.5], args=(effect,), method="Nelder-Mead", options=options).fun

    assert 2 * (best(30.0) - best(math.log(row["low"]))) == pytest.approx(chi2.ppf(0.95, 1), abs=1e-3)
    assert row["p_value"] == pytest.approx(chi2.sf(2 * (best(30.0) - best(0.0)), 1), rel=1e-3)


def test_where_there_is_no_law_the_answer_says_why() -> None:
    rate = [1e-3, 2e-3, 4e-3, 8e-3]
    for table, why in [
        (results_table([np.inf] * 4, learning_rate=rate), "4 trials and no divergence"),
        (results_table([8, 4, 2], learning_rate=rate[:3]), "too few divergences, 3, for the 3 numbers of it"),
        (results_table([9, 5, 3, 2], learning_rate=rate), "explain the times of 4 trials without any scatter"),
        (results_table([9, 5, 3, 2, 4]), "none of its axes varies"),
        (results_table([]), "there are no trials"),
    ]:
        model = accelerated_failure_time(table)
        assert not model.estimated
        assert why in model.answer
        assert np.isnan([model.scale, model.intercept, model.akaike]).all()


def test_times_that_are_all_one_bound_nothing() -> None:
    model = accelerated_failure_time(results_table([2] * 8, learning_rate=np.geomspace(1e-3, 1e-1, 8)))
    assert not model.estimated
    assert "without any scatter" in model.answer
    assert model.constant_product.answer == model.answer


def test_small_studies_never_end_in_an_error_nor_in_a_number_that_ran_away() -> None:
    rng = np.random.default_rng(0)
    laws = 0
    for _ in range(40):
        size = int(rng.integers(4, 14))
        rate = np.exp(rng.uniform(-8, -3, size))
        steps = np.where(rng.random(size) < 0.3, np.inf, 0.03 / rate * rng.weibull(3, size))
        table = results_table(1 + steps, budget=20, learning_rate=rate, stateful=rng.random(size) < 0.5)
        model = accelerated_failure_time(table, axes=["learning_rate", "stateful"])
        laws += model.estimated
        for _, row in model.time_ratios.iterrows():
            if math.isfinite(row["time_ratio"]):
                assert 0 < row["low"] <= row["time_ratio"] <= row["high"]
                assert abs(row["coefficient"]) < 20
            else:
                assert "no time ratio" in row["answer"]
    assert laws > 10


def test_what_is_no_distribution_is_refused() -> None:
    with pytest.raises(UserError, match="distribution=gamma is not allowed; it is best, weibull"):
        accelerated_failure_time(trials(), distribution="gamma")


def test_ten_thousand_trials_are_fitted() -> None:
    product = accelerated_failure_time(scaled(-1, trials=10_000)).constant_product
    assert product.low < -1 < product.high
    assert product.high - product.low < 0.05
