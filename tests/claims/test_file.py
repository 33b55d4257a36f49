from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import yaml
from scipy.stats import binom

from study.claims.contrast import CLAIMS, Contrast, trials_of, without_budget
from study.claims.file import load_claims, parse_claims
from study.trial.config import Semantics, TrialConfig
from study.trial.errors import UserError
from tests.processes import ROOT

FILE = ROOT / "search_spaces" / "claims.yaml"
CONTENT = yaml.safe_load(FILE.read_text(encoding="utf-8"))
BOTH: tuple[Semantics, ...] = ("keras-3", "keras-2.2.4")
SMALL, FULL = (load_claims(FILE, scale=scale) for scale in ("small", "full"))


@pytest.mark.parametrize("claims", [SMALL, FULL], ids=["small", "full"])
def test_every_claim_has_a_contrast_that_says_what_would_count_against_it(claims: Any) -> None:
    assert [f"C{number}" for number in range(1, 23)] == list(dict.fromkeys(c.claim for c in claims.contrasts))
    assert all(len(contrast.against.split()) > 4 for contrast in claims.contrasts)


def tail_probabilities(contrast: Contrast, bound: float) -> tuple[float, float]:
    """Smallest p-values for and against a claim, of an observation that can be taken back by none."""
    n, arms = contrast.replicates, len(contrast.arms) if contrast.statistic == "share" else 1
    match contrast.quantifier:
        case "mostly":
            return 2 * 0.5**n, 2 * arms * 0.5**n
        case "always" | "never":
            return (1 - bound) ** n, 0.0
        case "ever":
            return 0.0, arms * (1 - bound) ** n


@pytest.mark.parametrize("claims", [SMALL, FULL], ids=["small", "full"])
def test_every_contrast_has_seeds_enough_to_be_resolved_either_way_whatever_the_others_come_to(claims: Any) -> None:
    for contrast in claims.contrasts:
        # What repeats itself on a CPU is no verdict but a test that was not made.
        if contrast.statistic != "repeat":
            assert max(tail_probabilities(contrast, claims.bound)) * len(claims.contrasts) <= claims.alpha, contrast.id


@pytest.mark.parametrize("claims", [SMALL, FULL], ids=["small", "full"])
def test_no_statement_is_without_its_quantifier(claims: Any) -> None:
    for contrast in claims.contrasts:
        told = contrast.statement.replace(",", " ").replace(".", " ").split()
        assert contrast.quantifier in told, contrast.id


def test_no_seed_that_sizes_were_chosen_by_is_used() -> None:
    trials = trials_of(SMALL.contrasts, semantics=BOTH, seed=0)
    assert min(trial.seed for trial in trials) >= 100_000
    others = trials_of(SMALL.contrasts, semantics=BOTH, seed=1)
    assert not {trial.seed for trial in trials} & {trial.seed for trial in others}


def test_a_trial_that_several_contrasts_need_is_run_once_with_the_largest_budget() -> None:
    trials = trials_of(SMALL.contrasts, semantics=BOTH, seed=0)
    times = Counter(without_budget(trial) for trial in trials)
    assert set(times.values()) == {1}
    assert len({without_budget(trial) for trial in trials}) == len(set(trials))
    base = TrialConfig(units=32, learning_rate=1e-3, seed=100_000, updates=400)
    assert trials.count(base) == 1


def test_all_arms_of_a_contrast_have_the_same_seeds_and_budget() -> None:
    contrast = next(c for c in SMALL.contrasts if c.id == "C6a")
    trials = trials_of([contrast], semantics=["keras-3"], seed=4)
    seeds = {units: [t.seed for t in trials if t.units == units] for units in (16, 32)}
    assert seeds[16] == seeds[32] == list(range(500_000, 500_024))
    assert {trial.updates for trial in trials} == {100}


def test_the_full_scale_is_the_minimal_example_s_own() -> None:
    contrast = next(c for c in FULL.contrasts if c.id == "C1")
    assert trials_of([contrast], semantics=["keras-3"], seed=0)[0] == TrialConfig(seed=100_000)


