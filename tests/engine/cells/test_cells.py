"""What every registered cell has to keep: that it is Keras's layer, forward and back, and that it names its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from study.engine.cells import CELLS, activations
from study.engine.cells.base import HIDDEN, LARGEST_HIDDEN, Cell
from study.engine.cells.recurrence import Recurrence, run
from study.engine.reference.engine import masks_for
from study.engine.runtime import keras, tf
from study.engine.structure import Structure
from study.trial.axis import NONE
from study.trial.config import TrialConfig
from study.trial.growth import STATE_FIGURES
from study.trial.tensor_name import TensorName
from study.trial.words import GATES, TENSORS, is_recurrent

TIMESTEPS, BATCH, WIDTH, UNITS = 5, 4, 2, 3

each_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=str)


def keras_cell(cell: Cell, *, dtype: str = "float32", **options: Any) -> Any:
    """Keras's own, built."""
    layer = getattr(keras.layers, cell.keras_layer)(UNITS, dtype=dtype, **options)
    layer.build((BATCH, TIMESTEPS, WIDTH))
    return layer.cell


def values(cell: Cell, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs, weights, masks, states and what to weigh the outputs with, at random."""
    generator = np.random.default_rng(seed)
    shapes = {
        "x": (TIMESTEPS, BATCH, WIDTH),
        **cell.weights(WIDTH, UNITS),
        "states": (len(cell.states), BATCH, UNITS),
        "weighing": (TIMESTEPS, BATCH, UNITS),
    }
    drawn = {name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    kept = generator.random((len(cell.gates), BATCH, UNITS)) > 0.3
    return {**drawn, "masks": (kept / 0.7).astype(np.float32)}


def a_step(cell: Cell, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The tensors of a timestep of random numbers, and the states before it."""
    generator = np.random.default_rng(seed)
    projections, products = generator.normal(size=(2, len(cell.gates), BATCH, UNITS)).astype(np.float32)
    before = {name: generator.normal(size=(BATCH, UNITS)).astype(np.float32) for name in cell.states}
    return cell.forward_step(projections, products, before, activate=lambda name, x: np.tanh(x)), before


# --- what it says of itself -----------------------------------------------------------------------------------------


@each_cell
def test_it_is_found_by_its_name_and_has_the_state_that_every_cell_has(cell: Cell) -> None:
    assert CELLS[cell.name] is cell
    assert repr(cell) == cell.name  # a program is kept by it
    assert next(iter(cell.states)) == HIDDEN
    assert len(set(cell.states.values())) == len(cell.states)


@each_cell
def test_the_axes_know_whether_its_gates_have_an_activation(cell: Cell) -> None:
    config = TrialConfig.model_validate({"cell": cell.name})
    assert (config.recurrent_activation != NONE) == cell.has_recurrent_activation
    assert Structure.of(config).cell is cell


@each_cell
def test_its_tensors_have_words(cell: Cell) -> None:
    for tensor in (*(f"{gate}_projection" for gate in cell.gates), *cell.made_of):
        name = TensorName.parse(tensor)
        assert str(name) == tensor
        assert (name.gate in GATES) if name.gate else (name.role in TENSORS)
    assert all(
        is_recurrent(layer) for layer in Structure.of(TrialConfig.model_validate({"cell": cell.name})).layer_names()
    )


@each_cell
def test_its_weights_are_kerass_by_name_shape_and_initial_bias(cell: Cell) -> None:
    theirs = keras_cell(cell)
    assert {weight.name: tuple(weight.shape) for weight in theirs.weights if weight.trainable} == cell.weights(
        WIDTH, UNITS
    )
    np.testing.assert_array_equal(cell.initial_bias(UNITS), theirs.bias.numpy())


@each_cell
def test_it_tells_of_every_tensor_of_a_timestep_what_it_is_made_of(cell: Cell) -> None:
    step, before = a_step(cell)
    assert set(cell.made_of) == set(step)
    told = {f"{gate}_projection" for gate in cell.gates} | {f"{state} before" for state in before} | {LARGEST_HIDDEN}
    computed: set[str] = set()
    for tensor in step:
        assert set(cell.made_of[tensor]) <= told | computed, tensor
        computed.add(tensor)
    assert {f"{gate}_sum" for gate in cell.gates} <= computed
    assert set(cell.activated) | set(cell.kept) | set(cell.states) <= computed
    assert set(cell.states) <= set(cell.kept)


@each_cell
def test_its_states_have_figures_of_growth_and_other_states_have_none(cell: Cell) -> None:
    of_states = {figure for state in STATE_FIGURES for figure in STATE_FIGURES[state]}
    assert {name for name in cell.figures if name in of_states} == {
        figure for state in cell.states for figure in STATE_FIGURES[state]
    }


@each_cell
def test_the_way_back_reads_no_more_than_is_kept_and_gives_what_is_asked(cell: Cell) -> None:
    step, before = a_step(cell)
    gradients, d_before = cell.backward_step(
        {state: np.ones((BATCH, UNITS), np.float32) for state in cell.states},
        kept={name: step[name] for name in cell.kept},
        before=before,
        differentiate=lambda name, upstream: upstream,
    )
    assert {*(f"{gate}_sum" for gate in cell.gates), *cell.products} <= set(gradients)
    assert set(cell.states) - {HIDDEN} <= set(gradients)
    assert set(cell.states) - {HIDDEN} <= set(d_before) <= set(cell.states)


# --- what it computes -----------------------------------------------------------------------------------------------


def unrolled(
    cell: Cell, given: Mapping[str, np.ndarray], *, activation: str, gate: str, backwards: bool
) -> tuple[Any, list[Any], dict[bool, Any]]:
    """Keras's cell in float64, one timestep after another: hidden states in the input's order, the last states, and the
    gradients of the weighed sum of all hidden states, or of the last one."""
    gates = {"recurrent_activation": gate} if cell.has_recurrent_activation else {}
    theirs = keras_cell(cell, dtype="float64", activation=activation, recurrent_dropout=0.3, **gates)
    for name in cell.weights(WIDTH, UNITS):
        getattr(theirs, name).assign(given[name])
    masks = masks_for(theirs, tf.constant(given["masks"], tf.float64))
    theirs.get_recurrent_dropout_mask = lambda step_input: masks
    x, weighing = (tf.constant(given[name], tf.float64) for name in ("x", "weighing"))
    states = [tf.constant(state, tf.float64) for state in given["states"]]
    outputs: dict[int, Any] = {}
    watched = {name: getattr(theirs, name).value for name in cell.weights(WIDTH, UNITS)}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        for t in reversed(range(TIMESTEPS)) if backwards else range(TIMESTEPS):
            outputs[t], states = theirs(x[t], states, training=True)
        sequence = tf.stack([outputs[t] for t in range(TIMESTEPS)])
        totals = {True: tf.reduce_sum(sequence * weighing), False: tf.reduce_sum(states[0] * weighing[0])}
    gradients = {whole: tape.gradient(total, {"x": x, **watched}) for whole, total in totals.items()}
    return sequence, states, gradients


@pytest.fixture(scope="module")
def compiled_run() -> Any:
    """Outputs, last states and gradients of the weighed sum of the outputs, by the compiler."""

    def function(cell, given, activation, gate, backwards, return_sequences):  # type: ignore[no-untyped-def]
        recurrence = Recurrence(
            name="",
            cell=cell,
            activation=activation,
            recurrent_activation=gate,
            semantics="keras-3",
            backwards=backwards,
        )
        watched = {name: given[name] for name in ("x", *cell.weights(WIDTH, UNITS))}
        with tf.GradientTape() as tape:
            tape.watch(watched)
            input_bias, recurrent_bias = cell.biases(watched["bias"])
            projected = tf.matmul(watched["x"], watched["kernel"]) + input_bias
            output, last, _ = run(
                tf.split(projected, len(cell.gates), axis=-1),
                watched["recurrent_kernel"],
                recurrent_bias,
                tf.unstack(given["masks"]),
                tuple(tf.unstack(given["states"])),
                recurrence=recurrence,
                return_sequences=return_sequences,
            )
            total = tf.reduce_sum(output * (given["weighing"] if return_sequences else given["weighing"][0]))
        return output, last, tape.gradient(total, watched)

    return tf.function(function, jit_compile=True, autograph=False)


@each_cell
@pytest.mark.parametrize(("gate", "backwards", "whole"), [("sigmoid", False, True), ("hard_sigmoid", True, False)])
def test_it_is_kerass_cell_in_float64_with_every_activation_and_so_are_its_gradients(
    cell: Cell, compiled_run: Any, gate: str, backwards: bool, whole: bool
) -> None:
    given = values(cell)
    tensors = {name: tf.constant(value) for name, value in given.items()}
    for name in activations.ACTIVATIONS:
        number = tf.constant(activations.number_of(name))
        output, last, gradients = compiled_run(cell, tensors, number, gate, backwards, whole)
        sequence, states, expected = unrolled(cell, given, activation=name, gate=gate, backwards=backwards)
        np.testing.assert_allclose(output, sequence if whole else states[0], rtol=1e-4, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(last, states, rtol=1e-4, atol=1e-5, err_msg=name)
        for weight, gradient in gradients.items():
            scale = float(np.abs(expected[whole][weight]).max())
            np.testing.assert_allclose(
                gradient, expected[whole][weight], rtol=1e-4, atol=1e-5 * scale, err_msg=f"{name}, {weight}"
            )


@each_cell
def test_its_gradients_are_tensorflows_at_infinities_too(cell: Cell) -> None:
    """Of a timestep with a number that is not finite in one place after the other; with linear activations, so that
    they hide nothing."""
    generator = np.random.default_rng(1)
    shape = (len(cell.gates), BATCH, UNITS)
    projections = tf.unstack(tf.constant(generator.normal(size=shape), tf.float32))
    start = {name: generator.normal(size=(BATCH, UNITS)).astype(np.float32) for name in cell.states}
    for state in cell.states:
        for planted in (np.inf, -np.inf, np.nan, 3e38):
            before = {name: value.copy() for name, value in start.items()}
            before[state][1, 2] = planted
            tensors = {name: tf.constant(value) for name, value in before.items()}
            products = tf.unstack(tf.constant(generator.normal(size=shape), tf.float32))
            with tf.GradientTape() as tape:
                tape.watch([projections, products, tensors])
                step = cell.forward_step(projections, products, tensors, activate=lambda name, x: tf.identity(x))
                total = tf.add_n([tf.reduce_sum(step[name]) for name in cell.states])
            d_projections, d_products, d_before = tape.gradient(total, [projections, products, tensors])
            with np.errstate(all="ignore"):
                gradients, direct = cell.backward_step(
                    {name: np.ones((BATCH, UNITS), np.float32) for name in cell.states},
                    kept={name: step[name].numpy() for name in cell.kept},
                    before=before,
                    differentiate=lambda name, upstream: upstream,
                )
            for gate, expected in zip(cell.gates, d_projections, strict=True):
                np.testing.assert_allclose(gradients[f"{gate}_sum"], expected, rtol=1e-5, err_msg=gate)
            for name, expected in zip(cell.products, d_products, strict=True):
                np.testing.assert_allclose(gradients[name], expected, rtol=1e-5, err_msg=name)
            for name, expected in d_before.items():
                if expected is not None:
                    np.testing.assert_allclose(direct[name], expected, rtol=1e-5, err_msg=name)
