"""`--vary`: a search space on the command line."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from annotated_types import Gt

from study.space.file import parse
from study.space.search_space import SearchSpace
from study.space.vary import space_of
from study.trial.axes import Axes, Axis
from study.trial.errors import UserError
from study.trial.model_design import ModelDesign

AXES = Axes(
    [
        Axis.annotated("units", int, 16),
        Axis.annotated("activation", Literal["relu", "tanh"], "relu"),
        Axis.annotated("learning_rate", Annotated[float, Gt(0)] | None, None),
        Axis.annotated("updates", int, 100),
        Axis.annotated("seed", int, 0),
    ]
)
DESIGN = ModelDesign(model="my_model.py", sha256="0" * 64, file_axes=AXES)


def varied(*assignments: str, overrides: dict[str, str] | None = None) -> SearchSpace:
    return space_of(assignments, design=DESIGN, about="", overrides=overrides or {})


def test_what_is_varied_on_the_command_line_is_the_space_that_a_file_would_say() -> None:
    file = """
    parameters:
      learning_rate: {low: 1e-5, high: 1e-1, log: true}
      activation: {choices: [relu, tanh]}
      units: {low: 8, high: 64, step: 8}
    trials: 64
    """
    wanted = parse(file, design=DESIGN)
    found = varied("learning_rate=1e-5..1e-1:log", "activation=relu,tanh", "units=8..64:step=8")
    assert found == wanted
    assert found.digest() == wanted.digest()


def test_an_axis_that_is_set_is_not_varied() -> None:
    space = varied("units=8,16", "learning_rate=0.1,none", overrides={"units": "4", "updates": "7"})
    assert list(space.parameters) == ["learning_rate"]
    assert space.parameters["learning_rate"].grid() == (0.1, None)
    assert (space.fixed, space.updates) == ({"units": 4}, 7)


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("units", r"--vary units: write it as name=low\.\.high"),
        ("units=", r"--vary units=: write it as name=low\.\.high"),
        ("unit=8..16", r"--vary: parameters: 'unit' is not an axis; did you mean units\?"),
        ("units=16..8", r"--vary: parameters\.units: low must be below high"),
        ("units=8..many", r"--vary: parameters\.units\.high: units takes a whole number, not many"),
        ("units=8..16:often", r"--vary units=8\.\.16:often: 'often' is not known; write it as name="),
        ("learning_rate=0..1:log", r"--vary: parameters\.learning_rate\.low: learning_rate takes a number, above 0"),
        ("activation=relu..tanh", r"--vary: parameters\.activation: activation is no number; give choices from relu"),
        ("activation=relu,gelu", r"--vary: parameters\.activation\.choices: activation takes relu or tanh"),
        ("updates=10,20", r"--vary: parameters\.updates: is the budget"),
    ],
)
def test_what_cannot_be_varied_is_told_in_a_sentence(assignment: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        varied(assignment)


def test_an_axis_is_varied_once() -> None:
    with pytest.raises(UserError, match="--vary units=8: units is given twice"):
        varied("units=4", "units=8")


def test_a_sampler_is_said_in_words() -> None:
    def by(sampler: str) -> SearchSpace:
        return space_of(["units=1..64"], design=DESIGN, about="", overrides={}, sampler=sampler)

    file = "parameters: {units: {low: 1, high: 64}}\ntrials: 64\nsampler: "
    for words, entry in (("random", "random"), ("boundary=0.5,width=0.05", "{boundary: 0.5, width: 0.05}")):
        assert by(words).to_yaml() == parse(file + entry, design=DESIGN).to_yaml()
    assert by("grid").trials == 64
    with pytest.raises(UserError, match=r"--vary: sampler.boundary: takes a probability between 0 and 1, not 7"):
        by("boundary=7")
