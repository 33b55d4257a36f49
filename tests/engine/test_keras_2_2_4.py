"""The older arithmetic against tf_keras, which still has most of it, and against the formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest

from study.engine import keras_2_2_4
from study.engine.draws import batches
from study.engine.reference.engine import run
from study.engine.runtime import keras, tf
from study.trial.config import TrialConfig

tf_keras = pytest.importorskip("tf_keras")


def optimizer_and_weights(rule, *, learning_rate, clipnorm, values):
    optimizer = keras_2_2_4.Optimizer(rule, learning_rate=learning_rate, clipnorm=clipnorm)
    weights = [keras.Variable(value) for value in values]
    optimizer.build(weights)
    return optimizer, weights


def test_hard_sigmoid_is_that_of_tf_keras():
    x = np.linspace(-4, 4, 2001, dtype=np.float32)
    x = np.append(x, [-np.inf, np.inf, 1e30]).astype(np.float32)
    x = tf.constant(x)
    np.testing.assert_array_equal(keras_2_2_4.hard_sigmoid(x), tf_keras.backend.hard_sigmoid(x))
    np.testing.assert_array_equal(keras_2_2_4.hard_sigmoid(x), tf_keras.activations.hard_sigmoid(x))
    assert not np.allclose(keras_2_2_4.hard_sigmoid(x), keras.activations.hard_sigmoid(x), atol=1e-2)


@pytest.mark.parametrize("clipnorm", [None, 1.0])
@pytest.mark.parametrize(
    ("rule", "legacy"), [("nadam", "Nadam"), ("adam", "Adam"), ("rmsprop", "RMSprop"), ("sgd", "SGD")]
)
def test_optimizers_follow_those_of_tf_keras_for_60_steps(rule, legacy, clipnorm):
    """tf_keras.optimizers.legacy is the 2.2.4 line's code; its Nadam has schedule_decay=0.004 by default."""
    random = np.random.default_rng(0)
    values = [random.normal(size=shape).astype(np.float32) for shape in ((5, 4), (4,), (7,))]
    optimizer, ours = optimizer_and_weights(rule, learning_rate=3e-3, clipnorm=clipnorm, values=values)
    theirs = [tf.Variable(value) for value in values]
    reference = getattr(tf_keras.optimizers.legacy, legacy)(learning_rate=3e-3, global_clipnorm=clipnorm)
    clipped = 0
    for step in range(60):
        scale = 10.0 ** random.uniform(-3, 1)
        gradients = [tf.constant(scale * random.normal(size=value.shape), tf.float32) for value in values]
        clipped += np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients)) > 1
        optimizer.apply(gradients, ours)
        reference.apply_gradients(zip(gradients, theirs, strict=True))
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=2e-5, atol=2e-6, err_msg=f"step {step + 1}")
    assert 10 < clipped < 50  # both sides of the threshold were met


def test_nadam_keeps_its_momentum_near_half_of_beta_1_unlike_keras_3():
    """Formula in float64: 0.9 (1 - 0.5 * 0.96**(0.004 t)); at t = 300 still 0.4715, Keras 3's is 0.9."""
    for step in (1, 2, 50, 300):
        expected = 0.9 * (1 - 0.5 * 0.96 ** (0.004 * step))
        np.testing.assert_allclose(keras_2_2_4.nadam_momentum(tf.constant(float(step))), expected, rtol=1e-6)
    optimizer, ours = optimizer_and_weights("nadam", learning_rate=1e-2, clipnorm=None, values=[np.ones(1, "f")])
    plain, theirs = keras.optimizers.Nadam(1e-2), [keras.Variable(np.ones(1, "f"))]
    for step in range(30):
        gradient = tf.constant([np.cos(step)], tf.float32)
        optimizer.apply([gradient], ours)
        plain.apply([gradient], theirs)
    assert abs(ours[0].numpy() - theirs[0].numpy()) > 1e-3


def test_rmsprop_adds_epsilon_outside_the_root():
    """One step from zero: lr g / (sqrt(0.1) |g| + 1e-7), which tells the two forms apart where g is tiny."""
    optimizer, weights = optimizer_and_weights("rmsprop", learning_rate=1.0, clipnorm=None, values=[np.zeros(1, "f")])
    optimizer.apply([tf.constant([1e-6])], weights)
    np.testing.assert_allclose(weights[0].numpy(), -1e-6 / (np.sqrt(0.1) * 1e-6 + 1e-7), rtol=1e-5)


def test_the_constraint_is_applied_after_the_step():
    optimizer = keras_2_2_4.Optimizer("sgd", learning_rate=1.0, clipnorm=None)
    weight = keras.Variable(np.ones((4, 2), np.float32))
    weight.constraint = keras.constraints.MaxNorm(0.5, axis=0)
    optimizer.build([weight])
    optimizer.apply([tf.constant(np.full((4, 2), -1, np.float32))], [weight])
    np.testing.assert_allclose(np.linalg.norm(weight.numpy(), axis=0), 0.5, rtol=1e-6)


