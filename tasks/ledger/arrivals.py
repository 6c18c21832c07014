"""New events as they are stored, each once and none left out, whoever looks on while others write.

Ids are drawn before the commit, so on PostgreSQL an event may appear below ids that were seen already. Such
gaps are watched until every transaction that could still fill them has ended.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from tasks.ledger.events import Event

#: Ids read at once.
PAGE = 5000
#: How far below the newest id gaps are looked for at the start.
LOOKBACK = 20_000
#: Gaps watched at the same time, at the most; the oldest are given up beyond it.
GAPS = 10_000


@dataclass(slots=True)
class _Gap:
    """Ids from ``low`` to ``high`` that nobody has seen. After transaction number ``fate`` it stays empty."""

    low: int
    high: int
    fate: int | None = None


class Arrivals:
    """The ids of events that were stored since it was made, in answers to :meth:`poll`."""

    def __init__(self, session: Session) -> None:
        """Take the events that are there as seen. Use a session of its own for each call."""
        _one_moment(session)
        self._gaps: list[_Gap] = []
        self._high = session.scalar(select(func.max(Event.id))) or 0
        if _ordered(session) or not self._high:
            return
        low = max(self._high - LOOKBACK, 0)
        ids = session.scalars(select(Event.id).where(Event.id > low).order_by(Event.id))
        self._note_gaps(low, list(ids))

    @classmethod
    def resume(cls, state: dict[str, Any]) -> Arrivals:
        """Go on where :meth:`state` was taken, in another process or after a restart."""
        made = cls.__new__(cls)
        made._high = int(state["high"])
        made._gaps = [_Gap(*gap) for gap in state["gaps"]]
        return made

    def state(self) -> dict[str, Any]:
        """What was seen so far, as plain data."""
        return {"high": self._high, "gaps": [[gap.low, gap.high, gap.fate] for gap in self._gaps]}

    def poll(self, session: Session) -> tuple[list[int], bool]:
        """Ids that are new since the last call, lowest first, and whether there are more right now."""
        _one_moment(session)
        arrived = self._late(session)
        query = select(Event.id).where(Event.id > self._high).order_by(Event.id).limit(PAGE)
        ids = list(session.scalars(query))
        if ids:
            if not _ordered(session):
                self._note_gaps(self._high, ids)
            self._high = ids[-1]
        return [*arrived, *ids], len(ids) == PAGE

    def _late(self, session: Session) -> list[int]:
        """Ids that have filled gaps; forgets the gaps that nothing can fill any more."""
        if not self._gaps:
            return []
        oldest, next_number = session.execute(_SNAPSHOT).one()
        gaps = json.dumps([{"low": gap.low, "high": gap.high} for gap in self._gaps])
        found = list(session.scalars(_FILLED, {"gaps": gaps}))
        self._gaps = [
            # The number is taken one look later than the gap was noticed: an id is drawn a moment before its
            # transaction has a number.
            _Gap(low, high, gap.fate if gap.fate is not None else next_number)
            for gap in self._gaps
            if gap.fate is None or oldest < gap.fate
            for low, high in _unseen(gap.low, gap.high, found)
        ]
        return found

    def _note_gaps(self, low: int, ids: list[int]) -> None:
        if ids:
            self._gaps += [_Gap(first, last) for first, last in _unseen(low + 1, ids[-1], ids)]
            del self._gaps[:-GAPS]


#: The oldest transaction that is under way, and the number that the next one gets.
_SNAPSHOT: Any = text(
    """SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint
    FROM pg_current_snapshot() AS s"""
)
_FILLED: Any = text(
    """SELECT e.id FROM json_to_recordset(CAST(:gaps AS json)) AS g(low bigint, high bigint)
    JOIN event e ON e.id BETWEEN g.low AND g.high ORDER BY e.id"""
)


def _unseen(low: int, high: int, seen: list[int]) -> list[tuple[int, int]]:
    """The stretches from ``low`` to ``high`` without the ids ``seen``, which come in order."""
    found = []
    for number in seen:
        if number < low:
            continue
        if number > high:
            break
        if number > low:
            found.append((low, number - 1))
        low = number + 1
    if low <= high:
        found.append((low, high))
    return found


def _ordered(session: Session) -> bool:
    """Whether ids appear in their order: SQLite has one writer at a time."""
    return session.get_bind().dialect.name == "sqlite"


def _one_moment(session: Session) -> None:
    """Let all statements of this transaction see the ledger as it was at the first one."""
    if not _ordered(session):
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
