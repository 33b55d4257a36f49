"""`Contrast`: a claim as a comparison of trials, written down before any of them has run.

The file of contrasts is read by `study.claims.file`, its trials are run by `study.claims.run`, and
`study.claims.verdicts` says what they came to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from study.space.search_space import TRIALS_LIMIT
from study.trial.axes import AxisValue, as_text
from study.trial.config import Semantics, TrialConfig

CLAIMS: tuple[str, ...] = tuple(f"C{number}" for number in range(1, 23))
"""What the question's page claims, in its order; the file has at least one contrast for each."""

Statistic = Literal["share", "order", "gain", "repeat"]
Quantifier = Literal["always", "never", "ever", "mostly"]
Trainer = Literal["study", "keras"]
Event = Literal["diverged", "weights_finite_at_onset", "onset_in_recurrence"]
Measure = Literal["time_to_nan", "way", "weight_distance", "cell_growth"]
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

    Every statistic comes down to a number of observations, of which some are cases:

    - `share`: of the trials of an arm, those that have `event`. What is claimed must hold of every arm.
    - `order`: of the seeds, those in which `measure` goes the claim's way from the first arm to the second. A growth
      rises; all else falls.
    - `gain`: of the seeds, those in which the second arm lasts longer than the first by a larger factor than the
      fourth than the third.
    - `repeat`: of the configurations run `runs` times with each number of threads, those that end at different updates.

    The quantifier says how many cases are claimed:

    - `always`: all. One that is none speaks against it.
    - `never`: none. One speaks against it.
    - `ever`: at least one. None in all trials speaks against it.
    - `mostly`: more than half of them.
    """

    id: str
    """The claim's, with a letter behind it where the claim has several parts."""
    statement: str
    factor: str
    """What is varied, in a word or two."""
    against: str
    """The result that counts against it, in words."""
    statistic: Statistic
    quantifier: Quantifier = "mostly"
    arms: tuple[Arm, ...]
    control: Arm | None = None
    """Of a share: an arm that must diverge more often than not, or else the contrast has nothing to show."""
    event: Event = "diverged"
    measure: Measure = "time_to_nan"
    at_update: int | None = None
    """The update at which a growth is measured; the last one before it that is kept."""
    trainer: Trainer = "study"
    """Who trains: the study's engine, or Keras's own `fit` in processes of their own, with TensorFlow as it comes."""
    return_sequences: bool = False
    """Of Keras's own `fit`: whether the last layer returns all timesteps, each with its label."""
    threads: tuple[int, ...] = ()
    """Of Keras's own `fit`: numbers of threads to run it with."""
    updates: int
    """The budget of its trials; those that ran longer are censored here."""
    replicates: int
    """Seeds in every arm, the same ones."""
    look: int
    """Seeds after which it is seen whether one case has decided it, so that the others need not run."""
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
class Remedy:
    """Something that may help, held against the same model without it."""

    id: str
    statement: str
    arm: Arm
    """With it."""
    beside: Arm
    """The same model without it; the unchanged example where it can be."""
    updates: int
    replicates: int

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """With it and without it."""
        return self.arm, self.beside


@dataclass(frozen=True, kw_only=True)
class Claims:
    """All contrasts and remedies of a file at one scale, and how their verdicts are reached."""

    scale: Scale
    about: str
    alpha: float
    """The largest probability of any false verdict among all contrasts of one semantics."""
    bound: float
    """What `never` comes to: fewer than this share; `always`: more than the rest; none `ever`: fewer than it."""
    equivalence: float
    """A factor that is closer to 1 than this, either way, is no difference."""
    contrasts: tuple[Contrast, ...]
    remedies: tuple[Remedy, ...]
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


def trials_of(
    contrasts: Iterable[Contrast],
    *,
    semantics: Iterable[Semantics],
    seed: int,
    short: Callable[[Contrast, Semantics], bool] = lambda _, __: False,
) -> list[TrialConfig]:
    """Every trial that the contrasts need of the study's engine, shared ones once.

    Two trials that differ in their budgets alone are one, with the larger budget: a longer trial holds the shorter.
    Seeds come before arms, so that a study stopped early has few seeds of all arms and not all of a few.

    Args:
        contrasts: Those to run; Keras's own `fit` runs its contrasts itself, and the study's engine the seeds of their
            look beside them.
        semantics: Those to run them under.
        seed: Of the replicates' seeds.
        short: Whether a contrast needs no more than the seeds of its look.
    """
    every = list(semantics)
    return _merged(
        (place, trial)
        for contrast in contrasts
        for under in every
        if under in contrast.under
        for place, trial in _trials(
            contrast.all_arms,
            under=under,
            updates=contrast.updates,
            replicates=contrast.look if contrast.trainer == "keras" or short(contrast, under) else contrast.replicates,
            seed=seed,
        )
    )


def trials_of_remedies(remedies: Iterable[Remedy], *, semantics: Iterable[Semantics], seed: int) -> list[TrialConfig]:
    """Every trial that the remedies need, as `trials_of`."""
    every = list(semantics)
    return _merged(
        (place, trial)
        for remedy in remedies
        for under in every
        for place, trial in _trials(
            remedy.arms, under=under, updates=remedy.updates, replicates=remedy.replicates, seed=seed
        )
    )


def _merged(asked: Iterable[tuple[int, TrialConfig]]) -> list[TrialConfig]:
    budget: dict[TrialConfig, int] = {}
    places: dict[TrialConfig, int] = {}
    for place, trial in asked:
        key = without_budget(trial)
        places.setdefault(key, place)
        budget[key] = max(budget.get(key, 0), trial.updates)
    order = sorted(places, key=lambda key: places[key])
    return [key.model_copy(update={"updates": budget[key]}) for key in order]


def _trials(
    arms: Sequence[Arm], *, under: Semantics, updates: int, replicates: int, seed: int
) -> Iterator[tuple[int, TrialConfig]]:
    for arm in arms:
        for place, value in enumerate(seeds_of(replicates, seed=seed)):
            yield place, arm.config(semantics=under, updates=updates, seed=value)


def without_budget(config: TrialConfig) -> TrialConfig:
    """What two trials have in common that differ in their budgets alone."""
    return config.model_copy(update={"updates": 1})
