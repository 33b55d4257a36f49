from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from study.analysis.boundary.firth import CRITICAL_RATIO, PenalisedLogistic, is_estimable, root_between

# Endometrial cancer study of Heinze and Schemper (2002), 79 patients: neovasculization (NV), pulsatility index (PI),
# endometrium height in hundredths (EH), histology (HG, the outcome). NV separates.
ENDOMETRIAL = """
0,13,164,0 0,16,226,0 0,8,314,0 0,34,268,0 0,20,128,0 0,5,231,0 0,17,180,0 0,10,168,0 0,26,156,0 0,17,231,0 0,8,201,0
0,7,189,0 0,20,315,0 0,10,123,0 0,18,127,0 0,16,176,0 0,18,200,0 0,8,264,1 0,29,88,1 0,12,127,1 0,20,137,1 1,38,97,1
1,22,114,1 1,7,88,1 1,25,91,1 1,15,58,1 0,7,97,1 0,28,150,0 0,11,133,0 0,19,237,0 0,10,182,0 0,10,313,0 0,18,131,0
0,14,192,0 0,21,164,0 0,11,201,0 0,17,188,0 0,25,193,0 0,16,211,0 0,19,129,0 0,15,172,0 0,33,75,0 0,24,192,0 0,48,184,1
0,12,111,1 0,19,161,1 0,2,118,1 1,22,144,1 1,40,118,1 1,5,93,1 1,0,117,1 0,21,119,1 0,15,106,1 0,29,202,0 0,15,229,0
0,12,233,0 0,3,290,0 0,20,170,0 0,23,141,0 0,12,225,0 0,22,154,0 0,42,197,0 0,15,175,0 0,13,216,0 0,14,257,0 0,19,137,0
0,12,361,0 0,13,204,0 0,10,217,0 0,12,169,1 1,49,27,1 0,6,184,1 0,5,130,1 0,17,96,1 1,11,101,1 1,21,98,1 0,5,35,1
1,19,102,1 0,33,85,1
"""

# Urinary tract infections and contraceptives (Foxman et al., Epidemiology 8, 1997), the data set `sex2` of the R
# package logistf: the pattern case age oc vic vicl vis dia, and how many women have it.
SEX2 = """
1000010 1  1001000 14  1001010 3  1001100 10  1001110 12  1001111 1  1010000 44  1010001 3  1011000 15  1011001 1
1011010 2  1011100 7  1011110 3  1101000 2  1101010 1  1101011 1  1101100 1  1101111 1  1110000 5  1111000 3
0000010 1  0001000 2  0001010 1  0001100 8  0001110 18  0010000 42  0010010 1  0011000 1  0011100 5  0011110 6
0101100 2  0101110 4  0110000 14  0110010 1  0111000 1  0111110 2
"""

# Tobacco budworms: dead of 20, males then females, at doses of 1, 2, 4, ... 32 micrograms of trans-cypermethrin.
# Collett, "Modelling Binary Data" (1991); Venables and Ripley, "Modern Applied Statistics with S" (2002), section 7.2.
BUDWORM_DEAD = [1, 4, 9, 13, 18, 20, 0, 2, 6, 10, 12, 16]


def endometrial() -> PenalisedLogistic:
    rows = np.array([[float(value) for value in row.split(",")] for row in ENDOMETRIAL.split()])
    assert len(rows) == 79
    return PenalisedLogistic(features=rows[:, :3] / [1, 1, 100], outcome=rows[:, 3] == 1)


def sex2() -> PenalisedLogistic:
    words = SEX2.split()
    rows = np.array([[int(digit) for digit in pattern] for pattern in words[::2]])
    rows = np.repeat(rows, [int(count) for count in words[1::2]], axis=0)
    assert rows.shape == (239, 7)
    return PenalisedLogistic(features=rows[:, 1:].astype(float), outcome=rows[:, 0] == 1)


def budworm() -> PenalisedLogistic:
    """Females are the reference: the intercept is theirs."""
    male = np.repeat([1.0, 0.0], 6)
    dose = np.tile(np.arange(6.0), 2)
    features = np.repeat(np.column_stack([dose, male]), 20, axis=0)
    dead = np.concatenate([np.arange(20) < count for count in BUDWORM_DEAD])
    return PenalisedLogistic(features=features, outcome=dead, penalty=0)


def test_coefficients_are_those_of_logistf_on_separated_data() -> None:
    # Output of logistf(HG ~ NV + PI + EH, data = endometrial).
    expected = [3.77455951, 2.92927330, -0.03475175, -2.60416387]
    assert endometrial().coefficients == pytest.approx(expected, rel=2e-6)


def test_profile_intervals_are_those_of_logistf_on_separated_data() -> None:
    model = endometrial()
    expected = [(0.6097244, 7.85463171), (-0.1244587, 0.04045547), (-4.3651832, -1.23272106)]
    for column, interval in enumerate(expected):
        assert model.interval(column) == pytest.approx(interval, rel=2e-6)


