from __future__ import annotations

from pathlib import Path

import pytest

from study.space.file import load, named_spaces
from study.space.samplers import build_sampler
from study.space.samplers.numbered import UnitCubeSampler
from study.trial.errors import UserError
from study.trial.folders import space_folders


def test_every_search_space_that_is_offered_can_be_swept() -> None:
    names = named_spaces(space_folders())
    assert "card" in names
    for name in names:
        load(name, folders=space_folders())


def test_what_is_no_search_space_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("{parameters: {activation: {choices: [relu, tanh]}}, trials: 2}")
    (tmp_path / "claims.yaml").write_text("{about: of claims, contrasts: []}")
    (tmp_path / "list.yaml").write_text("[1, 2]")
    (tmp_path / "torn.yaml").write_text("{")
    with pytest.raises(UserError, match=r"^nosuch: no such search space; there are mine, or give a file$"):
        load("nosuch", folders=(tmp_path,))
    with pytest.raises(UserError, match=r"there are none with a name, or give a file$"):
        load("nosuch", folders=(tmp_path / "nowhere",))


def test_the_configurations_of_card_ceiling_are_not_those_of_card() -> None:
    card = load("card", folders=space_folders())
    ceiling = load("card_ceiling", folders=space_folders())
    # As recorded: card with the seed 0, card_ceiling with 1.
    rates = [
        {
            sampler.value(number, "learning_rate", space.parameters["learning_rate"].distribution())
            for number in range(count)
        }
        for space, seed, count in ((card, 0, 1000), (ceiling, 1, ceiling.trials // ceiling.replicates))
        if isinstance(sampler := build_sampler(space, seed=seed), UnitCubeSampler)
    ]
    assert [len(values) for values in rates] == [1000, 720]
    assert not rates[0] & rates[1]
