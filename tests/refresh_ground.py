"""A provider whose answers the test decides, and ways to look at what became of a wish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from sqlalchemy import select

from tasks.conveyor.installation import Installation
from tasks.conveyor.wanted import Wish, want
from tasks.ledger.events import Event
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshTarget
from tasks.ledger.session import Ledger
from tasks.model.errors import Gone
from tasks.model.event import ObjectRef
from tasks.providers.contracts import ProviderConfig, Reading
from tasks.refresh import refresher
from tests.ground import (
    caught,
    notice,
)

SERVER = ObjectRef("server", "s1")


class FakeCloud:
    """What a provider's API would answer: objects, or what the test puts in their place."""

    def __init__(self) -> None:
        self.objects: dict[ObjectRef, dict[str, Any]] = {}
        self.answers: dict[ObjectRef | str, list[Exception]] = {}
        self.reads: Counter[ObjectRef | str] = Counter()
        self.during: dict[ObjectRef | str, Callable[[], Any]] = {}
        self.opened = self.closed = 0
        self.kinds: tuple[str, ...] = ("network", "server")

    def reader(self) -> type[Any]:
        cloud = self

        class Reader:
            kinds: ClassVar[tuple[str, ...]] = cloud.kinds

            def __init__(self, config: ProviderConfig) -> None:
                type(self).kinds = cloud.kinds
                cloud.opened += 1
                cloud.answer("sign in")

            def read(self, ref: ObjectRef) -> Reading:
                cloud.answer(ref)
                if ref not in cloud.objects:
                    raise Gone(f"there is no {ref}")
                return cloud.reading(ref)

            def read_all(self, kind: str) -> Iterator[Reading]:
                found = [cloud.reading(ref) for ref in cloud.objects if ref.kind == kind]
                cloud.answer(kind)
                yield from found

            def close(self) -> None:
                cloud.closed += 1

        return Reader

    def answer(self, what: ObjectRef | str) -> None:
        self.reads[what] += 1
        if what in self.during:
            self.during.pop(what)()
        if self.answers.get(what):
            raise self.answers[what].pop(0)

    def reading(self, ref: ObjectRef) -> Reading:
        return Reading(ref, f"name of {ref.id}", "red", dict(self.objects[ref]))


def wish(present: Installation, lab: int, *refs: ObjectRef, event_id: int | None = None) -> None:
    with present.ledger.transaction() as session:
        want(session, [Wish(lab, ref, event_id) for ref in refs], refresher.clock.now(), settle=0)


def target(ledger: Ledger, ref: ObjectRef = SERVER) -> RefreshTarget:
    with ledger.reading() as session:
        query = select(RefreshTarget).where(RefreshTarget.kind == ref.kind, RefreshTarget.ref == ref.id)
        return session.scalars(query).one()


def target_states(ledger: Ledger) -> dict[str, str]:
    """By kind and id, where each refresh target stands."""
    with ledger.reading() as session:
        return {f"{row.kind}/{row.ref}": row.state for row in session.scalars(select(RefreshTarget))}


def known(ledger: Ledger, ref: ObjectRef = SERVER) -> InventoryObject | None:
    with ledger.reading() as session:
        query = select(InventoryObject).where(InventoryObject.kind == ref.kind, InventoryObject.ref == ref.id)
        return session.scalars(query).one_or_none()


def changes(ledger: Ledger) -> list[tuple[str, str, int | None, dict[str, Any], dict[str, Any]]]:
    """Object, verdict, cause, before and after of each change."""
    with ledger.reading() as session:
        rows = session.execute(
            select(InventoryObject.ref, InventoryChange)
            .join(InventoryObject, InventoryObject.id == InventoryChange.object_id)
            .order_by(InventoryChange.id)
        )
        return [(ref, c.verdict, c.event_id, c.before, c.after) for ref, c in rows]


def event_of(present: Installation, lab: int, name: str) -> int:
    caught(present, lab, notice(message_id=name))
    with present.ledger.reading() as session:
        return session.scalars(select(Event.id).where(Event.message_id == name)).one()
