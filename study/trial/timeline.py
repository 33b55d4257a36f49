"""The timeline of a trial: at which update each kind of number stopped being finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.trial.outcome import LOSS_THRESHOLD, first_above
from study.trial.words import EVENTS, Event

LOSS_EXCEEDED = "loss_exceeded"

TIMELINE: dict[str, Event] = {
    **EVENTS,
    LOSS_EXCEEDED: Event(
        words=f"the loss, still finite, above {LOSS_THRESHOLD:g}",
        label=f"loss above {LOSS_THRESHOLD:g}, still finite",
        phase="loss",
    ),
}
"""What a timeline tells the first update of."""

Timeline = dict[str, int | None]
"""Event -> the first update at which such a number was not finite, None for never; and `loss_exceeded`, the first
update whose loss was finite and above `LOSS_THRESHOLD`. A state that the trial's cell lacks has no entry. A weight
counts for the update that starts from it: the step of update 8 makes the weights of update 9."""


def timeline_column(event: str) -> str:
    """The name of an entry of the timeline among metrics and columns, where it stands alone."""
    return event if event == LOSS_EXCEEDED else f"nonfinite_{event}"


def timeline(first: Mapping[str, int], losses: Sequence[float]) -> Timeline:
    """The timeline of a trial.

    Args:
        first: For each of `EVENTS` that the trial's cell can have, the update that computed the first such number; 0
            for none.
        losses: Of update 1, 2, ...
    """
    told: Timeline = {event: first[event] or None for event in EVENTS if event in first}
    if told["weight"] is not None:
        told["weight"] += 1
    return {**told, LOSS_EXCEEDED: first_above(losses)}
