"""Small models and data for tests."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from study import NaNWatch
from study.models.onset import ModelOnset


def fresh(seed: int = 0, *, policy: str = "float32") -> np.random.Generator:
    """Forget earlier models and their names, and seed everything."""
    keras.backend.clear_session()
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(seed)
    return np.random.default_rng(seed)


def compiled(model: keras.Model, **options: Any) -> keras.Model:
    model.compile(**{"optimizer": keras.optimizers.SGD(1e-3), "loss": "mse", **options})
    return model


def constant(value: float) -> keras.initializers.Initializer:
    return keras.initializers.Constant(value)


def recurrent(**options: Any) -> keras.Model:
    """A recurrent layer with what keeps a state: dropout, recurrent dropout and normalisation."""
    model = keras.Sequential(
        [
            keras.Input((8, 3)),
            layers.LSTM(4, dropout=0.2, recurrent_dropout=0.1),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(1),
        ]
    )
    return compiled(model, **{"optimizer": "adam", "metrics": ["mae"], **options})


def sequences(draw: np.random.Generator, samples: int = 80, timesteps: int = 8, features: int = 3) -> np.ndarray:
    return draw.standard_normal((samples, timesteps, features)).astype("float32")


def onset_of(model: keras.Model, x: Any, y: Any, **options: Any) -> ModelOnset | None:
    """What a watch tells of a fit in the order of the data."""
    watch = NaNWatch(verbose=False)
    model.fit(x, y, verbose=0, callbacks=[watch], **{"shuffle": False, **options})
    return watch.onset
