"""What a compiled program is told of a trial: all that its structure does not say, as tensors."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from study.engine.compiled import model
from study.engine.compiled.model import Wiring
from study.engine.runtime import tf
from study.engine.tensors import Scalar, Tensor
from study.trial.config import TrialConfig
from study.trial.divergence import NONFINITE, Divergence


class Settings(NamedTuple):
    """Run-time inputs of a program: scalars, and the weights that the trial begins with, one vector."""

    seed: Scalar
    learning_rate: Scalar
    recurrent_dropout: Scalar
    dropout: Scalar
    clipnorm: Scalar
    max_norm: Scalar
    label_balance: Scalar
    labels_shuffled: Scalar
    input_mean: Scalar
    lowest_loss: Scalar
    highest_loss: Scalar
    initial_weights: Tensor
    wiring: Wiring

    @classmethod
    def of(cls, config: TrialConfig, *, divergence: Divergence = NONFINITE) -> Settings:
        """Of a trial that is to end at an event; the losses between the two bounds are not it."""
        lowest, highest = divergence.bounds
        values = cls(
            seed=np.int64(config.seed),
            learning_rate=np.float32(config.learning_rate),
            recurrent_dropout=np.float32(config.recurrent_dropout),
            dropout=np.float32(config.dropout),
            clipnorm=np.float32(math.inf if config.clipnorm is None else config.clipnorm),
            max_norm=np.float32(math.inf if config.max_norm is None else config.max_norm),
            label_balance=np.float64(config.label_balance),
            labels_shuffled=np.bool_(config.label_sampling == "shuffled"),
            input_mean=np.float32(config.input_mean),
            lowest_loss=-_float32_within(-lowest),
            highest_loss=_float32_within(highest),
            initial_weights=initial_weights(config),
            wiring=Wiring.of(config),
        )
        constants: Settings = tf.nest.map_structure(tf.constant, values)
        return constants


def _float32_within(highest: float) -> np.float32:
    """The largest float32 that is not above a number: as a bound of float32 losses the same."""
    nearest = np.float32(highest)
    return nearest if float(nearest) <= highest else np.nextafter(nearest, np.float32(-math.inf))


@lru_cache(maxsize=4)  # asked for at the start, by the settings, and once more where an onset is looked for
def initial_weights(config: TrialConfig) -> np.ndarray:
    """All weights of a trial in one vector, in the order of `Structure.weights`."""
    return np.concatenate([value.ravel() for value in model.initial_weights(config).values()])
