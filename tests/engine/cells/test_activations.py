"""Activations and their derivatives, against TensorFlow's and Keras's own."""

from __future__ import annotations

import numpy as np
import pytest

from study.engine import keras_2_2_4
from study.engine.cells import activations
from study.engine.compiled import model
from study.engine.runtime import keras, tf

EDGES = np.array([-np.inf, -1e30, -7, -3, -1, -1e-3, 0, 1e-3, 1, 3, 6, 7, 1e30, np.inf, np.nan], np.float32)


@pytest.mark.parametrize("semantics", ["keras-3", "keras-2.2.4"])
def test_activations_and_their_gradients_are_tensorflows_at_kinks_infinities_and_nan(semantics):
    """Except where an output is NaN: then the loss is as well."""
    upstream = np.array([1, 0, np.inf, np.nan], np.float32)
    x, d = (part.ravel() for part in np.meshgrid(EDGES, upstream))

    def ours(x, d):
        values = {}
        for name in activations.ACTIVATIONS:
            y = activations.functions(semantics)[name](x)
            values[name] = y, activations.gate_gradient(name, d, y, semantics=semantics)
        return values

    found = tf.function(ours, jit_compile=True)(tf.constant(x), tf.constant(d))

    def theirs(function, x, d):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return y, tape.gradient(y, x, output_gradients=d)

    for name, (y, gradient) in found.items():
        function = keras.activations.get(name)
        if name == "hard_sigmoid" and semantics == "keras-2.2.4":
            function = keras_2_2_4.hard_sigmoid
        expected, expected_gradient = tf.function(theirs)(function, tf.constant(x), tf.constant(d))
        np.testing.assert_allclose(y, expected, rtol=2e-6, atol=1e-7, err_msg=name)
        finite = ~np.isnan(y)
        np.testing.assert_allclose(
            gradient.numpy()[finite], expected_gradient.numpy()[finite], rtol=1e-4, atol=1e-6, err_msg=name
        )


def test_activations_chosen_by_number_are_those_of_the_name():
    x = tf.constant(EDGES)
    for name in activations.ACTIVATIONS:
        number = tf.constant(activations.number_of(name))
        expected = activations.functions("keras-3")[name](x)
        np.testing.assert_array_equal(activations.activation(number, x, semantics="keras-3"), expected)
        slope = activations.derivatives("keras-3")[name](expected)
        np.testing.assert_array_equal(activations.derivative(number, expected, semantics="keras-3")[0], slope)
        if name in model.FRONT_END_ACTIVATIONS:
            chosen = activations.selected(number, x, model.FRONT_END_ACTIVATIONS, semantics="keras-3")
            np.testing.assert_array_equal(chosen, expected)
