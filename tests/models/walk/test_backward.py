"""Losses, gradients and the optimizer: where they stop being finite while the way forward is finite."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from study.trial.model_sentence import sentence
from tests.models.small import compiled, constant, fresh, onset_of, sequences

LARGEST = float(np.finfo(np.float32).max)


def dense(units: int = 1, **options: Any) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.Dense(units, name="out", **options)])


def table(draw: np.random.Generator, samples: int = 32) -> np.ndarray:
    return draw.standard_normal((samples, 4)).astype("float32")


# --- the loss -------------------------------------------------------------------------------------------------------


def test_the_operation_and_the_line_of_an_own_loss_are_told() -> None:
    def by_hand(y: Any, p: Any) -> Any:
        return ops.mean(ops.sqrt(p - y), axis=-1)

    x = table(fresh())
    y = np.full((32, 1), -100, "float32")
    y[13] = 100
    onset = onset_of(compiled(dense(), loss=by_hand), x, y)
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor, onset.row) == ("loss", None, "sqrt", 13)
    assert str(onset.source).startswith("test_backward.py:")
    assert onset.operands["out - y"] == pytest.approx(-100, rel=0.1)


def test_a_loss_of_keras_s_own_is_told_as_the_loss() -> None:
    x, y = table(fresh()), np.zeros((32, 1), "float32")
    y[7] = 3e19
    onset = onset_of(compiled(dense()), x, y)
    assert onset is not None
    # 3e19 squared is 9e38.
    assert (onset.phase, onset.layer, onset.tensor, onset.row, onset.value) == ("loss", None, "loss", 7, "inf")
    assert onset.source is None


def test_of_several_outputs_the_one_is_told_whose_loss_broke() -> None:
    inputs = keras.Input((4,))
    outputs = [layers.Dense(1, name="tame")(inputs), layers.Dense(1, name="wild", kernel_initializer="zeros")(inputs)]
    model = compiled(keras.Model(inputs, outputs), loss=["mse", lambda y, p: -ops.log(p)])
    x = table(fresh())
    onset = onset_of(model, x, [x[:, :1], x[:, :1]])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("loss", "wild", "log")
    assert onset.operands == {"wild": 0.0}


def test_a_loss_added_by_a_layer_is_told_in_that_layer() -> None:
    class Adding(layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            self.add_loss(ops.mean(ops.exp(ops.abs(x) * 1e3)))
            return x

    x = table(fresh())
    model = compiled(keras.Sequential([keras.Input((4,)), Adding(name="adding"), layers.Dense(1)]))
    onset = onset_of(model, x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("forward", "adding", "exp")


def test_a_regularizer_is_told_with_its_weight() -> None:
    inputs = keras.Input((4,))
    hidden = layers.Dense(3, kernel_initializer="zeros")(inputs)
    output = layers.Dense(1, name="out", kernel_initializer=constant(1e20), kernel_regularizer="l2")(hidden)
    x = table(fresh())
    onset = onset_of(compiled(keras.Model(inputs, output)), x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("loss", "out", "regularizer of out/kernel")


def test_a_norm_of_zeros_in_an_own_regularizer_is_told_with_its_weight() -> None:
    def norm(weight: Any) -> Any:
        return 1e-3 * ops.sqrt(ops.sum(ops.square(weight)))

    x = table(fresh())
    model = compiled(
        keras.Sequential([keras.Input((4,)), layers.Dense(3, bias_regularizer=norm, name="wide"), layers.Dense(1)])
    )
    onset = onset_of(model, x, x[:, :1])
    assert onset is not None
    # The derivative of a root at 0, where every bias begins.
    assert (onset.phase, onset.layer) == ("backward", "wide")
    assert onset.tensor == "gradient of regularizer of sequential/wide/bias"
    assert str(onset.source).startswith("test_backward.py:")
    assert "the gradient of the regularizer of sequential/wide/bias became infinite" in sentence(onset)


def test_what_a_training_step_computes_itself_after_the_model_is_the_loss() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> dict[str, Any]:
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.math.log(self(x, training=True) - y))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return {"loss": loss}

    inputs = keras.Input((4,))
    x = table(fresh())
    onset = onset_of(compiled(Own(inputs, layers.Dense(1)(inputs)), loss=None), x, np.full((32, 1), 50, "float32"))
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor, onset.value) == ("loss", None, "log", "nan")


@pytest.mark.parametrize("into_a_layer", [False, True])
def test_between_two_models_a_training_step_computes_the_loss_of_one_or_the_input_of_the_other(
    into_a_layer: bool,
) -> None:
    class Critic(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> dict[str, Any]:
            x, _ = data
            with tf.GradientTape() as tape:
                real = tf.math.log(self(x, training=True) - 50)
                fake = self(real * tf.ones(4) if into_a_layer else -x, training=True)
                loss = tf.reduce_mean(fake) if into_a_layer else tf.reduce_mean(real + fake)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            return {"d_loss": loss}

    inputs = keras.Input((4,))
    x = table(fresh())
    onset = onset_of(compiled(Critic(inputs, layers.Dense(1)(inputs)), loss=None), x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.tensor) == ("forward" if into_a_layer else "loss", "log")


# --- gradients ------------------------------------------------------------------------------------------------------


def singular(function: Any, name: str = "singular") -> keras.Model:
    """A layer whose input is 0 in every row, with a function that has a value there and no derivative."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(3, kernel_initializer="zeros", name="before")(inputs)
    hidden = layers.Lambda(function, name=name)(hidden)
    return compiled(keras.Model(inputs, layers.Dense(1, name="after")(hidden)))


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda v: ops.sqrt(v), "sqrt"),
        (lambda v: ops.norm(v, axis=-1, keepdims=True), "norm"),
        (lambda v: ops.arccos(v + 1), "arccos"),
        (lambda v: ops.power(v, 0.5), "power"),
        (lambda v: v**0.5, "power"),
    ],
)
def test_a_derivative_that_is_not_finite_is_told_by_its_operation(function: Any, operation: str) -> None:
    x = table(fresh())
    onset = onset_of(singular(function), x, x[:, :1] + 1)
    assert onset is not None
    assert (onset.phase, onset.layer) == ("backward", "singular")
    assert onset.tensor in (f"gradient of singular/{operation}", "gradient of singular/pow")
    assert str(onset.source).startswith("test_backward.py:")
    assert onset.row == 0


