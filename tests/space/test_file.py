from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from study.space.file import load, parse
from study.space.samplers import build_sampler
from study.space.samplers.boundary_options import BoundaryOptions
from study.space.search_space import Range, SearchSpace, check_trials
from study.trial.config import AXES, TrialConfig
from study.trial.divergence import NONFINITE, LossAbove
from study.trial.errors import UserError

FOLDER = Path(__file__).resolve().parent.parent.parent / "search_spaces"
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "claims")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def space_of(text: str, **overrides: str) -> SearchSpace:
    return parse(dedent(text), source="space.yaml", overrides=overrides)


def draw(space: SearchSpace, count: int, *, seed: int = 0) -> list[TrialConfig]:
    study = optuna.create_study(sampler=build_sampler(space, seed=seed))
    configs = []
    for _ in range(count):
        trial = study.ask()
        config = space.config(space.suggest(trial), seed=trial.number)
        assert isinstance(config, TrialConfig)
        configs.append(config)
        study.tell(trial, 1.0)
    return configs


def test_the_spaces_that_are_promised_are_shipped() -> None:
    assert {"mre", "card", "card_full", "lr_by_units", "smoke"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_space_parses_and_draws_valid_trials(name: str) -> None:
    space = load(name, folders=(FOLDER,))
    assert space.about
    assert draw(space, min(space.trials, 20))
    assert parse(space.to_yaml()).digest() == space.digest()


def test_the_mre_space_draws_the_experiment_over_seeds() -> None:
    configs = draw(load("mre", folders=(FOLDER,)), 3)
    assert configs == [TrialConfig(seed=number) for number in range(3)]


def test_numbers_that_yaml_takes_for_text_are_numbers() -> None:
    space = space_of("parameters: {learning_rate: {low: 1e-5, high: 1e-2, log: true}}\ntrials: 1")
    assert space.parameters["learning_rate"] == Range(low=1e-5, high=1e-2, whole=False, log=True)


def test_a_file_says_which_event_ends_a_trial() -> None:
    assert space_of("trials: 1").divergence == NONFINITE
    assert space_of("divergence: nonfinite\ntrials: 1").divergence == NONFINITE
    assert space_of("divergence: {loss_above: 1e3}\ntrials: 1").divergence == LossAbove(1000)
    assert space_of("divergence: loss_above=10\ntrials: 1").divergence == LossAbove(10)
    assert space_of("divergence: {loss_above: 10}\nconfigurations: [{units: 4}]").divergence == LossAbove(10)


def test_spaces_of_other_events_are_other_spaces_and_the_usual_one_goes_unsaid() -> None:
    """A study that was begun before there was a choice has the digest of a space that says nothing of it."""
    usual, above, higher = (
        space_of(f"trials: 1\n{line}") for line in ("", "divergence: loss_above=10", "divergence: loss_above=20")
    )
    assert "divergence" not in usual.as_dict()
    assert len({usual.digest(), above.digest(), higher.digest()}) == 3
    assert parse(above.to_yaml()).digest() == above.digest()
    listed = [space_of(f"configurations: [{{units: 4}}]\n{line}") for line in ("", "divergence: loss_above=10")]
    assert listed[0].digest() != listed[1].digest()
    assert parse(listed[1].to_yaml()).divergence == LossAbove(10)


def test_a_conditional_axis_exists_only_where_its_condition_holds() -> None:
    space = space_of(
        """
        parameters:
          front_end_activation: {choices: [tanh], when: {front_end: conv1d}}
          front_end: {choices: [none, conv1d]}
        trials: 8
        """
    )
    for config in draw(space, 8):
        assert config.front_end_activation == ("tanh" if config.front_end == "conv1d" else "none")
    assert {config.front_end for config in draw(space, 8)} == {"none", "conv1d"}


def test_whole_numbers_may_be_written_as_floats_and_merge_keys_are_yaml() -> None:
    assert space_of("updates: 1e2\ntrials: 2.0").updates == 100
    space = space_of("parameters: {units: &small {low: 1, high: 3}, layers: {<<: *small, high: 2}}\ntrials: 1")
    assert space.parameters["layers"] == Range(low=1, high=2, whole=True)


def test_an_override_fixes_a_parameter() -> None:
    text = "parameters: {units: {low: 2, high: 9}, layers: {low: 1, high: 3}}\ntrials: 4"
    assert {config.units for config in draw(space_of(text, units="5"), 4)} == {5}
    assert space_of(text, updates="7").updates == 7


def test_a_grid_holds_every_active_combination_once() -> None:
    space = space_of(
        """
        parameters:
          front_end: {choices: [none, conv1d]}
          front_end_activation: {choices: [relu, tanh, elu], when: {front_end: conv1d}}
          learning_rate: {low: 1e-4, high: 1e-2, log: true, points: 3}
        replicates: 2
        sampler: grid
        """
    )
    assert space.trials == (1 + 3) * 3 * 2
    configs = draw(space, space.trials)
    assert len({config.model_copy(update={"seed": 0}) for config in configs}) == 12
    assert len({config.seed for config in configs}) == 24
    assert sorted({config.learning_rate for config in configs}) == pytest.approx([1e-4, 1e-3, 1e-2])
    with pytest.raises(UserError, match="from 1 to 24"):
        check_trials(space, 25)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("parameters: {unit: {low: 1, high: 2}}\ntrials: 1", "parameters: 'unit' is not an axis; did you mean units?"),
        ("fixed: {lr: 3}\ntrials: 1", "fixed: 'lr' is not an axis"),
        (
            "fixed: {units: many}\ntrials: 1",
            "fixed.units: units takes a whole number, at least 1, at most 8192, not many",
        ),
        ("fixed: {units: true}\ntrials: 1", "fixed.units: units takes a whole number"),
        ("fixed: 3", "fixed: takes a mapping from axis names, not 3"),
        ("parameters: {units: {low: 9, high: 2}}\ntrials: 1", "parameters.units: low must be below high, but low is 9"),
        ("parameters: {units: {low: 0, high: 2}}\ntrials: 1", "parameters.units.low: units takes a whole number"),
        (
            "parameters: {units: {low: 1}}\ntrials: 1",
            "parameters.units: needs low and high, or choices; high is missing",
        ),
        ("divergence: nan\ntrials: 1", "divergence: takes nonfinite or {loss_above: NUMBER}, not nan"),
        (
            "divergence: {loss_above: ten}\ntrials: 1",
            "divergence: takes nonfinite or {loss_above: NUMBER}, not {'loss_",
        ),
        ("divergence: {loss_above: .inf}\ntrials: 1", "divergence: takes nonfinite or {loss_above: NUMBER}"),
        ("parameters: {units: 7}\ntrials: 1", "parameters.units: takes {low, high} or {choices}, not 7"),
        (
            "parameters: {units: {low: 1, high: 8, step: 9}}\ntrials: 1",
            "parameters.units.step: takes a whole number above 0",
        ),
        ("parameters: {units: {low: 1, high: 8, lg: 1}}\ntrials: 1", "parameters.units: 'lg' is not known"),
        ("parameters: {activation: {low: 1, high: 2}}\ntrials: 1", "activation is no number; give choices from relu"),
        ("parameters: {activation: {choices: []}}\ntrials: 1", "takes a list of at least one value"),
        ("parameters: {activation: {choices: [relu, relu]}}\ntrials: 1", "relu is given twice"),
        ("parameters: {activation: {choices: [rleu]}}\ntrials: 1", "activation takes relu, relu6"),
        ("parameters: {input_mean: {low: 0, high: 1, log: true}}\ntrials: 1", "a logarithmic range needs low above 0"),
        (
            "parameters: {units: {low: 1, high: 2, when: {front_end: conv1d}}}\ntrials: 1",
            "parameters.units.when.front_end: front_end is neither among the parameters nor fixed",
        ),
        (
            "parameters: {units: {low: 1, high: 2, when: {activation: elu}}, activation: {choices: [relu]}}\ntrials: 1",
            "elu is not among the choices relu",
        ),
        (
            "parameters: {stateful: {choices: [true], when: {bidirectional: true}},"
            " bidirectional: {choices: [true], when: {stateful: true}}}\ntrials: 1",
            "conditions go round in a circle",
        ),
        (
            "parameters: {batch_norm: {choices: [none, before_activation]}}\ntrials: 1",
            "batch_norm=before_activation needs a front end: set front_end=conv1d (drawn: batch_norm=",
        ),
        ("fixed: {units: 3}\nparameters: {units: {low: 1, high: 2}}\ntrials: 1", "is also given under fixed"),
        ("updates: 0\ntrials: 1", "updates: takes a whole number, at least 1, not 0"),
        ("fixed: {updates: 3}\ntrials: 1", "fixed.updates: is the budget; give it as the top-level key"),
        (
            "sampler: sobel\ntrials: 1",
            "sampler: takes sobol, random, grid, {tpe: shortest}, {tpe: longest} or {boundary: 0.5}, not sobel",
        ),
        ("sampler: sobol", "trials: is missing"),
        ("trials: -3", "trials: takes a whole number, at least 1, not -3"),
        ("parameters: {input_mean: {low: -1e308, high: 1e308}}\ntrials: 1", "input_mean takes a number"),
        ("parameters: {units: {low: 1, high: 8, step: 2}}\ntrials: 1", "of which high - low is a multiple, not 2"),
        ("fixed: {seed: 3}\nreplicates: 2\ntrials: 2", "replicates: give each trial a seed of its own"),
        (
            "fixed: {activation: relu}\nparameters: {units: {low: 1, high: 2, when: {activation: elu}}}\ntrials: 1",
            "never holds, for activation is fixed at relu",
        ),
        ("trails: 3", "trails: is not a key of a search space"),
        ("trials: 3\ntrials: 4", "is not valid YAML: 'trials' is given twice"),
        ("parameters: {units: {low: 1", "is not valid YAML"),
        ("- 1\n- 2", "must be a mapping with the keys about"),
        ("", "must be a mapping"),
    ],
)
def test_a_mistake_in_a_file_is_told_in_one_sentence(text: str, complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        space_of(text)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("space.yaml: ")
    assert "\n" not in str(caught.value)


def test_a_space_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(
        UserError, match=r"crad: no such search space; there are atlas, .*card, card_ceiling, card_full"
    ):
        load("crad", folders=(FOLDER,))


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1e-3", "none"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | scalars, inner, max_size=3),
)
entries = st.dictionaries(
    st.sampled_from(["low", "high", "log", "step", "points", "choices", "when", "what"]),
    anything | st.lists(scalars, max_size=3) | st.dictionaries(st.sampled_from(list(AXES)), scalars, max_size=2),
    max_size=5,
)
nearly_spaces = st.dictionaries(
    st.sampled_from(["about", "fixed", "parameters", "updates", "trials", "replicates", "sampler", "else"]),
    anything | st.dictionaries(st.sampled_from([*AXES, "lr"]), scalars | entries, max_size=4),
    max_size=7,
)


