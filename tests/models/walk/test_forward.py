"""Where numbers of the way forward overflow, held against NumPy and against layers called one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.models.small import compiled, constant, fresh, onset_of, sequences


class Seen(NamedTuple):
    """A tensor of a timestep."""

    tensor: str
    values: np.ndarray


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)), x.dtype)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def lstm(x: np.ndarray, state: list[np.ndarray], weights: list[np.ndarray]) -> Iterator[Seen]:
    """A timestep, in Keras's order; Hochreiter and Schmidhuber with the forget gate of Gers et al."""
    kernel, recurrent, bias = weights
    sums = np.split(x @ kernel + state[0] @ recurrent + bias, 4, axis=1)
    names = ("input", "forget", "candidate", "output")
    yield from (Seen(f"{name}_sum", one) for name, one in zip(names, sums, strict=True))
    i, f, c, o = sigmoid(sums[0]), sigmoid(sums[1]), relu(sums[2]), sigmoid(sums[3])
    state[1] = f * state[1] + i * c
    yield Seen("cell_state", state[1])
    state[0] = o * relu(state[1])
    yield Seen("hidden_state", state[0])


def gru(x: np.ndarray, state: list[np.ndarray], weights: list[np.ndarray]) -> Iterator[Seen]:
    """A timestep with the reset after the product, as cuDNN computes it."""
    kernel, recurrent, bias = weights
    x_update, x_reset, x_candidate = np.split(x @ kernel + bias[0], 3, axis=1)
    h_update, h_reset, h_candidate = np.split(state[0] @ recurrent + bias[1], 3, axis=1)
    yield from (Seen("update_sum", x_update + h_update), Seen("reset_sum", x_reset + h_reset))
    z, r = sigmoid(x_update + h_update), sigmoid(x_reset + h_reset)
    candidate = x_candidate + r * h_candidate
    yield Seen("candidate_sum", candidate)
    state[0] = z * state[0] + (1 - z) * relu(candidate)
    yield Seen("hidden_state", state[0])


def gru_reset_before(x: np.ndarray, state: list[np.ndarray], weights: list[np.ndarray]) -> Iterator[Seen]:
    """A timestep as Cho et al. wrote it."""
    kernel, recurrent, bias = weights
    x_update, x_reset, x_candidate = np.split(x @ kernel + bias, 3, axis=1)
    of_update, of_reset, of_candidate = np.split(recurrent, 3, axis=1)
    z, r = sigmoid(x_update + state[0] @ of_update), sigmoid(x_reset + state[0] @ of_reset)
    yield from (Seen("update_sum", x_update + state[0] @ of_update), Seen("reset_sum", x_reset + state[0] @ of_reset))
    candidate = x_candidate + (r * state[0]) @ of_candidate
    yield Seen("candidate_sum", candidate)
    state[0] = z * state[0] + (1 - z) * relu(candidate)
    yield Seen("hidden_state", state[0])


def simple_rnn(x: np.ndarray, state: list[np.ndarray], weights: list[np.ndarray]) -> Iterator[Seen]:
    """A timestep of Elman's net."""
    kernel, recurrent, bias = weights
    total = x @ kernel + bias + state[0] @ recurrent
    yield Seen("hidden_sum", total)
    state[0] = relu(total)
    yield Seen("hidden_state", state[0])


CELLS: dict[str, tuple[type, Callable[..., Iterator[Seen]], dict[str, Any]]] = {
    "lstm": (layers.LSTM, lstm, {}),
    "gru": (layers.GRU, gru, {}),
    "gru_reset_before": (layers.GRU, gru_reset_before, {"reset_after": False}),
    "simple_rnn": (layers.SimpleRNN, simple_rnn, {}),
}

HARMLESS = ("input_sum", "forget_sum", "output_sum", "update_sum", "reset_sum")
"""Sums whose overflow a sigmoid makes 0 or 1 of."""


def first_of(cell: str, x: np.ndarray, weights: list[np.ndarray], *, backwards: bool, units: int) -> Any:
    """Timestep, tensor, sample and unit of the first number that is not finite, and does harm."""
    state = [np.zeros((len(x), units), x.dtype) for _ in range(2)]
    steps = range(x.shape[1])
    with np.errstate(all="ignore"):
        for t in reversed(steps) if backwards else steps:
            for seen in CELLS[cell][1](x[:, t], state, weights):
                bad = np.argwhere(~np.isfinite(seen.values))
                if len(bad) and seen.tensor not in HARMLESS:
                    return t, seen.tensor, int(bad[0][0]), int(bad[0][1])
    raise AssertionError("nothing overflows")


