"""What a sweep hands to a worker to make a page: light to import, as the command and the worker both do."""

from __future__ import annotations


def draw(recorded: str, about: str) -> str:
    """`study.report.anatomy.page_text`, imported where it is run: it trains."""
    from study.report.anatomy import page_text

    return page_text(recorded, about)
