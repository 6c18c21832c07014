"""The declarative base, and the column types that behave the same on PostgreSQL and SQLite."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

#: Names of constraints are fixed, so that a migration can name what it changes.
NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: Row ids: 64 bits on PostgreSQL; SQLite numbers rows only in a column of type INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """An aware moment in UTC; SQLite, which knows no zones, holds it as UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database. Raises ``ValueError`` for a moment without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} names no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The base of all tables of the ledger."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this attribute of the class
        datetime: Moment(),
        dict[str, Any]: JSON(none_as_null=True),
        list[dict[str, Any]]: JSON(none_as_null=True),
        list[str]: JSON(none_as_null=True),
        str: Text(),
    }


def dump_json(value: Any) -> str:
    """Compact JSON text, as every JSON column holds it. Raises ``ValueError`` for NaN and infinities."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


_FAST = msgspec.json.Encoder()
_PLAIN = frozenset({str, int, bool, type(None)})


def quick_json(value: Any) -> str:
    """Compact JSON text at a tenth of the time; moments become RFC 3339 text, integers may have any size.

    Raises ``ValueError`` for NaN and infinities, ``TypeError`` for what JSON does not know.
    """
    text = encode_json(value)
    # The encoder writes null for them.
    if "null" in text:
        refuse_endless(value)
    return text


def encode_json(value: Any) -> str:
    """As :func:`quick_json`, for values whose numbers are known to be finite."""
    try:
        return _FAST.encode(value).decode()
    except (OverflowError, RecursionError):
        return dump_json(value)


def refuse_endless(value: Any) -> None:
    """Raise ``ValueError`` for a value that holds NaN or an infinity anywhere."""
    stack = [value]
    while stack:
        node = stack.pop()
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else (node,):
            kind = type(inner)
            if kind in _PLAIN:
                continue
            if kind is dict or kind is list or kind is tuple:
                stack.append(inner)
            elif kind is float:
                if not isfinite(inner):
                    raise ValueError(f"{inner} is no number in JSON")
            elif is_dataclass(kind):
                stack.append([getattr(inner, name) for name in inner.__dataclass_fields__])


def read_json(text: str | bytes) -> Any:
    """The value of JSON text; what the fast reader does not take is read by the patient one.

    Raises ``ValueError`` for what is no JSON, ``RecursionError`` where it is nested too deeply.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return json.loads(text)