@pytest.mark.parametrize(
    ("cell", "backwards", "dtype"),
    [
        ("lstm", False, "float32"),
        ("lstm", True, "float16"),
        ("gru", False, "float16"),
        ("gru", True, "float32"),
        ("gru_reset_before", False, "float32"),
        ("simple_rnn", True, "float32"),
        ("simple_rnn", False, "float16"),
    ],
)
def test_a_recurrent_state_that_overflows_is_told_by_timestep_and_gate(cell: str, backwards: bool, dtype: str) -> None:
    draw = fresh()
    kind, _, options = CELLS[cell]
    units, length = 4, 30
    layer = kind(units, activation="relu", go_backwards=backwards, dtype=dtype, name="memory", **options)
    model = compiled(keras.Sequential([keras.Input((length, 3), dtype=dtype), layer, layers.Dense(1, dtype="float32")]))
    x = draw.uniform(0.5, 1.5, (8, length, 3)).astype(dtype)
    grow = 3e3 if dtype == "float32" else 3.0
    weights = [draw.uniform(0.5, 1.5, one.shape).astype(dtype) for one in layer.get_weights()]
    # A candidate that grows, and gates that let it through.
    gates = {"lstm": (2, 4), "gru": (2, 3), "gru_reset_before": (2, 3), "simple_rnn": (0, 1)}[cell]
    part = slice(gates[0] * units, (gates[0] + 1) * units)
    recurrent = np.zeros_like(weights[1])
    recurrent[:, part] = grow * draw.uniform(0.5, 1, (units, units))
    weights[1] = recurrent
    if cell.startswith("gru"):
        weights[0][:, :units] = weights[2][..., :units] = 0
    layer.set_weights(weights)
    expected = first_of(cell, x, weights, backwards=backwards, units=units)
    onset = onset_of(model, x, np.zeros((8, 1)))
    assert onset is not None
    assert (onset.phase, onset.layer) == ("forward", "memory")
    assert (onset.timestep, onset.tensor, onset.sample, onset.unit) == expected


def layer_by_layer(model: keras.Model, x: Any) -> tuple[str, list[tuple[int, ...]]]:
    """The first layer of a chain whose output is not finite, and where it is not."""
    tensor = ops.convert_to_tensor(x)
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        tensor = layer(tensor)
        bad = np.argwhere(~np.isfinite(ops.convert_to_numpy(tensor)))
        if len(bad):
            return layer.name, [tuple(map(int, place)) for place in bad]
    raise AssertionError("nothing overflows")


