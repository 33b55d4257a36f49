"""Which trials of a study are worth looking at one by one: the rule that a sweep and a report choose by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from study.trial.divergence import Words


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A trial that diverged, as far as the rule looks at it."""

    number: int
    """In its study."""
    time: int
    """1-based number of the update at which it diverged."""
    group: str | None
    """Its value of the first choice that varies (`Axes.first_choice`), such as its activation; None if none does."""


def exemplary(diverged: Iterable[Ended], words: Words) -> dict[int, str]:
    """A handful of trials that diverged: the soonest and the latest, and the one in the middle of them.

    With them, for each group, the trial in the middle of its own. The middle of an even number is the lower one;
    of equal times the lowest number goes first.

    Args:
        diverged: The trials to choose from.
        words: Of the event that they end at.

    Returns:
        Number of each chosen trial -> what it stands for, `soonest NaN, middle of relu`; in the order of their times.
    """
    in_order = sorted(diverged, key=lambda trial: (trial.time, trial.number))
    if not in_order:
        return {}
    latest = next(trial for trial in in_order if trial.time == in_order[-1].time)
    groups: dict[str, list[Ended]] = {}
    for trial in in_order:
        if trial.group is not None:
            groups.setdefault(trial.group, []).append(trial)
    chosen = [
        (in_order[0], f"soonest {words.noun}"),
        (_middle(in_order), f"middle {words.time}"),
        (latest, f"latest {words.noun}"),
        *((_middle(members), f"middle of {group}") for group, members in groups.items()),
    ]
    reasons: dict[int, list[str]] = {}
    for trial, why in sorted(chosen, key=lambda one: in_order.index(one[0])):
        reasons.setdefault(trial.number, []).append(why)
    return {number: ", ".join(whys) for number, whys in reasons.items()}


def _middle(in_order: list[Ended]) -> Ended:
    return in_order[(len(in_order) - 1) // 2]
