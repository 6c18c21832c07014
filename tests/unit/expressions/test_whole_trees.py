"""What is said of a whole tree, plain maps, and the operators that suit a type (spec policy-alerts 3.2, 3.6)."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.expressions.facts import facts_of_map
from tasks.expressions.operators import OFFERED, OPERATORS, offered, operator_named
from tests.unit.expressions.test_operators import NOW, compiled, facts, wrong

SMALL = {"field": "server.memory_mb", "<": 100}
OFF = {"field": "server.status", "is": "SHUTOFF"}


def judged(tree: Any, data: dict[str, Any]) -> bool:
    return compiled(tree, keyed=True).judge(facts_of_map(data, NOW)).result


def test_check_50_operators_of_a_type_are_those_of_section_3_2() -> None:
    assert offered("number") == ("=", "!=", "<", "<=", ">=", ">")
    assert offered("boolean") == ("=", "IS NULL", "IS NOT NULL")
    assert offered("datetime") == ("IS", "BEFORE", "AFTER", "FROM", "IS EMPTY", "IS NOT EMPTY")
    assert offered("set") == ("INCLUDES ALL", "INCLUDES ANY", "LIMITED TO")
    assert offered("tag") == ("CONTAINS",)
    assert offered("registry") == (*offered("text"), "KEY EXISTS", "VALUE EXISTS")
    assert offered(None) == offered("text")
    assert {operator_named(word, by_hand=False).name for words in OFFERED.values() for word in words} <= set(OPERATORS)


def test_check_50_a_count_is_offered_what_a_number_is() -> None:
    [mistake] = wrong({"count": "server.volume_ids", "zzzzzz": 1})
    assert mistake.mend == "Operators here are: =, !=, <, <=, >=, >"
    [mistake] = wrong({"field": "server.created_at", "zzzzzz": 1})
    assert "before, after" in mistake.mend


def test_check_53_false_atom_is_marked_false_whatever_the_group_comes_to() -> None:
    tree = {"any": [OFF, {"not": SMALL}, SMALL]}
    told = compiled(tree).evaluate_atoms(facts(status="SHUTOFF", memory_mb=4096))
    first, turned, last = told["any"]
    assert [told["result"], first["result"], turned["result"], last["result"]] == [True, True, True, False]
    assert turned["not"]["result"] is False
    assert last == {"path": "server.memory_mb", "operator": "<", "expected": 100, "found": 4096, "result": False}


def test_check_53_every_atom_behind_the_one_that_decides_is_told() -> None:
    told = compiled([SMALL, OFF, {"find": {"in": "server.tags", "checkany": {"is": "x"}}}]).evaluate_atoms(
        facts(status="SHUTOFF", memory_mb=4096, tags=["x"])
    )
    assert [atom["result"] for atom in told["all"]] == [False, True, True]
    assert told["all"][2]["found"] == {"looked_at": 1, "kept": 1, "met": 1}
    assert told["result"] is False


def test_atom_that_cannot_be_judged_says_why_and_the_others_are_told() -> None:
    broken = {"field": "server.text", "matches": "x"}
    told = compiled([broken, OFF]).evaluate_atoms(facts(text="y" * 300_000, status="SHUTOFF"))
    assert told["result"] is None
    assert told["all"][0]["result"] is None
    assert "characters" in told["all"][0]["error"]
    assert told["all"][1]["result"] is True


def test_unknown_atom_of_a_strict_tree_has_no_result() -> None:
    told = compiled({"any": [SMALL, OFF]}, strict=True).evaluate_atoms(facts(status="SHUTOFF"))
    assert [atom["result"] for atom in told["any"]] == [None, True]


@pytest.mark.parametrize("data", [{"state": "error", "ips": [{"address": "10.0.0.1"}]}])
def test_check_54_plain_map_is_judged_by_key(data: dict[str, Any]) -> None:
    assert judged({"EQUAL": {"field": "state", "value": "error"}}, data)
    assert not judged({"EQUAL": {"field": "state", "value": "well"}}, data)
    assert judged({"REGULAR EXPRESSION MATCHES": {"field": "state", "value": "/^ERR/i"}}, data)
    assert judged({"all": [{"field": "state", "is": "error"}, {"field": "ips.0.address", "starts with": "10."}]}, data)
    assert judged({"find": {"in": "ips", "checkall": {"field": "address", "is": "10.0.0.1"}}}, data)
    assert judged({"field": "missing", "empty": True}, data)


def test_check_54_only_a_map_is_looked_at_by_key() -> None:
    [mistake] = wrong({"EQUAL": {"field": "state", "value": "error"}})
    assert "is no field path" in mistake.what
