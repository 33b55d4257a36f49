"""`BoundarySampler`: trials where they tell most of a boundary, for the updates that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from study.space.samplers.boundary_options import BoundaryOptions
from study.space.samplers.numbered import from_unit
from study.space.samplers.stopping import StoppingSampler
from study.trial.axes import SEED, AxisValue

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from study.analysis.boundary.gaussian_process import Floats
    from study.analysis.boundary.time_model import Observed, Start, TimeModel
    from study.space.search_space import SearchSpace

    Point = Mapping[str, AxisValue]

CANDIDATES, DRAWS, REFERENCES = 256, 32, 192
"""Points that a trial is chosen from, drawn in so many ways, and points that stand for the whole space."""

NEAREST, SHARES = 64, 4
"""Configurations near the contour that may be run with one seed more, in so many shares."""

GROWTH = 1.25
"""By what factor the trials have grown when the hyperparameters are looked for again."""

SEARCH = 15
"""Iterations of that search, from where the last one ended."""


class BoundarySampler(StoppingSampler):
    """Begins with a Sobol sequence, then asks for the trial that tells most of where P(NaN) crosses a level.

    A model of the time to NaN (`study.analysis.boundary.time_model`) is fitted to the trials that are finished. Those
    in flight count as known to come (`study.analysis.boundary.acquisition`), and successive trials have candidates of
    their own, so that two processes that ask at once get different points. What it knows it reads from the study, so
    that a resumed study goes on from there. It stays with Sobol until something has gone to NaN and something has not.

    Args:
        space: Its parameters and conditions, and the budget.
        seed: Of the sequences.
        options: See `BoundaryOptions`.
    """

    def __init__(self, *, space: SearchSpace, seed: int, options: BoundaryOptions) -> None:
        self._space, self._seed, self._options = space, seed, options
        self._columns = columns_of(space)
        self._distributions = {name: parameter.distribution() for name, parameter in space.parameters.items()}
        self._chosen: tuple[int, Point] | None = None
        self._known: tuple[tuple[int, ...], TimeModel | None] = ((), None)
        self._drawn: dict[int, tuple[list[Point], Floats]] = {}
        self._rows: dict[int, Floats] = {}
        self._start: Start | None = None
        self._searched = 0

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The value of one parameter of the point that is chosen when a trial's first one is asked for."""
        if self._chosen is None or self._chosen[0] != trial.number:
            with one_thread():
                self._chosen = trial.number, self._choose(study, trial.number)
        point = self._chosen[1]
        if param_name in point and param_distribution._contains(param_distribution.to_internal_repr(point[param_name])):
            return point[param_name]
        # A parameter that the space does not know of.
        return from_unit(param_distribution, 0.5)

    # --- what it knows ----------------------------------------------------------------------------------------------

    def model(self, study: Study) -> TimeModel | None:
        """Fitted to the finished trials; None while they do not show both outcomes."""
        return self._fitted(_finished(study))

    def unsure(self, study: Study) -> float | None:
        """The share of the space on whose side of the contour the model is not sure at 95%; None without a model."""
        with one_thread():
            model = self.model(study)
            if model is None:
                return None
            inside = model.forecast(self._references, budget=self._space.updates).inside(self._options.level)
        return float(((inside > 0.025) & (inside < 0.975)).mean())

    def is_done(self, study: Study) -> bool:
        """Whether the contour is known to the width that was asked for."""
        width = self._options.width
        if width is None or len(_finished(study)) < self._options.points:
            return False
        unsure = self.unsure(study)
        return unsure is not None and unsure < width

    def verdict(self, study: Study) -> str:
        """How well the contour is known, beside the width that was asked for."""
        unsure, width = self.unsure(study), self._options.width
        event = self._space.divergence.words.noun
        contour = f"the contour P({event} within {self._space.updates} updates) = {self._options.level:g}"
        asked = "" if width is None else f", and {width:.3g} was asked for"
        if unsure is None:
            return f"{contour} is not known at all: the trials do not show both outcomes{asked}"
        return f"{contour} is known to a width of {unsure:.3g}, the share of the space whose side is unsure{asked}"

    def _fitted(self, finished: Sequence[FrozenTrial]) -> TimeModel | None:
        """Kept until another trial has finished: several are often asked for at once."""
        numbers = tuple(trial.number for trial in finished)
        if self._known[0] != numbers:
            self._known = numbers, self._fit(finished)
        return self._known[1]

    def _fit(self, finished: Sequence[FrozenTrial]) -> TimeModel | None:
        from study.analysis.boundary.time_model import TimeModel

        observed = self._observed(finished)
        if observed.diverged.all() or not observed.shows_a_boundary:
            return None
        search = len(finished) >= GROWTH * self._searched
        model = TimeModel(observed, start=self._start, iterations=SEARCH if search else 0, before=self._known[1])
        if search:
            self._searched = len(finished)
        self._start = model.start
        return model

    def _observed(self, finished: Sequence[FrozenTrial]) -> Observed:
        import numpy as np

        from study.analysis.boundary.time_model import Observed

        return Observed(
            points=self._encoded(finished),
            updates=np.array([trial.value for trial in finished], dtype=float),
            diverged=np.array([trial.user_attrs.get("outcome") == "diverged" for trial in finished], dtype=bool),
        )

    def _encoded(self, trials: Sequence[FrozenTrial]) -> Floats:
        """Their rows, (trials, columns); each is made once."""
        import numpy as np

        new = [trial for trial in trials if trial.number not in self._rows]
        self._rows |= dict(
            zip((one.number for one in new), self._columns.encode([one.params for one in new]), strict=True)
        )
        return np.array([self._rows[trial.number] for trial in trials])

    # --- choosing ---------------------------------------------------------------------------------------------------

    def _choose(self, study: Study, number: int) -> Point:
        import numpy as np

        from study.analysis.boundary.acquisition import Acquisition

        finished = _finished(study)
        model = None if number < self._options.points else self._fitted(finished)
        if model is None:
            return self._points(1, sequence=0, skip=number)[0]
        drawn, encoded = self._candidates(number % DRAWS)
        near = self._near(finished, model, number)
        candidates = [*drawn, *(trial.params for trial in near)]
        pending = [trial.params for trial in _not_known(study) if trial.number != number and trial.params]
        values = Acquisition(
            level=self._options.level, budget=self._space.updates, exploration=self._options.exploration
        ).values(
            model,
            np.concatenate([encoded, self._encoded(near)]) if near else encoded,
            references=self._references,
            pending=self._columns.encode(pending),
        )
        return candidates[int(np.argmax(values))]

    def _candidates(self, draw: int) -> tuple[list[Point], Floats]:
        """Points all over the space and their rows, (points, columns); each draw is made once."""
        if draw not in self._drawn:
            points = self._points(CANDIDATES, sequence=1 + draw)
            self._drawn[draw] = points, self._columns.encode(points)
        return self._drawn[draw]

    @cached_property
    def _references(self) -> Floats:
        """Points that stand for the whole space, (points, columns)."""
        references: Floats = self._columns.encode(self._points(REFERENCES, sequence=0))
        return references

    def _near(self, finished: Sequence[FrozenTrial], model: TimeModel, number: int) -> list[FrozenTrial]:
        """Trials whose configurations lie nearest to the contour: another seed may tell more.

        Trials that are asked for at once, by processes that do not know of each other's yet, have different ones.
        """
        import numpy as np

        distance = model.distance_of_trials(level=self._options.level, budget=self._space.updates)
        nearest = np.argsort(np.abs(distance), kind="stable")[:NEAREST]
        return [finished[place] for place in nearest[number % SHARES :: SHARES]]

    def _points(self, count: int, *, sequence: int, skip: int = 0) -> list[Point]:
        """Points of a scrambled Sobol sequence, as configurations of the space."""
        from scipy.stats import qmc

        size = 1 << max(count + skip - 1, 1).bit_length()
        rows = qmc.Sobol(len(self._space.parameters), rng=[self._seed, sequence]).random(size)[skip : skip + count]
        return [self._point(dict(zip(self._distributions, row, strict=True))) for row in rows.tolist()]

    def _point(self, coordinates: Mapping[str, float]) -> Point:
        """The configuration at a point of the unit cube."""
        chosen: dict[str, AxisValue] = {}
        for name, distribution in self._distributions.items():
            if self._space.is_active(name, chosen):
                chosen[name] = from_unit(distribution, coordinates[name])
        return chosen


