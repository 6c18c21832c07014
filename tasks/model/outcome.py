"""What a stage concluded on one event: plain values that the conveyor writes in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from tasks.model.compliance import Checked
from tasks.model.event import Event, Normalised, ObjectRef


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, with its result and the reason: what ``why`` prints.

    ``kind`` is the sort of thing (``instance``, ``method``, ``policy``, ``alert``, ``target``),
    ``name`` the thing, ``verdict`` a short word, ``detail`` the values that decided.
    """

    kind: str
    name: str
    verdict: str
    detail: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain data for the ledger."""
        return {
            "kind": self.kind,
            "name": self.name,
            "verdict": self.verdict,
            **({"detail": self.detail} if self.detail else {}),
        }


@dataclass(frozen=True, slots=True)
class Limit:
    """How often effects may be tried within so many seconds: those of one rule, and those of it on one object."""

    per_rule: int
    per_target: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """An effect asked for. One row a (event, rule, action, target): the idempotency key (DESIGN 3).

    ``after`` is the one that has to be done first. ``guard`` names the internal event whose policies decide
    whether it comes to be at all (spec policy-alerts 2.9).
    """

    action: str
    rule: str
    params: dict[str, Any]
    target: ObjectRef | None = None
    ordinal: int = 0
    limit: Limit | None = None
    after: Ask | None = None
    guard: str | None = None

    def key(self, event_id: int) -> str:
        """The idempotency key under the event that caused the effect."""
        return f"{event_id}:{self.rule}:{self.action}:{self.target or ''}:{self.ordinal}"


@dataclass(frozen=True, slots=True)
class Raise:
    """An internal event to raise on an object, caused by the event at hand.

    ``detail`` says what of its kind it is, where that is more than its type: the alert that is to be asked. With a
    ``source`` it is a custom event (``CustomEvent/<source>``), which carries its ``inputs``. ``operation``
    is the effect that is written once the policies of this event let it pass.
    """

    event_type: str
    target: ObjectRef
    inputs: dict[str, Any] = field(default_factory=dict)
    source: str | None = None
    operation: Ask | None = None
    detail: str | None = None

    def words(self) -> dict[str, Any]:
        """What a custom event carries, in the form of a notification."""
        return {"event_type": self.event_type, "payload": self.inputs}


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that fired on an object: opens an incident, or counts on the one that is open."""

    alert: str
    target: ObjectRef
    severity: str
    summary: str
    notify: bool


@dataclass(frozen=True, slots=True)
class Resolution:
    """An alert whose incident on an object the event ends."""

    alert: str
    target: ObjectRef


@dataclass(frozen=True, slots=True)
class Label:
    """Tags that a rule gives to an object, or takes away."""

    target: ObjectRef
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Petition:
    """A request that a rule opens: its type, its options, and what it is about in words.

    With ``approved_by`` it is approved at once, in the name of that rule.
    """

    request_type: str
    options: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    approved_by: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A move that a rule makes on the request at hand: ``approve``, ``deny`` or ``pend``, and why."""

    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """How a delivery of the switchboard ended: ``ok``, ``error``, ``raised``, ``empty``, and what was said of it."""

    result: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Again:
    """The stage has not come to an end with the event: it is met again after so many seconds, with what was kept."""

    seconds: float
    kept: dict[str, Any]


@dataclass(slots=True)
class Plan:
    """What the switchboard decided: names the refresh targets, and whether policies are asked.

    ``kept`` is what a state machine that waits for its next delivery goes on with; ``alerts`` has the alerts
    asked and no policy.
    """

    enforce: bool = False
    targets: list[ObjectRef] = field(default_factory=list)
    kept: dict[str, Any] | None = None
    alerts: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data for the event's row."""
        plan: dict[str, Any] = {"enforce": self.enforce, "targets": [[t.kind, t.id] for t in self.targets]}
        more = {"alerts": True} if self.alerts else {}
        return {**plan, **more, **({"kept": self.kept} if self.kept is not None else {})}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Plan:
        """Read a plan back from the event's row; an event without one has an empty plan."""
        if not data:
            return cls()
        targets = [ObjectRef(k, i) for k, i in data.get("targets", [])]
        return cls(bool(data.get("enforce")), targets, data.get("kept"), bool(data.get("alerts")))


