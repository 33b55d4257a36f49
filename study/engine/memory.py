"""Want of memory as a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from study.trial.errors import OutOfMemory


@contextmanager
def telling_of_memory() -> Iterator[None]:
    """Turn what Python, NumPy and TensorFlow raise for want of memory into `OutOfMemory`."""
    try:
        yield
    except MemoryError as error:
        raise _sentence(error) from error
    except Exception as error:
        if not _is_want_of_memory(error):
            raise
        raise _sentence(error) from error


def _is_want_of_memory(error: Exception) -> bool:
    from study.engine.runtime import tf

    # A GPU's libraries report it under other types too.
    return isinstance(error, tf.errors.ResourceExhaustedError) or (
        isinstance(error, tf.errors.OpError) and "out of memory" in str(error).lower()
    )


def _sentence(error: BaseException) -> OutOfMemory:
    said = " ".join(str(error).partition("[Op:")[0].split()).rstrip(".")
    return OutOfMemory(
        f"the trial needs more memory than there is ({said[:120] or type(error).__name__}); it takes less with fewer "
        "units, layers, timesteps or features, or a smaller batch_size"
    )
