"""Small models as somebody in a hurry writes them: of every cause some that have it, and some that nearly do.

Each is the text of a model file. They are tiny, and go to NaN within a few updates.
"""

from __future__ import annotations

HEAD = "import keras\nimport numpy as np\nimport tensorflow as tf\nfrom keras import layers\n\n"

ROWS, SEQUENCES = "rng.randn(48, 6)", "rng.randn(48, 12, 3)"


def net(*layers: str, inputs: str = "(6,)", loss: str = "'mse'", optimizer: str = "'adam'", before: str = "") -> str:
    """`build`: layers one after another."""
    added = "".join(f"    model.add({layer})\n" for layer in layers)
    return (
        f"{HEAD}{before}\ndef build():\n    model = keras.Sequential([keras.Input({inputs})])\n{added}"
        f"    model.compile(optimizer={optimizer}, loss={loss})\n    return model\n"
    )


def fed(x: str = ROWS, *lines: str, y: str = "(X[:, :1] > 0).astype('float32')") -> str:
    """`data`: what the inputs are, what is done to them, and the targets."""
    done = "".join(f"    {line}\n" for line in lines)
    return f"\ndef data():\n    rng = np.random.RandomState(0)\n    X = {x}\n{done}    return X, {y}\n"


def dense(units: int, **more: str) -> str:
    told = "".join(f", {name}={value}" for name, value in more.items())
    return f"layers.Dense({units}{told})"


def normal(deviation: str) -> str:
    return f"keras.initializers.RandomNormal(stddev={deviation}, seed=3)"


MEAN = "X.mean((1, 2))"
OUT = dense(1)
RELU, SIGMOID = dense(8, activation="'relu'"), dense(1, activation="'sigmoid'")
RECURRENT = ("layers.LSTM(8)", OUT)


def own(text: str, name: str, *layers: str, x: str = ROWS, **more: str) -> str:
    """A model with a loss of the user's own."""
    return net(*layers, before=f"def {name}(y, p):\n    return {text}\n", loss=name) + fed(x, **more)


def layer_of(function: str, *after: str, before: tuple[str, ...] = (), lines: tuple[str, ...] = ()) -> str:
    """A model with a Lambda."""
    return net(*before, f"layers.Lambda(lambda t: {function})", *after) + fed(ROWS, *lines)


def after_normalisation(x: str) -> str:
    """A model that puts its inputs right by itself."""
    return net("layers.BatchNormalization()", RELU, OUT) + fed(x)


def optimizer(text: str) -> str:
    return f"keras.optimizers.{text}"


def constant(value: str) -> str:
    return f"keras.initializers.Constant({value})"


LONG = "rng.randn(48, 80, 3)"
HALF = "keras.config.set_dtype_policy('mixed_float16')\n"
LAST = dense(1, dtype="'float32'")
WIDE = dense(8, kernel_initializer=normal("300.0"))
LOG = "layers.Lambda(lambda t: tf.math.log(t))"
HUGE_KERNEL = dense(8, kernel_initializer=normal("1e20"))


def recurrent(layer: str, step: str, x: str = LONG, shape: str = "(80, 3)") -> str:
    """A recurrent layer by its arguments, and the optimizer."""
    return net(f"layers.{layer}", OUT, inputs=shape, optimizer=optimizer(step)) + fed(x, y=MEAN)


MASKED_ATTENTION = """
class Attention(layers.Layer):
    def build(self, shape):
        self.query, self.key = layers.Dense(4), layers.Dense(4)
        self.query.build(shape), self.key.build(shape)

    def call(self, x):
        there = tf.reduce_any(tf.not_equal(x, 0.0), -1)
        scores = tf.matmul(self.query(x), self.key(x), transpose_b=True)
        scores += tf.where(there, 0.0, -np.inf)[:, None, :]
        return tf.reduce_sum(tf.matmul(tf.nn.softmax(scores), x), 1)

"""
"""Attention that masks what is padding; a row of nothing else leaves it nothing to attend to."""

DISTANCE = """
class Distance(layers.Layer):
    def call(self, pair):
        return tf.sqrt(tf.reduce_sum((pair[:, 0] - pair[:, 1]) ** 2, -1, keepdims=True))

"""
"""Of two vectors, with an infinite derivative where they are the same."""

WILD = "keras.initializers.RandomUniform(-500, 500, seed=1)"

