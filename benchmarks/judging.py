"""What an event costs in rules: five that apply alone, and the same five among ten thousand of each sort."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.alert.handle import alert_handler
from tasks.alert.read import read as read_alerts
from tasks.effects.table import actions
from tasks.model.event import POLICY_EVENT, Event, Normalised, ObjectRef
from tasks.model.outcome import AlertState, DeliveryFacts, ObjectFacts, Plan
from tasks.policy.handle import policy_handler
from tasks.policy.read import read as read_policies
from tasks.site.contracts import Site, SiteContext
from tasks.site.settings import Settings

#: Policies, and alerts, that apply to each event.
FEW = 5
#: Events judged in one round.
EVENTS = 4000
#: Words of events that the rest of the rules name.
_OTHERS = ("vm_suspend", "vm_resume", "vm_pause", "vm_migrate", "vm_destroy")


@dataclass(frozen=True, slots=True)
class Judged:
    """Microseconds an event in both stages: with the few alone, and among many; and the seconds to read the many."""

    few: float
    many: float
    reading: float


class _View:
    """A view on a site and one server."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.now = datetime.now(UTC)

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        return ObjectFacts(ref, "known", "web", "p1", self.now, {"vcpus": 4, "memory_mb": 4096})

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        return True

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
        return AlertState(self.now, True)

    def happened(self, provider: str, ref: ObjectRef, after: datetime, until: datetime) -> Sequence[str]:
        return ()

    def readings(
        self, provider: str, ref: ObjectRef, name: str, after: datetime, until: datetime
    ) -> Sequence[tuple[datetime, float]]:
        return ()

    def silenced(self, alert: str, severity: str, provider: str, ref: ObjectRef) -> int | None:
        return None

    def request(self, number: str) -> Mapping[str, Any] | None:
        return None

    def delivery(self, event_id: int) -> DeliveryFacts | None:
        return None


def measure(many: int = 10_000, rounds: int = 5) -> Judged:
    """Judge the same events by both sites in turn, so that a machine that slows down slows both; medians."""
    small, _ = _site(0)
    large, reading = _site(many)
    times: dict[str, list[float]] = {"few": [], "many": []}
    for _ in range(rounds):
        for name, site in (("few", small), ("many", large)):
            times[name].append(_judge(_View(site)))
    middle = {name: sorted(found)[len(found) // 2] for name, found in times.items()}
    return Judged(round(middle["few"], 1), round(middle["many"], 1), round(reading, 1))


def _judge(view: _View) -> float:
    events = [_event(number) for number in range(EVENTS)]
    began = time.perf_counter()
    for event in events:
        policy_handler(event, view)
        alert_handler(event, view)
    return (time.perf_counter() - began) / EVENTS * 1e6


def _event(number: int) -> Event:
    facts = Normalised(
        "vm_poweroff", "vm_poweroff", f"m{number}", datetime.now(UTC), "server", f"s{number}", tenant_id="p1"
    )
    return Event(number, "bench", "POLICY", POLICY_EVENT, facts, {}, plan=Plan(enforce=True).as_dict())


def _site(rest: int) -> tuple[Site, float]:
    """A site with the few, and so many more that name other events; every tenth alert does so by a pattern."""
    held = {"field": "server.memory_mb", ">": 1024}
    policies = [_rule(f"applies-{n}", "vm_poweroff", held) for n in range(FEW)]
    policies += [_rule(f"other-{n}", _OTHERS[n % len(_OTHERS)], held) for n in range(rest)]
    alerts = [_rule(f"applies-{n}", "vm_poweroff", held, "notify") for n in range(FEW)]
    alerts += [_rule(f"other-{n}", "request_*" if n % 10 == 0 else "vm_suspend", held, "notify") for n in range(rest)]
    context = SiteContext(Settings(), {}, actions())
    began = time.perf_counter()
    read = {
        "policies": read_policies({"policies/a.yaml": json.dumps({"policies": policies}).encode()}, context),
        "alerts": read_alerts({"alerts/a.yaml": json.dumps({"alerts": alerts}).encode()}, context),
    }
    reading = time.perf_counter() - began
    wrong = [problem for _, problems in read.values() for problem in problems if problem.severity == "error"]
    if wrong:
        raise SystemExit("\n".join(map(str, wrong[:5])))
    return Site("/bench", "v", Settings(), {}, {name: value for name, (value, _) in read.items()}), reading


def _rule(name: str, on: str, when: dict[str, Any], then: str = "then") -> dict[str, Any]:
    return {"name": name, "target": "server", "on": [on], "when": when, then: [{"log": {"message": "seen"}}]}
