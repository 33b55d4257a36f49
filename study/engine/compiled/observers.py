"""Where an update can be looked at: the compiled program keeps the recurrences' sequences, a replay looks at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.engine.cells import recurrence
from study.engine.cells.recurrence import Probe
from study.engine.runtime import tf
from study.engine.tensors import BatchUnits, Tensor


class Instruments:
    """Passes everything through. A subclass can record what it is shown, or change it.

    `observe` is shown every tensor between the layers, the loss, and what an update makes of gradients and weights;
    `run` runs a recurrence and can be replaced by one that shows every timestep.
    """

    def observe(self, name: str, tensor: Tensor) -> Tensor:
        """Take a tensor by its name, and return what to go on with."""
        return tensor

    def run(self, *arguments: Any, **options: Any) -> tuple[Tensor, tuple[BatchUnits, ...], Probe]:
        """As `study.engine.cells.recurrence.run`."""
        return recurrence.run(*arguments, **options)


class Capture(Instruments):
    """Keeps tensors by name.

    Beside the names of `observe`: `lstm_1/forward forward cell_state` and so on for the tensors of `Cell.kept`,
    `lstm_1/forward backward candidate_sum` for the gradients of `Recurrence.stored_gradients`, each (timesteps, batch,
    units), and `lstm_1/forward masks`, (gates, batch, units).
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def observe(self, name: str, tensor: Tensor) -> Tensor:
        self.tensors[name] = tensor
        return tensor

    def run(self, *arguments: Any, **options: Any) -> tuple[Tensor, tuple[BatchUnits, ...], Probe]:
        name = options["recurrence"].name
        _, _, _, masks, _ = arguments
        self.tensors[f"{name} masks"] = tf.stack(masks)

        def keep(phase: str, sequences: Mapping[str, Tensor]) -> None:
            self.tensors |= {f"{name} {phase} {tensor}": sequence for tensor, sequence in sequences.items()}

        return recurrence.run(*arguments, **options, keep=keep)


BARE = Instruments()
