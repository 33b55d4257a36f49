"""The seeds that Keras draws for initializers and dropout, from a generator that no other thread draws from.

Keras draws them from Python's global generator, which everything in a process shares: what watches a worker draws from
it too, in a thread of its own, and between seeding and building a model that would give the model other weights.
"""

from __future__ import annotations

import random
from typing import Any

from keras.src.random import seed_generator
from keras.src.utils import rng_utils


class _Draws:
    """In the place of the module `random` in the two modules of Keras that seed and draw."""

    def __init__(self) -> None:
        self._own = random.Random()

    def seed(self, seed: int) -> None:
        """Seed both, so that `keras.utils.set_random_seed` does what it says."""
        random.seed(seed)
        self._own.seed(seed)

    def randint(self, low: int, high: int) -> int:
        return self._own.randint(low, high)

    def __getattr__(self, name: str) -> Any:
        return getattr(random, name)


def draw_them_apart() -> None:
    """Let Keras draw from a generator of its own from here on; a seed gives the same draws as before."""
    if not isinstance(seed_generator.python_random, _Draws):
        seed_generator.python_random = rng_utils.random = _Draws()


def seed_draws(seed: int) -> None:
    """Seed what Keras draws those seeds from, and nothing of TensorFlow's."""
    seed_generator.python_random.seed(seed)
