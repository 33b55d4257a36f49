"""A diagnosis, from measured facts to ranked remedies, on a bench whose trainings are made up."""

from __future__ import annotations

from concurrent.futures import Future, wait
from dataclasses import replace
from io import StringIO
from threading import Event
from typing import Any

import pytest
from rich.console import Console

from study.diagnosis import trials
from study.diagnosis.case import Case
from study.diagnosis.loop import diagnose
from study.diagnosis.progress import Steps
from study.diagnosis.ranking import ranked
from study.diagnosis.record import CASE, Record
from study.diagnosis.remedies import BoundedActivation, ClipNorm, LearningRate, Remedy
from study.diagnosis.result import Run, Tried
from study.diagnosis.trials import Limits
from study.trial.axes import Axes, Axis
from study.trial.model_design import ModelDesign
from tests.diagnosis.test_causes import CASES, TAME, array

DESIGN = ModelDesign(
    model="made_up.py",
    sha256="0" * 64,
    file_axes=Axes([Axis.annotated("seed", int, 1), Axis.annotated("updates", int, 100)]),
)


class MadeUpBench:
    """Trainings hold where the learning rate is at most 1e-5, or the activation is bounded.

    Args:
        case: Of the unchanged model.
        stop_after: Somebody wants it all to end once so many trainings were asked for.
        unended: Trainings that do not end.
    """

    processes = 2

    def __init__(self, case: Case, *, stop_after: int | None = None, unended: bool = False) -> None:
        self.case = case
        self.stop = Event()
        self.asked: list[Remedy] = []
        self._stop_after = stop_after
        self._unended = unended

    def examine(self, config: Any, on_update: Any) -> Case:
        return self.case

    def submit(self, config: Any, remedy: Remedy) -> Future[Run]:
        self.asked.append(remedy)
        held = isinstance(remedy, BoundedActivation) or (isinstance(remedy, LearningRate) and remedy.value <= 1e-5)
        last = 0.1 if isinstance(remedy, BoundedActivation) else 0.5
        loss = (1.0, *[last] * (config.updates - 1)) if held else (1.0, float("nan"))
        done: Future[Run] = Future()
        refused = "it cannot be clipped" if isinstance(remedy, ClipNorm) else None
        if len(self.asked) == self._stop_after:
            self.stop.set()
        if not self._unended:
            done.set_result(Run(loss=loss, diverged=not held, refused=refused))
        return done


def answer(
    case: Case, *, record: Record | None = None, bench: MadeUpBench | None = None, **limits: Any
) -> tuple[dict[str, Any], MadeUpBench]:
    bench = bench or MadeUpBench(case)
    said = Steps(Console(file=StringIO()))
    found = diagnose(
        bench,  # type: ignore[arg-type]
        DESIGN.config({}),
        limits=Limits(**limits),
        record=record or Record(),
        steps=said,
    )
    return found.as_dict(), bench


def test_remedies_that_held_come_first_and_the_one_that_learns_further_before() -> None:
    found, _ = answer(CASES["unbounded_recurrence"])
    assert found["cause"]["id"] == "unbounded_recurrence"
    assert [one["id"] for one in found["remedies"][:2]] == ["activation", "learning_rate"]
    assert found["remedies"][0] == {
        "id": "activation",
        "change": 'activation="tanh" in the recurrent layers',
        "trials": 3,
        "survived": 3,
        "updates": 40,
        "loss_before": 1.0,
        "loss_after": pytest.approx(0.1),
        "run": True,
    }


