"""Reads a search space file and checks it.

A file is YAML with the keys of `study.space.shape.SpaceFile`; the README describes them. Instead of what is varied and
how, it can list its `configurations`. Every mistake a file can hold raises `UserError` here, so that no trial of a
running sweep meets it: its shape is checked first, then what it means for the axes (`study.space.meaning`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from study.space.meaning import Meaning
from study.space.search_space import SearchSpace
from study.space.shape import SpaceFile
from study.space.yaml_file import Place, checked, read_mapping, reason
from study.trial.config import EXAMPLE
from study.trial.design import Design
from study.trial.errors import UserError

KEYS = tuple(SpaceFile.model_fields)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A search space file of the right shape; what it means is a matter of its axes.

    Attributes:
        content: Of the file.
        source: Its path.
    """

    content: SpaceFile
    source: str

    @property
    def model(self) -> Path | None:
        """The model file that it is about, named relative to itself; None where it is about the example."""
        return None if self.content.model is None else Path(self.source).parent / self.content.model

    def space(self, design: Design, *, overrides: Mapping[str, str] | None = None) -> SearchSpace:
        """The space, with some axes fixed beside it.

        Raises:
            UserError: A value that its axis does not take, an axis that there is none, another text of its model.
        """
        wanted = self.content.sha256
        if wanted is not None and design.identity.get("sha256") != wanted:
            raise UserError(
                f"{self.source}: sha256: {self.content.model} has another text than this space was kept with"
            )
        return Meaning(source=self.source, design=design).space(self.content, overrides or {})


def load(name: str, *, folders: tuple[Path, ...], overrides: Mapping[str, str] | None = None) -> SearchSpace:
    """Read a search space over the example.

    Args:
        name: A file, or the name of a file in one of the folders, without its ending.
        folders: Where named spaces lie.
        overrides: Axes to fix, as from `--set`; they take a parameter of that name out of the space.

    Raises:
        UserError: There is no such file, or something in it is wrong.
    """
    return find(name, folders=folders).space(EXAMPLE, overrides=overrides)


def find(name: str, *, folders: tuple[Path, ...]) -> Found:
    """Read a search space file and check its shape; arguments and errors as of `load`."""
    path = Path(name)
    if not path.suffix:
        named = [folder / f"{name}.yaml" for folder in folders]
        path = next((file for file in named if file.is_file()), path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(named_spaces(folders)) or "none with a name"
        raise UserError(f"{name}: no such search space; there are {known}, or give a file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{name}: cannot be read as a search space: {reason(error)}") from error
    return _found(text, source=str(path))


def named_spaces(folders: tuple[Path, ...]) -> list[str]:
    """Names of the search spaces in these folders; what is none, such as the file of claims, is left out."""
    return sorted({file.stem for folder in folders for file in folder.glob("*.yaml") if _is_space(file)})


def _is_space(file: Path) -> bool:
    try:
        content = read_mapping(file.read_text(encoding="utf-8"), keys=KEYS, source=str(file))
    except (UserError, OSError, UnicodeDecodeError):
        return False
    return "contrasts" not in content


def parse(
    text: str,
    *,
    source: str = "search space",
    overrides: Mapping[str, str] | None = None,
    design: Design = EXAMPLE,
) -> SearchSpace:
    """Parse the text of a search space file.

    Args:
        text: YAML.
        source: The file's name, put in front of every error message.
        overrides: As for `load`.
        design: What a trial is made of.

    Raises:
        UserError: The first thing that is wrong: the file, the field, what was given, what is allowed.
    """
    return _found(text, source=source).space(design, overrides=overrides)


def _found(text: str, *, source: str) -> Found:
    content = read_mapping(text, keys=KEYS, source=source)
    return Found(content=checked(SpaceFile, content, source=source, place=_place), source=source)


def _place(way: Place) -> str:
    if way[:1] == ("configurations",) and len(way) > 1:
        return f"configurations, entry {int(way[1]) + 1}"
    return ".".join(map(str, way))
