"""What the tests of the conveyor stand on: a site, notifications, small handlers, and ways to look."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import func, select

from tasks.alert.handle import alert_handler
from tasks.alert.read import read as read_alerts
from tasks.catch.ingest import Ingest, Stored
from tasks.convert.task import convert_handler
from tasks.conveyor import turn
from tasks.conveyor.installation import Installation
from tasks.conveyor.order import ORDER, from_stage
from tasks.effects.table import actions
from tasks.ledger.balance import Balance, balance
from tasks.ledger.events import DeadLetter, Event, Place
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model import event as model
from tasks.model.event import Notification
from tasks.model.outcome import Handler, Outcome, View
from tasks.policy.handle import policy_handler
from tasks.policy.read import read as read_policies
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.openstack.options import OpenStackOptions
from tasks.refresh.handle import refresh_handler
from tasks.site.contracts import Site, SiteContext
from tasks.site.profiles import read as read_profiles
from tasks.site.settings import Settings
from tasks.switchboard.handle import switchboard_handler
from tasks.switchboard.read import read_automate

START = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
REQUEST = "req-00000000-0000-4000-8000-00000000000a"
STOPPED = "compute.instance.power_off.end"

#: For tests of what only several connections at once can do.
only_postgresql = pytest.mark.parametrize(
    "ledger", [pytest.param("postgresql", marks=pytest.mark.service("postgresql"))], indirect=True
)

HANDLERS: dict[str, Handler] = {
    "convert": convert_handler,
    "switchboard": switchboard_handler,
    "policy": policy_handler,
    "alert": alert_handler,
    "refresh": refresh_handler,
}


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@dataclass
class Rung:
    """Messages that would have gone to the broker: the task names of each chain, and its argument."""

    chains: list[tuple[tuple[str, ...], Any]] = field(default_factory=list)

    def take(self, signature: Any) -> None:
        """Note a signature, or a chain of them."""
        steps = list(signature.tasks) if signature.get("task") == "celery.chain" else [signature]
        arguments = [step.args for step in steps]
        assert all(found == arguments[0] for found in arguments)
        self.chains.append((tuple(step.task for step in steps), arguments[0][0] if arguments[0] else None))


class Sites:
    """A site that never changes."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def current(self) -> Site:
        return self._site


def site(
    *,
    policies: str = "",
    alerts: str = "",
    profiles: str = "",
    providers: Sequence[ProviderConfig] = (),
    extra_actions: Mapping[str, Any] | None = None,
    automate: Mapping[str, bytes] | None = None,
    root: str = "/site",
    **settings: Any,
) -> Site:
    """A site whose files are read by the rooms' own readers, with the provider ``lab``."""
    known = Settings(**settings)
    configured = {p.name: p for p in providers or [ProviderConfig("lab", "openstack", OpenStackOptions())]}
    parts: dict[str, Any] = {}
    context = SiteContext(known, configured, {**actions(), **(extra_actions or {})}, parts=parts)
    for name, read, files in (
        ("automate", read_automate, dict(automate or {})),
        ("profiles", read_profiles, {"profiles/a.yaml": profiles.encode()} if profiles else {}),
        ("policies", read_policies, {"policies/a.yaml": policies.encode()} if policies else {}),
        ("alerts", read_alerts, {"alerts/a.yaml": alerts.encode()} if alerts else {}),
    ):
        parts[name], problems = read(files, context)
        assert [p for p in problems if p.severity == "error"] == []
    return Site(root, "v1", known, configured, parts)


def installed(ledger: Ledger, present: Site | None = None, **settings: Any) -> Installation:
    """An installation with that site, or with a plain one that has these settings."""
    return Installation(ledger, Sites(present or site(**settings)), host="here")


def provider(ledger: Ledger, name: str = "lab", *, ready: bool = True, **more: Any) -> int:
    """Store a provider; ready means that its events need not wait for inventory."""
    with ledger.transaction() as session:
        row = Provider(name=name, kind="openstack", added_at=START, ready_at=START if ready else None, **more)
        session.add(row)
        session.flush()
        return row.id


def content(event_type: str = STOPPED, server: str | None = "s1", **more: Any) -> dict[str, Any]:
    """A flat notification of our own making. ``seconds`` is when it happened, after START."""
    happened = START + timedelta(seconds=more.pop("seconds", 0))
    about = {"instance_id": server} if server else {}
    return {
        "message_id": more.pop("message_id", None) or str(uuid.uuid4()),
        "publisher_id": "compute.node7.example",
        "event_type": event_type,
        "priority": "INFO",
        "payload": {**about, "tenant_id": "red", "display_name": f"name of {server}", **more.pop("payload", {})},
        "timestamp": happened.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "_context_request_id": str(uuid.uuid4()),
        "_context_user_name": "erin",
        **more,
    }


