"""What a stage sees of the ledger while it works on a batch: loaded for the batch, read only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from tasks.conveyor.claim import Claimed
from tasks.ledger import bulk, contact, readings, requests, silences
from tasks.ledger.base import read_json
from tasks.ledger.events import Event
from tasks.ledger.incidents import AlertFiring, Incident, firing_key
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.labels import kept, with_own
from tasks.model.event import PROVIDER, REQUEST, ObjectRef, object_key
from tasks.model.outcome import AlertState, DeliveryFacts, Firing, Label, ObjectFacts
from tasks.site.contracts import Site

#: Events of one object and type that a threshold counts, and the newest of all types among which it looks for them.
MOST_HAPPENED, MOST_LOOKED_AT = 1000, 20_000
#: Readings of one name that a threshold looks at.
MOST_READINGS = 1000


class Contents:
    """The notifications of a batch, read in one statement when the first of them is asked for."""

    def __init__(self, session: Session, claimed: Sequence[Claimed]) -> None:
        self._session = session
        # A raised event without words of its own speaks with those of its cause, the first one of its line.
        self._source = {c.event.id: c.event.parent_id or c.event.id for c in claimed}
        self._depth = max((c.event.depth for c in claimed), default=0)
        self._loaded: dict[int, dict[str, Any]] | None = None

    def of(self, event_id: int) -> dict[str, Any]:
        """Form and content of an event's notification; empty where there is none."""
        if self._loaded is None:
            self._go_up()
            ids = {*self._source, *self._source.values()}
            rows = self._session.execute(
                text(f"SELECT event_id, form, content FROM notification WHERE {bulk.among(self._session, 'event_id')}"),
                {"ids": bulk.listed(self._session, ids)},
            )
            self._loaded = {row.event_id: {"form": row.form, "content": read_json(row.content)} for row in rows}
        return self._loaded.get(event_id) or self._loaded.get(self._source[event_id], {})

    def _go_up(self) -> None:
        """From causes that were raised themselves to the one that was caught."""
        for _ in range(self._depth - 1):
            ids = bulk.listed(self._session, set(self._source.values()))
            found = self._session.execute(
                text(f"SELECT id, parent_id FROM event WHERE {bulk.among(self._session, 'id')} AND raised"),
                {"ids": ids},
            )
            above = {row.id: row.parent_id for row in found}
            self._source = {own: above.get(cause, cause) for own, cause in self._source.items()}


