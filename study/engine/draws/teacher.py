"""Labels that can be learnt: by a fixed random teacher of the sequence.

The teacher is a leaky linear unit. It takes the inputs before their mean is added, standard normal ones, and one random
sign v a feature, which is a function of the trial's seed and the same at every update:

    score = sum over t of 2^(-age / 4) (x_t . v),    age = timesteps - 1 - t

A timestep counts half of what the one four timesteps later does, so that a recurrent layer of a single linear unit can
be the teacher. A label is whether the score is high:

- `shuffled`: the highest scores of the batch are ones, exactly as many as the label balance says;
- `bernoulli`: scores are normal, and those above their quantile are ones: as many as the label balance says on average.

Scores are sums of whole numbers, of inputs in steps of 2^-12 and weights of a timestep in steps of 2^-16. Such sums are
the same in any order, so that labels have the same bits eagerly, in a graph, under XLA and on any device.
"""

from __future__ import annotations

import math

import numpy as np

from study.engine.draws.streams import BINS, Purpose, bits, normal_table
from study.engine.runtime import tf
from study.engine.tensors import Scalar, Tensor

INPUT_STEPS, WEIGHT_STEPS = 2**12, 2**16
"""In a unit."""

HALVES_EVERY = 4
"""Timesteps."""


def timestep_weights(timesteps: int) -> np.ndarray:
    """What the last timesteps of a sequence count, those that count at all: int64, in steps of 2^-16."""
    ages = np.arange(min(timesteps, HALVES_EVERY * (WEIGHT_STEPS.bit_length() + 1)))[::-1]
    return np.round(WEIGHT_STEPS * 2.0 ** (-ages / HALVES_EVERY)).astype(np.int64)


def scores(seed: Scalar, normals: Tensor) -> Tensor:
    """The teacher's score of every sequence, int64, (batch,): below 2^47, for 4096 features.

    Args:
        seed: Of the trial.
        normals: Standard normal sequences, (batch, timesteps, features).
    """
    weights = timestep_weights(normals.shape[1])
    features = normals.shape[2]
    drawn = bits((features,), seed, tf.constant(0, tf.int64), Purpose.TEACHER)
    signs = tf.where(tf.bitcast(drawn, tf.int32) < 0, tf.constant(-1, tf.int64), tf.constant(1, tf.int64))
    inputs = tf.cast(tf.round(normals[:, -len(weights) :] * INPUT_STEPS), tf.int64)
    return tf.reduce_sum(inputs * weights[:, np.newaxis] * signs, axis=[1, 2])


def labels(scores: Tensor, *, timesteps: int, features: int, label_balance: Scalar, label_sampling: str) -> Tensor:
    """Zeros and ones: float32, (batch, 1).

    Args:
        scores: Of every sequence.
        timesteps: Of a sequence.
        features: Of a timestep.
        label_balance: Fraction of ones; on average for `bernoulli`, in steps of 2^-16. Give a tensor in float64.
        label_sampling: `shuffled` or `bernoulli`.
    """
    label_balance = tf.cast(label_balance, tf.float64)
    if label_sampling == "shuffled":
        batch_size = scores.shape[0]
        place = tf.range(batch_size)
        before = (scores[tf.newaxis] > scores[:, tf.newaxis]) | (
            (scores[tf.newaxis] == scores[:, tf.newaxis]) & (place[tf.newaxis] < place[:, tf.newaxis])
        )
        high = tf.reduce_sum(tf.cast(before, tf.int32), axis=1) < ones(label_balance, batch_size)
    else:
        edges, _ = normal_table()
        thresholds = np.concatenate([[-np.inf], edges[1:].astype(np.float64), [np.inf]])
        threshold = tf.gather(thresholds, tf.cast(tf.round((1 - label_balance) * BINS), tf.int32))
        weights = timestep_weights(timesteps).astype(np.float64)
        deviation = INPUT_STEPS * math.sqrt(features * float(weights @ weights))
        high = tf.cast(scores, tf.float64) * (1 / deviation) >= threshold
    return tf.cast(high, tf.float32)[:, tf.newaxis]


def ones(label_balance: Tensor, batch_size: int) -> Tensor:
    """Number of ones in a batch of `shuffled` labels: the nearest to the balance, halves to even; int32."""
    return tf.cast(tf.round(label_balance * batch_size), tf.int32)