def test_coefficients_and_likelihood_are_those_of_logistf_on_many_covariates() -> None:
    # The example of logistf's manual, fit <- logistf(case ~ age+oc+vic+vicl+vis+dia, data = sex2); the penalised log
    # likelihood is the one that the Python package firthlogist prints for it.
    model = sex2()
    expected = [0.12025405, -1.10598131, -0.06881673, 2.26887464, -2.11140817, -0.78831694, 3.09601166]
    assert model.coefficients == pytest.approx(expected, rel=1e-6)
    assert model.log_likelihood == pytest.approx(-132.5394, abs=5e-5)


def test_profile_intervals_are_those_of_logistf_on_many_covariates() -> None:
    model = sex2()
    expected = [
        (-1.9737884, -0.30742514),
        (-0.9414363, 0.78920202),
        (1.2730216, 3.43543273),
        (-3.2608611, -1.11773495),
        (-1.6080879, 0.01518468),
        (0.7745682, 8.03029352),
    ]
    for column, interval in enumerate(expected):
        assert model.interval(column) == pytest.approx(interval, rel=1e-5)


def test_without_the_penalty_it_is_the_logistic_regression_of_statsmodels() -> None:
    generator = np.random.default_rng(4)
    features = np.column_stack([generator.normal(-3, 0.6, 150), generator.integers(3, 7, 150)])
    outcome = generator.random(150) < 1 / (1 + np.exp(-2 * (features[:, 0] + 3)))
    model = PenalisedLogistic(features=features, outcome=outcome, penalty=0)
    reference = sm.Logit(outcome.astype(float), sm.add_constant(features)).fit(disp=0, tol=1e-14)
    assert model.coefficients == pytest.approx(reference.params, rel=1e-7)
    assert model.covariance == pytest.approx(reference.cov_params(), rel=1e-6)
    assert model.log_likelihood == pytest.approx(reference.llf, rel=1e-9)
    smaller = sm.Logit(outcome.astype(float), sm.add_constant(features[:, :1])).fit(disp=0, tol=1e-14)
    assert model.ratio_without([1]) == pytest.approx(2 * (reference.llf - smaller.llf), rel=1e-6)


def test_lethal_doses_are_those_of_the_budworm_example() -> None:
    # Output of dose.p(budworm.lg0, cf = c(1, 3), p = 1:3/4) in the manual of the R package MASS.
    model = budworm()
    intercept, slope, _ = model.coefficients
    doses = [(np.log(p / (1 - p)) - intercept) / slope for p in (0.25, 0.5, 0.75)]
    assert doses == pytest.approx([2.231265, 3.263587, 4.295910], rel=3e-7)
    gradients = [np.array([-1 / slope, -dose / slope, 0]) for dose in doses]
    errors = [np.sqrt(gradient @ model.covariance @ gradient) for gradient in gradients]
    assert errors == pytest.approx([0.2499089, 0.2297539, 0.2746874], rel=3e-7)


def test_the_interval_of_the_lethal_dose_is_that_of_the_deviance() -> None:
    # At its ends a regression without intercept, with the dose measured from there, has a deviance larger by 3.84.
    model = budworm()

    def excess(doses: NDArray[np.float64]) -> NDArray[np.float64]:
        return model.ratio_even(np.column_stack([doses, np.zeros(len(doses))])) - CRITICAL_RATIO

    ends = root_between(excess, np.full(2, 3.263587), np.array([1.0, 6.0]))
    family = sm.families.Binomial()
    outcome = model.outcome.astype(float)
    free = sm.GLM(outcome, sm.add_constant(model.features), family=family).fit(tol=1e-12)
    for end in ends:
        held = sm.GLM(outcome, model.features - [end, 0], family=family).fit(tol=1e-12)
        assert held.deviance - free.deviance == pytest.approx(3.841459, abs=1e-5)
    # Fieller's interval is the same to first order: Finney, "Probit Analysis" (1971), section 4.6.
    fieller = _fieller(free.params[:2], free.cov_params()[:2, :2])
    assert ends == pytest.approx(fieller, abs=0.03)


def _fieller(coefficients: NDArray[np.float64], covariance: NDArray[np.float64]) -> list[float]:
    """Doses at which the fitted log odds differ from zero by 1.96 of their standard errors."""
    quadratic = np.outer(coefficients, coefficients) - CRITICAL_RATIO * covariance
    return sorted(np.roots([quadratic[1, 1], 2 * quadratic[0, 1], quadratic[0, 0]]))


def test_the_ratio_is_the_same_for_many_points_as_for_each_alone() -> None:
    model = endometrial()
    points = np.column_stack([np.tile([0.0, 1.0], 400), np.linspace(0, 40, 800), np.linspace(0.5, 3, 800)])
    together = model.ratio_even(points)
    for index in (0, 333, 511, 512, 799):
        assert model.ratio_even(points[index : index + 1])[0] == pytest.approx(together[index], abs=1e-8)


def test_features_that_determine_each_other_are_not_estimable() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20, 2))
    assert is_estimable(features)
    assert not is_estimable(np.column_stack([features, features.sum(axis=1)]))
    assert not is_estimable(np.column_stack([features, np.ones(20)]))
    assert not is_estimable(features[:3])