HAVE: dict[str, tuple[str, ...]] = {
    "nonfinite_data": (
        net(*RECURRENT, inputs="(12, 3)") + fed(SEQUENCES, "X[17, 3, 1] = float('nan')", y="np.zeros(48)"),
        net(RELU, OUT) + fed(ROWS, "X[5] = X[5] / 0.0"),
        net(RELU, OUT) + fed(ROWS, "y = np.ones(48)", "y[9] = np.nan", y="y"),
    ),
    "unscaled_data": (
        net(RELU, OUT, optimizer="'sgd'") + fed("1e4 * rng.rand(48, 6)", y="X.sum(1)"),
        net(RELU, OUT, optimizer="'sgd'") + fed(ROWS, y="250000 + 90000 * rng.randn(48)"),
        net("layers.Conv1D(8, 3, activation='relu')", "layers.Flatten()", OUT, inputs="(12, 3)", optimizer="'sgd'")
        + fed("rng.randint(0, 65000, (48, 12, 3)).astype('float32')", y=MEAN),
    ),
    "unbounded_recurrence": (
        recurrent("LSTM(24, activation='relu')", "Adam(0.5)"),
        recurrent("SimpleRNN(16, activation='relu')", "Adam(1.0)"),
        recurrent("Bidirectional(layers.LSTM(16, activation='elu'))", "RMSprop(0.5)"),
    ),
    "learning_rate_too_high": (
        net(RELU, OUT, optimizer=optimizer("SGD(50.0)")) + fed(),
        net(dense(16), dense(16), OUT, optimizer=optimizer("SGD(5.0)")) + fed(),
        recurrent("LSTM(8)", "SGD(20.0, momentum=0.9)", SEQUENCES, "(12, 3)"),
    ),
    "exploding_gradient": (
        net(*[dense(8), "layers.Lambda(lambda t: tf.sin(3000 * t))"] * 14, OUT) + fed(),
        recurrent(f"SimpleRNN(8, activation=tf.sin, recurrent_initializer={normal('20.0')})", "Adam(0.001)"),
        net(*[dense(8, activation="lambda t: tf.math.floormod(100.0 * t, 1.0)")] * 22, OUT) + fed(),
    ),
    "loss_out_of_domain": (
        own("-tf.reduce_mean(y * tf.math.log(p) + (1 - y) * tf.math.log(1 - p))", "logloss", RELU, RELU, OUT),
        own("tf.sqrt(tf.reduce_mean((tf.math.log(p + 1) - tf.math.log(y + 1)) ** 2))", "rmsle", WIDE, OUT),
        own("tf.reduce_mean(tf.abs(p - y) / y)", "mape", RELU, OUT),
    ),
    "operation_out_of_domain": (
        net(LOG, *RECURRENT, inputs="(12, 3)") + fed(SEQUENCES, y=MEAN),
        layer_of("t / tf.reduce_sum(t, axis=1, keepdims=True)", RELU, OUT, lines=("X[3] = 0",)),
        layer_of("tf.sqrt(t)", OUT, before=(dense(8),)),
        net("Attention()", OUT, inputs="(12, 3)", before=MASKED_ATTENTION) + fed(SEQUENCES, "X[17] = 0", y=MEAN),
    ),
    "singular_gradient": (
        layer_of("tf.sqrt(t)", OUT, before=(RELU,)),
        layer_of("tf.norm(t, axis=-1, keepdims=True)", OUT, before=(dense(4, use_bias="False"),), lines=("X[7] = 0",)),
        layer_of("tf.where(t > 0, tf.math.log(t), 0.0)", OUT, before=(RELU,)),
        net("layers.Dense(4)", "Distance()", inputs="(2, 3)", before=DISTANCE)
        + fed("rng.randn(48, 2, 3)", "X[31, 1] = X[31, 0]"),
    ),
    "precision_overflow": (
        net(dense(8), LAST, before=HALF) + fed("70000 * rng.rand(48, 6)"),
        net(WIDE, WIDE, LAST, before=HALF) + fed(),
        net(
            "layers.LSTM(8)", dense(4, dtype="'mixed_float16'", bias_initializer=constant("7e4")), OUT, inputs="(12, 3)"
        )
        + fed(SEQUENCES, y=MEAN),
    ),
    "optimizer_division": (
        net(RELU, OUT, optimizer=optimizer("Adam(0.001, epsilon=0)")) + fed(ROWS, "X[:, 2] = 0"),
        net(RELU, OUT, optimizer=optimizer("RMSprop(1e-3, epsilon=0.0)")) + fed("rng.rand(48, 6)", "X[:, 4] = 0"),
        net(
            dense(4, activation="'relu'", bias_initializer=constant("-50.0")),
            OUT,
            optimizer=optimizer("Adagrad(0.01, initial_accumulator_value=0.0, epsilon=0.0)"),
        )
        + fed(),
    ),
    "initial_weights": (
        net(HUGE_KERNEL, HUGE_KERNEL, OUT) + fed(),
        net(*[dense(32, kernel_initializer=normal("1e6"))] * 6, OUT) + fed(),
        net(*[dense(8, kernel_initializer=normal("1e14"))] * 3, OUT) + fed(),
        recurrent(f"SimpleRNN(16, activation='relu', recurrent_initializer={WILD})", "Adam(0.001)"),
    ),
}
"""Cause -> models that have it."""

