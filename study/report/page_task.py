"""What a sweep hands to a worker to make a page: light to import, as the command and the worker both do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from study.models.file import ModelFile
    from study.trial.design import Design


def draw(recorded: str, about: str) -> str:
    """`study.report.anatomy.page_text`, imported where it is run: it trains."""
    from study.report.anatomy import page_text

    return page_text(recorded, about)


def draw_of_model(file: ModelFile, design: Design) -> Callable[[str, str], str]:
    """The same for a study of a model file, which goes along as text: a worker elsewhere has no such file."""
    return partial(_draw, file.path, file.text, design.axes.to_json())


def _draw(path: str, text: str, axes: str, recorded: str, about: str) -> str:
    from study.models.file import ModelFile
    from study.report.anatomy import page_text
    from study.trial.axes import Axes
    from study.trial.model_design import ModelDesign

    file = ModelFile(path=path, text=text)
    design = ModelDesign(model=file.name, sha256=file.sha256, file_axes=Axes.from_json(axes))
    return page_text(recorded, about, model=file, design=design)
