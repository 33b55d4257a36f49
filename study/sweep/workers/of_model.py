"""What a worker does with trials of a model file. The file goes along as text: a worker elsewhere has no such file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from study.models.file import ModelFile
from study.sweep.workers.base import Train
from study.trial.axes import Axes
from study.trial.divergence import divergence_of
from study.trial.model_design import ModelDesign


def train_on(file: ModelFile, design: ModelDesign) -> Train:
    """What a worker of a study of this file does with trials."""
    return partial(_train, file.path, file.text, design.axes.to_json())


def _train(
    path: str, text: str, axes: str, configs: Sequence[str], engine: str, population: int | None, divergence: str
) -> list[str]:
    from study.models.trial import run

    file = ModelFile(path=path, text=text)
    design = ModelDesign(model=file.name, sha256=file.sha256, file_axes=Axes.from_json(axes))
    parsed = [design.config(json.loads(config)) for config in configs]
    return [result.to_json() for result in run(parsed, file=file, divergence=divergence_of(divergence))]
