from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta, binom
from statsmodels.duration.survfunc import survdiff

from study.claims.contrast import Arm, Claims, Contrast, label_of, trials_of
from study.claims.decision import Count, decide, no_difference, share_interval
from study.claims.verdicts import decided, verdicts
from study.trial.config import TrialConfig

Row = dict[str, Any]
SEEDS = range(100_000, 100_016)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The correction of statsmodels collects garbage at every call, which takes most of the time."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def contrast(*arms: dict[str, Any], **keywords: Any) -> Contrast:
    control = keywords.pop("control", None)
    values: dict[str, Any] = {
        "id": "C1",
        "statement": "It is so.",
        "factor": "something",
        "against": "It is not so.",
        "statistic": "share",
        "updates": 100,
        "replicates": 16,
        "look": 16,
        "under": ("keras-3", "keras-2.2.4"),
        "arms": tuple(Arm(label=label_of(arm), values=arm) for arm in arms),
        "control": None if control is None else Arm(label=label_of(control), values=control),
    }
    return Contrast(**values | keywords)


def family(*contrasts: Contrast, alpha: float = 0.05, bound: float = 0.25) -> Claims:
    return Claims(
        scale="small",
        about="a test",
        alpha=alpha,
        bound=bound,
        equivalence=0.1,
        contrasts=contrasts,
        remedies=(),
        source="test.yaml",
    )


def table_of(trials: Sequence[TrialConfig], come_to: Callable[[TrialConfig], int | Row | None]) -> pd.DataFrame:
    """A results table as MLflow gives it; `come_to` says the time to NaN, None for a survivor, or any columns."""
    rows = []
    for number, trial in enumerate(trials):
        came = come_to(trial)
        columns = came if isinstance(came, dict) else {"time_to_nan": came}
        time = columns.get("time_to_nan")
        outcome = "survived" if time is None else "diverged"
        axes = {"budget" if axis == "updates" else axis: value for axis, value in trial.model_dump().items()}
        rows.append({"trial_number": number, "outcome": outcome, "time_to_nan": time, **axes, **columns})
    table = pd.DataFrame(rows)
    for name in ("trial_number", "time_to_nan", "budget", "seed", "units", "layers"):
        table[name] = table[name].astype("Int64")
    for name in ("bidirectional", "stateful"):
        table[name] = table[name].astype("boolean")
    return table


def judge(asked: Contrast, come_to: Callable[[TrialConfig], int | Row | None]) -> Row:
    trials = trials_of([asked], semantics=["keras-3"], seed=0)
    found = verdicts(family(asked), table_of(trials, come_to), semantics=["keras-3"], seed=0)
    row: Row = found.contrasts.to_dict("records")[0]
    return row


def place(trial: TrialConfig) -> int:
    """Which replicate a trial is, from 0."""
    return trial.seed - SEEDS[0]


# The tests themselves: exact numbers.


@pytest.mark.parametrize(
    ("counts", "quantifier", "direction", "p"),
    [
        ([(16, 16)], "mostly", "supported", 2 * 0.5**16),
        ([(0, 16)], "mostly", "contradicted", 2 * 0.5**16),
        # 1 of 8 or fewer by chance: (1 + 8) / 256.
        ([(7, 8)], "mostly", "supported", 2 * 9 / 256),
        # Every arm must do it: the weakest decides.
        ([(8, 8), (7, 8), (8, 8)], "mostly", "supported", 2 * 9 / 256),
        # One arm is enough against, at the price of there being three.
        ([(8, 8), (0, 8), (8, 8)], "mostly", "contradicted", 2 * 3 / 256),
        ([(0, 68)], "never", "supported", 0.9**68),
        ([(1, 68)], "never", "contradicted", 0.0),
        ([(68, 68)], "always", "supported", 0.9**68),
        ([(67, 68)], "always", "contradicted", 0.0),
        ([(68, 68), (24, 24)], "always", "supported", 0.9**24),
        ([(1, 24)], "ever", "supported", 0.0),
        ([(0, 24)], "ever", "contradicted", 0.9**24),
        ([(0, 0)], "mostly", "supported", 1.0),
        ([(0, 0)], "never", "supported", 1.0),
    ],
)
def test_p_values_are_those_of_the_binomial_distribution(
    counts: list[tuple[int, int]], quantifier: Any, direction: str, p: float
) -> None:
    decision = decide([Count("arm", *count) for count in counts], quantifier=quantifier, bound=0.1)
    assert (decision.direction, decision.p) == (direction, pytest.approx(p))


