"""Numbered checks of spec policy-alerts section 8 about internal events, alerts and requests, through real turns."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tasks.conveyor.requesting import Way
from tasks.effects import by_hand
from tasks.ledger.compliance import ComplianceCheck
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event
from tasks.ledger.incidents import Incident
from tasks.ledger.operations import Operation
from tasks.ledger.requests import Approval, RequestTask
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.ledger.why import why
from tasks.model.definitions import shipped
from tasks.model.errors import Permanent
from tasks.model.event import ObjectRef
from tests.ground import STOPPED, Clock, all_the_way, caught, count, exact, installed, notice, provider, site
from tests.known_ground import known
from tests.request_ground import carried, desk, events_of, lab, request, task, told, wanted


def rule(then: str, on: str = "vm_poweroff", more: str = "") -> str:
    return f"policies:\n- {{name: p, target: server, on: [{on}]{more}, then: [{then}]}}\n"


def internal(ledger: Ledger, word: str) -> list[Event]:
    with ledger.reading() as session:
        return list(session.scalars(select(Event).where(Event.event_type == word).order_by(Event.id)))


def findings(ledger: Ledger, event_id: int, stage: str) -> list[dict[str, Any]]:
    with ledger.reading() as session:
        found = why(session, event_id)
    assert found is not None
    return [finding for decision in found.decisions if decision.stage == stage for finding in decision.findings]


def stages(ledger: Ledger, event_id: int) -> list[str]:
    with ledger.reading() as session:
        found = why(session, event_id)
    assert found is not None
    return [decision.stage for decision in found.decisions]


def test_check_01_what_is_raised_about_an_object_that_is_not_there_is_an_error(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    provider(ledger)
    with pytest.raises(Permanent, match="lab has no server/gone"), ledger.transaction() as session:
        by_hand.ask(
            session,
            present.site.settings,
            hands.now,
            provider="lab",
            target=ObjectRef("server", "gone"),
            action="start_server",
            params={},
            who="erin",
        )
    assert (count(ledger, Event), count(ledger, Operation)) == (0, 0)


def test_check_02_and_05_a_defined_event_is_stored_once_with_whose_it_is(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=rule("{raise_event: {name: vm_pause}}")))
    caught(present, provider(ledger), notice(STOPPED))
    all_the_way(present)
    [row] = internal(ledger, "vm_pause")
    assert (row.resource_kind, row.resource_id, row.actor, row.tenant_id) == ("server", "s1", "erin", "red")
    assert stages(ledger, row.id).count("switchboard") == 1
    assert findings(ledger, row.id, "switchboard")[0]["name"].endswith("/System/Process/Event")


def test_check_07_and_08_policies_come_before_alerts_and_the_switchboard_is_met_once(
    ledger: Ledger, hands: Clock
) -> None:
    alert = "alerts:\n- {name: a, target: server, on: [vm_poweroff]}\n"
    present = installed(ledger, site(policies=rule("{log: {message: x}}"), alerts=alert))
    caught(present, provider(ledger), notice(STOPPED))
    all_the_way(present)
    [row] = internal(ledger, "vm_poweroff")
    assert stages(ledger, row.id)[:3] == ["switchboard", "policy", "alert"]
    assert stages(ledger, row.id).count("switchboard") == 1


def test_check_09_a_policy_sees_the_notification_behind_a_raised_event(ledger: Ledger, hands: Clock) -> None:
    seen = ", when: {field: event.payload.display_name, is: name of s1}"
    present = installed(ledger, site(policies=rule("{log: {message: x}}", more=seen)))
    caught(present, provider(ledger), notice(STOPPED))
    all_the_way(present)
    assert count(ledger, Effect) == 1


def test_check_11_an_internal_event_belongs_to_the_group_of_its_table() -> None:
    assert shipped()["vm_start"].category == "vm_operational"
    assert "flown_away" not in shipped()


def test_check_13_an_event_without_its_object_raises_nothing_and_is_no_error(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    caught(present, provider(ledger), notice(STOPPED, server=None))
    all_the_way(present)
    assert internal(ledger, "vm_poweroff") == []
    assert exact(ledger)["lab"].dead == 0


def test_check_14_a_known_server_that_is_switched_off_raises_exactly_one_event(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger)
    lab_id = provider(ledger)
    known(ledger, lab_id, "s1")
    caught(present, lab_id, notice(STOPPED))
    all_the_way(present)
    assert len(internal(ledger, "vm_poweroff")) == 1


def test_check_15_nova_speaks_of_a_suspension_by_its_end(ledger: Ledger, hands: Clock) -> None:
    """The other half of the check is not kept: the shipped wiring is ManageIQ's, where a shutdown.end tells of one."""
    present = installed(ledger)
    caught(present, provider(ledger), notice("compute.instance.suspend.end"))
    all_the_way(present)
    assert len(internal(ledger, "vm_suspend")) == 1


