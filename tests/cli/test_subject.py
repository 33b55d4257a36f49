"""What a sweep is about: a space file with `model:` in it, or a model file and `--vary`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.cli.subject import Subject, subject
from study.models import inspection
from study.models.signature import design_of
from study.trial.errors import UserError
from tests.models.files import BUILD, DATA, file_of


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a model file for its axes here: that another process does is held in the tests of `inspection`."""
    monkeypatch.setattr(inspection, "inspect", design_of)


def of(space: str | None, **options: object) -> Subject:
    defaults: dict[str, Any] = {"model": None, "vary": (), "assignments": (), "trials": None, "divergence": None}
    return subject(space, **{**defaults, **options})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a space file and, below it, the model file that it names."""
    (tmp_path / "spaces" / "nets").mkdir(parents=True)
    file_of(tmp_path / "spaces" / "nets", BUILD, DATA)
    (tmp_path / "spaces" / "mine.yaml").write_text(
        "about: my own\nmodel: nets/my_model.py\nparameters: {units: {choices: [2, 4, 8]}}\ntrials: 6\nupdates: 5\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path / "spaces"


def test_the_model_of_a_space_file_is_looked_for_beside_it_and_gives_the_axes(folder: Path) -> None:
    about = of("spaces/mine.yaml", assignments=("learning_rate=0.5",))
    assert about.model is not None
    assert about.model.text == (folder / "nets" / "my_model.py").read_text()
    assert about.name == "mine"
    assert about.space.design == design_of(about.model)
    assert about.space.parameters["units"].grid() == (2, 4, 8)
    assert (about.space.fixed, about.space.updates, about.space.trials) == ({"learning_rate": 0.5}, 5, 6)


def test_what_is_varied_over_a_file_is_the_same_space_with_a_file_and_without(folder: Path) -> None:
    model = folder / "nets" / "my_model.py"
    varied = of(None, model=model, vary=("units=2,4,8",), assignments=("updates=5",), trials=6)
    assert varied.name == "my_model"
    assert varied.space.digest() == of("spaces/mine.yaml").space.digest()


def test_a_file_alone_is_run_with_as_many_seeds_as_there_are_trials(folder: Path) -> None:
    about = of(None, model=folder / "nets" / "my_model.py", trials=5)
    assert (dict(about.space.parameters), about.space.trials) == ({}, 5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"model": Path("other.py")},
            r"^--model other\.py: spaces/mine\.yaml names a model itself, nets/my_model\.py;",
        ),
        ({"vary": ("units=2,4",)}, r"^--vary units=2,4: goes without a search space, and spaces/mine\.yaml is one;"),
        ({"assignments": ("unit=3",)}, r"^--set unit=3: 'unit' is not an axis; did you mean units\?"),
    ],
)
def test_what_does_not_go_together_is_told_in_a_sentence(folder: Path, options: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        of("spaces/mine.yaml", **options)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("model: nets/nowhere.py", r"spaces/mine\.yaml: model: .*nets/nowhere\.py: there is no such file$"),
        ("model: nets/my_model.py\nfixed: {unit: 3}", r"spaces/mine\.yaml: fixed: .*'unit'.*did you mean units\?"),
    ],
)
def test_a_mistake_in_the_space_file_of_a_model_is_told_with_its_place(folder: Path, line: str, told: str) -> None:
    text = (folder / "mine.yaml").read_text().replace("model: nets/my_model.py", line)
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=told):
        of("spaces/mine.yaml")


def test_a_file_with_nothing_to_vary_is_told_what_to_add(folder: Path) -> None:
    with pytest.raises(
        UserError, match=r"my_model\.py: nothing is varied; give --vary name=values, or --trials for as"
    ):
        of(None, model=folder / "nets" / "my_model.py")
