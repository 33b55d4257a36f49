"""`Contrast`: a claim as a comparison of trials, written down before any of them has run.

The file of contrasts is read by `study.claims.file`, its trials are run by `study.claims.run`, and
`study.claims.verdicts` says what they came to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from study.space.search_space import TRIALS_LIMIT
from study.trial.axes import AxisValue, as_text
from study.trial.config import Semantics, TrialConfig

CLAIMS: tuple[str, ...] = tuple(f"C{number}" for number in range(1, 23))
"""What the question's page claims, in its order; the file has at least one contrast for each."""

Statistic = Literal["share", "order", "gain", "repeat"]
Event = Literal["diverged", "weights_finite_at_onset", "onset_in_recurrence"]
Measure = Literal["time_to_nan", "distance", "cell_growth"]
Side = Literal["above", "below", "ever"]
Scale: TypeAlias = Literal["small", "full"]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One of the configurations that a contrast compares, short of its seed and its semantics."""

    label: str
    """What sets it apart, such as `units=16`; `as it stands` where nothing does."""
    values: Mapping[str, AxisValue]
    """All axes that differ from the MRE's, those of the scale and of the contrast included."""

    def config(self, *, semantics: Semantics, updates: int, seed: int) -> TrialConfig:
        """A trial of this arm; the arm's own `semantics` goes before the one asked for."""
        return TrialConfig.model_validate({"semantics": semantics, **self.values, "updates": updates, "seed": seed})


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A claim, or a part of one, at one scale: what is compared, how it is counted, and what would count against it.

    Every statistic comes down to a number of observations, of which some go the claim's way:

    - `share`: of the trials of an arm that have `event`; every arm must be on the claim's side.
    - `order`: of the seeds, those in which `measure` goes the claim's way along the arms. A time falls from the
      first arm to the last, a growth rises.
    - `gain`: of the seeds, those in which the second arm lasts longer than the first by a larger factor than the
      fourth than the third.
    - `repeat`: of the configurations run `runs` times each, those whose losses differ in any bit.
    """

    id: str
    """The claim's, with a letter behind it where the claim has several parts."""
    statement: str
    factor: str
    """What is varied, in a word or two."""
    against: str
    """The result that counts against it, in words."""
    statistic: Statistic
    arms: tuple[Arm, ...]
    control: Arm | None = None
    """Of a share: an arm that must diverge more often than not, or else the contrast has nothing to show."""
    event: Event = "diverged"
    measure: Measure = "time_to_nan"
    side: Side = "above"
    """The claim's side of the threshold. `ever`: a single case proves it, and none at all speaks against it where the
    share is surely below the threshold."""
    threshold: float = 0.5
    """The share at which nothing speaks for or against the claim."""
    updates: int
    """The budget of its trials; those that ran longer are censored here."""
    replicates: int
    """Seeds in every arm, the same ones."""
    runs: int = 1
    """How often each trial is run."""
    under: tuple[Semantics, ...]
    """The semantics under which it is asked."""

    @property
    def claim(self) -> str:
        """The id of the claim that it is about."""
        return self.id.rstrip("abcdefghijklmnopqrstuvwxyz")

    @property
    def all_arms(self) -> tuple[Arm, ...]:
        """The arms, and the control behind them."""
        return self.arms if self.control is None else (*self.arms, self.control)


@dataclass(frozen=True, kw_only=True)
class Claims:
    """All contrasts of a file at one scale, and how their verdicts are reached."""

    scale: Scale
    about: str
    alpha: float
    """The largest probability of any false verdict among all contrasts of one semantics."""
    contrasts: tuple[Contrast, ...]
    source: str


def label_of(values: Mapping[str, AxisValue]) -> str:
    """A short name for what an arm sets."""
    return ", ".join(f"{axis}={as_text(value)}" for axis, value in values.items()) or "as it stands"


def seeds_of(replicates: int, *, seed: int) -> range:
    """Seeds of the replicates, the same in every arm: common random numbers.

    They start at 100,000, so that none is among the small seeds that sizes and budgets were chosen by.
    """
    first = (seed + 1) * TRIALS_LIMIT
    return range(first, first + replicates)


def trials_of(contrasts: Iterable[Contrast], *, semantics: Iterable[Semantics], seed: int) -> list[TrialConfig]:
    """Every trial that the contrasts need, each as often as it must be run, shared ones once.

    Two trials that differ in their budgets alone are one, with the larger budget: a longer trial holds the shorter.
    Seeds come before arms, so that a study stopped early has few seeds of all arms and not all of a few.
    """
    budget: dict[TrialConfig, int] = {}
    runs: dict[TrialConfig, int] = {}
    order: list[tuple[int, TrialConfig]] = []
    for contrast in contrasts:
        for under in semantics:
            if under not in contrast.under:
                continue
            for place, trial in _trials(contrast, under=under, seed=seed):
                key = without_budget(trial)
                if key not in budget:
                    order.append((place, key))
                budget[key] = max(budget.get(key, 0), contrast.updates)
                runs[key] = max(runs.get(key, 0), contrast.runs)
    order.sort(key=lambda entry: entry[0])
    return [key.model_copy(update={"updates": budget[key]}) for _, key in order for _ in range(runs[key])]


def _trials(contrast: Contrast, *, under: Semantics, seed: int) -> Iterator[tuple[int, TrialConfig]]:
    for arm in contrast.all_arms:
        for place, value in enumerate(seeds_of(contrast.replicates, seed=seed)):
            yield place, arm.config(semantics=under, updates=contrast.updates, seed=value)


def without_budget(config: TrialConfig) -> TrialConfig:
    """What two trials have in common that differ in their budgets alone."""
    return config.model_copy(update={"updates": 1})