def test_check_16_a_raised_event_keeps_its_own_words_beside_its_cause(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=rule("{management_event: {event_name: told}}")))
    caught(present, provider(ledger), notice(STOPPED))
    all_the_way(present)
    [row] = internal(ledger, "told")
    [cause] = internal(ledger, "vm_poweroff")
    assert row.parent_id == cause.id
    with ledger.reading() as session:
        tale = why(session, row.id)
    assert tale is not None
    assert findings(ledger, row.id, "switchboard") != []


def test_check_35_each_policy_that_is_judged_leaves_one_finding(ledger: Ledger, hands: Clock) -> None:
    two = (
        rule("{log: {message: x}}") + "- {name: q, target: server, on: [vm_poweroff], when: {field: server.a, is: 1}}\n"
    )
    present = installed(ledger, site(policies=two))
    caught(present, provider(ledger), notice(STOPPED))
    all_the_way(present)
    [row] = internal(ledger, "vm_poweroff")
    assert [(f["name"], f["verdict"]) for f in findings(ledger, row.id, "policy")] == [
        ("p", "matched"),
        ("q", "not matched"),
    ]
    assert count(ledger, ComplianceCheck) == 0


def test_check_62_a_timeline_mark_stands_with_its_object_and_its_provider(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=rule("{timeline_mark: {text: looked at}}")))
    lab_id = provider(ledger)
    caught(present, lab_id, notice(STOPPED))
    all_the_way(present)
    [row] = internal(ledger, "timeline_mark")
    assert (row.provider_id, row.resource_kind, row.resource_id, row.tenant_id) == (lab_id, "server", "s1", "red")


ALERT = "alerts:\n- {name: down, target: server, on: [vm_poweroff], resolved_by: [vm_start]}\n"


def test_check_73_and_74_an_alert_and_an_object_have_one_open_incident_that_counts(
    ledger: Ledger, hands: Clock
) -> None:
    present = installed(ledger, site(alerts=ALERT))
    lab_id = provider(ledger)
    caught(present, lab_id, *(notice(STOPPED, seconds=n) for n in range(3)))
    all_the_way(present)
    with ledger.reading() as session:
        [incident] = session.scalars(select(Incident))
    assert (incident.state, incident.count) == ("open", 3)
    caught(present, lab_id, notice("compute.instance.power_on.end", seconds=5), notice(STOPPED, seconds=6))
    all_the_way(present)
    with ledger.reading() as session:
        assert [(i.state, i.count) for i in session.scalars(select(Incident).order_by(Incident.id))] == [
            ("closed", 3),
            ("open", 1),
        ]


def test_check_88_a_new_request_waits_for_one_approval(ledger: Ledger, hands: Clock) -> None:
    number = desk(installed(ledger, lab())).open(wanted(size=50), "erin")
    with ledger.reading() as session:
        assert session.scalars(select(Approval.description)).all() == ["Default Approval"]
    assert told(ledger, number) == ("pending_approval", "pending", "Ok", "Automation Task - Request Created")


def test_check_89_and_91_a_request_is_approved_when_all_its_approvals_are(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    number = desk(present).open(wanted("/Lab/Plain/nothing", size=50), "erin")
    with ledger.transaction() as session:
        session.add(Approval(request_id=number, description="Second", state="pending"))
    desk(present).approve(number, "first", "fine")
    assert request(ledger, number).approval_state == "pending_approval"
    assert events_of(ledger, number) == ["request_created"]
    desk(present).approve(number, "second", "fine too")
    assert request(ledger, number).approval_state == "approved"
    assert "request_approved" in events_of(ledger, number)


def test_check_96_and_106_its_task_copies_the_options_and_is_delivered_where_they_say(
    ledger: Ledger, hands: Clock
) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    number = desk(present).open(wanted("/Lab/Plain/nothing", colour="red"), "erin", approver="admin")
    carried(present)
    made = task(ledger, number)
    assert made.options["attrs"] == {"colour": "red"}
    assert (made.state, made.status) == ("finished", "Ok")


@pytest.mark.parametrize(
    ("others", "state", "status"),
    [
        ([("finished", "Ok")], "finished", "Ok"),
        ([("finished", "Error")], "finished", "Error"),
        ([("active", "Ok")], "active", "Ok"),
        ([("active", "Error")], "active", "Error"),
    ],
)
def test_check_107_and_108_a_request_is_as_well_as_the_worst_of_its_tasks(
    ledger: Ledger, hands: Clock, others: list[tuple[str, str]], state: str, status: str
) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    number = desk(present).open(wanted("/Lab/Plain/nothing"), "erin", approver="admin")
    carried(present)
    with ledger.transaction() as session:
        for one, well in others:
            session.add(
                RequestTask(
                    request_id=number, description="other", state=one, status=well, message="", options={},
                    created_at=hands.now, updated_at=hands.now,
                )
            )  # fmt: skip
        session.flush()
        way = Way(session, present.site.settings, hands.now, Count())
        row = way._locked(number)
        assert row is not None
        way._roll_up(row)
    assert told(ledger, number)[1:3] == (state, status)
