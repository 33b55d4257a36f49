"""The events that end a trial. A new one is put among `EXAMPLES` and held to all of this."""

from __future__ import annotations

import math
import pickle
import random
from dataclasses import asdict

import numpy as np
import pytest

from study.trial.divergence import (
    DIVERGENCES,
    NONFINITE,
    TAKES,
    TAKES_IN_A_FILE,
    Divergence,
    LossAbove,
    NonFinite,
    divergence_of,
    in_a_file,
)

EXAMPLES: list[Divergence] = [NonFinite(), LossAbove(10), LossAbove(0.1), LossAbove(-3.5), LossAbove(1e30)]


def test_every_event_has_an_example_here() -> None:
    assert {type(one) for one in EXAMPLES} == set(DIVERGENCES.values())


@pytest.mark.parametrize("divergence", EXAMPLES, ids=str)
class TestEveryEvent:
    def test_a_loss_that_is_not_finite_is_the_event(self, divergence: Divergence) -> None:
        assert all(divergence.happened(loss) for loss in (math.nan, math.inf, -math.inf))

    def test_a_loss_within_the_bounds_is_not(self, divergence: Divergence) -> None:
        lowest, highest = divergence.bounds
        draw = random.Random(1)
        for _ in range(200):
            loss = draw.uniform(-1, 1) * 10 ** draw.uniform(-3, 35)
            assert divergence.happened(loss) == (not lowest <= loss <= highest)

    def test_it_is_read_back_from_its_text_and_from_a_file(self, divergence: Divergence) -> None:
        assert divergence_of(str(divergence)) == divergence
        assert divergence_of(in_a_file(divergence)) == divergence
        assert pickle.loads(pickle.dumps(divergence)) == divergence
        assert hash(divergence_of(str(divergence))) == hash(divergence)

    def test_it_has_words(self, divergence: Divergence) -> None:
        words = asdict(divergence.words)
        assert all(words.values())
        assert divergence.words.noun in words["time"]
        assert divergence.stayed.endswith(divergence.words.still)
        assert divergence.became(math.nan) == "became NaN"
        assert divergence.became(math.inf) == "became infinite"
        for loss in (divergence.bounds[0] - 1, divergence.bounds[1] + 1):
            if math.isfinite(loss) and divergence.happened(loss):
                assert f"{loss:.4g}" in divergence.became(loss)


def test_a_loss_above_the_threshold_is_the_event_and_the_threshold_itself_is_not() -> None:
    assert LossAbove(10).happened(math.nextafter(10, 11))
    assert not LossAbove(10).happened(10.0)
    assert not NONFINITE.happened(float(np.finfo(np.float32).max))


@pytest.mark.parametrize(
    "given",
    [
        "nan", "nonfinite=1", "loss_above", "loss_above=", "loss_above=ten", "loss_above=nan", "loss_above=inf", "",
        {"loss_above": None}, {"loss_above": True}, {"loss_above": 10, "nonfinite": 1}, {"nonfinite": 1}, {1: 2}, {},
        10, None, ["loss_above"],
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused(given: object) -> None:
    try:
        found = divergence_of(given)
    except ValueError:
        return
    pytest.fail(f"{given!r} is taken for {found}")


def test_what_is_allowed_names_every_event() -> None:
    assert TAKES == "nonfinite or loss_above=NUMBER"
    assert TAKES_IN_A_FILE == "nonfinite or {loss_above: NUMBER}"


def test_numbers_are_written_as_people_write_them() -> None:
    assert str(divergence_of({"loss_above": "1e3"})) == "loss_above=1000"
    assert divergence_of("loss_above = 2.5") == LossAbove(2.5)
    assert in_a_file(LossAbove(2.5)) == {"loss_above": 2.5}
