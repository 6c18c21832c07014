"""The balance: whether everything that was received is accounted for (DESIGN 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Subquery, case, func, select
from sqlalchemy.orm import Session

from tasks.ledger.events import DEAD, PENDING, DeadLetter, Event, Place
from tasks.ledger.inventory import RefreshRequest, RefreshTarget
from tasks.ledger.lines import Line
from tasks.ledger.patterns import led_by
from tasks.ledger.providers import Provider, Tally
from tasks.ledger.tally import COUNTS
from tasks.model import clock
from tasks.model.event import INTERNAL

#: State of a refresh target whose last read succeeded, and of one that was given up.
READ = "read"
GIVEN_UP = "dead"


@dataclass(frozen=True, slots=True)
class Balance(Line):
    """The balance of one provider, in events.

    ``received`` to ``finished`` are the sums of what was counted as events were handled; ``pending`` and
    ``dead`` are counted from the events that are pending and dead right now. ``faults`` names each equation
    that does not hold; ``exact`` is that there is none.
    """

    provider: str
    received: int
    stored: int
    duplicate: int
    rejected: int
    finished: int
    pending: int
    dead: int
    exact: bool
    faults: list[str]


def balance(session: Session) -> list[Balance]:
    """The balance of each provider by name, and of ``internal`` at the end where anything was raised.

    One statement, so that tallies and counted rows are of one moment, however busy the ledger is.
    """
    tally = (
        select(Tally.provider_id, *(func.sum(getattr(Tally, name)).label(name) for name in COUNTS))
        .group_by(Tally.provider_id)
        .subquery("tallied")
    )
    pending = _owned_rows(session, Place, PENDING).subquery("waiting")
    dead = _owned_rows(session, DeadLetter, DEAD).subquery("dead")
    rows = session.execute(
        select(
            Provider.name,
            *(tally.c[name] for name in COUNTS),
            pending.c.number.label("waiting_now"),
            dead.c.number.label("dead_now"),
        )
        .outerjoin(tally, tally.c.provider_id == Provider.id)
        .outerjoin(pending, pending.c.owner == Provider.id)
        .outerjoin(dead, dead.c.owner == Provider.id)
        .order_by(Provider.kind == INTERNAL, Provider.name)
    )
    lines = [
        _line(row.name, {key: int(value or 0) for key, value in row._mapping.items() if key != "name"}) for row in rows
    ]
    return [line for line in lines if line.provider != INTERNAL or _moved(line)]


def _owned_rows(session: Session, standing: type[Place] | type[DeadLetter], state: str) -> Any:
    """How many events in ``state`` each provider has: raised ones under ``internal``.

    ``standing`` is the narrow table with a row for each event in that state: the events that are through
    are never looked at, however many there are.
    """
    internal = select(Provider.id).where(Provider.name == INTERNAL).scalar_subquery()
    owner = case((Event.raised, internal), else_=Event.provider_id).label("owner")
    return (
        select(owner, func.count().label("number"))
        .where(Event.state == state, led_by(session, Event.id, select(standing.event_id)))
        # By the label: PostgreSQL takes the expression with its parameters for another one.
        .group_by("owner")
    )


def _line(name: str, found: dict[str, int]) -> Balance:
    faults: list[str] = []
    received, accounted = found["received"], found["stored"] + found["duplicate"] + found["rejected"]
    if received != accounted:
        faults.append(
            f"received {received}, but stored {found['stored']} + duplicate {found['duplicate']} + rejected "
            f"{found['rejected']} = {accounted}"
        )
    pending, dead = found["waiting_now"], found["dead_now"]
    closed = found["finished"] + pending + dead
    if found["stored"] != closed:
        faults.append(
            f"stored {found['stored']}, but finished {found['finished']} + pending {pending} + dead {dead} = {closed}"
        )
    if found["dead"] != dead:
        faults.append(f"{found['dead']} events were counted dead, but {dead} lie at the dead-letter desk")
    return Balance(
        name, received, found["stored"], found["duplicate"], found["rejected"], found["finished"],
        pending, dead, not faults, faults,
    )  # fmt: skip


def _moved(line: Balance) -> bool:
    return bool(line.received or line.stored or line.finished or line.pending or line.dead or line.faults)


def refresh_balance(session: Session) -> list[dict[str, Any]]:
    """How the reading of inventory stands, by provider, in refresh targets.

    ``wanted`` waits to be read, ``reading`` is being read now, ``read`` is up to date, ``failed`` was given
    up; each target is in one of them. ``requests`` counts the wishes of events behind them, each event and
    object once.
    """
    wishes = _requests_by_provider()
    leased = RefreshTarget.lease_until > clock.now()
    state = case(
        (RefreshTarget.state == READ, "read"),
        (RefreshTarget.state == GIVEN_UP, "failed"),
        (leased, "reading"),
        else_="wanted",
    )
    standing = select(RefreshTarget.provider_id, state.label("standing")).subquery("target")
    words = ("wanted", "reading", "read", "failed")
    counted = select(
        standing.c.provider_id,
        *(func.sum(case((standing.c.standing == word, 1), else_=0)).label(word) for word in words),
    )
    targets = counted.group_by(standing.c.provider_id).subquery("targets")
    rows = session.execute(
        select(Provider.name, *(targets.c[word] for word in words), wishes.c.requests)
        .outerjoin(targets, targets.c.provider_id == Provider.id)
        .outerjoin(wishes, wishes.c.provider_id == Provider.id)
        .where(Provider.kind != INTERNAL)
        .order_by(Provider.name)
    )
    return [
        {"provider": row.name, **{key: int(row._mapping[key] or 0) for key in (*words, "requests")}} for row in rows
    ]


def _requests_by_provider() -> Subquery:
    return (
        select(RefreshTarget.provider_id, func.count().label("requests"))
        .join(RefreshRequest, RefreshRequest.target_id == RefreshTarget.id)
        .group_by(RefreshTarget.provider_id)
        .subquery("wishes")
    )
