"""A graph for every model, and no warning of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from study.engine.runtime import keras, tf
from study.models.sizes import UpdateSizes
from study.models.traced import traced

MODELS = 7
"""TensorFlow warns from the fifth one on."""


@contextmanager
def warnings_of_tensorflow() -> Iterator[list[str]]:
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener = Listener()
    tf.get_logger().addHandler(listener)
    try:
        yield said
    finally:
        tf.get_logger().removeHandler(listener)


class Doubling:
    def __init__(self, value: float) -> None:
        self.variable = tf.Variable(value)

    def double(self) -> object:
        return 2 * self.variable


def test_functions_of_one_code_are_traced_each_without_a_warning() -> None:
    with warnings_of_tensorflow() as said:
        values = [float(traced(Doubling(number).double)()) for number in range(MODELS)]
    assert values == [2.0 * number for number in range(MODELS)]
    assert said == []


def test_without_it_tensorflow_warns() -> None:
    with warnings_of_tensorflow() as said:
        for number in range(MODELS):
            tf.function(Doubling(number).double)()
    assert "retracing" in said[0]


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_sizes_of_one_model_after_another_are_taken_without_a_warning(run_eagerly: bool) -> None:
    batch = (tf.ones((2, 3)), tf.ones((2, 1)))
    with warnings_of_tensorflow() as said:
        for number in range(MODELS):
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
            model.compile(optimizer=keras.optimizers.SGD(), loss="mse", run_eagerly=run_eagerly)
            model.set_weights([np.full((3, 1), float(number)), np.zeros(1)])
            sizes = UpdateSizes(model).of(batch)
            # The largest magnitude of what the layer gives: 3 inputs of 1 by kernels of this number.
            assert list(sizes.outputs.values()) == [3.0 * number]
    assert said == []
