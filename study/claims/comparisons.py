"""Trials of one seed held against each other: whether they are in the claim's order, and by which factor."""

from __future__ import annotations

from collections.abc import Sequence

from study.claims.contrast import Contrast
from study.claims.samples import Trial
from study.claims.times import Between

GROWTH_AT = "growth_at"
"""Column with the growth of the cell state at the contrast's update; infinite where it was not finite by then."""


def in_order(contrast: Contrast, trials: Sequence[Trial]) -> bool | None:
    """Whether the trials of a seed go the claim's way; None where they go neither way."""
    pair = _held(contrast, trials)
    if pair is None:
        return None
    first, second = pair
    if first.before(second) == second.before(first):
        return None
    return second.before(first)


def factors(contrast: Contrast, seeds: Sequence[Sequence[Trial]]) -> list[tuple[Between, Between]]:
    """Of every seed the two numbers whose factor is asked about, first and second; none of a growth, which is a rate.

    Args:
        contrast: Of the statistic `order` or `gain`.
        seeds: The trials of each seed, in the order of the arms.
    """
    if contrast.measure == "cell_growth":
        return []
    held = [_held(contrast, trials) for trials in seeds]
    return [pair for pair in held if pair is not None]


def _held(contrast: Contrast, trials: Sequence[Trial]) -> tuple[Between, Between] | None:
    """The two numbers of a seed that the claim says fall; None where one is not recorded."""
    if contrast.statistic == "gain":
        times = [trial.steps for trial in trials]
        return times[1].over(times[0]), times[3].over(times[2])
    values = [_measured(contrast, trial) for trial in trials]
    first, second = values
    return None if first is None or second is None else (first, second)


def _measured(contrast: Contrast, trial: Trial) -> Between | None:
    match contrast.measure:
        case "time_to_nan":
            return trial.steps
        case "way":
            return trial.steps.times(trial.config.learning_rate)
        case "weight_distance":
            distance = trial.number("weight_distance")
            return None if distance is None else Between(distance, distance)
        case "cell_growth":
            growth = trial.number(GROWTH_AT)
            return None if growth is None else Between(-growth, -growth)
