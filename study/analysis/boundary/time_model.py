"""`TimeModel`: when a trial goes to NaN, anywhere in a space, from the trials that there are.

Two parts, since there are two ways to NaN. At update 1 the initial weights and the data decide, before any step: only
whether it happens is seen, and a probit model gives its probability (`study.analysis.boundary.outcome_model`). Later
the steps decide: the logarithm of their number to NaN is a Gaussian process over the space, right-censored where a
trial survived (`study.analysis.boundary.gaussian_process`). Together they give P(NaN within any budget), and the
contour on which it has a given value. A way that no trial went is left out, so that a study in which no time is to be
had is told from outcomes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from study.analysis.boundary.forecast import First, Forecast, Later, Part
from study.analysis.boundary.gaussian_process import CensoredGaussianProcess, Floats, Hyperparameters
from study.analysis.boundary.outcome_model import OutcomeModel
from study.analysis.predictors import Booleans
from study.analysis.survival.clock import FIRST, steps_of

FEWEST = 4
"""Trials before there is anything to fit."""

FEW = 200
"""Trials, evenly spaced among all, that hyperparameters are looked for on: they are as well known from these, and the
search takes a time that grows with the cube of their number."""

SEARCH = 30
"""Iterations of that search."""

GROWTH = 1.05
"""By what factor the trials have grown when P(NaN at update 1) is fitted anew, where hyperparameters are kept: a few
outcomes more tell little of it, and the fit takes as long as that of the times."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What is known of trials.

    Attributes:
        points: Their axes as columns of numbers between 0 and 1, (trials, columns).
        updates: Number of updates run: the time-to-NaN where it diverged, otherwise the budget; (trials,).
        diverged: Whether they did, (trials,).
    """

    points: Floats
    updates: Floats
    diverged: Booleans

    def take(self, which: Booleans | NDArray[np.int64]) -> Self:
        """Those trials alone."""
        return type(self)(points=self.points[which], updates=self.updates[which], diverged=self.diverged[which])

    @property
    def at_once(self) -> Booleans:
        """Whether they diverged at update 1, (trials,)."""
        at_once: Booleans = self.diverged & (self.updates == FIRST)
        return at_once

    @property
    def stepped(self) -> Self:
        """The trials of which something is known after a step."""
        return self.take(self.updates > FIRST)

    @property
    def shows_a_boundary(self) -> bool:
        """Whether there is anything to fit: trials enough, some that diverged, and not all at the same update."""
        alike = self.diverged.all() and len(np.unique(self.updates)) == 1
        return len(self.points) >= FEWEST and bool(self.diverged.any()) and not alike


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where the search for hyperparameters begins, of each part; None where nothing is known."""

    first: Hyperparameters | None = None
    later: Hyperparameters | None = None


def log_steps(updates: Floats, diverged: Booleans) -> tuple[Floats, Floats]:
    """The interval that the logarithm of the steps to NaN is known to lie in, by `study.analysis.survival.clock`.

    Args:
        updates: 2 or more, (trials,).
        diverged: (trials,).
    """
    low, high = steps_of(updates, diverged)
    with np.errstate(divide="ignore"):
        return np.log(low), np.log(high)


