"""The causes of exemplary trials in a report, as they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.diagnosis.measured_cause import MeasuredCause

Trials = Sequence[tuple[str, str]]
"""Number and run of trials, as texts."""

COLUMNS = ("trial", "cause", "what was measured", "less likely")


def cause_sentences(trials: Trials, causes: Mapping[str, MeasuredCause]) -> tuple[str, ...]:
    """Every cause once, with the trials that have it."""
    of_cause: dict[str, list[str]] = {}
    meaning: dict[str, str] = {}
    for number, run in trials:
        if run in causes:
            of_cause.setdefault(causes[run].cause.id, []).append(number)
            meaning[causes[run].cause.id] = causes[run].means
    return tuple(
        f"Measured cause of {_listed(numbers)}: `{name}`, {meaning[name]}." for name, numbers in of_cause.items()
    )


def cause_rows(trials: Trials, causes: Mapping[str, MeasuredCause]) -> tuple[tuple[str, ...], ...]:
    """What was measured of each trial, in the order of `COLUMNS`."""
    known = [(number, causes[run]) for number, run in trials if run in causes]
    return tuple(
        (number, found.cause.sentence, "; ".join(found.cause.evidence), ", ".join(found.also) or "-")
        for number, found in known
    )


def _listed(numbers: Sequence[str]) -> str:
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    return f"trials {', '.join(numbers[:-1])} and {numbers[-1]}"
