"""Verdicts on claims: every contrast is counted, tested exactly, and corrected for how many there are.

A contrast comes down to observations that go the claim's way or do not (see `study.claims.contrast.Contrast`). Their
share is tested against the contrast's threshold by the exact binomial test, in both directions:

- For the claim every arm must be on its side. The p-value is the largest of the arms' one-sided ones, which needs no
  correction: R. L. Berger (1982), Multiparameter hypothesis testing and acceptance sampling (intersection-union test).
- Against it, one arm on the other side is enough. The p-value is the smallest one-sided one times the number of arms
  (Bonferroni).
- Twice the smaller of the two, at most 1, is the contrast's p-value, and says which direction it is about.

Those of all contrasts under one semantics are adjusted together: S. Holm (1979), A simple sequentially rejective
multiple test procedure. A verdict needs an adjusted p-value of at most alpha, and is the same rule in both directions;
the probability of any false verdict is then at most alpha, however the contrasts depend on each other.

Shown intervals are those of C. J. Clopper and E. S. Pearson (1934), The use of confidence or fiducial limits
illustrated in the case of the binomial, at 95 percent and not corrected. Of paired times, those of one seed are
compared and not pooled, so that a seed's own luck cancels out; with two arms, the test is the sign test, which is the
log-rank test stratified by seed in its exact form. A survivor counts as later than every update of its budget and
as comparable with nothing else (E. A. Gehan (1965), A generalized Wilcoxon test for comparing arbitrarily
singly-censored samples).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple, cast

import pandas as pd
from scipy.stats import binomtest
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from study.claims.contrast import CLAIMS, Arm, Claims, Contrast, Side, seeds_of, without_budget
from study.trial.axes import BUDGET_COLUMN
from study.trial.config import EXAMPLE, Semantics, TrialConfig
from study.trial.words import is_recurrent

SUPPORTED, CONTRADICTED, NOT_RESOLVED = VERDICTS = ("supported", "contradicted", "not resolved")
CONFIDENCE = 0.95
LOSSES = "losses"
"""Column that is equal in two rows if and only if their losses are, to the last bit."""


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What the claims came to."""

    contrasts: pd.DataFrame
    """One row a contrast and semantics: `claim`, `contrast`, `semantics`, `verdict`, `observations`, `successes` (those
    that went the claim's way; both of the arm with the least evidence for the verdict's direction), `share`, `low`,
    `high` (Clopper-Pearson), `side`, `threshold`, `p`, `p_adjusted` (Holm), `median_ratio` (median time to NaN of the
    first arm over that of the last, missing where one is not reached), `note`, `arm`, `statistic`, `factor`,
    `statement`, `against`, `scale`."""
    arms: pd.DataFrame
    """One row a contrast, semantics and arm: `contrast`, `semantics`, `arm`, `trials` (those with a result),
    `diverged`, `failed`, `missing` (not run yet), `share`, `low`, `high` of those diverged, `median` (of the time to
    NaN, after Kaplan and Meier; missing where no more than half diverge), `budget`."""
    claims: pd.DataFrame
    """One row a claim and semantics: `claim`, `semantics`, `verdict`: contradicted if a part is, supported if all parts
    are."""


def verdicts(claims: Claims, table: pd.DataFrame, *, semantics: Iterable[Semantics], seed: int) -> Verdicts:
    """Hold the claims against the trials that there are.

    Args:
        claims: The contrasts, at their scale.
        table: The results table, other trials among them or not. The contrasts of reproducibility need its column
            `losses`, those of the onset need the columns of the onset; without them they are not resolved.
        semantics: Those to judge, each a family of its own.
        seed: The seed the trials were made with.
    """
    trials = _Trials(table)
    rows: list[pd.DataFrame] = []
    arms: list[dict[str, Any]] = []
    for under in semantics:
        asked = [contrast for contrast in claims.contrasts if under in contrast.under]
        samples = {contrast.id: _samples(contrast, trials, under=under, seed=seed) for contrast in asked}
        arms += [
            {"contrast": contrast.id, "semantics": under, **_arm_row(contrast, sample)}
            for contrast in asked
            for sample in samples[contrast.id]
        ]
        family = pd.DataFrame([_contrast_row(contrast, samples[contrast.id]) for contrast in asked])
        family["p_adjusted"] = multipletests(family["p"], method="holm")[1]
        decided = family["p_adjusted"] <= claims.alpha
        family["verdict"] = family.pop("direction").where(decided, NOT_RESOLVED)
        rows.append(family.assign(semantics=under, scale=claims.scale))
    contrasts = pd.concat(rows, ignore_index=True)[list(_COLUMNS)]
    return Verdicts(contrasts=contrasts, arms=pd.DataFrame(arms), claims=_by_claim(contrasts))


