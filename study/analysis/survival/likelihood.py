"""Maximum likelihood where there may be no maximum: concave log-likelihoods that can rise for ever.

With few trials, or a level in which nothing diverged, a log-likelihood has no maximum: it rises towards a limit as a
parameter goes to infinity (a monotone likelihood; Bryson and Johnson, The incidence of monotone likelihood in the Cox
model, 1981). Iterating until it "converges" gives numbers such as 1e-9 that mean nothing. Here the data are asked
first, by linear programming, in which directions that is so (Geyer, Likelihood inference in exponential families and
directions of recession, 2009); a parameter that can go to infinity to one side has no estimate, but a limit to the
other side, from its profile likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, linprog
from scipy.sparse import csr_array
from scipy.stats import chi2

Numbers = npt.NDArray[np.float64]

LogLikelihood = Callable[[Numbers], tuple[float, Numbers, Numbers]]
"""A concave function of the parameters: its value, gradient (p) and Hessian (p, p); minus infinity outside of where it
is defined, whatever the derivatives are there."""

RISES_NO_MORE = 1e-9
"""A log-likelihood that a Newton step can raise by no more than this is at its maximum, or at its limit."""
A_DIRECTION = 1e-3
"""A direction in the unit box counts where a parameter, or a difference that data see, is at least this."""
FARTHEST = 1e6
"""A profile likelihood that has not fallen by here, in standard deviations, is taken to be flat."""


@dataclass(frozen=True, kw_only=True)
class Maximum:
    """Where a log-likelihood is largest, or as near to its limit as makes no difference."""

    parameters: Numbers
    value: float
    hessian: Numbers

    @property
    def covariance(self) -> Numbers:
        """The inverse of the observed information, which is minus the Hessian.

        Along a direction in which the likelihood rises for ever, or is flat, the information is all but nothing. A
        floor keeps the inverse from being lost in rounding there, and leaves the other standard errors as they are.
        """
        floor = 1e-13 * float(np.abs(np.diag(self.hessian)).max()) or 1e-13
        return np.asarray(np.linalg.inv(floor * np.eye(len(self.parameters)) - self.hessian), dtype=np.float64)


def maximise(log_likelihood: LogLikelihood, start: Numbers) -> Maximum:
    """The maximum of a concave log-likelihood, by Newton's method with step halving.

    Where it rises for ever, the answer is a point whose value is within about `RISES_NO_MORE` of the limit.
    """
    parameters = start
    value, gradient, hessian = log_likelihood(parameters)
    assert math.isfinite(value)
    for _ in range(500):
        if len(parameters) == 0:
            break
        # The ridge is far below what matters, and keeps a direction without information solvable.
        ridge = 1e-12 * max(1.0, float(np.abs(np.diag(hessian)).max()))
        step = np.linalg.solve(ridge * np.eye(len(parameters)) - hessian, gradient)
        rise = float(gradient @ step)
        length = 1.0
        while length > 1e-8:
            there = log_likelihood(parameters + length * step)
            # Near the maximum the rise drowns in rounding; a full step is right there.
            if math.isfinite(there[0]) and there[0] >= value + 1e-4 * length * rise - 1e-12 * abs(value):
                break
            length /= 2
        else:
            break
        parameters = parameters + length * step
        value, gradient, hessian = there
        if rise < RISES_NO_MORE:
            break
    return Maximum(parameters=parameters, value=value, hessian=hessian)


def exponential(value: float) -> float:
    """The exponential of the end of an interval, infinite where a double cannot hold it."""
    return math.inf if value > 700 else math.exp(value)


def restricted(log_likelihood: LogLikelihood, *, position: int, to: float) -> LogLikelihood:
    """The log-likelihood of the other parameters, with the one at `position` held at a value."""

    def held(others: Numbers) -> tuple[float, Numbers, Numbers]:
        value, gradient, hessian = log_likelihood(np.insert(others, position, to))
        keep = np.arange(len(gradient)) != position
        return value, gradient[keep], hessian[np.ix_(keep, keep)]

    return held


@dataclass(frozen=True, kw_only=True)
class Recession:
    """Which parameters can go to infinity without the log-likelihood falling."""

    down: npt.NDArray[np.bool_]
    """Whether to minus infinity, shape (parameters)."""
    up: npt.NDArray[np.bool_]
    """Whether to infinity, shape (parameters)."""

    @property
    def any(self) -> bool:
        return bool(self.down.any() or self.up.any())


def recession(differences: csr_array, *, parameters: int, hessian: Numbers) -> Recession:
    """The directions in which a concave log-likelihood never falls.

    Args:
        differences: Shape (conditions, parameters + helpers): the log-likelihood never falls in a direction d exactly
            if there are helper numbers h for which every row times (d, h) is at least 0, and rises for ever if one of
            them is above 0.
        parameters: Number of parameters.
        hessian: The Hessian anywhere, in which a direction shows that the log-likelihood does not see at all.
    """
    nothing = np.zeros(parameters, dtype=bool)
    if parameters == 0:
        return Recession(down=nothing, up=nothing)
    spread = np.abs(np.diag(hessian))
    sees_all = bool(spread.min() > 0)
    if sees_all:
        scaled = hessian / np.sqrt(np.outer(spread, spread))
        sees_all = float(-np.linalg.eigvalsh(scaled).max()) > 1e-10
    bounds = [(-1.0, 1.0)] * parameters + [(None, None)] * (differences.shape[1] - parameters)

    def farthest(towards: Numbers) -> Numbers:
        solved = linprog(
            -towards, A_ub=-differences, b_ub=np.zeros(differences.shape[0]), bounds=bounds, method="highs"
        )
        assert solved.status == 0, solved.message
        return np.asarray(solved.x)

    if sees_all:
        best = farthest(np.asarray(differences.sum(axis=0)).ravel())
        if float((differences @ best).max(initial=0.0)) < A_DIRECTION:
            return Recession(down=nothing, up=nothing)
    unit = np.eye(differences.shape[1])
    down = np.array([farthest(-unit[at])[at] < -A_DIRECTION for at in range(parameters)])
    up = np.array([farthest(unit[at])[at] > A_DIRECTION for at in range(parameters)])
    return Recession(down=down, up=up)


def profile_limit(
    profile: Callable[[float], float], *, supremum: float, start: float, away: int, confidence: float
) -> float:
    """The value at which a profile log-likelihood that rises for ever has fallen far enough to be refused.

    It is refused where twice the distance to the limit exceeds the quantile of chi-square with one degree of freedom
    (Wilks, The large-sample distribution of the likelihood ratio for testing composite hypotheses, 1938).

    Args:
        profile: The log-likelihood, maximised over the other parameters, by the value of one.
        supremum: Its limit.
        start: A value at which it is near that limit.
        away: -1 where the limit is at infinity, so that it falls downwards; 1 where it is at minus infinity.
        confidence: Of the interval that ends at the value returned.

    Returns:
        The end of the interval; infinite (in the direction `away`) if the profile does not fall that far.
    """
    allowed = supremum - chi2.ppf(confidence, 1) / 2
    inner, width = start, 1.0
    while profile(outer := start + away * width) > allowed:
        inner, width = outer, 2 * width
        if width > FARTHEST:
            return away * math.inf
    return float(brentq(lambda at: profile(at) - allowed, inner, outer, xtol=1e-6, rtol=1e-9))
