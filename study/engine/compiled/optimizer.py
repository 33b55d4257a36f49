"""Optimizers, gradient clipping and the MaxNorm constraint as pure functions over plain tensors.

An optimizer works on all weights at once, laid end to end in one vector: the step is elementwise, and one vector needs
a handful of kernels where twenty tensors need twenty times as many to be compiled.

Keras 3's rules stand here, formulas as in `keras/src/optimizers/{nadam,adam,rmsprop,sgd}.py`; those of Keras 2.2.4
are in `keras_2_2_4`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from study.engine import keras_2_2_4
from study.engine.runtime import tf
from study.engine.tensors import Tensor

EPSILON = 1e-7
"""Keras's default, of the optimizers and of MaxNorm."""


class Rule(Protocol):
    """One step of an optimizer; arguments as in `keras_2_2_4.nadam`."""

    def __call__(
        self,
        weight: Tensor,
        gradient: Tensor,
        slots: Sequence[Tensor],
        /,
        *,
        step: Tensor,
        learning_rate: Tensor,
        momentum_product: Tensor,
    ) -> tuple[Tensor, tuple[Tensor, ...]]: ...


def nadam_momentum(step: Tensor) -> Tensor:
    """u_t = 0.9 (1 - 0.5 * 0.96**t), with t = `step`, from 1: the momentum of one update."""
    return tf.constant(0.9) * (1.0 - 0.5 * tf.pow(tf.constant(0.96), step))


def nadam(
    weight: Tensor,
    gradient: Tensor,
    slots: Sequence[Tensor],
    *,
    step: Tensor,
    learning_rate: Tensor,
    momentum_product: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """T. Dozat, "Incorporating Nesterov momentum into Adam", 2015."""
    beta_1, beta_2 = tf.constant(0.9), tf.constant(0.999)
    momentum, next_momentum = nadam_momentum(step), nadam_momentum(step + 1)
    mean = slots[0] + (gradient - slots[0]) * (1 - beta_1)
    mean_square = slots[1] + (tf.square(gradient) - slots[1]) * (1 - beta_2)
    direction = next_momentum * mean / (1 - momentum_product * next_momentum) + (1 - momentum) * gradient / (
        1 - momentum_product
    )
    unbiased_square = mean_square / (1 - tf.pow(beta_2, step))
    return weight - direction * learning_rate / (tf.sqrt(unbiased_square) + EPSILON), (mean, mean_square)


def adam(
    weight: Tensor,
    gradient: Tensor,
    slots: Sequence[Tensor],
    *,
    step: Tensor,
    learning_rate: Tensor,
    momentum_product: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015."""
    beta_1, beta_2 = tf.constant(0.9), tf.constant(0.999)
    mean = slots[0] + (gradient - slots[0]) * (1 - 0.9)
    mean_square = slots[1] + (tf.square(gradient) - slots[1]) * (1 - 0.999)
    rate = learning_rate * tf.sqrt(1 - tf.pow(beta_2, step)) / (1 - tf.pow(beta_1, step))
    return weight - mean * rate / (tf.sqrt(mean_square) + EPSILON), (mean, mean_square)


def rmsprop(
    weight: Tensor,
    gradient: Tensor,
    slots: Sequence[Tensor],
    *,
    step: Tensor,
    learning_rate: Tensor,
    momentum_product: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """T. Tieleman and G. Hinton, Lecture 6.5 of "Neural networks for machine learning", 2012."""
    mean_square = 0.9 * slots[0] + (1 - 0.9) * tf.square(gradient)
    return weight - learning_rate * gradient / tf.sqrt(mean_square + EPSILON), (mean_square,)


RULES: dict[str, dict[str, tuple[Rule, int]]] = {
    "keras-3": {"nadam": (nadam, 2), "adam": (adam, 2), "rmsprop": (rmsprop, 1), "sgd": (keras_2_2_4.sgd, 0)},
    "keras-2.2.4": dict(keras_2_2_4.RULES),
}
"""Semantics -> name of an optimizer -> its rule and the number of slots for each weight."""

NADAM_MOMENTUM = {"keras-3": nadam_momentum, "keras-2.2.4": keras_2_2_4.nadam_momentum}


def clip(gradients: Mapping[str, Tensor], clipnorm: Tensor, *, semantics: str) -> dict[str, Tensor]:
    """Gradients scaled down to a norm of `clipnorm` where theirs is larger; infinity stands for no clipping.

    R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", 2013. Keras 3's
    `clipnorm` takes each tensor by its own norm, as `tf.clip_by_norm`; Keras 2.2.4's takes all by their common one, as
    `keras_2_2_4.clip_by_global_norm`. What an infinite or a NaN norm makes of the gradients is as there.
    """
    squares = {name: sum_of_squares(gradient) for name, gradient in gradients.items()}
    clips = clipnorm < float("inf")
    if semantics == "keras-2.2.4":
        norm = tf.sqrt(tf.add_n(list(squares.values())))
        factor = tf.where(clips & (norm >= clipnorm), clipnorm / norm, 1.0)
        return {name: factor * gradient for name, gradient in gradients.items()}
    return {
        name: tf.where(clips, gradient * clipnorm / tf.maximum(tf.sqrt(squares[name]), clipnorm), gradient)
        for name, gradient in gradients.items()
    }


def sum_of_squares(x: Tensor) -> Tensor:
    """Over columns first: a plain sum over a million numbers one by one would lose digits."""
    squares = tf.square(x)
    return tf.reduce_sum(tf.reduce_sum(squares, axis=0)) if len(x.shape) > 1 else tf.reduce_sum(squares)


def constrain(weight: Tensor, max_norm: Tensor) -> Tensor:
    """MaxNorm(axis=0): columns no longer than `max_norm`, a scalar; infinity stands for no constraint.

    `keras.constraints.MaxNorm`, which divides by (1e-7 + norm) whether the column is too long or not.
    """
    norms = tf.sqrt(tf.reduce_sum(tf.square(weight), axis=0, keepdims=True))
    constrained = weight * (tf.clip_by_value(norms, 0.0, max_norm) / (EPSILON + norms))
    return tf.where(max_norm < float("inf"), constrained, weight)
