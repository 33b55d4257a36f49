"""What a sweep keeps at its end of a handful of its trials: their pages, the causes of their NaN."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from study.sweep.workers.base import TrialFailed, Workers
from study.tracking import Tracker, run_name
from study.trial.axes import as_text
from study.trial.exemplary import Ended, exemplary
from study.trial.record import Record
from study.trial.result import TrialResult

Make: TypeAlias = Callable[[str, str], str]
"""Makes an exhibit in a worker: a trial's result and what is to be said of its run in, both JSON; its text out."""


LONGEST_SECONDS = 30.0
"""A trial that took longer is looked at on demand: that trains it once more."""


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """What is made of an exemplary trial and kept as an artifact of its run.

    Attributes:
        artifact: Name of the artifact.
        name: What it is, in a sentence: `anatomy page`.
        doing: What is done to make it: `writing the anatomy`.
        make: Makes its text. Workers do: it trains.
        tags: What the run is tagged with, by the text.
    """

    artifact: str
    name: str
    doing: str
    make: Make
    tags: Callable[[str], Mapping[str, str]] = lambda text: {}


def keep_exhibits(
    exhibits: Sequence[Exhibit],
    records: Iterable[Record],
    *,
    tracker: Tracker,
    workers: Callable[[int], AbstractContextManager[Workers]],
    say: Callable[[str], None],
    stopped: Callable[[], bool],
) -> None:
    """Make the exhibits of exemplary trials that have none yet, and keep them with their runs.

    Args:
        exhibits: What to make.
        records: The sweep's finished trials.
        tracker: Where the runs are.
        workers: What makes them, opened only if there is something to make, with the number of trials.
        say: Takes a sentence for the person at the terminal.
        stopped: Whether the sweep is to end; what is not made then is left out, with a sentence.
    """
    results = {record.number: (record, record.result) for record in records if record.result}
    chosen = exemplary_numbers({number: result for number, (_, result) in results.items()})
    if chosen and stopped():
        say(NOT_KEPT)
        return
    missing = {
        exhibit: [number for number in chosen if not tracker.has_artifact(tracker.written[number], exhibit.artifact)]
        for exhibit in exhibits
    }
    if not any(missing.values()):
        return
    kept = 0
    with workers(max(map(len, missing.values()))) as pool:
        for exhibit, numbers in missing.items():
            if not numbers:
                continue
            say(f"{exhibit.doing} of {len(numbers)} exemplary trial{'s' * (len(numbers) > 1)}")
            calls = [_call(*results[number], run_id=tracker.written[number]) for number in numbers]
            for place, text in pool.apply(exhibit.make, calls, stop=stopped):
                if isinstance(text, TrialFailed):
                    say(f"trial {numbers[place]} has no {exhibit.name} ({text})")
                else:
                    run_id = tracker.written[numbers[place]]
                    tracker.keep_artifact(run_id, exhibit.artifact, text, tags=exhibit.tags(text))
                kept += 1
    if kept < sum(map(len, missing.values())):
        say(NOT_KEPT)


NOT_KEPT = "what is kept of exemplary trials is not complete; the same command goes on with it at its end"


def _call(record: Record, result: TrialResult, *, run_id: str) -> tuple[str, str]:
    about = {"title": run_name(record), "run_id": run_id}
    return result.to_json(), json.dumps(about)


def exemplary_numbers(results: Mapping[int, TrialResult[Any]]) -> list[int]:
    """Numbers of the trials to make exhibits of, ascending: those of `study.trial.exemplary` that did not take long."""
    if not results:
        return []
    configs = [result.config for result in results.values()]
    axes = configs[0].axes
    varying = [
        column
        for column, axis in axes.properties.items()
        if len({as_text(config.values()[axis.name]) for config in configs}) > 1
    ]
    by = axes.first_choice(varying)
    ended = [
        Ended(
            number=number,
            time=result.updates,
            group=None if by is None else as_text(result.config.values()[axes.columns[by].name]),
        )
        for number, result in results.items()
        if result.diverged and result.seconds <= LONGEST_SECONDS
    ]
    words = next(iter(results.values())).divergence.words
    return sorted(exemplary(ended, words))
