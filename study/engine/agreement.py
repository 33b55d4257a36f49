"""Whether the compiled engine's trial is the reference's, and whether rounding explains where it is not.

The engines compute the same formulas in another order, so their numbers differ in the last bits, and a trial close to
divergence amplifies that until losses, time-to-NaN or verdict differ. Whether a difference is of this kind can be
asked of the reference alone: with initial weights and batches that are moved by their last bit, it differs from itself
as much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from study.engine.compiled import engine as compiled
from study.engine.draws import batches
from study.engine.reference import engine as reference
from study.trial.config import TrialConfig
from study.trial.result import TrialResult

FIRST = 5
"""Updates whose losses are compared."""

TOLERANCE = 1e-5
"""Relative difference of those losses up to which the engines agree."""

NUDGED = 8
"""Trials of the reference, each with other last bits, that are held against a difference unless said otherwise."""

ONE_ROUNDING = 10
"""How many times the reference's own spread a difference of losses may be: what comes in is moved, where the engines
round differently in every operation."""

SMALLEST = float(np.finfo(np.float32).tiny)
"""Losses closer to zero are compared as if they were this."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A trial by both engines; and by the nudged reference, where the two differ."""

    compiled: TrialResult
    reference: TrialResult
    nudged: tuple[TrialResult, ...]

    @property
    def difference(self) -> float:
        """Largest relative difference of the first losses."""
        return loss_difference(self.compiled, self.reference)

    @property
    def spread(self) -> float:
        """The same between the reference and itself, nudged; NaN where that was not asked for."""
        return max((loss_difference(result, self.reference) for result in self.nudged), default=math.nan)

    @property
    def same_losses(self) -> bool:
        """Whether the first losses agree."""
        return self.difference <= TOLERANCE

    @property
    def same_verdict(self) -> bool:
        """Whether both diverged or both survived."""
        return self.compiled.diverged == self.reference.diverged

    @property
    def same_time(self) -> bool:
        """Whether the verdict is the same and time-to-NaN within one update."""
        return self.same_verdict and abs(self.compiled.updates - self.reference.updates) <= 1

    @property
    def agrees(self) -> bool:
        """In all three."""
        return self.same_losses and self.same_verdict and self.same_time

    @property
    def is_rounding(self) -> bool:
        """Whether the reference differs from itself as much, in each of the three in which the engines differ."""
        losses = self.same_losses or self.difference <= ONE_ROUNDING * self.spread
        verdict = self.same_verdict or any(result.diverged != self.reference.diverged for result in self.nudged)
        apart = abs(self.compiled.updates - self.reference.updates)
        time = apart <= 1 or any(2 * abs(result.updates - self.reference.updates) >= apart for result in self.nudged)
        return losses and verdict and time


def compare(config: TrialConfig, *, nudges: int = NUDGED) -> Comparison:
    """Train a trial by both engines and, where they differ, ask the reference how sensitive it is.

    Args:
        config: The trial.
        nudges: Trials of the reference to ask with.
    """
    fast, slow = compiled.run_trial(config), reference.run_trial(config)
    found = Comparison(compiled=fast, reference=slow, nudged=())
    if found.agrees:
        return found
    return replace(found, nudged=tuple(nudged_trial(config, which) for which in range(nudges)))


def nudged_trial(config: TrialConfig, which: int) -> TrialResult:
    """The reference's trial with all initial weights and the inputs of all batches moved by their last bit."""
    return reference.run_trial(
        config,
        weights={
            name: nudged(value, np.random.default_rng([config.seed, which, 0, position]))
            for position, (name, value) in enumerate(batches.initial_weights(config).items())
        },
        inputs_as=lambda update, inputs: nudged(inputs, np.random.default_rng([config.seed, which, update])),
    )


def nudged(value: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A float32 array with each number but zeros moved up or down to the next float32, at random."""
    towards = np.where(generator.random(value.shape) < 0.5, np.float32(-np.inf), np.float32(np.inf))
    return np.where(value == 0, value, np.nextafter(value, towards))


def loss_difference(one: TrialResult, other: TrialResult) -> float:
    """Largest relative difference of the losses of the first `FIRST` updates that both trials have done.

    A loss that is finite in one and not in the other differs infinitely; two that are not finite do not differ.
    """
    largest = 0.0
    for first, second in zip(one.loss[:FIRST], other.loss[:FIRST], strict=False):
        if math.isfinite(first) != math.isfinite(second):
            return math.inf
        if math.isfinite(first) and first != second:
            largest = max(largest, abs(first - second) / max(abs(second), SMALLEST))
    return largest
