"""Sobol points: the default, for they cover the space evenly at any number of trials."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from study.space.samplers.numbered import UnitCubeSampler

BLOCK = 64
"""Points that are drawn at a time: beginning a sequence costs more than going on with it."""


class SobolSampler(UnitCubeSampler):
    """Scrambled Sobol sequence over all axes, choices and conditional ones included.

    I. M. Sobol (1967), Distribution of points in a cube; scrambling after A. B. Owen (1998), both by
    `scipy.stats.qmc.Sobol`. A conditional axis keeps its coordinate where it is inactive.
    """

    def point(self, index: int) -> Sequence[float]:
        block, place = divmod(index, BLOCK)
        return _points(len(self._coordinate), self._seed, block)[place]


@lru_cache(maxsize=16)
def _points(dimensions: int, seed: int, block: int) -> tuple[tuple[float, ...], ...]:
    from scipy.stats import qmc

    sequence = qmc.Sobol(d=max(dimensions, 1), scramble=True, rng=seed)
    if block:
        sequence.fast_forward(block * BLOCK)
    return tuple(tuple(float(u) for u in point) for point in sequence.random(BLOCK))
