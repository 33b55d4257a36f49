"""Labels that can be learnt: the teacher against its formula, the balance that it keeps, and that it can be learnt."""

from __future__ import annotations

import math

import numpy as np
import pytest

from study.engine import run
from study.engine.agreement import compare
from study.engine.draws import batches, teacher
from study.engine.runtime import tf
from study.trial.config import TrialConfig

SHAPE = {"batch_size": 32, "timesteps": 100, "features": 3}


def fed(seed=3, update=1, *, task="learnable", label_balance=0.25, shuffled=True, input_mean=0.0, **shape):
    inputs, labels = batches.batch(
        tf.constant(seed, tf.int64),
        tf.constant(update, tf.int64),
        **{**SHAPE, **shape},
        input_mean=tf.constant(input_mean),
        label_balance=tf.constant(label_balance, tf.float64),
        labels_shuffled=tf.constant(shuffled),
        task=task,
    )
    return inputs.numpy(), labels.numpy()


def score(inputs, signs):
    """The formula of the module's docstring, in float64."""
    timesteps = inputs.shape[1]
    ages = timesteps - 1 - np.arange(timesteps)
    return np.einsum("btf,t,f->b", inputs.astype(np.float64), 2.0 ** (-ages / 4), signs)


def signs_of(seed, features, *, among=40):
    """The teacher's signs of features, from its labels alone: the direction that the mean of the ones points to."""
    last = np.zeros(features)
    for update in range(1, among + 1):
        inputs, labels = fed(seed, update, features=features, label_balance=0.5, batch_size=256, timesteps=8)
        last += (inputs[:, -1] * (2 * labels - 1)).mean(axis=0)
    assert np.abs(last).min() > 0.1 * among / math.sqrt(features) ** 2
    return np.sign(last)


def test_the_highest_scores_of_a_batch_are_ones():
    signs = signs_of(3, 3)
    for update in range(1, 21):
        inputs, labels = fed(update=update)
        scores = score(inputs, signs)
        assert labels.sum() == 8
        # Inputs count in steps of 2^-12: a score is not off by more than half of one for every number that counts.
        assert scores[labels[:, 0] == 1].min() >= scores[labels[:, 0] == 0].max() - 0.5 * 2**-12 * 3 * 6.3


def test_bernoulli_labels_are_the_scores_above_their_quantile():
    signs = signs_of(3, 3)
    inputs, labels = fed(label_balance=0.25, shuffled=False, batch_size=4096)
    scores = score(inputs, signs)
    deviation = math.sqrt(3 / (1 - 2**-0.5))  # of the geometric series of squared weights
    threshold = 0.6744897501960817 * deviation  # the upper quartile of the standard normal
    clear = abs(scores - threshold) > 0.01
    np.testing.assert_array_equal(labels[clear, 0], scores[clear] > threshold)
    assert clear.mean() > 0.98


@pytest.mark.parametrize("balance", [0.0, 5 / 32, 0.5, 1.0])
def test_the_balance_is_kept_exactly_when_shuffled_and_on_average_by_bernoulli(balance):
    exact = [fed(update=update, label_balance=balance)[1] for update in range(1, 6)]
    assert all(labels.sum() == round(32 * balance) for labels in exact)
    shares = [fed(update=u, label_balance=balance, shuffled=False, batch_size=2000)[1].mean() for u in range(1, 6)]
    assert abs(np.mean(shares) - balance) <= 5 * math.sqrt(balance * (1 - balance) / 10_000)
    if 0 < balance < 1:
        assert len(set(shares)) > 1


def test_a_sequence_of_one_number_is_labelled_by_its_sign():
    inputs, labels = fed(timesteps=1, features=1, label_balance=0.5, shuffled=False, batch_size=500)
    agree = np.mean((inputs[:, 0, 0] > 0) == (labels[:, 0] == 1))
    assert agree in (0, 1)


def test_the_mean_of_the_inputs_changes_no_label():
    for shuffled in (True, False):
        one, other = (fed(shuffled=shuffled, input_mean=mean)[1] for mean in (0.0, 1e30))
        np.testing.assert_array_equal(one, other)


def test_noise_is_fed_the_same_inputs_and_other_labels():
    (inputs, labels), (same, others) = fed(), fed(task="noise")
    np.testing.assert_array_equal(inputs, same)
    assert not np.array_equal(labels, others)


def test_teachers_of_other_seeds_differ_and_one_stays_the_same_over_the_updates():
    assert len({tuple(signs_of(seed, 4, among=20)) for seed in range(6)}) > 2


@pytest.mark.parametrize("jit_compile", [False, True])
def test_labels_have_the_same_bits_eagerly_in_a_graph_and_under_xla(jit_compile):
    def scored(seed, update):
        normals = batches.normals(seed, update, **{**SHAPE, "timesteps": 672})
        return teacher.scores(seed, normals)

    for update in range(1, 4):
        arguments = tf.constant(5, tf.int64), tf.constant(update, tf.int64)
        eager = scored(*arguments)
        assert eager.dtype == tf.int64
        np.testing.assert_array_equal(tf.function(scored, jit_compile=jit_compile)(*arguments), eager)


# --- learning it ----------------------------------------------------------------------------------------------------

SMALL = {
    "activation": "tanh",
    "units": 6,
    "timesteps": 20,
    "features": 3,
    "batch_size": 32,
    "recurrent_dropout": 0.0,
    "learning_rate": 2e-2,
    "updates": 200,
    "max_norm": None,
}


@pytest.mark.parametrize("sampling", ["shuffled", "bernoulli"])
def test_a_small_model_does_better_than_the_best_constant_answer_on_the_learnable_task_alone(sampling):
    """The loss of answering the balance, whatever the sequence, is the entropy of the labels."""
    learnt, noise = (
        run([TrialConfig(**SMALL, task=task, label_balance=0.25, label_sampling=sampling)])[0]
        for task in ("learnable", "noise")
    )
    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert np.mean(learnt.loss[-50:]) < 0.7 * entropy
    assert np.mean(noise.loss[-50:]) > 0.95 * entropy


def test_the_engines_train_on_the_same_task():
    for cell in ("lstm", "simple_rnn"):
        found = compare(TrialConfig(**{**SMALL, "updates": 5}, cell=cell, task="learnable", label_balance=0.5))
        assert found.agrees
