"""The growth of a user's model: figures of a few updates, that change none of its numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from study.models.data import Arrays
from study.models.file import ModelFile
from study.models.growth import _plain, growth_rate
from study.models.prepare import prepare
from study.models.prepared import Prepared
from study.models.signature import design_of
from study.models.training import Trained, train
from study.models.trial import run_trial
from study.trial.growth import Growth, kept_updates
from study.trial.result import TrialResult
from tests.models.files import BUILD, DATA, file_of


def prepared(file: ModelFile, **values: object) -> Prepared:
    return prepare(file, design_of(file).config(values))


def trained(file: ModelFile, *, grows: bool = True, **values: object) -> Trained:
    return train(prepared(file, **values), grows=grows, locate=False)


def test_figures_are_those_that_keras_computes_from_the_initial_weights(tmp_path: Path) -> None:
    """A step of plain gradient descent is the learning rate times the gradient."""
    file = file_of(tmp_path, BUILD, DATA)
    ready = prepared(file, updates=2, learning_rate=0.1)
    assert isinstance(ready.data, Arrays)
    x, y = (part[ready.data.rows_of(1)].astype("float32") for part in ready.data.parts)
    lstm, dense = ready.model.layers
    with tf.GradientTape() as tape:
        hidden = lstm(x)
        outputs = dense(hidden)
        loss = tf.reduce_mean(tf.square(outputs - y))
    norm = math.sqrt(sum(float(tf.reduce_sum(one**2)) for one in tape.gradient(loss, ready.model.trainable_variables)))
    growth = train(ready, grows=True).growth
    assert growth is not None
    assert growth.updates == (1, 2)
    first = {name: values[0] for name, values in growth.figures.items()}
    assert first["gradient_norm"] == pytest.approx(norm, rel=1e-4)
    assert first["weight_distance"] == pytest.approx(0.1 * norm, rel=1e-4)
    assert first["max_hidden"] == first["max_output/lstm"] == pytest.approx(np.abs(hidden).max(), rel=1e-4)
    assert first["max_output/dense"] == pytest.approx(np.abs(outputs).max(), rel=1e-4)
    assert first["max_cell"] is not None


GROWS = """
def build():
    grow = layers.SimpleRNN(
        1, activation="relu", kernel_initializer="zeros", recurrent_initializer=keras.initializers.Constant(3.0),
        bias_initializer="zeros", unroll={unroll}, return_sequences={sequences}, go_backwards={backwards},
    )
    hidden = grow(layers.Masking()(inputs := keras.Input((5, 1))), initial_state=keras.ops.ones((4, 1)))
    outputs = layers.Dense(1)(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    return model


def data():
    return np.ones((4, 5, 1)), np.zeros({y})
"""


@pytest.mark.parametrize(
    ("unroll", "sequences", "backwards"), [(False, False, False), (False, True, True), (True, False, False)]
)
def test_a_state_that_triples_every_timestep_grows_by_the_logarithm_of_3(
    tmp_path: Path, unroll: bool, sequences: bool, backwards: bool
) -> None:
    shape = (4, 5, 1) if sequences else (4, 1)
    file = file_of(tmp_path, GROWS.format(unroll=unroll, sequences=sequences, backwards=backwards, y=shape))
    growth = trained(file, updates=1, batch_size=4).growth
    assert growth is not None
    assert growth.figures["max_hidden"] == (243.0,)
    assert growth.figures["hidden_growth"][0] == pytest.approx(math.log(3), rel=1e-5)
    assert growth.figures["max_output/simple_rnn"] == (243.0,)


MUCH = """
def build():
    inputs = keras.Input((5, 3))
    hidden = layers.LSTM(3, dropout=0.3, recurrent_dropout=0.2, return_sequences=True)(inputs)
    hidden = layers.BatchNormalization()(layers.Bidirectional(layers.GRU(2))(hidden))
    model = keras.Model(inputs, layers.Dense(1)(layers.Dropout(0.2)(hidden)))
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    return model
"""


def test_losses_are_the_same_to_the_last_bit_with_and_without_it(tmp_path: Path) -> None:
    file = file_of(tmp_path, MUCH, DATA)
    ready = [prepared(file, updates=20, batch_size=16) for _ in range(2)]
    plain, grown = train(ready[0], locate=False), train(ready[1], grows=True, locate=False)
    assert plain.loss == grown.loss
    for one, other in zip(ready[0].model.variables, ready[1].model.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    assert grown.growth is not None
    # To repeat more of a survivor's 20 updates would cost more than it tells.
    assert (len(grown.growth.updates), grown.growth.updates[0], grown.growth.updates[-1]) == (5, 1, 20)
    assert set(grown.growth.updates) <= set(kept_updates(20))
    assert set(grown.growth.figures) >= {
        *("max_hidden", "max_cell", "hidden_growth", "cell_growth", "gradient_norm", "weight_norm", "weight_distance"),
        *("max_output/lstm", "max_output/bidirectional", "max_output/bidirectional/forward_gru", "max_output/dense"),
    }


def test_a_result_keeps_it_and_what_is_not_finite_is_none(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD, DATA)
    config = design_of(file).config({"updates": 8, "learning_rate": 1e37, "batch_size": 20})
    result = run_trial(config, file=file)
    assert result.growth is not None
    assert list(result.growth.updates) == kept_updates(2)
    assert result.growth.figures["gradient_norm"][1] is None
    assert result.growth.figures["max_output/lstm"][0] is not None
    assert TrialResult.from_json(result.to_json(), design=config.design).growth == result.growth


OF_ITS_OWN = """
class Model(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        for variable, of in zip(self.trainable_variables, tape.gradient(loss, self.trainable_variables)):
            variable.assign_sub(0.01 * of)
        return {"loss": loss}


def build():
    inputs = keras.Input((5, 3))
    model = Model(inputs, layers.Dense(1)(layers.LSTM(2)(inputs)))
    model.compile(optimizer="sgd", loss="mse")
    return model
"""


def test_a_training_step_of_ones_own_has_it_too(tmp_path: Path) -> None:
    growth = trained(file_of(tmp_path, OF_ITS_OWN, DATA), updates=3).growth
    assert growth is not None
    assert all(value is not None for value in growth.figures["gradient_norm"])
    assert "max_output/lstm" in growth.figures


def test_the_growth_rate_is_the_slope_of_the_logarithm_where_there_is_one() -> None:
    values = np.array([0.0, 2.0, 6.0, 18.0, np.inf])
    assert growth_rate(values) == pytest.approx(math.log(3))
    assert math.isnan(growth_rate(np.array([0.0, 1.0, np.nan])))


def test_paths_are_names_of_metrics() -> None:
    assert _plain("encoder/my layer (2)") == "encoder/my layer _2_"
    assert _plain("../a") == "_/a"


def test_growth_is_read_back_with_figures_by_layer() -> None:
    growth = Growth(updates=(1, 2), figures={"gradient_norm": (1.0, None), "max_output/a/b": (2.0, 3.0)})
    assert Growth.from_dict(growth.as_dict()) == growth
