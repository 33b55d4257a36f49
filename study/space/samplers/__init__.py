"""Samplers: how a study chooses its configurations.

Sobol, random and grid points are functions of the sweep's seed and the trial's number alone, so that a sweep
which was killed and resumed, or run by other numbers of workers, has the very trials of one that was not.
Optuna's own samplers of these names draw from a state that a resumed process starts anew, and its QMC sampler
leaves choices and conditional parameters to independent random draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from study.space.search_space import SearchSpace


class BuildSampler(Protocol):
    """Makes the sampler of a study; `build_sampler` is the one that reads the space's own wish."""

    def __call__(self, space: SearchSpace, *, seed: int, trials_so_far: int = 0) -> BaseSampler: ...


def build_sampler(space: SearchSpace, *, seed: int, trials_so_far: int = 0) -> BaseSampler:
    """The sampler that a search space asks for.

    Args:
        space: The space; its `sampler`, `hunt` and `replicates` are read.
        seed: The sweep's seed.
        trials_so_far: Number of trials the study already has. TPE learns from results and so is no function
            of the trial's number; it is seeded anew here, so as not to repeat its first draws.
    """
    import numpy as np
    from optuna.samplers import RandomSampler as NoSampler
    from optuna.samplers import TPESampler

    from study.space.samplers.grid import GridSampler
    from study.space.samplers.random import RandomSampler
    from study.space.samplers.replicate import ReplicateSampler
    from study.space.samplers.sobol import SobolSampler

    axes = tuple(space.parameters)
    match space.sampler:
        case "sobol":
            return SobolSampler(axes=axes, seed=seed, replicates=space.replicates)
        case "random":
            return RandomSampler(axes=axes, seed=seed, replicates=space.replicates)
        case "grid":
            return GridSampler(grid=space.grid(), seed=seed, replicates=space.replicates)
        case "tpe":
            state = np.random.SeedSequence([seed, trials_so_far]).generate_state(1)
            return ReplicateSampler(TPESampler(seed=int(state[0])), replicates=space.replicates)
        case "boundary":
            from study.space.samplers.boundary import BoundarySampler

            assert space.boundary is not None
            return BoundarySampler(space=space, seed=seed, options=space.boundary)
        case "listed":
            # Optuna wants a sampler; the ledger takes a trial's configuration from the list.
            return NoSampler(seed=seed)