def one_thread() -> AbstractContextManager[Any]:
    """Matrices of a few hundred rows gain nothing from several threads, and the workers use the cores."""
    from threadpoolctl import threadpool_limits

    limited: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limited


def columns_of(space: SearchSpace) -> Any:
    """The columns of a space's parameters; a seed is none, for it has no place near another."""
    from study.analysis.boundary.columns import Categories, Columns, Encoded, Numbers
    from study.space.search_space import Range

    columns: dict[str, Encoded] = {}
    for name, parameter in space.parameters.items():
        if isinstance(parameter, Range):
            columns[name] = Numbers(
                low=parameter.low, high=parameter.high, log=parameter.log, optional=bool(parameter.when)
            )
            continue
        numbers = [
            value for value in parameter.values if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        if len(numbers) == len(parameter.values) > 1:
            # Choices that are numbers have an order and distances.
            low, high = min(numbers), max(numbers)
            columns[name] = Numbers(
                low=low, high=high, log=space.axes[name].logarithmic and low > 0, optional=bool(parameter.when)
            )
        else:
            columns[name] = Categories(values=parameter.values)
    return Columns(axes={name: axis for name, axis in columns.items() if name != SEED})


def _finished(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _not_known(study: Study) -> list[FrozenTrial]:
    """Trials in flight, and those that failed: neither is there more to learn from another trial in their place."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING, TrialState.FAIL))
