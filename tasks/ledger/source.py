"""What comes of a provider, as rules are told it: it is suspiciously quiet, something is missing, all is well again.

The mark ``health NAME data`` has what was told last of its silence; a gap keeps itself what was told of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import literal, or_, select, update
from sqlalchemy.orm import Session

from tasks.ledger import bulk, gaps, pulse
from tasks.ledger.contact import VALID, contact_of
from tasks.ledger.gaps import Gap
from tasks.ledger.providers import HEALTH_NOTE, Mark, Provider
from tasks.model.event import INTERNAL

QUIET, GAP, RECEIVING = "source_quiet", "source_gap", "source_receiving"
#: One that was well again is not said to be quiet sooner than this.
PEACE = timedelta(minutes=30)
#: Gaps that are told in one sweep.
A_SWEEP = 100

_DATA = " data"


class Told(NamedTuple):
    """What was told last of a provider's silence, and when."""

    word: str
    at: datetime


class News(NamedTuple):
    """Something to be told of a provider. ``gap_id`` is the gap that it is about."""

    provider_id: int
    provider: str
    word: str
    at: datetime
    gap_id: int | None = None


def silent_since(provider: Provider) -> datetime | None:
    """Since when nothing has come of a provider, as far as anybody watched."""
    return pulse.silent_since(pulse.Watch(provider.arrived_at, provider.watched_since))


def silence(provider: Provider, now: datetime) -> float | None:
    """How many seconds nothing has come; None where nothing ever came."""
    since = silent_since(provider)
    return None if since is None else max((now - since) / timedelta(seconds=1), 0.0)


def is_suspicious(provider: Provider, limit: float | None, last: Told | None, now: datetime) -> bool:
    """Whether a provider is suspiciously quiet.

    Once it was told to be, it is until something comes: the limit changes with the time of the day.
    """
    if last is not None and last.word == QUIET and (provider.arrived_at is None or provider.arrived_at <= last.at):
        return True
    lasted = silence(provider, now)
    return limit is not None and lasted is not None and lasted > limit


def told(session: Session) -> Mapping[str, Told]:
    """What was told last, by the names of the providers."""
    name = literal(HEALTH_NOTE) + Provider.name + literal(_DATA)
    rows = session.execute(select(Provider.name, Mark.note, Mark.at).join(Mark, Mark.name == name))
    return {provider: Told(word or "", at) for provider, word, at in rows}


def news(session: Session, now: datetime) -> list[News]:
    """All that is to be told now."""
    return [*_silences(session, now), *_gaps(session, now)]


def _silences(session: Session, now: datetime) -> list[News]:
    last = told(session)
    providers = session.scalars(select(Provider).where(Provider.kind != INTERNAL, Provider.arrived_at.is_not(None)))
    rows = [row for row in providers if (contact_of(row) or ("",))[0] == VALID]
    back = [row for row in rows if (was := last.get(row.name)) and was.word == QUIET and _came(row, was.at)]
    found = [News(row.id, row.name, RECEIVING, now) for row in back]
    long = {
        row.id: row
        for row in rows
        if (silence(row, now) or 0.0) > pulse.LEAST
        and row.contact_at is not None
        and now - row.contact_at <= pulse.UNWATCHED
        and ((was := last.get(row.name)) is None or (was.word == RECEIVING and now - was.at >= PEACE))
    }
    limits = pulse.limits(session, long, now)
    quiet = (row for row in long.values() if is_suspicious(row, limits.get(row.id), None, now))
    return [*found, *(News(row.id, row.name, QUIET, now) for row in quiet)]


def _came(provider: Provider, after: datetime) -> bool:
    return provider.arrived_at is not None and provider.arrived_at > after


def _gaps(session: Session, now: datetime) -> list[News]:
    """Gaps that were not told, and those that were and are filled now."""
    untold = Gap.told.is_(None) & Gap.kept.is_(False) & Gap.state.in_((*gaps.OPEN, gaps.LOST))
    closed = (Gap.told == GAP) & (Gap.state == gaps.FILLED)
    query = (
        select(Gap.id, Gap.provider_id, Provider.name, Gap.state)
        .join(Provider, Provider.id == Gap.provider_id)
        .where(or_(untold, closed))
        .order_by(Gap.id)
        .limit(A_SWEEP)
    )
    return [
        News(provider_id, name, RECEIVING if state == gaps.FILLED else GAP, now, gap_id)
        for gap_id, provider_id, name, state in session.execute(query)
    ]


def take(session: Session, one: News) -> bool:
    """Note something as told; returns whether it is to be told, to one of all who find it at once."""
    if one.gap_id is not None:
        before = Gap.told.is_(None) if one.word == GAP else Gap.told == GAP
        mine = update(Gap).where(Gap.id == one.gap_id, before).values(told=one.word).returning(Gap.id)
        return session.execute(mine).one_or_none() is not None
    row = {"name": f"{HEALTH_NOTE}{one.provider}{_DATA}", "at": one.at, "note": one.word}
    newer = "mark.note <> excluded.note AND mark.at <= excluded.at"
    conflict = f"(name) DO UPDATE SET at = excluded.at, note = excluded.note WHERE {newer}"
    return bool(bulk.insert(session, Mark, [row], conflict=conflict, returning=("name",)))
