"""The onset of models drawn at random, beside an independent way to look for it."""

from __future__ import annotations

import pytest

from tests.models.agreement import told_apart


# One of every fault; the whole comparison is benchmarks/onset_of_models.py.
@pytest.mark.parametrize("seed", [7, 15, 23, 31, 39, 47, 55])
def test_the_place_is_the_one_that_whole_tensors_show(seed: int) -> None:
    assert told_apart(seed) is None
