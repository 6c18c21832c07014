"""FIND, in both forms: its results, its reasons, its bounds (spec policy-alerts 3.1, 3.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.expressions.members import MAX_MEMBERS
from tasks.expressions.verdict import EvaluationFault
from tests.unit.expressions.test_operators import compiled, facts, wrong

DISKS = [{"device": "vda", "size": 20}, {"device": "vdb", "size": 200}, {"device": "cd0", "size": 4}]
IS_DISK = {"field": "device", "starts with": "vd"}


def find(search: Any = None, **check: Any) -> dict[str, Any]:
    searched = {} if search is None else {"search": search}
    return {"find": {"in": "server.disks", **searched, **check}}


def found(tree: Any, disks: Any, **options: Any) -> bool:
    return compiled(tree, **options).judge(facts(disks=disks)).result


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (find(IS_DISK, checkall={"field": "size", ">": 10}), True),
        (find(IS_DISK, checkall={"field": "size", ">": 100}), False),
        (find(IS_DISK, checkany={"field": "size", ">": 100}), True),
        (find(IS_DISK, checkany={"field": "size", ">": 1000}), False),
        (find(IS_DISK, checkcount={"=": 2}), True),
        (find(IS_DISK, checkcount={">": 2}), False),
        (find(IS_DISK, checkcount={"field": "<count>", "<=": 2}), True),
        (find(checkall={"field": "size", ">": 3}), True),
        (find(checkall={"field": "size", ">": 3, "<": 100}), False),
        (find(checkcount={"is": 3}), True),
        (find({"field": "device", "is": "none"}, checkall={"field": "size", ">": 0}), False),
        (find({"field": "device", "is": "none"}, checkany={"field": "size", ">": 0}), False),
        ({"not": find(IS_DISK, checkcount={"=": 2})}, False),
        ({"FIND": {"in": "server.disks", "Search": IS_DISK, "CHECKCOUNT": {"=": 2}, "token": 1}}, True),
    ],
)
def test_find_keeps_what_it_searches_for_and_checks_that(tree: Any, expected: bool) -> None:
    assert found(tree, DISKS) is expected


def test_members_that_are_texts_are_compared_themselves() -> None:
    tree = {"find": {"in": "server.addresses", "search": {"starts with": "10."}, "checkany": {"ends with": ".1"}}}
    assert compiled(tree).judge(facts(addresses=["10.0.0.1", "192.0.2.7"])).result
    assert not compiled(tree).judge(facts(addresses=["10.0.0.2", "192.0.2.1"])).result


def test_find_of_manageiq_names_the_association_in_its_fields() -> None:
    tree = {
        "FIND": {
            "search": {"STARTS WITH": {"field": "Vm.security_groups-name", "value": "open", "alias": "Groups"}},
            "checkall": {"INCLUDES": {"field": "Vm.security_groups-name", "value": "ssh"}},
        }
    }
    assert compiled(tree).judge(facts(security_groups=["open-ssh", "default"])).result
    assert not compiled(tree).judge(facts(security_groups=["open-ssh", "open-all"])).result
    counted = {
        "find": {
            "search": {"STARTS WITH": {"field": "Vm.hardware.networks-ipaddress", "value": "10."}},
            "checkcount": {">=": {"field": "<count>", "value": "2"}},
        }
    }
    assert compiled(counted).judge(facts(addresses=["10.0.0.1", "10.0.0.2"])).result
    assert not compiled(counted).judge(facts(addresses=["10.0.0.1"])).result


def test_a_member_may_be_compared_with_a_field_of_the_object() -> None:
    tree = find(IS_DISK, checkany={"field": "size", ">": {"field": "server.limit"}})
    assert compiled(tree).judge(facts(disks=DISKS, limit=100)).result
    assert not compiled(tree).judge(facts(disks=DISKS, limit=1000)).result


def test_list_in_a_payload_is_looked_through_too() -> None:
    tree = {"find": {"in": "event.payload.ips", "search": {"field": "version", "is": 4}, "checkcount": {"=": 0}}}
    there = facts()
    there.event.payload["payload"] = {"ips": [{"nova_object.data": {"version": 6}}]}
    assert compiled(tree).judge(there).result


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_check_56_find_over_nothing_is_false_even_for_a_count_of_zero(nothing: Any) -> None:
    for check in (
        {"checkcount": {"=": 0}},
        {"checkcount": {"<": 9}},
        {"checkall": {"is": "x"}},
        {"checkany": {"is": "x"}},
    ):
        assert not found(find(IS_DISK, **check), nothing)
    assert found(find({"field": "device", "is": "x"}, checkcount={"=": 0}), DISKS)


@pytest.mark.parametrize("word", ["=", "!=", "<", "<=", ">", ">=", "is", "is not"])
def test_check_51_a_count_is_compared_as_a_number(word: str) -> None:
    expected = {"=": False, "is": False, "!=": True, "is not": True, "<": True, "<=": True, ">": False, ">=": False}
    assert found(find(IS_DISK, checkcount={word: 3}), DISKS) is expected[word]
    if not word.startswith("is"):
        stored = {
            "search": {"=": {"field": "Vm.cloud_volumes-ems_ref", "value": "v1"}},
            "checkcount": {word: {"field": "<count>", "value": 3}},
        }
        assert compiled({"FIND": stored}).judge(facts(volume_ids=["v1", "v1", "v2"])).result is expected[word]


@pytest.mark.parametrize("word", ["INCLUDES", "IS NULL", "STARTS WITH", "BEFORE", "IS", "in"])
def test_check_51_no_other_operator_compares_a_count(word: str) -> None:
    stored = {
        "search": {"=": {"field": "Vm.cloud_volumes-ems_ref", "value": "v1"}},
        "checkcount": {word: {"field": "<count>", "value": 3}},
    }
    [mistake] = wrong({"FIND": stored})
    assert (mistake.at, mistake.mend) == (("FIND", "checkcount", word), "Use =, !=, <, <=, >, >=")
    if word != "IS":
        [mistake] = wrong(find(IS_DISK, checkcount={word: 3}))
        assert mistake.at == ("find", "checkcount", word)


def test_check_51_what_is_no_list_is_its_own_only_member() -> None:
    assert found(find({"field": "device", "is": "vda"}, checkcount={"=": 1}), DISKS[0])
    assert found(find({"includes": "web"}, checkall={"ends with": "1"}), "web-1")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"search": IS_DISK}, "find has 0 checks"),
        ({"in": "server.disks", "search": IS_DISK, "checkany": {"is": 1}, "checkall": {"is": 1}}, "find has 2 checks"),
        ({"in": "server.disks", "search": IS_DISK, "checkcounts": {"=": 1}, "checkany": {"is": 1}}, "no part of find"),
        ({"checkany": {"=": {"field": "Vm.security_groups-name", "value": "x"}}}, "no search"),
        ({"in": "server.disks", "checkany": {"all": [{"is": 1}]}}, "is no operator"),
        ({"in": "server.disks", "checkany": "x"}, "is no comparison"),
        ({"in": "server.disks", "checkany": {"field": "a b", "is": 1}}, "is no key"),
        ({"in": "server.disks", "checkany": {"field": "size"}}, "compares with nothing"),
        ({"in": "server.disks", "checkany": {"count": "server.x", "=": 1}}, "members of a list"),
        ({"in": "server.disks", "checkcount": {"field": "size", "=": 1}}, "members of a list"),
        ({"in": "server", "checkany": {"is": 1}}, "is no field path"),
        ("server.disks", "needs a mapping"),
    ],
)
def test_check_51_malformed_find_is_a_mistake(value: Any, said: str) -> None:
    assert said in " ".join(mistake.what for mistake in wrong({"find": value}))


def test_check_51_search_and_check_hold_one_comparison_of_the_same_list() -> None:
    one = {"=": {"field": "Vm.security_groups-name", "value": "x"}}
    other = {"=": {"field": "Vm.cloud_networks-name", "value": "x"}}
    assert "one comparison" in wrong({"FIND": {"search": {"and": [one, one]}, "checkany": one}})[0].what
    [mistake] = wrong({"FIND": {"search": one, "checkany": other}})
    assert mistake.what == "the search is about Vm.security_groups, the check about Vm.cloud_networks"


@pytest.mark.parametrize("part", ["search", "checkall", "checkany"])
@pytest.mark.parametrize("field", ["Vm.security_groups-colour", "Vm.snapshots-name", "Vm-name"])
def test_check_44_wrong_field_invalidates_a_find_wherever_it_sits(part: str, field: str) -> None:
    right = {"=": {"field": "Vm.security_groups-name", "value": "x"}}
    parts = {"search": right, "checkany" if part == "search" else part: right, part: {"=": {"field": field}}}
    [mistake] = wrong({"and": [{"=": {"field": "Vm-name", "value": "x"}}, {"not": {"FIND": parts}}]})
    assert mistake.at[:5] == ("and", 1, "not", "FIND", part)
    assert field in mistake.what


def test_check_44_wrong_operator_in_a_count_invalidates_it() -> None:
    right = {"=": {"field": "Vm.security_groups-name", "value": "x"}}
    [mistake] = wrong({"FIND": {"search": right, "checkcount": {"SOUNDS LIKE": {"field": "<count>", "value": 1}}}})
    assert "SOUNDS LIKE" in mistake.what


def test_leaf_says_how_many_were_looked_at_kept_and_met_the_check() -> None:
    verdict = compiled(find(IS_DISK, checkany={"field": "size", ">": 100})).judge(facts(disks=DISKS))
    assert verdict.leaf.as_dict() == {
        "path": "server.disks",
        "operator": "FIND",
        "expected": {"search": IS_DISK, "checkany": {"field": "size", ">": 100}},
        "found": {"looked_at": 3, "kept": 2, "met": 1},
        "held": True,
    }
    counted = compiled(find(IS_DISK, checkcount={">": 2})).judge(facts(disks=DISKS)).leaf
    assert (counted.found, counted.held) == ({"looked_at": 3, "kept": 2}, False)


def test_more_members_than_are_looked_through_are_a_fault() -> None:
    tree = find(checkcount={">": 0})
    assert found(tree, ["x"] * MAX_MEMBERS)
    with pytest.raises(EvaluationFault, match=r"server\.disks FIND: 1001 members"):
        found(tree, ["x"] * (MAX_MEMBERS + 1))


def test_comparison_of_a_member_that_cannot_be_made_is_a_fault() -> None:
    with pytest.raises(EvaluationFault, match="characters"):
        found(find(checkany={"matches": "x"}), ["y" * 300_000])


def test_strict_find_is_decided_by_the_members_that_are_known() -> None:
    some = [{"size": 5}, {"size": None}]
    big, small = {"field": "size", ">": 3}, {"field": "size", "<": 3}
    for tree, straight, opposite in (
        (find(checkany=big), True, False),
        (find(checkany=small), False, False),
        (find(checkall=small), False, True),
        (find(checkall=big), False, False),
        (find(big, checkcount={"=": 1}), False, False),
    ):
        assert found(tree, some, strict=True) is straight
        assert found({"not": tree}, some, strict=True) is opposite
    assert not found(find(checkcount={"=": 0}), None, strict=True)
    assert not found({"not": find(checkcount={"=": 0})}, None, strict=True)


def test_list_of_manageiq_contains_what_one_of_its_members_is() -> None:
    tree = {"CONTAINS": {"field": "Vm.security_groups-name", "value": "Open"}}
    assert compiled(tree).judge(facts(security_groups=["default", "open"])).result
    assert not compiled(tree).judge(facts(security_groups=["default"])).result
    within = {"INCLUDES ANY": {"field": "Vm-ipaddresses", "value": "10.0.0.1, 10.0.0.2"}}
    assert compiled(within).judge(facts(addresses=["10.0.0.2"])).result