def test_half_of_the_largest_learning_rate_that_holds_is_found_by_bisection_and_told_to_put_off() -> None:
    """1e-5 is the largest, and bisection of the logarithm stops within a factor of 10**0.5 below it."""
    case = CASES["unbounded_recurrence"]
    found, bench = answer(case)
    (rate,) = [one for one in found["remedies"] if one["id"] == "learning_rate"]
    value = float(rate["change"].partition("=")[2])
    assert 1e-5 / 10**0.5 / 2.1 <= value <= 1e-5 / 1.9
    largest = max(one.value for one in bench.asked if isinstance(one, LearningRate) and one.value <= 1e-5)
    assert value == pytest.approx(largest / 2, rel=0.1)
    assert rate["survived"] == rate["trials"] == 3
    assert case.learning_rate is not None
    as_far = len(case.loss) * case.learning_rate / value
    told = float(rate["note"].partition("to about update ")[2])
    assert told == pytest.approx(as_far, rel=0.1)


class OneSeedIsLucky(MadeUpBench):
    """With a learning rate above 1e-7 every seed but the trial's own goes to NaN."""

    def submit(self, config: Any, remedy: Remedy) -> Future[Run]:
        if isinstance(remedy, LearningRate) and config.seed > 1 and remedy.value > 1e-7:
            self.asked.append(remedy)
            done: Future[Run] = Future()
            done.set_result(Run(loss=(1.0, float("nan")), diverged=True))
            return done
        return super().submit(config, remedy)


def test_a_learning_rate_that_holds_with_one_seed_alone_is_lowered_until_it_holds_with_all() -> None:
    case = CASES["learning_rate_too_high"]
    found, _ = answer(case, bench=OneSeedIsLucky(case))
    (rate,) = [one for one in found["remedies"] if one["id"] == "learning_rate"]
    assert rate["survived"] == rate["trials"] == 3
    assert float(rate["change"].partition("=")[2]) <= 1e-7


def test_a_remedy_that_cannot_be_made_is_named_with_the_reason() -> None:
    found, _ = answer(CASES["unbounded_recurrence"])
    (clip,) = [one for one in found["remedies"] if one["id"] == "clipnorm"]
    assert clip["run"] is False
    assert clip["why"] == "it cannot be clipped"


def test_no_more_trials_are_run_than_allowed() -> None:
    found, bench = answer(CASES["unbounded_recurrence"], trials=4)
    assert len(bench.asked) <= 4
    assert any("--trials" in one.get("why", "") for one in found["remedies"])


def test_a_remedy_that_cannot_be_made_spends_no_trial() -> None:
    whole, bench = answer(CASES["unbounded_recurrence"])
    assert any(isinstance(remedy, ClipNorm) for remedy in bench.asked)
    trained = sum(not isinstance(remedy, ClipNorm) for remedy in bench.asked)
    assert answer(CASES["unbounded_recurrence"], trials=trained)[0] == whole


def test_a_healthy_model_has_no_cause_and_a_spike_is_called_one() -> None:
    found, bench = answer(replace(TAME, onset=None, diverged=False, loss=(1.0, 0.9, 50.0, 0.8, 0.7, 0.6)))
    assert found["cause"] is None
    assert found["outcome"] == "survived"
    assert "spike of 50 at update 3" in found["healthy"]
    assert bench.asked == []


def test_what_was_tried_before_an_interruption_is_the_answer() -> None:
    case = CASES["unbounded_recurrence"]
    found, bench = answer(case, bench=MadeUpBench(case, stop_after=3))
    assert len(bench.asked) == 3
    assert found["cause"]["id"] == "unbounded_recurrence"
    first, *others = found["remedies"]
    assert (first["id"], first["survived"], first["trials"]) == ("activation", 3, 3)
    assert all("interrupted" in one["why"] for one in others)


def test_trainings_that_do_not_end_are_not_waited_for_when_the_time_is_spent() -> None:
    case = CASES["unbounded_recurrence"]
    found, _ = answer(case, bench=MadeUpBench(case, unended=True), minutes=0.01)
    assert found["remedies"]
    assert all("--minutes" in one["why"] for one in found["remedies"])