def test_mostly_is_the_same_rule_for_and_against() -> None:
    for k in range(17):
        given = decide([Count("arm", k, 16)], quantifier="mostly", bound=0.1)
        mirrored = decide([Count("arm", 16 - k, 16)], quantifier="mostly", bound=0.1)
        assert given.p == pytest.approx(mirrored.p) == pytest.approx(min(1, 2 * binom.sf(max(k, 16 - k) - 1, 16, 0.5)))
        assert k == 8 or given.direction != mirrored.direction


def test_seeds_without_a_case_bound_a_share_below_ten_and_five_percent_after_holm() -> None:
    """64 contrasts of which no other is resolved: 0.05 / 64 is the level."""
    for bound, seeds in ((0.1, 68), (0.05, 140)):
        none = decide([Count("arm", 0, seeds)], quantifier="never", bound=bound)
        assert none.p <= 0.05 / 64 < decide([Count("arm", 0, seeds - 1)], quantifier="never", bound=bound).p


@pytest.mark.parametrize(("k", "n"), [(0, 24), (7, 12), (12, 12)])
def test_intervals_are_clopper_and_pearson_s(k: int, n: int) -> None:
    low, high = share_interval(k, n)
    assert low == pytest.approx(0 if k == 0 else beta.ppf(0.025, k, n - k + 1))
    assert high == pytest.approx(1 if k == n else beta.ppf(0.975, k + 1, n - k))


def test_the_paired_test_of_two_arms_is_the_log_rank_test_stratified_by_seed() -> None:
    draw = np.random.default_rng(5)
    times = {(units, seed): int(draw.integers(5, 60)) for units in (16, 64) for seed in SEEDS}
    asked = contrast({"units": 16}, {"units": 64}, statistic="order")
    row = judge(asked, lambda trial: times[trial.units, trial.seed])
    arms = [(time, units, seed) for (units, seed), time in times.items()]
    time, group, strata = (np.array(column) for column in zip(*arms, strict=True))
    chi_squared, _ = survdiff(time, np.ones(len(time)), group, strata=strata)
    against = row["observations"] - row["successes"]
    assert (row["successes"] - against) ** 2 / row["observations"] == pytest.approx(chi_squared)


# Each statistic comes to each verdict.


@pytest.mark.parametrize(
    ("quantifier", "bound", "diverging", "verdict"),
    [
        ("mostly", 0.1, 16, "supported"),
        ("mostly", 0.1, 9, "not resolved"),
        ("mostly", 0.1, 1, "contradicted"),
        ("never", 0.25, 0, "supported"),
        ("never", 0.1, 0, "not resolved"),
        ("never", 0.25, 1, "contradicted"),
        ("always", 0.25, 16, "supported"),
        ("always", 0.1, 16, "not resolved"),
        ("always", 0.25, 15, "contradicted"),
        ("ever", 0.25, 1, "supported"),
        ("ever", 0.25, 0, "contradicted"),
        ("ever", 0.1, 0, "not resolved"),
    ],
)
def test_a_share_by_its_quantifier(quantifier: Any, bound: float, diverging: int, verdict: str) -> None:
    """0.75^16 = 0.01 and 0.9^16 = 0.19."""
    asked = contrast({}, quantifier=quantifier)
    trials = trials_of([asked], semantics=["keras-3"], seed=0)
    table = table_of(trials, lambda trial: 20 if place(trial) < diverging else None)
    found = verdicts(family(asked, bound=bound), table, semantics=["keras-3"], seed=0)
    row = found.contrasts.to_dict("records")[0]
    assert (row["verdict"], row["successes"], row["observations"]) == (verdict, diverging, 16)
    assert row["low"] <= row["share"] <= row["high"]
    assert row["finding"].startswith(f"{quantifier}: {diverging} of 16")


def test_a_universal_claim_falls_with_one_arm() -> None:
    asked = contrast({"recurrent_dropout": 0.2}, {"recurrent_dropout": 1e-6}, {"recurrent_dropout": 0.1})
    row = judge(asked, lambda trial: None if trial.recurrent_dropout == 1e-6 else 20)
    assert (row["verdict"], row["arm"]) == ("contradicted", "recurrent_dropout=1e-06")


