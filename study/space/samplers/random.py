"""Independent uniform draws."""

from __future__ import annotations

from collections.abc import Sequence

from study.space.samplers.numbered import UnitCubeSampler


class RandomSampler(UnitCubeSampler):
    """Uniform points, each from a generator seeded by (the sweep's seed, the point's index)."""

    def point(self, index: int) -> Sequence[float]:
        import numpy as np

        draws: list[float] = np.random.default_rng([self._seed, index]).random(len(self._coordinate)).tolist()
        return draws
