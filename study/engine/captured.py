"""An update by the compiler once more, with what it has computed on the way handed out.

Some trials are so sensitive that a replay in NumPy, which rounds otherwise, is another trial after a few hundred
timesteps. What they went through has to come from the compiler: the loops over time are those of the training program,
which returns less of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from study.config import TrialConfig
from study.engine import lstm, training
from study.engine.instruments import Instruments
from study.engine.programs import first_call
from study.engine.runtime import tf
from study.engine.structure import Structure

Tensor: TypeAlias = Any


class _Capture(Instruments):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def observe(self, name: str, tensor: Tensor) -> Tensor:
        self.tensors[name] = tensor
        return tensor

    def lstm(self, *arguments: Any, **options: Any) -> tuple[Tensor, tuple[Tensor, Tensor], lstm.Probe]:
        cell = options["cell"].name

        def keep(phase: str, sequences: Mapping[str, Tensor]) -> None:
            self.tensors |= {f"{cell} {phase} {name}": sequence for name, sequence in sequences.items()}

        return lstm.lstm(*arguments, **options, keep=keep)


def captured(config: TrialConfig, number: int, before: training.Training) -> dict[str, np.ndarray]:
    """All that is observed in an update, as the compiler computes it, by name.

    Beside the names of `Instruments.observe`: `lstm_1/forward forward cell` and so on for the tensors of `lstm.KEPT`,
    and `lstm_1/forward backward candidate` for the gradient of a gate's sum, each (timesteps, batch, units).

    Args:
        config: The trial.
        number: Of the update.
        before: What it starts from.
    """
    arguments = tf.constant(number, tf.int64), before, training.Settings.of(config)
    structure = Structure.of(config)
    if structure in _functions:
        tensors = _functions[structure](*arguments)
    else:
        _functions[structure], tensors = first_call(
            lambda: _traced(structure, arguments), arguments, program=("captured", structure)
        )
    return {name: tensor.numpy() for name, tensor in tensors.items()}


_functions: dict[Structure, Any] = {}


def _traced(structure: Structure, arguments: Sequence[Any]) -> Any:
    def update(number: Tensor, before: training.Training, settings: training.Settings) -> dict[str, Tensor]:
        capture = _Capture()
        training.update(number, before, settings, structure=structure, instruments=capture)
        return capture.tensors

    return tf.function(update, jit_compile=True, autograph=False).get_concrete_function(*arguments)
