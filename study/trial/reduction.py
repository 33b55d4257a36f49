"""What is kept of a tensor of millions of numbers: statistics, a histogram, and a heatmap of few pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

PIXELS = (112, 192)
"""Largest number of rows and columns of a heatmap."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Of all numbers of a tensor together, computed in float64, so that only the tensor's own numbers overflow."""

    mean: float
    std: float
    """Of the population."""
    minimum: float
    maximum: float
    smallest: float
    """min |x|"""
    largest: float
    """max |x|"""
    nonfinite: float
    """Share of the numbers that are infinite or NaN."""

    @classmethod
    def of(cls, values: np.ndarray) -> Statistics:
        flat = np.ravel(values)
        with np.errstate(all="ignore"):
            magnitudes = np.abs(flat)
            return cls(
                mean=float(np.mean(flat, dtype=np.float64)),
                std=float(np.std(flat, dtype=np.float64)),
                minimum=float(flat.min()),
                maximum=float(flat.max()),
                smallest=float(magnitudes.min()),
                largest=float(magnitudes.max()),
                nonfinite=float(np.mean(~np.isfinite(flat))),
            )


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts by sign and binary order of magnitude, three to a decade, so that any float32 has its bin."""

    positive: Mapping[int, int]
    """e -> how many x have 2**(e - 1) <= x < 2**e."""
    negative: Mapping[int, int]
    """The same of -x."""
    zero: int
    plus_infinity: int
    minus_infinity: int
    nan: int

    @classmethod
    def of(cls, values: np.ndarray) -> Histogram:
        flat = np.ravel(values)
        finite = np.isfinite(flat)
        return cls(
            positive=_by_exponent(flat[finite & (flat > 0)]),
            negative=_by_exponent(flat[finite & (flat < 0)]),
            zero=int(np.sum(flat == 0)),
            plus_infinity=int(np.sum(flat == np.inf)),
            minus_infinity=int(np.sum(flat == -np.inf)),
            nan=int(np.sum(np.isnan(flat))),
        )


def _by_exponent(values: np.ndarray) -> dict[int, int]:
    exponents, counts = np.unique(np.frexp(values)[1], return_counts=True)
    return {int(exponent): int(count) for exponent, count in zip(exponents, counts, strict=True)}


@dataclass(frozen=True, kw_only=True)
class Heatmap:
    """A matrix, thinned out to few pixels."""

    pixels: np.ndarray
    """(rows, columns), float32: of each block the number of largest magnitude; NaN where there is one in it."""
    shape: tuple[int, int]
    """Of the matrix."""

    @classmethod
    def of(cls, matrix: np.ndarray, *, pixels: tuple[int, int] = PIXELS) -> Heatmap:
        rows, columns = matrix.shape
        height, width = (math.ceil(size / limit) for size, limit in zip((rows, columns), pixels, strict=True))
        padded = np.pad(matrix.astype(np.float32), ((0, -rows % height), (0, -columns % width)))
        shape = padded.shape[0] // height, padded.shape[1] // width
        blocks = padded.reshape(shape[0], height, shape[1], width).swapaxes(1, 2).reshape(*shape, height * width)
        key = np.where(np.isnan(blocks), np.inf, np.abs(blocks))
        chosen = np.take_along_axis(blocks, key.argmax(axis=2)[..., np.newaxis], axis=2)[..., 0]
        return cls(pixels=np.where(np.isnan(blocks).any(axis=2), np.float32(np.nan), chosen), shape=(rows, columns))
