from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from study.space.file import parse
from study.space.search_space import SearchSpace, check_trials
from study.sweep.ledger import Ledger
from study.trial.config import TrialConfig
from study.trial.design import Configuration
from study.trial.errors import UserError
from study.trial.record import Record
from study.trial.result import TrialResult
from tests.stores import optuna_trials


def listed(*configs: TrialConfig) -> SearchSpace:
    return SearchSpace.listed(configs, about="a list", source="list.yaml")


SEEDS = [TrialConfig(units=8, updates=3, seed=seed) for seed in range(1, 9)]


def test_a_listed_space_reads_back_from_its_own_yaml() -> None:
    configs = (
        TrialConfig(),
        TrialConfig(),
        TrialConfig(updates=400, seed=7, clipnorm=None, bidirectional=True),
        TrialConfig(semantics="keras-2.2.4"),
        TrialConfig(semantics="keras-2.2.4", recurrent_activation="sigmoid"),
        TrialConfig(front_end="conv1d", front_end_activation="tanh", batch_norm="before_activation"),
        TrialConfig(label_balance=1 / 3, learning_rate=1e-5),
    )
    again = parse(listed(*configs).to_yaml())
    assert again.configurations == configs
    assert again.trials == 7


def test_entries_of_a_list_add_to_what_is_fixed() -> None:
    space = parse("fixed: {units: 8, seed: 5}\nupdates: 20\nconfigurations: [{}, {units: 16}, {updates: 30}]")
    params = [configuration.params() for configuration in space.configurations]
    found = [(one["units"], one["seed"], one["updates"]) for one in params]
    assert found == [("8", "5", "20"), ("16", "5", "20"), ("8", "5", "30")]
    narrow = parse("configurations: [{}, {units: 16}]", overrides={"units": "4"}).configurations[1]
    assert narrow.params()["units"] == "4"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("configurations: []", "list: configurations: takes a list of 1 to 100000 mappings, not []"),
        ("configurations: [7]", "list: configurations, entry 1: takes a mapping from axis names, not 7"),
        (
            "configurations: [{}, {unit: 7}]",
            "list: configurations, entry 2: 'unit' is not an axis; did you mean units?",
        ),
        ("configurations: [{units: 0}]", "list: configurations, entry 1: units=0 is not allowed; units takes a whole"),
        ("configurations: [{}]\ntrials: 4", "list: trials: does not go with configurations; allowed beside them are"),
        ("contrasts: []", "list: contrasts: this is a file of claims and no search space; run it with `study claims`"),
    ],
)
def test_a_mistake_in_a_list_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        parse(text, source="list")
    assert str(error.value).startswith(sentence)


def test_trials_cut_a_list_short_and_cannot_be_more() -> None:
    assert check_trials(listed(*SEEDS), 3).configurations == tuple(SEEDS[:3])
    with pytest.raises(UserError, match=r"from 1 to 8 \(trials of the list\), not 9"):
        check_trials(listed(*SEEDS), 9)


def run_some(home: Path, space: SearchSpace, *, finish: int = 0) -> tuple[list[Configuration], int]:
    """Ask for all that is missing and finish the first ones, as a sweep that is then killed; what was asked for."""
    ledger = Ledger.open(storage_url=f"sqlite:///{home}/optuna.db", name="listed", space=space, seed=0)
    done = sum(ledger.is_asked_for(record) for record in ledger.finished())
    ledger.requeue()
    asked = [ledger.ask() for _ in range(space.trials - done)]
    for number, config in asked[:finish]:
        result = TrialResult(config=config, loss=(1.0,) * config.updates, engine="compiled", device="CPU", seconds=1)
        record = Record(number=number, config=config, result=result, end_time=0.0)
        ledger.journal(record)
        ledger.tell(record, run_id="run")
    ledger.close()
    return [config for _, config in asked], done


def test_a_study_takes_up_another_list_and_runs_what_is_missing_of_it(tmp_path: Path) -> None:
    first, second = SEEDS[:4], [SEEDS[6], SEEDS[1], SEEDS[0], SEEDS[7]]
    assert run_some(tmp_path, listed(*first), finish=2) == (first, 0)
    # Seeds 1 and 2 are finished; 3 and 4 were running when the process was killed, and are not in the second list.
    asked, done = run_some(tmp_path, listed(*second))
    assert (Counter(asked), done) == (Counter([SEEDS[6], SEEDS[7]]), 2)
    asked, done = run_some(tmp_path, listed(*SEEDS))
    assert (Counter(asked), done) == (Counter(SEEDS[2:]), 2)
    trials = optuna_trials(tmp_path, "listed")
    assert Counter(TrialConfig.parse(trial.user_attrs["configuration"]) for trial in trials) == Counter(SEEDS)


def test_a_configuration_listed_twice_is_run_twice(tmp_path: Path) -> None:
    assert run_some(tmp_path, listed(SEEDS[0], SEEDS[0], SEEDS[1]), finish=1)[1] == 0
    asked, done = run_some(tmp_path, listed(SEEDS[0], SEEDS[0], SEEDS[0]))
    assert (asked, done) == ([SEEDS[0], SEEDS[0]], 1)


def test_a_study_of_a_list_is_not_continued_by_a_sampler(tmp_path: Path) -> None:
    run_some(tmp_path, listed(*SEEDS[:2]))
    with pytest.raises(UserError, match="a study of this name was made from another search space or seed"):
        run_some(tmp_path, parse("parameters: {units: {low: 1, high: 4}}\ntrials: 4"))