@pytest.mark.parametrize(("in_control", "verdict"), [(16, "supported"), (8, "not resolved")])
def test_a_share_has_nothing_to_show_if_its_control_does_not_diverge(in_control: int, verdict: str) -> None:
    asked = contrast({"activation": "tanh"}, control={}, quantifier="never")
    row = judge(asked, lambda t: 20 if t.activation == "relu" and place(t) < in_control else None)
    assert row["verdict"] == verdict
    assert ("the control (as it stands) diverges in 8 of 16 trials only" in row["note"]) == (in_control == 8)


UNITS = ({"units": 16}, {"units": 64})


@pytest.mark.parametrize(
    ("falling", "rising", "verdict"),
    [
        (16, 0, "supported"),
        (0, 16, "contradicted"),
        (8, 8, "not resolved"),
        (12, 0, "supported"),
        # All of them last for 20 updates whatever the arm.
        (0, 0, "no difference"),
    ],
)
def test_an_order_of_times(falling: int, rising: int, verdict: str) -> None:
    def come_to(trial: TrialConfig) -> int:
        if place(trial) < falling:
            return 640 // trial.units
        return trial.units // 2 if place(trial) < falling + rising else 20

    row = judge(contrast(*UNITS, statistic="order"), come_to)
    assert row["verdict"] == verdict
    assert (row["successes"], row["observations"]) == (falling, falling + rising)


def test_a_survivor_is_later_than_one_that_diverges_and_not_comparable_with_another() -> None:
    asked = contrast({"units": 16}, {"units": 64}, statistic="order")
    later = judge(asked, lambda trial: None if trial.units == 16 else 100)
    assert (later["verdict"], later["observations"]) == ("supported", 16)
    neither = judge(asked, lambda trial: None)
    assert (neither["verdict"], neither["observations"]) == ("not resolved", 0)
    assert neither["note"] == "nothing that can be compared, or not recorded"


def test_a_trial_with_a_larger_budget_is_censored_at_the_contrast_s() -> None:
    short, long = contrast({}, id="C1"), contrast({}, id="C14", updates=400)
    trials = trials_of([short, long], semantics=["keras-3"], seed=0)
    assert {trial.updates for trial in trials} == {400}
    found = verdicts(family(short, long), table_of(trials, lambda _: 101), semantics=["keras-3"], seed=0)
    assert found.contrasts["verdict"].tolist() == ["contradicted", "supported"]
    assert found.arms["diverged"].tolist() == [0, 16]


def test_a_trial_with_a_smaller_budget_is_not_taken_for_one_with_a_larger() -> None:
    trials = trials_of([contrast({})], semantics=["keras-3"], seed=0)
    asked = contrast({}, updates=400)
    found = verdicts(family(asked), table_of(trials, lambda _: None), semantics=["keras-3"], seed=0)
    assert found.contrasts["note"].tolist() == ["16 of 16 trials not run yet"]
    assert found.arms["missing"].tolist() == [16]


@pytest.mark.parametrize(
    ("low_rate", "verdict"), [(400, "supported"), (120, "contradicted"), (None, "not resolved"), (148, "no difference")]
)
def test_an_order_of_ways_is_one_of_learning_rate_times_steps(low_rate: int | None, verdict: str) -> None:
    """At 1e-3 the way is between 14e-3 and 15e-3, so that 140 to 150 steps at 1e-4 are as far."""
    asked = contrast({"learning_rate": 1e-4}, {"learning_rate": 1e-3}, statistic="order", measure="way", updates=500)
    if low_rate is None:
        asked = contrast(*(arm.values for arm in asked.arms), statistic="order", measure="way", updates=141)
    row = judge(asked, lambda trial: 16 if trial.learning_rate == 1e-3 else low_rate)
    if low_rate is None:
        # Surviving 151 updates says that the way is longer than 15e-3, and 141 that it is longer than 14e-3.
        assert row["observations"] == 0
    assert row["verdict"] == verdict


@pytest.mark.parametrize(("relu", "verdict"), [(0.02, "supported"), (-0.02, "contradicted"), (0.0, "not resolved")])
def test_an_order_of_growths_is_one_that_rises(relu: float, verdict: str) -> None:
    asked = contrast(
        {"activation": "tanh"}, {"activation": "relu"}, statistic="order", measure="cell_growth", at_update=10
    )
    growth = {"tanh": 0.0, "relu": relu}
    row = judge(asked, lambda trial: {"time_to_nan": 20, "growth_at": growth[trial.activation]})
    assert row["verdict"] == verdict


