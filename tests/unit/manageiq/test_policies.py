"""ManageIQ's policies as policies of a site: what is taken over, what is changed, what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.manageiq.manageiq_ground import (
    LOG,
    OWNED,
    action,
    changes,
    condition,
    left_out,
    only_policy,
    policy,
    row,
    tagged,
    took,
)

TREE = OWNED["exp"]


def test_check_40_policy_with_condition_event_and_action_is_taken_over() -> None:
    scope = tagged({"=": {"field": "Vm-power_state", "value": "on"}})
    entry = only_policy(policy(row("vm_start"), Condition=[condition()], expression=scope, notes="Ask first."))
    line = {"message": "Night watch: failed on ${target.kind} ${target.name}", "level": "warning"}
    assert entry == {
        "name": "Night watch",
        "description": "Night watch. Ask first.",
        "target": "server",
        "on": ["vm_start"],
        "scope": {"=": {"field": "Vm-power_state", "value": "on"}},
        "conditions": [{"name": "owned", "when": TREE}],
        "otherwise": [{"log": line}],
    }


@pytest.mark.parametrize(("written", "expected"), [({}, True), ({"active": None}, True), ({"active": False}, False)])
def test_check_40_missing_active_is_true_and_explicit_false_is_kept(written: dict[str, Any], expected: bool) -> None:
    assert only_policy(policy(**written)).get("active", True) is expected


def test_check_40_missing_mode_and_towhat_are_control_and_vm() -> None:
    item = policy()
    del item["MiqPolicy"]["mode"], item["MiqPolicy"]["towhat"]
    entry = only_policy(item)
    assert (entry.get("mode", "control"), entry["target"]) == ("control", "server")


def test_check_40_profile_holds_its_policies_and_applies_nowhere_until_it_is_assigned() -> None:
    members = [policy(guid=key, name=key, description=key)["MiqPolicy"] for key in ("one", "two")]
    profile = {"MiqPolicySet": {"guid": "s1", "name": "s1", "description": "Nights", "MiqPolicy": members}}
    files, report = took(profile)
    assert files["profiles/imported-nights.yaml"]["profiles"] == [
        {"name": "Nights", "policies": ["one", "two"], "assign": [{"tag": "nights"}], "active": False}
    ]
    assert sorted(files) == [
        "policies/imported-one.yaml",
        "policies/imported-two.yaml",
        "profiles/imported-nights.yaml",
    ]
    assert changes(report) == [
        "profile 'Nights': exports do not tell where it applies: set assign, and active: true",
    ]
    files, _ = took(profile, places=[{"provider": "north"}])
    [entry] = files["profiles/imported-nights.yaml"]["profiles"]
    assert entry == {"name": "Nights", "policies": ["one", "two"], "assign": [{"provider": "north"}]}


def test_policy_in_no_profile_gets_one_of_its_own_because_it_was_assigned_nowhere() -> None:
    files, report = took(policy())
    [entry] = files["profiles/imported-night-watch.yaml"]["profiles"]
    assert (entry["policies"], entry["active"]) == (["Night watch"], False)
    assert "the policy is in no profile" in changes(report)[0]


def test_check_41_modifier_deny_turns_the_expression_round() -> None:
    files, report = took(policy(Condition=[condition(modifier="deny"), condition(guid="c2", modifier="allow")]))
    [entry] = files["policies/imported-night-watch.yaml"]["policies"]
    assert entry["conditions"] == [{"name": "owned", "when": {"not": TREE}}, {"name": "owned 2", "when": TREE}]
    assert "modifier deny" in changes(report)[0]


def test_condition_keeps_what_it_applies_to() -> None:
    scope = tagged({"STARTS WITH": {"field": "Vm-name", "value": "web"}})
    [entry] = only_policy(policy(Condition=[condition(applies_to_exp=scope)]))["conditions"]
    assert entry["scope"] == scope["exp"]


def test_actions_stand_in_the_order_of_their_side_and_each_once() -> None:
    mail = action("tell", "email", to="ops@example.org")
    check = action("check_compliance")
    files, report = took(
        policy(
            row(action=mail, rank=3),
            row(action=LOG, rank=None),
            row(action=check, rank=1, failure_synchronous=True),
            row(action=check, rank=2),
            row(action=action("ems_refresh"), qualifier="success"),
        )
    )
    [entry] = files["policies/imported-night-watch.yaml"]["policies"]
    assert [one if isinstance(one, str) else next(iter(one)) for one in entry["otherwise"]] == [
        "check_compliance",
        "mail",
        "log",
    ]
    assert entry["then"] == ["refresh"]
    assert "1 of its actions ran synchronously: kept in order" in changes(report)[0]


def test_events_with_the_same_actions_are_one_policy_and_others_are_their_own() -> None:
    assert only_policy(policy(row("vm_start"), row("vm_resume")))["on"] == ["vm_start", "vm_resume"]
    refresh = action("ems_refresh")
    files, report = took(policy(row("vm_start"), row("vm_resume", refresh), row("vm_suspend")))
    entries = files["policies/imported-night-watch.yaml"]["policies"]
    assert [(entry["name"], entry["on"]) for entry in entries] == [
        ("Night watch on vm_start", ["vm_start", "vm_suspend"]),
        ("Night watch on vm_resume", ["vm_resume"]),
    ]
    assert "it becomes 2 policies" in changes(report)[0]
    assert files["profiles/imported-night-watch.yaml"]["profiles"][0]["policies"] == [e["name"] for e in entries]


def test_old_name_of_events_and_events_without_an_action_are_read() -> None:
    old = row()
    old["MiqEvent"] = old.pop("MiqEventDefinition")
    assert only_policy(policy(old))["on"] == ["vm_start"]
    assert only_policy(policy(row(action=None)))["on"] == ["vm_start"]


def test_unknown_event_and_one_without_enforcement_are_left_out_by_name() -> None:
    files, report = took(policy(row("vm_start"), row("vm_dreams"), row("vm_perf_complete")))
    [entry] = files["policies/imported-night-watch.yaml"]["policies"]
    assert entry["on"] == ["vm_start"]
    assert [line.partition(":")[0] for line in left_out(report)] == [
        "policy 'Night watch' / event vm_dreams",
        "policy 'Night watch' / event vm_perf_complete",
    ]
    files, report = took(policy(row("vm_dreams")))
    assert files == {}
    assert "none of its events" in left_out(report)[1]


def test_policy_whose_condition_cannot_be_read_is_left_out_with_the_comparison() -> None:
    tree = {"and": [TREE, {"=": {"field": "Vm-retired", "value": "true"}}]}
    files, report = took(policy(Condition=[condition(), condition(guid="c2", expression=tagged(tree))]))
    assert files == {}
    first, second = left_out(report)
    assert first.startswith("policy 'Night watch' / condition 'owned' / and.1.=.field: the field 'Vm-retired'")
    assert second.startswith("policy 'Night watch': it would apply where it must not")


@pytest.mark.parametrize("key", ["expression", "applies_to_exp"])
def test_policy_whose_scope_cannot_be_read_is_left_out(key: str) -> None:
    broken = tagged({"SOUNDS LIKE": {"field": "Vm-name", "value": "x"}})
    more: dict[str, Any] = {key: broken} if key == "expression" else {"Condition": [condition(applies_to_exp=broken)]}
    files, report = took(policy(**more))
    assert files == {}
    assert "SOUNDS LIKE" in left_out(report)[0]


def test_condition_about_another_model_is_left_away_as_it_is_never_asked() -> None:
    files, report = took(policy(Condition=[condition(towhat="Host"), condition(guid="c2")]))
    assert len(files["policies/imported-night-watch.yaml"]["policies"][0]["conditions"]) == 1
    assert "about Host" in changes(report)[0]


def test_find_and_tag_forms_are_taken_over() -> None:
    find = {
        "FIND": {
            "search": {"STARTS WITH": {"field": "Vm.security_groups-name", "value": "open"}},
            "checkcount": {"=": {"field": "<count>", "value": 0}},
        }
    }
    [entry] = only_policy(policy(Condition=[condition(expression=tagged(find))]))["conditions"]
    assert entry["when"] == find
    old = {"mode": "tag", "ns": "/managed", "tag": "environment/prod department/hr", "include": "none"}
    [entry] = only_policy(policy(Condition=[condition(expression=tagged(old))]))["conditions"]
    assert entry["when"] == {
        "none": [
            {"CONTAINS": {"tag": "managed-environment", "value": "prod"}},
            {"CONTAINS": {"tag": "managed-department", "value": "hr"}},
        ]
    }


@pytest.mark.parametrize(
    ("towhat", "target"),
    [("Vm", "server"), ("Host", "host"), ("ExtManagementSystem", "provider"), ("PhysicalServer", "node")],
)
def test_models_are_kinds_of_ours(towhat: str, target: str) -> None:
    assert only_policy(policy(towhat=towhat))["target"] == target


@pytest.mark.parametrize("more", [{"towhat": "ContainerImage"}, {"towhat": "Storage"}, {"mode": "dream"}])
def test_policy_about_what_is_not_here_is_left_out(more: dict[str, Any]) -> None:
    files, report = took(policy(**more))
    assert files == {}
    assert str(next(iter(more.values()))) in left_out(report)[0]


def test_compliance_policy_needs_no_event_and_no_marker() -> None:
    failed = row("vm_compliance_check", action("compliance_failed"))
    entry = only_policy(policy(failed, mode="compliance", Condition=[condition()]))
    assert entry == {
        "name": "Night watch",
        "description": "Night watch",
        "mode": "compliance",
        "target": "server",
        "conditions": [{"name": "owned", "when": TREE}],
    }
    _, report = took(policy(row("vm_start", LOG), mode="compliance"))
    assert "asked on vm_compliance_check alone" in left_out(report)[0]
    _, report = took(policy(row("vm_compliance_check", action("check_compliance")), mode="compliance"))
    assert "never come to an end" in left_out(report)[0]
    assert any("without compliance_failed" in line for line in changes(report))
    _, report = took(policy(row("vm_start", action("compliance_failed"))))
    assert "mark_noncompliant" in left_out(report)[0]


def test_attributes_of_an_automation_are_plain_whatever_their_keys_are() -> None:
    call = {"namespace": "A", "class": "C", "instance": "d", "more": {1: {None: [{2.5: "x"}]}}}
    [one] = only_policy(policy(row(action=action("x", "custom_automation", ae_request="Call_Instance", ae_hash=call))))[
        "otherwise"
    ]
    assert one["automate"]["attrs"] == {"more": {"1": {"None": [{"2.5": "x"}]}}}


def test_qualifier_that_manageiq_never_runs_is_left_out() -> None:
    _, report = took(policy(row(qualifier="both"), row()))
    assert "ManageIQ never runs it" in left_out(report)[0]


def test_check_42_an_item_is_known_by_guid_then_name_then_description() -> None:
    same = policy()["MiqPolicy"]
    profiles = [{"MiqPolicySet": {"guid": key, "description": key, "MiqPolicy": [same]}} for key in ("first", "second")]
    files, report = took(*profiles)
    assert report.complete()
    assert [path for path in files if path.startswith("policies/")] == ["policies/imported-night-watch.yaml"]
    _, report = took(policy(), policy(active=False))
    assert "twice and differs" in left_out(report)[0]
    nameless = policy()
    del nameless["MiqPolicy"]["guid"]
    _, report = took(nameless, policy(guid=None, description="another"))
    assert "twice and differs" in left_out(report)[0]


def test_different_policies_of_one_description_have_names_and_files_of_their_own() -> None:
    files, _ = took(policy(guid="one"), policy(guid="two", description="night WATCH"))
    assert [path for path in files if path.startswith("policies/")] == [
        "policies/imported-night-watch-one.yaml",
        "policies/imported-night-watch-two.yaml",
    ]


@pytest.mark.parametrize("title", ["夜の監視", "../../etc/passwd", "\x1b[31m${env:HOME}\n", "-", "x" * 5000, "a: {b}"])
def test_whatever_a_policy_is_called_it_can_be_read_and_stays_in_its_folder(title: str) -> None:
    files, _ = took(policy(description=title))
    assert len(files) == 2
    for path in files:
        folder, name = path.split("/")
        assert folder in ("policies", "profiles")
        assert name.startswith("imported-")
        assert name.isascii()
