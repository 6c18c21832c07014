"""Which alerts fire on an event, when they notify and when they hold their tongue."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from tasks.alert.handle import SUMMARY_LIMIT, alert_handler
from tasks.alert.model import AlertSet
from tasks.alert.read import read
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import AlertState, ObjectFacts, Outcome
from tasks.site.contracts import Site, SiteContext
from tasks.site.settings import Settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SERVER = ObjectRef("server", "s1")
WEB = ObjectFacts(SERVER, "known", "web", "p1", NOW, {"status": "SHUTOFF"})


class Anything(BaseModel, extra="allow"):
    """Parameters of an action for tests."""


class Act:
    params: ClassVar[type[BaseModel]] = Anything


@dataclass
class FakeView:
    alerts: AlertSet
    known: ObjectFacts | None = WEB
    now: datetime = NOW
    notified: dict[tuple[str, str, ObjectRef], datetime] = field(default_factory=dict)

    measured: dict[str, list[tuple[datetime, float]]] = field(default_factory=dict)

    @property
    def site(self) -> Site:
        return Site("/site", "v1", Settings(), {}, {"alerts": self.alerts})

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        return self.known

    def happened(self, *_: object) -> list[str]:
        return []

    def readings(
        self, provider: str, ref: ObjectRef, name: str, after: datetime, until: datetime
    ) -> list[tuple[datetime, float]]:
        return [(at, value) for at, value in self.measured.get(name, []) if after < at <= until]

    def silenced(self, *_: object) -> None:
        return None

    def request(self, number: str) -> None:
        return None

    def delivery(self, event_id: int) -> None:
        return None

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        return self.known is not None

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
        at = self.notified.get((alert, provider, ref))
        return AlertState(at, at is not None)

    def note(self, outcome: Outcome) -> None:
        """What the conveyor's view does with the firings of one event before the next one."""
        for firing in outcome.firings:
            if firing.notify:
                self.notified[firing.alert, "cloud", firing.target] = self.now


def view(text: str, **options: Any) -> FakeView:
    context = SiteContext(Settings(), {}, {"mail": Act()})
    found, problems = read({"alerts/a.yaml": text.encode()}, context)
    assert problems == []
    return FakeView(found, **options)


def raised(event_type: str = "vm_poweroff", enforce: bool = True, **payload: Any) -> Event:
    told = Normalised(event_type, event_type, "m1", NOW, "server", "s1", tenant_id="p1")
    return Event(7, "cloud", "POLICY", "MiqEvent", told, {"payload": payload}, plan={"enforce": enforce, "targets": []})


def provided(event_type: str, kind: str | None = None) -> Event:
    told = Normalised(event_type, event_type, "m1", NOW, kind, "s1" if kind else None)
    return Event(7, "cloud", "OPENSTACK", "EmsEvent", told, {})


DOWN = """
alerts:
  - name: down
    description: "${target.name} is down"
    severity: error
    on: [vm_poweroff]
    target: server
    when: {field: server.status, is: %s}
    delay: %s
    notify: [{mail: {subject: "${event.event_type}"}}, {mail: {subject: b}}]
"""


def test_alert_that_holds_fires_notifies_and_gives_its_reason() -> None:
    outcome = alert_handler(raised(), view(DOWN % ("SHUTOFF", "10m")))
    [firing] = outcome.firings
    assert (firing.alert, firing.target, firing.severity, firing.summary, firing.notify) == (
        "down",
        SERVER,
        "error",
        "web is down",
        True,
    )
    [finding] = outcome.findings
    assert (finding.kind, finding.name, finding.verdict) == ("alert", "down", "fired")
    assert finding.detail["path"] == "server.status"
    assert [(asked.rule, asked.ordinal, asked.target) for asked in outcome.asks] == [
        ("alert:down", 0, SERVER),
        ("alert:down", 1, SERVER),
    ]
    assert outcome.asks[0].params == {"subject": "vm_poweroff"}


def test_alert_that_does_not_hold_does_not_fire_and_says_why() -> None:
    outcome = alert_handler(raised(), view(DOWN % ("ACTIVE", "10m")))
    assert (outcome.firings, outcome.asks) == ([], [])
    [finding] = outcome.findings
    assert (finding.verdict, finding.detail["found"]) == ("not fired", "SHUTOFF")