def parses_or_tells(text: str) -> None:
    """A space that parses also draws a trial; one that does not is told of in a sentence, never another error."""
    complaint = None
    try:
        space = parse(text, source="space.yaml")
    except UserError as error:
        complaint = str(error)
    if complaint is None:
        assert draw(space, 1)
    else:
        assert complaint.startswith("space.yaml: ")
        assert "\n" not in complaint


@settings(max_examples=400, deadline=None)
@given(nearly_spaces)
def test_any_nearly_right_space_parses_or_is_told_in_one_sentence(content: object) -> None:
    parses_or_tells(yaml.safe_dump(content))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="{}[]:,-!&*?|>'\"% \n\tabc019", max_size=40))
def test_any_text_parses_or_is_told_in_one_sentence(text: str) -> None:
    parses_or_tells(text)


def test_what_people_write_is_read_as_they_mean_it() -> None:
    space = space_of(
        """
        fixed: {clipnorm: None, max_norm: null, units: 010, stateful: no}
        parameters: {learning_rate: {low: 1e-5, high: 1e-2, log: "true"}}
        trials: 1e1
        """
    )
    assert space.fixed == {"clipnorm": None, "max_norm": None, "units": 10, "stateful": False}
    assert space.parameters["learning_rate"] == Range(low=1e-5, high=1e-2, whole=False, log=True)
    assert space.trials == 10


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "fixed: {batch_norm: no}\ntrials: 1",
            "batch_norm takes none, input, before_activation or output, not no;",
        ),
        ("fixed: {batch_norm: no}\ntrials: 1", "; did you mean none?"),
        ("fixed: {timesteps: 1:30}\ntrials: 1", "fixed.timesteps: timesteps takes a whole number"),
        ("updates: 1:30\ntrials: 1", "updates: takes a whole number, at least 1, not 1:30"),
        ("fixed: {lr: 1e-3}\ntrials: 1", "fixed: 'lr' is not an axis; did you mean learning_rate?"),
        ("parameters: {bs: {choices: [8]}}\ntrials: 1", "parameters: 'bs' is not an axis; did you mean batch_size?"),
        ("trials: 3\nreplicates: 2", "trials: takes a multiple of replicates, 2, not 3"),
        ("fixed: {learning_rate: 1e39}\ntrials: 1", "in float32, in which a trial computes, 1e+39 is inf"),
        ("parameters: {units: {low: 1, high: 8, log: maybe}}\ntrials: 1", "units.log: takes true or false, not maybe"),
    ],
)
def test_what_is_not_meant_is_refused_with_a_hint(text: str, complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        space_of(text)
    assert complaint in str(caught.value)


def test_a_study_extended_past_a_whole_number_of_replicates_is_refused() -> None:
    space = space_of("parameters: {units: {low: 1, high: 8}}\nreplicates: 4\ntrials: 8")
    assert check_trials(space, 12).trials == 12
    with pytest.raises(UserError, match="takes a multiple of replicates, 4, not 10"):
        check_trials(space, 10)


BOUNDARY = "parameters: {learning_rate: {low: 1e-4, high: 1, log: true}}\ntrials: 8\n"


def test_a_boundary_to_look_for_is_read_and_kept_with_the_study() -> None:
    space = parse(f"{BOUNDARY}sampler: {{boundary: 0.25, points: 32, width: 0.05}}")
    assert space.boundary == BoundaryOptions(level=0.25, points=32, width=0.05)
    assert parse(space.to_yaml()) == space
    assert space.digest() != parse(f"{BOUNDARY}sampler: {{boundary: 0.5, points: 32, width: 0.05}}").digest()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{BOUNDARY}sampler: {{boundary: 2}}", "sampler.boundary: takes a probability between 0 and 1, not 2"),
        (f"{BOUNDARY}sampler: {{boundary: .nan}}", "sampler.boundary: takes a probability between 0 and 1, not nan"),
        (
            f"{BOUNDARY}sampler: {{boundary: 0.5, width: 1}}",
            "sampler.width: takes a share of the space between 0 and 1",
        ),
        (f"{BOUNDARY}sampler: {{boundary: 0.5, points: 0}}", "sampler.points: takes a whole number, at least 1, not 0"),
        (f"{BOUNDARY}sampler: {{boundary: 0.5, wide: 1}}", "wide is not known; allowed are boundary, points"),
        (f"{BOUNDARY}sampler: straddle", "sampler: takes sobol, random, grid, {tpe: shortest}, {tpe: longest} or {bou"),
        (f"{BOUNDARY}sampler: {{boundary: 0.5}}\nreplicates: 2", "replicates: takes 1 beside a boundary, not 2"),
        (
            "trials: 8\nsampler: {boundary: 0.5}",
            "sampler: a boundary is looked for along parameters, and there are non",
        ),
    ],
)
def test_a_boundary_that_cannot_be_looked_for_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        parse(text)
