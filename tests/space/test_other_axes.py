"""A space over the axes of another model: files, samplers and the ledger know them by their design alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.space.file import parse
from study.space.search_space import SearchSpace
from study.sweep.ledger import Ledger
from study.trial.axes import Axes, Axis
from study.trial.errors import UserError
from study.trial.model_design import ModelConfig, ModelDesign
from study.trial.record import Record
from study.trial.result import TrialResult
from tests.trial.other_axes import OTHER

DESIGN = ModelDesign(model="other.py", sha256="0" * 64, file_axes=OTHER)

TEXT = """
about: another model
fixed: {depth: 3, prefix: stem}
parameters:
  rate: {low: 1e-4, high: 1e-2, log: true}
  pooling: {choices: [mean, max, attention]}
  width: {low: 8, high: 64}
  residual: {choices: [true, false]}
  decay: {choices: [none, 0.1, 0.2], when: {pooling: [max, attention]}}
updates: 40
"""


def space(sampler: str, *, trials: int = 12, **overrides: str) -> SearchSpace:
    text = f"{TEXT}\ntrials: {trials}\nsampler: {sampler}\n".replace("high: 1e-2, log", "high: 1e-2, points: 3, log")
    return parse(text, source="other.yaml", overrides=overrides, design=DESIGN)


@pytest.mark.parametrize("sampler", ["sobol", "random", "grid", "{tpe: shortest}"])
def test_every_sampler_draws_configurations_of_the_design(sampler: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    drawn: list[Any] = []
    ledger = Ledger.open(storage_url=url, name="other", space=space(sampler), seed=4)
    for _ in range(12):
        number, config = ledger.ask()
        result = TrialResult(config=config, loss=(1.0,) * config.updates, engine="keras", device="CPU", seconds=1)
        record = Record(number=number, config=config, result=result, end_time=0.0)
        ledger.journal(record)
        ledger.tell(record, run_id="run")
        drawn.append(config)
    ledger.close()
    assert all(isinstance(config, ModelConfig) for config in drawn)
    assert len({config.values()["rate"] for config in drawn}) > (2 if sampler == "grid" else 10) - 1
    for config in drawn:
        values = config.values()
        assert (values["depth"], values["prefix"], values["updates"]) == (3, "stem", 40)
        assert 1e-4 <= values["rate"] <= 1e-2
        assert values["decay"] is None or values["pooling"] != "mean"
        assert values["seed"] // 100_000 == 4
    # Another process reads the very same back.
    again = Ledger.open(storage_url=url, name="other", space=space(sampler), seed=4)
    assert [record.config for record in again.finished()] == drawn
    assert [record.result.config for record in again.finished() if record.result] == drawn
    again.close()


def test_a_space_says_of_which_model_it_is() -> None:
    entry = space("sobol").as_dict()
    assert (entry["model"], entry["sha256"]) == ("other.py", "0" * 64)
    assert entry["fixed"] == {"depth": 3, "prefix": "stem"}


def test_a_list_says_what_differs_between_its_configurations() -> None:
    configs = [DESIGN.config({"rate": 1e-3}), DESIGN.config({"pooling": "max", "decay": 0.1, "updates": 7})]
    listed = SearchSpace.listed(configs, about="a list", source="list", design=DESIGN)
    assert list(listed.parameters) == ["pooling", "decay"]
    assert listed.as_dict()["configurations"] == [{}, {"pooling": "max", "decay": 0.1, "updates": 7}]


def test_another_text_of_the_file_is_another_study() -> None:
    other = ModelDesign(model="other.py", sha256="1" * 64, file_axes=OTHER)
    text = TEXT + "trials: 4"
    assert parse(text, design=other).digest() != parse(text, design=DESIGN).digest()


def test_an_axis_drawn_from_a_logarithmic_range_counts_by_its_ratios() -> None:
    axes = parse("parameters: {depth: {low: 1, high: 64, log: true}}\ntrials: 1", design=DESIGN).axes
    assert axes["depth"].logarithmic
    assert axes["depth"].gt == 0
    assert not OTHER["depth"].logarithmic
    # One that is 0 unless told otherwise has no ratios.
    zero = Axes([*(axis for axis in OTHER.values() if axis.name != "depth"), Axis.annotated("depth", int, 0)])
    design = ModelDesign(model="other.py", sha256="0" * 64, file_axes=zero)
    assert (
        not parse("parameters: {depth: {low: 1, high: 64, log: true}}\ntrials: 1", design=design)
        .axes["depth"]
        .logarithmic
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fixed: {units: 3}", "f: fixed: 'units' is not an axis; allowed are pooling, width, rate, decay, residual"),
        ("fixed: {widht: 3}", "f: fixed: 'widht' is not an axis; did you mean width?"),
        ("fixed: {pooling: median}", "f: fixed.pooling: pooling takes mean, max or attention, not median"),
        ("parameters: {residual: {low: 0, high: 1}}", "f: parameters.residual: residual is no number; give choices"),
        ("fixed: {decay: 1}", "f: fixed.decay: decay takes a number, at least 0, below 1, or none, not 1"),
        ("fixed: {prefix: 3}", "f: fixed.prefix: prefix takes a text, not 3"),
        ("configurations: [{width: 0}]", "f: configurations, entry 1: width=0 is not allowed; width takes a whole"),
    ],
)
def test_a_mistake_is_told_by_the_axes_of_the_design(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        parse(text + "\n" + ("" if "configurations" in text else "trials: 1"), source="f", design=DESIGN)
    assert str(refused.value).startswith(sentence)


def test_an_override_is_checked_by_the_axes_of_the_design() -> None:
    assert space("sobol", width="16").fixed["width"] == 16
    with pytest.raises(UserError, match=r"--set width=0: width takes a whole number, at least 1"):
        space("sobol", width="0")
    with pytest.raises(UserError, match=r"--set units=3: 'units' is not an axis"):
        space("sobol", units="3")
