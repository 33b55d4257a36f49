"""How a finished trial is told as a run of MLflow: its name, tags and metrics.

Only finite numbers become metrics: MLflow stores infinity as 1.8e308, and one NaN can keep its pages from loading.
What ended a trial is told by `time_to_nan`, tags and the description.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from mlflow.entities import Metric

from study.tracking.client import NOTE
from study.trial.onset import ONSET_NUMBERS
from study.trial.record import Record
from study.trial.result import TrialResult, describe
from study.trial.timeline import timeline_column
from study.trial.verdict import verdict

EXPERIMENT_NOTE = """\
Each nested run is one training run of a recurrent net, until it diverges or its budget of updates ends.

- `divergence`, a tag: what counts as that. With `nonfinite`, a loss that is not finite; with `loss_above=10`, one that
  is above 10 or not finite.
- `time_to_nan`: the 1-based number of the first update with such a loss; absent where the trial survived.
- `diverged`: 1 or 0. A trial that survived is right-censored at `updates`; the tag `exploded` says whether its loss was
  above 10 at some update.
- `loss`: by update, as far as it is finite; the tag `loss_at_divergence` says what came last.
- `onset_...`: the very first number that was not finite: metrics for its update and place, tags for the rest.
- `nonfinite_...`: the first update at which such a number was not finite; `loss_exceeded`: the first whose loss was
  above 10.
- `max_hidden`, `hidden_growth` and so on, by update: the growth that leads there; of a model file also
  `max_output/LAYER`, the largest magnitude of what a layer gives.

The view "Trials, soonest NaN first" under Views shows the axes that vary. Filter with `metrics.diverged = 1` or
`params.activation = 'relu'`.
"""


def run_name(record: Record) -> str:
    """A name under which a trial reads well in MLflow's list, without opening it."""
    config = record.config
    outcome = record.result.outcome.label if record.result else "failed"
    return f"{record.number:04d} {outcome}: {config.design.title(config)}"


def trial_tags(record: Record) -> dict[str, str]:
    """Tags of a trial's run."""
    tags = {"trial_number": str(record.number), **record.config.design.tags(record.config)}
    if record.result is None:
        return {**tags, "outcome": "failed", "failure": str(record.failure), NOTE: f"Failed: {record.failure}"}
    result = record.result
    tags |= {"outcome": result.outcome.name, "engine": result.engine, "device": result.device}
    tags |= {"divergence": str(result.divergence), "exploded": str(result.outcome.exploded).lower()}
    tags["population"] = str(result.population)
    if result.diverged:
        tags["loss_at_divergence"] = str(result.loss[-1])
    if result.onset is not None:
        tags |= {f"onset_{name}": text for name, text in result.onset.texts().items()}
    return {**tags, NOTE: f"{describe(result)}\n\n{verdict(result)}"}


def trial_metrics(result: TrialResult[Any], *, start: int, end: int) -> Iterable[Metric]:
    """Metrics of a trial's run, all finite: the loss by update, and what it came to.

    Args:
        result: The trial's result.
        start: Time of the trial's start, milliseconds since the epoch.
        end: Time of its end.
    """
    yield Metric("diverged", float(result.diverged), end, 0)
    yield Metric("updates", float(result.updates), end, 0)
    yield Metric("wall_seconds", result.seconds, end, 0)
    if result.time_to_nan is not None:
        yield Metric("time_to_nan", float(result.time_to_nan), end, 0)

    def at(update: int) -> int:
        return start + (end - start) * update // result.updates

    for update, loss in enumerate(result.loss, start=1):
        if math.isfinite(loss):
            yield Metric("loss", loss, at(update), update)
    for event, first in (result.timeline or {}).items():
        if first is not None:
            yield Metric(timeline_column(event), float(first), end, 0)
    if result.onset is not None:
        for place in ONSET_NUMBERS:
            if (number := getattr(result.onset, place)) is not None:
                yield Metric(f"onset_{place}", float(number), end, 0)
    if result.growth is not None:
        for name, values in result.growth.figures.items():
            for update, value in zip(result.growth.updates, values, strict=True):
                if value is not None:
                    yield Metric(name, value, at(update), update)
