"""What is told of trials to come, against trials drawn one by one by what a trial is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from study.analysis.boundary.forecast import First, Forecast, Later

BUDGET = 40
DRAWS = 200_000

FIRST = First(mean=np.array([-2.0, 0.0, -1.0]), deviation=np.array([0.5, 0.3, 1.0]))
LATER = Later(
    budget=BUDGET,
    mean=np.array([3.0, 4.5, 2.0]),
    deviation=np.array([0.4, 0.2, 0.8]),
    scatter=np.array([0.3, 0.5, 0.2]),
    scatter_deviation=np.array([0.2, 0.1, 0.3]),
)
CASES = [
    Forecast(budget=BUDGET, first=FIRST, later=LATER),
    Forecast(budget=BUDGET, first=None, later=LATER),
    Forecast(budget=BUDGET, first=FIRST, later=None),
]


def drawn(told: Forecast, *, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of each draw of f, s and g: P(NaN at update 1), and P(NaN later, within the budget); both (draws, points)."""
    at_once, later = np.zeros((DRAWS, 3)), np.zeros((DRAWS, 3))
    if told.first is not None:
        at_once = ndtr(told.first.mean + told.first.deviation * chance.standard_normal((DRAWS, 3)))
    if told.later is not None:
        f = told.later.mean + told.later.deviation * chance.standard_normal((DRAWS, 3))
        scatter = told.later.scatter * np.exp(told.later.scatter_deviation * chance.standard_normal((DRAWS, 3)))
        later = ndtr((np.log(BUDGET - 1) - f) / scatter)
    return at_once, later


@pytest.mark.parametrize("told", CASES, ids=["both", "later", "first"])
@pytest.mark.parametrize("level", [0.3, 0.5, 0.8])
def test_inside_is_the_share_of_draws_whose_probability_is_above_the_level(told: Forecast, level: float) -> None:
    at_once, later = drawn(told, chance=np.random.default_rng(0))
    above = 1 - (1 - at_once) * (1 - later) > level
    assert told.inside(level) == pytest.approx(above.mean(axis=0), abs=0.02)


def test_inside_is_averaged_over_the_scatters_that_the_trials_allow() -> None:
    wider = replace(LATER, scatter=2 * LATER.scatter, mean=LATER.mean + 0.3)
    parts = [Forecast(budget=BUDGET, first=FIRST, later=later) for later in (LATER, wider)]
    told = Forecast(budget=BUDGET, first=FIRST, later=LATER, laters=((0.75, LATER), (0.25, wider)))
    assert told.inside(0.4) == pytest.approx(0.75 * parts[0].inside(0.4) + 0.25 * parts[1].inside(0.4))


@pytest.mark.parametrize("told", CASES, ids=["both", "later", "first"])
def test_probability_and_updates_are_those_of_drawn_trials(told: Forecast) -> None:
    chance = np.random.default_rng(1)
    at_once = np.zeros((DRAWS, 3), dtype=bool)
    update = np.full((DRAWS, 3), np.inf)
    if told.first is not None:
        at_once = told.first.mean + np.hypot(told.first.deviation, 1) * chance.standard_normal((DRAWS, 3)) > 0
    if told.later is not None:
        spread = np.hypot(told.later.deviation, told.later.scatter)
        # The update is 1 + ceil(S); its mean is told of 1 + S.
        update = 1 + np.exp(told.later.mean + spread * chance.standard_normal((DRAWS, 3)))
    update = np.where(at_once, 1, update)
    assert told.probability() == pytest.approx((update <= BUDGET).mean(axis=0), abs=0.01)
    assert told.expected_updates() == pytest.approx(np.minimum(update, BUDGET).mean(axis=0), rel=0.03)


@pytest.mark.parametrize("told", CASES, ids=["both", "later", "first"])
def test_the_distance_has_the_sign_of_the_side_at_the_means(told: Forecast) -> None:
    at_once = ndtr(FIRST.mean) if told.first is not None else np.zeros(3)
    later = ndtr((np.log(BUDGET - 1) - LATER.mean) / LATER.scatter) if told.later is not None else np.zeros(3)
    chance = 1 - (1 - at_once) * (1 - later)
    for level in (0.1, 0.5, 0.9):
        assert ((told.distance(level) > 0) == (chance > level)).all()


def test_slopes_are_those_of_differences_up_to_a_factor() -> None:
    told, step = CASES[0], 1e-5

    def chance(first: np.ndarray, later: np.ndarray) -> np.ndarray:
        return np.asarray(1 - ndtr(-first) * ndtr(-(np.log(BUDGET - 1) - later) / LATER.scatter))

    by_first = (chance(FIRST.mean + step, LATER.mean) - chance(FIRST.mean - step, LATER.mean)) / (2 * step)
    by_later = (chance(FIRST.mean, LATER.mean - step) - chance(FIRST.mean, LATER.mean + step)) / (2 * step)
    slopes = told.slopes()
    # At the third point P is 1 but for rounding.
    ratio = slopes["first"][:2] / slopes["later"][:2]
    assert ratio == pytest.approx(by_first[:2] / by_later[:2], rel=1e-3)


def test_what_a_trial_tells_of_g_is_the_curvature_of_its_expected_log_likelihood() -> None:
    g, step = 0.7, 1e-3
    p = ndtr(g)

    def expected(at: float) -> float:
        return float(p * np.log(ndtr(at)) + (1 - p) * np.log(ndtr(-at)))

    curvature = -(expected(g + step) - 2 * expected(g) + expected(g - step)) / step**2
    first = First(mean=np.array([g]), deviation=np.array([0.0]))
    assert first.precision()[0] == pytest.approx(curvature, rel=1e-3)
