"""The listener: holds push monitors open and stores what comes the moment it comes.

``python -m workers.listener``. One thread a provider; each reconnects without end, with growing pauses.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from datetime import timedelta

import structlog
from sqlalchemy import or_, update

from tasks.catch.absence import note_absence
from tasks.catch.ahead import Ahead
from tasks.catch.ingest import Ingest
from tasks.catch.poll import enrol, ingest_for, note_failure, start
from tasks.catch.pressure import Pressure
from tasks.conveyor import launch
from tasks.conveyor.installation import Installation
from tasks.ledger import pulse
from tasks.ledger.providers import Provider
from tasks.model import clock
from tasks.model.errors import CatchmentError
from tasks.providers.choose import Choice
from tasks.providers.contracts import Batch, ProviderConfig
from tasks.providers.table import kinds
from tasks.providers.watched import WatchedMonitor
from workers import app as application
from workers import logs
from workers.embedded import wait_for_broker
from workers.start import start as start_process

log = structlog.get_logger(__name__)

#: How often a listener says that it is there; the tick takes over after twice this silence.
SIGN_SECONDS = 3.0
#: How often a listener looks whether a provider that is polled has begun to push.
RECHECK_SECONDS = 60.0
#: The pause between two messages while the ledger is behind.
HELD_SECONDS = 1.0
#: The longest pause between two tries to connect. With the time that a try takes and the spread of the pauses a
#: listener is back within 30 s after its broker is.
LONGEST_PAUSE = 15.0


class Listener:
    """Listens to one provider until it is told to stop."""

    def __init__(self, installation: Installation, provider: ProviderConfig, stopping: threading.Event) -> None:
        self._installation = installation
        self._provider = provider
        self._stopping = stopping
        self._monitor: WatchedMonitor | None = None
        self._signed = 0.0
        self._left_to = ""
        self._pressure = Pressure(installation)

    def run(self) -> None:
        """Listen, and begin again after every failure: there is no last try (spec capture 9 B4)."""
        pause = 1.0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                if not self._listen():
                    return
            except CatchmentError as error:
                log.warning(
                    "listening failed; it begins again",
                    provider=self._provider.name,
                    error=str(error),
                    pause=round(pause, 1),
                )
            except Exception as error:
                log.exception(
                    "listening failed; it begins again",
                    provider=self._provider.name,
                    error=str(error),
                    pause=round(pause, 1),
                )
            pause = 1.0 if time.monotonic() - began > LONGEST_PAUSE else min(LONGEST_PAUSE, pause * 2)
            self._stopping.wait(pause * (0.8 + 0.4 * random.random()))  # noqa: S311 - spreads reconnects, protects nothing

    def stop(self) -> None:
        """End the wait of the monitor."""
        if self._monitor is not None:
            self._monitor.stop()

    def _listen(self) -> bool:
        """Listen until something fails; False where the provider's monitor does not push."""
        kind = kinds()[self._provider.kind]
        known = enrol(self._installation, self._provider, kind)
        monitor, choice, cursor = start(self._installation, self._provider, kind, known)
        if not choice.monitor_class.push:
            self._leave_to_tick(choice)
            return getattr(self._provider.options, "monitor", "auto") == "auto"
        self._monitor = monitor
        ingest = ingest_for(self._installation, self._provider, kind, known)
        try:
            monitor.start(cursor)
            note_absence(self._installation, self._provider, known, monitor)
            log.info("listening", provider=self._provider.name, monitor=choice.monitor_class.name)
            while not self._stopping.is_set():
                self._sign(known)
                self._take(monitor, ingest, choice.monitor_class.name, known)
        except CatchmentError as error:
            note_failure(self._installation, known, error)
            raise
        finally:
            monitor.stop()
        return True

    def _leave_to_tick(self, choice: Choice) -> None:
        """The tick asks this provider; where ``auto`` chose so, a push monitor may still come to be available."""
        if self._left_to != choice.monitor_class.name:
            self._left_to = choice.monitor_class.name
            log.info(
                "the provider does not push; the tick asks it",
                provider=self._provider.name,
                monitor=self._left_to,
                passed_over=dict(choice.passed_over),
            )
        self._stopping.wait(RECHECK_SECONDS)

    def _take(self, monitor: WatchedMonitor, ingest: Ingest, name: str, known: int) -> None:
        """Store what comes until a lull. While the ledger writes one batch, the next one is read already."""
        settings = self._installation.site.settings

        def store(batch: Batch) -> None:
            stored = ingest.store(batch.notifications, batch.cursor, name)
            launch.launch("convert", stored.asleep, settings.conveyor.fanout)

        # Behind a full ledger one message is taken now and then: enough to keep the connection alive.
        limit = 1 if self._pressure.high() else settings.catch.batch
        with Ahead(store) as ahead:
            for batch in monitor.batches(wait=1.0, limit=limit):
                ahead.take(batch)
                self._sign(known)
                if self._pressure.high():
                    self._stopping.wait(HELD_SECONDS)
                if self._stopping.is_set() or self._pressure.high() != (limit == 1):
                    return

    def _sign(self, known: int) -> None:
        if time.monotonic() - self._signed < SIGN_SECONDS:
            return
        self._signed = time.monotonic()
        now = clock.now()
        mine = or_(
            Provider.listener_at.is_(None),
            Provider.listener == self._installation.worker,
            Provider.listener_at < now - timedelta(seconds=2 * SIGN_SECONDS),
        )
        with self._installation.ledger.transaction() as session:
            session.execute(
                update(Provider)
                .where(Provider.id == known, mine)
                .values(listener=self._installation.worker, listener_at=now, **pulse.contacted(now))
            )


def main() -> int:
    """Listen to every provider of the site until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    logs.configure(application._settings)
    try:
        installation = start_process()
    except CatchmentError as error:
        log.critical("the listener does not start", error=str(error))
        return 2
    wait_for_broker(installation.site.settings, application._root)
    listeners = [Listener(installation, provider, stopping) for provider in installation.site.providers.values()]
    threads = [
        threading.Thread(target=listener.run, name=f"listen-{i}", daemon=True) for i, listener in enumerate(listeners)
    ]
    for thread in threads:
        thread.start()
    stopping.wait()
    for listener in listeners:
        listener.stop()
    for thread in threads:
        thread.join(timeout=10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
