"""How good an accuracy is: next to saying the same of all trials, and to the best rule on one axis.

Where an axis has choices with which nothing diverges, an accuracy over all trials is mostly that of knowing them. So it
is told twice, the second time of the trials without such choices, by the same predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from study.analysis.prediction.encoding import encoding_of
from study.analysis.prediction.one_axis import Indices, best_rule, held_out_rule, rule_words
from study.analysis.predictors import Booleans, Floats, configurations
from study.analysis.safe_levels import without_safe_levels


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Of held-out predictions on some trials of a study."""

    without: str
    """What was left out of the study, such as `activation tanh`; empty where nothing was."""
    trials: int
    accuracy: float
    """Share of trials whose outcome is the more probable one."""
    low: float
    """Of its 95% interval on further trials; see `worth`."""
    high: float
    rule: str
    """The best rule on one axis, as it is on all of these trials: those of which it says that they diverge."""
    rule_accuracy: float
    """Of such rules, chosen and judged on different trials."""
    commoner: str
    """The outcome of most trials, `diverged` or `survived`."""
    commoner_accuracy: float
    """Of always saying that."""

    @property
    def better_than_a_rule(self) -> bool:
        """Whether the predictions are shown to be better than the best rule on one axis and the commoner outcome."""
        return self.low > max(self.rule_accuracy, self.commoner_accuracy)

    @property
    def words(self) -> str:
        """The numbers, to stand after `held-out accuracy`."""
        return (
            f"{_percent(self.accuracy)} ({_percent(self.low, unit='')} to {_percent(self.high)}; "
            f"best rule on one axis, `{self.rule}` diverges: {_percent(self.rule_accuracy)}; "
            f"always saying `{self.commoner}`: {_percent(self.commoner_accuracy)})"
        )


def accuracies(trials: pd.DataFrame, right: Floats, held_out: Sequence[Indices]) -> tuple[Accuracy, ...]:
    """Of all trials and, if there are choices with which nothing diverged, of the others.

    Args:
        trials: Those with a result, of a study of which some axis varies.
        right: How often the outcome of each was predicted rightly, shape (trials,).
        held_out: Positions of the trials of each fold.
    """
    found = [_accuracy(trials, np.ones(len(trials), dtype=bool), right, held_out, without="")]
    safe = without_safe_levels(trials)
    inside = trials.index.isin(safe.trials.index)
    diverged = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    if safe.left_out and not diverged[inside].all():
        without = " and ".join(f"{level.axis} {' or '.join(level.levels)}" for level in safe.left_out)
        found.append(_accuracy(trials, inside, right, held_out, without=without))
    return tuple(found)


def _accuracy(
    trials: pd.DataFrame, inside: Booleans, right: Floats, held_out: Sequence[Indices], *, without: str
) -> Accuracy:
    some = trials[inside].reset_index(drop=True)
    diverged = (some["outcome"] == "diverged").to_numpy(dtype=bool)
    place = np.cumsum(inside) - 1
    folds = [place[test[inside[test]]] for test in held_out]
    share = float(right[inside].mean())
    equal = worth(right[inside], configurations(some))
    low, high = proportion_confint(share * equal, equal, alpha=0.05, method="wilson")
    encoding = encoding_of(some)
    died = float(diverged.mean())
    rule, rule_right = "none", max(died, 1 - died)
    if encoding.axes:
        encoded = encoding.encode(some)
        rule = rule_words(best_rule(encoding, encoded, diverged), encoding, encoded, some)
        rule_right = float(held_out_rule(encoding, encoded, diverged, folds).mean())
    return Accuracy(
        without=without,
        trials=len(some),
        accuracy=share,
        low=float(low),
        high=float(high),
        rule=rule,
        rule_accuracy=rule_right,
        commoner="diverged" if died > 0.5 else "survived",
        commoner_accuracy=max(died, 1 - died),
    )


def worth(right: Floats, groups: Indices) -> float:
    """How many independent trials would give the mean of `right` the variance that it has between groups.

    E. L. Korn and B. I. Graubard, Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data (1998).

    Args:
        right: Shape (trials,), each between 0 and 1.
        groups: Number of each trial's group, from 0, shape (trials,).
    """
    mean, trials, count = right.mean(), len(right), len(np.unique(groups))
    variance = (np.bincount(groups, weights=right - mean) ** 2).sum() / trials**2 * count / (count - 1)
    if variance == 0:
        return float(count)
    independent = mean * (1 - mean) / (trials - 1)
    return float(min(trials * independent / variance, trials))


def _percent(share: float, *, unit: str = "%") -> str:
    return f"{100 * share:.0f}{unit}"
