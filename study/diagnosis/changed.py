"""One training with a remedy in place."""

from __future__ import annotations

import time
from collections.abc import Callable

from study.diagnosis.kept_step import KeptStep
from study.diagnosis.remedies.base import CannotChange, Remedy
from study.diagnosis.result import Run
from study.models.blame import ModelError
from study.models.prepared import Prepared
from study.models.training import train
from study.trial.divergence import NONFINITE, Divergence


class Ended(BaseException):
    """Ends a training that is not waited for any more. No user's code should catch it."""


def train_changed(
    prepare: Callable[[], Prepared],
    remedy: Remedy,
    *,
    divergence: Divergence = NONFINITE,
    on_update: Callable[[int, float], None] | None = None,
    kept: KeptStep | None = None,
) -> Run:
    """Train with a change; what keeps it from being made or trained is what came of it.

    Args:
        prepare: Gives the model and its data.
        remedy: The change.
        divergence: The event that ends the training before its budget.
        on_update: Is told the number and the loss of every update.
        kept: The step of the training before; given where every training has a model of its own.

    Raises:
        Ended: By `on_update`.
    """
    began = time.perf_counter()
    try:
        prepared = remedy.apply(prepare())
        step = None
        if kept is not None:
            prepared, step = kept.ready(prepared)
        else:
            prepared.model.make_train_function(force=True)  # one that was traced before would not know the change
        trained = train(prepared, divergence=divergence, locate=False, on_update=on_update, step=step)
    except (CannotChange, ModelError) as error:
        return Run(loss=(), diverged=True, refused=str(error))
    except Exception as error:  # of the user's own layers, which may take no such change
        return Run(loss=(), diverged=True, refused=f"it cannot be made: {type(error).__name__}: {error}"[:300])
    # A weight that is not finite has spoiled a training whose loss does not show it yet.
    spoiled = trained.diverged or trained.event is not None
    return Run(loss=trained.loss, diverged=spoiled, seconds=time.perf_counter() - began)
