"""Builds small Automate domains for tests, as files in ManageIQ's layout and as a loaded datastore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.model.definitions import Definitions
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import AlertState, DeliveryFacts, ObjectFacts
from tasks.switchboard.checks import Effects
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import resolve
from tasks.switchboard.load import load_domains
from tasks.switchboard.plain import files_of, sheet
from tasks.switchboard.read import shipped_domain
from tasks.switchboard.workspace import Workspace

__all__ = ["files_of", "sheet"]


def klass(
    ns: str,
    name: str,
    fields: Sequence[Sequence[Any]],
    instances: Mapping[str, Mapping[str, Any]] | None = None,
    methods: Sequence[Any] = (),
) -> dict[str, Any]:
    """A class: fields as (name, aetype[, options]), instances by name, methods as (name, {inputs})."""
    whole = [[*field, {}] if len(field) == 2 else list(field) for field in fields]
    named = [[m, {"inputs": []}] if isinstance(m, str) else list(m) for m in methods]
    return {"ns": ns, "name": name, "fields": whole, "instances": dict(instances or {}), "methods": named}


def domain(name: str, *classes: dict[str, Any], priority: int = 1, enabled: bool = True) -> dict[str, Any]:
    """A domain of such classes."""
    return {"name": name, "priority": priority, "enabled": enabled, "classes": list(classes)}


def datastore(*domains: Mapping[str, Any]) -> Datastore:
    """The domains, loaded. Fails where one of them has a mistake."""
    loaded, problems = load_domains(files_of(*domains), "automate")
    assert [str(p) for p in problems if p.severity == "error"] == []
    return Datastore(loaded)


def run(
    store: Datastore,
    uri: str,
    root: Mapping[str, Any] | None = None,
    effects: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    **options: Any,
) -> Workspace:
    """Resolve an address with a runner of :class:`Effects`."""
    return resolve(store, root or {}, uri, runner=Effects(effects), **options)


def called(workspace: Workspace) -> list[str]:
    """The names of the methods that were called, in order."""
    return [call.method.rsplit("/", 1)[1] for call in workspace.calls]


class FakeView:
    """A view on a datastore and a few objects."""

    def __init__(self, store: Datastore, objects: Mapping[ObjectRef, ObjectFacts] | None = None) -> None:
        self._store = store
        self._objects = objects or {}
        self.definitions = Definitions()
        self.asked: list[ObjectRef] = []
        self.requests: dict[str, Mapping[str, Any]] = {}
        self.deliveries: dict[int, DeliveryFacts] = {}

    @property
    def site(self) -> Any:
        """Itself: it has the one part that is asked for."""
        return self

    def part(self, name: str) -> Any:
        """The datastore, under the name of its part."""
        assert name == "automate"
        return self._store

    @property
    def now(self) -> datetime:
        """A fixed moment."""
        return datetime(2030, 1, 2, tzinfo=UTC)

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        """One of the given objects."""
        self.asked.append(ref)
        return self._objects.get(ref)

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
        """Never fired."""
        return AlertState(None, False)

    def happened(self, provider: str, ref: ObjectRef, after: datetime, until: datetime) -> Sequence[str]:
        """Events of the past stand in the ledger alone."""
        return ()

    def readings(
        self, provider: str, ref: ObjectRef, name: str, after: datetime, until: datetime
    ) -> Sequence[tuple[datetime, float]]:
        """So do readings."""
        return ()

    def silenced(self, alert: str, severity: str, provider: str, ref: ObjectRef) -> int | None:
        """Nothing is."""
        return None

    def request(self, number: str) -> Mapping[str, Any] | None:
        """One of the given requests."""
        return self.requests.get(number)

    def delivery(self, event_id: int) -> DeliveryFacts | None:
        """One of the given deliveries."""
        return self.deliveries.get(event_id)

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        """Whether it is one of the given objects."""
        return ref in self._objects


def event(event_type: str, kind: str | None = "server", ref: str | None = "s-1", **more: Any) -> Event:
    """A provider's event, or a raised one with ``namespace`` and ``source`` given."""
    outer = {name: more.pop(name) for name in ("namespace", "source", "provider", "payload") if name in more}
    facts = Normalised(
        event_type=event_type,
        raw_event_type=event_type,
        message_id="m-1",
        occurred_at=datetime(2030, 1, 1, tzinfo=UTC),
        resource_kind=kind,
        resource_id=ref,
        **more,
    )
    settled = {"provider": "lab", "source": "OPENSTACK", "namespace": "EmsEvent", "payload": {}, **outer}
    return Event(id=7, facts=facts, **settled)


EVENT_FIELDS = [
    ("guard", "assertion"),
    ("rel1", "relationship"),
    ("rel2", "relationship"),
    ("meth1", "method"),
]


def shipped_with(*instances: Mapping[str, Mapping[str, Any]], methods: Any = ()) -> Datastore:
    """The shipped domain, and above it OpenStack instances of a site."""
    if not instances:
        return Datastore([], last=shipped_domain())
    held = klass("System/Event/EmsEvent", "OpenStack", EVENT_FIELDS, instances[0], methods)
    loaded, problems = load_domains(files_of(domain("Site", held)), "automate")
    assert [p for p in problems if p.severity == "error"] == []
    return Datastore(loaded, last=shipped_domain())
