"""What policies conclude on an event: three ways and an error, the reason, and what they ask for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from tasks.expressions.tree import Expression
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import AlertState, ObjectFacts, Outcome
from tasks.policy.handle import policy_handler
from tasks.policy.model import PolicySet
from tasks.policy.read import read
from tasks.site.contracts import Site, SiteContext
from tasks.site.settings import Settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Anything(BaseModel, extra="allow"):
    """Parameters of an action for tests."""


class Act:
    params: ClassVar[type[BaseModel]] = Anything


@dataclass
class FakeView:
    policies: PolicySet
    known: ObjectFacts | None
    asked: list[ObjectRef] = field(default_factory=list)

    @property
    def site(self) -> Site:
        return Site("/site", "v1", Settings(), {}, {"policies": self.policies})

    @property
    def now(self) -> datetime:
        return NOW

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        assert provider == "cloud"
        self.asked.append(ref)
        return self.known

    def happened(self, *_: object) -> list[str]:
        return []

    def readings(self, *_: object) -> list[tuple[datetime, float]]:
        return []

    def silenced(self, *_: object) -> None:
        return None

    def request(self, number: str) -> None:
        return None

    def delivery(self, event_id: int) -> None:
        return None

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        return self.known is not None

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
        raise AssertionError("policies do not look at alerts")


def policy_set(text: str) -> PolicySet:
    context = SiteContext(Settings(), {}, {"log": Act(), "hook": Act()})
    found, problems = read({"policies/a.yaml": text.encode()}, context)
    assert problems == []
    return found


def event(event_type: str = "vm_start", enforce: bool = True, kind: str | None = "server", **payload: Any) -> Event:
    told = Normalised(event_type, event_type, "m1", NOW, kind, "s1" if kind else None, tenant_id="p1")
    return Event(7, "cloud", "POLICY", "MiqEvent", told, {"payload": payload}, plan={"enforce": enforce, "targets": []})


def server(state: str = "known", **attributes: Any) -> ObjectFacts:
    return ObjectFacts(ObjectRef("server", "s1"), state, "web", "p1", NOW, attributes)


def conclude(text: str, happened: Event | None = None, known: ObjectFacts | None = None) -> Outcome:
    view = FakeView(policy_set(text), known or server(status="SHUTOFF", memory_mb=4096))
    return policy_handler(happened or event(), view)


ONE = """
policies:
  - name: big
    target: server
    on: [vm_start]
    scope: {field: event.tenant_id, is: %s}
    when: {field: server.memory_mb, ">": %s}
    then: [{log: {message: "big ${target.name}"}}]
    otherwise: [{log: {message: small}}, {log: {message: small}}]
"""


def test_event_that_is_not_to_be_enforced_is_not_asked() -> None:
    view = FakeView(policy_set(ONE % ("p1", 1)), server())
    for plan in (None, {}, {"enforce": False, "targets": []}):
        happened = event()
        happened.plan = plan
        [finding] = policy_handler(happened, view).findings
        assert finding.as_dict() == {"kind": "policy", "name": "-", "verdict": "not asked"}
    assert view.asked == []


def test_check_24_and_25_met_condition_matches_and_asks_for_the_actions_of_success() -> None:
    outcome = conclude(ONE % ("p1", 1000))
    [finding] = outcome.findings
    assert (finding.kind, finding.name, finding.verdict) == ("policy", "big", "matched")
    assert finding.detail == {
        "condition": "when",
        "path": "server.memory_mb",
        "operator": ">",
        "expected": 1000,
        "found": 4096,
        "held": True,
    }
    [asked] = outcome.asks
    assert (asked.action, asked.rule, asked.params) == ("log", "policy:big:true", {"message": "big web"})
    assert asked.target == ObjectRef("server", "s1")


def test_check_24_and_25_unmet_condition_does_not_match_and_asks_for_the_actions_of_failure() -> None:
    outcome = conclude(ONE % ("p1", 9000))
    assert [finding.verdict for finding in outcome.findings] == ["not matched"]
    assert outcome.findings[0].detail["found"] == 4096
    assert [(asked.rule, asked.ordinal) for asked in outcome.asks] == [
        ("policy:big:false", 0),
        ("policy:big:false", 1),
    ]
    assert len({asked.key(7) for asked in outcome.asks}) == 2


def test_check_20_false_scope_is_out_of_scope_and_asks_for_nothing() -> None:
    outcome = conclude(ONE % ("p2", 1000))
    [finding] = outcome.findings
    assert finding.verdict == "out of scope"
    assert (finding.detail["condition"], finding.detail["path"], finding.detail["found"]) == (
        "scope",
        "event.tenant_id",
        "p1",
    )
    assert outcome.asks == []


def test_check_20_policy_of_another_kind_or_event_does_not_apply() -> None:
    for happened in (event("vm_stop"), event(kind="host")):
        [finding] = conclude(ONE % ("p1", 1), happened).findings
        assert (finding.name, finding.verdict) == ("-", "none attached")


def test_event_about_nothing_has_no_policies() -> None:
    [finding] = conclude(ONE % ("p1", 1), event(kind=None)).findings
    assert finding.verdict == "no target"


def test_check_28_first_false_condition_ends_a_policy() -> None:
    outcome = conclude(
        """
policies:
  - name: two
    target: server
    on: [vm_start]
    conditions:
      - {name: first, when: {field: server.status, is: ACTIVE}}
      - {name: second, when: {field: event.payload.big, matches: x}}
