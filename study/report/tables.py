"""Results tables by name: of a study in MLflow, recorded with the project, or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from study.trial.errors import UserError
from study.trial.folders import shipped_folder

if TYPE_CHECKING:
    import pandas as pd

RECORDED = "recorded:"
"""What the name of a study that was recorded with the project starts with."""

ENDINGS = (".csv", ".parquet")
"""What the name of a file with a results table ends in."""


def recorded_folder() -> Path:
    """Where the recorded studies are, and the manifest that says how they were made."""
    return shipped_folder("notebooks/recorded")


def recorded_file(name: str) -> Path:
    """The file of a recorded study's table.

    Raises:
        UserError: There is none of this name.
    """
    path = recorded_folder() / f"{name}.parquet"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in recorded_folder().glob("*.parquet"))) or "none yet"
        raise UserError(f"{RECORDED}{name}: no such recorded study; there are {known}")
    return path


def is_file(name: str) -> bool:
    """Whether a name is that of a file, and not of a study in MLflow.

    No study can be begun under the name of a file; one that was, before that was so, is found where no such file is.
    """
    if name.startswith(RECORDED):
        path = recorded_folder() / f"{name.removeprefix(RECORDED)}.parquet"
    elif name.endswith(ENDINGS):
        path = Path(name)
    else:
        return False
    return path.is_file() or not _is_study(name)


def _is_study(name: str) -> bool:
    """Whether the store has a study of this name; no answer is a no."""
    from study.trial.home import existing_home

    try:
        uri = existing_home().tracking_uri
        from study.tracking import list_studies

        return name in list_studies(uri=uri)
    except UserError:
        return False


def load(name: str) -> pd.DataFrame:
    """The results table of a study, one row a trial, with the columns of `study.analysis.table.COLUMNS`.

    Args:
        name: A study in MLflow (`card`), one recorded with the project (`recorded:card`), or a file that
            `study results STUDY --out FILE` wrote (`card.parquet`).

    Raises:
        UserError: There is no such study or file, or it holds something else.

    Example:
        >>> load("recorded:card").groupby("activation").size()
    """
    from study.analysis.table import as_results, load_results

    if is_file(name):
        return load_results(recorded_file(name.removeprefix(RECORDED)) if name.startswith(RECORDED) else name)
    from study.tracking import read_results
    from study.trial.home import existing_home

    return as_results(read_results(uri=existing_home().tracking_uri, study=name), where=name)


def load_verdicts(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The verdicts on the claims that a study was run for: contrasts and arms, as `study.claims.verdicts` gives them.

    Args:
        name: A study of `study claims` in MLflow (`claims-small`), or one recorded with the project
            (`recorded:claims-small`, whose verdicts are beside its trials).

    Raises:
        UserError: There is no such study, or it has no verdicts.
    """
    import pandas as pd

    if name.startswith(RECORDED):
        stem = name.removeprefix(RECORDED)
        contrasts, arms = (pd.read_parquet(recorded_file(f"{stem}-{part}")) for part in ("contrasts", "arms"))
        return contrasts, arms
    from study.tracking import read_verdicts
    from study.trial.home import existing_home

    found = read_verdicts(uri=existing_home().tracking_uri, study=name)
    if found is None:
        raise UserError(f"{name}: has no verdicts; `study claims` runs the trials and judges them")
    return found


def load_remedies(name: str) -> pd.DataFrame:
    """The ranked remedies of a study, as `study.claims.remedies.ranked_remedies` gives them.

    Args:
        name: As for `load_verdicts`.

    Raises:
        UserError: There is no such study, or it has none.
    """
    import pandas as pd

    if name.startswith(RECORDED):
        return pd.read_parquet(recorded_file(f"{name.removeprefix(RECORDED)}-remedies"))
    from study.tracking import REMEDIES, read_kept
    from study.trial.home import existing_home

    found = read_kept(uri=existing_home().tracking_uri, study=name, name=REMEDIES)
    if found is None:
        raise UserError(f"{name}: has no remedies; `study claims --remedies` runs the trials and ranks them")
    return found
