"""When something comes of a provider, and how long it is usually silent: learned from its own history.

One row an hour says how often something came and how long the longest silence was that ended then. So what
is learned costs a few hundred rows a provider, however many events are stored.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, case, delete, func, literal, or_, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tasks.ledger import bulk
from tasks.ledger.base import Base, Id, Moment
from tasks.ledger.providers import Provider

#: Without contact for so long a source is not watched: what it did meanwhile is not known.
UNWATCHED = timedelta(seconds=60)
#: What comes so soon after the last is one arrival with it.
TOGETHER = timedelta(seconds=5)
#: How far back silences are learned from, in days, and on how many of them something must have come.
DAYS, ENOUGH_DAYS = 14, 7
#: A silence is compared with those at the same time of the day, give or take so many seconds.
AROUND = 2 * 3600
#: It is suspicious at so many times the length that is usual, and never below this many seconds.
FACTOR, LEAST = 3, 900

_HOUR, _DAY = 3600, 86_400


class Pulse(Base):
    """What came of a provider in one hour (counted from 1970).

    ``longest`` is in seconds: the longest silence that was watched from end to end and ended in this hour.
    """

    __tablename__ = "pulse"

    provider_id: Mapped[int] = mapped_column(ForeignKey("provider.id"), primary_key=True)
    hour: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    arrivals: Mapped[int] = mapped_column(Id)
    longest: Mapped[int] = mapped_column(Id)


class Watch(NamedTuple):
    """When something last came of a provider, and since when it is watched without a break."""

    arrived_at: datetime | None
    watched_since: datetime | None


def contacted(now: datetime) -> dict[str, Any]:
    """The columns of a provider that was reached. A contact after a failure or a pause begins a new watch."""
    broken = or_(
        Provider.contact_at.is_(None),
        Provider.contact_at < now - UNWATCHED,
        Provider.failed_at > Provider.contact_at,
    )
    moment = literal(now, Moment())
    since = case((broken, moment), else_=func.coalesce(Provider.watched_since, moment))
    return {"contact_at": now, "watched_since": since}


def note(session: Session, provider_id: int, before: Watch, now: datetime) -> None:
    """Note that something came. In a stream this writes once in five seconds."""
    arrived = before.arrived_at
    if arrived is not None and now - arrived < TOGETHER:
        return
    whole = arrived is not None and before.watched_since is not None and before.watched_since <= arrived
    silence = int((now - arrived) / timedelta(seconds=1)) if whole and arrived is not None else 0
    row = {"provider_id": provider_id, "hour": _seconds(now) // _HOUR, "arrivals": 1, "longest": silence}
    bulk.insert(
        session,
        Pulse,
        [row],
        conflict="(provider_id, hour) DO UPDATE SET arrivals = pulse.arrivals + 1, longest = "
        "CASE WHEN excluded.longest > pulse.longest THEN excluded.longest ELSE pulse.longest END",
    )
    session.execute(update(Provider).where(Provider.id == provider_id).values(arrived_at=now))


def silent_since(watch: Watch) -> datetime | None:
    """Since when nothing has come, as far as anybody watched; None where nothing ever came."""
    if watch.arrived_at is None or watch.watched_since is None:
        return None
    return max(watch.arrived_at, watch.watched_since)


def limits(session: Session, ids: Collection[int], now: datetime) -> dict[int, float]:
    """How many seconds of silence are suspicious now, for those of the providers of which enough is known.

    For each of the last 14 days: how long a silence had become at this time of the day, two hours either
    way. The second longest of these counts, so that one odd day teaches nothing, and three times that is
    suspicious.
    """
    if not ids:
        return {}
    wanted = {"ids": bulk.listed(session, ids), "from": (_seconds(now) // _HOUR) - 24 * DAYS}
    among = bulk.among(session, "p.provider_id")
    days = text(_DAYS_OF.format(among=among))
    known = session.execute(days, {**wanted, "enough": ENOUGH_DAYS})
    found = {provider_id: float(LEAST) for (provider_id,) in known}
    # Shorter silences cannot raise the limit above the least.
    rows = session.execute(text(_USUAL.format(among=among)), {**wanted, "now": _seconds(now), "worth": LEAST // FACTOR})
    for provider_id, longest in rows:
        if provider_id in found:
            found[provider_id] = max(found[provider_id], float(FACTOR * longest))
    return found


_DAYS_OF = """
SELECT p.provider_id FROM pulse p WHERE {among} AND p.hour >= :from
GROUP BY p.provider_id HAVING count(DISTINCT p.hour / 24) >= :enough
"""
#: An hour's longest silence is taken to end with the hour; ``until`` is the end of a day's stretch of time.
_USUAL = f"""
WITH RECURSIVE day(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM day WHERE n < {DAYS}),
stretch AS (SELECT n, :now - n * {_DAY} - {AROUND} AS since, :now - n * {_DAY} + {AROUND} AS until FROM day),
silence AS (
    SELECT p.provider_id, (p.hour + 1) * {_HOUR} AS ended, (p.hour + 1) * {_HOUR} - p.longest AS began
    FROM pulse p WHERE {{among}} AND p.hour >= :from AND p.longest >= :worth
),
daily AS (
    SELECT s.provider_id, t.n,
        max(CASE WHEN s.ended < t.until THEN s.ended ELSE t.until END - s.began) AS reached
    FROM silence s JOIN stretch t ON s.began < t.until AND s.ended >= t.since
    GROUP BY s.provider_id, t.n
),
ranked AS (
    SELECT provider_id, reached, row_number() OVER (PARTITION BY provider_id ORDER BY reached DESC) AS place
    FROM daily
)
SELECT provider_id, reached FROM ranked WHERE place = 2
"""  # noqa: S608 - the numbers are those above


def forget(session: Session, now: datetime) -> None:
    """Delete what nothing is learned from any more."""
    session.execute(delete(Pulse).where(Pulse.hour < (_seconds(now) // _HOUR) - 24 * DAYS))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