""",
        event(big="y" * 300_000),
    )
    [finding] = outcome.findings
    assert (finding.verdict, finding.detail["condition"]) == ("not matched", "first")


def test_check_29_condition_out_of_its_scope_is_passed_over_and_alone_it_succeeds() -> None:
    outcome = conclude(
        """
policies:
  - name: skipped
    target: server
    on: [vm_start]
    conditions:
      - {name: only, when: {field: server.status, is: ACTIVE}, scope: {field: event.tenant_id, is: p2}}
"""
    )
    [finding] = outcome.findings
    assert (finding.verdict, finding.detail) == ("matched", {"condition": "always"})


def test_check_30_policy_without_conditions_succeeds_with_an_always() -> None:
    outcome = conclude("policies: [{name: bare, target: server, on: [vm_start], then: [{log: {}}]}]")
    [finding] = outcome.findings
    assert (finding.verdict, finding.detail) == ("matched", {"condition": "always"})
    assert len(outcome.asks) == 1


def test_check_31_inactive_policy_is_not_enforced() -> None:
    [finding] = conclude("policies: [{name: idle, target: server, on: [vm_start], active: false}]").findings
    assert finding.verdict == "none attached"


def test_check_33_actions_of_success_come_before_actions_of_failure() -> None:
    outcome = conclude(
        """
policies:
  - {name: a, target: server, on: [vm_start], when: {field: server.status, is: X}, otherwise: [{log: {}}]}
  - {name: b, target: server, on: [vm_start], then: [{log: {}}, {hook: {}}]}
  - {name: c, target: server, on: [vm_start], when: {field: server.status, is: X}, otherwise: [{hook: {}}]}
  - {name: d, target: server, on: [vm_start], then: [{log: {}}]}
"""
    )
    assert [finding.name for finding in outcome.findings] == ["a", "b", "c", "d"]
    assert [asked.rule for asked in outcome.asks] == [
        "policy:b:true",
        "policy:b:true",
        "policy:d:true",
        "policy:a:false",
        "policy:c:false",
    ]


@pytest.mark.parametrize("where", ["scope", "when"])
def test_policy_that_cannot_be_judged_is_an_error_of_its_own_and_asks_for_nothing(where: str) -> None:
    text = f"""
policies:
  - name: broken
    target: server
    on: [vm_start]
    {where}: {{field: event.payload.big, matches: x}}
    then: [{{log: {{}}}}]
    otherwise: [{{log: {{}}}}]
  - {{name: sound, target: server, on: [vm_start], then: [{{log: {{}}}}]}}
"""
    outcome = conclude(text, event(big="y" * 300_000))
    broken, sound = outcome.findings
    assert (broken.name, broken.verdict, broken.detail["condition"]) == ("broken", "error", where)
    assert "event.payload.big" in broken.detail["error"]
    assert sound.verdict == "matched"
    assert [asked.rule for asked in outcome.asks] == ["policy:sound:true"]


def test_target_that_inventory_does_not_know_counts_as_missing_and_is_told() -> None:
    view = FakeView(policy_set(ONE % ("p1", -1)), None)
    outcome = policy_handler(event(), view)
    [finding] = outcome.findings
    assert (finding.verdict, finding.detail["found"], finding.detail["target"]) == (
        "matched",
        None,
        "unknown",
    )
    assert outcome.asks[0].params == {"message": "big "}
    assert view.asked == [ObjectRef("server", "s1")]


def test_strict_policy_does_not_match_what_is_missing() -> None:
    text = """
policies: [{name: s, target: server, on: [vm_start], missing: strict, when: {field: server.x, "<": 9}}]
"""
    [finding] = conclude(text).findings
    assert (finding.verdict, finding.detail["found"]) == ("not matched", None)
    assert conclude(text.replace("missing: strict, ", "")).findings[0].verdict == "matched"


@pytest.mark.parametrize("state", ["stub", "gone"])
def test_finding_tells_that_the_target_was_not_read_or_is_gone(state: str) -> None:
    [finding] = conclude(ONE % ("p1", 1), known=server(state)).findings
    assert finding.detail["target"] == state


def test_same_event_concludes_the_same_again() -> None:
    first, second = conclude(ONE % ("p1", 1000)), conclude(ONE % ("p1", 1000))
    assert first.findings == second.findings
    assert [asked.key(7) for asked in first.asks] == [asked.key(7) for asked in second.asks]


SOME = "policies:\n" + "".join(
    f"  - {{name: p{n}, target: server, on: [vm_start], when: {{field: server.memory_mb, '>': {n}}}}}\n"
    for n in range(5)
)


def test_ten_thousand_policies_that_do_not_apply_cost_no_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Expression] = []
    judge = Expression.judge

    def counted(self: Expression, facts: Any) -> Any:
        judged.append(self)
        return judge(self, facts)

    monkeypatch.setattr(Expression, "judge", counted)
    counts = []
    applying = list(policy_set(SOME).policies.values())
    idle = [
        replace(policy, name=f"idle{number}", **{key: value})
        for number in range(2500)
        for policy in applying[:2]
        for key, value in (("target", "host"), ("on", ("vm_stop",)))
    ]
    for policies in (PolicySet(applying), PolicySet([*idle, *applying])):
        judged.clear()
        outcome = policy_handler(event(), FakeView(policies, server(memory_mb=4096)))
        counts.append((len(judged), len(outcome.findings)))
    assert len(idle) == 10_000
    assert counts == [(5, 5), (5, 5)]
