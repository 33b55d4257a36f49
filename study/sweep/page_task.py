"""What a sweep hands to a worker to make a page: light to import, as the sweep and the worker both do."""

from __future__ import annotations

from collections.abc import Callable

Draw = Callable[[str, str], str]
"""A trial's result and what is to be said of its run in, both JSON; a page out."""


def draw(recorded: str, about: str) -> str:
    """`study.report.anatomy.page_text`, imported where it is run: it trains."""
    from study.report.anatomy import page_text

    return page_text(recorded, about)