@pytest.mark.parametrize(
    ("unbounded", "bounded", "verdict"),
    [
        ((20, 60), (20, 30), "supported"),
        ((20, None), (20, 30), "supported"),
        ((20, 21), (20, 60), "contradicted"),
        ((20, 40), (30, 60), "no difference"),
        ((20, None), (20, None), "not resolved"),
    ],
)
def test_a_gain_is_a_ratio_of_times(unbounded: Any, bounded: Any, verdict: str) -> None:
    arms = [
        {"front_end": "conv1d", "front_end_activation": front, "batch_norm": norm}
        for front in ("relu", "tanh")
        for norm in ("none", "input")
    ]
    times = {("relu", "none"): unbounded[0], ("relu", "input"): unbounded[1]}
    times |= {("tanh", "none"): bounded[0], ("tanh", "input"): bounded[1]}
    row = judge(contrast(*arms, statistic="gain"), lambda t: times[t.front_end_activation, t.batch_norm])
    assert row["verdict"] == verdict


WEIGHTS = {"event": "weights_finite_at_onset"}


@pytest.mark.parametrize(
    ("columns", "case"),
    [
        ({"nonfinite_hidden_state": 20, "nonfinite_loss": 20}, True),
        ({"nonfinite_hidden_state": 19, "nonfinite_loss": 20, "nonfinite_weight": 20}, True),
        ({"nonfinite_loss": 20, "nonfinite_weight": 19}, False),
        ({"nonfinite_hidden_state": 20, "nonfinite_loss": 20, "nonfinite_weight": 20}, False),
        ({"nonfinite_loss": 20, "nonfinite_weight": 20, "onset_phase": "forward"}, True),
        ({"nonfinite_loss": 20, "nonfinite_weight": 20, "onset_phase": "optimizer"}, False),
    ],
)
def test_weights_are_finite_at_the_onset_if_they_become_so_later(columns: Row, case: bool) -> None:
    row = judge(contrast({}, **WEIGHTS), lambda _: {"time_to_nan": 20, **columns})
    assert row["verdict"] == ("supported" if case else "contradicted")


@pytest.mark.parametrize(
    ("columns", "case"),
    [
        ({"onset_phase": "forward", "onset_layer": "lstm_1", "onset_timestep": 600}, True),
        ({"onset_phase": "forward", "onset_layer": "lstm_1", "onset_timestep": 0}, False),
        ({"onset_phase": "forward", "onset_layer": "dense", "onset_timestep": None}, False),
        ({"onset_phase": "backward", "onset_layer": "lstm_1", "onset_timestep": 600}, False),
    ],
)
def test_the_onset_is_in_the_recurrence_if_it_is_in_an_lstm_s_forward_pass(columns: Row, case: bool) -> None:
    row = judge(contrast({}, event="onset_in_recurrence"), lambda _: {"time_to_nan": 20, **columns})
    assert row["verdict"] == ("supported" if case else "contradicted")


def test_an_onset_whose_layer_is_not_known_is_no_observation() -> None:
    columns = {"time_to_nan": 20, "onset_phase": "forward", "onset_layer": None, "onset_timestep": pd.NA}
    assert judge(contrast({}, event="onset_in_recurrence"), lambda _: columns)["observations"] == 0


@pytest.mark.parametrize("event", ["weights_finite_at_onset", "onset_in_recurrence"])
def test_a_study_without_the_columns_of_the_onset_does_not_resolve_it(event: str) -> None:
    row = judge(contrast({}, event=event), lambda _: 20)
    assert (row["verdict"], row["note"]) == ("not resolved", "nothing that can be compared, or not recorded")


# What is counted, and the correction.


def test_failed_trials_are_counted_and_are_no_observations() -> None:
    asked = contrast({})
    trials = trials_of([asked], semantics=["keras-3"], seed=0)
    table = table_of(trials, lambda trial: 20)
    table.loc[:2, ["outcome", "time_to_nan"]] = ["failed", pd.NA]
    found = verdicts(family(asked), table, semantics=["keras-3"], seed=0)
    arm = found.arms.to_dict("records")[0]
    assert [arm[name] for name in ("trials", "diverged", "failed", "missing")] == [13, 13, 3, 0]
    assert found.contrasts[["observations", "verdict"]].to_numpy().tolist() == [[13, "supported"]]


