"""Sums of products, such as a matrix product: which numbers of the factors have a say in which of the result."""

from __future__ import annotations

import numpy as np

from study.models.walk.place import Executed


def equation_of(operation: Executed) -> str | None:
    """A sum of products as `numpy.einsum` writes it; None of other operations, and of one along a diagonal."""
    if operation.kind == "MatMul" or operation.kind.startswith("BatchMatMul"):
        left, right = ("transpose_a", "transpose_b") if operation.kind == "MatMul" else ("adj_x", "adj_y")
        a = "ki" if operation.attribute(left) else "ik"
        b = "jk" if operation.attribute(right) else "kj"
        return f"...{a},...{b}->...ij"
    if operation.kind != "Einsum":
        return None
    written = operation.attribute("equation")
    equation = (written.decode() if isinstance(written, bytes) else str(written)).replace(" ", "")
    letters = [term.replace("...", "") for term in equation.split("->")[0].split(",")]
    return equation if all(len(set(term)) == len(term) for term in letters) else None


def marked_in(mask: np.ndarray, result: str, factor: str, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers of a factor that have a say in the marked ones of the result.

    Args:
        mask: Of the result.
        result: Names of the result's axes, as in the equation: `...ij`.
        factor: Names of the factor's axes.
        shape: Of the factor.

    Returns:
        A mask of the factor's shape: what shares its named places with a marked number.
    """
    own = factor.replace("...", "")
    shared = "".join(letter for letter in own if letter in result)
    dots = "..." if "..." in result else ""
    marked = np.einsum(f"{result}->{dots}{shared}", mask.astype(np.float32)) > 0
    batch = len(shape) - len(own)
    if (surplus := marked.ndim - len(shared) - batch) > 0:
        marked = marked.any(axis=tuple(range(surplus)))
    sizes = iter(marked.shape[marked.ndim - len(shared) :])
    lead = marked.shape[: marked.ndim - len(shared)]
    marked = marked.reshape(*lead, *(next(sizes) if letter in shared else 1 for letter in own))
    stretched = tuple(axis for axis, size in enumerate(lead) if shape[axis] == 1 and size != 1)
    return np.broadcast_to(marked.any(axis=stretched, keepdims=True) if stretched else marked, shape)
