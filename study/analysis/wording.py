"""Words for numbers that several answers share."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number of things: `1 trial`, `24 trials`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def p_value_text(p_value: float) -> str:
    """A p-value to be read: `p = 0.031`, `p < 0.0001`."""
    return "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.2g}"
