"""The page of a `fit` that a watch took part in."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from study import NaNWatch
from study.trial.errors import UserError
from tests.models.small import compiled, constant, fresh, recurrent, sequences
from tests.report.test_anatomy import Page


def test_a_watch_writes_what_was_before_at_and_after_its_onset(tmp_path: Path) -> None:
    draw = fresh()
    model = compiled(
        keras.Sequential([keras.Input((8, 3)), layers.LSTM(4), layers.Dense(1)], name="mine"),
        optimizer=keras.optimizers.SGD(1e37),
    )
    watch = NaNWatch(verbose=False)
    model.fit(sequences(draw), np.ones((80, 1)), verbose=0, callbacks=[watch])
    assert watch.onset is not None
    weights = [weight.numpy() for weight in model.weights]
    html = watch.write(tmp_path / "nan.html").read_text("utf-8")
    for weight, before in zip(model.weights, weights, strict=True):
        np.testing.assert_array_equal(weight, before)
    page = Page(html)
    assert page.open == []
    assert all(address.startswith("data:image/svg+xml;base64,") for address in page.addresses)
    for text in (watch.sentence, "BEFORE, AT, AFTER", "optimizer SGD", "learning_rate 1e+37", "mine", "lstm"):
        assert str(text) in page.text


def test_several_updates_a_call_leave_out_the_one_before(tmp_path: Path) -> None:
    draw = fresh()
    model = compiled(
        keras.Sequential([keras.Input((8, 3)), layers.LSTM(4), layers.Dense(1)]),
        optimizer=keras.optimizers.SGD(1e37),
        steps_per_execution=4,
    )
    watch = NaNWatch(verbose=False)
    model.fit(sequences(draw), np.ones((80, 1)), verbose=0, batch_size=8, callbacks=[watch])
    text = Page(watch.write(tmp_path / "nan.html").read_text("utf-8")).text
    assert "AT, AFTER" in text
    assert "BEFORE" not in text
    assert "The update before is not shown: with steps_per_execution above 1" in text


def test_a_healthy_training_has_a_page_of_its_last_update(tmp_path: Path) -> None:
    draw = fresh()
    watch = NaNWatch(verbose=False)
    recurrent().fit(sequences(draw), np.ones((80, 1)), verbose=0, callbacks=[watch])
    text = Page(watch.write(str(tmp_path / "fine.html")).read_text("utf-8")).text
    assert "No loss and no weight stopped being finite in 3 updates." in text
    assert "LAST (3)" in text


def test_a_page_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    watch = NaNWatch(verbose=False)
    with pytest.raises(UserError, match="no update was watched yet"):
        watch.write(tmp_path / "nan.html")
    draw = fresh()
    model = compiled(keras.Sequential([keras.Input((8, 3)), layers.Dense(1, kernel_initializer=constant(1e38))]))
    model.fit(sequences(draw), np.ones((80, 8, 1)), verbose=0, callbacks=[watch])
    with pytest.raises(
        UserError, match=r"NaNWatch.write .*no/nan.html: cannot be written \(No such file or directory\)"
    ):
        watch.write(tmp_path / "no" / "nan.html")
