"""What the engines use of TensorFlow that is not public, in one place, as of TensorFlow 2.21.

- `gen_xla_ops`: XLA's dynamic slices. TensorFlow's public ones are compiled to gathers and scatters, which neither
  vectorise nor work in place within a loop.
- `pfor`: the registry of conversions behind `tf.vectorized_map`, for those that do not compile under XLA.

Taken from here they come after `study.engine.runtime` has set TensorFlow up.
"""

from __future__ import annotations

from importlib import import_module

from study.engine.runtime import tf

assert tf.version.VERSION.startswith("2.21"), "private interfaces were checked with TensorFlow 2.21"

gen_xla_ops = import_module("tensorflow.compiler.tf2xla.ops.gen_xla_ops")
pfor = import_module("tensorflow.python.ops.parallel_for.pfor")
