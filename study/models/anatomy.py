"""The anatomy of a trial of a user's model."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout

from study.models.file import ModelFile
from study.models.prepare import prepare
from study.models.snapshots import anatomy_of_updates
from study.models.training import train
from study.models.trial import result_of
from study.trial.anatomy import TrialAnatomy
from study.trial.divergence import NONFINITE, Divergence
from study.trial.model_design import ModelConfig


def anatomy_of(
    config: ModelConfig,
    *,
    file: ModelFile,
    divergence: Divergence = NONFINITE,
    on_update: Callable[[int, float], None] | None = None,
) -> TrialAnatomy:
    """Train a trial of a model file and take it apart around its onset.

    Args:
        config: The trial.
        file: The model file.
        divergence: The event that ends it before its budget.
        on_update: Is told the number and the loss of every update.

    Raises:
        ModelError: The file, or what its functions return, cannot be trained.
    """
    start = time.perf_counter()
    with redirect_stdout(sys.stderr):  # what the user's code prints is none of the answer
        prepared = prepare(file, config)
        if prepared.model.steps_per_execution > 1:
            # Else nothing is kept of the update before.
            prepared.model.steps_per_execution = 1
            prepared.model.make_train_function(force=True)
        trained = train(prepared, divergence=divergence, grows=True, on_update=on_update)
        result = result_of(trained, config, divergence=divergence, seconds=time.perf_counter() - start)
        seen = anatomy_of_updates(prepared.model, trained.around, onset=trained.onset)
    return TrialAnatomy(result=result, **seen)
