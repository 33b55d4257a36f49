"""What a study may be called: whatever no command reads as something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.report.tables import ENDINGS, RECORDED
from study.trial.errors import UserError

if TYPE_CHECKING:
    from study.trial.home import Home

MOST_BYTES = 200
"""A name is also that of a folder of artifacts and of a page's file, which most file systems let have 255."""


def fault_of(name: str) -> str | None:
    """Why a study cannot have this name, as the end of a sentence; None if it can."""
    if not name.strip() or not name.isprintable():
        return "a name takes letters that can be printed"
    if name != name.strip():
        return "a name has no blank at either end"
    if "/" in name or "\\" in name:
        return "a name has no slash, since it is also that of a file"
    if name.startswith((".", "-")):
        return "a name starts with neither a dot nor a hyphen"
    if name.startswith(RECORDED):
        return f"what starts with {RECORDED} is a study recorded with the project"
    if name.lower().endswith(ENDINGS):
        return f"what ends in {' or '.join(ENDINGS)} is a file with a table"
    if len(name.encode()) > MOST_BYTES:
        return f"a name takes up to {MOST_BYTES} bytes"
    return None


def study_name(name: str, *, home: Home, where: str = "--name") -> str:
    """The name of a study to begin or to go on with.

    Args:
        name: As it was given.
        home: Where studies are; one that was begun under such a name goes on all the same.
        where: What the name comes from, for the sentence.

    Raises:
        UserError: No study can have this name.
    """
    fault = fault_of(name)
    if fault is not None and not _is_known(name, home=home):
        raise UserError(f"{where} {name}: {fault}; choose another with --name")
    return name


def _is_known(name: str, *, home: Home) -> bool:
    from study.sweep.known import study_names

    return name in study_names(home)
