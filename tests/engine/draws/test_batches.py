"""What a trial is fed: distributions, independence of the streams, and the same bits everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from study.engine.draws import batches, streams
from study.engine.runtime import tf
from study.engine.structure import DIRECTIONS
from study.trial.config import TrialConfig

SHAPE = {"batch_size": 16, "timesteps": 50, "features": 8}
CELL = {"gates": 4, "batch_size": 32, "units": 64}


def inputs(seed, update, *, input_mean=0.0, **shape):
    fed, _ = batches.batch(
        seed,
        update,
        **{**SHAPE, **shape},
        input_mean=input_mean,
        label_balance=0.5,
        labels_shuffled=True,
        task="noise",
    )
    return fed


def draws(seed, update, input_mean, label_balance, rate):
    """Every kind of draw, as a user of the module inside a graph would ask for them."""
    return {
        "inputs": inputs(seed, update, input_mean=input_mean),
        "shuffled": batches.labels(seed, update, batch_size=32, label_balance=label_balance, label_sampling="shuffled"),
        "bernoulli": batches.labels(
            seed, update, batch_size=32, label_balance=label_balance, label_sampling="bernoulli"
        ),
        "recurrent": batches.recurrent_masks(seed, update, layer=1, direction="forward", rate=rate, **CELL),
        "dropout": batches.dropout_mask(seed, update, position=1, rate=rate, shape=(32, 64)),
    }


def tensors(seed=3, update=7, input_mean=0.3, label_balance=5 / 32, rate=0.3):
    return (
        tf.constant(seed, tf.int64),
        tf.constant(update, tf.int64),
        tf.constant(input_mean, tf.float32),
        tf.constant(label_balance, tf.float64),
        tf.constant(rate, tf.float32),
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_draws_have_the_same_bits_eagerly_in_a_graph_and_under_xla(jit_compile):
    eager = draws(*tensors())
    graph = tf.function(draws, jit_compile=jit_compile)(*tensors())
    for name, value in eager.items():
        np.testing.assert_array_equal(value.numpy(), graph[name].numpy(), err_msg=name)


def test_draws_inside_an_xla_loop_have_the_bits_of_those_outside():
    """Where a consumer is fused with the draw, as in a training loop that is one program."""

    @tf.function(jit_compile=True)
    def loop(seed, updates):
        def body(update, total):
            drawn = inputs(seed, update, input_mean=tf.constant(0.3))
            mask = batches.recurrent_masks(
                seed, update, layer=1, direction="forward", rate=tf.constant(0.3), gates=4, batch_size=16, units=8
            )
            return update + 1, tf.maximum(total, drawn * tf.reduce_sum(mask, axis=0)[:, tf.newaxis, :])

        start = tf.fill([SHAPE["batch_size"], SHAPE["timesteps"], SHAPE["features"]], -np.inf)
        return tf.while_loop(lambda update, _: update <= updates, body, [tf.constant(1, tf.int64), start])[1]

    expected = np.full((16, 50, 8), -np.inf, np.float32)
    for update in range(1, 4):
        drawn = inputs(3, update, input_mean=0.3).numpy()
        mask = batches.recurrent_masks(
            3, update, layer=1, direction="forward", rate=0.3, gates=4, batch_size=16, units=8
        )
        # The masks of a unit sum to a whole number of 1 / 0.7, so the order of the sum can matter: one rounding each.
        expected = np.maximum(expected, drawn * mask.numpy().sum(axis=0)[:, np.newaxis, :])
    found = loop(tf.constant(3, tf.int64), tf.constant(3, tf.int64)).numpy()
    np.testing.assert_allclose(found, expected, rtol=3e-7)


def test_inputs_are_standard_normal_about_their_mean():
    x = inputs(0, 1, batch_size=64, timesteps=500, features=16).numpy()
    assert x.dtype == np.float32
    assert x.shape == (64, 500, 16)
    x = x.astype(np.float64).ravel()
    assert abs(x.mean()) < 5 / np.sqrt(x.size)
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / x.size)
    assert abs(stats.kurtosis(x)) < 5 * np.sqrt(24 / x.size)
    assert stats.kstest(x, "norm").pvalue > 1e-3
    shifted = inputs(0, 1, batch_size=64, timesteps=500, features=16, input_mean=2.5).numpy().ravel()
    np.testing.assert_allclose(shifted, x + 2.5, atol=1e-6)


def test_normal_of_all_bit_patterns_has_the_moments_of_the_standard_normal():
    """Not a sample: bins and places of the table are enumerated (every 64th place)."""
    bins = np.arange(2**16, dtype=np.uint32)
    moments = np.zeros(4)
    places = np.arange(0, 2**12, 64, dtype=np.uint32)
    for place in places:
        x = streams.normal(tf.constant(bins << 16 | place)).numpy().astype(np.float64)
        moments += [x.mean(), (x**2).mean(), (x**3).mean(), (x**4).mean()]
    moments /= len(places)
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=3e-3)


@pytest.mark.parametrize(
    ("batch_size", "label_balance", "ones"), [(32, 5 / 32, 5), (32, 0.1, 3), (10, 0.5, 5), (8, 0.0, 0), (8, 1.0, 8)]
)
def test_shuffled_labels_have_the_exact_count_in_another_order_at_every_update(batch_size, label_balance, ones):
    drawn = [
        batches.labels(1, update, batch_size=batch_size, label_balance=label_balance, label_sampling="shuffled").numpy()
        for update in range(1, 21)
    ]
    assert all(y.shape == (batch_size, 1) and set(np.unique(y)) <= {0.0, 1.0} and y.sum() == ones for y in drawn)
    if 0 < ones < batch_size:
        assert len({y.tobytes() for y in drawn}) > 10


def test_shuffled_labels_visit_every_place_equally_often():
    drawn = [
        batches.labels(1, update, batch_size=8, label_balance=0.25, label_sampling="shuffled").numpy().ravel()
        for update in range(1, 801)
    ]
    assert stats.chisquare(np.sum(drawn, axis=0)).pvalue > 1e-3


def test_bernoulli_labels_have_the_right_mean_and_a_varying_count():
    drawn = [
        batches.labels(1, update, batch_size=64, label_balance=0.2, label_sampling="bernoulli").numpy()
        for update in range(1, 201)
    ]
    share = np.mean(drawn)
    assert abs(share - 0.2) < 5 * np.sqrt(0.2 * 0.8 / np.size(drawn))
    assert len({y.sum() for y in drawn}) > 3


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_masks_keep_the_right_share_scaled_to_a_mean_of_one(rate):
    masks = batches.recurrent_masks(
        0, 1, layer=1, direction="forward", rate=rate, gates=4, batch_size=64, units=256
    ).numpy()
    assert masks.shape == (4, 64, 256)
    assert set(np.unique(masks)) == {np.float32(0), 1 / (1 - np.float32(rate))}
    deviation = np.sqrt(rate * (1 - rate) / masks[0].size)
    for gate in masks:
        assert abs((gate > 0).mean() - (1 - rate)) < 5 * deviation


def test_a_rate_of_zero_drops_nothing_and_a_tiny_one_hardly_anything():
    shape = (64, 64, 256)
    np.testing.assert_array_equal(batches.dropout_mask(0, 1, position=0, rate=0.0, shape=shape).numpy(), 1)
    tiny = batches.dropout_mask(0, 1, position=0, rate=1e-6, shape=shape).numpy()
    assert (tiny == 0).sum() < 20
    assert tiny.max() == 1 / (1 - np.float32(1e-6)) > 1


def test_streams_of_seeds_updates_purposes_layers_directions_and_gates_are_uncorrelated():
    shape = {"gates": 4, "batch_size": 64, "units": 64}
    streams = {}
    for seed in (0, 1, 2**31 - 1):
        for update in (1, 2):
            x = inputs(seed, update, batch_size=64, timesteps=8, features=8)
            streams["inputs", seed, update] = x
            for position in (0, 1):
                mask = batches.dropout_mask(seed, update, position=position, rate=0.5, shape=(64, 64))
                streams["dropout", seed, update, position] = mask
            for layer in (1, 2):
                for direction in DIRECTIONS:
                    masks = batches.recurrent_masks(seed, update, layer=layer, direction=direction, rate=0.5, **shape)
                    for gate in range(4):
                        streams["recurrent", seed, update, layer, direction, gate] = masks[gate]
    values = np.array([value.numpy().ravel() for value in streams.values()])
    correlation = np.corrcoef(values) - np.eye(len(values))
    # 114 streams are 6441 pairs of 4096 numbers; one of them beyond 5.5 deviations has a chance of 3e-4.
    assert np.abs(correlation).max() < 5.5 / np.sqrt(values.shape[1])


def test_initial_weights_are_keras_defaults_and_a_function_of_the_seed():
    config = TrialConfig(
        units=24, layers=2, features=5, bidirectional=True, front_end="conv1d", batch_norm="output", seed=4
    )
    weights = batches.initial_weights(config)
    shapes = {name: value.shape for name, value in weights.items()}
    assert shapes == {
        "front_end/kernel": (3, 5, 5),
        "front_end/bias": (5,),
        "lstm_1/forward/kernel": (5, 96),
        "lstm_1/forward/recurrent_kernel": (24, 96),
        "lstm_1/forward/bias": (96,),
        "lstm_1/backward/kernel": (5, 96),
        "lstm_1/backward/recurrent_kernel": (24, 96),
        "lstm_1/backward/bias": (96,),
        "lstm_2/forward/kernel": (48, 96),
        "lstm_2/forward/recurrent_kernel": (24, 96),
        "lstm_2/forward/bias": (96,),
        "lstm_2/backward/kernel": (48, 96),
        "lstm_2/backward/recurrent_kernel": (24, 96),
        "lstm_2/backward/bias": (96,),
        "output_norm/gamma": (48,),
        "output_norm/beta": (48,),
        "dense/kernel": (48, 1),
        "dense/bias": (1,),
    }
    kernel = weights["lstm_2/forward/kernel"]
    limit = np.sqrt(6 / (48 + 96))  # glorot uniform: X. Glorot and Y. Bengio, 2010
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    assert abs(kernel.std() - limit / np.sqrt(3)) < 0.02 * limit
    recurrent = weights["lstm_1/forward/recurrent_kernel"]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(24), atol=1e-5)
    np.testing.assert_array_equal(weights["lstm_1/forward/bias"].reshape(4, 24), np.outer([0, 1, 0, 0], np.ones(24)))
    again = batches.initial_weights(config.model_copy(update={"learning_rate": 0.1}))
    other = batches.initial_weights(config.model_copy(update={"seed": 5}))
    drawn = [name for name in weights if "kernel" in name]
    for name in drawn:
        np.testing.assert_array_equal(weights[name], again[name])
        assert not np.array_equal(weights[name], other[name])
    same_shape = [weights[name] for name in drawn if weights[name].shape == (24, 96)]
    assert not any(np.array_equal(a, b) for i, a in enumerate(same_shape) for b in same_shape[:i])
