"""Trains a model file once as it is, and measures what went wrong.

Runs in a worker, since it runs the user's code.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

from study.diagnosis.case import Case
from study.models.file import ModelFile
from study.trial.divergence import NONFINITE, Divergence
from study.trial.model_design import ModelConfig


def examine(
    file: ModelFile,
    config: ModelConfig,
    *,
    divergence: Divergence = NONFINITE,
    on_update: Callable[[int, float], None] = lambda update, loss: None,
) -> Case:
    """Train once as the file has it, and measure.

    Args:
        file: The model file.
        config: The trial.
        divergence: The event that ends the training before its budget.
        on_update: Is told the number and the loss of every update.

    Raises:
        ModelError: The file, or what its functions return, cannot be trained.
    """
    import_module("study.engine.runtime")  # before anything else gets hold of TensorFlow
    from study.diagnosis.measure import case_of
    from study.models.prepare import prepare
    from study.models.training import train

    began = time.perf_counter()
    ends: list[float] = []

    def ended(update: int, loss: float) -> None:
        ends.append(time.perf_counter())
        on_update(update, loss)

    prepared = prepare(file, config)
    trained = train(prepared, divergence=divergence, on_update=ended)
    return case_of(
        prepared.model,
        prepared.data,
        onset=trained.onset,
        event=trained.event,
        walked=trained.walk,
        loss=trained.loss,
        diverged=trained.diverged,
        budget=config.updates,
        # Several updates may be told of at once, as with steps_per_execution.
        seconds=(ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else ends[0] - began,
        seconds_before=ends[0] - began,
    )
