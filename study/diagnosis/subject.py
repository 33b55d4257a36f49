"""What is diagnosed: a model file, the minimal example, or a trial of either that was tracked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.models.file import ModelFile
from study.trial.config import TrialConfig
from study.trial.design import Configuration, Design
from study.trial.divergence import NONFINITE, Divergence

if TYPE_CHECKING:
    from study.diagnosis.remedies import Remedy

EXAMPLE_NAME = "minimal_example"
"""How records and pages name what has no file."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is diagnosed.

    Attributes:
        file: The model file; None of the minimal example.
        values: Of the axes, where they are those of a tracked trial.
        run_id: Of that trial.
        divergence: The event that ends a training.
    """

    file: ModelFile | None = None
    values: Mapping[str, Any] | None = None
    run_id: str | None = None
    divergence: Divergence = NONFINITE

    @property
    def name(self) -> str:
        return EXAMPLE_NAME if self.file is None else self.file.name

    def config(self, design: Design, assignments: Sequence[str]) -> Configuration:
        """The trial.

        Args:
            design: Its axes.
            assignments: Axes to set, `name=value`.

        Raises:
            UserError: An axis or a value that there is not.
        """
        if self.values is None:
            return design.config(design.axes.parse_assignments(assignments), where="--set")
        return design.config(self.values, where=f"--run {self.run_id}")


def more_remedies(config: Configuration) -> Sequence[Remedy]:
    """What is worth a try beside the remedies of the causes: of the example those of its own page."""
    if not isinstance(config, TrialConfig):
        return ()
    from study.diagnosis.remedies.axis import of_the_example

    return of_the_example(config)


def subject(file: Path | None, run_id: str | None) -> Subject:
    """What was asked for on the command line: one of the two, or none for the example.

    Raises:
        UserError: No such file, or no such run.
    """
    if file is not None:
        return Subject(file=ModelFile.read(file, where="diagnose"))
    if run_id is None:
        return Subject()
    from study.tracking import read_run
    from study.trial.home import existing_home

    found = read_run(run_id, uri=existing_home().tracking_uri)
    kept = found.model
    return Subject(
        file=None if kept is None else ModelFile(path=kept.path, text=kept.text),
        values=found.result.config.values(),
        run_id=run_id,
        divergence=found.result.divergence,
    )
