"""Many rows in one statement: inserts and updates that take their rows as one JSON parameter.

One statement a batch is what keeps the cost of an event flat (DESIGN 3); the database takes the rows
apart, so that neither a long VALUES list is compiled nor a round trip made for each row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import JSON, Column, Row, Table, bindparam, func, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import TextClause

from tasks.ledger.base import encode_json, refuse_endless

_PG = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def insert(
    session: Session,
    table: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    conflict: str | None = None,
    returning: Sequence[str] = (),
) -> list[Row[Any]]:
    """Insert rows that all have the keys of the first one; returns the columns asked for.

    ``conflict`` is the text after ``ON CONFLICT``, for instance ``DO NOTHING``. Rows that a conflict
    left out are not returned.
    """
    if not rows:
        return []
    target = _table(table)
    statement = _insert(session.get_bind().dialect.name, target, tuple(rows[0]), conflict, tuple(returning))
    result = session.execute(statement, {"rows": _dump(session, target, rows)})
    return list(result) if returning else []


def update(session: Session, table: Any, key: str, rows: Sequence[Mapping[str, Any]], **same: Any) -> int:
    """Set, in each row found by ``key``, the other columns that the mapping names; returns how many.

    ``same`` are columns that get one value in all of the rows.
    """
    if not rows:
        return 0
    target = _table(table)
    statement = _update(session.get_bind().dialect.name, target, key, tuple(rows[0]), tuple(same))
    constants = {f"same_{c}": moment(session, v) if isinstance(v, datetime) else v for c, v in same.items()}
    return session.execute(statement, {"rows": _dump(session, target, rows), **constants}).rowcount  # type: ignore[attr-defined,no-any-return]  # CursorResult


def draw_ids(session: Session, table: Any, count: int) -> list[int]:
    """Ids for rows that :func:`append` will write in this transaction, rising."""
    target = _table(table)
    if session.get_bind().dialect.name == "sqlite":
        # The immediate transaction keeps everybody else from drawing the same.
        last = session.scalar(select(func.max(target.c.id))) or 0
        return list(range(last + 1, last + 1 + count))
    drawn = text("SELECT array_agg(nextval(pg_get_serial_sequence(:name, 'id'))) FROM generate_series(1, :count)")
    return sorted(session.scalar(drawn, {"name": f'"{target.name}"', "count": count}) or ())


def append(session: Session, table: Any, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write new rows, given as values in the order of ``columns``, by the shortest way that the database has.

    On PostgreSQL that is a binary COPY, which spares both sides the detour over text. There is nothing to
    be returned and no conflict to be settled: ids come from :func:`draw_ids`.
    """
    if not rows:
        return
    target = _table(table)
    connection = session.connection()
    names = ", ".join(f'"{c}"' for c in columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        written = [tuple(_sqlite_value(v) for v in row) for row in rows]
        connection.exec_driver_sql(f'INSERT INTO "{target.name}" ({names}) VALUES ({marks})', written)
        return
    driver = connection.connection.driver_connection
    assert driver is not None
    with (
        driver.cursor() as cursor,
        translated(),
        cursor.copy(f'COPY "{target.name}" ({names}) FROM STDIN (FORMAT BINARY)') as copy,
    ):
        copy.set_types([_copy_type(target.c[c]) for c in columns])
        for row in rows:
            copy.write_row(row)


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the driver as SQLAlchemy's, for statements that go past it."""
    try:
        yield
    except psycopg.Error as error:
        raise DBAPIError.instance("COPY", None, error, psycopg.Error) from error


def _copy_type(column: Column[Any]) -> str:
    return column.type.compile(_PG).lower()


def _sqlite_value(value: Any) -> Any:
    return _sqlite_moment(value) if isinstance(value, datetime) else value


def _table(mapped: Any) -> Table:
    found = mapped if isinstance(mapped, Table) else mapped.__table__
    assert isinstance(found, Table)
    return found


def _dump(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> str:
    if session.get_bind().dialect.name == "sqlite":
        return json.dumps(
            list(rows), ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_sqlite_moment
        )
    for column in rows[0]:
        if isinstance(table.c[column].type, JSON):
            refuse_endless([row[column] for row in rows])
    return encode_json(rows)


def _sqlite_moment(value: Any) -> str:
    if isinstance(value, datetime):
        # Not strftime, which writes the years before 1000 with fewer than four digits.
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", timespec="microseconds")
    raise TypeError(f"{type(value).__name__} is no column value")


@lru_cache(maxsize=256)
def _insert(
    dialect: str, table: Table, columns: tuple[str, ...], conflict: str | None, returning: tuple[str, ...]
) -> TextClause:
    names = ", ".join(f'"{c}"' for c in columns)
    tail = (f" ON CONFLICT {conflict}" if conflict else "") + (
        " RETURNING " + ", ".join(f'"{c}"' for c in returning) if returning else ""
    )
    # SQLite reads "SELECT … ON CONFLICT" as a join without the WHERE.
    where = " WHERE true" if dialect == "sqlite" and conflict else ""
    statement = text(f'INSERT INTO "{table.name}" ({names}) {_rows(dialect, table, columns)}{where}{tail}').bindparams(
        bindparam("rows")
    )
    if not returning:
        return statement
    return statement.columns(*(table.c[c] for c in returning))  # type: ignore[return-value]  # TextualSelect executes alike


@lru_cache(maxsize=256)
def _update(dialect: str, table: Table, key: str, columns: tuple[str, ...], same: tuple[str, ...]) -> TextClause:
    settings = ", ".join([*(f'"{c}" = x."{c}"' for c in columns if c != key), *(f'"{c}" = :same_{c}' for c in same)])
    return text(
        f'UPDATE "{table.name}" SET {settings} FROM ({_rows(dialect, table, columns)}) AS x '
        f'WHERE "{table.name}"."{key}" = x."{key}"'
    ).bindparams(bindparam("rows"))


def _rows(dialect: str, table: Table, columns: tuple[str, ...]) -> str:
    if dialect == "sqlite":
        fields = ", ".join(f'{_sqlite_field(table.c[c])} AS "{c}"' for c in columns)
        return f"SELECT {fields} FROM json_each(:rows) AS r"
    names = ", ".join(f'r."{c}"' for c in columns)
    types = ", ".join(f'"{c}" {table.c[c].type.compile(_PG)}' for c in columns)
    return f"SELECT {names} FROM json_to_recordset(CAST(:rows AS json)) AS r({types})"


def _sqlite_field(column: Column[Any]) -> str:
    path = f"r.value, '$.\"{column.name}\"'"
    if isinstance(column.type, JSON):
        # -> keeps a nested value as JSON text; a JSON null must become an SQL NULL.
        return f"CASE WHEN json_type({path}) = 'null' THEN NULL ELSE json_extract({path}) END"
    return f"json_extract({path})"


def moment(session: Session, value: datetime) -> Any:
    """A moment as a parameter of SQL text: on SQLite in the very form in which columns hold it."""
    return _sqlite_moment(value) if session.get_bind().dialect.name == "sqlite" else value


def among(session: Session, column: str, parameter: str = "ids") -> str:
    """SQL text that is true where ``column`` is one of a list given as JSON in ``parameter``."""
    if session.get_bind().dialect.name == "sqlite":
        return f"{column} IN (SELECT value FROM json_each(:{parameter}))"
    # An array is planned as an index condition; a subselect over json would not be.
    return f"{column} = ANY(:{parameter})"


def listed(session: Session, values: Iterable[Any]) -> Any:
    """The values as :func:`among` wants them."""
    return json.dumps(list(values)) if session.get_bind().dialect.name == "sqlite" else list(values)
