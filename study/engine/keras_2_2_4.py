"""The arithmetic of Keras 2.2.4 (2018, TensorFlow backend) where it is not Keras 3's.

Formulas are those of the released sources, `keras/optimizers.py`, `keras/losses.py` and
`keras/backend/tensorflow_backend.py`. Constants are float32 tensors before anything is computed from them, as there.
All functions are pure, over float32 tensors; `Optimizer` only keeps the variables they work on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from study.engine.runtime import keras, tf
from study.engine.tensors import Tensor

EPSILON = 1e-7
"""`K.epsilon()`: of the optimizers and of the clipped probabilities."""


def hard_sigmoid(x: Tensor) -> Tensor:
    """clip(0.2 x + 0.5, 0, 1), elementwise.

    Source: `K.hard_sigmoid`. Keras 3's is clip(x / 6 + 0.5, 0, 1).
    """
    return tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


# Bidirectional copies its layer by way of the layer's serialised form.
keras.saving.register_keras_serializable(package="keras_2_2_4")(hard_sigmoid)


def binary_crossentropy(labels: Tensor, probabilities: Tensor) -> Tensor:
    """Mean binary cross-entropy of probabilities clipped to [1e-7, 1 - 1e-7], a scalar.

    The clipped probability is turned back into a logit. So a saturated output gives a finite loss and no gradient,
    whatever stands behind it. Source: `K.binary_crossentropy` and `losses.binary_crossentropy`.

    Args:
        labels: (batch, 1).
        probabilities: (batch, 1).
    """
    epsilon = tf.constant(EPSILON)
    clipped = tf.clip_by_value(probabilities, epsilon, 1 - epsilon)
    logits = tf.math.log(clipped / (1 - clipped))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


def clip_by_global_norm(gradients: Sequence[Tensor], clipnorm: float) -> list[Tensor]:
    """All gradients times clipnorm / norm where their common norm is at least `clipnorm`.

    An infinite norm makes every finite gradient 0 and every infinite one NaN; a NaN norm compares as smaller and
    changes nothing. Source: `Optimizer.get_gradients` and `clip_norm` of `keras/optimizers.py`.
    """
    norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
    factor = tf.where(norm >= clipnorm, clipnorm / norm, 1.0)
    return [factor * gradient for gradient in gradients]


def nadam_momentum(step: Tensor) -> Tensor:
    """u_t = 0.9 (1 - 0.5 * 0.96**(0.004 t)), with t = `step`, from 1: the momentum of one update.

    Source: `optimizers.Nadam`, with its `schedule_decay` of 0.004. Keras 3 has no such factor in the exponent.
    """
    return tf.constant(0.9) * (1 - 0.5 * tf.pow(tf.constant(0.96), step * 0.004))


def nadam(
    weight: Tensor,
    gradient: Tensor,
    slots: Sequence[Tensor],
    *,
    step: Tensor,
    learning_rate: Tensor,
    momentum_product: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One step of Nadam: the new weight and the new slots.

    Source: `optimizers.Nadam`; T. Dozat, "Incorporating Nesterov momentum into Adam", 2015.

    Args:
        weight: Any shape.
        gradient: The weight's shape.
        slots: Decayed means of the gradient and of its square, the weight's shape.
        step: Scalar t, from 1.
        learning_rate: Scalar.
        momentum_product: Scalar u_1 u_2 ... u_t of `nadam_momentum`.
    """
    beta_1, beta_2 = tf.constant(0.9), tf.constant(0.999)
    momentum, next_momentum = nadam_momentum(step), nadam_momentum(step + 1)
    mean = beta_1 * slots[0] + (1 - beta_1) * gradient
    mean_square = beta_2 * slots[1] + (1 - beta_2) * tf.square(gradient)
    unbiased_gradient = gradient / (1 - momentum_product)
    unbiased_mean = mean / (1 - momentum_product * next_momentum)
    unbiased_square = mean_square / (1 - tf.pow(beta_2, step))
    direction = (1 - momentum) * unbiased_gradient + next_momentum * unbiased_mean
    return weight - learning_rate * direction / (tf.sqrt(unbiased_square) + EPSILON), (mean, mean_square)


