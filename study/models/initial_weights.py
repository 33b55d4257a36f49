"""Other initial weights for a model that is there, as its own initializers draw them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from scipy.stats import ks_2samp

from study.models.keras_seeds import seed_draws
from study.models.moment import Moment

UNLIKELY = 1e-6
"""A kernel that an initializer draws like this with less than this probability was trained or loaded."""


def drawn_anew(model: keras.Model, start: Moment, *, seed: int) -> Mapping[Any, np.ndarray] | None:
    """Initial weights and states of random generators by another seed.

    Args:
        model: Built.
        start: What its training started from.
        seed: Of the draw.

    Returns:
        Keras's variable -> its value, by the variable's `id`; None where the model cannot be made a second time from
        its configuration, or did not start from weights that its initializers draw: trained or loaded ones are kept.
    """
    seed_draws(seed)
    try:
        copy = keras.models.clone_model(model)
    except Exception:  # of the user's own layers, which may have no configuration
        return None
    own, other = list(model.variables), list(copy.variables)
    if [one.shape for one in own] != [one.shape for one in other]:
        return None
    drawn = {id(variable): np.asarray(one.value) for variable, one in zip(own, other, strict=True)}
    for weight in model.trainable_weights:
        began = start.value_of(weight)
        if began is None or not _alike(np.ravel(began), np.ravel(drawn[id(weight)])):
            return None
    return drawn


def _alike(began: np.ndarray, drawn: np.ndarray) -> bool:
    """Whether two samples may be of one distribution, by the test of Kolmogorov and Smirnov."""
    return np.array_equal(began, drawn) or bool(ks_2samp(began, drawn).pvalue > UNLIKELY)
