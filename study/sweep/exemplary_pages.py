"""The pages that a sweep writes at its end, of a handful of its trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from study.sweep.exemplary import exemplary
from study.sweep.workers.base import TrialFailed, Workers
from study.tracking import Tracker, run_name
from study.trial.record import Record
from study.trial.result import TrialResult

Draw = Callable[[str, str], str]
"""Makes a page in a worker: a trial's result and what is to be said of its run in, both JSON; HTML out."""


def write_pages(
    records: Iterable[Record],
    *,
    tracker: Tracker,
    workers: Callable[[int], AbstractContextManager[Workers]],
    draw: Draw,
    say: Callable[[str], None],
    stopped: Callable[[], bool],
) -> None:
    """Write the pages of exemplary trials that have none yet to their runs. Workers draw them: drawing trains.

    Args:
        records: The sweep's finished trials.
        tracker: Where the runs are.
        workers: What draws, opened only if there is something to draw, with the number of pages.
        draw: What a worker does.
        say: Takes a sentence for the person at the terminal.
        stopped: Whether the sweep is to end; what is not drawn then is left out, with a sentence.
    """
    results = {record.number: (record, record.result) for record in records if record.result}
    chosen = exemplary((number, result) for number, (_, result) in results.items())
    if chosen and stopped():
        say(NOT_WRITTEN)
        return
    missing = [number for number in chosen if not tracker.has_anatomy(tracker.written[number])]
    if not missing:
        return
    calls = [_call(*results[number], run_id=tracker.written[number]) for number in missing]
    say(f"writing the anatomy of {len(missing)} exemplary trial{'s' * (len(missing) > 1)} to MLflow")
    written = 0
    with workers(len(missing)) as pool:
        for place, page in pool.apply(draw, calls, stop=stopped):
            if isinstance(page, TrialFailed):
                say(f"trial {missing[place]} has no anatomy page ({page})")
            else:
                tracker.log_anatomy(tracker.written[missing[place]], page)
            written += 1
    if written < len(missing):
        say(NOT_WRITTEN)


NOT_WRITTEN = "the anatomy pages of exemplary trials are not all written; the same command goes on with them at its end"


def _call(record: Record, result: TrialResult, *, run_id: str) -> tuple[str, str]:
    about = {"title": run_name(record), "run_id": run_id}
    return result.to_json(), json.dumps(about)
