"""`Anatomy`: a trial's result with the updates around its onset, reduced to what a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from study.trial.onset import Onset
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
class LayerSeen:
    """A layer on the map of a model: what its numbers came to in one update."""

    layer: str
    """As an onset names it."""
    kind: str
    """Name of its class."""
    depth: int
    """Number of layers around it."""
    shape: tuple[int, ...]
    """Of its output; empty where it gives none of floats."""
    output: Statistics | None
    gradient: Statistics | None
    """Of the loss with respect to its output; None where the loss does not depend on it."""
    weights: Statistics | None
    """As the update finds them; None of a layer that has none, or whose layers inside have them."""


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """The numbers around the first one that was not finite."""

    title: str
    """What they are, and of which update."""
    down: str
    """What the rows are: `timestep`, `sample`, `unit`."""
    across: str
    """What the columns are."""
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: np.ndarray
    """(rows, columns)"""
    marked: tuple[int, int]
    """Row and column of the first."""


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
    """By title; of the example those of the recurrence that the anatomy is about."""
    growth: Mapping[str, np.ndarray]
    """Symbol of a state, `h` or `c` -> the largest magnitude over batch and units at each timestep, in the order of
    the input."""
    logits: np.ndarray | None = None
    """(batch,), of the example"""
    layers: Mapping[str, LayerSeen] = field(default_factory=dict)
    """The map of a user's model: the calls of its layers by path, in order."""


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """What a page is made of."""

    onset: Onset | None
    snapshots: tuple[Snapshot, ...]
    """By update. There may be none of a user's model whose updates cannot be repeated."""
    recurrence: str | None
    """What the growth along the sequence is of, `lstm_1/forward`: the onset's layer and direction, or those of the last
    layer; None of a model without a recurrent layer."""
    backwards: bool
    """Whether it reads the sequence from its end."""
    gates: tuple[str, ...]
    """Of its cell, in the order of the kernels' columns."""
    sample: int
    """The sample of the batch that pictures over timesteps are of: the onset's, or the first."""
    neighbourhoods: tuple[Neighbourhood, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on what could not be looked at."""

    def snapshot(self, name: str) -> Snapshot | None:
        return next((snapshot for snapshot in self.snapshots if snapshot.name == name), None)

    @property
    def decisive(self) -> Snapshot:
        """The update that the page is about: that of the onset, or the last; where it is not there, that nearest to
        it."""
        update = self.onset.update if self.onset else None
        at = self.snapshot(AT) or self.snapshots[-1]
        return next((snapshot for snapshot in self.snapshots if snapshot.update == update), at)


@dataclass(frozen=True, kw_only=True)
class TrialAnatomy(Anatomy):
    """The anatomy of a trial that was trained again for it."""

    result: TrialResult[Any]
    """Of the replay, with onset and growth."""
