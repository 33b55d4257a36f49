"""What a sweep ran on: versions, machine, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

from study import __version__
from study.trial.folders import project_folder

PACKAGES = ("tensorflow", "keras", "optuna", "mlflow", "distributed", "numpy", "pandas")


def versions() -> dict[str, str]:
    """Versions of Python, of this project and of the packages that carry the work, without importing them."""
    found = {"python": platform.python_version(), "study": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Processor, number of cores, system: `x86_64 AMD EPYC, 2 cores, Linux`."""
    return f"{platform.machine()} {_processor()}, {available_cores()} cores, {platform.system()}"


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def git_commit() -> str | None:
    """The checkout's commit, with `-dirty` where files differ from it; None outside a checkout."""
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=project_folder(),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
