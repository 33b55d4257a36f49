"""`Anatomy`: a trial's result with the updates around its onset, reduced to what a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from study.trial.reduction import Heatmap, Histogram, Statistics
from study.trial.result import TrialResult

BEFORE, AT, AFTER, ONSET, LAST = "BEFORE", "AT", "AFTER", "ONSET", "LAST"
"""Names of snapshots: the update before the loss stopped being finite, that update, the one that starts from the
weights it left; the update of the onset where it is none of these; the last update of a trial that survived."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A tensor of one update, to be drawn."""

    heatmap: Heatmap
    histogram: Histogram
    """Of the whole tensor: all samples and timesteps."""
    across: str
    """What the heatmap's columns are: `timestep`, `unit`."""
    down: str
    """What its rows are."""
    by_gate: bool = False
    """Whether its columns are those of all gates in a row."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One update, replayed with everything in it looked at."""

    name: str
    """One of the names above."""
    update: int
    loss: float
    """Of the replay."""
    statistics: Mapping[str, Mapping[str, Statistics]]
    """Group (`inputs`, `states`, `outputs`, `gradients`, `weights`) -> tensor -> statistics."""
    pictures: Mapping[str, Picture]
    """Of the recurrence that the anatomy is about, by title."""
    growth: Mapping[str, np.ndarray]
    """Symbol of a state, `h` or `c` -> the largest magnitude over batch and units at each timestep, in the order of
    the input."""
    logits: np.ndarray
    """(batch,)"""


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """What a page is made of."""

    result: TrialResult
    """Of the replay, with timeline, onset and growth."""
    snapshots: tuple[Snapshot, ...]
    """By update."""
    recurrence: str
    """What the pictures are of, `lstm_1/forward`: the onset's layer and direction, or those of the last layer."""
    gates: tuple[str, ...]
    """Of its cell, in the order of the kernels' columns."""
    sample: int
    """The sample of the batch that pictures over timesteps are of: the onset's, or the first."""

    def snapshot(self, name: str) -> Snapshot | None:
        return next((snapshot for snapshot in self.snapshots if snapshot.name == name), None)

    @property
    def decisive(self) -> Snapshot:
        """The update that the page is about: that of the onset, or the last."""
        update = self.result.onset.update if self.result.onset else self.result.updates
        return next(snapshot for snapshot in self.snapshots if snapshot.update == update)
