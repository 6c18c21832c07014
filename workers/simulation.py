"""The stages offline: the same handlers as on a worker, on events that are never stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.alert.handle import alert_handler
from tasks.convert.normalise import normaliser
from tasks.conveyor.order import ENTRY_OF_RAISED, ORDER, from_stage
from tasks.model import clock
from tasks.model.clock import rfc3339
from tasks.model.errors import DepthExceeded
from tasks.model.event import PROVIDER_EVENT, Event, Message, Normalised, ObjectRef, raised_as, raw_type_of
from tasks.model.outcome import AlertState, Ask, DeliveryFacts, Finding, Firing, Handler, ObjectFacts, Outcome, Raise
from tasks.policy.handle import policy_handler
from tasks.providers.table import converter_of
from tasks.refresh.handle import refresh_handler
from tasks.site.contracts import Site
from tasks.switchboard.handle import switchboard_handler


@dataclass(slots=True)
class Simulated:
    """What would become of one event."""

    facts: Normalised
    depth: int = 0
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)
    firings: list[Firing] = field(default_factory=list)
    targets: list[ObjectRef] = field(default_factory=list)
    children: list[Simulated] = field(default_factory=list)
    failed_at: str | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The event and its children as plain data."""
        return {
            "event_type": self.facts.event_type,
            "raw_event_type": self.facts.raw_event_type,
            "message_id": self.facts.message_id,
            "occurred_at": rfc3339(self.facts.occurred_at),
            "resource_kind": self.facts.resource_kind,
            "resource_id": self.facts.resource_id,
            "stages": {stage: [f.as_dict() for f in found] for stage, found in self.findings.items()},
            "effects": [{"action": a.action, "rule": a.rule, "params": a.params} for a in self.asks],
            "incidents": [
                {"alert": f.alert, "target": str(f.target), "severity": f.severity, "summary": f.summary}
                for f in self.firings
            ],
            "reads": [str(t) for t in self.targets],
            "error": {"stage": self.failed_at, "message": self.error} if self.error else None,
            "raised": [child.as_dict() for child in self.children],
        }


class MemoryView:
    """The view of an offline run: the site, the objects that were given, and no alert that ever fired."""

    def __init__(self, site: Site, objects: Mapping[ObjectRef, Mapping[str, Any]]) -> None:
        self._site = site
        self._objects = objects
        self._now = clock.now()
        self._fired: dict[tuple[str, ObjectRef], datetime] = {}

    @property
    def site(self) -> Site:
        """The site as it was read."""
        return self._site

    @property
    def now(self) -> datetime:
        """The moment of the run."""
        return self._now

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        """An object that was given; any other is a stub, as it would be on a worker."""
        if ref in self._objects:
            given = self._objects[ref]
            return ObjectFacts(ref, "known", given.get("name"), given.get("tenant_id"), self._now, given)
        return ObjectFacts(ref, "stub", None, None, None, {})

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        """Whether the object was given."""
        return ref in self._objects

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
        """When the alert fired in this run."""
        fired = self._fired.get((alert, ref))
        return AlertState(fired, fired is not None)

    def happened(self, provider: str, ref: ObjectRef, after: datetime, until: datetime) -> Sequence[str]:
        """Events of the past stand in the ledger alone."""
        return ()

    def readings(
        self, provider: str, ref: ObjectRef, name: str, after: datetime, until: datetime
    ) -> Sequence[tuple[datetime, float]]:
        """So do readings."""
        return ()

    def silenced(self, alert: str, severity: str, provider: str, ref: ObjectRef) -> int | None:
        """Silences stand in the ledger alone."""
        return None

    def request(self, number: str) -> Mapping[str, Any] | None:
        """Requests stand in the ledger alone."""
        return None

    def delivery(self, event_id: int) -> DeliveryFacts | None:
        """So do deliveries of their tasks."""
        return None

    def note(self, firing: Firing) -> None:
        """Let later events of the run see a firing."""
        self._fired[firing.alert, firing.target] = self._now


