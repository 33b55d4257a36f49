"""Which trials of a sweep are looked at more closely by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from study.trial.axes import AxisValue
from study.trial.design import Configuration
from study.trial.result import TrialResult

LONGEST_SECONDS = 30.0
"""A trial that took longer is looked at on demand: that trains it once more."""


def exemplary(results: Iterable[tuple[int, TrialResult[Any]]]) -> list[int]:
    """Numbers of a handful of trials that diverged, ascending.

    The soonest and the latest, the one in the middle, and for each value of the first choice that varies, such
    as each activation, the trial in the middle of its own; of equal ones the lowest number. Trials of more than
    `LONGEST_SECONDS` are left out.
    """
    diverged = sorted((r.updates, number, r) for number, r in results if r.diverged and r.seconds <= LONGEST_SECONDS)
    if not diverged:
        return []
    by = _first_choice_that_varies([result.config for _, _, result in diverged])
    groups: dict[AxisValue, list[int]] = {}
    for _, number, result in diverged:
        groups.setdefault(result.config.values()[by] if by else None, []).append(number)
    in_order = [number for _, number, _ in diverged]
    latest = min(number for updates, number, _ in diverged if updates == diverged[-1][0])
    middles = [numbers[(len(numbers) - 1) // 2] for numbers in (in_order, *groups.values())]
    return sorted({in_order[0], latest, *middles})


def _first_choice_that_varies(configs: Sequence[Configuration]) -> str | None:
    values = [config.values() for config in configs]
    choices = (name for name, axis in configs[0].axes.items() if axis.kind == "str")
    return next((name for name in choices if len({one[name] for one in values}) > 1), None)
