"""Activations and their derivatives as pure functions, chosen by a number at run time.

The compiled engine takes the activation as a run-time input: a program costs seconds of compiling, and a sweep over
activations would otherwise pay them for each. `tf.switch_case` computes only the branch that is chosen.

Derivatives are functions of the *output*, so that training keeps nothing else. Back-propagation multiplies with them,
which is what TensorFlow's own gradients of these functions do on CPUs: an infinite gradient on the flat side of a relu
gives 0 * inf = NaN. Formulas and their values at the kinks are those of `tf.nn` and `keras.activations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
from scipy import special

from study.engine.runtime import tf
from study.engine.tensors import Tensor
from study.trial.config import Activation


class Operations(NamedTuple):
    """What the formulas are made of beside arithmetic: for tensors, or for NumPy arrays."""

    where: Callable[..., Tensor]
    expm1: Callable[[Tensor], Tensor]
    softplus: Callable[[Tensor], Tensor]
    tanh: Callable[[Tensor], Tensor]
    sigmoid: Callable[[Tensor], Tensor]
    ones_like: Callable[[Tensor], Tensor]


def _where(condition: np.ndarray, one: Any, other: Any) -> np.ndarray:
    chosen: np.ndarray = np.where(condition, one, other).astype(np.float32)  # two plain numbers would be float64
    return chosen


TENSORS = Operations(tf.where, tf.math.expm1, tf.math.softplus, tf.tanh, tf.sigmoid, tf.ones_like)
ARRAYS = Operations(_where, np.expm1, lambda x: np.logaddexp(0, x), np.tanh, special.expit, np.ones_like)

ACTIVATIONS: tuple[str, ...] = get_args(Activation)
"""Names of all activations; a name's place is its number."""

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
"""Constants of `tf.nn.selu`: G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-normalizing neural
networks", 2017."""

HARD_SIGMOID_SLOPE = {"keras-3": 1 / 6, "keras-2.2.4": 0.2}


def functions(semantics: str, ops: Operations = TENSORS) -> dict[str, Callable[[Tensor], Tensor]]:
    """Every activation by name, elementwise."""

    def clip(x: Tensor, high: float) -> Tensor:
        # Comparisons instead of `maximum` and `minimum`, so that NaN stays NaN whatever a compiler makes of those.
        return ops.where(x < 0, 0.0, ops.where(x > high, high, x))

    def hard_sigmoid(x: Tensor) -> Tensor:
        return clip(x + 3, 6.0) / 6 if semantics == "keras-3" else clip(0.2 * x + 0.5, 1.0)

    return {
        "relu": lambda x: ops.where(x < 0, 0.0, x),
        "relu6": lambda x: clip(x, 6.0),
        "elu": lambda x: ops.where(x < 0, ops.expm1(x), x),
        "selu": lambda x: ops.where(x < 0, SELU_SCALE * SELU_ALPHA * ops.expm1(x), SELU_SCALE * x),
        "softplus": ops.softplus,
        "softsign": lambda x: x / (1 + abs(x)),
        "tanh": ops.tanh,
        "sigmoid": ops.sigmoid,
        "hard_sigmoid": hard_sigmoid,
        "linear": lambda x: x,
    }


def derivatives(semantics: str, ops: Operations = TENSORS) -> dict[str, Callable[[Tensor], Tensor]]:
    """Derivative of every activation by name, elementwise, as a function of the activation's output."""

    # Selected, not cast: XLA takes a product with a cast truth value for a selection, and 0 * inf would be 0.
    def inside(y: Tensor, high: float) -> Tensor:
        return ops.where((y > 0) & (y < high), 1.0, 0.0)

    return {
        "relu": lambda y: ops.where(y > 0, 1.0, 0.0),
        "relu6": lambda y: inside(y, 6.0),
        "elu": lambda y: ops.where(y < 0, y + 1, 1.0),
        "selu": lambda y: ops.where(y < 0, y + SELU_SCALE * SELU_ALPHA, SELU_SCALE),
        "softplus": lambda y: -ops.expm1(-y),
        "softsign": lambda y: (1 - abs(y)) * (1 - abs(y)),
        "tanh": lambda y: 1 - y * y,
        "sigmoid": lambda y: y * (1 - y),
        "hard_sigmoid": lambda y: HARD_SIGMOID_SLOPE[semantics] * inside(y, 1.0),
        "linear": ops.ones_like,
    }


def number_of(name: str) -> int:
    """The number of an activation, the run-time input that chooses it."""
    return ACTIVATIONS.index(name)


def activation(number: Tensor, x: Tensor, *, semantics: str) -> Tensor:
    """The activation of that number, elementwise."""
    table = functions(semantics)
    return tf.switch_case(number, [_branch(table[name], x) for name in ACTIVATIONS])


def derivative(number: Tensor, *outputs: Tensor, semantics: str) -> tuple[Tensor, ...]:
    """Derivatives of the activation of that number where it has put out `outputs`."""
    table = derivatives(semantics)
    return tuple(tf.switch_case(number, [_branches(table[name], outputs) for name in ACTIVATIONS]))


def _branch(function: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], Tensor]:
    return lambda: function(x)


def _branches(function: Callable[[Tensor], Tensor], values: tuple[Tensor, ...]) -> Callable[[], list[Tensor]]:
    return lambda: [function(value) for value in values]


def gate_activation(name: str, x: Tensor, *, semantics: str, ops: Operations = TENSORS) -> Tensor:
    """The activation of a gate, elementwise; its name is part of a program's structure."""
    return functions(semantics, ops)[name](x)


def gate_gradient(name: str, upstream: Tensor, y: Tensor, *, semantics: str, ops: Operations = TENSORS) -> Tensor:
    """Gradient before a gate's activation, from the gradient after it and the gate's value `y`."""
    slope = derivatives(semantics, ops)[name](y)
    if name == "hard_sigmoid" and semantics == "keras-2.2.4":
        # The gradient of clipping selects, where all others multiply: where it clips, NaN does not pass.
        return ops.where(slope > 0, upstream * slope, 0.0)
    return upstream * slope


def selected(number: Tensor, x: Tensor, names: Sequence[str], *, semantics: str) -> Tensor:
    """The activation of that number, one of `names`, for use under a `tf.GradientTape`; all of them are computed."""

    def select(values: Mapping[str, Tensor]) -> Tensor:
        first, *others = names
        chosen = values[first]
        for name in others:
            chosen = tf.where(number == number_of(name), values[name], chosen)
        return chosen

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(x: Tensor) -> Any:
        y = select({name: functions(semantics)[name](x) for name in names})
        return y, lambda upstream: upstream * select({name: derivatives(semantics)[name](y) for name in names})

    return apply(x)
