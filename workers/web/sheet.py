"""Rows as CSV: sent as they are read, and safe to be opened in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from starlette.responses import StreamingResponse

#: A cell that begins so would be taken for a formula, which may fetch and send.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Rows that are sent together.
_TOGETHER = 500


def sheet(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> StreamingResponse:
    """The rows under a line with their columns, as a file of that name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_lines(columns, rows), media_type="text/csv; charset=utf-8", headers=headers)


def cell(value: Any) -> str:
    """A value as text; one that a spreadsheet would take for a formula gets an apostrophe before it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    for number, row in enumerate(rows, 1):
        writer.writerow([cell(value) for value in row])
        if number % _TOGETHER == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    # Half a surrogate pair, as a notification may hold, cannot be said in UTF-8.
    return text.encode("utf-8", "replace")