_COLUMNS = (
    "claim",
    "contrast",
    "semantics",
    "verdict",
    "observations",
    "successes",
    "share",
    "low",
    "high",
    "side",
    "threshold",
    "p",
    "p_adjusted",
    "median_ratio",
    "note",
    "arm",
    "statistic",
    "factor",
    "statement",
    "against",
    "scale",
)


class Count(NamedTuple):
    """Observations, and how many of them go the claim's way (are cases, for a share)."""

    label: str
    successes: int
    observations: int


class Decision(NamedTuple):
    """What counts say of a claim before the correction for other claims."""

    direction: str
    """`supported` or `contradicted`: which of the two has the smaller p-value."""
    p: float
    """Two-sided, exact."""
    decisive: Count
    """The arm that decides: the one with the least evidence for the claim, or the most against it."""


def decide(counts: Sequence[Count], *, threshold: float, side: Side) -> Decision:
    """Test whether every share is on the claim's side of the threshold, or one is on the other.

    Args:
        counts: Of every arm.
        threshold: The share that speaks for neither side.
        side: The claim's side; with `ever`, a single case proves an arm's share to be above nothing, and only an arm
            without any case speaks against the claim.
    """
    in_favour = [_evidence(count, threshold, side) for count in counts]
    against = [_counter_evidence(count, threshold, side) for count in counts]
    p_for = max(in_favour)
    p_against = min(1.0, len(counts) * min(against))
    if p_for <= p_against:
        return Decision(SUPPORTED, min(1.0, 2 * p_for), counts[in_favour.index(p_for)])
    return Decision(CONTRADICTED, min(1.0, 2 * p_against), counts[against.index(min(against))])


def _evidence(count: Count, threshold: float, side: Side) -> float:
    if side == "ever":
        return 0.0 if count.successes else 1.0
    return _binomial(count, threshold, "greater" if side == "above" else "less")


def _counter_evidence(count: Count, threshold: float, side: Side) -> float:
    if side == "ever" and count.successes:
        return 1.0
    return _binomial(count, threshold, "greater" if side == "below" else "less")


def _binomial(count: Count, threshold: float, alternative: str) -> float:
    if not count.observations:
        return 1.0
    return float(binomtest(count.successes, count.observations, threshold, alternative=alternative).pvalue)


