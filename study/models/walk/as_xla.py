"""Derivatives as XLA computes them, for the walk of a model that it compiles.

TensorFlow's own kernels for the derivatives of a root and a reciprocal give 0 wherever what comes from above is 0, and
XLA multiplies: at 0, where the derivative is infinite, the one gives 0 and the other NaN. Where such a model has an
unused branch of a `where` with a root in it, an eager repetition would not meet what the compiled update did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from tensorflow.python.ops import gen_math_ops

Tensor: TypeAlias = Any

DERIVATIVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sqrt_grad": lambda y, dy: dy * 0.5 / y,
    "rsqrt_grad": lambda y, dy: dy * (y * y * y) * -0.5,
    "reciprocal_grad": lambda y, dy: -dy * y * y,
    "inv_grad": lambda y, dy: -dy * y * y,
}
"""TensorFlow's function for a derivative -> the same of the operation's output `y` and its gradient `dy` by XLA's
formula, as of `tensorflow/compiler/tf2xla/kernels/binary_ops.cc`."""


@contextmanager
def derivatives_as_xla_has_them() -> Iterator[None]:
    """Compute the derivatives of roots and reciprocals by plain multiplications."""
    before = {name: getattr(gen_math_ops, name) for name in DERIVATIVES}
    for name, formula in DERIVATIVES.items():
        setattr(gen_math_ops, name, _without_a_name(formula))
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(gen_math_ops, name, function)


def _without_a_name(formula: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda y, dy, name=None: formula(y, dy)
