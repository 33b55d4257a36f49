"""Where an update can be looked at: the compiled program keeps the LSTMs' sequences, a replay looks at everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from study.engine.cells import lstm
from study.engine.runtime import tf
from study.engine.tensors import Tensor


class Instruments:
    """Passes everything through. A subclass can record what it is shown, or change it.

    `observe` is shown every tensor between the layers, the loss, and what an update makes of gradients and weights;
    `lstm` runs an LSTM and can be replaced by one that shows every timestep.
    """

    def observe(self, name: str, tensor: Tensor) -> Tensor:
        """Take a tensor by its name, and return what to go on with."""
        return tensor

    def lstm(self, *arguments: Any, **options: Any) -> tuple[Tensor, tuple[Tensor, Tensor], lstm.Probe]:
        """As `study.engine.cells.lstm.lstm`."""
        return lstm.lstm(*arguments, **options)


class Capture(Instruments):
    """Keeps tensors by name.

    Beside the names of `observe`: `lstm_1/forward forward cell` and so on for the tensors of `lstm.KEPT`,
    `lstm_1/forward backward candidate` for the gradient of a gate's sum, each (timesteps, batch, units), and
    `lstm_1/forward masks`, (4, batch, units).
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def observe(self, name: str, tensor: Tensor) -> Tensor:
        self.tensors[name] = tensor
        return tensor

    def lstm(self, *arguments: Any, **options: Any) -> tuple[Tensor, tuple[Tensor, Tensor], lstm.Probe]:
        cell = options["cell"].name
        _, _, masks, _ = arguments
        self.tensors[f"{cell} masks"] = tf.stack(masks)

        def keep(phase: str, sequences: Mapping[str, Tensor]) -> None:
            self.tensors |= {f"{cell} {phase} {name}": sequence for name, sequence in sequences.items()}

        return lstm.lstm(*arguments, **options, keep=keep)


BARE = Instruments()
