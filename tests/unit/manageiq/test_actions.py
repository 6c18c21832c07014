"""ManageIQ's actions and alerts in our words."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from tasks.alert.entry import AlertEntry
from tests.unit.manageiq.manageiq_ground import CONTEXT, action, alert, changes, left_out, tagged, took
from workers.manageiq.actions import Actions, Cause
from workers.manageiq.report import Report


class Free(BaseModel, extra="allow"):
    """Parameters of an action that need not be there."""

    host: str = ""
    version: str = ""
    community: str = ""
    trap_oid: str = ""
    variables: list[Any] = []
    tag: str = ""
    metadata: dict[str, str] = {}
    text: str = ""
    older_than: str = ""
    made_by: str = ""
    name: str = ""


class Any_:
    """Any action."""

    params: ClassVar[type[BaseModel]] = Free


#: Words of actions that may not be there yet, and mean something here.
WORDS = (
    "start_server",
    "stop_server",
    "suspend_server",
    "snapshot_server",
    "delete_snapshots",
    "add_server_tag",
    "set_server_metadata",
    "timeline_mark",
    "prevent",
)
CALL: dict[str, Any] = {"namespace": "A/B", "class": "C", "instance": "d"}
CAUSE = Cause("policy", "Night ${x}", "failed")


def made(item: dict[str, Any], *more: str) -> tuple[list[Any], Report]:
    report = Report()
    known = {**CONTEXT.actions, **dict.fromkeys(more, Any_())}
    return Actions(known, report).written(item, "server", CAUSE, ("here",)), report


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (action("check_compliance"), "check_compliance"),
        (action("ems_refresh"), "refresh"),
        (action("vm_start"), "start_server"),
        (action("vm_stop"), "stop_server"),
        (action("vm_suspend"), "suspend_server"),
        (action("prevent"), "prevent"),
        (action("s", "create_snapshot", name="nightly"), {"snapshot_server": {"name": "nightly"}}),
        (action("t", "tag", tags=["/managed/environment/prod"]), {"add_server_tag": {"tag": "environment=prod"}}),
        (
            action("c", "set_custom_attribute", attribute="a", value="b"),
            {"set_server_metadata": {"metadata": {"a": "b"}}},
        ),
        (action("evm_event"), {"timeline_mark": {"text": "Policy: Night $ {x}"}}),
        (action("delete_all_snapshots"), {"delete_snapshots": {"older_than": "1m", "made_by": "anyone"}}),
        (
            action("d", "delete_snapshots_by_age", age=86401),
            {"delete_snapshots": {"older_than": "1441m", "made_by": "anyone"}},
        ),
        (
            action(
                "x",
                "custom_automation",
                ae_request="Call_Instance",
                ae_hash={"namespace": "A/B", "class": "C", "instance": "d", "e": 1},
            ),
            {"automate": {"instance": "/A/B/C/d", "attrs": {"e": 1}}},
        ),
        (
            action(
                "x",
                "custom_automation",
                ae_request="Call_Instance_With_Message",
                ae_hash={"namespace": "A/B", "class": "C", "instance": "d", "message": "m"},
            ),
            {"automate": {"instance": "/A/B/C/d", "message": "m"}},
        ),
        (
            action("x", "custom_automation", ae_request="InspectMe", ae_message="look"),
            {"automate": {"instance": "/System/Request/InspectMe", "message": "look"}},
        ),
        (action("x_sh", "script", filename="../../x.sh"), {"script": {"command": ["scripts/x.sh"]}}),
    ],
)
def test_action_has_its_word_and_its_parameters(item: dict[str, Any], expected: Any) -> None:
    found, report = made(item, *WORDS)
    assert found == [expected]
    assert report.complete()


def test_mail_goes_to_the_same_people_and_says_what_failed() -> None:
    [one], report = made(action("m", "email", to="a@example.org, b@example.org", **{"from": "evm@example.org"}))
    assert one["mail"]["to"] == ["a@example.org", "b@example.org"]
    assert one["mail"]["subject"] == "Policy failed: Night $ {x}, for ${target.kind} ${target.name}"
    assert changes(report) == ["here: the sender is that of catchment.toml"]
    found, report = made(action("m", "email", to="nobody"))
    assert found == []
    assert "no mail address" in left_out(report)[0]
    assert made(action("m", "email"))[0] == []


def test_trap_keeps_its_receivers_oid_and_variables() -> None:
    variables = [
        {
            "oid": "description",
            "var_type": "OctetString",
            "value": "${Cause.Description} of ${Object.name}${Object.evil}",
        },
        {"oid": "1.2.3", "var_type": "Integer", "value": "4"},
        {"oid": "", "var_type": "Null", "value": ""},
    ]
    options = {"host": ["n1", "n2"], "snmp_version": "v1", "trap_id": "7", "variables": variables}
    found, report = made(action("t", "snmp_trap", **options), "snmp_trap")
    assert [one["snmp_trap"]["host"] for one in found] == ["n1", "n2"]
    trap = found[0]["snmp_trap"]
    assert trap["trap_oid"] == "1.3.6.1.4.1.33482.0.7"
    assert trap["variables"] == [
        {"oid": "description", "type": "OctetString", "value": "Policy: Night $ {x} of ${target.name}"},
        {"oid": "1.2.3", "type": "Integer32", "value": "4"},
    ]
    assert "SNMP_COMMUNITY" in changes(report)[0]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (action("vm_analyze"), "no scan"),
        (action("vm_connect_floppy"), "VMware"),
        (action("container_image_analyze"), "no containers"),
        (action("r", "remove_tags", cats=["environment"]), "by its name"),
        (action("d", "delete_snapshots_by_age", age="old"), "say nothing"),
        (action("p", "run_ansible_playbook", service_template_id=1), "playbook"),
        (action("e", "evaluate_alerts", alert_guids=["x"]), "`on`"),
        (action("dreams"), "no action here does what dreams does"),
        (action("vm_start"), "start_server, which this installation does not have"),
        (action("x", "custom_automation"), "say nothing"),
        (action("x", "custom_automation", ae_request="a b"), "characters that it cannot have"),
        (action("x", "script", filename=".."), "say nothing"),
    ],
)
def test_action_without_a_counterpart_is_left_out_with_the_reason(item: dict[str, Any], said: str) -> None:
    found, report = made(item)
    assert found == []
    assert said in left_out(report)[0]


def test_alert_with_an_expression_is_taken_over() -> None:
    options = {
        "notifications": {
            "delay_next_evaluation": 1800,
            "email": {"from": "", "to": ["ops@example.org"]},
            "evm_event": {},
            "automate": {"event_name": "too_big"},
        }
    }
    files, report = took(alert(severity="error", options=options))
    [entry] = files["alerts/imported-too-big.yaml"]["alerts"]
    raised, mail = entry.pop("notify")
    assert entry == {
        "name": "Too big",
        "description": "Too big",
        "severity": "error",
        "target": "server",
        "on": ["vm_start"],
        "when": {"CONTAINS": {"tag": "Vm.managed-department", "value": "research"}},
        "delay": "1800s",
    }
    assert mail["mail"]["to"] == ["ops@example.org"]
    assert raised == {"raise_event": {"name": "too_big"}}
    assert report.complete()


def test_alert_profile_holds_its_alerts_and_applies_nowhere_until_it_is_assigned() -> None:
    held = {"MiqAlertSet": {"guid": "s", "description": "All of them", "MiqAlert": [alert()["MiqAlert"]]}}
    files, report = took(held)
    assert list(files) == ["profiles/imported-all-of-them.yaml", "alerts/imported-too-big.yaml"]
    [profile] = files["profiles/imported-all-of-them.yaml"]["profiles"]
    assert (profile["alerts"], profile["active"]) == (["Too big"], False)
    assert "profile 'All of them'" in changes(report)[0]


@pytest.mark.parametrize(("written", "active"), [(True, True), (False, False), (None, False)])
def test_alert_that_is_not_enabled_is_not_active(written: Any, active: bool) -> None:
    files, _ = took(alert(enabled=written))
    assert files["alerts/imported-too-big.yaml"]["alerts"][0].get("active", True) is active


def test_alert_of_the_kind_nothing_fires_each_time() -> None:
    kind = {"eval_method": "nothing", "mode": "internal", "options": {}}
    files, report = took(alert(miq_expression=None, hash_expression=kind))
    assert "when" not in files["alerts/imported-too-big.yaml"]["alerts"][0]
    assert report.complete()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"responds_to_events": "_hourly_timer_,vm_dreams"}, "every hour"),
        ({"responds_to_events": "vm_dreams"}, "no internal event"),
        ({"responds_to_events": None}, "asked on no event"),
        ({"db": "EmsCluster"}, "EmsCluster"),
        ({"miq_expression": None}, "it has none"),
        ({"miq_expression": tagged({"=": {"field": "Vm-dreams", "value": 1}})}, "Vm-dreams"),
        ({"miq_expression": None, "hash_expression": {"eval_method": "event_threshold"}}, "at_least"),
        ({"miq_expression": None, "hash_expression": {"eval_method": "realtime_performance"}}, "performance"),
        ({"miq_expression": None, "hash_expression": {"eval_method": "nothing", "mode": "script"}}, "performance"),
        ({"severity": "dreadful"}, "severity"),
        ({"options": {"notifications": {"delay_next_evaluation": "long"}}}, "delay"),
    ],
)
def test_alert_that_cannot_be_asked_here_is_left_out_with_the_reason(more: dict[str, Any], said: str) -> None:
    files, report = took(alert(**more))
    assert files == {}
    assert any(said in line for line in left_out(report)), left_out(report)


def test_alert_of_every_hour_is_taken_over_where_alerts_know_the_clock() -> None:
    files, report = took(alert(responds_to_events="_hourly_timer_"))
    if "every" in AlertEntry.model_fields:
        [entry] = files["alerts/imported-too-big.yaml"]["alerts"]
        assert entry["every"] == "1h"
        assert "on" not in entry
    else:
        assert files == {}
        assert "every hour" in left_out(report)[0]


def test_unknown_way_to_notify_is_left_out_and_the_alert_stays() -> None:
    given = {"pigeon": {}, "email": {"to": []}, "automate": {"event_name": "No Event"}}
    files, report = took(alert(options={"notifications": given}))
    assert list(files) == ["alerts/imported-too-big.yaml"]
    raised, pigeon = left_out(report)
    assert "/ notification automate: 'name' of the action raise_event" in raised
    assert pigeon == "alert 'Too big' / notification pigeon: there is no such way to notify"