def test_check_76_delay_holds_back_notifications_but_counts_the_firing() -> None:
    looked = view(DOWN % ("SHUTOFF", "5m"))
    looked.note(alert_handler(raised(), looked))
    looked.now = NOW + timedelta(minutes=4)
    held = alert_handler(raised(), looked)
    assert [firing.notify for firing in held.firings] == [False]
    assert held.asks == []
    assert [finding.verdict for finding in held.findings] == ["held: fired 4 min ago, delay 5 min"]
    looked.note(held)
    looked.now = NOW + timedelta(minutes=10)
    again = alert_handler(raised(), looked)
    assert [firing.notify for firing in again.firings] == [True]
    assert len(again.asks) == 2


def test_delay_is_over_at_its_very_end_and_counts_for_each_object_and_alert() -> None:
    looked = view(DOWN % ("SHUTOFF", "5m"))
    for key, moment, expected in [
        (("down", "cloud", SERVER), NOW - timedelta(minutes=5), True),
        (("down", "cloud", SERVER), NOW - timedelta(minutes=5) + timedelta(microseconds=1), False),
        (("down", "other", SERVER), NOW, True),
        (("down", "cloud", ObjectRef("server", "s2")), NOW, True),
        (("up", "cloud", SERVER), NOW, True),
    ]:
        looked.notified = {key: moment}
        assert alert_handler(raised(), looked).firings[0].notify is expected


def test_zero_delay_always_notifies() -> None:
    looked = view(DOWN % ("SHUTOFF", "0s"))
    for _ in range(3):
        outcome = alert_handler(raised(), looked)
        looked.note(outcome)
        assert outcome.firings[0].notify


def test_second_event_of_a_batch_is_held_by_the_first() -> None:
    looked = view(DOWN % ("SHUTOFF", "10m"))
    first = alert_handler(raised(), looked)
    looked.note(first)
    second = alert_handler(raised(), looked)
    assert [firing.notify for outcome in (first, second) for firing in outcome.firings] == [True, False]
    assert second.findings[0].verdict == "held: fired 0 s ago, delay 10 min"


@pytest.mark.parametrize("plan", [None, {"enforce": False, "targets": []}])
def test_internal_event_that_is_not_enforced_does_not_ask_alerts(plan: dict[str, Any] | None) -> None:
    happened = raised()
    happened.plan = plan
    outcome = alert_handler(happened, view(DOWN % ("SHUTOFF", "10m")))
    assert outcome.firings == []
    assert [(finding.name, finding.verdict) for finding in outcome.findings] == [("down", "not asked")]


ERRORS = "alerts: [{name: broken, on: ['compute.instance.*.error'], notify: [{mail: {}}]}]"


def test_provider_event_is_asked_without_enforcement_about_its_object() -> None:
    outcome = alert_handler(provided("compute.instance.create.error", "server"), view(ERRORS))
    assert [firing.target for firing in outcome.firings] == [SERVER]
    assert outcome.findings[0].detail == {"condition": "always"}
    assert outcome.firings[0].summary == "broken"


def test_provider_event_about_nothing_fires_on_its_type() -> None:
    outcome = alert_handler(provided("compute.instance.x.error"), view(ERRORS, known=None))
    [firing] = outcome.firings
    assert firing.target == ObjectRef("event", "compute.instance.x.error")
    assert [asked.target for asked in outcome.asks] == [None]


def test_event_that_no_alert_names_concludes_nothing() -> None:
    outcome = alert_handler(raised("vm_start"), view(DOWN % ("SHUTOFF", "10m")))
    assert outcome == Outcome()


def test_alert_that_cannot_be_judged_is_an_error_of_its_own_and_does_not_fire() -> None:
    text = """
alerts:
  - {name: broken, on: [vm_poweroff], when: {field: event.payload.big, matches: x}, notify: [{mail: {}}]}
  - {name: sound, on: [vm_poweroff]}
"""
    outcome = alert_handler(raised(big="y" * 300_000), view(text))
    assert [(finding.name, finding.verdict) for finding in outcome.findings] == [
        ("broken", "error"),
        ("sound", "fired"),
    ]
    assert [firing.alert for firing in outcome.firings] == ["sound"]
    assert outcome.asks == []


def test_summary_is_bounded() -> None:
    text = 'alerts: [{name: long, on: [vm_poweroff], description: "${event.payload.a}"}]'
    [firing] = alert_handler(raised(a="z" * 100_000), view(text)).firings
    assert len(firing.summary) == SUMMARY_LIMIT


def test_alerts_that_do_not_apply_are_not_looked_at() -> None:
    idle = "".join(f"  - {{name: n{n}, on: [other_{n}], when: {{field: target.name, is: x}}}}\n" for n in range(200))
    outcome = alert_handler(raised(), view(f"alerts:\n{idle}  - {{name: mine, on: [vm_poweroff]}}\n"))
    assert [finding.name for finding in outcome.findings] == ["mine"]
