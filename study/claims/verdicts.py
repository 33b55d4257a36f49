"""Verdicts on claims: every contrast is counted, tested exactly, and corrected for how many there are.

A contrast comes down to counts of cases (`study.claims.contrast.Contrast`), its quantifier says what they must be, and
`study.claims.decision` tests it. The p-values of all contrasts under one semantics are adjusted together: S. Holm
(1979), A simple sequentially rejective multiple test procedure. A verdict needs an adjusted p-value of at most alpha.

Paired times are compared within a seed and not pooled, so that a seed's own luck cancels out. Where two times follow
each other is asked by the sign test, which is the log-rank test stratified by seed in its exact form; a survivor counts
as later than every update of its budget and as comparable with nothing else (E. A. Gehan (1965), A generalized Wilcoxon
test for comparing arbitrarily singly-censored samples). Whether they differ by less than the file's `equivalence` is
asked of their factor, in steps. Where that is shown the verdict is `no difference`, whichever of them is first.

Shown intervals of shares are those of C. J. Clopper and E. S. Pearson (1934), The use of confidence or fiducial limits
illustrated in the case of the binomial, at 95 percent and not corrected, neither for other contrasts nor for a look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from statsmodels.stats.multitest import multipletests

from study.claims.comparisons import factors, in_order
from study.claims.contrast import CLAIMS, Claims, Contrast
from study.claims.decision import (
    CONTRADICTED,
    HALF,
    NO_DIFFERENCE,
    NOT_RESOLVED,
    NOT_TESTED,
    SUPPORTED,
    Count,
    Decision,
    decide,
    no_difference,
    share_interval,
)
from study.claims.events import EVENTS
from study.claims.findings import finding
from study.claims.keras_runs import COLUMNS as KERAS_COLUMNS
from study.claims.keras_runs import KerasRuns
from study.claims.samples import Sample, Trials, arm_row, by_seed, samples_of, share
from study.claims.times import median_factor
from study.trial.config import Semantics


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What the claims came to."""

    contrasts: pd.DataFrame
    """One row a contrast and semantics: `claim`, `contrast`, `semantics`, `verdict`, `quantifier`, `finding` (words),
    `observations`, `successes` (cases; both of the arm with the least evidence for the verdict's direction), `share`,
    `low`, `high` (Clopper-Pearson), `threshold` (the share that the quantifier is tested at), `p`, `p_adjusted` (Holm),
    `within` (seeds whose times surely differ by less than the equivalence), `pairs` (seeds compared for that), `factor`
    (median over the seeds of the first arm's time over the second's, in steps), `factor_low`, `factor_high`, `note`,
    `arm`, `statistic`, `varied`, `statement`, `against`, `scale`."""
    arms: pd.DataFrame
    """One row a contrast, semantics and arm: `contrast`, `semantics`, `arm`, `trials` (those with a result),
    `diverged`, `exploded` (of those that survived, with a loss far too large at some update), `failed`, `missing` (not
    run), `share`, `low`, `high` of those diverged, `median` (of the time to NaN: the first update at which Kaplan and
    Meier's curve is at most one half, missing where it never is), `budget`."""
    claims: pd.DataFrame
    """One row a claim and semantics: `claim`, `semantics`, `verdict`: that of its weakest part, in the order of
    `WEAKEST_FIRST`."""


COLUMNS = (
    "claim",
    "contrast",
    "semantics",
    "verdict",
    "quantifier",
    "finding",
    "observations",
    "successes",
    "share",
    "low",
    "high",
    "threshold",
    "p",
    "p_adjusted",
    "within",
    "pairs",
    "factor",
    "factor_low",
    "factor_high",
    "note",
    "arm",
    "statistic",
    "varied",
    "statement",
    "against",
    "scale",
)

WEAKEST_FIRST = (CONTRADICTED, NO_DIFFERENCE, NOT_RESOLVED, NOT_TESTED, SUPPORTED)