def adam(
    weight: Tensor,
    gradient: Tensor,
    slots: Sequence[Tensor],
    *,
    step: Tensor,
    learning_rate: Tensor,
    momentum_product: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One step of Adam; arguments as in `nadam`.

    Source: `optimizers.Adam`; D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", 2015. Keras 3
    computes the same means as mean + (1 - beta) (gradient - mean), which is not the same once they are infinite.
    """
    beta_1, beta_2 = tf.constant(0.9), tf.constant(0.999)
    mean = beta_1 * slots[0] + (1 - beta_1) * gradient
    mean_square = beta_2 * slots[1] + (1 - beta_2) * tf.square(gradient)
    rate = learning_rate * (tf.sqrt(1 - tf.pow(beta_2, step)) / (1 - tf.pow(beta_1, step)))
    return weight - rate * mean / (tf.sqrt(mean_square) + EPSILON), (mean, mean_square)


def rmsprop(
    weight: Tensor,
    gradient: Tensor,
    slots: Sequence[Tensor],
    *,
    step: Tensor,
    learning_rate: Tensor,
    momentum_product: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One step of RMSprop, whose one slot is the decayed mean of the squared gradient; arguments as in `nadam`.

    Source: `optimizers.RMSprop`. Keras 3 divides by the root of (mean square + epsilon) instead.
    """
    rho = tf.constant(0.9)
    mean_square = rho * slots[0] + (1 - rho) * tf.square(gradient)
    return weight - learning_rate * gradient / (tf.sqrt(mean_square) + EPSILON), (mean_square,)


def sgd(
    weight: Tensor,
    gradient: Tensor,
    slots: Sequence[Tensor],
    *,
    step: Tensor,
    learning_rate: Tensor,
    momentum_product: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One step of plain gradient descent, without slots; arguments as in `nadam`. Source: `optimizers.SGD`."""
    return weight - learning_rate * gradient, ()


RULES = {"nadam": (nadam, 2), "adam": (adam, 2), "rmsprop": (rmsprop, 1), "sgd": (sgd, 0)}
"""Name of an optimizer -> its rule and the number of slots for each weight."""


class Optimizer:
    """A rule, the variables it works on, clipping before it and the weights' constraints after it.

    It has what the training step uses of a Keras optimizer: `build`, `apply`, `learning_rate`, `variables`.

    Args:
        rule: A name in `RULES`.
        learning_rate: Of the rule.
        clipnorm: Largest norm of all gradients together; None for no clipping.
    """

    def __init__(self, rule: str, *, learning_rate: float, clipnorm: float | None) -> None:
        self.learning_rate = keras.Variable(learning_rate, trainable=False, name="learning_rate")
        self._rule, self._slot_count = RULES[rule]
        self._clipnorm = clipnorm
        self._step = keras.Variable(0.0, trainable=False, name="step")
        self._momentum_product = keras.Variable(1.0, trainable=False, name="momentum_product")
        self._slots: list[list[Any]] = []

    def build(self, weights: Sequence[Any]) -> None:
        """Make the slots of the weights, all zero."""
        self._slots = [
            [keras.Variable(tf.zeros(weight.shape), trainable=False) for _ in range(self._slot_count)]
            for weight in weights
        ]

    @property
    def variables(self) -> list[Any]:
        own = [self.learning_rate, self._step, self._momentum_product]
        return own + [slot for slots in self._slots for slot in slots]

    def apply(self, gradients: Sequence[Tensor], weights: Sequence[Any]) -> None:
        """One update of the weights that the optimizer was built for."""
        if self._clipnorm is not None:
            gradients = clip_by_global_norm(gradients, self._clipnorm)
        self._step.assign_add(1.0)
        step = self._step.value
        self._momentum_product.assign(self._momentum_product * nadam_momentum(step))
        for weight, gradient, slots in zip(weights, gradients, self._slots, strict=True):
            value, new = self._rule(
                tf.convert_to_tensor(weight.value),
                gradient,
                [tf.convert_to_tensor(slot.value) for slot in slots],
                step=tf.convert_to_tensor(step),
                learning_rate=tf.convert_to_tensor(self.learning_rate.value),
                momentum_product=tf.convert_to_tensor(self._momentum_product.value),
            )
            for slot, slot_value in zip(slots, new, strict=True):
                slot.assign(slot_value)
            weight.assign(value if weight.constraint is None else weight.constraint(value))
