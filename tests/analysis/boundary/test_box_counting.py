"""Dimensions of sets that are known: K. Falconer, Fractal geometry (2003)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.path import Path
from numpy.typing import NDArray

from study.analysis.boundary.box_counting import Along, box_dimension, edges

KOCH, CANTOR = math.log(4) / math.log(3), math.log(2) / math.log(3)

Picture = NDArray[np.bool_]


def plane(pixels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of the pixels, from -1 to 1."""
    line = np.linspace(-1, 1, pixels)
    x, y = np.meshgrid(line, line)
    return x, y


def half_plane(angle: float, *, pixels: int = 96) -> Picture:
    x, y = plane(pixels)
    inside: Picture = math.cos(angle) * x + math.sin(angle) * y > 0.05
    return inside


def disc(radius: float, *, pixels: int = 96) -> Picture:
    x, y = plane(pixels)
    inside: Picture = x**2 + y**2 < radius**2
    return inside


def snowflake(*, pixels: int = 96, levels: int = 5, turned: float = 0.1) -> Picture:
    """Inside of a Koch snowflake, whose details are smaller than a pixel."""
    points = 0.9 * np.exp(1j * (np.pi / 2 - 2 * np.pi / 3 * np.arange(4) + turned))
    for _ in range(levels):
        start, step = points[:-1], np.diff(points) / 3
        tip = start + step + step * np.exp(1j * np.pi / 3)
        points = np.append(np.stack([start, start + step, tip, start + 2 * step], axis=1).ravel(), points[-1])
    x, y = plane(pixels)
    outline = Path(np.column_stack([points.real, points.imag]))
    return outline.contains_points(np.column_stack([x.ravel(), y.ravel()])).reshape(x.shape)


def cantor_stripes(*, levels: int = 5) -> Picture:
    """Stripes that meet in a Cantor set: what is left out of it at one step has one colour, at the next the other."""
    row = np.zeros(1, dtype=int)
    for level in range(1, levels + 1):
        row = np.concatenate([row, np.full_like(row, level), row]) if level > 1 else np.array([0, 1, 0])
    return np.tile(row % 2 == 1, (243, 1))


def holds(inside: Picture, truth: float, along: Along = "both") -> bool:
    found = box_dimension(inside, along=along)
    assert found.low is not None
    assert found.high is not None
    return found.low <= truth <= found.high


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, 1.2, 2.0])
def test_a_straight_line_has_dimension_one(angle: float) -> None:
    found = box_dimension(half_plane(angle))
    assert found.dimension == pytest.approx(1, abs=0.05)
    assert holds(half_plane(angle), 1)
    assert not found.is_rough


@pytest.mark.parametrize("radius", [0.3, 0.55, 0.75])
def test_a_circle_has_dimension_one(radius: float) -> None:
    found = box_dimension(disc(radius))
    assert found.dimension == pytest.approx(1, abs=0.05)
    assert holds(disc(radius), 1)
    assert not found.is_rough


@pytest.mark.parametrize("turned", [0.0, 0.1, 0.4])
def test_a_koch_curve_has_its_dimension_and_is_rough(turned: float) -> None:
    found = box_dimension(snowflake(turned=turned))
    assert found.dimension == pytest.approx(KOCH, abs=0.05)
    assert holds(snowflake(turned=turned), KOCH)
    assert found.is_rough


def test_a_cantor_set_by_lines_has_its_dimension_in_the_plane_and_along_a_row() -> None:
    stripes = cantor_stripes()
    assert holds(stripes, CANTOR, along="x")
    assert holds(stripes, 1 + CANTOR)
    assert box_dimension(stripes, along="x").is_rough


def test_points_along_a_row_have_dimension_zero() -> None:
    found = box_dimension(disc(0.6), along="x")
    assert found.dimension == pytest.approx(0, abs=0.05)
    assert holds(disc(0.6), 0, along="x")


def test_scattered_pixels_fill_the_plane_at_every_size() -> None:
    scattered = np.random.default_rng(0).random((96, 96)) < 0.5
    found = box_dimension(scattered)
    assert found.dimension == pytest.approx(2, abs=0.1)


def test_edges_are_where_two_by_two_neighbours_differ() -> None:
    inside = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=bool)
    assert edges(inside).all()
    assert edges(inside).shape == (2, 2)
    assert edges(inside, along="x").tolist() == [[False, False], [True, True], [False, False]]
    assert not edges(inside, size=2).any()


def test_a_picture_without_a_boundary_has_no_dimension() -> None:
    found = box_dimension(np.ones((96, 96), dtype=bool))
    assert found.dimension is None
    assert found.words == "no dimension, for there is no edge"
