"""Compliance: an object is checked, its history and state are kept, and the outcome is told to rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.conveyor.prune import expire
from tasks.ledger import compliance
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.inventory import KNOWN, InventoryObject
from tasks.ledger.session import Ledger
from tests.ground import START, Clock, all_the_way, caught, exact, installed, notice, provider, site

CHECKING = """
policies:
- {name: look, target: server, on: [vm_poweroff], then: [check_compliance]}
"""
OWNED = """
- name: owned
  mode: compliance
  target: server
  conditions:
  - {name: owner, when: {field: server.metadata.owner, empty: false}}
  - {name: small, when: {field: server.memory_mb, "<=": 4096}}
  otherwise: [{log: {message: "${target.name} is not as it has to be"}}]
"""
TOLD = """
alerts:
- {name: drifted, severity: error, target: server, on: [vm_compliance_failed], resolved_by: [vm_compliance_passed]}
"""


def known(ledger: Ledger, cloud: int, ref: str = "s1", **attributes: Any) -> None:
    with ledger.transaction() as session:
        session.add(
            InventoryObject(
                provider_id=cloud,
                kind="server",
                ref=ref,
                state=KNOWN,
                name=f"name of {ref}",
                attributes=attributes,
                seen_at=START,
                read_at=START,
            )
        )


def checks(ledger: Ledger) -> list[tuple[str, str, list[dict[str, Any]]]]:
    with ledger.reading() as session:
        rows = session.scalars(select(compliance.ComplianceCheck).order_by(compliance.ComplianceCheck.id))
        return [(row.ref, row.status, row.details) for row in rows]


def raised(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return list(session.scalars(select(Event.event_type).where(Event.raised).order_by(Event.id)))


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_check_114_a_violated_object_is_recorded_with_every_condition_and_told(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    present = installed(ledger, site(policies=CHECKING + OWNED, alerts=TOLD, conveyor={"fuse": fuse}))
    cloud = provider(ledger)
    known(ledger, cloud, metadata={}, memory_mb=8192)
    known(ledger, cloud, "s2", metadata={"owner": "erin"}, memory_mb=512)
    caught(present, cloud, notice(), notice(server="s2"))
    all_the_way(present)
    by_server = {ref: (status, details) for ref, status, details in checks(ledger)}
    status, [line] = by_server["s1"]
    assert (status, line["policy"], line["verdict"]) == ("non-compliant", "owned", "not matched")
    # Both, where a control policy would have stopped at the first (check 28).
    assert [(c["condition"], c["result"], c["found"]) for c in line["conditions"]] == [
        ("owner", False, None),
        ("small", False, 8192),
    ]
    assert by_server["s2"][0] == "compliant"
    assert sorted(raised(ledger)).count("vm_compliance_failed") == 1
    assert sorted(raised(ledger)).count("vm_compliance_passed") == 1
    with ledger.reading() as session:
        [effect] = session.scalars(select(Effect))
        assert effect.params == {"message": "name of s1 is not as it has to be"}
        assert [(c.ref, name) for c, name in compliance.states(session, "non-compliant")] == [("s1", "lab")]
        assert len(compliance.history(session, "lab", "server", "s2")) == 1
    assert exact(ledger)


@pytest.mark.parametrize(
    ("rest", "verdict"),
    [
        ("", None),
        ("- {name: c, mode: compliance, target: server, scope: {field: server.name, is: other}}", "out of scope"),
        ("- {name: c, mode: compliance, target: server, active: false}", None),
    ],
    ids=["no policy", "out of scope", "inactive"],
)
def test_check_116_and_117_nothing_in_scope_is_a_third_status_and_tells_nobody(
    ledger: Ledger, hands: Clock, rest: str, verdict: str | None
) -> None:
    present = installed(ledger, site(policies=CHECKING + rest))
    caught(present, provider(ledger), notice())
    all_the_way(present)
    [(_, status, details)] = checks(ledger)
    assert status == "not evaluated"
    assert [line["verdict"] for line in details] == ([verdict] if verdict else [])
    assert [name for name in raised(ledger) if "passed" in name or "failed" in name] == []


def test_check_115_a_policy_with_a_scope_alone_has_its_objects_pass(ledger: Ledger, hands: Clock) -> None:
    scoped = "- {name: c, mode: compliance, target: server, scope: {field: server.memory_mb, is: 0}}"
    present = installed(ledger, site(policies=CHECKING + scoped))
    caught(present, provider(ledger), notice())
    all_the_way(present)
    [(_, status, [line])] = checks(ledger)
    assert (status, line["conditions"]) == ("compliant", [{"condition": "always", "result": True}])
    assert "vm_compliance_passed" in raised(ledger)


def test_an_incident_of_drift_is_resolved_by_the_check_that_passes(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=CHECKING + OWNED, alerts=TOLD))
    cloud = provider(ledger)
    known(ledger, cloud, metadata={}, memory_mb=512)
    caught(present, cloud, notice())
    all_the_way(present)
    with ledger.transaction() as session:
        session.scalars(select(InventoryObject)).one().attributes = {"metadata": {"owner": "erin"}, "memory_mb": 512}
    hands.forward(60)
    caught(present, cloud, notice(seconds=60))
    all_the_way(present)
    assert [status for _, status, _ in checks(ledger)] == ["non-compliant", "compliant"]
    with ledger.reading() as session:
        assert compliance.states(session, "non-compliant") == []
        [(newest, _)] = compliance.states(session, None)
    assert newest.status == "compliant"


def test_a_control_policy_marks_an_object_by_itself(ledger: Ledger, hands: Clock) -> None:
    marking = "policies:\n- {name: m, target: server, on: [vm_poweroff], then: [mark_noncompliant]}\n"
    present = installed(ledger, site(policies=marking))
    caught(present, provider(ledger), notice())
    all_the_way(present)
    assert checks(ledger) == [("s1", "non-compliant", [{"policy": "m", "verdict": "marked"}])]
    assert "vm_compliance_failed" in raised(ledger)


def test_checks_beyond_their_retention_are_deleted(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=CHECKING))
    caught(present, provider(ledger), notice())
    all_the_way(present)
    assert len(checks(ledger)) == 1
    expire(ledger, present.site.settings, hands.now + timedelta(days=present.site.settings.retention_days + 1))
    assert checks(ledger) == []
