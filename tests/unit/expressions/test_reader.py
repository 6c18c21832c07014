"""Both forms of a condition, their groups, reasons, mistakes and bounds (spec policy-alerts 3.1, 3.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.expressions.atoms import MAX_ATOMS
from tasks.expressions.facts import Facts
from tasks.expressions.mistakes import Mistake
from tasks.expressions.reader import MAX_DEPTH, compile_expression
from tasks.expressions.tree import Verdict
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import ObjectFacts

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TRUE = {"field": "server.status", "is": "SHUTOFF"}
FALSE = {"field": "server.memory_mb", ">": 9000}


def facts() -> Facts:
    told = Normalised("vm_poweroff", "vm_poweroff", "m1", NOW, "server", "s1", tenant_id="p1")
    attributes = {
        "status": "SHUTOFF",
        "power_state": "off",
        "memory_mb": 4096,
        "created_at": "2026-11-20T08:00:00Z",
    }
    target = ObjectFacts(ObjectRef("server", "s1"), "known", "web", "p1", NOW, attributes)
    return Facts(Event(1, "cloud", "POLICY", "MiqEvent", told, {}), target, NOW)


def judged(tree: Any) -> Verdict:
    expression, mistakes = compile_expression(tree, kind="server")
    assert expression is not None, mistakes
    return expression.judge(facts())


def wrong(tree: Any) -> list[Mistake]:
    expression, mistakes = compile_expression(tree, kind="server")
    assert expression is None
    return mistakes


@pytest.mark.parametrize(
    ("tree", "result"),
    [
        (TRUE, True),
        ([TRUE, FALSE], False),
        ([TRUE, TRUE], True),
        ({"all": [TRUE, FALSE]}, False),
        ({"any": [FALSE, TRUE]}, True),
        ({"any": [FALSE, FALSE]}, False),
        ({"none": [FALSE, FALSE]}, True),
        ({"none": [FALSE, TRUE]}, False),
        ({"not": FALSE}, True),
        ({"!": TRUE}, False),
        ({"AND": [TRUE, {"Or": [FALSE, TRUE]}]}, True),
        ({"all": [TRUE], "none": [FALSE]}, True),
        ({"all": [TRUE], "none": [TRUE]}, False),
        ({"field": "server.memory_mb", ">": 1000, "<": 5000}, True),
        ({"field": "server.memory_mb", ">": 1000, "<": 4000}, False),
        ({"exp": {"=": {"field": "Vm-power_state", "value": "off"}}, "context_type": None}, True),
        ({"=": {"field": "Vm-power_state", "value": "off"}, "token": 3}, True),
        ({"=": {"field": "ManageIQ::Providers::Openstack::CloudManager::Vm-name", "value": "web"}}, True),
        ({"not": {"CONTAINS": {"tag": "Vm.managed-environment", "value": "prod"}}}, True),
        ({"FROM": {"field": "Vm-created_on", "value": ["2 Weeks Ago", "Yesterday"]}}, True),
        ({"is not null": {"field": "Vm-name"}}, True),
        ({"=": {"field": "server.memory_mb", "value": 4096, "alias": "Memory"}}, True),
    ],
)
def test_tree_of_either_form_has_its_result(tree: Any, result: bool) -> None:
    assert judged(tree).result is result


@pytest.mark.parametrize(
    ("tree", "path", "held"),
    [
        ({"all": [TRUE, FALSE]}, "server.memory_mb", False),
        ({"all": [TRUE, {"field": "target.name", "is": "web"}]}, "server.status", True),
        ({"any": [FALSE, TRUE]}, "server.status", True),
        ({"any": [FALSE, {"field": "target.name", "is": "x"}]}, "server.memory_mb", False),
        ({"not": TRUE}, "server.status", True),
        ({"all": [TRUE, {"any": [FALSE, {"not": TRUE}]}]}, "server.memory_mb", False),
    ],
)
def test_verdict_names_the_first_comparison_that_decided(tree: Any, path: str, held: bool) -> None:
    leaf = judged(tree).leaf
    assert (leaf.path, leaf.held) == (path, held)


def test_leaf_shows_operator_expected_and_found() -> None:
    leaf = judged({"all": [TRUE, FALSE]}).leaf
    assert leaf.as_dict() == {
        "path": "server.memory_mb",
        "operator": ">",
        "expected": 9000,
        "found": 4096,
        "held": False,
    }


def test_leaf_of_two_fields_shows_both_values() -> None:
    leaf = judged({"field": "event.tenant_id", "is": {"field": "target.tenant_id"}}).leaf
    assert leaf.found == "p1"
    assert leaf.expected == "target.tenant_id = 'p1'"


def test_check_44_wrong_field_invalidates_the_tree_wherever_it_sits() -> None:
    bad = {"=": {"field": "Vm-colour", "value": "red"}}
    for tree in (bad, {"and": [TRUE, bad]}, {"or": [bad, TRUE]}, {"not": bad}, {"all": [{"none": [bad]}]}):
        mistakes = wrong(tree)
        assert len(mistakes) == 1
        assert "Vm-colour" in mistakes[0].what
        assert mistakes[0].at[-1] == "field"


def test_all_mistakes_of_a_tree_are_found_at_once_with_their_places() -> None:
    tree = {
        "all": [
            {"field": "event.tennant_id", "is": "p1"},
            {"field": "host.name", "is": "n1"},
            {"field": "server.status", "iss": "x"},
            {"field": "server.status"},
            {"any": []},
            "text",
            {"al": [TRUE]},
            {True: 1},
            {"FIND": {"search": {}}},
            {"all": TRUE},
            {"field": "server.a", "count": "server.b", "is": 1},
            {"=": {"field": "server.a", "valeu": 1}},
            {"=": 5},
            {},
        ]
    }
    places = {mistake.at[:2]: mistake for mistake in wrong(tree)}
    assert sorted(str(at[1]) for at in places) == sorted(map(str, range(14)))
    assert "'tenant_id'" in places["all", 0].mend
    assert "which is a server" in places["all", 1].what
    assert "'is'" in places["all", 2].mend
    assert "is: ACTIVE" in places["all", 3].mend
    assert "holds no condition" in places["all", 4].what
    assert "'all'" in places["all", 6].mend
    assert "quotes" in places["all", 7].mend
    assert places["all", 8].what == "find has 0 checks and needs exactly one"
    assert places["all", 9].at == ("all", 9, "all")


def test_place_begins_where_the_tree_stands_in_its_document() -> None:
    _, [mistake] = compile_expression({"field": "x", "is": 1}, at=("policies", 3, "when"))
    assert mistake.at == ("policies", 3, "when", "field")


def test_depth_is_bounded() -> None:
    tree: Any = TRUE
    for _ in range(MAX_DEPTH):
        tree = {"not": tree}
    assert judged(tree).result is True
    [mistake] = wrong({"not": tree})
    assert "groups deep" in mistake.what


def test_number_of_comparisons_is_bounded_and_said_once() -> None:
    expression, _ = compile_expression([TRUE] * MAX_ATOMS)
    assert expression is not None
    assert expression.atoms == MAX_ATOMS
    [mistake] = wrong([TRUE] * (MAX_ATOMS + 50))
    assert "more than" in mistake.what


def test_group_stops_at_the_first_part_that_decides() -> None:
    fault = {"field": "event.payload.big", "matches": "x"}
    told = Normalised("x", "x", "m", NOW)
    big = Facts(Event(1, "c", "S", "N", told, {"payload": {"big": "y" * 300_000}}), None, NOW)
    no = {"field": "event.event_type", "is": "y"}
    expression, _ = compile_expression({"all": [no, fault]})
    assert expression is not None
    assert expression.judge(big).result is False
    expression, _ = compile_expression({"any": [{"not": no}, fault]})
    assert expression is not None
    assert expression.judge(big).result is True


def test_found_value_in_a_leaf_is_bounded_and_storable() -> None:
    deep: Any = "end"
    for _ in range(50):
        deep = {"a": deep}
    told = Normalised("x", "x", "m", NOW)
    payload = {
        "text": "\x00\ud800" + "z" * 10_000,
        "deep": deep,
        "many": list(range(10_000)),
        "huge": 10**400,
    }
    there = Facts(Event(1, "c", "S", "N", told, {"payload": payload}), None, NOW)
    for name in payload:
        expression, _ = compile_expression({"field": f"event.payload.{name}", "is": "x"})
        assert expression is not None
        found = expression.judge(there).leaf.found
        assert len(str(found)) < 400
        str(found).encode("utf-8")
        assert "\x00" not in str(found)
