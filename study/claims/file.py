"""Reads the file of contrasts and checks it, so that no verdict of a finished study meets a mistake in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from study.claims.contrast import CLAIMS, Arm, Claims, Contrast, Event, Measure, Scale, Side, Statistic, label_of
from study.space.file import read_mapping, reason, shown
from study.trial.config import AXES, AxisValue, Semantics, TrialConfig, allowed, axis_value, unknown_axis
from study.trial.errors import UserError

FILE = "claims.yaml"
KEYS = ("about", "alpha", "scales", "contrasts")
SCALE_KEYS = ("fixed", "updates", "replicates")
REQUIRED = ("id", "statement", "factor", "statistic", "arms", "against")
OVERRIDABLE = ("fixed", "arms", "control", "updates", "replicates")
CONTRAST_KEYS = (*REQUIRED, "control", "event", "measure", "side", "threshold", "runs", "under", "at", *OVERRIDABLE)
ARMS = {"share": "at least 1", "order": "at least 2", "gain": "exactly 4", "repeat": "at least 1"}
REPLICATES_LIMIT = 1000


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
    return _Parser(source, scale).claims(read_mapping(text, keys=KEYS, source=source))


class _Parser:
    """Turns what YAML gave into `Claims`, or into the sentence that says why it cannot."""

    def __init__(self, source: str, scale: Scale) -> None:
        self.source = source
        self.scale = scale

    def fail(self, place: str, problem: str) -> UserError:
        return UserError(f"{self.source}: {place}: {problem}")

    def claims(self, content: dict[Any, Any]) -> Claims:
        self.keys("file", content, allowed_keys=KEYS, required=KEYS)
        scales = self.mapping("scales", content["scales"])
        self.keys("scales", scales, allowed_keys=get_args(Scale), required=get_args(Scale))
        defaults = {
            name: self.keys(f"scales.{name}", scales[name], allowed_keys=SCALE_KEYS, required=SCALE_KEYS)
            for name in get_args(Scale)
        }
        if not isinstance(content["contrasts"], list) or not content["contrasts"]:
            raise self.fail("contrasts", f"takes a list of contrasts, not {shown(content['contrasts'])}")
        contrasts = [self.contrast(entry, defaults[self.scale]) for entry in content["contrasts"]]
        ids = [contrast.id for contrast in contrasts]
        twice = next((name for index, name in enumerate(ids) if name in ids[:index]), None)
        if twice is not None:
            raise self.fail("contrasts", f"{twice} is given twice")
        missing = [claim for claim in CLAIMS if claim not in {contrast.claim for contrast in contrasts}]
        if missing:
            raise self.fail("contrasts", f"none is about {missing[0]}; every claim from C1 to {CLAIMS[-1]} needs one")
        return Claims(
            scale=self.scale,
            about=self.text("about", content["about"]),
            alpha=self.share("alpha", content["alpha"]),
            contrasts=tuple(contrasts),
            source=self.source,
        )

    def contrast(self, entry: Any, scale: dict[Any, Any]) -> Contrast:
        given = self.mapping("contrasts", entry)
        name = given.get("id")
        if (
            not isinstance(name, str)
            or not re.fullmatch(r"C[0-9]+[a-z]?", name)
            or name.rstrip("abcdefghij") not in CLAIMS
        ):
            raise self.fail("contrasts", f"id takes one of C1 to {CLAIMS[-1]}, a letter behind it, not {shown(name)}")
        self.keys(name, given, allowed_keys=CONTRAST_KEYS, required=REQUIRED)
        at = self.mapping(f"{name}.at", given.get("at", {}))
        self.keys(f"{name}.at", at, allowed_keys=get_args(Scale))
        here = self.keys(f"{name}.at.{self.scale}", at.get(self.scale, {}), allowed_keys=OVERRIDABLE)
        values = {"updates": scale["updates"], "replicates": scale["replicates"], **given, **here}
        common = {**self.axes("fixed of the scale", scale["fixed"]), **self.axes(name, values.get("fixed", {}))}
        statistic: Statistic = self.one_of(f"{name}.statistic", values["statistic"], get_args(Statistic))
        side: Side = self.one_of(f"{name}.side", values.get("side", "above"), get_args(Side))
        if statistic != "share":
            stray = next((key for key in ("control", "event", "side", "threshold") if key in values), None)
            if stray is not None:
                raise self.fail(f"{name}.{stray}", f"belongs to the statistic share, not to {statistic}")
        if statistic != "order" and "measure" in values:
            raise self.fail(f"{name}.measure", f"belongs to the statistic order, not to {statistic}")
        runs = self.whole(f"{name}.runs", values.get("runs", 1), most=100)
        if (statistic == "repeat") != (runs > 1):
            raise self.fail(f"{name}.runs", "takes at least 2 for the statistic repeat, and 1 for any other")
        contrast = Contrast(
            id=name,
            statement=self.text(f"{name}.statement", values["statement"]),
            factor=self.text(f"{name}.factor", values["factor"]),
            against=self.text(f"{name}.against", values["against"]),
            statistic=statistic,
            arms=self.arms(name, values["arms"], common, ARMS[statistic]),
            control=self.arm(f"{name}.control", values["control"], common) if "control" in values else None,
            event=self.one_of(f"{name}.event", values.get("event", "diverged"), get_args(Event)),
            measure=self.one_of(f"{name}.measure", values.get("measure", "time_to_nan"), get_args(Measure)),
            side=side,
            threshold=self.share(f"{name}.threshold", values.get("threshold", 0.5)),
            updates=self.whole(f"{name}.updates", values["updates"], most=1_000_000),
            replicates=self.whole(f"{name}.replicates", values["replicates"], most=REPLICATES_LIMIT),
            runs=runs,
            under=self.semantics(name, values.get("under", list(get_args(Semantics)))),
        )
        for arm in contrast.all_arms:
            TrialConfig.parse(arm.values, where=f"{self.source}: {name}: {arm.label}")
        return contrast

    def arms(self, name: str, given: Any, common: dict[str, AxisValue], number: str) -> tuple[Arm, ...]:
        least = int(number.split()[-1])
        if not isinstance(given, list) or len(given) < least or (number.startswith("exactly") and len(given) > least):
            raise self.fail(f"{name}.arms", f"takes a list of {number}, not {shown(given)}")
        arms = tuple(self.arm(f"{name}.arms", entry, common) for entry in given)
        twice = next((arm for index, arm in enumerate(arms) if arm.values in [a.values for a in arms[:index]]), None)
        if twice is not None:
            raise self.fail(f"{name}.arms", f"{twice.label} is given twice")
        return arms

    def arm(self, place: str, given: Any, common: dict[str, AxisValue]) -> Arm:
        own = self.axes(place, given)
        return Arm(label=label_of(own), values={**common, **own})

    def axes(self, place: str, given: Any) -> dict[str, AxisValue]:
        values: dict[str, AxisValue] = {}
        for axis, value in self.mapping(place, given).items():
            if axis not in AXES:
                raise self.fail(place, unknown_axis(axis))
            if axis in ("updates", "seed"):
                raise self.fail(place, f"{axis} is not for an arm: budget and seeds are the same for all of a contrast")
            try:
                values[axis] = axis_value(axis, value)
            except ValueError:
                raise self.fail(place, f"{axis} takes {allowed(axis)}, not {shown(value)}") from None
        return values

    def semantics(self, name: str, given: Any) -> tuple[Semantics, ...]:
        if not isinstance(given, list) or not given:
            raise self.fail(f"{name}.under", f"takes a list of semantics, not {shown(given)}")
        return tuple(self.one_of(f"{name}.under", value, get_args(Semantics)) for value in given)

    def keys(
        self, place: str, given: Any, *, allowed_keys: tuple[str, ...], required: tuple[str, ...] = ()
    ) -> dict[Any, Any]:
        """A mapping with these keys and no others."""
        mapping = self.mapping(place, given)
        for key in mapping:
            if key not in allowed_keys:
                raise self.fail(place, f"{shown(key)} is not known; allowed are {', '.join(allowed_keys)}")
        for key in required:
            if key not in mapping:
                raise self.fail(place, f"{key} is missing")
        return mapping

    def mapping(self, place: str, given: Any) -> dict[Any, Any]:
        if not isinstance(given, Mapping):
            raise self.fail(place, f"takes a mapping, not {shown(given)}")
        return dict(given)

    def text(self, place: str, given: Any) -> str:
        if not isinstance(given, str) or not given.strip():
            raise self.fail(place, f"takes a sentence, not {shown(given)}")
        return " ".join(given.split())

    def one_of(self, place: str, given: Any, choices: tuple[Any, ...]) -> Any:
        if given not in choices:
            raise self.fail(place, f"takes {', '.join(choices[:-1])} or {choices[-1]}, not {shown(given)}")
        return given

    def share(self, place: str, given: Any) -> float:
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1:
            raise self.fail(place, f"takes a number between 0 and 1, not {shown(given)}")
        return float(given)

    def whole(self, place: str, given: Any, *, most: int) -> int:
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
            raise self.fail(place, f"takes a whole number from 1 to {most}, not {shown(given)}")
        return given
