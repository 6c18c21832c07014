"""What a handler says while it runs: lines of its log, its progress, and questions about facts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, insert, select, update

from tasks.constraints.paths import Scope, read_path
from tasks.jobs import scene
from tasks.jobs.wishes import object_of
from tasks.ledger import listing
from tasks.ledger.inventory import GONE
from tasks.ledger.jobs import JobInstance, JobLog
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.fact_types import plain

LEVELS = ("debug", "info", "warning", "error", "output")
#: Lines that one run may log, and characters of a line.
MOST_LINES, LONGEST_LINE = 10_000, 4000
#: Objects of inventory in one answer, and what is told of each.
MOST_OBJECTS = 1000
_OBJECT = ("provider", "kind", "name", "tenant_id", "state", "attributes")
#: Lines and progress are written at this pace, so that a chatty job costs the ledger little.
WRITE_SECONDS = 0.5


class Speech:
    """One handler's words, kept in the ledger."""

    def __init__(self, ledger: Ledger, number: int, host: str) -> None:
        self._ledger = ledger
        self._number = number
        self._host = host
        self._lines: list[dict[str, Any]] = []
        self._progress: dict[str, Any] | None = None
        self._written_at = 0.0
        with ledger.reading() as session:
            known = select(func.count()).where(JobLog.instance_id == number)
            self._left = MOST_LINES - (session.scalar(known) or 0)

    def listen(self, what: str, told: Mapping[str, Any]) -> None:
        """Take a line of the log, or how far the job has come."""
        if what == "log":
            self._line(str(told.get("text", "")), told.get("level"))
        else:
            done = told.get("done")
            if isinstance(done, int | float) and done == done:
                self._progress = {"progress": min(1.0, max(0.0, float(done))), "note": _fit(str(told.get("note", "")))}
        if time.monotonic() - self._written_at >= WRITE_SECONDS:
            self._write()

    def _line(self, text: str, level: Any) -> None:
        for line in text.splitlines() or [""]:
            if self._left <= 0:
                return
            self._left -= 1
            last = "the log is full: nothing more is kept" if self._left == 0 else None
            self._lines.append(
                {
                    "instance_id": self._number,
                    "at": clock.now(),
                    "level": level if level in LEVELS else "info",
                    "text": last or _fit(line),
                }
            )

    def close(self) -> None:
        """Write what is left."""
        self._write()

    def _write(self) -> None:
        self._written_at = time.monotonic()
        if not self._lines and self._progress is None:
            return
        with self._ledger.transaction() as session:
            if self._lines:
                session.execute(insert(JobLog), self._lines)
            if self._progress is not None:
                mine = JobInstance.id == self._number
                session.execute(update(JobInstance).where(mine).values(**self._progress))
        self._lines, self._progress = [], None

    def answer(self, what: str, told: Mapping[str, Any]) -> Any:
        """Answer a question. Raises ``ValueError`` for one that nobody answers."""
        if what == "objects":
            return self._objects(told)
        if what != "fact":
            raise ValueError(f"nobody answers to {what[:40]!r}")
        name = str(told.get("name", ""))
        with self._ledger.reading() as session:
            instance = session.get(JobInstance, self._number)
            if instance is None:
                raise ValueError("this run is not known any more")
            ref = object_of(instance, name, told.get("of"), self._host)
            present = scene.take(session, [ref])
        found = Scope({ref.kind: ref.id}, present, clock.now()).get(read_path(name))
        return None if found is None else plain(found.value)

    def _objects(self, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        wanted: Any = {key: str(told[key]) for key in ("kind", "provider", "name") if told.get(key) is not None}
        with self._ledger.reading() as session:
            found = listing.inventory(session, **wanted, limit=MOST_OBJECTS)
        return [
            {"id": line.ref, **{name: getattr(line, name) for name in _OBJECT}} for line in found if line.state != GONE
        ]


def _fit(text: str) -> str:
    """Text that every database holds, and that a terminal shows on one line."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)[:LONGEST_LINE]