@pytest.mark.parametrize("clipnorm", [0.5, 5.0, 50.0])
def test_gradients_are_clipped_by_their_common_norm(clipnorm):
    random = np.random.default_rng(1)
    gradients = [random.normal(size=shape).astype(np.float32) for shape in ((6, 3), (9,))]
    norm = np.sqrt(sum(np.sum(np.square(gradient, dtype=np.float64)) for gradient in gradients))
    factor = clipnorm / norm if norm >= clipnorm else 1.0
    clipped = keras_2_2_4.clip_by_global_norm([tf.constant(gradient) for gradient in gradients], clipnorm)
    reference, _ = tf.clip_by_global_norm([tf.constant(gradient) for gradient in gradients], clipnorm)
    for gradient, found, other in zip(gradients, clipped, reference, strict=True):
        np.testing.assert_allclose(found, factor * gradient, rtol=1e-6)
        np.testing.assert_allclose(found, other, rtol=1e-6)


def test_an_infinite_norm_clips_finite_gradients_to_zero_and_a_nan_norm_clips_nothing():
    """From the branch `n >= c` of `clip_norm`: g * (c / n), else g."""
    finite, infinite, nan = tf.constant([1.0, -2.0]), tf.constant([np.inf, 3.0]), tf.constant([np.nan, 3.0])
    first, second = keras_2_2_4.clip_by_global_norm([finite, infinite], 1.0)
    np.testing.assert_array_equal(first, [0, 0])
    np.testing.assert_array_equal(second, [np.nan, 0])
    overflowing = keras_2_2_4.clip_by_global_norm([tf.constant([1e30, 1.0])], 1.0)[0]
    np.testing.assert_array_equal(overflowing, [0, 0])
    first, second = keras_2_2_4.clip_by_global_norm([finite, nan], 1.0)
    np.testing.assert_array_equal(first, [1, -2])
    np.testing.assert_array_equal(second, [np.nan, 3])


def test_cross_entropy_is_that_of_clipped_probabilities():
    probabilities = np.array([[0.3], [0.9], [1e-4], [0.5]], np.float32)
    labels = np.array([[1], [0], [1], [0]], np.float32)
    p = probabilities.astype(np.float64)
    expected = -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    found = keras_2_2_4.binary_crossentropy(tf.constant(labels), tf.constant(probabilities))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_infinite_activation_gives_a_finite_loss_and_a_gradient_of_nan():
    """The route to NaN in 2.2.4: loss -log(1e-7), then zero times infinity in the gradient of the Dense kernel."""
    kernel = tf.Variable([[1.0], [1.0]])
    activations = tf.constant([[np.inf, 1.0]])
    with tf.GradientTape() as tape:
        loss = keras_2_2_4.binary_crossentropy(tf.constant([[0.0]]), tf.nn.sigmoid(activations @ kernel))
    # 1 - 1e-7 in float32 is 1 - 2**-23.
    np.testing.assert_allclose(loss, -np.log(2.0**-23), rtol=1e-6)
    np.testing.assert_array_equal(tape.gradient(loss, kernel), [[np.nan], [0]])


@pytest.mark.parametrize(
    "axes",
    [
        {},
        {"layers": 2, "optimizer": "rmsprop"},
        {"bidirectional": True, "stateful": True, "activation": "tanh"},
        {"optimizer": "adam", "clipnorm": 0.01, "max_norm": None},
    ],
    ids=["mre", "stacked_rmsprop", "bidirectional_stateful", "adam_clipped"],
)
def test_a_trial_follows_a_tf_keras_model_update_by_update(axes):
    config = TrialConfig(
        semantics="keras-2.2.4",
        units=6,
        timesteps=20,
        features=5,
        batch_size=8,
        recurrent_dropout=0.0,
        learning_rate=1e-2,
        updates=12,
        **axes,
    )
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    constraint = None if config.max_norm is None else tf_keras.constraints.MaxNorm(config.max_norm, axis=0)
    model = tf_keras.Sequential([layers.InputLayer(batch_input_shape=(8, 20, 5))])
    for layer in range(config.layers):
        lstm = layers.LSTM(
            config.units,
            activation=config.activation,
            recurrent_activation="hard_sigmoid",
            kernel_constraint=constraint,
            recurrent_constraint=constraint,
            return_sequences=layer < config.layers - 1,
            stateful=config.stateful,
        )
        model.add(layers.Bidirectional(lstm) if config.bidirectional else lstm)
    model.add(layers.Dense(1, activation="sigmoid"))

    def loss(labels, probabilities):
        p = tf.clip_by_value(probabilities, 1e-7, 1 - 1e-7)
        return -tf.reduce_mean(labels * tf.math.log(p) + (1 - labels) * tf.math.log(1 - p))

    names = {"nadam": "Nadam", "adam": "Adam", "rmsprop": "RMSprop"}
    optimizer = getattr(tf_keras.optimizers.legacy, names[config.optimizer])
    model.compile(optimizer=optimizer(config.learning_rate, global_clipnorm=config.clipnorm), loss=loss)
    model.set_weights(list(batches.initial_weights(config).values()))
    expected = []
    for update in range(1, config.updates + 1):
        x = batches.normals(config.seed, update, batch_size=8, timesteps=20, features=5)
        y = batches.labels(
            config.seed, update, batch_size=8, label_balance=config.label_balance, label_sampling="shuffled"
        )
        expected.append(model.train_on_batch(x, y))
    np.testing.assert_allclose(run([config])[0].loss, expected, rtol=2e-5)