def test_a_diagnosis_that_goes_on_trains_nothing_twice_and_says_the_same() -> None:
    whole, bench = answer(CASES["unbounded_recurrence"])
    record = Record()
    case = CASES["unbounded_recurrence"]
    _, begun = answer(case, record=record, bench=MadeUpBench(case, stop_after=4))
    again, rest = answer(case, record=record)
    assert again == whole
    kept = len(bench.asked) - len(rest.asked)
    assert 0 < kept <= len(begun.asked)


def test_a_training_that_is_known_counts_as_one_trial_and_not_as_two() -> None:
    record = Record()
    spent, _ = answer(CASES["unbounded_recurrence"], record=record, trials=4)
    again, bench = answer(CASES["unbounded_recurrence"], record=record, trials=4)
    assert bench.asked == []
    assert again == spent


@pytest.mark.parametrize("case", [TAME, *CASES.values()])
def test_a_case_is_the_same_after_it_was_kept(case: Case) -> None:
    assert repr(CASE.validate_json(CASE.dump_json(case))) == repr(case)


def tried(name: str, *, ends: list[float | None], size: int = 1) -> Tried:
    """A remedy whose seeds end at these losses; None: NaN."""
    runs = tuple(Run(loss=(1.0, float("nan") if end is None else end), diverged=end is None) for end in ends)
    return Tried(id=name, change=name, size=size, runs=runs, why=None if runs else "not run", budget=2)


def test_survivors_come_first_then_the_loss_that_is_reached_then_the_smaller_change() -> None:
    worse = tried("ends higher", ends=[0.5, 0.5, 0.5])
    larger = tried("changes more", ends=[0.2, 0.2, 0.2], size=3)
    smaller = tried("changes less", ends=[0.2001, 0.2001, 0.2001], size=1)
    two = tried("two seeds", ends=[0.01, 0.01, None])
    named, none = tried("named", ends=[]), tried("no seed", ends=[None, None, None])
    order = [smaller, larger, worse, two, named, none]
    assert ranked(reversed(order)) == order


def test_a_loss_above_the_event_is_an_outcome_and_a_finite_training_without_it_is_none() -> None:
    above, _ = answer(replace(TAME, onset=None, loss=(1.0, 4.0, 60.0)))
    assert (above["outcome"], above["time_to_nan"]) == ("diverged", 3)
    assert above["cause"]["id"] == "learning_rate_too_high"
    weight, _ = answer(replace(CASES["optimizer_division"], diverged=False, loss=(1.0, 0.9)))
    assert (weight["outcome"], weight["time_to_nan"]) == ("survived", None)
    assert weight["cause"]["id"] == "optimizer_division"


class Holds(MadeUpBench):
    """Trainings hold with the remedies of these ids, and no others."""

    def __init__(self, case: Case, *ids: str) -> None:
        super().__init__(case)
        self.ids = ids

    def submit(self, config: Any, remedy: Remedy) -> Future[Run]:
        self.asked.append(remedy)
        held = remedy.id in self.ids
        done: Future[Run] = Future()
        done.set_result(Run(loss=(1.0, 0.5 if held else float("nan")), diverged=not held))
        return done


LARGE_INPUTS = replace(CASES["unbounded_recurrence"], arrays=(array(largest=4e5, deviation=100.0),))
LARGE_WEIGHTS = replace(
    CASES["unbounded_recurrence"],
    onset=replace(CASES["unbounded_recurrence"].onset, update=1),  # type: ignore[type-var]
    same_update={"bounded": True, "smaller_weights": True, "usual_weights": True},
    largest_kernel=2e4,
)


