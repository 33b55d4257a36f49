"""The growth that leads to a NaN, in a few figures an update that cost next to nothing to take."""

from __future__ import annotations

import math
from collections.abc import Sequence

from study.engine.cells.base import Cell
from study.engine.cells.recurrence import Probe, probed_timesteps
from study.engine.compiled import optimizer
from study.engine.runtime import tf
from study.engine.tensors import Tensor
from study.trial.growth import STATE_FIGURES


def figures(
    *,
    cell: Cell,
    loss: Tensor,
    probes: Sequence[Probe],
    timesteps: int,
    gradients: Sequence[Tensor],
    weights: Tensor,
    initial: Tensor,
) -> Tensor:
    """The loss and the figures of an update, a vector: (1 + len(cell.figures),).

    Args:
        cell: Of the layers.
        loss: A scalar.
        probes: Of every recurrence.
        timesteps: Length of a sequence.
        gradients: Of all weights, before clipping; their squares are summed up for the clipping too, and computed once.
        weights: All weights after the update, a vector.
        initial: All weights that the trial began with, a vector.
    """
    largest = tf.stack([probe.largest for probe in probes])  # (recurrences, states, probed)
    at_the_end = tf.reduce_max(largest[:, :, -1], axis=0)
    rates = fastest(largest, timesteps=timesteps)
    by_name = {
        **{STATE_FIGURES[state][0]: at_the_end[place] for place, state in enumerate(cell.states)},
        **{STATE_FIGURES[state][1]: rates[place] for place, state in enumerate(cell.states)},
        "gradient_norm": tf.sqrt(tf.add_n([optimizer.sum_of_squares(gradient) for gradient in gradients])),
        "weight_norm": tf.norm(weights),
        "weight_distance": tf.norm(weights - initial),
    }
    return tf.stack([loss, *(by_name[name] for name in cell.figures)])


def fastest(largest: Tensor, *, timesteps: int) -> Tensor:
    """Growth rates of the largest magnitude of every state, (states,), where they are fastest; from (recurrences,
    states, probed timesteps)."""
    rates = growth_rate(largest, timesteps=timesteps)
    return tf.reduce_max(tf.where(tf.math.is_nan(rates), -math.inf, rates), axis=0)


def growth_rate(largest: Tensor, *, timesteps: int) -> Tensor:
    """Slope of log `largest`, (..., probed timesteps), over the timesteps: the least-squares line's, per timestep.

    Values that are zero or not finite are left out; where fewer than two are left, it is NaN.
    """
    logs = tf.math.log(largest)
    counts = tf.math.is_finite(logs)
    share = tf.cast(counts, tf.float32)
    share /= tf.reduce_sum(share, axis=-1, keepdims=True)
    t = tf.constant(probed_timesteps(timesteps), tf.float32)
    y = tf.where(counts, logs, 0.0)
    t = t - tf.reduce_sum(share * t, axis=-1, keepdims=True)
    y = y - tf.reduce_sum(share * y, axis=-1, keepdims=True)
    return tf.reduce_sum(share * t * y, axis=-1) / tf.reduce_sum(share * t * t, axis=-1)
