"""Operators on values that are there, and on values that are not (spec policy-alerts 3.2 to 3.4)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.expressions.facts import Facts
from tasks.expressions.mistakes import Mistake
from tasks.expressions.patterns import MAX_PATTERN, MAX_TEXT
from tasks.expressions.reader import compile_expression
from tasks.expressions.tree import Expression
from tasks.expressions.verdict import EvaluationFault
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import ObjectFacts

NOW = datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC)


def facts(**attributes: Any) -> Facts:
    told = Normalised("vm_start", "vm_start", "m1", NOW, "server", "s1", tenant_id="p1")
    event = Event(1, "cloud", "POLICY", "MiqEvent", told, {})
    return Facts(event, ObjectFacts(ObjectRef("server", "s1"), "known", "web", "p1", NOW, attributes), NOW)


def compiled(tree: Any, **options: Any) -> Expression:
    expression, mistakes = compile_expression(tree, **options)
    assert expression is not None, mistakes
    return expression


def wrong(tree: Any, **options: Any) -> list[Mistake]:
    expression, mistakes = compile_expression(tree, **options)
    assert expression is None
    return mistakes


def holds(operator: str, written: Any, found: Any, **options: Any) -> bool:
    return compiled({"field": "server.x", operator: written}, **options).judge(facts(x=found)).result


PRESENT = [
    ("=", 4, 4, True),
    ("=", "4", 4, True),
    ("=", 4, "4", True),
    ("=", 12, "12abc", False),
    ("=", "ACTIVE", "ACTIVE", True),
    ("=", "active", "ACTIVE", False),
    ("is", "ACTIVE", "ACTIVE", True),
    ("EQUAL", "a", "a", True),
    ("=", "a", ["a"], False),
    ("!=", "a", "b", True),
    ("is not", "a", "a", False),
    ("<", 5, 4, True),
    ("<", 4, 4, False),
    ("<=", 4, 4, True),
    (">", 3, 4, True),
    (">", 4, 4, False),
    (">=", 4, 4, True),
    (">", "3", "10", True),
    (">", 0, "abc", False),
    ("in", ["a", "b"], "b", True),
    ("in", ["a", "b"], "c", False),
    ("not in", ["a", "b"], "c", True),
    ("starts with", "we", "web-1", True),
    ("starts with", "eb", "web-1", False),
    ("ends with", "-1", "web-1", True),
    ("ends with", "-", "web-1", False),
    ("includes", "eb", "web-1", True),
    ("includes", "gold", ["gold", "blue"], True),
    ("includes", "gol", ["gold", "blue"], False),
    ("like", "eb", "web-1", True),
    ("not like", "eb", "web-1", False),
    ("matches", "^w.b-\\d$", "web-1", True),
    ("regular expression does not match", "^w", "web-1", False),
    ("empty", True, "", True),
    ("is empty", None, "x", False),
    ("is not empty", True, "x", True),
    ("empty", False, "x", True),
    ("is null", True, False, False),
    ("includes all", ["a", "b"], ["b", "a", "c"], True),
    ("includes all", ["a", "d"], ["b", "a", "c"], False),
    ("includes any", ["d", "c"], ["b", "c"], True),
    ("includes any", "d, c", "b, c", True),
    ("includes any", ["d"], ["b", "c"], False),
    ("limited to", ["a", "b"], ["a"], True),
    ("includes only", ["a", "b"], ["a", "z"], False),
    ("includes any", "1..4", [3], True),
    ("includes all", "1..4", [1, 2, 3], False),
    ("contains", "GOLD", "gold", True),
    ("contains", "gold", ["Blue", "Gold"], True),
    ("contains", "gold", ["blue"], False),
    ("before", "2026-11-20", "2026-11-19T23:59:59Z", True),
    ("before", "2026-11-20", "2026-11-20T00:00:00Z", False),
    ("after", "2026-11-20", "2026-11-21 00:00:00", True),
    ("after", "2026-11-20", "2026-11-20T23:59:59Z", False),
    ("during", "11/20/2026", "2026-11-20T10:00:00Z", True),
    ("between", ["2026-11-18", "2026-11-20"], "2026-11-20T23:59:59Z", True),
    ("between", ["2026-11-18", "2026-11-20"], "2026-11-21T00:00:00Z", False),
    ("during", "2026-11-20", "not a date", False),
]


@pytest.mark.parametrize(("operator", "written", "found", "expected"), PRESENT)
def test_operator_on_a_present_value_answers_as_the_table_says(
    operator: str, written: Any, found: Any, expected: bool
) -> None:
    assert holds(operator, written, found) is expected


#: Operator, written value, and its answer to a value that is not there (spec policy-alerts 3.4).
MISSING = [
    ("=", 0, True),
    ("=", 1, False),
    ("!=", 0, False),
    ("!=", 7, True),
    ("<", 10, True),
    ("<=", 0, True),
    (">", -1, True),
    (">=", 1, False),
    ("=", "", True),
    ("=", "x", False),
    ("=", True, False),
    ("=", False, False),
    ("in", ["a"], False),
    ("not in", ["a"], True),
    ("starts with", "a", False),
    ("starts with", "", True),
    ("ends with", "a", False),
    ("includes", "", True),
    ("includes", "a", False),
    ("like", "a", False),
    ("not like", "a", True),
    ("matches", "^$", True),
    ("matches", "a", False),
    ("does not match", "a", True),
    ("is null", True, True),
    ("is empty", True, True),
    ("is not null", True, False),
    ("is not empty", True, False),
    ("includes all", ["a"], False),
    ("includes any", ["a"], False),
    ("limited to", ["a"], True),
    ("before", "Today", False),
    ("after", "Yesterday", False),
    ("during", "Today", False),
    ("from", ["Yesterday", "Today"], False),
    ("contains", "a", False),
    ("contains", "", False),
]


@pytest.mark.parametrize(("operator", "written", "expected"), MISSING)
def test_operator_on_a_missing_value_answers_as_section_3_4_says(operator: str, written: Any, expected: bool) -> None:
    verdict = compiled({"field": "server.x", operator: written}).judge(facts())
    assert verdict.result is expected
    assert verdict.leaf.found is None


@pytest.mark.parametrize(("operator", "written", "_expected"), MISSING)
def test_strict_condition_is_not_true_of_a_missing_value_nor_of_its_opposite(
    operator: str, written: Any, _expected: bool
) -> None:
    tree = {"field": "server.x", operator: written}
    about_missing = "null" in operator or "empty" in operator
    asked = compiled(tree, strict=True).judge(facts()).result
    opposite = compiled({"not": tree}, strict=True).judge(facts()).result
    assert (asked or opposite) is about_missing


def test_strict_group_knows_what_the_known_part_decides() -> None:
    known, unknown = {"field": "server.a", "=": 1}, {"field": "server.b", "=": 1}
    there = facts(a=1)
    assert compiled({"any": [unknown, known]}, strict=True).judge(there).result is True
    assert compiled({"all": [unknown, known]}, strict=True).judge(there).result is False
    assert compiled({"none": [{"all": [unknown, {"not": known}]}]}, strict=True).judge(there).result is True


def test_strict_unknown_verdict_names_the_missing_value() -> None:
    tree = {"all": [{"field": "server.a", "=": 1}, {"field": "server.b", "=": 1}]}
    verdict = compiled(tree, strict=True).judge(facts(a=1))
    assert (verdict.result, verdict.leaf.path, verdict.leaf.found) == (False, "server.b", None)


def test_check_45_size_units_and_digit_grouping_are_read() -> None:
    assert holds("=", "5.megabytes", 5_242_880)
    assert holds("=", "1,024", 1024)
    assert holds(">", "2.hours", 7201)
    assert not holds(">", "2.hours", 7200)
    [mistake] = wrong({"field": "server.x", ">": "1.024.5"})
    assert "no number" in mistake.what
    [mistake] = wrong({"field": "server.x", ">": "1'024"})
    assert "no number" in mistake.what


def test_check_46_unknown_operator_is_a_mistake_that_names_the_nearest() -> None:
    [mistake] = wrong({"field": "server.x", "startswith": "a"})
    assert mistake.at == ("startswith",)
    assert "'starts with'" in mistake.mend
    [mistake] = wrong({"SOUNDS LIKE": {"field": "Vm-name", "value": "a"}})
    assert mistake.at == ("SOUNDS LIKE",)


def test_check_48_every_date_operator_is_false_of_no_date() -> None:
    for operator, written in (
        ("before", "Now"),
        ("after", "Now"),
        ("during", "Now"),
        ("from", ["Now", "Now"]),
    ):
        for found in (None, "", "soon", 12, ["2026-11-21"], "9" * 400):
            assert holds(operator, written, found) is False


def test_check_49_delimited_regular_expression_takes_one_option_and_values_stay_text() -> None:
    assert holds("matches", "/^WEB/i", "web-1")
    assert not holds("matches", "/^WEB/", "web-1")
    assert holds("includes", "#{1+1}\"'", "a #{1+1}\"' b")
    assert not holds("includes", "#{1+1}", "2")


def test_check_52_custom_attributes_compare_on_either_side_also_with_numbers() -> None:
    there = facts(memory_mb=4096, metadata={"limit": "2048", "twin": "4096"})
    above = {">": {"field": "Vm-mem_cpu", "value": "Vm-virtual_custom_attribute_limit"}}
    below = {"<": {"field": "Vm-virtual_custom_attribute_limit", "value": "Vm-mem_cpu"}}
    equal = {"=": {"field": "Vm-virtual_custom_attribute_twin:SECTION:x", "value": "Vm-mem_cpu"}}
    assert compiled(above).judge(there).result
    assert compiled(below).judge(there).result
    assert compiled(equal).judge(there).result
    assert (
        not compiled({"=": {"field": "Vm-mem_cpu", "value": "Vm-virtual_custom_attribute_limit"}}).judge(there).result
    )


def test_check_54_equality_and_pattern_work_on_a_plain_map_by_key() -> None:
    told = Normalised("x", "x", "m", NOW)
    mapped = Facts(Event(1, "c", "S", "N", told, {"payload": {"state": "error"}}), None, NOW)
    assert compiled({"EQUAL": {"field": "event.payload.state", "value": "error"}}).judge(mapped).result
    pattern = {"REGULAR EXPRESSION MATCHES": {"field": "event.payload.state", "value": "/ERR/i"}}
    assert compiled(pattern).judge(mapped).result


def test_check_55_missing_number_is_zero_missing_text_empty_missing_set_limited() -> None:
    absent = facts()
    assert compiled({"=": {"field": "Vm-mem_cpu", "value": "0"}}).judge(absent).result
    assert compiled({"<": {"field": "Vm-mem_cpu", "value": "10"}}).judge(absent).result
    assert compiled({"=": {"field": "Vm-description", "value": ""}}).judge(absent).result
    assert compiled({"IS NULL": {"field": "Vm-description", "value": ""}}).judge(absent).result
    assert compiled({"LIMITED TO": {"field": "server.tags", "value": "a,b"}}).judge(absent).result
    assert not compiled({"INCLUDES ANY": {"field": "server.tags", "value": "a,b"}}).judge(absent).result


def test_check_57_starts_with_is_case_sensitive_and_tries_every_line() -> None:
    assert holds("starts with", "second", "first\nsecond line")
    assert not holds("starts with", "Second", "first\nsecond line")
    assert holds("ends with", "first", "first\nsecond line")


@pytest.mark.parametrize("written", [True, "true"])
@pytest.mark.parametrize("found", [True, "true"])
def test_check_58_truth_values_equal_their_texts(written: Any, found: Any) -> None:
    assert holds("=", written, found)
    assert not holds("=", written, False)


def test_bare_yaml_on_equals_the_text_on() -> None:
    assert holds("is", True, "on")
    assert holds("is", False, "off")
    assert not holds("is", True, "off")


def test_text_field_compares_a_bare_number_as_text() -> None:
    tenant = {"field": "event.tenant_id", "is": 12}
    told = Normalised("x", "x", "m", NOW, tenant_id="12abc")
    assert not compiled(tenant).judge(Facts(Event(1, "c", "S", "N", told, {}), None, NOW)).result


def test_number_operators_work_on_dates_where_the_field_is_one() -> None:
    there = facts(created_at="2026-11-20T10:00:00Z")
    assert compiled({"field": "server.created_at", "<": "Today"}).judge(there).result
    assert compiled({"field": "server.created_at", ">=": "Yesterday"}).judge(there).result
    assert compiled({"field": "server.created_at", "is": "Yesterday"}).judge(there).result
    assert compiled({"field": "server.created_at", "<": {"field": "event.occurred_at"}}).judge(there).result


def test_date_compared_with_a_field_that_is_missing_is_false() -> None:
    tree = {"field": "server.created_at", "<": {"field": "server.launched_at"}}
    assert not compiled(tree).judge(facts(created_at="2026-11-20T10:00:00Z")).result


def test_tag_is_found_by_category_and_entry() -> None:
    there = facts(tags=["/managed/department/research%2flab", "environment=prod", "plain", 7])
    assert compiled({"CONTAINS": {"tag": "Vm.managed-environment", "value": "prod"}}).judge(there).result
    assert compiled({"CONTAINS": {"tag": "Vm.host.managed-department", "value": "research/lab"}}).judge(there).result
    assert compiled({"tag": "environment", "is": "prod"}).judge(there).result
    assert compiled({"tag": "environment", "includes any": ["prod", "test"]}).judge(there).result
    assert not compiled({"tag": "department", "contains": "sales"}).judge(there).result


def test_count_is_the_size_of_a_list_and_zero_without_one() -> None:
    assert compiled({"count": "server.volume_ids", ">": 1}).judge(facts(volume_ids=["a", "b"])).result
    assert compiled({">": {"count": "Vm.security_groups", "value": 1}}).judge(facts(security_groups=[1, 2])).result
    assert compiled({"count": "server.volume_ids", "=": 0}).judge(facts()).result


def test_registry_operators_are_accepted_with_a_warning_and_false() -> None:
    tree = {"KEY EXISTS": {"regkey": "HKLM", "regval": "x"}}
    expression, [mistake] = compile_expression(tree)
    assert mistake.severity == "warning"
    assert expression is not None
    assert not expression.judge(facts()).result


@pytest.mark.parametrize(
    ("operator", "written", "said"),
    [
        ("matches", "(?=a)", "two conditions"),
        ("matches", "(a", "RE2"),
        ("matches", "a" * (MAX_PATTERN + 1), "Keep it below"),
        ("matches", 5, "in quotes"),
        ("matches", "/a/x", "without blanks"),
        (">", "many", "4096"),
        (">", None, "empty: true"),
        ("=", ["a"], "in: […]"),
        ("in", "a", "in: ["),
        ("in", [], "in: ["),
        ("before", "someday", "2 Days Ago"),
        ("between", ["Today"], "two"),
        ("includes any", [], "list"),
        ("includes any", "9..1", "upwards"),
        ("empty", "maybe", "true or false"),
        ("=", datetime(2026, 11, 21, tzinfo=UTC), "quotes"),
        ("matches", {"field": "event.host"}, "Write a value"),
        ("=", {"fild": "event.host"}, "another field"),
    ],
)
def test_wrong_operand_is_a_mistake_at_its_place_with_a_way_out(operator: str, written: Any, said: str) -> None:
    [mistake] = wrong({"field": "server.x", operator: written})
    assert mistake.at == (operator,)
    assert said in mistake.mend


def test_pattern_takes_linear_time_and_bounded_text() -> None:
    assert holds("matches", "(a+)+$", "a" * 100_000 + "b") is False
    with pytest.raises(EvaluationFault, match=r"server\.x REGULAR EXPRESSION MATCHES.*characters"):
        holds("matches", "a", "a" * (MAX_TEXT + 1))


def test_comparison_that_cannot_be_made_is_a_fault_and_no_answer() -> None:
    tree = {"field": "server.a", "=": {"field": "server.b"}}
    with pytest.raises(EvaluationFault, match=r"server\.a ="):
        compiled(tree).judge(facts(a=1, b=["x"]))


def test_fault_of_reading_facts_is_not_mistaken_for_a_fault_of_the_comparison() -> None:
    class Broken(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            raise ConnectionError("the ledger is away")

    told = Normalised("x", "x", "m", NOW)
    event = Event(1, "c", "S", "N", told, Broken(form="oslo"))
    with pytest.raises(ConnectionError):
        compiled({"field": "event.payload.a", "=": 1}).judge(Facts(event, None, NOW))