def test_nothing_is_judged_before_all_its_trials_are_there() -> None:
    asked = contrast({}, {"units": 16})
    table = table_of(trials_of([asked], semantics=["keras-3"], seed=0), lambda trial: 20)
    found = verdicts(family(asked), table.drop(index=15), semantics=["keras-3"], seed=0)
    assert found.contrasts[["verdict", "note"]].to_numpy().tolist() == [["not resolved", "1 of 32 trials not run yet"]]
    assert found.arms["missing"].sum() == 1


def test_other_trials_of_the_study_change_nothing() -> None:
    asked = contrast({"units": 16})
    trials = trials_of([asked], semantics=["keras-3"], seed=0)
    others = trials_of([contrast({"units": 17}), asked], semantics=["keras-2.2.4"], seed=0)
    table = table_of([*others, *trials], lambda t: 20 if t.units == 16 and t.semantics == "keras-3" else None)
    found = verdicts(family(asked), table, semantics=["keras-3", "keras-2.2.4"], seed=0)
    assert found.contrasts["verdict"].tolist() == ["supported", "contradicted"]
    assert found.claims.to_dict("list") == {
        "claim": ["C1", "C1"],
        "semantics": ["keras-3", "keras-2.2.4"],
        "verdict": ["supported", "contradicted"],
    }


def test_a_contrast_is_only_asked_under_its_semantics_and_an_arm_may_have_its_own() -> None:
    asked = contrast({"semantics": "keras-3"}, control={"semantics": "keras-2.2.4"}, under=("keras-3",))
    trials = trials_of([asked, contrast({}, id="C2")], semantics=["keras-3", "keras-2.2.4"], seed=0)
    assert len(trials) == 32
    table = table_of(trials, lambda _: 20)
    found = verdicts(family(asked, contrast({}, id="C2")), table, semantics=["keras-3", "keras-2.2.4"], seed=0)
    assert found.contrasts[["contrast", "semantics"]].to_numpy().tolist() == [
        ["C1", "keras-3"],
        ["C2", "keras-3"],
        ["C2", "keras-2.2.4"],
    ]


def test_the_median_is_kaplan_and_meier_s() -> None:
    """Of 16, nine diverge at 11, 12, ... 19 and seven survive: the curve is at one half from the eighth on."""
    asked = contrast({})
    trials = trials_of([asked], semantics=["keras-3"], seed=0)
    table = table_of(trials, lambda trial: 11 + place(trial) if place(trial) < 9 else None)
    found = verdicts(family(asked), table, semantics=["keras-3"], seed=0)
    assert found.arms["median"].tolist() == [18]


def test_a_median_is_the_first_update_at_which_half_have_diverged() -> None:
    """Of 16 that diverge at 11, 12, ... 26, the eighth is at 18."""
    asked = contrast({})
    table = table_of(trials_of([asked], semantics=["keras-3"], seed=0), lambda trial: 11 + place(trial))
    assert verdicts(family(asked), table, semantics=["keras-3"], seed=0).arms["median"].tolist() == [18]