class Simulation:
    """Takes raw notifications of one provider through the stages."""

    def __init__(self, site: Site, provider: str, objects: Mapping[ObjectRef, Mapping[str, Any]]) -> None:
        self._site = site
        self._provider = provider
        configured = site.providers[provider]
        self._converter = converter_of(configured)
        self._source = getattr(configured.options, "source", None) or self._converter.source
        self._view = MemoryView(site, objects)
        self._handlers: dict[str, Handler] = {
            "convert": normaliser({provider: self._converter}),
            "switchboard": switchboard_handler,
            "policy": policy_handler,
            "alert": alert_handler,
            "refresh": refresh_handler,
        }
        self._ids = iter(range(1, 1_000_000_000))

    def run(self, body: bytes) -> list[Simulated]:
        """All events of one notification. Raises :class:`tasks.model.errors.BadPayload` for one that cannot be read."""
        return [self._message(message) for message in self._converter.unwrap(body)]

    def _message(self, message: Message) -> Simulated:
        identity = self._converter.identify(message)
        facts = Normalised(
            identity.event_type,
            identity.raw_event_type,
            identity.message_id,
            identity.occurred_at,
            identity.resource_kind,
            identity.resource_id,
        )
        payload = {"form": message.form, "content": message.content}
        event = Event(next(self._ids), self._provider, self._source, PROVIDER_EVENT, facts, payload)
        return self._walk(event, ORDER)

    def _walk(self, event: Event, stages: tuple[str, ...]) -> Simulated:
        result = Simulated(event.facts, event.depth)
        raised: list[Raise] = []
        for stage in stages:
            try:
                outcome = self._handlers[stage](event, self._view)
            except Exception as error:  # noqa: BLE001 - what a worker would put off or lay on the desk is shown here
                result.failed_at, result.error = stage, f"{type(error).__name__}: {error}"
                return result
            self._take(stage, event, outcome, result)
            raised += outcome.raises
        result.children = [self._child(event, wish) for wish in raised]
        return result

    def _take(self, stage: str, event: Event, outcome: Outcome, result: Simulated) -> None:
        result.findings[stage] = outcome.findings
        if outcome.facts is not None:
            event.facts = result.facts = outcome.facts
        if outcome.plan is not None:
            event.plan = outcome.plan.as_dict()
        result.asks += outcome.asks
        result.firings += outcome.firings
        result.targets += outcome.targets
        for firing in outcome.firings:
            self._view.note(firing)

    def _child(self, cause: Event, wish: Raise) -> Simulated:
        facts = Normalised(
            event_type=wish.event_type,
            raw_event_type=wish.detail or raw_type_of(wish.source, wish.event_type),
            message_id=f"raised:{cause.id}:{wish.event_type}",
            occurred_at=cause.facts.occurred_at,
            resource_kind=wish.target.kind,
            resource_id=wish.target.id,
            parents=cause.facts.parents,
            details=cause.facts.details,
            tenant_id=cause.facts.tenant_id,
            actor=cause.facts.actor,
            host=cause.facts.host,
            request_id=cause.facts.request_id,
        )
        namespace, source = raised_as(facts)
        child = Event(
            next(self._ids),
            cause.provider,
            source,
            namespace,
            facts,
            {"form": "raised", "content": wish.words()} if wish.source else cause.payload,
            parent_id=cause.id,
            depth=cause.depth + 1,
        )
        if child.depth > self._site.settings.conveyor.depth:
            error = DepthExceeded(f"deeper than conveyor.depth ({self._site.settings.conveyor.depth}) allows")
            return Simulated(facts, child.depth, failed_at=ENTRY_OF_RAISED, error=str(error))
        walked = self._walk(child, from_stage(ENTRY_OF_RAISED))
        held_back = walked.error or any(f.kind == "operation" for f in walked.findings.get("policy", ()))
        if wish.operation is not None and not held_back:
            walked.asks.append(wish.operation)
        return walked
