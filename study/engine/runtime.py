"""Sets up this process for reproducible training. Engines take `tf` and `keras` from here.

Importing this module is what does it, so that no engine can get hold of TensorFlow before it is set up:

- One thread within an operation and one between operations, always. Reductions over several threads add up in
  another order, and a trial must give the same losses to the last bit alone, in a worker and next to others. To
  use more cores, run more processes.
- Deterministic operations (`enable_op_determinism`), which matters on GPUs.
- Full float32 matrix products on GPUs: TensorFloat-32 keeps 10 bits of the mantissa, and the question is where
  float32 training breaks.
- GPU memory is taken as needed, so that several processes can share a device.
- Compiled programs are kept on disk; see `programs`.
- oneDNN's kernels are on. In one thread they are deterministic; they are the faster choice on CPUs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from study.engine.compiled import programs

XLA_FLAGS = (
    "--xla_cpu_multi_thread_eigen=false",  # matrix products in the calling thread
    "--xla_cpu_enable_fast_math=false",
    "--xla_cpu_enable_fast_min_max=false",  # else a maximum or minimum may lose a NaN
    # A step over time is many small operations. Up to these bytes a loop becomes one function, which spares
    # dispatching them one by one, and in such a function unrolling makes XLA's small matrix products half as fast.
    "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1000000,xla_cpu_disable_loop_unrolling",
)
"""Of the compiler that the compiled engine uses; the last of two that contradict each other wins."""

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else start-up notes drown a command's own messages
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *XLA_FLAGS]).strip()
os.environ["TF_XLA_FLAGS"] = " ".join([os.environ.get("TF_XLA_FLAGS", ""), programs.flags(XLA_FLAGS)]).strip()


@contextmanager
def _no_start_up_notes() -> Iterator[None]:
    """Close standard error to what TensorFlow's libraries write while they load, before any log level counts."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with _no_start_up_notes():
    import keras
    import tensorflow as tf

__all__ = ["device_name", "keras", "tf"]


def _set_up() -> None:
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        raise RuntimeError(
            "TensorFlow was already running in this process with other threads or memory settings, and trials would "
            "not be reproducible: import study.engine.runtime before anything that computes with TensorFlow"
        ) from error
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)


with _no_start_up_notes():
    _set_up()


def device_name() -> str:
    """What trains: `CPU`, or the first GPU's name."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))
