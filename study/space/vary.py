"""`--vary name=...`: a parameter of a search space on the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from study.space.meaning import Meaning
from study.space.search_space import SearchSpace
from study.space.shape import SpaceFile
from study.space.yaml_file import checked
from study.trial.design import Design
from study.trial.divergence import NONFINITE, Divergence, in_a_file
from study.trial.errors import UserError

TRIALS = 64
"""Trials of a study of such parameters, unless it is told how many."""

FORMS = "low..high, low..high:log, low..high:step=2, low..high:points=9, or values such as relu,tanh"


def space_of(
    assignments: Iterable[str],
    *,
    design: Design,
    about: str,
    overrides: Mapping[str, str],
    trials: int | None = None,
    sampler: str | None = None,
    divergence: Divergence = NONFINITE,
) -> SearchSpace:
    """The search space that `--vary` describes.

    Args:
        assignments: Such as `learning_rate=1e-5..1e-1:log` and `activation=relu,tanh`.
        design: What a trial is made of.
        about: What the study is about, in a sentence.
        overrides: Axes to fix, as from `--set`.
        trials: Their number.
        sampler: As `--sampler` takes it: `sobol`, `grid`, `tpe=shortest`, `boundary=0.5,width=0.05`.
        divergence: The event that ends a trial.

    Raises:
        UserError: An assignment of another form, an axis that there is none, or values that it does not take.
    """
    content: dict[str, Any] = {
        "about": about,
        "parameters": _parameters(assignments),
        "trials": trials or (None if sampler == "grid" else TRIALS),
        "sampler": None if sampler is None else _sampler(sampler),
        "divergence": in_a_file(divergence),
    }
    file = checked(SpaceFile, content, source="--vary", place=lambda way: ".".join(map(str, way)))
    return Meaning(source="--vary", design=design).space(file, overrides)


def _sampler(given: str) -> str | dict[str, str]:
    """What a search space file says of the sampler: a word, or a mapping."""
    if "=" not in given:
        return given
    parts = (part.partition("=") for part in given.split(","))
    return {name.strip(): value.strip() for name, _, value in parts}


def _parameters(assignments: Iterable[str]) -> dict[str, dict[str, Any]]:
    parameters: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        name, separator, given = (part.strip() for part in assignment.partition("="))
        if not separator or not name or not given:
            raise UserError(f"--vary {assignment}: write it as name={FORMS}")
        if name in parameters:
            raise UserError(f"--vary {assignment}: {name} is given twice")
        parameters[name] = _entry(given, assignment)
    return parameters


def _entry(given: str, assignment: str) -> dict[str, Any]:
    ends = re.fullmatch(r"(?P<low>[^:]+?)\.\.(?P<high>[^:]+)(?::(?P<how>.*))?", given)
    if ends is None:
        return {"choices": [value.strip() for value in given.split(",")]}
    entry: dict[str, Any] = {"low": ends["low"], "high": ends["high"]}
    for how in (ends["how"] or "").split(",") if ends["how"] is not None else ():
        name, _, value = how.strip().partition("=")
        if name == "log" and not value:
            entry["log"] = True
        elif name in ("step", "points") and value:
            entry[name] = value
        else:
            raise UserError(f"--vary {assignment}: {how.strip() or 'nothing'!r} is not known; write it as name={FORMS}")
    return entry
