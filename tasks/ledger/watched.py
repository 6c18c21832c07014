"""A PostgreSQL connection that does not wait for ever for an answer that never comes.

The kernel notices a peer that is gone. It does not notice a proxy or a balancer between us and the server that
still takes what we send and passes nothing on, nor an answer that was lost on its way: a statement then waits
without end, and the server's own time limits say nothing to us. A long silence alone proves nothing either, since
a statement may take its time. So the server is asked over a second connection whether it still works for us.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen

#: After so much silence on a connection the server is asked what became of it.
SILENCE_SECONDS = 5.0
#: What the server sent at the moment when it was asked has this long to arrive.
ON_ITS_WAY_SECONDS = 1.0
#: Time for the second connection, and for each of its answers.
ASK_SECONDS = 5

#: ``Client`` is what a server process waits for that has nothing to do, or that waits for us to send or to read.
#: The start tells it from another process that was given the same number later.
_WORKS = """
SELECT state = 'active' AND wait_event_type IS DISTINCT FROM 'Client' FROM pg_stat_activity
WHERE pid = %s AND backend_start = %s
"""
#: It may hold the locks of a transaction that nobody will end.
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
_BORN = "SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"


class WatchedConnection(psycopg.Connection[Any]):
    """Raises ``OperationalError`` and closes itself where the server has stopped working for it.

    ``born`` is when the server process of the connection started; without it silence is waited out.
    ``patience`` is the silence, in seconds, after which the server is asked.
    """

    born: Any = None
    patience: float = SILENCE_SECONDS

    def ping(self) -> None:
        """Ask the server for a sign of life, which takes it no time. Raises ``psycopg.Error`` where none comes."""
        self.patience = ON_ITS_WAY_SECONDS
        try:
            self.execute("SELECT 1")
            self.rollback()
        finally:
            self.patience = SILENCE_SECONDS

    def learn_birth(self) -> None:
        """Ask for the start of the server process, once, while the connection is new."""
        row = self.execute(_BORN).fetchone()
        self.rollback()
        self.born = row[0] if row else None

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait as psycopg does, and look into a long silence."""
        return super().wait(self._watched(gen), interval, timeout)

    def _watched(self, gen: PQGen[RV]) -> Generator[Any, Any, RV]:
        try:
            wanted = next(gen)
            patient_until, suspected = time.monotonic() + self.patience, False
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    patient_until, suspected = now + self.patience, False
                elif now > patient_until:
                    suspected = self._look(suspected)
                    patient_until = time.monotonic() + (ON_ITS_WAY_SECONDS if suspected else self.patience)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # what a generator returns has no type

    def _look(self, suspected: bool) -> bool:
        """Whether an answer seems to be lost. Hangs up where it did before already."""
        who = (self.pgconn.backend_pid, self.born)
        try:
            with self._second() as second:
                row = second.execute(_WORKS, who).fetchone()
                if self.born is None or (row is not None and row[0] is not False):
                    return False
                if not suspected:
                    return True
                second.execute(_END, who)
        except psycopg.Error:
            # Where nobody can be asked a new connection would help nobody: ask again later.
            return False
        self.close()
        raise psycopg.OperationalError("the connection passes nothing any more: the server does not work for it")

    def _second(self) -> psycopg.Connection[Any]:
        parameters: dict[str, Any] = {**self.info.get_parameters(), "host": self.info.host, "port": self.info.port}
        parameters |= {"password": self.info.password or None, "connect_timeout": ASK_SECONDS}
        return _Second.connect(**parameters, autocommit=True)


class _Second(psycopg.Connection[Any]):
    """The connection to ask on. Nobody watches this one, so it has little time."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, timeout or float(ASK_SECONDS))