def verdicts(
    claims: Claims,
    table: pd.DataFrame,
    *,
    semantics: Iterable[Semantics],
    seed: int,
    keras_runs: pd.DataFrame | None = None,
) -> Verdicts:
    """Hold the claims against the trials that there are.

    Args:
        claims: The contrasts, at their scale.
        table: The results table, other trials among them or not. The contrasts of growth need its column `growth_at`,
            those of the onset need the columns of the onset; without them they are not resolved.
        semantics: Those to judge, each a family of its own.
        seed: The seed the trials were made with.
        keras_runs: Runs of Keras's own `fit`, with the columns of `study.claims.keras_runs`.
    """
    trials = Trials(table)
    fits = KerasRuns(pd.DataFrame(columns=list(KERAS_COLUMNS)) if keras_runs is None else keras_runs)
    rows: list[pd.DataFrame] = []
    arms: list[dict[str, Any]] = []
    for under in semantics:
        family: list[dict[str, Any]] = []
        for contrast in claims.contrasts:
            if under not in contrast.under:
                continue
            if contrast.trainer == "keras":
                family.append(_fitted_row(contrast, fits, claims, under=under, seed=seed))
                told = fits.arm_rows(contrast, seed=seed) if under == "keras-3" else []
            else:
                samples = contrast_samples(contrast, trials, under=under, seed=seed)
                family.append(_contrast_row(contrast, samples, claims))
                told = [arm_row(sample, asked=contrast.replicates, budget=contrast.updates) for sample in samples]
            arms += [{"contrast": contrast.id, "semantics": under, **row} for row in told]
        judged = _corrected(pd.DataFrame(family), claims)
        rows.append(judged.assign(semantics=under, scale=claims.scale))
    contrasts = pd.concat(rows, ignore_index=True)
    contrasts["finding"] = [finding(row, claims) for row in contrasts.to_dict("records")]
    contrasts = contrasts[list(COLUMNS)]
    return Verdicts(contrasts=contrasts, arms=pd.DataFrame(arms), claims=_by_claim(contrasts))


def decided(
    claims: Claims, table: pd.DataFrame, *, semantics: Iterable[Semantics], seed: int
) -> set[tuple[str, Semantics]]:
    """The contrasts, by id, that one case has decided, and under which semantics."""
    trials = Trials(table)
    return {
        (contrast.id, under)
        for under in semantics
        for contrast in claims.contrasts
        if under in contrast.under and contrast.trainer == "study"
        if _settled(contrast, contrast_samples(contrast, trials, under=under, seed=seed), claims)
    }


def _settled(contrast: Contrast, samples: Sequence[Sample], claims: Claims) -> bool:
    """Whether a case has decided it that no further trial can take back."""
    looked = all(len(sample.trials) >= contrast.look for sample in samples)
    return looked and contrast.quantifier != "mostly" and _decision(contrast, samples, claims).p == 0


def contrast_samples(contrast: Contrast, trials: Trials, *, under: Semantics, seed: int) -> list[Sample]:
    """The trials of `Contrast.all_arms`."""
    return samples_of(
        contrast.all_arms, trials, under=under, updates=contrast.updates, replicates=contrast.replicates, seed=seed
    )


def _decision(contrast: Contrast, samples: Sequence[Sample], claims: Claims) -> Decision:
    counts = _counts(contrast, samples[: len(contrast.arms)])
    return decide(counts, quantifier=contrast.quantifier, bound=claims.bound)


def _corrected(family: pd.DataFrame, claims: Claims) -> pd.DataFrame:
    """Holm's correction over the smallest p-value of each contrast, and the verdict by what it leaves."""
    smallest = family[["p", "p_equal"]].min(axis=1)
    adjusted = multipletests(smallest, method="holm")[1]
    # Holm's level at a contrast's turn holds for all that it asks: together they are one interval.
    others = len(family) + 1 - smallest.rank(method="first")
    equal = (adjusted <= claims.alpha) & (family["p_equal"] * others <= claims.alpha)
    verdict = family["direction"].where(adjusted <= claims.alpha, NOT_RESOLVED).mask(equal, NO_DIFFERENCE)
    return family.assign(p=smallest, p_adjusted=adjusted, verdict=verdict.mask(family["untested"], NOT_TESTED))


