"""URLs of stores: of an SQLite file, whatever its name is, and how a URL may be shown."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError


def sqlite_url(file: Path, **query: str) -> str:
    """The URL of an SQLite database.

    Args:
        file: Its absolute path.
        query: Options of the connection, such as `timeout="60"`.
    """
    return URL.create("sqlite", database=str(file), query=query).render_as_string(hide_password=False)


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None of any other."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return None
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def without_password(url: str) -> str:
    """A store's URL as it may be shown."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url
