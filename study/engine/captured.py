"""An update by the compiler once more, with what it has computed on the way handed out.

Some trials are so sensitive that a replay in NumPy, which rounds otherwise, is another trial after a few hundred
timesteps. What they went through has to come from the compiler. Of the way forward the training program keeps it;
this one, which takes seconds to compile, hands out the way back as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from study.config import TrialConfig
from study.engine import training
from study.engine.instruments import Capture
from study.engine.programs import first_call
from study.engine.runtime import tf
from study.engine.structure import Structure

Tensor: TypeAlias = Any


def captured(config: TrialConfig, number: int, before: training.Training) -> dict[str, np.ndarray]:
    """All that is observed in an update, as the compiler computes it, by the names of `instruments.Capture`.

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
        capture = Capture()
        training.update(number, before, settings, structure=structure, instruments=capture)
        return capture.tensors

    return tf.function(update, jit_compile=True, autograph=False).get_concrete_function(*arguments)
