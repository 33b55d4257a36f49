"""The templates of pages, as Jinja reads them."""

from __future__ import annotations

import re
from functools import cache

import jinja2
from markupsafe import Markup, escape


@cache
def template(name: str) -> jinja2.Template:
    """A template of this folder; what is put into it is taken for text, and what it lacks is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("study.report.pages", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = _words
    return environment.get_template(name)


def _words(sentence: str) -> Markup:
    """A sentence as HTML, what stands between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(sentence))))
