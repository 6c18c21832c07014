"""How the providers are, what waits before each stage, and when things last happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from tasks.ledger import contact, gaps, pulse, source
from tasks.ledger.events import PENDING, Event, Place
from tasks.ledger.gaps import GapLine
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
SIGNED_OUT = "signed out"
UNREACHABLE = "unreachable"
FAILING = "failing"
SILENT = "silent"
GAP = "gap found"
CATCHING_UP = "catching up"
SUSPICIOUS = "suspiciously quiet"
RECEIVING = "receiving"
QUIET = "quiet as usual"
CONNECTED = "connected"
#: The words for a provider whose last contact failed.
FAILED = (SIGNED_OUT, UNREACHABLE, FAILING)
_FAILURES = {contact.INVALID: SIGNED_OUT, contact.UNREACHABLE: UNREACHABLE, contact.ERROR: FAILING}


@dataclass(frozen=True, slots=True)
class ProviderHealth(Line):
    """How one provider is. Ages are in seconds, None where it never happened.

    ``state`` is the first of these that holds: ``signed out``, ``unreachable`` or ``failing``, its last contact
    failed; ``never contacted``; ``silent``, nobody has asked it lately; ``gap found``, events of some time may be
    missing; ``catching up``, its first full refresh or a backlog goes on; ``suspiciously quiet``, nothing came for
    longer than its history makes usual (:mod:`tasks.ledger.pulse`); ``receiving``, something came within five
    minutes; ``quiet as usual``; ``connected``, it answers, and what is usual is not known yet.

    ``silent_since`` is since when nothing has come, and ``silence_limit`` the length that is suspicious, None
    where that is not known. ``passed_over`` has the monitors that could not serve it, with the reasons;
    ``waiting`` its pending events; ``gaps`` the newest gaps. Until ``reads_after`` no inventory is read of it,
    because it has asked for that with the words of ``reads_note``.
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
    silent_since: datetime | None
    silence: float | None
    silence_limit: float | None
    gaps: list[GapLine]
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
    ).all()
    found = {provider.id: provider for provider, _ in rows}
    limits = pulse.limits(session, [i for i, row in found.items() if source.silence(row, now) is not None], now)
    known = _Known(now, limits, source.told(session), gaps.of_providers(session, found))
    return [_health(provider, int(number or 0), known) for provider, number in rows]


class _Known(NamedTuple):
    """What was looked up of all providers: limits of silence and gaps by id, by name who was told to be quiet."""

    now: datetime
    limits: Mapping[int, float]
    told: Mapping[str, source.Told]
    gaps: Mapping[int, list[GapLine]]


def _health(provider: Provider, waiting: int, known: _Known) -> ProviderHealth:
    now = known.now
    alive = provider.listener_at is not None and now - provider.listener_at < LISTENER_SILENCE
    paused = provider.reads_note is not None and provider.reads_after is not None and provider.reads_after > now
    limit, lines = known.limits.get(provider.id), known.gaps.get(provider.id, [])
    silence = source.silence(provider, now)
    quiet = source.is_suspicious(provider, limit, known.told.get(provider.name), now)
    return ProviderHealth(
        name=provider.name,
        kind=provider.kind,
        state=_contact(provider, alive, now) or _data(provider, waiting, lines, limit, now, quiet=quiet),
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
        silent_since=source.silent_since(provider),
        silence=silence,
        silence_limit=limit,
        gaps=lines,
    )


def _contact(provider: Provider, listener_alive: bool, now: datetime) -> str | None:
    """The word for a provider with which there is no contact; None where there is."""
    last = contact.contact_of(provider)
    if last is None:
        return NEVER
    word, at = last
    if word != contact.VALID:
        return _FAILURES[word]
    return SILENT if not listener_alive and now - at > CONTACT_SILENCE else None


def _data(
    provider: Provider, waiting: int, lines: Sequence[GapLine], limit: float | None, now: datetime, *, quiet: bool
) -> str:
    """The word for a provider that answers, by what comes of it."""
    if any(gaps.matters(line, now) for line in lines):
        return GAP
    if provider.ready_at is None or waiting >= BACKLOG:
        return CATCHING_UP
    if quiet:
        return SUSPICIOUS
    newest = provider.arrived_at or provider.event_at
    if newest is not None and now - newest <= RECENT:
        return RECEIVING
    return CONNECTED if limit is None else QUIET


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
