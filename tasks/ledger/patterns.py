"""Text patterns with ``*`` and ``?`` as conditions of a statement, alike on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session


def fits(session: Session, column: Any, pattern: str) -> ColumnElement[bool]:
    """That a text column fits a pattern as a whole, in upper and lower case as written.

    ``*`` stands for any characters and ``?`` for one; nothing else is special.
    """
    if "*" not in pattern and "?" not in pattern:
        equal: ColumnElement[bool] = column == pattern
        return equal
    if session.get_bind().dialect.name == "sqlite":
        # LIKE overlooks case there; in GLOB a bracket is the one other special character.
        globbed: ColumnElement[bool] = column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))
        return globbed
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    liked: ColumnElement[bool] = column.like(escaped.replace("*", "%").replace("?", "_"), escape="\\")
    return liked
