"""How the providers are, what waits before each stage, and when things last happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from tasks.ledger.events import PENDING, Event, Place
from tasks.ledger.lines import Line
from tasks.ledger.patterns import led_by
from tasks.ledger.progress import MARK
from tasks.ledger.providers import ALERT_NOTE, HEALTH_NOTE, Mark, Provider
from tasks.model.event import INTERNAL

#: A listener notes that it lives every few seconds; one that was not heard of this long is gone.
LISTENER_SILENCE = timedelta(seconds=15)
#: The clock asks every provider each 20 s: three rounds without contact and without a failure are silence.
CONTACT_SILENCE = timedelta(seconds=60)
#: A provider whose last event is younger is said to be receiving.
RECENT = timedelta(minutes=5)
#: Fewer waiting events than this are no backlog, however old the oldest is: it may wait for a retry.
BACKLOG = 100

NEVER = "never contacted"
FAILING = "failing"
SILENT = "silent"
CATCHING_UP = "catching up"
RECEIVING = "receiving"
CONNECTED = "connected"


@dataclass(frozen=True, slots=True)
class ProviderHealth(Line):
    """How one provider is. Ages are in seconds, None where it never happened.

    ``state`` is one word: ``never contacted``; ``failing``, its last contact failed; ``silent``, nobody has
    asked it lately; ``catching up``, its first full refresh or a backlog goes on; ``receiving``, events came
    within five minutes; ``connected``, it answers and has nothing to tell. ``passed_over`` has the monitors
    that could not serve it, with the reasons; ``waiting`` its pending events. Until ``reads_after`` no inventory
    is read of it, because it has asked for that with the words of ``reads_note``.
    """

    name: str
    kind: str
    state: str
    monitor: str | None
    passed_over: dict[str, Any]
    contact_at: datetime | None
    contact_age: float | None
    failed_at: datetime | None
    failure: str | None
    event_at: datetime | None
    event_age: float | None
    ready: bool
    ready_at: datetime | None
    ready_note: str | None
    listener: str | None
    listener_alive: bool
    waiting: int
    reads_after: datetime | None = None
    reads_note: str | None = None


@dataclass(frozen=True, slots=True)
class StageLine(Line):
    """What waits before one stage, and since when the oldest of it is due (or when it will be)."""

    stage: str
    pending: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class MarkLine(Line):
    """When something that must happen again and again last happened."""

    name: str
    at: datetime
    note: str | None


def providers(session: Session, now: datetime) -> list[ProviderHealth]:
    """The health of each provider by name, judged by the ledger alone. ``internal`` is none."""
    waiting = (
        select(Event.provider_id, func.count().label("number"))
        .where(Event.state == PENDING, Event.raised.is_(False), led_by(session, Event.id, select(Place.event_id)))
        .group_by(Event.provider_id)
        .subquery("waiting")
    )
    rows = session.execute(
        select(Provider, waiting.c.number)
        .outerjoin(waiting, waiting.c.provider_id == Provider.id)
        .where(Provider.kind != INTERNAL)
        .order_by(Provider.name)
    )
    return [_health(provider, int(number or 0), now) for provider, number in rows]


def _health(provider: Provider, waiting: int, now: datetime) -> ProviderHealth:
    alive = provider.listener_at is not None and now - provider.listener_at < LISTENER_SILENCE
    paused = provider.reads_note is not None and provider.reads_after is not None and provider.reads_after > now
    return ProviderHealth(
        name=provider.name,
        kind=provider.kind,
        state=_word(provider, waiting, alive, now),
        monitor=provider.monitor,
        passed_over=provider.passed_over or {},
        contact_at=provider.contact_at,
        contact_age=_age(provider.contact_at, now),
        failed_at=provider.failed_at,
        failure=provider.failure,
        event_at=provider.event_at,
        event_age=_age(provider.event_at, now),
        ready=provider.ready_at is not None,
        ready_at=provider.ready_at,
        ready_note=provider.ready_note,
        listener=provider.listener,
        listener_alive=alive,
        waiting=waiting,
        reads_after=provider.reads_after if paused else None,
        reads_note=provider.reads_note if paused else None,
    )


def _word(provider: Provider, waiting: int, listener_alive: bool, now: datetime) -> str:
    contact = provider.contact_at
    if provider.failed_at is not None and (contact is None or provider.failed_at > contact):
        return FAILING
    if contact is None:
        return NEVER
    if not listener_alive and now - contact > CONTACT_SILENCE:
        return SILENT
    if provider.ready_at is None or waiting >= BACKLOG:
        return CATCHING_UP
    if provider.event_at is not None and now - provider.event_at <= RECENT:
        return RECEIVING
    return CONNECTED


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else round(max((now - moment) / timedelta(seconds=1), 0.0), 3)


def stages(session: Session, order: Sequence[str] = ()) -> list[StageLine]:
    """What waits before each stage that anything waits for.

    Stages come in the given order, others after them by name; those of ``order`` are there with 0 too.
    """
    rows = session.execute(select(Place.stage, func.count(), func.min(Place.due_at)).group_by(Place.stage))
    found = {stage: StageLine(stage, number, due) for stage, number, due in rows}
    names = [*order, *sorted(set(found) - set(order))]
    return [found.get(name) or StageLine(name, 0, None) for name in names]


def marks(session: Session) -> list[MarkLine]:
    """All marks of what recurs by name, without the samples of :mod:`tasks.ledger.progress`."""
    notes = (Mark.name.startswith(word) for word in (HEALTH_NOTE, ALERT_NOTE))
    query = select(Mark.name, Mark.at, Mark.note).where(Mark.name != MARK, ~or_(*notes))
    rows = session.execute(query.order_by(Mark.name))
    return [MarkLine(*row) for row in rows]