@pytest.mark.parametrize(
    ("case", "held", "cause"),
    [
        (LARGE_INPUTS, ("activation", "standardised"), "unscaled_data"),
        (LARGE_INPUTS, ("activation",), "unbounded_recurrence"),
        (LARGE_WEIGHTS, ("activation", "initial_weights"), "initial_weights"),
        (LARGE_WEIGHTS, ("activation",), "unbounded_recurrence"),
    ],
    ids=["tame data hold", "tame data do not", "usual weights hold", "usual weights do not"],
)
def test_a_recurrence_without_a_bound_that_holds_with_usual_data_and_weights_is_not_the_cause(
    case: Case, held: tuple[str, ...], cause: str
) -> None:
    found, _ = answer(case, bench=Holds(case, *held))
    assert found["cause"]["id"] == cause


def test_what_decides_between_causes_is_run_before_the_trials_are_spent() -> None:
    found, bench = answer(LARGE_INPUTS, bench=Holds(LARGE_INPUTS, "activation", "standardised"), trials=6)
    assert [remedy.id for remedy in bench.asked] == ["activation"] * 3 + ["standardised"] * 3
    assert found["cause"]["id"] == "unscaled_data"


def test_a_remedy_that_nobody_ran_decides_nothing() -> None:
    found, _ = answer(LARGE_INPUTS, bench=Holds(LARGE_INPUTS, "activation", "standardised"), trials=3)
    assert found["cause"]["id"] == "unbounded_recurrence"


def test_a_loss_that_ends_far_above_its_first_is_no_spike() -> None:
    found, _ = answer(replace(TAME, onset=None, diverged=False, loss=(1.0, 5.0, 1e9, 1e8)))
    assert "explosion" in found["healthy"]
    assert "spike" not in found["healthy"]


class TakesTime(MadeUpBench):
    """As many trainings as there are processes run at a time, and all of them take as long."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.running: list[tuple[Future[Run], Run]] = []
        self.rounds = 0
        self.most = 0
        self._asked_for_nothing = False

    def submit(self, config: Any, remedy: Remedy) -> Future[Run]:
        run = super().submit(config, remedy).result()
        future: Future[Run] = Future()
        self.running.append((future, run))
        return future

    def wait(self, futures: Any, **how: Any) -> Any:
        """In the place of `concurrent.futures.wait`: every second time some have ended, and else none has."""
        self._asked_for_nothing = not self._asked_for_nothing
        if not self._asked_for_nothing:
            self.most = max(self.most, len(self.running))
            for future, run in self.running[: self.processes]:
                future.set_result(run)
            self.running = self.running[self.processes :]
            self.rounds += 1
        return wait([one for one in futures if one.done()] or [ENDED], timeout=0)._replace(
            done={one for one in futures if one.done()}
        )


ENDED: Future[Run] = Future()
ENDED.set_result(Run(loss=(), diverged=False))


def test_a_search_for_a_learning_rate_leaves_no_process_idle_and_changes_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = CASES["unbounded_recurrence"]
    whole, one_by_one = answer(case)
    bench = TakesTime(case)
    monkeypatch.setattr(trials, "wait", bench.wait)
    assert answer(case, bench=bench)[0] == whole
    assert sorted(map(repr, bench.asked)) == sorted(map(repr, one_by_one.asked))
    # Three of a seed are at once with their first submission; beside a search there are never more than processes.
    assert bench.most <= 3
    searched = sum(isinstance(remedy, LearningRate) for remedy in bench.asked) - 3
    of_seeds = len(bench.asked) - searched
    alone = 2 * of_seeds // 3 + searched  # three seeds take two rounds on two processes
    assert bench.rounds < alone
    assert bench.running == []


def test_what_is_begun_ahead_is_within_the_trials_that_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["unbounded_recurrence"]
    for limit in (4, 8, 12, 16, 20, 24):
        monkeypatch.undo()
        expected, _ = answer(case, trials=limit)
        bench = TakesTime(case)
        monkeypatch.setattr(trials, "wait", bench.wait)
        found, _ = answer(case, bench=bench, trials=limit)
        refused = sum(isinstance(remedy, ClipNorm) for remedy in bench.asked)
        assert len(bench.asked) - refused <= limit
        assert found == expected
