"""A trial of a model file, from its axes to its result."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial

from study.engine import OnUpdate
from study.engine.runtime import device_name
from study.models.file import ModelFile
from study.models.prepare import prepare
from study.models.training import Trained, train
from study.trial.divergence import NONFINITE, Divergence
from study.trial.model_design import ENGINE, ModelConfig
from study.trial.outcome import far_above
from study.trial.result import TrialResult


def run(
    configs: Sequence[ModelConfig],
    *,
    file: ModelFile,
    divergence: Divergence = NONFINITE,
    on_update: OnUpdate | None = None,
) -> list[TrialResult[ModelConfig]]:
    """Train every configuration of a model file, one after another.

    Args:
        configs: The trials.
        file: The model file.
        divergence: The event that ends a trial before its budget.
        on_update: Is told of every update, see `study.engine.OnUpdate`.

    Raises:
        ModelError: The file, or what its functions return, cannot be trained.
    """
    tells = [on_update and partial(on_update, place) for place in range(len(configs))]
    return [
        run_trial(config, file=file, divergence=divergence, on_update=tell)
        for config, tell in zip(configs, tells, strict=True)
    ]


def run_trial(
    config: ModelConfig,
    *,
    file: ModelFile,
    divergence: Divergence = NONFINITE,
    on_update: Callable[[int, float], None] | None = None,
) -> TrialResult[ModelConfig]:
    """Train until the event that ends a trial, or to the budget."""
    start = time.perf_counter()
    with redirect_stdout(sys.stderr):  # what the user's code prints is none of the answer
        trained = train(prepare(file, config), divergence=divergence, grows=True, on_update=on_update)
    return result_of(trained, config, divergence=divergence, seconds=time.perf_counter() - start)


def result_of(
    trained: Trained, config: ModelConfig, *, divergence: Divergence, seconds: float
) -> TrialResult[ModelConfig]:
    """What came of a training, in the form that all trials have."""
    return TrialResult(
        config=config,
        loss=trained.loss,
        engine=ENGINE,
        device=device_name(),
        seconds=seconds,
        divergence=divergence,
        exploded_above=far_above(trained.loss[0]),
        onset=trained.onset,
        growth=trained.growth,
    )
