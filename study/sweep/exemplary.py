"""Which trials of a sweep get a page by themselves."""

from __future__ import annotations

from collections.abc import Iterable

from study.trial.result import TrialResult

LONGEST_SECONDS = 30.0
"""A trial that took longer gets its page on demand: a page trains the trial once more."""


def exemplary(results: Iterable[tuple[int, TrialResult]]) -> list[int]:
    """Numbers of a handful of trials that diverged, ascending.

    The soonest and the latest, the one nearest to the median, and for each activation the trial nearest to the
    median of its own; of equal ones the lowest number. Trials of more than `LONGEST_SECONDS` are left out.
    """
    diverged = sorted((r.updates, number, r) for number, r in results if r.diverged and r.seconds <= LONGEST_SECONDS)
    if not diverged:
        return []
    by_activation: dict[str, list[int]] = {}
    for _, number, result in diverged:
        by_activation.setdefault(result.config.activation, []).append(number)
    in_order = [number for _, number, _ in diverged]
    latest = min(number for updates, number, _ in diverged if updates == diverged[-1][0])
    middles = [numbers[(len(numbers) - 1) // 2] for numbers in (in_order, *by_activation.values())]
    return sorted({in_order[0], latest, *middles})