def test_a_factor_is_one_of_steps() -> None:
    """Update 41 is step 40 and update 11 step 10; the last step before is 39 and 9."""
    row = judge(contrast(*UNITS, statistic="order"), lambda trial: 1 + 640 // trial.units)
    assert row["factor"] == 4
    assert (row["factor_low"], row["factor_high"]) == pytest.approx((39 / 10, 40 / 9))


@pytest.mark.parametrize(
    ("alike", "longer", "verdict"),
    [(16, 105, "no difference"), (12, 150, "not resolved"), (16, 112, "supported"), (15, 150, "no difference")],
)
def test_no_difference_is_within_ten_percent_of_the_time(alike: int, longer: int, verdict: str) -> None:
    """Seeds last 101 updates under both, but some of the first arm longer: 100 / 0.9 = 111 steps are within 10%."""
    asked = contrast({"units": 16}, {"units": 64}, statistic="order", updates=200)

    def come_to(trial: TrialConfig) -> int:
        if trial.units == 64 or (longer == 150 and place(trial) < alike):
            return 101
        return longer

    assert judge(asked, come_to)["verdict"] == verdict


def test_both_directions_of_the_equivalence_test_are_sign_tests_of_their_own() -> None:
    """Above 0.9 in 16 of 16, below 1 / 0.9 in 13 of 16: the second has the larger tail."""
    assert no_difference(16, 13, 16) == pytest.approx(2 * binom.sf(12, 16, 0.5))
    assert no_difference(0, 0, 0) == 1


def test_p_values_are_adjusted_after_holm() -> None:
    """One-sided tails of Binomial(16, 1/2): 16 of 16, 14 of 16 and 12 of 16; by hand 3 p, 2 p, 1 p."""
    asked = [contrast({"units": units}, id=f"C{units}") for units in (1, 2, 3)]
    cases = {1: 12, 2: 16, 3: 14}
    trials = trials_of(asked, semantics=["keras-3"], seed=0)
    table = table_of(trials, lambda trial: 20 if place(trial) < cases[trial.units] else None)
    found = verdicts(family(*asked), table, semantics=["keras-3"], seed=0).contrasts
    tails = [2 * binom.sf(k - 1, 16, 0.5) for k in (12, 16, 14)]
    assert found["p"].tolist() == pytest.approx(tails)
    assert found["p_adjusted"].tolist() == pytest.approx([tails[0], 3 * tails[1], 2 * tails[2]])
    assert found["verdict"].tolist() == ["not resolved", "supported", "supported"]


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ((16, 16), "supported"),
        ((16, 8), "not resolved"),
        ((16, 0), "contradicted"),
        ((8, 0), "contradicted"),
    ],
)
def test_a_claim_stands_with_all_its_parts_and_falls_with_one(parts: tuple[int, int], verdict: str) -> None:
    asked = [contrast({"units": 1}, id="C8a"), contrast({"units": 2}, id="C8b")]
    trials = trials_of(asked, semantics=["keras-3"], seed=0)
    table = table_of(trials, lambda trial: 20 if place(trial) < parts[trial.units - 1] else None)
    found = verdicts(family(*asked), table, semantics=["keras-3"], seed=0).claims
    assert found.to_dict("records") == [{"claim": "C8", "semantics": "keras-3", "verdict": verdict}]


def test_one_case_decides_and_spares_the_other_seeds() -> None:
    """`never` and `ever` with a case among the first 4 seeds, `never` without one, and `mostly`, which needs all."""
    asked = [
        contrast({"units": units}, id=f"C{units}", quantifier=quantifier, look=4)
        for units, quantifier in ((1, "never"), (2, "ever"), (3, "never"), (4, "mostly"))
    ]
    trials = [trial for trial in trials_of(asked, semantics=["keras-3"], seed=0) if place(trial) < 4]
    table = table_of(trials, lambda trial: 20 if trial.units in (1, 2, 4) and place(trial) == 3 else None)
    claims = family(*asked)
    assert decided(claims, table, semantics=["keras-3"], seed=0) == {("C1", "keras-3"), ("C2", "keras-3")}
    found = verdicts(claims, table, semantics=["keras-3"], seed=0).contrasts
    assert found["verdict"].tolist() == ["contradicted", "supported", "not resolved", "not resolved"]
    assert found["note"].tolist() == ["", "", "12 of 16 trials not run yet", "12 of 16 trials not run yet"]


def test_under_the_null_a_family_has_a_false_verdict_no_more_often_than_alpha() -> None:
    """Shares at their thresholds, times that do not depend on the arm; 16 contrasts, 100 families."""
    orders = [
        contrast({"units": 8, "features": n}, {"units": 16, "features": n}, statistic="order", id=f"C{n}")
        for n in range(1, 9)
    ]
    shares = [contrast({"units": 8, "features": n}, id=f"C{n}") for n in range(9, 17)]
    asked = [*orders, *shares]
    trials = trials_of(asked, semantics=["keras-3"], seed=0)
    draw = np.random.default_rng(20261124)
    table = table_of(trials, lambda _: 1)
    timed = (table["features"] <= 8).to_numpy()
    families, false, uncorrected = 100, 0, 0
    for _ in range(families):
        diverges = timed | (draw.random(len(table)) < 0.5)
        table["time_to_nan"] = pd.array(draw.integers(1, 90, len(table)), dtype="Int64")
        table.loc[~diverges, "time_to_nan"] = pd.NA
        table["outcome"] = np.where(diverges, "diverged", "survived")
        found = verdicts(family(*asked), table, semantics=["keras-3"], seed=0).contrasts
        false += bool((found["verdict"] != "not resolved").any())
        uncorrected += bool((found["p"] <= 0.05).any())
    # A rate of 0.05 gives more than this once in a thousand times.
    most = binom.ppf(0.999, families, 0.05)
    assert false <= most < uncorrected
