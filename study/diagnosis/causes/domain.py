"""What to write where a function is asked for a value outside its domain."""

from __future__ import annotations

GUARDS = {
    "log": "log(maximum(x, 1e-7))",
    "log1p": "log1p(maximum(x, -1 + 1e-7))",
    "sqrt": "sqrt(maximum(x, 1e-12))",
    "rsqrt": "rsqrt(maximum(x, 1e-12))",
    "norm": "sqrt(sum(square(x)) + 1e-12)",
    "truediv": "a / (b + 1e-7), or divide_no_nan(a, b)",
    "divide": "divide(a, b + 1e-7), or divide_no_nan(a, b)",
    "reciprocal": "1 / (x + 1e-7)",
    "power": "power(maximum(x, 1e-7), p)",
    "pow": "power(maximum(x, 1e-7), p)",
    "arccos": "arccos(clip(x, -1 + 1e-6, 1 - 1e-6))",
    "acos": "arccos(clip(x, -1 + 1e-6, 1 - 1e-6))",
    "arcsin": "arcsin(clip(x, -1 + 1e-6, 1 - 1e-6))",
    "asin": "arcsin(clip(x, -1 + 1e-6, 1 - 1e-6))",
    "arctanh": "arctanh(clip(x, -1 + 1e-6, 1 - 1e-6))",
    "atanh": "arctanh(clip(x, -1 + 1e-6, 1 - 1e-6))",
    "exp": "exp(minimum(x, 80.0))",
    "expm1": "expm1(minimum(x, 80.0))",
    "softmax": "a large finite number such as -1e9 in the place of -inf before the softmax",
}
"""Function -> a form of it that has a value everywhere."""

DOMAIN = frozenset(GUARDS) | {"mean", "log_softmax", "logsumexp", "floor_divide", "mod", "tan", "xlogy", "erfinv"}
"""Functions that have no finite value somewhere, or no derivative."""


def what_to_write(operation: str, where: str) -> str:
    """A clause that says what to write in a line."""
    guard = GUARDS.get(operation)
    return f"{where}: {guard}" if guard else f"{where}: keep what {operation} is given inside its domain"