class LazyPayload(Mapping[str, Any]):
    """An event's payload, which most rules never look at and which is therefore read late."""

    __slots__ = ("_contents", "_event_id")

    def __init__(self, contents: Contents, event_id: int) -> None:
        self._contents = contents
        self._event_id = event_id

    def __getitem__(self, key: str) -> Any:
        return self._contents.of(self._event_id)[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key; the inherited one would raise and catch on its way."""
        return self._contents.of(self._event_id).get(key, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._contents.of(self._event_id))

    def __len__(self) -> int:
        return len(self._contents.of(self._event_id))


@lru_cache
def _objects(dialect: str) -> Any:
    """The query for inventory objects, built once: building it each time took longer than running it."""
    names = ("kind", "ref", "state", "name", "tenant_id", "read_at", "attributes", "own_tags")
    columns = [InventoryObject.__table__.c[name] for name in names]
    listed = "IN (SELECT value FROM json_each(:ids))" if dialect == "sqlite" else "= ANY(:ids)"
    sql = f"SELECT {', '.join(names)} FROM inventory WHERE provider_id = :provider AND ref {listed}"
    return text(sql).columns(*columns)


class LedgerView:
    """The :class:`tasks.model.outcome.View` of a worker."""

    def __init__(self, session: Session, site: Site, now: datetime) -> None:
        self._session = session
        self._site = site
        self._now = now
        self._providers: dict[str, int] = {}
        self._objects: dict[tuple[int, ObjectRef], ObjectFacts | None] = {}
        self._alerts: dict[str, AlertState] = {}
        self._expected: Sequence[Claimed] = ()
        self._silences: Sequence[silences.Silence] | None = None

    def know(self, providers: Mapping[str, int]) -> None:
        """Learn the row ids of the providers whose events are worked on."""
        self._providers.update(providers)

    @property
    def site(self) -> Site:
        """The site that this batch is decided by."""
        return self._site

    @property
    def now(self) -> datetime:
        """The moment of the batch."""
        return self._now

    def expect(self, claimed: Sequence[Claimed]) -> None:
        """Have the targets of these events read together, as soon as a rule asks for the first of them."""
        self._expected = claimed

    def _load(self, asked: tuple[int, ObjectRef]) -> None:
        """Read the object that is asked for, and all that will be, in one statement."""
        refs = {(c.provider_id, ref) for c in self._expected if (ref := c.event.target()) is not None}
        missing = {asked, *refs} - self._objects.keys()
        self._objects.update(dict.fromkeys(missing))
        for provider in sorted({p for p, _ in missing}):
            ids = bulk.listed(self._session, sorted({ref.id for p, ref in missing if p == provider}))
            for kind, ref, state, name, tenant, read_at, attributes, own in self._session.execute(
                _objects(self._session.get_bind().dialect.name), {"provider": provider, "ids": ids}
            ):
                found = ObjectRef(kind, ref)
                self._objects[provider, found] = ObjectFacts(
                    found, state, name, tenant, read_at, with_own(attributes, own)
                )

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        """The inventory object, or None where it is unknown. Requests and providers are objects too."""
        if ref.kind == REQUEST:
            found = self.request(ref.id) or {}
            named = (found.get("description"), found.get("tenant_id"))
            return ObjectFacts(ref, "known", *named, self._now, found) if found else None
        if ref.kind == PROVIDER:
            return contact.facts(self._session, ref.id)
        key = (self._providers[provider], ref)
        if key not in self._objects:
            self._load(key)
        return self._objects[key]

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        """Whether inventory has the object, as a stub at least."""
        return self.object(provider, ref) is not None

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
        """When the alert last notified about the object, and whether its incident is open."""
        key = firing_key(alert, provider, ref.kind, ref.id)
        if key not in self._alerts:
            fired = self._session.get(AlertFiring, key)
            is_open = self._session.scalar(select(Incident.id).where(Incident.open_key == key))
            self._alerts[key] = AlertState(fired.notified_at if fired else None, is_open is not None)
        return self._alerts[key]

    def happened(self, provider: str, ref: ObjectRef, after: datetime, until: datetime) -> Sequence[str]:
        """The types of the events on the object, as they were caught or raised."""
        theirs = (
            Event.object_key == object_key(provider, ref, ""),
            Event.occurred_at > after,
            Event.occurred_at <= until,
        )
        newest = select(Event.event_type).where(*theirs).order_by(Event.occurred_at.desc()).limit(MOST_LOOKED_AT)
        types = newest.subquery().c.event_type
        # By type: many of another one must not hide those that count.
        rows = self._session.execute(select(types, func.count()).group_by(types))
        return [event_type for event_type, number in rows for _ in range(min(number, MOST_HAPPENED))]

    def readings(
        self, provider: str, ref: ObjectRef, name: str, after: datetime, until: datetime
    ) -> Sequence[tuple[datetime, float]]:
        """Readings of one name on the object, as they were told."""
        thing = readings.Thing(self._providers[provider], ref)
        return readings.between(self._session, thing, name, after, until, MOST_READINGS)

    def silenced(self, alert: str, severity: str, provider: str, ref: ObjectRef) -> int | None:
        """A silence that covers the firing; all that hold are read once for the batch."""
        if self._silences is None:
            self._silences = silences.active(self._session, self._now)
        return next((s.id for s in self._silences if s.covers(alert, severity, provider, ref)), None)

    def request(self, number: str) -> Mapping[str, Any] | None:
        """A request by its id, as it stands."""
        return requests.facts(self._session, number)

    def delivery(self, event_id: int) -> DeliveryFacts | None:
        """What the event delivers."""
        return requests.delivery(self._session, event_id)

    def note(self, provider: str, firing: Firing) -> None:
        """Let later events of the batch see a firing that is not written yet."""
        key = firing_key(firing.alert, provider, firing.target.kind, firing.target.id)
        known = self._alerts.get(key)
        self._alerts[key] = AlertState(self._now if firing.notify else (known.fired_at if known else None), True)

    def note_label(self, provider: str, label: Label) -> None:
        """Let later events of the batch see tags that are not written yet."""
        key = (self._providers[provider], label.target)
        found = self._objects.get(key)
        if found is not None:
            own = kept([*found.attributes.get("own_tags", ())], label.add, label.remove)
            plain = {name: value for name, value in found.attributes.items() if name != "own_tags"}
            if isinstance(plain.get("tags"), list):
                plain["tags"] = [tag for tag in plain["tags"] if tag not in label.remove]
            self._objects[key] = found._replace(attributes=with_own(plain, own))
