"""Conditions that each database wants written in its own way, with one meaning."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, any_, func
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


def led_by(session: Session, column: Any, ids: Any) -> ColumnElement[bool]:
    """That an indexed column is one of the few ``ids``, a select of one column, and looked up by them.

    As a join or a plain ``IN`` it is for the planners to choose which side leads, and they take the large
    table now and then.
    """
    if session.get_bind().dialect.name == "sqlite":
        return column.in_(ids)  # type: ignore[no-any-return]  # the column is of any sort
    return column == any_(func.array(ids.scalar_subquery()))  # type: ignore[no-any-return]  # as above
