"""An update looked at: its tensors are those that Keras computes, and the model is left as it was."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from study.models.moment import Moment, now
from study.models.state import trained_state
from study.models.walk.look import Look, look
from tests.models.small import compiled, fresh, sequences


def moment_of(model: keras.Model, *batch: np.ndarray) -> Moment:
    """The model as it is, about to be trained on a batch."""
    tensors = tuple(map(tf.constant, batch))
    return now(trained_state(model, batch=tensors), update=1, batch=tensors)


def looked_at(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Look:
    return look(model, moment_of(model, x, y))


@pytest.fixture
def model() -> keras.Model:
    fresh()
    inner = keras.Sequential([keras.Input((6, 3)), layers.LSTM(4, return_sequences=True)], name="inner")
    inputs = keras.Input((6, 3))
    x = layers.Bidirectional(layers.GRU(2))(inner(inputs))
    return compiled(keras.Model(inputs, layers.Dense(1)(x)))


def test_outputs_states_and_gradients_are_those_that_keras_computes(model: keras.Model) -> None:
    draw = np.random.default_rng(0)
    x, y = sequences(draw, 5, 6), draw.standard_normal((5, 1)).astype("float32")
    seen = looked_at(model, x, y)
    inner, both, dense = model.layers[1:]
    with tf.GradientTape() as tape:
        hidden = inner(x)
        joined = both(hidden)
        loss = tf.reduce_mean(tf.square(dense(joined) - y))
    of_hidden, of_kernel = tape.gradient(loss, [hidden, dense.kernel.value])
    by_path = {one.path: one for one in seen.layers}
    assert list(by_path) == [
        *("inner", "inner/lstm", "bidirectional", "bidirectional/forward_gru", "bidirectional/backward_gru", "dense")
    ]
    assert [one.depth for one in seen.layers] == [0, 1, 0, 1, 1, 0]
    assert seen.loss == pytest.approx(float(loss), rel=1e-5)
    np.testing.assert_allclose(by_path["inner/lstm"].outputs["output"], hidden, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(by_path["bidirectional"].inputs["input"], hidden, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(by_path["inner"].gradients["output"], of_hidden, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(seen.gradients[dense.kernel.path], of_kernel, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(seen.weights[dense.kernel.path], dense.kernel)


def test_states_are_told_by_timestep_of_the_data_whichever_way_the_layer_reads(model: keras.Model) -> None:
    draw = np.random.default_rng(1)
    x, y = sequences(draw, 5, 6), np.zeros((5, 1), np.float32)
    seen = {one.path: one for one in looked_at(model, x, y).recurrences}
    hidden = model.layers[1](x).numpy()
    np.testing.assert_allclose(seen["inner/lstm"].states["hidden_state"], hidden.swapaxes(0, 1), rtol=1e-5, atol=1e-7)
    backward = seen["bidirectional/backward_gru"]
    assert backward.backwards
    # What has read all of the sequence is the state at its first timestep.
    last = model.layers[2].backward_layer(hidden).numpy()
    np.testing.assert_allclose(backward.states["hidden_state"][0], last, rtol=1e-5, atol=1e-7)
    cell = seen["inner/lstm"]
    update = cell.inside["forget_gate"][1:] * cell.states["cell_state"][:-1]
    update += cell.inside["input_gate"][1:] * cell.inside["candidate"][1:]
    np.testing.assert_allclose(cell.states["cell_state"][1:], update, rtol=1e-5, atol=1e-7)


def test_a_model_that_was_looked_at_trains_on_as_if_it_had_not_been() -> None:
    draw = fresh()
    x, y = sequences(draw, 8, 6), np.ones((8, 1), np.float32)

    def losses(*, looks: bool) -> list[float]:
        fresh()
        recurrent = [layers.LSTM(4, dropout=0.3, recurrent_dropout=0.2), layers.BatchNormalization(), layers.Dense(1)]
        model = compiled(keras.Sequential([keras.Input((6, 3)), *recurrent]), optimizer="adam")
        found = [float(model.train_on_batch(x, y))]
        if looks:
            looked_at(model, x, y)
        return [*found, *(float(model.train_on_batch(x, y)) for _ in range(3))]

    assert losses(looks=True) == losses(looks=False)


def test_a_layer_called_twice_is_told_twice() -> None:
    draw = fresh()
    inputs = keras.Input((6, 3))
    shared = layers.Dense(3, name="shared")
    model = compiled(keras.Model(inputs, layers.Dense(1)(shared(shared(inputs)))))
    seen = looked_at(model, sequences(draw, 4, 6), np.zeros((4, 6, 1), np.float32))
    assert [(one.path, one.layer) for one in seen.layers] == [
        *(("shared", "shared"), ("shared (2)", "shared"), ("dense", "dense"))
    ]