CHAINS: dict[str, Callable[[], list[Any]]] = {
    "dense": lambda: [layers.Dense(3), layers.Dense(3, kernel_initializer=constant(1e38)), layers.Dense(1)],
    "conv1d": lambda: [layers.Conv1D(3, 3), layers.Conv1D(3, 2, kernel_initializer=constant(3e38)), layers.Flatten()],
    "causal": lambda: [layers.Conv1D(3, 3, padding="causal", dilation_rate=2, kernel_initializer=constant(3e38))],
    "pooled": lambda: [layers.Dense(3, kernel_initializer=constant(2e38)), layers.GlobalAveragePooling1D()],
    "time_distributed": lambda: [
        layers.LSTM(3, return_sequences=True),
        layers.TimeDistributed(layers.Dense(2, kernel_initializer=constant(3e38), bias_initializer=constant(3e38))),
    ],
    "normalised": lambda: [
        layers.Flatten(),
        layers.LayerNormalization(),
        layers.Dense(2, "exponential", bias_initializer=constant(100.0)),
    ],
    "einsum": lambda: [layers.EinsumDense("abc,cd->abd", (None, 4), kernel_initializer=constant(3e38))],
    "separable": lambda: [layers.SeparableConv1D(4, 2, depthwise_initializer=constant(1e38)), layers.Flatten()],
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_first_layer_whose_output_overflows_is_told(name: str) -> None:
    draw = fresh()
    x = sequences(draw, samples=8) * 3
    model = compiled(keras.Sequential([keras.Input((8, 3)), *CHAINS[name]()]))
    layer, bad = layer_by_layer(model, x)
    onset = onset_of(model, x, np.zeros(model(x).shape, "float32"))
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("forward", layer, "output")
    # Keras computes a layer over time timestep by timestep.
    first = min(bad, key=lambda place: place[1]) if name == "time_distributed" else bad[0]
    assert onset.index == first
    assert onset.sample == first[0]


def test_what_a_layer_clips_is_not_told() -> None:
    draw = fresh()
    x = draw.standard_normal((32, 4)).astype("float32")
    x[7, 2] = np.inf
    inputs = keras.Input((4,))
    hidden = layers.Lambda(lambda v: ops.clip(v, -3, 3), name="clipped")(inputs)
    healthy = compiled(keras.Model(inputs, layers.Dense(1)(hidden)))
    assert onset_of(healthy, x, x[:, :1] * 0) is None
    broken = layers.Lambda(lambda v: ops.log(v - 4), name="logarithm")(hidden)
    onset = onset_of(compiled(keras.Model(inputs, layers.Dense(1)(broken))), x, x[:, :1] * 0)
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("forward", "logarithm", "log")


def test_a_sum_that_overflows_into_a_sigmoid_is_not_told() -> None:
    draw = fresh()
    gate = layers.Dense(3, kernel_initializer=constant(3e38), activation="sigmoid", name="gate")
    inputs = keras.Input((4,))
    x = draw.uniform(1, 2, (32, 4)).astype("float32")
    hidden = gate(inputs)
    assert onset_of(compiled(keras.Model(inputs, layers.Dense(1)(hidden))), x, x[:, :1]) is None
    broken = layers.Dense(1, kernel_initializer=constant(3e38), name="broken")(hidden)
    onset = onset_of(compiled(keras.Model(inputs, broken)), x, x[:, :1])
    assert onset is not None
    assert onset.layer == "broken"


def attention(rows: np.ndarray) -> keras.Model:
    """Minus infinity in the place of words that are not there, and a softmax in a layer of its own."""
    words, there = keras.Input((6, 4)), keras.Input((6,), dtype="bool")
    score = layers.Dense(1)(words)
    hidden = layers.Lambda(lambda two: ops.where(two[1][..., None], two[0], -np.inf), name="mask")([score, there])
    weights = layers.Softmax(axis=1, name="weights")(hidden)
    pooled = layers.Lambda(lambda two: ops.sum(two[0] * two[1], axis=1), name="pooled")([words, weights])
    return compiled(keras.Model([words, there], layers.Dense(1)(pooled)))


def test_minus_infinity_in_a_mask_is_told_only_where_a_row_has_nothing_else() -> None:
    draw = fresh()
    x = draw.standard_normal((64, 6, 4)).astype("float32")
    there = draw.random((64, 6)) < 0.6
    there[:, 0] = True
    assert onset_of(attention(x), [x, there], x[:, 0, :1]) is None
    there[40] = False
    onset = onset_of(attention(x), [x, there], x[:, 0, :1])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.row, onset.value) == ("forward", "weights", 40, "nan")


def test_a_missing_reading_behind_a_mask_spoils_the_gradient_and_is_told_as_data() -> None:
    class Known(layers.Layer):  # type: ignore[misc]
        """Says that the last two timesteps are not there."""

        def call(self, x: Any) -> Any:
            return x

        def compute_mask(self, x: Any, mask: Any = None) -> Any:
            return ops.cumsum(ops.ones_like(x[..., 0]), axis=1) <= 6

    x = sequences(fresh(), samples=32)
    x[9, 7, 1] = np.nan
    model = compiled(keras.Sequential([keras.Input((8, 3)), Known(), layers.LSTM(3), layers.Dense(1)]))
    assert np.isfinite(model.predict(x, verbose=0)).all()
    onset = onset_of(model, x, x[:, 0, :1])
    assert onset is not None
    assert (onset.phase, onset.row, onset.timestep, onset.unit) == ("data", 9, 7, 1)


def test_an_inner_layer_is_told_by_its_path() -> None:
    draw = fresh()
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="tame"), layers.Dense(3, name="wild")], name="in")
    inner.layers[1].kernel.assign(np.full((3, 3), 1e38))
    inputs = keras.Input((4,))
    model = compiled(keras.Model(inputs, layers.Dense(1)(inner(inputs))))
    onset = onset_of(model, draw.uniform(5, 9, (32, 4)), np.zeros((32, 1)))
    assert onset is not None
    assert onset.layer == "in/wild"


def test_a_shared_layer_is_told_with_the_call_that_overflowed() -> None:
    draw = fresh()
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3, kernel_initializer=constant(1e30), name="shared")
    model = compiled(keras.Model([a, b], layers.Dense(1)(layers.Add()([shared(a), shared(b)]))))
    x = draw.uniform(1, 2, (32, 4)).astype("float32")
    onset = onset_of(model, {"a": x, "b": x * 1e9}, x[:, :1])
    assert onset is not None
    assert onset.layer == "shared"
    assert "largest |x/b|" in onset.operands