def share_interval(successes: int, observations: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 percent interval of a share; everything where nothing was observed."""
    if not observations:
        return 0.0, 1.0
    low, high = proportion_confint(successes, observations, alpha=1 - CONFIDENCE, method="beta")
    return float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """A trial with a result, seen under the budget of a contrast."""

    diverged: bool
    updates: int
    """Time to NaN, or the budget at which it is censored."""
    config: TrialConfig
    row: Mapping[str, Any]

    def number(self, column: str) -> float | None:
        """A number of the table; None where it is missing or the table has no such column."""
        value = self.row.get(column)
        return None if value is None or pd.isna(value) else float(value)


class _Trials:
    """The results table, by configuration."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._rows: dict[TrialConfig, list[Mapping[str, Any]]] = {}
        columns = EXAMPLE.axes.columns
        for row in table.sort_values("trial_number").to_dict("records"):
            values = {axis.name: _plain(row[column]) for column, axis in columns.items()}
            self._rows.setdefault(without_budget(TrialConfig.model_validate(values)), []).append(
                {str(column): value for column, value in row.items()}
            )

    def runs(self, config: TrialConfig) -> list[_Trial | None]:
        """All runs of a configuration with its budget or a larger one, by number; None for one that failed."""
        rows = [row for row in self._rows.get(without_budget(config), []) if row[BUDGET_COLUMN] >= config.updates]
        return [None if row["outcome"] == "failed" else _seen_under(config, row) for row in rows]


def _seen_under(config: TrialConfig, row: Mapping[str, Any]) -> _Trial:
    diverged = row["outcome"] == "diverged" and row["time_to_nan"] <= config.updates
    return _Trial(
        diverged=diverged,
        updates=int(row["time_to_nan"]) if diverged else config.updates,
        config=config,
        row=row,
    )


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """All trials of an arm: by seed, the runs of that seed."""

    arm: Arm
    runs: tuple[list[_Trial | None], ...]

    @property
    def first(self) -> list[_Trial | None]:
        """The first run of every seed that has a result; None for a seed without one."""
        return [next((trial for trial in runs if trial is not None), None) for runs in self.runs]

    @property
    def trials(self) -> list[_Trial]:
        return [trial for trial in self.first if trial is not None]


def _samples(contrast: Contrast, trials: _Trials, *, under: Semantics, seed: int) -> list[_Sample]:
    """The arms' trials, in the order of `Contrast.all_arms`."""
    return [
        _Sample(
            arm=arm,
            runs=tuple(
                trials.runs(arm.config(semantics=under, updates=contrast.updates, seed=value))
                for value in seeds_of(contrast.replicates, seed=seed)
            ),
        )
        for arm in contrast.all_arms
    ]


def _contrast_row(contrast: Contrast, samples: Sequence[_Sample]) -> dict[str, Any]:
    counts = _counts(contrast, samples[: len(contrast.arms)])
    decision = decide(counts, threshold=contrast.threshold, side=contrast.side)
    p, note = decision.p, _note(contrast, samples, counts)
    if note:
        p = 1.0
    low, high = share_interval(decision.decisive.successes, decision.decisive.observations)
    medians = [_median(sample.trials) for sample in samples]
    return {
        "claim": contrast.claim,
        "contrast": contrast.id,
        "direction": decision.direction,
        "observations": decision.decisive.observations,
        "successes": decision.decisive.successes,
        "share": _share(decision.decisive.successes, decision.decisive.observations),
        "low": low,
        "high": high,
        "side": contrast.side,
        "threshold": contrast.threshold,
        "p": p,
        "median_ratio": medians[0] / medians[len(contrast.arms) - 1],
        "note": note,
        "arm": decision.decisive.label,
        "statistic": contrast.statistic,
        "factor": contrast.factor,
        "statement": contrast.statement,
        "against": contrast.against,
    }


def _note(contrast: Contrast, samples: Sequence[_Sample], counts: Sequence[Count]) -> str:
    """Why a contrast has nothing to say, whatever its counts are; empty where it has."""
    # To judge before all trials are there would be to stop when the result pleases.
    asked = len(samples) * contrast.replicates * contrast.runs
    run = sum(min(len(runs), contrast.runs) for sample in samples for runs in sample.runs)
    if run < asked:
        return f"{asked - run} of {asked} trials not run yet"
    if contrast.control is not None:
        control = samples[-1].trials
        diverged = sum(trial.diverged for trial in control)
        if 2 * diverged <= len(control):
            return f"the control ({samples[-1].arm.label}) diverges in {diverged} of {len(control)} trials only"
    if not all(count.observations for count in counts):
        return "nothing that can be compared, or not recorded"
    return ""


def _counts(contrast: Contrast, samples: Sequence[_Sample]) -> list[Count]:
    match contrast.statistic:
        case "share":
            return [
                _count(sample.arm.label, [_EVENTS[contrast.event](trial) for trial in sample.trials])
                for sample in samples
            ]
        case "order":
            return [_count(_chain(samples), [_in_order(contrast, trials) for trials in _by_seed(samples)])]
        case "gain":
            return [_count(_chain(samples), [_gains_more(trials) for trials in _by_seed(samples)])]
        case "repeat":
            return [
                _count(sample.arm.label, [_varies(runs, least=contrast.runs) for runs in sample.runs])
                for sample in samples
            ]


def _count(label: str, observations: Iterable[bool | None]) -> Count:
    seen = [observation for observation in observations if observation is not None]
    return Count(label, sum(seen), len(seen))


def _chain(samples: Sequence[_Sample]) -> str:
    return " > ".join(sample.arm.label for sample in samples)


def _by_seed(samples: Sequence[_Sample]) -> list[tuple[_Trial, ...]]:
    """The trials of each seed that has a result in every arm."""
    return [
        cast("tuple[_Trial, ...]", trials)
        for trials in zip(*(sample.first for sample in samples), strict=True)
        if None not in trials
    ]


def _diverged(trial: _Trial) -> bool | None:
    return trial.diverged


def _weights_finite_at_onset(trial: _Trial) -> bool | None:
    """Whether the weights of the update with the first non-finite number were finite; of trials that diverge.

    In the timeline a weight counts for the update that starts from it (see `study.trial.timeline`). Where it and an
    activation begin in one update all the same, the phase of the very first number decides.
    """
    columns = ("nonfinite_gate", "nonfinite_cell_state", "nonfinite_hidden_state", "nonfinite_output", "nonfinite_loss")
    activations = [number for column in columns if (number := trial.number(column)) is not None]
    if not trial.diverged or not activations:
        return None
    weights = trial.number("nonfinite_weight")
    if weights is None or weights != min(activations):
        return weights is None or weights > min(activations)
    return trial.row.get("onset_phase") in ("forward", "loss")


def _onset_in_recurrence(trial: _Trial) -> bool | None:
    """Whether the first non-finite number is in a recurrent layer's forward pass and later than its first timestep.

    Of trials that diverge, and where the layer is known: an onset that was not found again tells the phase alone.
    """
    phase, layer = trial.row.get("onset_phase"), trial.row.get("onset_layer")
    if not trial.diverged or not isinstance(phase, str):
        return None
    if phase == "forward" and not isinstance(layer, str):
        return None
    timestep = trial.number("onset_timestep")
    return phase == "forward" and is_recurrent(str(layer)) and timestep is not None and timestep > 0


_EVENTS: dict[str, Callable[[_Trial], bool | None]] = {
    "diverged": _diverged,
    "weights_finite_at_onset": _weights_finite_at_onset,
    "onset_in_recurrence": _onset_in_recurrence,
}


class _Between(NamedTuple):
    """A number known to lie between two others, such as a time that is known to the update or censored."""

    low: float
    high: float

    def before(self, other: _Between) -> bool:
        return self.high <= other.low and self != other

    def over(self, other: _Between) -> _Between:
        """The ratio of two positive numbers."""
        return _Between(self.low / other.high, self.high / other.low if other.low else math.inf)


def _time(trial: _Trial) -> _Between:
    return _Between(trial.updates - 1, trial.updates) if trial.diverged else _Between(trial.updates, math.inf)


def _measured(contrast: Contrast, trial: _Trial) -> _Between | None:
    """What is compared between the arms, so that the claim is for it to fall from the first to the last."""
    match contrast.measure:
        case "time_to_nan":
            return _time(trial)
        case "distance":
            time = _time(trial)
            return _Between(time.low * trial.config.learning_rate, time.high * trial.config.learning_rate)
        case "cell_growth":
            growth = trial.number("cell_growth")
            return None if growth is None else _Between(-growth, -growth)


def _in_order(contrast: Contrast, trials: Sequence[_Trial]) -> bool | None:
    """Whether more pairs of arms are in the claim's order than in the other; None for as many."""
    values = [value for trial in trials if (value := _measured(contrast, trial)) is not None]
    if len(values) < len(trials):
        return None
    score = sum(second.before(first) - first.before(second) for first, second in combinations(values, 2))
    return score > 0 if score else None


def _gains_more(trials: Sequence[_Trial]) -> bool | None:
    """Whether the second lasts longer than the first by a larger factor than the fourth than the third."""
    times = [_time(trial) for trial in trials]
    one, other = times[1].over(times[0]), times[3].over(times[2])
    if one.before(other) == other.before(one):
        return None
    return other.before(one)


def _varies(runs: Sequence[_Trial | None], *, least: int) -> bool | None:
    """Whether runs of one configuration and budget differ; None for fewer than `least` of them."""
    by_budget: dict[Any, list[Any]] = {}
    for trial in runs:
        losses = trial.row.get(LOSSES) if trial is not None else None
        if trial is not None and isinstance(losses, str):
            by_budget.setdefault(trial.row[BUDGET_COLUMN], []).append(losses)
    return next((len(set(losses)) > 1 for losses in by_budget.values() if len(losses) >= least), None)


def _arm_row(contrast: Contrast, sample: _Sample) -> dict[str, Any]:
    trials = sample.trials
    diverged = sum(trial.diverged for trial in trials)
    failed = sum(bool(runs) and trial is None for runs, trial in zip(sample.runs, sample.first, strict=True))
    low, high = share_interval(diverged, len(trials))
    return {
        "arm": sample.arm.label,
        "trials": len(trials),
        "diverged": diverged,
        "failed": failed,
        "missing": contrast.replicates - len(trials) - failed,
        "share": _share(diverged, len(trials)),
        "low": low,
        "high": high,
        "median": _median(trials),
        BUDGET_COLUMN: contrast.updates,
    }


def _share(successes: int, observations: int) -> float:
    return successes / observations if observations else math.nan


def _median(trials: Sequence[_Trial]) -> float:
    """Median time to NaN by Kaplan and Meier's curve; NaN where the curve does not fall below one half."""
    if not any(trial.diverged for trial in trials):
        return math.nan
    curve = SurvfuncRight([trial.updates for trial in trials], [int(trial.diverged) for trial in trials])
    return float(curve.quantile(0.5))


def _by_claim(contrasts: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for under in dict.fromkeys(contrasts["semantics"]):
        for claim in CLAIMS:
            parts = set(contrasts[(contrasts["claim"] == claim) & (contrasts["semantics"] == under)]["verdict"])
            if parts:
                rows.append({"claim": claim, "semantics": under, "verdict": _together(parts)})
    return pd.DataFrame(rows)


def _together(parts: set[str]) -> str:
    if CONTRADICTED in parts:
        return CONTRADICTED
    return SUPPORTED if parts == {SUPPORTED} else NOT_RESOLVED