HEALTHY: tuple[str, ...] = (
    net(RELU, OUT, optimizer=optimizer("Adam(0.01)")) + fed(ROWS, "y = X[:, :1]", "y[7] = 400.0", y="y"),
    net(dense(8, kernel_initializer=normal("1e6")), "layers.LayerNormalization()", OUT) + fed("1e3 * rng.randn(48, 6)"),
    recurrent("LSTM(8)", "Adam(1.0)", SEQUENCES, "(12, 3)"),
    net("layers.Masking()", *RECURRENT, inputs="(12, 3)") + fed(SEQUENCES, "X[5] = 0", "X[9, 4:] = 0", y=MEAN),
    net("layers.LSTM(8)", RELU, LAST, inputs="(12, 3)", before=HALF) + fed(SEQUENCES, y=MEAN),
)
"""Models that look dangerous and hold: a loss that jumps and comes back, large numbers, large steps, empty sequences,
half precision."""

NEARLY: dict[str, tuple[str, ...]] = {
    "nonfinite_data": (
        net(RELU, OUT) + fed("1e25 * rng.randn(48, 6)"),
        net(LOG, *RECURRENT, inputs="(12, 3)") + fed(SEQUENCES, y=MEAN),
        net(RELU, OUT) + fed(ROWS, "X[5] = 0", "X[6] = 1e4"),
    ),
    "unscaled_data": (
        after_normalisation("1e4 * rng.rand(48, 6)"),
        net(RELU, OUT, optimizer=optimizer("SGD(50.0)")) + fed(),
        net("layers.Embedding(50000, 4)", *RECURRENT, inputs="(5,)")
        + fed("rng.randint(0, 50000, (48, 5))", y="rng.rand(48)"),
    ),
    "unbounded_recurrence": (
        recurrent("LSTM(16, activation='relu')", "Adam(0.001)"),
        recurrent("LSTM(16)", "SGD(20.0, momentum=0.9)", SEQUENCES, "(12, 3)"),
        net("layers.LSTM(8, activation='relu')", OUT, inputs="(12, 3)")
        + fed(SEQUENCES, "X[17, 3, 1] = np.inf", y="np.zeros(48)"),
    ),
    "learning_rate_too_high": (
        net(RELU, OUT, optimizer=optimizer("Adam(0.1)")) + fed(),
        net(HUGE_KERNEL, HUGE_KERNEL, OUT, optimizer=optimizer("SGD(0.5)")) + fed(),
        layer_of("tf.sqrt(t)", OUT, before=(RELU,)),
    ),
    "exploding_gradient": (
        net(*[dense(8), "layers.Lambda(lambda t: tf.sin(3 * t))"] * 6, OUT) + fed(),
        layer_of("tf.norm(t, axis=-1, keepdims=True)", OUT, before=(dense(4, use_bias="False"),), lines=("X[7] = 0",)),
        recurrent("LSTM(24, activation='relu')", "Adam(0.5)"),
    ),
    "loss_out_of_domain": (
        own(
            "-tf.reduce_mean(y * tf.math.log(p + 1e-7) + (1 - y) * tf.math.log(1 - p + 1e-7))", "logloss", RELU, SIGMOID
        ),
        net(RELU, OUT, optimizer=optimizer("SGD(50.0)")) + fed(),
        own("tf.reduce_mean(tf.abs(p - y) / (y + 1))", "mape", RELU, OUT),
    ),
    "operation_out_of_domain": (
        layer_of("tf.sqrt(tf.nn.relu(t) + 1e-6)", OUT, before=(dense(8),)),
        layer_of("tf.where(t > 0, tf.math.log(t), 0.0)", OUT, before=(RELU,)),
        net(HUGE_KERNEL, HUGE_KERNEL, OUT) + fed(),
    ),
    "singular_gradient": (
        layer_of("tf.sqrt(t + 1e-6)", OUT, before=(RELU,)),
        layer_of("tf.sqrt(t)", OUT, before=(dense(8),)),
        recurrent(f"SimpleRNN(8, activation=tf.sin, recurrent_initializer={normal('20.0')})", "Adam(0.001)"),
    ),
    "precision_overflow": (
        net(dense(8), LAST, before=HALF) + fed(),
        net(LOG, dense(8), LAST, before=HALF) + fed(),
        net(dense(8), LAST, before=HALF) + fed(ROWS, "X[5] = np.nan"),
    ),
    "optimizer_division": (
        net(RELU, OUT, optimizer=optimizer("Adam(0.001, epsilon=1e-12)")) + fed(ROWS, "X[:, 2] = 0"),
        net(RELU, OUT, optimizer=optimizer("SGD(0.01)")) + fed(ROWS, "X[:, 2] = 0"),
        net(LOG, RELU, OUT, optimizer=optimizer("Adam(0.001, epsilon=0)")) + fed(),
    ),
    "initial_weights": (
        net(dense(8, kernel_initializer=normal("30.0")), OUT) + fed(),
        net(RELU, OUT) + fed("1e35 * rng.randn(48, 6)"),
        net(LOG, RELU, OUT) + fed(),
    ),
}
"""Cause -> models that nearly have it, and have none or another."""
