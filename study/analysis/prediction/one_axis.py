"""The best rule on one axis: what a model of all axes has to beat.

R. C. Holte, Very simple classification rules perform well on most commonly used datasets (1993): the rule of an axis
says for each of its choices, or on either side of one value, what most trials did; of all axes the one is taken whose
rule is right most often. As everywhere, it is chosen and judged on different trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from study.analysis.prediction.encoding import Encoding
from study.analysis.predictors import Booleans, Floats, texts, unscale
from study.trial.axes import NONE

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule on one axis."""

    axis: str
    columns: tuple[int, ...]
    """Of the encoding."""
    tree: DecisionTreeClassifier
    right: float
    """Share of the trials it was made from that it is right on."""

    def diverges(self, encoded: Floats) -> Booleans:
        """What it says of trials of shape (trials, columns); shape (trials,)."""
        return np.asarray(self.tree.predict(encoded[:, self.columns]), dtype=bool)


def best_rule(encoding: Encoding, encoded: Floats, diverged: Booleans) -> Rule:
    """The rule on one axis that is right most often; of equal ones that of the first axis.

    Args:
        encoding: Of the axes, at least one.
        encoded: Shape (trials, columns).
        diverged: Shape (trials,).
    """
    rules = []
    for axis, columns in encoding.columns().items():
        # A choice is one column, so a tree of one axis's choices tells them all apart; a number is cut once.
        depth = None if axis in encoding.categories else 1
        tree = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(encoded[:, columns], diverged)
        right = float((tree.predict(encoded[:, columns]) == diverged).mean())
        rules.append(Rule(axis=axis, columns=tuple(columns), tree=tree, right=right))
    return max(rules, key=lambda rule: rule.right)


def held_out_rule(encoding: Encoding, encoded: Floats, diverged: Booleans, held_out: Sequence[Indices]) -> Floats:
    """How often the best rule on one axis is right about each trial when that is held out; shape (trials,).

    Args:
        encoding: As for `best_rule`.
        encoded: As for `best_rule`.
        diverged: As for `best_rule`.
        held_out: Positions of the trials held out, each as often.
    """
    right, times = np.zeros(len(diverged)), np.zeros(len(diverged))
    for test in held_out:
        train = np.setdiff1d(np.arange(len(diverged)), test)
        rule = best_rule(encoding, encoded[train], diverged[train])
        right[test] += rule.diverges(encoded[test]) == diverged[test]
        times[test] += 1
    return right / times


def rule_words(rule: Rule, encoding: Encoding, encoded: Floats, trials: pd.DataFrame) -> str:
    """The rule in words: which trials it says diverge."""
    says = rule.diverges(encoded)
    if says.all() or not says.any():
        return "all trials alike"
    if rule.axis in encoding.categories:
        values = texts(trials[rule.axis])
        diverging = sorted(set(values[says]))
        surviving = sorted(set(values[~says]))
        if len(surviving) < len(diverging):
            return f"{rule.axis} not {' or '.join(surviving)}"
        return f"{rule.axis} {' or '.join(diverging)}"
    which = int(rule.tree.tree_.feature[0])
    column = encoded[:, rule.columns[which]]
    above = column[says].mean() > column[~says].mean()
    if which == 1:  # whether the number is unset
        return f"{rule.axis} {NONE if above else f'not {NONE}'}"
    cut = float(unscale(encoding.axes[rule.axis], [rule.tree.tree_.threshold[0]])[0])
    return f"{rule.axis} {'above' if above else 'up to'} {cut:.3g}"
