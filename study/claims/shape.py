"""The shape of the file of contrasts: its keys, and what each takes whatever the scale."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from study.claims.contrast import CLAIMS, Event, Measure, Quantifier, Scale, Statistic, Trainer
from study.space.yaml_file import Entry, WholeNumber, one_of, shown, takes, wrong, wrong_at
from study.trial.config import Semantics

REPLICATES_LIMIT = 1000


def _sentence(text: str) -> str:
    words = " ".join(text.split())
    if not words:
        raise ValueError("empty")
    return words


def _id(name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"C[0-9]+[a-j]?", name) or name.rstrip("abcdefghij") not in CLAIMS:
        raise wrong(f"id takes one of C1 to {CLAIMS[-1]}, a letter behind it, not {shown(name)}")
    return name


def _remedy_name(name: Any) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise wrong(f"id takes a word of small letters, digits and _, not {shown(name)}")
    return name


Given = Annotated[dict[Any, Any], takes("a mapping")]
Sentence = Annotated[str, AfterValidator(_sentence), takes("a sentence")]
Share = Annotated[float, Field(gt=0, lt=1, strict=True), takes("a number between 0 and 1")]
Updates = Annotated[WholeNumber, Field(ge=1, le=1_000_000), takes("a whole number from 1 to 1000000")]
Replicates = Annotated[
    WholeNumber, Field(ge=1, le=REPLICATES_LIMIT), takes(f"a whole number from 1 to {REPLICATES_LIMIT}")
]
Runs = Annotated[WholeNumber, Field(ge=1, le=100), takes("a whole number from 1 to 100")]


class ScaleEntry(Entry):
    """What all contrasts of a scale have in common, unless they say otherwise."""

    fixed: Given
    updates: Updates
    replicates: Replicates


class Scales(Entry):
    """The scales of the file."""

    small: Annotated[ScaleEntry, takes("a mapping")]
    full: Annotated[ScaleEntry, takes("a mapping")]

    def at(self, scale: Scale) -> ScaleEntry:
        """One of them."""
        return {"small": self.small, "full": self.full}[scale]


class Overrides(Entry):
    """What a contrast has at one scale in place of what it has otherwise."""

    fixed: Given | None = None
    arms: Annotated[list[Given], takes("a list of mappings")] | None = None
    control: Given | None = None
    updates: Updates | None = None
    replicates: Replicates | None = None
    look: Replicates | None = None
    at_update: Updates | None = None


class At(Entry):
    """The overrides of a contrast, by scale."""

    small: Annotated[Overrides, takes("a mapping")] = Overrides()
    full: Annotated[Overrides, takes("a mapping")] = Overrides()

    def at(self, scale: Scale) -> Overrides:
        """Those of one scale."""
        return {"small": self.small, "full": self.full}[scale]


class ContrastEntry(Overrides):
    """A contrast; `study.claims.contrast.Contrast` says what its keys mean."""

    id: Annotated[str, BeforeValidator(_id)]
    statement: Sentence
    factor: Sentence
    statistic: Annotated[Statistic, one_of(Statistic)]
    arms: Annotated[list[Given], takes("a list of mappings")]
    against: Sentence
    quantifier: Annotated[Quantifier, one_of(Quantifier)] = "mostly"
    event: Annotated[Event, one_of(Event)] = "diverged"
    measure: Annotated[Measure, one_of(Measure)] = "time_to_nan"
    trainer: Annotated[Trainer, one_of(Trainer)] = "study"
    return_sequences: Annotated[bool, Field(strict=True), takes("true or false")] = False
    threads: Annotated[tuple[Runs, ...], takes("a list of whole numbers")] = ()
    runs: Runs = 1
    under: Annotated[
        tuple[Annotated[Semantics, one_of(Semantics)], ...], Field(min_length=1), takes("a list of semantics")
    ] = get_args(Semantics)
    at: Annotated[At, takes("a mapping")] = At()

    @model_validator(mode="after")
    def _check_what_belongs_to_what(self) -> Self:
        given = self.model_fields_set
        for keys, statistics in BELONGS:
            stray = next((key for key in keys if key in given), None)
            if stray is not None and self.statistic not in statistics:
                raise wrong_at(stray, f"belongs to the statistic {' and '.join(statistics)}, not to {self.statistic}")
        if self.statistic in ("share", "repeat") and "quantifier" not in given:
            raise wrong(
                f"quantifier is missing; the statistic {self.statistic} takes {', '.join(get_args(Quantifier))}"
            )
        if (self.measure == "cell_growth") != (self.at_update is not None):
            raise wrong_at("at_update", "is for the measure cell_growth, which needs it")
        if (self.statistic == "repeat") != (self.runs > 1):
            raise wrong_at("runs", "takes at least 2 for the statistic repeat, and 1 for any other")
        if self.statistic == "repeat" and self.trainer != "keras":
            raise wrong_at("trainer", "takes keras for the statistic repeat, since the study's engine repeats itself")
        if self.trainer != "keras" and ("return_sequences" in given or self.threads):
            raise wrong_at("return_sequences" if self.return_sequences else "threads", "belongs to the trainer keras")
        return self


BELONGS: tuple[tuple[tuple[str, ...], tuple[Statistic, ...]], ...] = (
    (("control", "event"), ("share",)),
    (("measure",), ("order",)),
    (("quantifier",), ("share", "repeat")),
)
"""Keys of a contrast, and the statistics that they belong to."""


class RemedyEntry(Entry):
    """Something that may help: what it sets, and the model without it where that is not the example."""

    id: Annotated[str, BeforeValidator(_remedy_name)]
    statement: Sentence
    remedy: Given
    beside: Given = Field(default_factory=dict)


class ClaimsFile(Entry):
    """The file of contrasts."""

    about: Sentence
    alpha: Share
    bound: Share
    equivalence: Share
    scales: Annotated[Scales, takes("a mapping")]
    contrasts: Annotated[
        list[Annotated[ContrastEntry, takes("a mapping")]], Field(min_length=1), takes("a list of contrasts")
    ]
    remedies: Annotated[list[Annotated[RemedyEntry, takes("a mapping")]], takes("a list of remedies")]
