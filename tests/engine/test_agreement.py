"""The two engines on trials of the card space at a small size, and what counts as rounding."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from study.engine.agreement import Comparison, compare, loss_difference, nudged, nudged_trial
from study.engine.reference import engine as reference
from study.space.file import load
from study.space.samplers import build_sampler
from study.trial.config import TrialConfig
from study.trial.folders import space_folders
from study.trial.result import TrialResult

SMALL = {"timesteps": 100, "units": 6, "features": 3, "batch_size": 8, "layers": 1, "max_norm": None, "updates": 30}


def drawn(count):
    """Trials of the card space, but small and with a learning rate 30 times as high, so that some diverge."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = load("card", folders=space_folders())
    study = optuna.create_study(sampler=build_sampler(space, seed=0, trials_so_far=0))
    for number in range(count):
        config = space.config(space.suggest(study.ask()), seed=number)
        assert isinstance(config, TrialConfig)
        values = config.model_dump(exclude={"recurrent_activation"})
        semantics = ("keras-3", "keras-2.2.4")[number % 2]
        changed = {"learning_rate": 30 * values["learning_rate"], "semantics": semantics}
        yield TrialConfig.model_validate(values | SMALL | changed)


def test_the_engines_agree_on_trials_of_the_card_space():
    found = [compare(config) for config in drawn(20)]
    assert {one.reference.outcome.name for one in found} == {"diverged", "survived"}
    assert np.mean([one.same_verdict for one in found]) >= 0.98
    assert np.mean([one.same_time for one in found]) >= 0.95
    assert np.mean([one.same_losses for one in found]) >= 0.9
    assert all(one.agrees or one.is_rounding for one in found)


def result(*losses, updates=10):
    return TrialResult(config=TrialConfig(updates=updates), loss=losses, engine="reference", device="CPU", seconds=0.0)


SURVIVED = result(*[0.5] * 10)


@pytest.mark.parametrize(
    ("compiled", "nudged", "is_rounding"),
    [
        (result(*[0.5 * (1 + 1e-3)] * 10), [SURVIVED], False),
        (result(*[0.5 * (1 + 1e-3)] * 10), [SURVIVED, result(*[0.5 * (1 + 2e-4)] * 10)], True),
        (result(*[0.5] * 8, math.nan), [SURVIVED], False),
        (result(*[0.5] * 8, math.nan), [SURVIVED, result(*[0.5] * 7, math.inf)], True),
    ],
)
def test_a_difference_counts_as_rounding_only_where_the_reference_differs_from_itself(compiled, nudged, is_rounding):
    found = Comparison(compiled=compiled, reference=SURVIVED, nudged=tuple(nudged))
    assert not found.agrees
    assert found.is_rounding == is_rounding
    assert not replace(found, nudged=()).is_rounding


def test_losses_differ_infinitely_where_one_is_finite():
    assert loss_difference(result(0.5, math.nan), result(0.5, 0.5, math.nan)) == math.inf
    assert loss_difference(result(0.5, math.nan), result(0.5, math.inf)) == 0
    assert loss_difference(result(*[0.5] * 9, 0.7), SURVIVED) == 0


def test_nudged_numbers_are_the_neighbouring_float32_numbers():
    value = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    value[0] = 0
    one, other = (nudged(value, np.random.default_rng(seed)) for seed in (1, 2))
    assert one.dtype == np.float32
    moved = np.abs(one - value)
    np.testing.assert_array_equal(moved > 0, value != 0)
    assert (moved <= np.spacing(np.abs(value))).all()
    assert not np.array_equal(one, other)


def test_a_nudged_trial_repeats_and_stays_close_where_nothing_diverges():
    config = TrialConfig(**SMALL | {"activation": "tanh", "updates": 3})
    plain, trials = reference.run_trial(config), [nudged_trial(config, which) for which in range(6)]
    assert nudged_trial(config, 5).loss == trials[5].loss
    assert len({trial.loss for trial in trials}) > 1
    assert 0 < max(loss_difference(trial, plain) for trial in trials) < 1e-5


def test_the_inputs_of_every_batch_can_be_changed():
    config = TrialConfig(**SMALL | {"activation": "tanh", "updates": 3})
    seen = {}
    result = reference.run_trial(config, inputs_as=lambda update, inputs: seen.setdefault(update, inputs))
    assert list(seen) == [1, 2, 3]
    assert {inputs.shape for inputs in seen.values()} == {(8, 100, 3)}
    assert result.loss == reference.run_trial(config).loss