class TimeModel:
    """Fitted to trials.

    Args:
        observed: The trials; they must show a boundary.
        start: Hyperparameters of a fit to fewer trials.
        iterations: Of the search for hyperparameters; 0 keeps those of `start`, where there are any.
        before: A model of some of these trials, to begin from.
        marginal: Whether what is not known of the scatter counts for intervals, by fits with other scatters.

    Attributes:
        first: Whether a trial goes to NaN at update 1; None where none did.
        later: The Gaussian process of the logarithm of the steps; None where no trial went to NaN after one.
        scattered: Weights and fits with other scatters, `CensoredGaussianProcess.scattered`; empty unless `marginal`.
    """

    def __init__(
        self,
        observed: Observed,
        *,
        start: Start | None = None,
        iterations: int = SEARCH,
        before: TimeModel | None = None,
        marginal: bool = False,
    ) -> None:
        assert observed.shows_a_boundary
        start = start or Start()
        self._observed = observed
        self.first: OutcomeModel | None = None
        self.later: CensoredGaussianProcess | None = None
        self.scattered: tuple[tuple[float, CensoredGaussianProcess], ...] = ()
        if not iterations and before is not None and _still_tells(before.first, observed):
            self.first = before.first
        elif observed.at_once.any():
            self.first = _first(observed, start.first, iterations, None if before is None else before.first)
        if observed.stepped.diverged.any():
            self.later = _later(observed.stepped, start.later, iterations, None if before is None else before.later)
            if marginal:
                self.scattered = self.later.scattered()

    @property
    def start(self) -> Start:
        """The hyperparameters found, from which a fit to more trials may start."""
        return Start(
            first=None if self.first is None else self.first.latent.hyperparameters,
            later=None if self.later is None else self.later.hyperparameters,
        )

    @property
    def processes(self) -> dict[Part, CensoredGaussianProcess]:
        """Of g and of f, those that there are."""
        found: dict[Part, CensoredGaussianProcess] = {}
        if self.first is not None:
            found["first"] = self.first.latent
        if self.later is not None:
            found["later"] = self.later
        return found

    def forecast(self, points: Floats, *, budget: int) -> Forecast:
        """What is to be expected of trials.

        Args:
            points: (points, columns).
            budget: In updates, 2 or more.
        """
        known = {part: process.predict(points) for part, process in self.processes.items()}
        return self.forecast_from(points, budget=budget, known=known)

    def forecast_from(self, points: Floats, *, budget: int, known: Mapping[Part, tuple[Floats, Floats]]) -> Forecast:
        """The same, from means and deviations of g and of f that are at hand; each (points,)."""
        first = None if "first" not in known else First(mean=known["first"][0], deviation=known["first"][1])
        later = None
        if "later" in known:
            assert self.later is not None
            later = _told(self.later, points, budget=budget, known=known["later"])
        laters = tuple(
            (weight, _told(process, points, budget=budget, known=process.predict(points)))
            for weight, process in self.scattered
        )
        return Forecast(budget=budget, first=first, later=later, laters=laters)

    def probability(self, points: Floats, *, budget: int) -> Floats:
        """P(NaN within so many updates, 2 or more) of a trial, (points,)."""
        return self.forecast(points, budget=budget).probability()

    def distance_of_trials(self, *, level: float, budget: int) -> Floats:
        """`Forecast.distance` at the trials, whose means are at hand; (trials,)."""
        points, nothing = self._observed.points, np.zeros(len(self._observed.points))
        known: dict[Part, tuple[Floats, Floats]] = {}
        if self.first is not None:
            fitted = self.first.latent
            later = fitted.mean(points[len(fitted.points) :])
            known["first"] = np.concatenate([fitted.mean_of_trials, later]), nothing
        if self.later is not None:
            stepped = self._observed.updates > FIRST
            mean = np.empty(len(points))
            mean[stepped], mean[~stepped] = self.later.mean_of_trials, self.later.mean(points[~stepped])
            known["later"] = mean, nothing
        return self.forecast_from(points, budget=budget, known=known).distance(level)

    def left_out(self, *, budget: int) -> Floats:
        """P(NaN within so many updates) of each of the trials, as all others tell it; (trials,)."""
        points = self._observed.points
        known: dict[Part, tuple[Floats, Floats]] = {}
        if self.first is not None:
            assert len(self.first.latent.points) == len(points)
            known["first"] = self.first.latent.left_out()
        if self.later is not None:
            stepped = self._observed.updates > FIRST
            mean, deviation = self.later.predict(points)
            mean[stepped], deviation[stepped] = self.later.left_out()
            known["later"] = mean, deviation
        return self.forecast_from(points, budget=budget, known=known).probability()


def _told(process: CensoredGaussianProcess, points: Floats, *, budget: int, known: tuple[Floats, Floats]) -> Later:
    return Later(
        budget=budget,
        mean=known[0],
        deviation=known[1],
        scatter=process.scatter(points),
        scatter_deviation=process.scatter_deviation(points),
    )


def _still_tells(first: OutcomeModel | None, observed: Observed) -> bool:
    """Whether a fit of P(NaN at update 1) is to the first of these trials, and to nearly all of them."""
    if first is None:
        return False
    fitted = first.latent.points
    return len(observed.points) < GROWTH * len(fitted) and np.array_equal(fitted, observed.points[: len(fitted)])


def _some(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(FEW, count)).round().astype(int))


def _first(
    observed: Observed, start: Hyperparameters | None, iterations: int, before: OutcomeModel | None
) -> OutcomeModel:
    iterations = iterations if start else SEARCH
    some = observed.take(_some(len(observed.points)))
    if iterations and len(some.points) < len(observed.points) and some.at_once.any():
        search = OutcomeModel(some.points, happened=some.at_once, start=start, iterations=iterations)
        start, iterations = search.latent.hyperparameters, 0
    return OutcomeModel(observed.points, happened=observed.at_once, start=start, iterations=iterations, before=before)


def _later(
    stepped: Observed, start: Hyperparameters | None, iterations: int, before: CensoredGaussianProcess | None
) -> CensoredGaussianProcess:
    iterations = iterations if start else SEARCH
    low, high = log_steps(stepped.updates, stepped.diverged)
    some = _some(len(low))
    if iterations and len(some) < len(low):
        search = CensoredGaussianProcess(
            stepped.points[some], low=low[some], high=high[some], start=start, iterations=iterations
        )
        start, iterations = search.hyperparameters, 0
    return CensoredGaussianProcess(
        stepped.points,
        low=low,
        high=high,
        start=start,
        iterations=iterations,
        before=before,
    )
