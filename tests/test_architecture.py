"""The shape of the package: which room may import which, and which packages each may know.

Read from the source, so that an import within a function counts as much as one at the top of a module. Imports for
type checkers alone are held to the same directions; they are left out only where the test says so.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Literal

import pytest

from tests.processes import ROOT

Kind = Literal["top", "lazy", "types"]

ROOMS: dict[str, tuple[str, ...]] = {
    "trial": (),
    "space": ("trial", "analysis"),
    "models": ("trial", "engine"),
    "engine": ("trial",),
    "analysis": ("trial",),
    "tracking": ("trial",),
    "sweep": ("trial", "space", "models", "engine", "tracking"),
    "diagnosis": ("trial", "space", "models", "engine", "analysis", "sweep", "tracking"),
    "claims": ("trial", "space", "analysis", "sweep", "tracking"),
    "report": ("trial", "space", "models", "engine", "analysis", "tracking", "diagnosis", "claims"),
    "cli": ("trial", "space", "models", "engine", "analysis", "sweep", "tracking", "diagnosis", "claims", "report"),
}
"""Room -> the rooms that it may import."""

KNOWN: dict[str, tuple[str, ...]] = {
    "mlflow": ("tracking",),
    "optuna": ("space", "sweep", "report"),
    "plotly": ("report",),
    "distributed": ("sweep",),
    "dask": ("sweep",),
    "tensorflow": ("engine", "models"),
    "keras": ("engine", "models"),
    "tf_keras": ("engine", "models"),
    "matplotlib": ("report",),
    "click": ("cli",),
}
"""Package -> the rooms that may import it."""

FOR_TYPES_ALONE = {
    ("study.models.walk.cells", "study.models.walk.hooks"),
}
"""The same of circles: imports for type checkers that close one."""


@dataclass(frozen=True)
class Import:
    """One import of a module, by its full name."""

    by: str
    of: str
    kind: Kind


def modules() -> dict[str, str]:
    """Source of every module of the package, by its full name."""
    found = {}
    for path in sorted((ROOT / "study").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    return found


SOURCES = modules()


def imports_of(module: str, node: ast.AST, kind: Kind = "top") -> Iterator[Import]:
    """The imports below a node; `from package import module` is one of the module."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(module, alias.name, kind) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module} imports by a relative name"
            for alias in child.names:
                inner = f"{child.module}.{alias.name}"
                yield Import(module, inner if inner in SOURCES else str(child.module), kind)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from imports_of(module, child, "types")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports_of(module, child, "lazy" if kind == "top" else kind)
        else:
            yield from imports_of(module, child, kind)


IMPORTS = [found for name, text in SOURCES.items() for found in imports_of(name, ast.parse(text))]


def room_of(module: str) -> str:
    """`sweep` for `study.sweep.loop`; empty for the package's own front modules."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and not parts[1].startswith("__") else ""


def circle(kinds: Collection[Kind]) -> list[str]:
    """Modules that import each other in a circle, of imports of these kinds; none is good."""
    graph: dict[str, set[str]] = {name: set() for name in SOURCES}
    for found in IMPORTS:
        # The package itself names everything that is public, for type checkers alone.
        known = found.kind == "types" and (found.by == "study" or (found.by, found.of) in FOR_TYPES_ALONE)
        if found.kind in kinds and found.of in graph and found.of != found.by and not known:
            graph[found.by].add(found.of)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_the_rooms_are_those_that_are_described() -> None:
    assert {room_of(name) for name in SOURCES} - {""} <= set(ROOMS)


@pytest.mark.parametrize("kinds", [("top", "lazy"), ("top", "lazy", "types")], ids=["run time", "with types"])
def test_no_modules_import_each_other_in_a_circle(kinds: tuple[Kind, ...]) -> None:
    assert " -> ".join(circle(kinds)) == ""


def test_imports_that_are_excused_are_still_there() -> None:
    assert {(found.by, found.of) for found in IMPORTS if found.kind == "types"} >= FOR_TYPES_ALONE


def test_rooms_import_in_one_direction() -> None:
    against = {
        f"{found.by} imports {found.of}"
        for found in IMPORTS
        if room_of(found.by)
        and room_of(found.of)
        and found.of.startswith("study.")
        and room_of(found.of) not in (room_of(found.by), *ROOMS[room_of(found.by)])
    }
    assert against == set()


def test_the_directions_themselves_have_no_circle() -> None:
    order = list(TopologicalSorter({room: set(below) for room, below in ROOMS.items()}).static_order())
    assert order[0] == "trial"
    assert order[-1] == "cli"


@pytest.mark.parametrize("package", KNOWN)
def test_a_package_is_known_to_its_rooms_alone(package: str) -> None:
    strangers = {
        f"{found.by} imports {found.of}"
        for found in IMPORTS
        if found.of.partition(".")[0] == package and room_of(found.by) not in KNOWN[package]
    }
    assert strangers == set()


def test_other_rooms_take_from_tracking_its_public_names_alone() -> None:
    inside = {
        f"{found.by} imports {found.of}"
        for found in IMPORTS
        if room_of(found.of) == "tracking" and room_of(found.by) != "tracking" and found.of != "study.tracking"
    }
    assert inside == set()


def test_a_watch_leaves_the_settings_of_tensorflow_as_the_user_has_them() -> None:
    """`study.engine.runtime` makes operations deterministic when it is imported."""
    reached, queue = set(), ["study.report.watch", "study.diagnosis.session"]
    while queue:
        module = queue.pop()
        reached.add(module)
        packages = [module.rpartition(".")[0]]
        of = [found.of for found in IMPORTS if found.by == module and found.kind == "top"]
        queue += [name for name in (*packages, *of) if name in SOURCES and name not in reached]
    assert "study.models.watch" in reached
    assert "study.engine.runtime" not in reached


def test_a_circle_would_be_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    with pytest.raises(CycleError) as caught:
        TopologicalSorter(graph).prepare()
    assert all(before in graph[after] or after in graph[before] for before, after in pairwise(caught.value.args[1]))


def test_the_top_of_the_package_is_seen_at_a_glance() -> None:
    entries = [path.name for path in (ROOT / "study").iterdir() if path.name not in ("__pycache__", "shipped")]
    assert len([name for name in entries if not name.startswith(("__", "py.typed"))]) <= len(ROOMS)