def test_the_derivative_of_the_branch_that_was_not_chosen_is_told() -> None:
    x = table(fresh())
    onset = onset_of(singular(lambda v: ops.where(v > 0, ops.log(v), v)), x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("backward", "singular", "gradient of singular/log")
    assert onset.row == 0


@pytest.mark.usefixtures("xla")
@pytest.mark.parametrize(
    ("function", "phase", "tensor"),
    [
        (lambda v: ops.where(v > 0, ops.sqrt(v), 0.0), "backward", "gradient of singular/sqrt"),
        # Their derivatives are made of what they gave, which is infinite.
        (lambda v: ops.where(v > 0, ops.rsqrt(v), 0.0), "forward", "rsqrt"),
        (lambda v: ops.where(v > 0, ops.reciprocal(v), 0.0), "forward", "reciprocal"),
    ],
)
def test_a_derivative_that_only_xla_has_not_finite_is_told_where_xla_compiles(
    function: Any, phase: str, tensor: str
) -> None:
    x = table(fresh())
    model = singular(function)
    assert onset_of(compiled(model, jit_compile=False), x, x[:, :1]) is None
    onset = onset_of(compiled(model, jit_compile=True), x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == (phase, "singular", tensor)
    assert (onset.row, onset.warning) == (0, None)


def test_a_number_that_was_not_chosen_is_told_where_the_derivative_uses_it() -> None:
    x = table(fresh())
    onset = onset_of(singular(lambda v: ops.where(v > 0, ops.exp(v + 100), v)), x, x[:, :1])
    assert onset is not None
    # The derivative of exp is what it gave, and infinity times 0 is NaN.
    assert (onset.phase, onset.layer, onset.tensor, onset.value) == ("forward", "singular", "exp", "inf")


def test_a_gradient_that_grows_through_time_is_told_by_its_timestep() -> None:
    draw = fresh()
    length, factor = 200, 5.0
    memory = layers.SimpleRNN(
        1,
        activation="linear",
        use_bias=False,
        kernel_initializer="zeros",
        recurrent_initializer=constant(factor),
        name="memory",
    )
    model = compiled(
        keras.Sequential([keras.Input((length, 1)), memory]), loss=lambda y, p: ops.sum(p, axis=-1), jit_compile=False
    )
    onset = onset_of(model, sequences(draw, samples=1, timesteps=length, features=1), np.zeros((1, 1)))
    # The upstream gradient of the last timestep is 1, and 5 times that a timestep before.
    steps = int(np.floor(np.log(LARGEST) / np.log(factor)))
    assert onset is not None
    assert (onset.phase, onset.layer) == ("backward", "memory")
    assert onset.timestep == length - 1 - steps
    assert onset.tensor in ("gradient of memory", "gradient of memory/hidden_sum")


def test_a_sum_of_gradients_over_the_batch_is_told_as_the_weight_s() -> None:
    draw = fresh()
    huge = 1e37
    model = compiled(dense(use_bias=False), loss=lambda y, p: ops.sum(p * huge, axis=-1))
    x = np.full((64, 4), 1.0, "float32")
    x[:, 2] = draw.uniform(50, 60, 64)
    model.layers[0].kernel.assign(np.zeros((4, 1)))
    onset = onset_of(model, x, np.zeros((64, 1)), batch_size=64)
    assert onset is not None
    # 64 rows of 1e37 x 55 / 64 add up to 5.5e38.
    assert (onset.phase, onset.layer) == ("backward", "out")
    assert onset.tensor == "gradient of sequential/out/kernel"
    assert onset.index == (2, 0)
    assert (onset.sample, onset.row) == (None, None)


# --- the optimizer --------------------------------------------------------------------------------------------------


def test_words_that_never_came_divide_zero_by_zero_without_an_epsilon() -> None:
    draw = fresh()
    words = draw.integers(0, 30, (32, 5))
    words[words == 11] = 12
    model = keras.Sequential(
        [keras.Input((5,), dtype="int32"), layers.Embedding(30, 4, name="words"), layers.Flatten()]
    )
    onset = onset_of(compiled(model, optimizer=keras.optimizers.Adam(epsilon=0.0)), words, np.ones((32, 20)))
    first = min(set(range(30)) - set(words.ravel().tolist()))
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("optimizer", "words", "sequential/words/embeddings")
    assert (onset.index, onset.value) == ((first, 0), "nan")
    assert set(onset.operands.values()) == {0.0}


def test_a_step_beyond_the_largest_number_is_told_as_the_weight() -> None:
    x = table(fresh())
    onset = onset_of(compiled(dense(), optimizer=keras.optimizers.SGD(3e38)), x, x[:, :1] * 100)
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("optimizer", "out", "sequential/out/kernel")


def test_a_momentum_that_overflows_is_told_by_its_own_path() -> None:
    x = table(fresh())
    optimizer = keras.optimizers.SGD(1e20, momentum=0.9)
    onset = onset_of(compiled(dense(use_bias=False), optimizer=optimizer, loss=lambda y, p: p * 1e20), x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("optimizer", "out", "sgd/sequential_out_kernel_momentum")


def test_a_square_that_overflows_in_the_optimizer_is_told_at_the_update_where_it_did() -> None:
    """Adam's second moment overflows by a gradient of 1e21; that step is 0, and the next takes infinity from itself."""
    fresh()
    y = np.zeros((96, 1), "float32")
    y[32:] = 1e21
    model = dense(kernel_initializer="zeros", use_bias=False)
    model.compile(keras.optimizers.Adam(1e-3), loss=lambda y, p: ops.mean(p * y, axis=-1))
    onset = onset_of(model, np.ones((96, 4), "float32"), y)
    assert onset is not None
    assert (onset.update, onset.phase, onset.layer, onset.value) == (2, "optimizer", "out", "inf")
    assert onset.tensor == "adam/sequential_out_kernel_velocity"
    assert "overflowed" in sentence(onset)


def test_a_constraint_that_divides_by_zero_is_told_with_its_line() -> None:
    class Norm(keras.constraints.Constraint):  # type: ignore[misc]
        def __call__(self, w: Any) -> Any:
            return w / ops.norm(w * 0)

    x = table(fresh())
    onset = onset_of(compiled(dense(kernel_constraint=Norm())), x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("optimizer", "out", "sequential/out/kernel")
    assert str(onset.source).startswith("test_backward.py:")


def test_clipping_an_infinite_gradient_is_told_where_the_gradient_became_infinite() -> None:
    x = table(fresh())
    model = singular(lambda v: ops.sqrt(v))
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=1.0), "mse")
    onset = onset_of(model, x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.layer) == ("backward", "singular")


def test_a_moving_mean_that_overflows_is_told_though_the_loss_is_finite() -> None:
    x = table(fresh()) * 1e22
    normalised = layers.BatchNormalization(name="norm")
    model = keras.Sequential([keras.Input((4,)), normalised, layers.Dense(1, kernel_initializer="zeros")])
    onset = onset_of(compiled(model), x, x[:, :1] * 0)
    assert onset is not None
    assert (onset.layer, onset.tensor) == ("norm", "sequential/norm/moving_variance")


def test_a_weight_that_was_never_finite_is_told_in_the_layer_that_reads_it() -> None:
    x = table(fresh())
    model = compiled(dense())
    kernel = model.layers[0].kernel.numpy()
    kernel[2, 0] = np.nan
    model.layers[0].kernel.assign(kernel)
    onset = onset_of(model, x, x[:, :1])
    assert onset is not None
    assert (onset.phase, onset.layer, onset.tensor) == ("forward", "out", "sequential/out/kernel")
    assert onset.index == (2, 0)
    assert sentence(onset) == "At update 1 sequential/out/kernel was NaN already before it (index 2, 0)."
