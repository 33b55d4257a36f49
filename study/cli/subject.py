"""What a sweep is about: a search space from a file or from `--vary`, over the example or over a model file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from study.trial.errors import UserError

if TYPE_CHECKING:
    from study.models.file import ModelFile
    from study.space.search_space import SearchSpace
    from study.trial.design import Design
    from study.trial.divergence import Divergence


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a sweep is about.

    Attributes:
        space: What it varies.
        model: The model file that the space is about; None where that is the example.
        name: What its study is called unless it is told otherwise.
        named_by: What the name comes from, for a sentence.
    """

    space: SearchSpace
    model: ModelFile | None
    name: str
    named_by: str


def subject(
    space: str | None,
    *,
    model: Path | None,
    vary: Sequence[str],
    assignments: Sequence[str],
    trials: int | None,
    divergence: Divergence | None,
    sampler: str | None = None,
) -> Subject:
    """Put together what was given on the command line.

    Args:
        space: A search space file, or the name of one.
        model: A model file.
        vary: As `study.space.vary` reads them.
        assignments: Axes to fix, `name=value`.
        trials: Number of trials.
        divergence: The event that ends a trial.
        sampler: As `study.space.vary` reads it.

    Raises:
        UserError: Nothing to vary, two sources of it, or anything wrong in them.
    """
    if space is not None and vary:
        raise UserError(f"--vary {vary[0]}: goes without a search space, and {space} is one; keep one of the two")
    if space is None and not vary and model is None:
        raise click.UsageError("SPACE is missing; give a search space, or --vary name=values")
    if space is not None and sampler is not None:
        raise UserError(
            f"--sampler {sampler}: goes with --vary; {space} is a search space, whose file says it: sampler:"
        )
    if space is not None:
        return _of_file(space, model=model, assignments=assignments, trials=trials, divergence=divergence)
    if not vary and trials is None:
        raise UserError(f"--model {model}: nothing is varied; give --vary name=values, or --trials for as many seeds")
    from study.space import vary as varied
    from study.trial.divergence import NONFINITE

    file, design = _design_of(model, where="--model")
    what = "the minimal example" if file is None else file.name
    found = varied.space_of(
        vary,
        design=design,
        about=f"{what}, {', '.join(one.partition('=')[0].strip() for one in vary) or 'the seed'} varied",
        overrides=design.axes.parse_assignments(assignments),
        trials=trials,
        sampler=sampler,
        divergence=divergence or NONFINITE,
    )
    name = "varied" if file is None else Path(file.name).stem
    return Subject(space=found, model=file, name=name, named_by="--vary" if model is None else f"--model {model}")


def _of_file(
    space: str, *, model: Path | None, assignments: Sequence[str], trials: int | None, divergence: Divergence | None
) -> Subject:
    from study.space.file import find
    from study.space.search_space import check_trials
    from study.trial.folders import space_folders

    found = find(space, folders=space_folders())
    if model is not None and found.model is not None:
        raise UserError(f"--model {model}: {space} names a model itself, {found.content.model}; keep one of the two")
    file, design = _design_of(model or found.model, where="--model" if model else f"{found.source}: model:")
    parsed = found.space(design, overrides=design.axes.parse_assignments(assignments))
    if divergence is not None:
        parsed = replace(parsed, divergence=divergence)
    if trials is not None:
        parsed = check_trials(parsed, trials)
    return Subject(space=parsed, model=file, name=Path(space).stem, named_by=space)


def _design_of(model: Path | None, *, where: str) -> tuple[ModelFile | None, Design]:
    """The model file, where there is one, and the axes; the user's code runs in a process of its own for it."""
    if model is None:
        from study.trial.config import EXAMPLE

        return None, EXAMPLE
    from study.models.file import ModelFile
    from study.models.inspection import inspect

    file = ModelFile.read(model, where=where)
    return file, inspect(file)
