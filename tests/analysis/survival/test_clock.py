from __future__ import annotations

import numpy as np

from study.analysis.survival.clock import at_first_update, past_first_update, steps_between
from tests.analysis.made_up_trials import results_table


def test_the_loss_of_update_n_is_that_of_the_weights_after_n_minus_1_steps() -> None:
    # A training loop that counts: the weights are broken once they have moved for `steps`.
    steps = np.array([-0.5, 0.0, 0.2, 1.0, 1.5, 7.3, 8.9, 9.0, 9.1])
    budget, first_nan = 10, []
    for needed in steps:
        taken, update = 0, 0
        while update < budget:
            update += 1
            if taken >= needed:  # the loss of this update, before it moves the weights
                first_nan.append(update)
                break
            taken += 1
        else:
            first_nan.append(np.inf)
    table = results_table(first_nan, budget=budget)
    assert at_first_update(table).tolist() == [True, True, *[False] * 7]
    rest = past_first_update(table)
    low, high = steps_between(rest)
    assert np.all((low < steps[rest.index]) & (steps[rest.index] <= high))
    np.testing.assert_array_equal(low[-1:], [budget - 1])
    assert high[-1] == np.inf
    assert np.all((high - low == 1) | np.isinf(high))


def test_what_says_nothing_of_a_step_is_left_out() -> None:
    table = results_table([1, 5, np.inf, 3], failed=[3], budget=8)
    shortest = results_table([np.inf], budget=1)
    assert past_first_update(table)["trial_number"].tolist() == [1, 2]
    assert past_first_update(shortest).empty
    assert not at_first_update(shortest).any()
