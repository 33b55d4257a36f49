"""Points as columns."""

from __future__ import annotations

import pytest

from study.analysis.boundary.columns import Categories, Columns, Numbers


def test_a_number_is_placed_between_the_ends_of_its_axis_by_its_scale() -> None:
    columns = Columns(axes={"rate": Numbers(low=1e-4, high=1e-2, log=True), "units": Numbers(low=4, high=8)})
    assert columns.encode([{"rate": 1e-3, "units": 5}]).tolist() == [[pytest.approx(0.5), 0.25]]


def test_a_number_that_is_unset_is_apart_from_every_number() -> None:
    columns = Columns(axes={"clipnorm": Numbers(low=1, high=3, optional=True)})
    middle, unset, absent = columns.encode([{"clipnorm": 2}, {"clipnorm": None}, {}]).tolist()
    assert middle == [0.5, 0.0]
    assert unset == absent == [0.5, 1.0]


def test_two_choices_are_as_far_apart_as_the_ends_of_a_range() -> None:
    columns = Columns(axes={"activation": Categories(values=("relu", "tanh"))})
    relu, tanh = columns.encode([{"activation": "relu"}, {"activation": "tanh"}])
    assert ((relu - tanh) ** 2).sum() == pytest.approx(1.0)
    assert columns.encode([{}]).tolist() == [[0.0, 0.0]]
