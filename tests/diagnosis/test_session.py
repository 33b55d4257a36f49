"""`NaNWatch.diagnose` in a session where Keras trains already, on the model and the data that are there."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from study import NaNWatch
from study.diagnosis.result import Diagnosis
from study.diagnosis.session import Session
from study.trial.errors import UserError
from tests.models.small import fresh, sequences


class Root(layers.Layer):  # type: ignore[misc]
    """A layer of the user's own, whose derivative at 0 is infinite."""

    def call(self, inputs: Any) -> Any:
        return tf.sqrt(tf.nn.relu(inputs))


class Own(keras.Model):  # type: ignore[misc]
    """A model of the user's own, no graph of layers and without a configuration."""

    def __init__(self, *inner: layers.Layer) -> None:
        super().__init__()
        self.inner = inner

    def call(self, inputs: Any) -> Any:
        for one in self.inner:
            inputs = one(inputs)
        return inputs


def distance(y: Any, p: Any) -> Any:
    """A loss of the user's own."""
    return tf.reduce_mean(tf.square(y - p))


def watched(model: keras.Model, *data: Any, optimizer: Any = "sgd", loss: Any = "mse", **fit: Any) -> NaNWatch:
    """A watch that has seen a training."""
    model.compile(optimizer=optimizer, loss=loss)
    watch = NaNWatch(verbose=False)
    model.fit(*data, callbacks=[watch], **{"epochs": 20, "verbose": 0, **fit})
    return watch


def dense(*more: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, activation="relu"), *more, layers.Dense(1)])


def rows(draw: np.random.Generator, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    return scale * draw.random((48, 6)).astype("float32"), draw.random((48, 1)).astype("float32")


def everything(model: keras.Model) -> list[Any]:
    """All that a diagnosis could leave changed."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    optimizer = model.optimizer
    states = [random.getstate(), np.random.get_state()[1].tolist()]
    settings = [optimizer.clipnorm, getattr(optimizer, "epsilon", None), model.train_function, model.history]
    of_layers = [(one.dtype_policy, getattr(one, "activation", None)) for one in model._flatten_layers()]
    return [*(np.asarray(one.value).tobytes() for one in variables), *states, *settings, *of_layers]


def diagnosed(watch: NaNWatch, **limits: Any) -> Diagnosis:
    """The answer, after which the model is as it was."""
    before = everything(watch.model)
    found = watch.diagnose(**{"trials": 3, **limits})
    assert everything(watch.model) == before
    return found


def test_inputs_that_are_too_large_are_told_and_hold_when_they_are_standardised() -> None:
    draw = fresh()
    linear = keras.Sequential([keras.Input((6,)), layers.Dense(8), layers.Dropout(0.1), layers.Dense(1)])
    found = diagnosed(watched(linear, *rows(draw, scale=1e6)))
    assert found.cause is not None
    assert (found.cause.id, found.remedies[0].id) == ("unscaled_data", "standardised")
    assert found.remedies[0].holds
    assert found.table["survived"].iloc[0] == 3
    # Other seeds are other trainings: other weights, other order.
    assert len({run.loss[0] for run in found.remedies[0].runs}) == 3


def test_an_unbounded_recurrence_is_told_of_a_model_that_keras_could_not_build_again() -> None:
    draw = fresh()
    x = sequences(draw, samples=48, timesteps=60)
    model = Own(layers.SimpleRNN(16, activation="relu"), layers.Dense(1))
    found = diagnosed(watched(model, x, x.mean((1, 2)), optimizer=keras.optimizers.Adam(1.0), loss=distance))
    assert found.cause is not None
    assert (found.cause.id, found.remedies[0].id) == ("unbounded_recurrence", "activation")
    assert found.remedies[0].holds


def test_a_learning_rate_that_is_too_high_is_told_of_a_dataset_and_lowered() -> None:
    draw = fresh()
    data = tf.data.Dataset.from_tensor_slices(rows(draw)).shuffle(48, seed=1).batch(8)
    found = diagnosed(watched(dense(), data, optimizer=keras.optimizers.SGD(50.0)), trials=12)
    assert found.cause is not None
    assert found.cause.id == "learning_rate_too_high"
    (rate,) = [one for one in found.remedies if one.id == "learning_rate"]
    assert rate.holds
    assert float(rate.change.partition("=")[2]) < 50


def test_a_line_of_the_users_own_code_is_named() -> None:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8), Root(), layers.Dense(1)])
    found = diagnosed(watched(model, *rows(fresh()), loss=distance))
    assert found.cause is not None
    assert found.cause.id == "singular_gradient"
    assert Path(__file__).name in found.remedies[0].change
    assert "What to write" in found.answer


def test_a_training_that_ends_well_has_no_cause(capsys: pytest.CaptureFixture[str]) -> None:
    watch = watched(dense(), *rows(fresh()), epochs=2)
    watch.verbose = True
    found = diagnosed(watch)
    assert found.cause is None
    assert capsys.readouterr().out == f"{found.answer}\n"
    assert "Nothing stopped being finite in 4 updates" in found.answer


def test_without_data_that_can_be_read_again_the_cause_is_told_and_no_remedy_is_run() -> None:
    x, y = rows(fresh(), scale=1e6)
    batches = ((x[:8], y[:8]) for _ in range(30))
    found = diagnosed(watched(dense(), batches, optimizer=keras.optimizers.SGD(1.0), epochs=1))
    assert found.cause is not None
    assert not any(one.runs for one in found.remedies)
    assert "a generator" in str(found.remedies[0].why)


def test_what_only_a_callback_did_is_not_taken_for_held_by_a_remedy() -> None:
    higher = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-3 if epoch < 2 else 1e6)
    x, y = rows(fresh())
    model = dense()
    model.compile("sgd", "mse")
    watch = NaNWatch(verbose=False)
    model.fit(x, y, epochs=20, verbose=0, callbacks=[higher, watch])
    model.optimizer.learning_rate = 1e-3
    found = diagnosed(watch)
    assert found.cause is not None
    assert "without the callbacks of fit" in found.cause.evidence[-1]


def test_an_interrupted_diagnosis_leaves_the_model_and_goes_on_when_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch = watched(dense(), *rows(fresh(), scale=1e6))
    before = everything(watch.model)
    run, started = Session._run, []

    def interrupted(self: Session, *arguments: Any) -> Any:
        started.append(arguments)
        if len(started) == 3:
            raise KeyboardInterrupt
        return run(self, *arguments)

    monkeypatch.setattr(Session, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        watch.diagnose(trials=3)
    assert everything(watch.model) == before
    found = watch.diagnose(trials=3)
    # The unchanged model, a seed, the one that was interrupted, and the two that were left.
    assert len(started) == 5
    assert found.remedies[0].holds


def test_nothing_is_diagnosed_before_a_training_or_after_the_model_was_compiled_anew(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no update was watched yet"):
        NaNWatch().diagnose()
    watch = watched(dense(), *rows(fresh()), epochs=1)
    with pytest.raises(UserError, match="cannot be written"):
        watch.diagnose(out=tmp_path / "no" / "page.html")
    assert watch.diagnose(out=tmp_path / "page.html").cause is None
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    watch.model.compile("sgd", "mse")
    with pytest.raises(UserError, match="compiled anew"):
        watch.diagnose()