@dataclass(slots=True)
class Outcome:
    """All that one stage concluded on one event. An empty outcome passes the event on unchanged.

    With ``again`` the event stays at the stage, and holds back nobody. ``delivered`` is set for deliveries
    that a request waits for, ``options`` where a method changed those of its task. ``prevented`` names the rule
    that keeps the operation from happening which the event announces; ``undecided`` says why nobody could tell.
    """

    findings: list[Finding] = field(default_factory=list)
    facts: Normalised | None = None
    plan: Plan | None = None
    raises: list[Raise] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    firings: list[Firing] = field(default_factory=list)
    targets: list[ObjectRef] = field(default_factory=list)
    resolutions: list[Resolution] = field(default_factory=list)
    petitions: list[Petition] = field(default_factory=list)
    again: Again | None = None
    delivered: Delivered | None = None
    moves: list[Move] = field(default_factory=list)
    options: dict[str, Any] | None = None
    checks: list[Checked] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    prevented: str | None = None
    undecided: str | None = None


class ObjectFacts(NamedTuple):
    """An inventory object as a rule sees it.

    ``state`` is ``known``, ``stub`` (named by an event, not read yet) or ``gone``; ``read_at`` tells
    how old the facts are; ``attributes`` are the fields of ``docs/inventory.md``.
    """

    ref: ObjectRef
    state: str
    name: str | None
    tenant_id: str | None
    read_at: datetime | None
    attributes: Mapping[str, Any]


class AlertState(NamedTuple):
    """When an alert last fired on an object, and whether its incident is still open."""

    fired_at: datetime | None
    open: bool


class DeliveryFacts(NamedTuple):
    """What an event hands to the Automate engine in place of itself (spec automate 6.1).

    ``task`` are the options of the request task that it works for; ``canceled``: nobody wants it any more.
    """

    uri: str
    attributes: Mapping[str, Any]
    request: str | None
    task_id: str | None
    task: Mapping[str, Any]
    user: str
    tenant_id: str | None
    canceled: bool


class View(Protocol):
    """What a stage may look at: read only, loaded for the whole batch at once.

    On a worker it stands on the ledger; in ``catchment simulate`` on a file.
    """

    @property
    def site(self) -> Any:
        """The site as it was loaded, with ``version`` and ``part(name)`` (see :mod:`tasks.site`)."""

    @property
    def now(self) -> datetime:
        """The moment of the batch: the same for all its events."""

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        """The inventory object, or None where Catchment has never heard of it."""

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
        """The state of one alert on one object, firings of this batch included."""

    def happened(self, provider: str, ref: ObjectRef, after: datetime, until: datetime) -> Sequence[str]:
        """The types of the events on the object after one moment up to another, each at most a thousand times."""

    def readings(
        self, provider: str, ref: ObjectRef, name: str, after: datetime, until: datetime
    ) -> Sequence[tuple[datetime, float]]:
        """Readings of one name on the object after one moment up to another, oldest first; the newest thousand."""

    def silenced(self, alert: str, severity: str, provider: str, ref: ObjectRef) -> int | None:
        """The id of a silence that covers a firing of the alert on the object; None where there is none."""

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        """Whether inventory has the object, as a stub at least."""

    def request(self, number: str) -> Mapping[str, Any] | None:
        """A request by its id: ``request_type``, ``options``, ``requester``, states; None where there is none."""

    def delivery(self, event_id: int) -> DeliveryFacts | None:
        """What the event delivers; None for an event that delivers itself."""


class Handler(Protocol):
    """A room's pure work on one event. It may raise; the conveyor then retries this event alone."""

    def __call__(self, event: Event, view: View) -> Outcome:
        """Conclude on one event."""
