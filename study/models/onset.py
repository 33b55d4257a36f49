"""The onset of a model of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from study.trial.onset import Onset


@dataclass(frozen=True, kw_only=True)
class ModelOnset(Onset):
    """The first number of a training that is not finite, among those that spoil the loss, a weight or a gradient.

    In the order data, forward, loss, backward, optimizer. `phase` may be `data`; `layer` is Keras's path of names, such
    as `bidirectional/backward_lstm`. `row` is None of a stream of batches, and where a number belongs to no sample;
    `source` where a layer of Keras's own made the number. Positions are 0-based, updates are numbered from 1.
    """

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in super().as_dict().items() if name != "direction"}