def notice(event_type: str = STOPPED, server: str | None = "s1", **more: Any) -> Notification:
    """A notification as the bus delivers it, in its envelope."""
    inner = content(event_type, server, **more)
    return Notification(json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode(), "bus")


def versioned(event_type: str = "instance.power_off.end", server: str = "s1", **more: Any) -> Notification:
    """The same fact in nova's other payload kind: its twin, where the request is the same."""
    payload = {
        "nova_object.name": "InstanceActionPayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.8",
        "nova_object.data": {"uuid": server, "tenant_id": "red", "display_name": f"name of {server}"},
    }
    inner = content(event_type, None, **{"publisher_id": "nova-compute:node7.example", **more})
    inner["payload"] = payload
    return Notification(json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(inner)}).encode(), "bus")


def ingest(present: Installation, provider_id: int, name: str = "lab") -> Ingest:
    """The store of a provider's batches, with the real converter."""
    ignore = frozenset(present.site.providers[name].options.ignore)
    return Ingest(present.ledger, present.site.settings, name, provider_id, OpenStackConverter(), ignore)


def caught(present: Installation, provider_id: int, *notices: Notification) -> Stored:
    """Store notifications."""
    return ingest(present, provider_id).store(notices, None, "amqp")


def lanes(present: Installation) -> range:
    """All lanes."""
    return range(present.site.settings.conveyor.lanes)


def take(present: Installation, stage: str, handler: Handler | None = None, **more: Any) -> turn.Turn:
    """One turn of a stage on all lanes, with its own handler or another one."""
    return turn.take(present, [(stage, handler or HANDLERS[stage])], more.pop("lanes", lanes(present)), **more)


def all_the_way(present: Installation, handlers: Mapping[str, Handler] | None = None, rounds: int = 50) -> None:
    """Take turns at all stages until nothing is due; fused ones where the site says always."""
    known = {**HANDLERS, **(handlers or {})}
    far = present.site.settings.conveyor.fuse == "always"
    for _ in range(rounds):
        lines = [[(step, known[step]) for step in from_stage(stage)] for stage in ORDER]
        turns = [turn.take(present, line if far else line[:1], lanes(present)) for line in lines]
        if not sum(done.worked + done.failed for done in turns):
            return
    raise AssertionError("events are still on their way")


def nothing(event: model.Event, view: View) -> Outcome:
    """A handler that passes every event on."""
    return Outcome()


def outcome_of(make: Callable[[model.Event], Outcome]) -> Handler:
    """A handler from a function of the event alone."""

    def handle(event: model.Event, view: View) -> Outcome:
        return make(event)

    return handle


def exact(ledger: Ledger) -> dict[str, Balance]:
    """The balance by provider, after it was seen to be exact."""
    with ledger.reading() as session:
        found = {line.provider: line for line in balance(session)}
    assert [line.faults for line in found.values() if line.faults] == []
    return found


def sums(ledger: Ledger, name: str = "lab") -> tuple[int, int, int, int]:
    """Received, stored, duplicate and rejected of a provider."""
    line = exact(ledger)[name]
    return line.received, line.stored, line.duplicate, line.rejected


def count(ledger: Ledger, *where: Any) -> int:
    """How many rows there are: of a table, and of what narrows it."""
    table, *conditions = where
    with ledger.reading() as session:
        return session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0


def standing(ledger: Ledger) -> dict[str, str]:
    """By message id, where each event stands: its stage, or its state once it is off the belt."""
    with ledger.reading() as session:
        rows = session.execute(
            select(Event.message_id, Place.stage, Event.state).outerjoin(Place, Place.event_id == Event.id)
        )
        return {row.message_id: row.stage or row.state for row in rows}


def errors(ledger: Ledger) -> dict[str, str]:
    """By message id, why each dead event died."""
    with ledger.reading() as session:
        rows = session.execute(
            select(Event.message_id, DeadLetter.error).join(DeadLetter, DeadLetter.event_id == Event.id)
        )
        return {row.message_id: row.error for row in rows}


class Text(BaseModel, extra="forbid"):
    """Parameters of an action in tests."""

    text: str = ""
