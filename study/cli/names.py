"""What a study may be called."""

from __future__ import annotations

from study.trial.errors import UserError


def study_name(name: str) -> str:
    """The name, if a study may have it."""
    if not name.strip() or "/" in name or name.startswith(".") or len(name.encode()) > 200 or not name.isprintable():
        raise UserError(f"--name {name!r}: takes up to 200 bytes, no slash among them and no dot in front")
    return name
