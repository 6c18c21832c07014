"""How fast the switchboard resolves events on a domain of many instances: each type the first time, and again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.model.definitions import Definitions
from tasks.model.event import PROVIDER_EVENT, Event, Normalised, ObjectRef
from tasks.model.outcome import AlertState, DeliveryFacts, ObjectFacts
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.handle import switchboard_handler
from tasks.switchboard.load import load_domains
from tasks.switchboard.plain import ROOT, files_of
from tasks.switchboard.read import shipped_domain

#: Instances of the domain, each for an event type of its own.
INSTANCES = 700
AGAIN = 20


@dataclass(frozen=True, slots=True)
class Resolutions:
    """Seconds to load the domain, and events a second: each type the first time, and when it is remembered."""

    loading: float
    cold: float
    warm: float


class _View:
    """A view on a datastore alone."""

    def __init__(self, store: Datastore) -> None:
        self._store = store
        self.now = datetime.now(UTC)
        self.definitions = Definitions()

    @property
    def site(self) -> Any:
        return self

    def part(self, _name: str) -> Datastore:
        return self._store

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        return None

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        return False

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
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
        return None

    def request(self, number: str) -> Mapping[str, Any] | None:
        return None

    def delivery(self, event_id: int) -> DeliveryFacts | None:
        return None


def measure() -> Resolutions:
    """Resolve an event of each type, as the stage does, and then each of them again."""
    files = files_of(_domain())
    began = time.perf_counter()
    domains, problems = load_domains(files, ROOT)
    loading = time.perf_counter() - began
    if any(problem.severity == "error" for problem in problems):
        raise SystemExit("\n".join(map(str, problems[:5])))
    view = _View(Datastore(domains, last=shipped_domain()))
    events = [_event(number) for number in range(INSTANCES)]
    began = time.perf_counter()
    for event in events:
        switchboard_handler(event, view)
    cold = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(AGAIN):
        for event in events:
            switchboard_handler(event, view)
    warm = time.perf_counter() - began
    return Resolutions(round(loading, 2), round(INSTANCES / cold), round(AGAIN * INSTANCES / warm))


def _domain() -> dict[str, Any]:
    """Instances that refresh their object and raise a policy event, as those of real domains do."""
    steps = [[f"rel{n}", "relationship"] for n in range(1, 6)]
    instances = {
        _type(number): {
            "rel4": "/System/event_handlers/refresh",
            "rel5": "/System/event_handlers/event_action_policy?target=src_vm&policy_event=vm_start&param=",
        }
        for number in range(INSTANCES)
    }
    held = {"ns": "System/Event/EmsEvent", "name": "OpenStack", "fields": steps, "instances": instances}
    return {"name": "Bench", "priority": 1, "enabled": True, "classes": [held]}


def _type(number: int) -> str:
    return f"bench.object_{number}.changed"


def _event(number: int) -> Event:
    facts = Normalised(_type(number), _type(number), f"m{number}", datetime.now(UTC), "server", f"s{number}")
    return Event(number, "bench", "OPENSTACK", PROVIDER_EVENT, facts, {})
