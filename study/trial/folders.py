"""Folders: the checkout, the home of what a study keeps, and what ships with the package."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def checkout() -> Path | None:
    """The checkout that the package lies in; None where it was installed from a wheel."""
    folder = PACKAGE.parent
    return folder if (folder / "pyproject.toml").is_file() and (folder / "search_spaces").is_dir() else None


def project_folder() -> Path:
    """The checkout, or the current folder where the package is installed without one."""
    return checkout() or Path.cwd()


def home_folder() -> Path:
    """The folder that `STUDY_HOME` names; unset, `mlruns/` of the checkout or of the current folder."""
    return Path(os.environ.get("STUDY_HOME") or project_folder() / "mlruns").expanduser().absolute()


def shipped_folder(name: str) -> Path:
    """A folder of data that ships with the package: `search_spaces`, or `notebooks/recorded`.

    In a checkout it stands at the top level; a wheel carries a copy of it in `study/shipped/`.
    """
    return (checkout() or PACKAGE / "shipped") / name


def space_folders() -> tuple[Path, ...]:
    """Folders of named search spaces, the first match wins: the current folder's, then the shipped ones."""
    return (Path("search_spaces"), shipped_folder("search_spaces"))
