"""Keras's training step computes the same numbers when it is watched, and says what an update started from."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from study import NaNWatch
from study.models.step import WatchedStep
from tests.models.small import compiled, fresh, recurrent, sequences


class Losses(keras.callbacks.Callback):  # type: ignore[misc]
    """The loss that Keras logs after every batch."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(logs["loss"])


def trained(watch: list[Any], *, policy: str = "float32", **options: Any) -> tuple[list[float], list[np.ndarray]]:
    draw = fresh(policy=policy)
    model = recurrent(**options)
    x = sequences(draw, samples=75)
    losses = Losses()
    model.fit(x, x[:, 0, :1], epochs=2, verbose=0, callbacks=[losses, *watch])
    return losses.seen, [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]


@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": True, "steps_per_execution": 2},
        {"jit_compile": False},
        {"jit_compile": False, "policy": "mixed_float16"},
    ],
    ids=str,
)
@pytest.mark.usefixtures("xla")
def test_a_healthy_training_is_the_same_to_the_last_bit(options: dict[str, Any]) -> None:
    bare, watched = trained([], **options), trained([NaNWatch()], **options)
    assert bare[0] == watched[0]
    for one, other in zip(bare[1], watched[1], strict=True):
        np.testing.assert_array_equal(one, other)


def batches(x: np.ndarray, size: int = 16) -> Any:
    return iter(tf.data.Dataset.from_tensor_slices((x, x[:, 0, :1])).batch(size))


def test_each_loss_is_that_of_an_epoch_of_one_update() -> None:
    x = sequences(fresh())
    step, data = WatchedStep(recurrent(), each_loss=True), batches(x)
    for _ in range(5):
        step(data)
    x = sequences(fresh())
    stream = tf.data.Dataset.from_tensor_slices((x, x[:, 0, :1])).batch(16)
    history = recurrent().fit(stream, epochs=5, steps_per_epoch=1, verbose=0)
    assert step.losses == history.history["loss"]


def test_a_moment_is_what_its_update_started_from() -> None:
    x = sequences(fresh())
    model = recurrent()
    step, data = WatchedStep(model), batches(x)
    step(data)
    after_one = [variable.numpy() for variable in model.variables]
    step(data)
    after_two = [variable.numpy() for variable in model.variables]
    moment = step.moment
    assert moment is not None
    assert moment.update == 2
    np.testing.assert_array_equal(moment.batch[0], x[16:32])
    moment.restore()
    for variable, before in zip(model.variables, after_one, strict=True):
        np.testing.assert_array_equal(variable, before)
    # The same batch from the same state, masks of dropout included, is the same update.
    model.train_step(moment.batch)
    for variable, after in zip(model.variables, after_two, strict=True):
        np.testing.assert_allclose(variable, after, rtol=1e-5, atol=1e-6)


def growing(steps_per_execution: int = 1) -> keras.Model:
    """Its only weight is multiplied by -1e19 an update: 1, 1e19, 1e38 and beyond float32."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    return compiled(
        model,
        loss=lambda y, prediction: prediction**2 / 2,
        optimizer=keras.optimizers.SGD(1e19),
        steps_per_execution=steps_per_execution,
    )


@pytest.mark.parametrize("steps_per_execution", [1, 8])
def test_no_update_is_done_after_one_that_is_not_finite(steps_per_execution: int) -> None:
    fresh()
    model = growing(steps_per_execution)
    step = WatchedStep(model, each_loss=True)
    data = iter(tf.data.Dataset.from_tensors((np.ones((1, 1), "float32"),) * 2).repeat(20))
    while step.event is None:
        step(data)
    # The loss is w^2 / 2, and w is 1 and then -1e19: 0.5, 5e37; then 1e38, whose square is beyond float32.
    assert step.updates == 3
    assert step.losses[0] == 0.5
    assert step.losses[1] == pytest.approx(5e37)
    assert math.isinf(step.losses[2])
    assert step.event.loss
    assert step.event.moment.update == 3
    assert int(model.optimizer.iterations.numpy()) == 3


def test_a_weight_that_is_not_finite_is_an_event_while_the_loss_is_finite() -> None:
    fresh()
    words = keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(9, 2), layers.Flatten()])
    model = compiled(words, optimizer=keras.optimizers.Adam(epsilon=0.0))
    step = WatchedStep(model, each_loss=True)
    step(iter(tf.data.Dataset.from_tensors((np.array([[0, 1]]), np.ones((1, 4))))))
    # Words that the batch has not have a gradient and running means of 0.
    assert step.event is not None
    assert step.event.weight
    assert not step.event.loss
    assert np.isfinite(step.losses).all()


def test_gradients_that_loss_scaling_skips_are_no_event() -> None:
    draw = fresh(policy="mixed_float16")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dense(1, dtype="float32")])
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3), initial_scale=2.0**30)
    model.compile(optimizer, "mse")
    x = draw.standard_normal((320, 4)).astype("float32")
    watch = NaNWatch(verbose=False)
    model.fit(x, x[:, :1] * 100, verbose=0, callbacks=[watch])
    # Float16 ends at 65504: the first steps were skipped, and the scale was halved for each.
    assert float(optimizer.dynamic_scale.numpy()) < 2.0**30
    assert watch.onset is None


def test_a_metric_that_is_not_finite_is_no_event_though_it_is_called_a_loss() -> None:
    def focal_loss(y: Any, prediction: Any) -> Any:
        return ops.log(-ops.abs(prediction) - 1)

    x = sequences(fresh())
    step = WatchedStep(recurrent(metrics=[focal_loss], jit_compile=False), each_loss=True)
    logs = step(batches(x))
    assert math.isnan(logs["focal_loss"])
    assert step.event is None
    assert step.losses == [float(logs["loss"])]


class OwnStep(keras.Model):  # type: ignore[misc]
    """A training step with an optimizer and a variable that the model does not know of."""

    hidden_optimizer: Any = None

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.hidden_optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"own_loss": loss}


def test_the_state_of_an_own_training_step_is_kept() -> None:
    x = sequences(fresh())
    inputs = keras.Input((8, 3))
    model = compiled(OwnStep(inputs, layers.Dense(1)(layers.Flatten()(inputs))))
    # Beside Keras's tracking of attributes.
    optimizer = keras.optimizers.Adam()
    type(model).hidden_optimizer = optimizer
    step = WatchedStep(model, each_loss=True)
    data = batches(x)
    step(data)
    step(data)
    kept = {id(variable) for variable in step.variables}
    assert {id(variable._value) for variable in optimizer.variables} <= kept
    expected = np.mean((model(x[16:32]).numpy() - x[16:32, 0, :1]) ** 2)
    assert step.losses[1] == pytest.approx(expected, rel=0.2)


def test_a_step_run_eagerly_is_watched_too() -> None:
    x = sequences(fresh())
    model = recurrent(run_eagerly=True)
    step = WatchedStep(model)
    step(batches(x))
    assert step.updates == 1
    assert step.moment is not None
    assert len(step.moment.values) == len(step.variables) > len(model.variables)
