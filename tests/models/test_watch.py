"""`NaNWatch` in the many ways in which people call `fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from study import NaNWatch
from tests.models.small import compiled, constant, fresh, sequences

ROW, TIMESTEP = 41, 5
"""The reading that is missing."""


def gapped(draw: np.random.Generator, *, value: float = np.nan) -> tuple[np.ndarray, np.ndarray]:
    x = sequences(draw, samples=96)
    y = x[:, 0, :1].copy()
    x[ROW, TIMESTEP, 2] = value
    return x, y


def net(**options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((8, 3)), layers.LSTM(4, name="memory"), layers.Dense(1)])
    return compiled(model, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": True},
        {"jit_compile": False},
        {"steps_per_execution": 8},
        {"run_eagerly": True},
    ],
    ids=str,
)
@pytest.mark.usefixtures("xla")
def test_the_reading_that_is_missing_is_told_with_its_row(options: dict[str, Any]) -> None:
    x, y = gapped(fresh())
    watch = NaNWatch(verbose=False)
    model = net(**options)
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, callbacks=[watch])
    onset = watch.onset
    assert onset is not None
    assert (onset.phase, onset.tensor, onset.value) == ("data", "x", "nan")
    assert (onset.row, onset.timestep, onset.unit) == (ROW, TIMESTEP, 2)
    assert len(history.epoch) == 1
    assert watch.before is not None
    # The model is left as the update left it.
    assert int(model.optimizer.iterations.numpy()) == onset.update == watch.before.update


def test_a_stream_has_samples_and_no_rows() -> None:
    x, y = gapped(fresh())
    watch = NaNWatch(verbose=False)
    net().fit(tf.data.Dataset.from_tensor_slices((x, y)).batch(32), verbose=0, callbacks=[watch])
    assert watch.onset is not None
    assert watch.onset.row is None
    assert (watch.onset.update, watch.onset.sample) == (ROW // 32 + 1, ROW % 32)


def test_two_inputs_are_told_apart_by_name() -> None:
    draw = fresh()
    x, y = gapped(draw)
    before, after = keras.Input((8, 3), name="before"), keras.Input((8, 3), name="after")
    encode = layers.LSTM(4)
    model = compiled(keras.Model([before, after], layers.Dense(1)(layers.Add()([encode(before), encode(after)]))))
    watch = NaNWatch(verbose=False)
    model.fit({"before": sequences(draw, samples=96), "after": x}, y, verbose=0, callbacks=[watch])
    assert watch.onset is not None
    assert (watch.onset.tensor, watch.onset.row) == ("x/after", ROW)
    assert watch.sentence is not None
    assert "an input of the model (after) was NaN at timestep 5 (row 41, feature 2)" in watch.sentence


def test_sample_weights_come_after_targets_and_those_after_inputs() -> None:
    draw = fresh()
    x, y = sequences(draw, samples=32), np.zeros((32, 1), "float32")
    weights = np.ones(32, "float32")
    told = []
    for array, place in ((weights, 9), (y, (8, 0)), (x, (7, 1, 2))):
        array[place] = np.nan  # type: ignore[index]
        watch = NaNWatch(verbose=False)
        net().fit(x, y, sample_weight=weights, verbose=0, callbacks=[watch])
        assert watch.onset is not None
        told.append((watch.onset.tensor, watch.onset.row))
    assert told == [("sample_weight", 9), ("y", 8), ("x", 7)]


def test_a_row_that_is_there_twice_is_told_with_a_note() -> None:
    x, y = gapped(fresh())
    x[3], y[3] = x[ROW], y[ROW]
    watch = NaNWatch(verbose=False)
    net().fit(x, y, verbose=0, callbacks=[watch])
    assert watch.onset is not None
    assert watch.onset.row == 3
    assert watch.onset.warning == "row 3 is one of 2 rows that are the same"


def test_a_row_is_found_behind_a_validation_split_and_in_another_precision() -> None:
    x, y = gapped(fresh())
    watch = NaNWatch(verbose=False)
    net().fit(x.astype("float64"), y, validation_split=0.25, verbose=0, callbacks=[watch])
    assert watch.onset is not None
    assert watch.onset.row == ROW


def test_it_works_beside_validation_and_other_callbacks(tmp_path: Path) -> None:
    x, y = gapped(fresh())
    healthy = np.nan_to_num(x)
    watch = NaNWatch(verbose=False)
    stop = keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
    others = [
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras"),
        stop,
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.ReduceLROnPlateau(),
    ]
    model = net()
    model.fit(x, y, validation_data=(healthy, y), epochs=4, verbose=0, callbacks=[*others, watch])
    assert watch.onset is not None
    assert watch.onset.row == ROW
    assert keras.saving.load_model(tmp_path / "best.keras").count_params() == model.count_params()


def test_mixed_precision_with_loss_scaling_is_told_where_it_overflows() -> None:
    draw = fresh(policy="mixed_float16")
    model = keras.Sequential(
        [
            keras.Input((8, 3)),
            layers.GRU(4),
            layers.Dense(3, kernel_initializer=constant(6e4), name="wide"),
            layers.Dense(1, dtype="float32"),
        ]
    )
    model.compile("sgd", "mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    x = sequences(draw) * 100
    watch = NaNWatch(verbose=False)
    model.fit(x, x[:, 0, :1], verbose=0, callbacks=[watch])
    assert watch.onset is not None
    assert (watch.onset.phase, watch.onset.layer, watch.onset.tensor) == ("forward", "wide", "output")


def test_fit_evaluate_and_predict_go_on_as_before() -> None:
    draw = fresh()
    x = sequences(draw, samples=64)
    y = x[:, 0, :1]
    model = net()
    watch = NaNWatch(verbose=False)
    model.fit(x, y, verbose=0, callbacks=[watch])
    function = model.train_function
    model.fit(x, y, verbose=0, callbacks=[watch])
    assert model.train_function is function
    model.fit(x, y, verbose=0)
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)
    broken = x.copy()
    broken[5] = np.inf
    model.fit(broken, y, verbose=0, callbacks=[watch], shuffle=False)
    assert watch.onset is not None
    # Counted from the beginning of this fit.
    assert (watch.onset.update, watch.onset.row, watch.onset.value) == (1, 5, "inf")
    model.compile("sgd", "mae")
    model.layers[0].set_weights([np.zeros_like(one) for one in model.layers[0].get_weights()])
    model.layers[1].set_weights([np.zeros_like(one) for one in model.layers[1].get_weights()])
    model.fit(x, y, verbose=0, callbacks=[watch])
    assert watch.onset is None


def test_a_fit_without_a_watch_after_an_interrupted_one_is_keras_s_own() -> None:
    class Interrupting(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    draw = fresh()
    x = sequences(draw)
    model = net()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, x[:, 0, :1], verbose=0, callbacks=[NaNWatch(), Interrupting()])
    x[0] = np.nan
    history = model.fit(x, x[:, 0, :1], epochs=2, verbose=0)
    assert len(history.epoch) == 2
    watch = NaNWatch(verbose=False)
    model.fit(x, x[:, 0, :1], verbose=0, callbacks=[watch])
    assert watch.onset is not None


def test_the_sentence_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = gapped(fresh())
    watch = NaNWatch()
    net().fit(x, y, epochs=2, verbose=0, callbacks=[watch], shuffle=False)
    assert capsys.readouterr().out.strip() == watch.sentence
    assert watch.sentence == "At update 2 an input of the model was NaN at timestep 5 (row 41, feature 2)."


def test_an_update_that_cannot_be_repeated_is_told_all_the_same() -> None:
    class Graph(layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            if tf.executing_eagerly():
                raise ValueError("only in graphs")
            return ops.log(x * 0 - 1)

    x = sequences(fresh())
    model = compiled(keras.Sequential([keras.Input((8, 3)), layers.LSTM(2), Graph(), layers.Dense(1)]))
    watch = NaNWatch(verbose=False)
    model.fit(x, x[:, 0, :1], verbose=0, callbacks=[watch])
    assert watch.onset is not None
    assert watch.onset.update == 1
    assert "ValueError" in str(watch.onset.warning)
    assert "only in graphs" in str(watch.onset.warning)
