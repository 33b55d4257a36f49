"""Where and when the first number of a trial that is not finite appeared: the timeline and the onset."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

EVENTS: dict[str, str] = {
    "gate": "the sum before the activation of an LSTM gate",
    "cell_state": "a cell state",
    "hidden_state": "a hidden state",
    "output": "the model's output, the logit",
    "loss": "the loss",
    "gradient": "the gradient of a weight, before clipping",
    "optimizer_state": "one of the optimizer's running means",
    "weight": "a weight",
}
"""What a timeline tells the first update of, in the order in which an update computes them. A weight counts for the
update that starts from it: the step of update 8 makes the weights of update 9."""

LOSS_THRESHOLD = 10.0
"""A loss above it, though finite, is out of bounds: one of 10 gives the right label a probability of 1 in 22,000."""

TIMELINE = (*EVENTS, "loss_exceeded")

Timeline = dict[str, int | None]
"""Event -> the first update at which such a number was not finite, None for never; and `loss_exceeded`, the first
update whose loss was finite and above `LOSS_THRESHOLD`."""


def timeline_column(event: str) -> str:
    """The name of an entry of the timeline among metrics and columns, where it stands alone."""
    return event if event == "loss_exceeded" else f"nonfinite_{event}"


def timeline(first: Sequence[int], losses: Sequence[float]) -> Timeline:
    """The timeline of a trial.

    Args:
        first: For each of `EVENTS` the update that computed the first such number; 0 for none.
        losses: Of update 1, 2, ...
    """
    told: Timeline = {event: number or None for event, number in zip(EVENTS, first, strict=True)}
    if told["weight"] is not None:
        told["weight"] += 1
    exceeded = (n for n, loss in enumerate(losses, start=1) if math.isfinite(loss) and loss > LOSS_THRESHOLD)
    return {**told, "loss_exceeded": next(exceeded, None)}


ONSET_NUMBERS = ("update", "timestep", "sample", "unit")
ONSET_TEXTS = ("phase", "layer", "direction", "tensor", "value", "warning")
"""Parts of an onset that MLflow keeps as metrics, and as tags."""


@dataclass(frozen=True, kw_only=True)
class Onset:
    """The first number of a trial that is not finite, in the order in which the arithmetic runs.

    That order: forward through the layers and, within an LSTM, through time; the loss; backward through both; the
    optimizer. Positions are 0-based, as in an array; updates and layers are numbered from 1.
    """

    update: int
    phase: str
    """`forward`, `loss`, `backward` or `optimizer`."""
    layer: str | None
    """`front_end`, `lstm_1`, `dense` and so on."""
    direction: str | None
    """`forward` or `backward`, of an LSTM."""
    tensor: str
    """What the number belongs to: `cell_state`, `candidate_sum`, `gradient of lstm_1/forward/kernel` and so on."""
    timestep: int | None
    sample: int | None
    unit: int | None
    """Unit of an LSTM, or feature."""
    index: tuple[int, ...]
    """Place in the tensor."""
    value: str
    """`inf`, `-inf` or `nan`."""
    operands: Mapping[str, float] = field(default_factory=dict)
    """The numbers it was made of, by name."""
    warning: str | None = None
    """What is wrong with the trial's data themselves, or with the finding."""

    def texts(self) -> dict[str, str]:
        """What is not a number, as far as it is known."""
        return {name: text for name in ONSET_TEXTS if (text := getattr(self, name)) is not None}

    def as_dict(self) -> dict[str, Any]:
        values = asdict(self)
        values["operands"] = {
            name: value if math.isfinite(value) else str(value) for name, value in self.operands.items()
        }
        return {**values, "index": list(self.index)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Onset:
        operands = {name: float(value) for name, value in values["operands"].items()}
        return cls(**{**values, "index": tuple(values["index"]), "operands": operands})
