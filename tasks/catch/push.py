"""Take what a provider pushed: stored as every other notification is, before anybody is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from tasks.catch.poll import enrol, ingest_for
from tasks.conveyor import failpoints
from tasks.conveyor.installation import Installation
from tasks.ledger.providers import Provider
from tasks.model.errors import Permanent
from tasks.model.event import Notification
from tasks.providers.contracts import ProviderConfig, ProviderKind
from tasks.providers.table import kinds

#: Reasons that an answer names.
_NAMED = 10


class TooMany(Permanent):
    """A push holds more notifications than are taken at once."""


class Unreadable(Permanent):
    """Nothing in a push can be read as a notification. ``reasons`` says why, by its place in the push."""

    def __init__(self, reasons: Sequence[tuple[int, str]]) -> None:
        super().__init__("nothing in the request is a notification that this provider's converter understands")
        self.reasons = list(reasons[:_NAMED])


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push. ``quarantined`` are those of the stored ones that could not be read.

    ``asleep`` are lanes to ring for, as in :class:`tasks.catch.ingest.Stored`.
    """

    received: int
    stored: int
    duplicate: int
    rejected: int
    quarantined: int
    asleep: set[int] = field(default_factory=set)


def push(
    installation: Installation, provider: ProviderConfig, notifications: Sequence[Notification], most: int
) -> Pushed:
    """Store a push in one transaction.

    One that cannot be read at all is left to its sender, who still has it: :class:`Unreadable` is raised and
    nothing is stored. Where a neighbour can be read, what cannot goes to the dead-letter desk, for the sender
    would send the whole push again, and again.

    Raises :class:`TooMany` for more than ``most`` notifications, counted out of their wrappings.
    """
    kind = kinds()[provider.kind]
    ingest = ingest_for(installation, provider, kind, _row(installation, provider, kind))
    caught, rejected = ingest.read(notifications)
    if len(caught) + rejected > most:
        raise TooMany(f"the request holds {len(caught) + rejected} notifications; at most {most} are taken at once")
    faulty = [(place, item.error) for place, item in enumerate(caught) if item.error is not None]
    if faulty and not rejected and len(faulty) == len(caught) and not any(item.ours for item in caught):
        raise Unreadable([(place, reason or "") for place, reason in faulty])
    stored = ingest.write(caught, rejected)
    failpoints.reach("push.before_answer")
    return Pushed(stored.received, stored.stored, stored.duplicate, stored.rejected, len(faulty), stored.asleep)


def _row(installation: Installation, provider: ProviderConfig, kind: ProviderKind) -> int:
    with installation.ledger.reading() as session:
        known = session.scalar(select(Provider.id).where(Provider.name == provider.name))
    return known if known is not None else enrol(installation, provider, kind)
