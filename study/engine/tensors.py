"""What annotations call a tensor. TensorFlow ships no types, so that a checker takes all of these for the same.

A name with axes says what they are; where a function takes any shape, it says `Tensor`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A TensorFlow tensor, or what converts to one; where formulas are said to work on either, a NumPy array too."""

Scalar: TypeAlias = Any
"""()"""

BatchUnits: TypeAlias = Any
"""(batch, units): of one timestep of a recurrent layer."""

TimeBatchUnits: TypeAlias = Any
"""(timesteps, batch, units): of all timesteps, in the order of the input."""
