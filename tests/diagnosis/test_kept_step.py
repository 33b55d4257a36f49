"""A training step that was traced for one training trains the next one of the same graph, to the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from study.diagnosis.changed import train_changed
from study.diagnosis.kept_step import KeptStep
from study.diagnosis.remedies import (
    BoundedActivation,
    ClipNorm,
    LearningRate,
    Remedy,
    RowsLeftOut,
    SmallerInitialWeights,
    Standardised,
)
from study.diagnosis.result import Run
from study.models.file import ModelFile
from study.models.prepare import prepare
from study.models.same_graph import graph_of
from study.models.signature import design_of
from study.models.step import WatchedStep
from tests.diagnosis.hurried import OUT, fed, layer_of, net, own

UPDATES = 6

RECURRENT = net(
    "layers.BatchNormalization()",
    "layers.Bidirectional(layers.LSTM(3, activation='relu', dropout=0.2))",
    "layers.Dropout(0.5)",
    OUT,
    inputs="(6, 3)",
) + fed("rng.randn(40, 6, 3)", y="X.mean((1, 2))")

DENSE = net("layers.Dense(4, activation='relu')", OUT) + fed()


def trained(text: str, order: Sequence[tuple[Remedy, int]], *, kept: KeptStep | None) -> list[Run]:
    file = ModelFile(path="/hurried/model.py", text=text)
    config = design_of(file).config({"updates": UPDATES})

    def one(remedy: Remedy, seed: int) -> Run:
        return train_changed(lambda: prepare(file, config.replacing(seed=seed)), remedy, kept=kept)

    return [one(remedy, seed) for remedy, seed in order]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Is added to by every training step that is traced."""
    done: list[str] = []
    original = WatchedStep._traced_state

    def noted(step: WatchedStep, iterator: Any) -> Any:
        done.append(step.model.name)
        return original(step, iterator)

    monkeypatch.setattr(WatchedStep, "_traced_state", noted)
    return done


def test_seeds_and_learning_rates_of_a_recurrent_model_are_trained_by_one_graph_to_the_same_bits(
    traces: list[str],
) -> None:
    order: list[tuple[Remedy, int]] = [
        (LearningRate(1e-3, 1.0), 0),
        (LearningRate(1e-3, 2.0), 1),
        (BoundedActivation(), 0),
    ]
    anew = trained(RECURRENT, order, kept=None)
    assert len(traces) == len(order)
    traces.clear()
    again = trained(RECURRENT, order, kept=KeptStep())
    assert len(traces) == 2
    assert [run.refused for run in again] == [None] * len(order)
    assert [run.loss for run in again] == [run.loss for run in anew]
    assert [len(run.loss) for run in again] == [UPDATES] * len(order)
    assert len({run.loss for run in again}) == len(order)


def test_weights_and_data_that_a_remedy_changes_are_trained_by_the_same_graph_and_other_shapes_are_not(
    traces: list[str],
) -> None:
    order: list[tuple[Remedy, int]] = [
        (LearningRate(1e-3, 1.0), 0),
        (SmallerInitialWeights(), 0),
        (Standardised(targets=True), 0),  # whose numbers are single precision, and those of NumPy are double
        (Standardised(targets=True), 1),
        (RowsLeftOut(rows=(3,)), 0),
        (ClipNorm(), 0),
    ]
    anew = trained(DENSE, order, kept=None)
    traces.clear()
    again = trained(DENSE, order, kept=KeptStep())
    assert len(traces) == 4
    assert [run.loss for run in again] == [run.loss for run in anew]


def test_after_a_training_that_went_to_nan_the_next_one_begins_as_if_it_were_the_first() -> None:
    order: list[tuple[Remedy, int]] = [(LearningRate(1e-3, -36.0), 0), (LearningRate(1e-3, 1.0), 0)]
    anew, again = trained(DENSE, order, kept=None), trained(DENSE, order, kept=KeptStep())
    assert again[0].diverged
    assert [len(run.loss) for run in again] == [len(run.loss) for run in anew]
    assert again[1].loss == anew[1].loss


@pytest.mark.parametrize(
    "text",
    [
        layer_of("2 * t", OUT),
        own("tf.reduce_mean(tf.square(y - p))", "squares", OUT),
        own("tf.reduce_mean(tf.square(y - p))", "mse", OUT),
        net("layers.Dense(4, activation=relu)", OUT, before="def relu(t):\n    return 2 * tf.nn.relu(t)\n") + fed(),
        net("layers.Dense(4, activation=tf.sin)", OUT) + fed(),
        net("Own(4)", OUT, before="class Own(layers.Dense):\n    pass\n") + fed(),
        net("layers.Dense(4)", OUT)
        + fed().replace("return X, ", "return (one for one in [(X, ").replace("32')", "32'))])"),
        DENSE.replace("keras.Input((6,))", ""),
        net("norm", OUT, before="norm = layers.Normalization()\nnorm.adapt(np.random.rand(9, 6))\n") + fed(),
    ],
    ids=[
        "Lambda",
        "loss",
        "loss by Keras's name",
        "activation by Keras's name",
        "function",
        "layer",
        "stream",
        "open",
        "adapted",
    ],
)
def test_of_parts_of_the_users_own_nobody_knows_whether_the_graph_is_the_same(text: str) -> None:
    file = ModelFile(path="/hurried/model.py", text=text)
    assert graph_of(prepare(file, design_of(file).config({}))) is None
