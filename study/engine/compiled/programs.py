"""Compiled programs on disk, so that a program is compiled once for a machine and not once for every worker and sweep.

XLA's own cache keeps them, found again by a fingerprint of the traced program. Into that go the names of its functions,
which TensorFlow numbers through as they are made in a process; `names_of_its_own` numbers them by program instead.

This module does not import TensorFlow: its flags are read when TensorFlow is loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import platform
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from study.trial.folders import home_folder

FLAG = "--tf_xla_persistent_cache_directory="

MOST_BYTES = 1_000_000_000
"""Of all programs of a folder; beyond it those that were not used for longest are removed. One takes 3 to 10 MB."""


def flags(xla_flags: Sequence[str]) -> str:
    """What TF_XLA_FLAGS needs for programs to be kept; nothing where they cannot be.

    `STUDY_PROGRAMS` names the folder (unset: `programs/` of STUDY_HOME), and `none` keeps nothing.
    """
    chosen = os.environ.get("STUDY_PROGRAMS") or str(home_folder() / "programs")
    if chosen == "none":
        return ""
    # What was compiled for one processor may not run on another, and a home can be shared by machines.
    made_for = repr((version("tensorflow"), sorted(xla_flags), platform.machine(), _processor()))
    folder = Path(chosen) / hashlib.sha256(made_for.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _prune(folder)
    except OSError:
        return ""
    if not os.access(folder, os.W_OK) or " " in str(folder):
        return ""
    return f"{FLAG}{folder}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return platform.processor()


def _prune(folder: Path) -> None:
    files = sorted(((path.stat(), path) for path in folder.iterdir()), key=lambda entry: -entry[0].st_atime)
    kept = 0
    for status, path in files:
        kept += status.st_size
        if kept > MOST_BYTES:
            path.unlink(missing_ok=True)


def first_call(trace: Callable[[], Any], arguments: Sequence[Any], *, program: Hashable) -> tuple[Any, Any]:
    """Trace a program and call it for the first time, when it is compiled or read from disk.

    Where it cannot be read, all programs of the folder are removed and it is compiled.

    Args:
        trace: Makes the function.
        arguments: Of the call.
        program: What `repr` tells from all other programs.

    Returns:
        The function, and what it returned.
    """
    import tensorflow as tf

    # A program traced again, since it was let go of meanwhile, needs other names: TensorFlow keeps gradients by them.
    before = _traced[program]
    _traced[program] += 1
    with names_of_its_own((program, before) if before else program):
        function = trace()
    try:
        return function, function(*arguments)
    except tf.errors.OpError:
        folder = _folder_in_use()
        if folder is None or not any(folder.iterdir()):
            raise
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
    function = trace()  # under other names: TensorFlow remembers the failure by them
    return function, function(*arguments)


_traced: Counter[Hashable] = Counter()
"""How often this process has traced each program."""


def _folder_in_use() -> Path | None:
    given = [flag for flag in os.environ.get("TF_XLA_FLAGS", "").split() if flag.startswith(FLAG)]
    return Path(given[-1].removeprefix(FLAG)) if given else None


@contextmanager
def names_of_its_own(program: object) -> Iterator[None]:
    """While a program is traced, number TensorFlow's functions by the program: the same in every process.

    Args:
        program: What `repr` tells from all other programs.
    """
    from tensorflow.python.framework import ops

    ops.get_default_graph()  # else the first program to be traced makes it, and is numbered otherwise
    start = int.from_bytes(hashlib.sha256(repr(program).encode()).digest()[:5], "big") * 100_000
    original, ops.uid = ops.uid, itertools.count(start).__next__
    try:
        yield
    finally:
        ops.uid = original
