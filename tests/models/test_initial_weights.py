"""Other initial weights for a model that is there."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from study.models.initial_weights import drawn_anew
from study.models.moment import Moment, now
from tests.models.small import fresh


def net() -> keras.Model:
    return keras.Sequential(
        [keras.Input((8, 3)), layers.LSTM(16), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(4)]
    )


def start_of(model: keras.Model) -> Moment:
    return now([variable._value for variable in model.variables], update=1)


def test_a_seed_draws_other_weights_of_the_same_deviation_and_the_same_again() -> None:
    fresh()
    model = net()
    before = [np.asarray(one.value) for one in model.variables]
    drawn, again, other = (drawn_anew(model, start_of(model), seed=seed) for seed in (1, 1, 2))
    assert drawn is not None
    assert again is not None
    assert other is not None
    kernel = model.trainable_weights[0]
    assert not np.array_equal(drawn[id(kernel)], np.asarray(kernel.value))
    assert not np.array_equal(drawn[id(kernel)], other[id(kernel)])
    # Glorot's, of 3 inputs and 64 sums, uniform: deviation sqrt(2 / 67), by 192 draws.
    assert abs(drawn[id(kernel)].std() / (2 / 67) ** 0.5 - 1) < 0.2
    assert all(np.array_equal(drawn[name], again[name]) for name in drawn)
    assert all(np.array_equal(one, np.asarray(now.value)) for one, now in zip(before, model.variables, strict=True))


def test_weights_that_were_trained_or_loaded_are_not_drawn_anew() -> None:
    fresh()
    model = net()
    kernel = model.layers[-1].kernel
    kernel.assign(np.asarray(kernel.value) + 3)
    assert drawn_anew(model, start_of(model), seed=1) is None


def test_a_model_that_keras_cannot_make_again_keeps_its_weights() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    draw = fresh()
    model = Own(layers.Dense(4))
    model(draw.standard_normal((2, 3)))
    assert drawn_anew(model, start_of(model), seed=1) is None
