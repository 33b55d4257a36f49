"""Sobol points: the default, for they cover the space evenly at any number of trials."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from study.samplers.numbered import UnitCubeSampler


class SobolSampler(UnitCubeSampler):
    """Scrambled Sobol sequence over all axes, choices and conditional ones included.

    I. M. Sobol (1967), Distribution of points in a cube; scrambling after A. B. Owen (1998), both by
    `scipy.stats.qmc.Sobol`. A conditional axis keeps its coordinate where it is inactive.
    """

    def point(self, index: int) -> Sequence[float]:
        return _point(len(self._coordinate), self._seed, index)


@lru_cache(maxsize=16)
def _point(dimensions: int, seed: int, index: int) -> tuple[float, ...]:
    from scipy.stats import qmc

    sequence = qmc.Sobol(d=max(dimensions, 1), scramble=True, rng=seed)
    if index:
        sequence.fast_forward(index)
    return tuple(float(u) for u in sequence.random(1)[0])
