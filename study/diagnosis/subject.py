"""What is diagnosed: a model file, the minimal example, or a trial of either that was tracked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study.models.file import ModelFile
from study.trial.axes import as_text
from study.trial.config import AXES
from study.trial.divergence import NONFINITE, Divergence
from study.trial.errors import UserError
from study.trial.model_design import ModelConfig, ModelDesign

EXAMPLE = Path(__file__).parent.parent / "models" / "minimal_example.py"
"""The example as a model file."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is diagnosed.

    Attributes:
        file: The model file.
        is_example: Whether it is the minimal example.
        values: Of the axes, where they are those of a tracked trial.
        run_id: Of that trial.
        divergence: The event that ends a training.
    """

    file: ModelFile
    is_example: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    divergence: Divergence = NONFINITE

    def config(self, design: ModelDesign, assignments: Sequence[str]) -> ModelConfig:
        """The trial.

        Args:
            design: The axes of the file.
            assignments: Axes to set, `name=value`.

        Raises:
            UserError: An axis or a value that the file does not take.
        """
        if self.run_id is None:
            return design.config(design.axes.parse_assignments(assignments), where="--set")
        where = f"--run {self.run_id}"
        for name, value in self.values.items():
            if name not in design.axes and value != AXES[name].default:
                raise UserError(
                    f"{where}: was trained with {name}={as_text(value)}; a diagnosis trains the example by Keras 3's "
                    f"own layers, with {name}={as_text(AXES[name].default)} alone"
                )
        known = {name: value for name, value in self.values.items() if name in design.axes}
        return design.config(known, where=where)


def subject(file: Path | None, run_id: str | None) -> Subject:
    """What was asked for on the command line: one of the two, or none for the example.

    Raises:
        UserError: No such file, or no such run.
    """
    if file is not None:
        return Subject(file=ModelFile.read(file, where="diagnose"))
    example = ModelFile.read(EXAMPLE)
    if run_id is None:
        return Subject(file=example, is_example=True)
    from study.tracking import read_run
    from study.trial.home import existing_home

    found = read_run(run_id, uri=existing_home().tracking_uri)
    kept = found.model
    return Subject(
        file=example if kept is None else ModelFile(path=kept.path, text=kept.text),
        is_example=kept is None,
        values=found.result.config.values(),
        run_id=run_id,
        divergence=found.result.divergence,
    )
