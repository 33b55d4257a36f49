"""An update by the compiler once more, with what it has computed on the way handed out.

Some trials are so sensitive that a replay in NumPy, which rounds otherwise, is another trial after a few hundred
timesteps. What they went through has to come from the compiler. Of the way forward the training program keeps it;
this one, which takes seconds to compile, hands out the way back as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from study.engine.compiled.observers import Capture
from study.engine.compiled.programs import first_call
from study.engine.compiled.settings import Settings
from study.engine.compiled.state import TrainState
from study.engine.compiled.update import update
from study.engine.runtime import tf
from study.engine.structure import Structure
from study.engine.tensors import Tensor
from study.trial.config import TrialConfig


def captured(config: TrialConfig, number: int, before: TrainState) -> dict[str, np.ndarray]:
    """All that is observed in an update, as the compiler computes it, by the names of `observers.Capture`.

    Args:
        config: The trial.
        number: Of the update.
        before: What it starts from.
    """
    arguments = tf.constant(number, tf.int64), before, Settings.of(config)
    tensors = _program_of(Structure.of(config))(*arguments)
    return {name: tensor.numpy() for name, tensor in tensors.items()}


class _Program:
    """The compiled update of a structure, as `training.Program` is its training loop."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> dict[str, Tensor]:
        if self._compiled is not None:
            tensors: dict[str, Tensor] = self._compiled(*arguments)
            return tensors
        which = "captured", self._structure
        self._compiled, tensors = first_call(lambda: self._traced(arguments), arguments, program=which)
        return tensors

    def _traced(self, arguments: Sequence[Any]) -> Any:
        return tf.function(self._update, jit_compile=True, autograph=False).get_concrete_function(*arguments)

    def _update(self, number: Tensor, before: TrainState, settings: Settings) -> dict[str, Tensor]:
        capture = Capture()
        update(number, before, settings, structure=self._structure, instruments=capture)
        return capture.tensors


@lru_cache(maxsize=16)
def _program_of(structure: Structure) -> _Program:
    return _Program(structure)
