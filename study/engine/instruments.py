"""Where an update can be looked at: the compiled program looks at nothing, a replay at everything."""

from __future__ import annotations

from typing import Any, TypeAlias

from study.engine import lstm

Tensor: TypeAlias = Any


class Instruments:
    """Passes everything through. A subclass can record what it is shown, or change it.

    `observe` is shown every tensor between the layers, the loss, and what an update makes of gradients and weights;
    `lstm` runs an LSTM and can be replaced by one that shows every timestep.
    """

    def observe(self, name: str, tensor: Tensor) -> Tensor:
        """Take a tensor by its name, and return what to go on with."""
        return tensor

    def lstm(self, *arguments: Any, **options: Any) -> tuple[Tensor, tuple[Tensor, Tensor], lstm.Probe]:
        """As `study.engine.lstm.lstm`."""
        return lstm.lstm(*arguments, **options)


BARE = Instruments()
