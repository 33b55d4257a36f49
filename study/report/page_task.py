"""What a sweep hands to a worker to make of an exemplary trial: light to import, as the command and the worker both do.

The text of a model file goes along: a worker elsewhere has no such file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from study.models.file import ModelFile
    from study.trial.design import Design

Task: TypeAlias = Callable[[str, str], str]
"""A trial's result and what is to be said of its run in, both JSON; a text out."""


@dataclass(frozen=True)
class _Trained:
    """What trials of a model file are made of, as text."""

    path: str
    text: str
    axes: str

    def read(self) -> tuple[ModelFile, Design]:
        from study.models.file import ModelFile
        from study.trial.axes import Axes
        from study.trial.model_design import ModelDesign

        file = ModelFile(path=self.path, text=self.text)
        return file, ModelDesign(model=file.name, sha256=file.sha256, file_axes=Axes.from_json(self.axes))


def page_task(model: ModelFile | None = None, design: Design | None = None) -> Task:
    """What draws the anatomy page of a trial; of the example, unless there is a model file with its design."""
    return partial(_draw, _trained(model, design))


def cause_task(model: ModelFile | None = None, design: Design | None = None) -> Task:
    """What measures the cause of a trial's NaN."""
    return partial(_measure, _trained(model, design))


def _trained(model: ModelFile | None, design: Design | None) -> _Trained | None:
    if model is None:
        return None
    assert design is not None
    return _Trained(model.path, model.text, design.axes.to_json())


def _draw(trained: _Trained | None, recorded: str, about: str) -> str:
    from study.report.anatomy import page_text

    if trained is None:
        return page_text(recorded, about)
    file, design = trained.read()
    return page_text(recorded, about, model=file, design=design)


def _measure(trained: _Trained | None, recorded: str, about: str) -> str:
    from study.diagnosis.measured_cause import measured_text

    if trained is None:
        return measured_text(recorded)
    file, design = trained.read()
    return measured_text(recorded, model=file, design=design)
