"""What is measured of a training that went wrong."""

from __future__ import annotations

from study.diagnosis.case import Case
from study.diagnosis.causes.exploding_gradient import ExplodingGradient
from study.diagnosis.changed import train_changed
from study.diagnosis.examine import examine
from study.diagnosis.remedies import ClipNorm
from study.models.file import ModelFile
from study.models.prepare import prepare
from study.models.signature import design_of
from tests.diagnosis.hurried import OUT, RELU, dense, fed, net, normal, optimizer, recurrent


def measured(text: str, **values: object) -> Case:
    file = ModelFile(path="/hurried/model.py", text=text)
    return examine(file, design_of(file).config({"updates": 10, **values}))


def test_what_the_optimizer_kept_too_large_is_repeated_in_the_update_that_did_it() -> None:
    """Adam squares a gradient of 1e21 in update 1; its step is 0, and update 2 takes infinity from itself."""
    case = measured(
        net(
            dense(4, kernel_initializer="'zeros'"),
            dense(1, kernel_initializer="keras.initializers.Constant(1e21)", use_bias="False"),
            before="def total(y, p):\n    return tf.reduce_mean(p)\n",
            loss="total",
        )
        + fed("1 + rng.rand(48, 6)")
    )
    assert case.onset is not None
    # The loss tells of the weights an update later.
    assert (len(case.loss), case.onset.update, case.onset.phase) == (3, 1, "optimizer")
    assert case.same_update["smaller_weights"]


def test_kernels_are_measured_by_glorots_deviation() -> None:
    wide = "keras.initializers.RandomNormal(stddev=1e30, seed=1)"
    case = measured(net(dense(8, kernel_initializer=wide), dense(8, kernel_initializer=wide), OUT) + fed())
    # 8 units of 8: Glorot's deviation is sqrt(2 / 16); 64 draws have the deviation asked for to 9%.
    assert 0.7 < case.largest_kernel / (1e30 / (2 / 16) ** 0.5) < 1.3
    assert case.same_update["usual_weights"]


def test_of_a_stream_the_batch_of_the_update_is_measured() -> None:
    data = (
        "\ndef data():\n    rng = np.random.RandomState(0)\n"
        "    x, y = 1e6 * rng.rand(64, 6), rng.rand(64, 1)\n"
        "    return tf.data.Dataset.from_tensor_slices((x, y)).batch(16).repeat()\n"
    )
    case = measured(net(RELU, OUT, optimizer=optimizer("SGD(1.0)")) + data)
    assert case.onset is not None
    (x, y) = case.arrays
    assert (x.name, y.name) == ("x", "y")
    assert 5e5 < x.largest < 1e6
    assert 1e5 < x.deviation < 1e6  # of a uniform one sqrt(1 / 12), by 16 rows


def test_what_is_offered_against_a_gradient_that_overflows_before_any_step_holds_and_clipping_does_not() -> None:
    """Forward a sine has a bound; back through 80 timesteps the gradient grows by a factor in each."""
    text = recurrent(f"SimpleRNN(8, activation=tf.sin, recurrent_initializer={normal('20.0')})", "Adam(0.001)")
    case = measured(text)
    assert case.onset is not None
    assert (case.onset.update, case.onset.phase) == (1, "backward")
    finding = ExplodingGradient().examine(case)
    assert finding is not None
    file = ModelFile(path="/hurried/model.py", text=text)
    config = design_of(file).config({"updates": 3})
    held, clipped = (train_changed(lambda: prepare(file, config), one) for one in (finding.remedies[0], ClipNorm()))
    assert (held.diverged, len(held.loss)) == (False, 3)
    assert clipped.diverged