class Doubling(layers.Layer):  # type: ignore[misc]
    """A cell of the user's whose state is squared and doubled a timestep."""

    state_size = output_size = 2

    def call(self, inputs: Any, states: Any) -> Any:
        grown = 2.0 * ops.square(states[0]) + inputs
        return grown, [grown]


def test_a_cell_of_the_user_s_is_told_by_timestep_operation_and_line() -> None:
    fresh()
    model = compiled(keras.Sequential([keras.Input((12, 2)), layers.RNN(Doubling(name="doubling"), name="own")]))
    onset = onset_of(model, np.ones((4, 12, 2), "float32"), np.zeros((4, 2)))
    # 1, 3, 19, 723, ...: the largest number of float32 is 3.4e38.
    state, timestep = 1.0, 0
    while state**2 <= float(np.finfo(np.float32).max):
        state, timestep = 2 * state**2 + 1, timestep + 1
    assert onset is not None
    assert (onset.layer, onset.tensor, onset.timestep) == ("own/doubling", "square", timestep + 1)
    assert str(onset.source).startswith("test_forward.py:")


def test_stacked_cells_are_told_apart() -> None:
    draw = fresh()
    wild = layers.SimpleRNNCell(2, activation="relu", recurrent_initializer=constant(1e9), name="wild")
    model = compiled(keras.Sequential([keras.Input((9, 3)), layers.RNN([layers.GRUCell(3), wild], name="two")]))
    onset = onset_of(model, sequences(draw, timesteps=9), np.zeros((80, 2)))
    assert onset is not None
    assert str(onset.layer).startswith("two/")
    assert str(onset.layer).endswith("/wild")
    assert onset.tensor == "hidden_sum"


def test_masks_states_and_directions_count_timesteps_as_the_data_do() -> None:
    draw = fresh()
    x = draw.uniform(1, 2, (4, 20, 2)).astype("float32")
    x[:, :5] = 0
    x[:, 15:] = 0
    grow = {"activation": "relu", "kernel_initializer": "ones", "recurrent_initializer": constant(1e12)}
    told = []
    for backwards, stateful in itertools.product([False, True], [False, True]):
        fresh()
        memory = layers.SimpleRNN(2, go_backwards=backwards, stateful=stateful, name="memory", **grow)
        model = keras.Sequential([keras.Input(batch_shape=(4, 20, 2)), layers.Masking(), memory])
        onset = onset_of(compiled(model), x, np.zeros((4, 2)), batch_size=4)
        assert onset is not None
        told.append(onset.timestep)
    # About 3, 6e12, 1e25, 2e37 and beyond: the fifth step of those that are not masked.
    assert told == [9, 9, 10, 10]


def test_the_state_that_a_stateful_layer_keeps_is_called_by_its_name() -> None:
    fresh()
    memory = layers.SimpleRNN(
        1, activation="linear", stateful=True, kernel_initializer="ones", recurrent_initializer=constant(1e19)
    )
    model = compiled(
        keras.Sequential([keras.Input(batch_shape=(4, 2, 1)), memory]),
        optimizer=keras.optimizers.SGD(0.0),
        loss="mae",
    )
    onset = onset_of(model, np.ones((8, 2, 1), "float32"), np.zeros((8, 1)), batch_size=4)
    assert onset is not None
    # 1, 1e19, and in the next batch 1e38 and beyond.
    assert (onset.update, onset.timestep) == (2, 1)
    model.layers[0].states[0].assign(np.full((4, 1), 1e20, "float32"))
    onset = onset_of(model, np.ones((4, 2, 1), "float32"), np.zeros((4, 1)), batch_size=4)
    assert onset is not None
    assert (onset.update, onset.timestep) == (1, 0)
    assert onset.operands["largest |rnn_state|"] == np.float32(1e20)


def test_an_operand_is_not_called_by_a_constant_that_it_was_multiplied_by() -> None:
    inputs = keras.Input((4,))
    halved = layers.Lambda(lambda v: 1 / (2 * ops.maximum(v, 0.0)), name="halved")(inputs)
    model = compiled(keras.Model(inputs, layers.Dense(1)(halved)))
    onset = onset_of(model, -np.ones((8, 4), "float32"), np.zeros((8, 1)))
    assert onset is not None
    assert (onset.layer, onset.tensor, onset.operands) == ("halved", "truediv", {"x": 1.0, "y": 0.0})
