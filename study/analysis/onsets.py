"""What broke first in the trials of a study: the onset and the order of events, counted and in words."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis.table_axes import axes_of
from study.analysis.wording import count
from study.trial.config import EXAMPLE
from study.trial.phrases import tensor_label
from study.trial.tensor_name import TensorName
from study.trial.timeline import LOSS_EXCEEDED, TIMELINE, timeline_column
from study.trial.words import EVENTS, PHASES, is_recurrent

TIMELINE_LABELS: dict[str, str] = {timeline_column(name): TIMELINE[name].label for name in (LOSS_EXCEEDED, *EVENTS)}
"""Columns of the timeline, the loss that is still finite first, and what they are called."""

LAST_LAG = 8
"""Updates before the time-to-NaN that a timeline still tells apart."""


@dataclass(frozen=True, kw_only=True)
class Onsets:
    """The onsets of a study's trials."""

    trials: pd.DataFrame
    """The rows of trials whose onset is known, survivors among them: a number that is not finite need not reach the
    loss."""
    diverged: int
    censored: int
    failed: int
    answer: str
    """What broke first, in sentences; or why that is not known."""

    @property
    def counts(self) -> str:
        """All trials in words."""
        without = f", {self.failed} failed" if self.failed else ""
        return f"n = {self.diverged + self.censored}, {self.diverged} diverged, {self.censored} censored{without}"


def onsets(table: pd.DataFrame) -> Onsets:
    """Count where trials went wrong first.

    Args:
        table: A results table; one without the columns of the onset has none to tell of.
    """
    outcome = table["outcome"]
    known = table[table["onset_phase"].notna()] if "onset_phase" in table else table.iloc[:0]
    return Onsets(
        trials=known,
        diverged=int((outcome == "diverged").sum()),
        censored=int((outcome == "survived").sum()),
        failed=int((outcome == "failed").sum()),
        answer=_answer(known, diverged=int((outcome == "diverged").sum())),
    )


def _answer(known: pd.DataFrame, *, diverged: int) -> str:
    if known.empty and not diverged:
        return "No trial diverged, so nothing broke."
    if known.empty:
        return f"What broke first was not recorded in the {count(diverged, 'trial')} that diverged."
    total = len(known)
    places = _places(known)
    first = RECURRENCE if _is_example(known) else str(places.value_counts().index[0])
    here = places == first
    sentences = [
        f"In {_share(int(here.sum()), total)} trials with a known onset, the first number that was not finite arose "
        f"{first}"
    ]
    steps = known.loc[here, "onset_timestep"].dropna()
    if len(steps):
        later = int((steps > 0).sum())
        sentences[0] += f", {_share(later, len(steps))} of them after the first timestep (median {steps.median():g})"
    if elsewhere := _elsewhere(places[~here]):
        sentences[0] += f"; {elsewhere}"
    commonest = known["onset_tensor"].value_counts()
    label = tensor_label(TensorName.parse(str(commonest.index[0])))
    sentences.append(f"Most often it was the {label} ({_share(int(commonest.iloc[0]), total)})")
    survived = int((known["outcome"] == "survived").sum())
    if survived:
        sentences.append(f"{_share(survived, total)} survived all the same: the loss stayed finite")
    if "nonfinite_weight" in known and known["nonfinite_weight"].notna().any():
        sentences.append(f"Every weight was still finite then in {_share(_weights_finite(known), total)}")
    return ". ".join(sentences) + "."


RECURRENCE = "in the forward pass of a recurrent layer"

MOST_PLACES = 5
"""Other places than the first that are told one by one."""


def _is_example(known: pd.DataFrame) -> bool:
    """Whether the trials are of the minimal example: a model of the user's own has axes besides."""
    return set(axes_of(known)) <= set(EXAMPLE.axes)


def _places(known: pd.DataFrame) -> pd.Series:
    """Where the onsets are, in words: in or outside the example's recurrent layers, else by phase and layer."""
    if _is_example(known):
        recurrent = (known["onset_phase"] == "forward") & known["onset_layer"].map(_is_recurrent).astype(bool)
        words = known["onset_phase"].map({**PHASES, "forward": "elsewhere in the forward pass"})
        return words.mask(recurrent, RECURRENCE)
    pairs = zip(known["onset_phase"], known["onset_layer"], strict=True)
    return pd.Series([_place(phase, layer) for phase, layer in pairs], index=known.index, dtype="object")


def _place(phase: str, layer: object) -> str:
    return f"{PHASES[phase]} of layer {layer}" if isinstance(layer, str) and layer else PHASES[phase]


def _elsewhere(places: pd.Series) -> str:
    """Places and in how many trials each is, the commonest first."""
    counts = places.value_counts()
    words = [f"{place} in {number}" for place, number in counts.head(MOST_PLACES).items()]
    if rest := int(counts.iloc[MOST_PLACES:].sum()):
        words.append(f"in other places in {rest}")
    return ", ".join(words)


def _is_recurrent(layer: object) -> bool:
    return isinstance(layer, str) and is_recurrent(layer)


def _weights_finite(known: pd.DataFrame) -> int:
    """In how many trials no weight was, or became, the number that was not finite."""
    names = known["onset_tensor"].map(lambda text: TensorName.parse(str(text)))
    is_weight = (known["onset_phase"] == "optimizer") & names.map(lambda name: name.derivative is None).astype(bool)
    later = known["nonfinite_weight"].isna() | (known["nonfinite_weight"] > known["onset_update"])
    return int((later & ~is_weight).sum())


def _share(part: int, total: int) -> str:
    return f"{part} of {total}"


def lags(table: pd.DataFrame) -> pd.DataFrame:
    """When events happened, in updates after the trial's time-to-NaN.

    Args:
        table: A results table.

    Returns:
        A row for each trial that diverged and has a timeline, a column (Int64) for each of `TIMELINE_LABELS` that the
        table has: 0 in the update of the time-to-NaN, negative before it, missing where it never happened.
    """
    columns = [column for column in TIMELINE_LABELS if column in table]
    died = table[table["outcome"] == "diverged"]
    died = died[died[columns].notna().any(axis=1)] if columns else died.iloc[:0]
    return pd.DataFrame({column: died[column] - died["time_to_nan"] for column in columns}, index=died.index)
