"""Reads the file of contrasts and checks it, so that no verdict of a finished study meets a mistake in it.

The shape of the file is checked first (`study.claims.shape`), then what it means at a scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from study.claims.contrast import CLAIMS, Arm, Claims, Contrast, Remedy, Scale, Statistic, label_of
from study.claims.shape import ClaimsFile, ContrastEntry, RemedyEntry, ScaleEntry
from study.space.yaml_file import Place, checked, read_mapping, reason, shown
from study.trial.axes import NOT_OF_A_MODEL, AxisValue
from study.trial.config import EXAMPLE
from study.trial.errors import UserError

FILE = "claims.yaml"
ARMS: dict[Statistic, str] = {"share": "at least 1", "order": "exactly 2", "gain": "exactly 4", "repeat": "at least 1"}
"""How many arms a statistic compares."""

LISTS = ("contrasts", "remedies")
"""Keys of the file whose entries have names of their own."""


def find_claims(folders: tuple[Path, ...]) -> Path:
    """The file of claims in the first folder that has one.

    Raises:
        UserError: None has one.
    """
    files = [folder / FILE for folder in folders]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise UserError(f"{FILE}: is in none of {', '.join(map(str, folders))}; run the command in a checkout")
    return found


def load_claims(path: Path, *, scale: Scale) -> Claims:
    """Read the contrasts of a scale.

    Raises:
        UserError: There is no such file, or something in it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a file of claims: {reason(error)}") from error
    return parse_claims(text, scale=scale, source=str(path))


def parse_claims(text: str, *, scale: Scale, source: str = "claims") -> Claims:
    """Parse the text of a file of contrasts.

    Args:
        text: YAML.
        scale: Which of its scales to take.
        source: The file's name, put in front of every error message.

    Raises:
        UserError: The first thing that is wrong: the file, the field, what was given, what is allowed.
    """
    content = read_mapping(text, keys=tuple(ClaimsFile.model_fields), source=source)
    file = checked(ClaimsFile, content, source=source, place=lambda way: _place(way, content))
    return _AtScale(source, scale).claims(file)


def _place(way: Place, content: dict[Any, Any]) -> str:
    """Where a mistake is: a contrast is named by its id, and its arms are not numbered."""
    if not way:
        return "file"
    part = str(way[0])
    if part not in LISTS or len(way) == 1:
        return ".".join(map(str, way))
    entry = content[part][int(way[1])]
    name = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(name, str) or way[2:] == ("id",):
        return part
    return ".".join([name, *(step for step in way[2:] if isinstance(step, str))])


