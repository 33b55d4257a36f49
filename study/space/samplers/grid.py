"""Every configuration of a grid, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution

from study.space.samplers.numbered import NumberedSampler


class GridSampler(NumberedSampler):
    """Walks a grid in an order shuffled by the seed, so that a study stopped early has looked everywhere."""

    def __init__(self, *, grid: Sequence[Mapping[str, Any]], seed: int, replicates: int = 1) -> None:
        import numpy as np

        super().__init__(replicates=replicates)
        self._grid = grid
        self._order = np.random.default_rng(seed).permutation(len(grid))

    def value(self, index: int, axis: str, distribution: BaseDistribution) -> Any:
        return self._grid[self._order[index]][axis]