def _contrast_row(contrast: Contrast, samples: Sequence[Sample], claims: Claims) -> dict[str, Any]:
    counts = _counts(contrast, samples[: len(contrast.arms)])
    decision = decide(counts, quantifier=contrast.quantifier, bound=claims.bound)
    trials = by_seed(samples[: len(contrast.arms)])
    pairs = factors(contrast, trials) if contrast.statistic in ("order", "gain") else []
    held = [first.over(second) for first, second in pairs]
    least, most = 1 - claims.equivalence, 1 / (1 - claims.equivalence)
    p_equal = no_difference(
        sum(factor.low >= least for factor in held), sum(factor.high <= most for factor in held), len(held)
    )
    note = _note(contrast, samples, claims)
    bounded = any(factor.low > 0 or factor.high < math.inf for factor in held)
    if not note and not bounded and not all(count.observations for count in counts):
        note = "nothing that can be compared, or not recorded"
    median = median_factor(pairs)
    return {
        **_described(contrast, decision.decisive, claims),
        "direction": decision.direction,
        "p": 1.0 if note else decision.p,
        "p_equal": 1.0 if note else p_equal,
        "untested": False,
        "within": sum(least <= factor.low and factor.high <= most for factor in held),
        "pairs": len(held),
        "factor": median.median,
        "factor_low": median.low if held else math.nan,
        "factor_high": median.high if held else math.nan,
        "note": note,
    }


def _fitted_row(contrast: Contrast, fits: KerasRuns, claims: Claims, *, under: Semantics, seed: int) -> dict[str, Any]:
    """The row of a contrast that Keras's own `fit` was asked."""
    counts = fits.counts(contrast, seed=seed) if under == "keras-3" else [Count("", 0, 0)]
    decision = decide(counts, quantifier=contrast.quantifier, bound=claims.bound)
    note = fits.note(contrast, counts, under=under, seed=seed)
    empty = {"within": 0, "pairs": 0, "factor": math.nan, "factor_low": math.nan, "factor_high": math.nan}
    return {
        **_described(contrast, decision.decisive, claims),
        "direction": decision.direction,
        "p": 1.0 if note.missing or note.untested else decision.p,
        "p_equal": 1.0,
        "untested": note.untested,
        **empty,
        "note": note.words,
    }


def _described(contrast: Contrast, count: Count, claims: Claims) -> dict[str, Any]:
    low, high = share_interval(count.successes, count.observations)
    thresholds = {"always": 1 - claims.bound, "never": claims.bound, "ever": claims.bound, "mostly": HALF}
    return {
        "claim": contrast.claim,
        "contrast": contrast.id,
        "quantifier": contrast.quantifier,
        "observations": count.observations,
        "successes": count.successes,
        "share": share(count.successes, count.observations),
        "low": low,
        "high": high,
        "threshold": thresholds[contrast.quantifier],
        "arm": count.label,
        "statistic": contrast.statistic,
        "varied": contrast.factor,
        "statement": contrast.statement,
        "against": contrast.against,
    }


def _note(contrast: Contrast, samples: Sequence[Sample], claims: Claims) -> str:
    """Why a contrast has nothing to say, whatever its counts are; empty where it has."""
    # To judge before all trials are there would be to stop when the result pleases, unless no other could change it.
    asked = len(samples) * contrast.replicates
    run = sum(bool(runs) for sample in samples for runs in sample.runs)
    if run < asked and not _settled(contrast, samples, claims):
        return f"{asked - run} of {asked} trials not run yet"
    if contrast.control is not None:
        control = samples[-1].trials
        diverged = sum(trial.diverged for trial in control)
        if 2 * diverged <= len(control):
            return f"the control ({samples[-1].arm.label}) diverges in {diverged} of {len(control)} trials only"
    return ""


def _counts(contrast: Contrast, samples: Sequence[Sample]) -> list[Count]:
    if contrast.statistic == "share":
        event = EVENTS[contrast.event]
        return [_count(sample.arm.label, [event(trial) for trial in sample.trials]) for sample in samples]
    chain = " > ".join(sample.arm.label for sample in samples)
    return [_count(chain, [in_order(contrast, trials) for trials in by_seed(samples)])]


def _count(label: str, observations: Iterable[bool | None]) -> Count:
    seen = [observation for observation in observations if observation is not None]
    return Count(label, sum(seen), len(seen))


def _by_claim(contrasts: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for under in dict.fromkeys(contrasts["semantics"]):
        for claim in CLAIMS:
            parts = set(contrasts[(contrasts["claim"] == claim) & (contrasts["semantics"] == under)]["verdict"])
            if parts:
                rows.append({"claim": claim, "semantics": under, "verdict": _together(parts)})
    return pd.DataFrame(rows)


def _together(parts: set[str]) -> str:
    return next(verdict for verdict in WEAKEST_FIRST if verdict in parts)