class _AtScale:
    """Turns a file of the right shape into the `Claims` of a scale, or into the sentence that says why it cannot."""

    def __init__(self, source: str, scale: Scale) -> None:
        self._source = source
        self._scale = scale

    def claims(self, file: ClaimsFile) -> Claims:
        scale = file.scales.at(self._scale)
        contrasts = [self._contrast(entry, scale) for entry in file.contrasts]
        remedies = [self._remedy(entry, scale) for entry in file.remedies]
        for part, ids in (("contrasts", [c.id for c in contrasts]), ("remedies", [r.id for r in remedies])):
            twice = next((name for index, name in enumerate(ids) if name in ids[:index]), None)
            if twice is not None:
                raise self._wrong(part, f"{twice} is given twice")
        missing = [claim for claim in CLAIMS if claim not in {contrast.claim for contrast in contrasts}]
        if missing:
            raise self._wrong("contrasts", f"none is about {missing[0]}; every claim from C1 to {CLAIMS[-1]} needs one")
        return Claims(
            scale=self._scale,
            about=file.about,
            alpha=file.alpha,
            bound=file.bound,
            equivalence=file.equivalence,
            contrasts=tuple(contrasts),
            remedies=tuple(remedies),
            source=self._source,
        )

    def _wrong(self, place: str, problem: str) -> UserError:
        return UserError(f"{self._source}: {place}: {problem}")

    def _contrast(self, entry: ContrastEntry, scale: ScaleEntry) -> Contrast:
        name, here = entry.id, entry.at.at(self._scale)
        common = self._values("fixed of the scale", scale.fixed) | self._values(
            name, _first(here.fixed, entry.fixed, {})
        )
        control = _first(here.control, entry.control, None)
        contrast = Contrast(
            id=name,
            statement=entry.statement,
            factor=entry.factor,
            against=entry.against,
            statistic=entry.statistic,
            arms=self._arms(name, entry.statistic, _first(here.arms, entry.arms, []), common),
            control=None if control is None else self._arm(f"{name}.control", control, common),
            quantifier=entry.quantifier,
            event=entry.event,
            measure=entry.measure,
            at_update=_first(here.at_update, entry.at_update, None),
            trainer=entry.trainer,
            return_sequences=entry.return_sequences,
            threads=entry.threads,
            updates=_first(here.updates, entry.updates, scale.updates),
            replicates=(replicates := _first(here.replicates, entry.replicates, scale.replicates)),
            look=_first(here.look, entry.look, replicates),
            runs=entry.runs,
            under=entry.under,
        )
        if contrast.look > contrast.replicates:
            raise self._wrong(
                f"{name}.look", f"takes at most the {contrast.replicates} replicates, not {contrast.look}"
            )
        self._check(name, contrast.all_arms)
        return contrast

    def _remedy(self, entry: RemedyEntry, scale: ScaleEntry) -> Remedy:
        common = self._values("fixed of the scale", scale.fixed)
        remedy = Remedy(
            id=entry.id,
            statement=entry.statement,
            arm=self._arm(f"{entry.id}.remedy", entry.remedy, common),
            beside=self._arm(f"{entry.id}.beside", entry.beside, common),
            updates=scale.updates,
            replicates=scale.replicates,
        )
        if remedy.arm.values == remedy.beside.values:
            raise self._wrong(f"{entry.id}.remedy", "sets nothing that the model without it has not")
        self._check(entry.id, remedy.arms)
        return remedy

    def _check(self, name: str, arms: Iterable[Arm]) -> None:
        for arm in arms:
            EXAMPLE.config(arm.values, where=f"{self._source}: {name}: {arm.label}")

    def _arms(
        self, name: str, statistic: Statistic, given: list[dict[Any, Any]], common: Mapping[str, AxisValue]
    ) -> tuple[Arm, ...]:
        number = ARMS[statistic]
        least = int(number.split()[-1])
        if len(given) < least or (number.startswith("exactly") and len(given) > least):
            raise self._wrong(f"{name}.arms", f"takes a list of {number}, not {shown(given)}")
        arms = tuple(self._arm(f"{name}.arms", entry, common) for entry in given)
        twice = next((arm for index, arm in enumerate(arms) if arm.values in [a.values for a in arms[:index]]), None)
        if twice is not None:
            raise self._wrong(f"{name}.arms", f"{twice.label} is given twice")
        return arms

    def _arm(self, place: str, given: dict[Any, Any], common: Mapping[str, AxisValue]) -> Arm:
        own = self._values(place, given)
        return Arm(label=label_of(own), values={**common, **own})

    def _values(self, place: str, given: dict[Any, Any]) -> dict[str, AxisValue]:
        """Values of axes of the example, each checked alone."""
        values: dict[str, AxisValue] = {}
        for name, value in given.items():
            if name not in EXAMPLE.axes:
                raise self._wrong(place, EXAMPLE.axes.unknown(name))
            if name in NOT_OF_A_MODEL:
                raise self._wrong(
                    place, f"{name} is not for an arm: budget and seeds are the same for all of a contrast"
                )
            axis = EXAMPLE.axes[name]
            try:
                values[name] = axis.validate(value)
            except ValueError:
                problem = f"{name} takes {axis.allowed()}, not {shown(value)}{axis.hint(value)}"
                raise self._wrong(place, problem) from None
        return values


def _first(*given: Any) -> Any:
    """The first that is given, the last of them a default."""
    return next((one for one in given if one is not None), None)