def changed(path: str, value: Any) -> str:
    """The shipped file with one field changed: `C5.event`, `scales.small.updates`."""
    content = copy.deepcopy(CONTENT)
    place: Any = content
    *way, last = path.split(".")
    for step in way:
        place = next(c for c in content["contrasts"] if c["id"] == step) if step[0] == "C" else place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return yaml.safe_dump(content)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("alpha", 5, "f: alpha: takes a number between 0 and 1, not 5"),
        ("about", None, "f: file: about is missing"),
        ("scales.small.updates", 0, "f: scales.small.updates: takes a whole number from 1 to 1000000, not 0"),
        ("scales.small.seeds", 3, "f: scales.small: seeds is not known; allowed are fixed, updates, replicates"),
        ("scales.full", None, "f: scales: full is missing"),
        ("contrasts", [], "f: contrasts: takes a list of contrasts, not []"),
        ("C3.id", "C1", "f: contrasts: C1 is given twice"),
        ("C3.id", "C1b", "f: contrasts: none is about C3; every claim from C1 to C22 needs one"),
        ("C3.id", "C23", "f: contrasts: id takes one of C1 to C22, a letter behind it, not C23"),
        ("C7a.against", None, "f: C7a: against is missing"),
        ("C7a.against", "", "f: C7a.against: takes a sentence, not an empty text"),
        ("C7a.statistic", "mean", "f: C7a.statistic: takes share, order, gain or repeat, not mean"),
        ("C7a.arms", [{"layers": 1}], "f: C7a.arms: takes a list of exactly 2, not [{'layers': 1}]"),
        ("C7a.arms", [{}, {"layers": 2}, {"layers": 3}], "f: C7a.arms: takes a list of exactly 2, not [{}, "),
        ("C7a.arms", [{"layers": 1}, {"layers": 1}], "f: C7a.arms: layers=1 is given twice"),
        ("C7a.arms", [{"layer": 1}, {}], "f: C7a.arms: 'layer' is not an axis; did you mean layers?"),
        ("C7a.arms", [{"layers": 0}, {}], "f: C7a.arms: layers takes a whole number, at least 1, at most 16, not 0"),
        ("C7a.arms", [{"seed": 1}, {}], "f: C7a.arms: seed is not for an arm: budget and seeds are the same for all"),
        ("C7a.arms", [{}, {"batch_norm": "before_activation"}], "f: C7a: batch_norm=before_activation: batch_norm"),
        ("C7a.quantifier", "never", "f: C7a.quantifier: belongs to the statistic share and repeat, not to order"),
        ("C7a.control", {}, "f: C7a.control: belongs to the statistic share, not to order"),
        ("C7a.at_update", 3, "f: C7a.at_update: is for the measure cell_growth, which needs it"),
        ("C13b.at_update", None, "f: C13b.at_update: is for the measure cell_growth, which needs it"),
        ("C5.quantifier", "often", "f: C5.quantifier: takes always, never, ever or mostly, not often"),
        ("C5.quantifier", None, "f: C5: quantifier is missing; the statistic share takes always, never,"),
        ("C5.measure", "way", "f: C5.measure: belongs to the statistic order, not to share"),
        ("C5.event", "exploded", "f: C5.event: takes diverged, weights_finite_at_onset or onset_in_recurrence, not"),
        ("C5.look", 69, "f: C5.look: takes at most the 68 replicates, not 69"),
        ("C5.threads", [2], "f: C5.threads: belongs to the trainer keras"),
        ("C5.under", "keras-3", "f: C5.under: takes a list of semantics, not keras-3"),
        ("C5.runs", 2, "f: C5.runs: takes at least 2 for the statistic repeat, and 1 for any other"),
        ("C10.runs", None, "f: C10.runs: takes at least 2 for the statistic repeat, and 1 for any other"),
        ("C10.trainer", None, "f: C10.trainer: takes keras for the statistic repeat, since the study's engine repeats"),
        ("C16b.arms", [{}, {"units": 3}], "f: C16b.arms: takes a list of exactly 4, not [{}, {'units': 3}]"),
        ("C6a.at", {"big": {}}, "f: C6a.at: big is not known; allowed are small, full"),
        (
            "remedies",
            [{"id": "x", "statement": "X.", "remedy": {}}],
            "f: x.remedy: sets nothing that the model without",
        ),
        ("remedies", [{"id": "x y", "statement": "X.", "remedy": {}}], "f: remedies: id takes a word of small letters"),
        ("remedies", [{"id": "x", "statement": "X.", "remedy": {"unit": 1}}], "f: x.remedy: 'unit' is not an axis"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_a_sentence(path: str, value: Any, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        parse_claims(changed(path, value), scale="small", source="f")
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_claims_are_the_twenty_two_of_the_page() -> None:
    assert len(CLAIMS) == 22


def test_the_tail_probabilities_of_this_file_are_those_of_the_binomial_distribution() -> None:
    contrasts = {contrast.id: contrast for contrast in SMALL.contrasts}
    assert tail_probabilities(contrasts["C5"], 0.1) == pytest.approx((binom.cdf(0, 68, 0.1), 0))
    assert tail_probabilities(contrasts["C22a"], 0.1)[1] == pytest.approx(3 * 2 * binom.cdf(0, 24, 0.5))
