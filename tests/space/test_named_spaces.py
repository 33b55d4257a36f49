from __future__ import annotations

from pathlib import Path

import pytest

from study.space.file import load, named_spaces
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
