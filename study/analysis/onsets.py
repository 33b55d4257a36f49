"""What broke first in the trials of a study: the onset and the order of events, counted and in words."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis.wording import count

EVENT_WORDS: dict[str, str] = {
    "loss_exceeded": "loss above 10, still finite",
    "nonfinite_gate": "sum before a gate",
    "nonfinite_cell_state": "cell state",
    "nonfinite_hidden_state": "hidden state",
    "nonfinite_output": "model's output (logit)",
    "nonfinite_loss": "loss",
    "nonfinite_gradient": "gradient",
    "nonfinite_optimizer_state": "optimizer's running mean",
    "nonfinite_weight": "weight",
}
"""Columns of the timeline in the order of the arithmetic, in words."""

LAST_LAG = 8
"""Updates before the time-to-NaN that a timeline still tells apart."""

_GATES = {"input": "input gate", "forget": "forget gate", "candidate": "candidate", "output": "output gate"}


@dataclass(frozen=True, kw_only=True)
class Onsets:
    """The onsets of a study's trials."""

    trials: pd.DataFrame
    """The rows of trials that diverged and whose onset is known."""
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
    died = table[outcome == "diverged"]
    known = died[died["onset_phase"].notna()] if "onset_phase" in died else died.iloc[:0]
    return Onsets(
        trials=known,
        diverged=len(died),
        censored=int((outcome == "survived").sum()),
        failed=int((outcome == "failed").sum()),
        answer=_answer(died, known),
    )


def _answer(died: pd.DataFrame, known: pd.DataFrame) -> str:
    if died.empty:
        return "No trial diverged, so nothing broke."
    if known.empty:
        return f"What broke first was not recorded in the {count(len(died), 'trial')} that diverged."
    total = len(known)
    forward = known["onset_phase"] == "forward"
    inside = forward & known["onset_layer"].fillna("").str.startswith("lstm_")
    sentences = [
        f"In {_share(int(inside.sum()), total)} trials with a known onset, the first number that was not finite arose "
        "in the forward pass of an LSTM layer"
    ]
    steps = known.loc[inside, "onset_timestep"].dropna()
    if len(steps):
        later = int((steps > 0).sum())
        sentences[0] += f", {_share(later, len(steps))} of them after the first timestep (median {steps.median():g})"
    commonest = known["onset_tensor"].value_counts()
    sentences.append(
        f"Most often it was the {tensor_words(str(commonest.index[0]))} ({_share(int(commonest.iloc[0]), total)})"
    )
    if "nonfinite_weight" in known and known["nonfinite_weight"].notna().any():
        finite = known["nonfinite_weight"].isna() | (known["nonfinite_weight"] > known["onset_update"])
        sentences.append(f"Every weight was still finite then in {_share(int(finite.sum()), total)}")
    return ". ".join(sentences) + "."


def _share(part: int, total: int) -> str:
    return f"{part} of {total}"


def tensor_words(tensor: str) -> str:
    """The name of an onset's tensor, to be read: `input_sum` is the sum before the input gate."""
    if tensor.startswith("gradient of "):
        return f"gradient of {tensor_words(tensor.removeprefix('gradient of '))}"
    name = tensor.rpartition("/")[2]
    for ending, words in (("_sum", "sum before the {}"), ("_projection", "input's share of the {}")):
        stem = name.removesuffix(ending)
        if stem != name and stem in _GATES:
            return words.format(_GATES[stem])
    return name.replace("_", " ")


def lags(table: pd.DataFrame) -> pd.DataFrame:
    """When events happened, in updates after the trial's time-to-NaN.

    Args:
        table: A results table.

    Returns:
        A row for each trial that diverged and has a timeline, a column (Int64) for each of `EVENT_WORDS` that the
        table has: 0 in the update of the time-to-NaN, negative before it, missing where it never happened.
    """
    columns = [column for column in EVENT_WORDS if column in table]
    died = table[table["outcome"] == "diverged"]
    died = died[died[columns].notna().any(axis=1)] if columns else died.iloc[:0]
    return pd.DataFrame({column: died[column] - died["time_to_nan"] for column in columns}, index=died.index)
