"""Leaves a model of the user's as it was found, whatever is done to it in between."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from tensorflow.python.eager import context

from study.models.moment import Variable, now
from study.models.settings import CLIPPING, inner_optimizer
from study.models.state import trained_state

OF_MODEL = ("train_function", "history", "stop_training", "_jit_compile")
OF_OPTIMIZER = (*CLIPPING, "epsilon")
OF_LAYER = ("activation", "dtype_policy")


@contextmanager
def as_found(model: keras.Model, *, variables: Sequence[Variable] = ()) -> Iterator[None]:
    """Put a model back: variables, the optimizer's and random generators among them, settings, and what `fit` leaves.

    The random states of Python, NumPy and TensorFlow's eager operations are put back too.

    Args:
        model: Compiled, and built.
        variables: Others that the training changes.
    """
    own = {id(variable): variable for variable in (*trained_state(model), *variables)}
    values = now(list(own.values()), update=0)
    kept = [
        (owner, name, getattr(owner, name)) for owner, names in _owners(model) for name in names if hasattr(owner, name)
    ]
    of_tensorflow = getattr(context.context(), "_rng", None)  # there once a seed was set
    before = random.getstate(), np.random.get_state(), of_tensorflow and of_tensorflow.getstate()
    try:
        yield
    finally:
        values.restore()
        for owner, name, value in reversed(kept):  # a cell before the layer that shows its activation
            if getattr(owner, name) is not value:
                setattr(owner, name, value)
        random.setstate(before[0])
        np.random.set_state(before[1])
        if of_tensorflow is not None:
            of_tensorflow.setstate(before[2])


def _owners(model: keras.Model) -> Iterator[tuple[Any, tuple[str, ...]]]:
    yield model, OF_MODEL
    yield inner_optimizer(model), OF_OPTIMIZER
    for layer in model._flatten_layers():
        yield layer, OF_LAYER
        cell = getattr(layer, "cell", None)
        for one in getattr(cell, "cells", None) or [cell]:
            if one is not None:
                yield one, OF_LAYER
