"""An engine's event log in memory that answers as the engine does, and that a test can make late, gappy and mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.model import clock
from tasks.model.event import Notification
from tasks.providers.contracts import Batch, ProviderConfig
from tasks.providers.ovirt import event_monitor
from tasks.providers.ovirt.event_monitor import EventLogMonitor
from tasks.providers.ovirt.options import OvirtOptions

NOW = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
_SEARCH = re.compile(r"sortby time asc page (\d+)")


def options(**more: Any) -> OvirtOptions:
    """Options of an engine that is nowhere, read from its beginning unless a test says otherwise."""
    given = {"url": "https://engine.example.org", "password": "sesame", "event_skip_history": False, "page_limit": 10}
    return OvirtOptions(**{**given, **more})


class EngineLog:
    """Rows (number, seconds after NOW), as they are visible. ``requests`` has the parameters of each request."""

    def __init__(self) -> None:
        self.rows: dict[int, float] = {}
        self.requests: list[dict[str, Any]] = []
        self.frozen = False

    def add(self, *numbers: int, seconds: float | None = None) -> None:
        """Let events become visible; each happens a second after the one before unless it is said when."""
        for number in numbers:
            self.rows[number] = number if seconds is None else seconds

    def get(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        """The engine's answer: newest first, or by time and then the higher number first."""
        assert path == "/events"
        self.requests.append(params)
        found = sorted((n for n in self.rows if n > params.get("from", -1)), reverse=True)
        page = 1
        if "search" in params:
            match = _SEARCH.fullmatch(params["search"])
            assert match is not None
            page = 1 if self.frozen else int(match[1])
            found.sort(key=lambda n: self.rows[n])
        size = params["max"]
        listed = [self._event(n) for n in found[(page - 1) * size : page * size]]
        return {"event": listed} if listed else {}

    def _event(self, number: int) -> dict[str, Any]:
        at = NOW + timedelta(seconds=self.rows[number] - 10_000)
        return {"id": str(number), "code": "32", "time": int(at.timestamp() * 1000), "severity": "normal"}


class Reader:
    """Polls a log as catch does: keeps what comes and the cursor."""

    def __init__(self, log: EngineLog, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
        self.log = log
        self.now = NOW
        self.cursor: dict[str, Any] | None = None
        self.provider = ProviderConfig("virt", "ovirt", options(**more))
        monkeypatch.setattr(event_monitor, "engine_of", lambda *_: log)
        monkeypatch.setattr(clock, "now", lambda: self.now)

    def batches(self, limit: int = 100, stop_after: int | None = None) -> list[Batch]:
        """One poll, cut off after so many batches."""
        monitor = EventLogMonitor(self.provider)
        monitor.start(self.cursor)
        kept: list[Batch] = []
        for batch in monitor.batches(wait=0, limit=limit):
            assert len(batch.notifications) <= limit
            self.cursor = batch.cursor or self.cursor
            kept.append(batch)
            if stop_after is not None and len(kept) >= stop_after:
                break
        return kept

    def poll(self, limit: int = 100, stop_after: int | None = None) -> list[int]:
        """The numbers that one poll brings."""
        return [number(n) for batch in self.batches(limit, stop_after) for n in batch.notifications]


def number(notification: Notification) -> int:
    """The number of an event."""
    assert isinstance(notification.body, dict)
    return int(notification.body["id"])


@pytest.fixture
def log() -> EngineLog:
    """A log without an event."""
    return EngineLog()
