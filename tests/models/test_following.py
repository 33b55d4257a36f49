from __future__ import annotations

from pathlib import Path

import pytest

from study.models.signature import design_of
from study.models.trial import run
from tests.models.files import BUILD, DATA, file_of


def test_every_update_of_a_model_is_told_and_no_number_is_changed_by_it(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD, DATA)
    config = design_of(file).config({"updates": 5, "batch_size": 16})
    told: list[tuple[int, int, float]] = []
    followed = run([config], file=file, on_update=lambda *update: told.append(update))[0]
    assert told == [(0, update, loss) for update, loss in enumerate(followed.loss, start=1)]
    assert run([config], file=file)[0].loss == followed.loss


def test_what_a_follower_raises_ends_the_training_of_a_model(tmp_path: Path) -> None:
    file = file_of(tmp_path, BUILD, DATA)
    told = []

    def on_update(place: int, update: int, loss: float) -> None:
        told.append(update)
        if update == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([design_of(file).config({"updates": 5})], file=file, on_update=on_update)
    assert told == [1, 2]
