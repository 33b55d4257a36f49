"""The dimension of a boundary in a picture, by counting boxes: a smooth curve has 1, a fractal more.

A picture of trials over two axes says at each pixel whether the trial diverged. A box has an edge in it where the four
trials at its corners do not all end alike, as in J. Sohl-Dickstein, The boundary of neural network trainability is
fractal (2024, arXiv:2402.06184), who looks at neighbours, two by two, and counts larger boxes that hold such an edge.
Here the corners are those of the larger box itself. What lies between two trials is seen by neither way, so that small
boxes miss some of a fractal, but in this way boxes of every size miss the same share, and the slope stays. (Counted in
the other way, a Koch curve of 96 pixels has a dimension of 1.17 to 1.20, and not its 1.26.)

Of a boundary with dimension D, the number of boxes of side s goes as s^-D, and the share of all boxes as s^(2 - D). D
is found by least squares from the logarithms. Boxes of every size are laid around the same middles, at every place of
the picture where the largest fits.

The interval is a bootstrap: the picture is cut into blocks, and blocks and box sizes are both drawn with replacement
(B. Efron and R. Tibshirani, An introduction to the bootstrap, 1993, sections 8 and 9), for a boundary is rougher in
some places than in others, and the line is not equally steep from every size to every other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Along = Literal["both", "x"]

SIZES = (1, 2, 3, 4, 6, 8, 12)
"""Sides of the boxes, in pixels."""

BLOCKS = 4
"""Blocks along each side of the picture."""

DRAWS = 2000

SMOOTH: dict[Along, int] = {"both": 1, "x": 0}
"""Dimension of a smooth boundary: a curve in the plane, single points along a line."""


@dataclass(frozen=True, kw_only=True)
class BoxDimension:
    """How the number of boxes goes with their side.

    Attributes:
        along: `both` for boxes in the plane, `x` for stretches of the rows.
        sizes: Sides of the boxes, in pixels.
        counts: Number of boxes with an edge in them, for each side, a mean over places of the grid.
        dimension: Minus the slope of log count over log side; None where there is no edge to tell it from.
        low: Lower end of its 95% interval.
        high: Upper end.
    """

    along: Along
    sizes: tuple[int, ...]
    counts: tuple[float, ...]
    dimension: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_rough(self) -> bool:
        """Whether the dimension is above that of a smooth boundary, at 95%."""
        return self.low is not None and self.low > SMOOTH[self.along]

    @property
    def words(self) -> str:
        """The dimension and its interval."""
        if self.dimension is None:
            return "no dimension, for there is no edge"
        return f"{self.dimension:.2f} (95% interval {self.low:.2f} to {self.high:.2f})"


def edges(inside: NDArray[np.bool_], *, size: int = 1, along: Along = "both") -> NDArray[np.bool_]:
    """Which boxes have an edge in them, at every place of the picture.

    Args:
        inside: Shape (rows, columns), such as whether each trial diverged.
        size: Side of the boxes, in pixels.
        along: `both`: the four corners differ. `x`: the two ends of a stretch of a row differ.

    Returns:
        Shape (rows - size, columns - size); along `x` (rows, columns - size).
    """
    left, right = inside[:, :-size], inside[:, size:]
    parts = [left, right] if along == "x" else [left[:-size], left[size:], right[:-size], right[size:]]
    corners = np.stack(parts)
    differ: NDArray[np.bool_] = np.logical_and(corners.any(axis=0), ~corners.all(axis=0))
    return differ


def box_dimension(
    inside: NDArray[np.bool_], *, along: Along = "both", draws: int = DRAWS, seed: int = 0
) -> BoxDimension:
    """The dimension of a picture's boundary, with a 95% interval.

    Args:
        inside: Shape (rows, columns), each larger than twice the largest box.
        along: `both` for the boundary in the plane. `x` for its cuts with the rows: of a boundary of dimension D a line
            cuts out D - 1 as a rule (K. Falconer, Fractal geometry, 2003, chapter 8).
        draws: Of the bootstrap.
        seed: Of the bootstrap.
    """
    assert min(inside.shape) > 2 * SIZES[-1]
    with_edge, boxes = _by_block(inside, along=along)
    logs = np.log(SIZES)
    exponent = 2 if along == "both" else 1

    def dimension(blocks: NDArray[np.int64], sizes: NDArray[np.int64]) -> float:
        share = with_edge[blocks].sum(axis=0)[sizes] / boxes[blocks].sum(axis=0)[sizes]
        return exponent - _slope(logs[sizes], np.log(share))

    shares = with_edge.sum(axis=0) / boxes.sum(axis=0)
    counts = shares * inside.size / np.power(SIZES, exponent)
    if not shares.all():
        return BoxDimension(along=along, sizes=SIZES, counts=tuple(counts.tolist()))
    draw = np.random.default_rng(seed)
    found: list[float] = []
    while len(found) < draws:
        blocks = draw.integers(len(with_edge), size=len(with_edge))
        sizes = draw.integers(len(SIZES), size=len(SIZES))
        if len(set(sizes.tolist())) > 1 and with_edge[blocks].sum(axis=0).all():
            found.append(dimension(blocks, sizes))
    low, high = np.quantile(found, [0.025, 0.975])
    return BoxDimension(
        along=along,
        sizes=SIZES,
        counts=tuple(counts.tolist()),
        dimension=dimension(np.arange(len(with_edge)), np.arange(len(SIZES))),
        low=float(low),
        high=float(high),
    )


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    centred = x - x.mean()
    return float(centred @ y / (centred @ centred))


def _by_block(inside: NDArray[np.bool_], *, along: Along) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Boxes with an edge in them, and all boxes, by the block that a box's middle lies in: both (blocks, sizes)."""
    with_edge = np.zeros((BLOCKS**2, len(SIZES)), dtype=np.int64)
    boxes = np.zeros_like(with_edge)
    for place, size in enumerate(SIZES):
        edge = edges(inside, size=size, along=along)
        margins = (SIZES[-1] if along == "both" else 0, SIZES[-1])
        # In halves of a pixel, from the first middle of the largest box.
        row, column = (
            2 * np.arange(found) + whole - found - margin
            for found, whole, margin in zip(edge.shape, inside.shape, margins, strict=True)
        )
        last_row, last_column = (2 * (whole - margin) for whole, margin in zip(inside.shape, margins, strict=True))
        there = np.ix_((row >= 0) & (row < last_row), (column >= 0) & (column < last_column))
        block = (BLOCKS * (row * BLOCKS // last_row)[:, np.newaxis] + column * BLOCKS // last_column)[there]
        with_edge[:, place] = np.bincount(block[edge[there]], minlength=BLOCKS**2)
        boxes[:, place] = np.bincount(block.ravel(), minlength=BLOCKS**2)
    return with_edge, boxes
