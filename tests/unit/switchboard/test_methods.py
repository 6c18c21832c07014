"""Method calls: their text, their inputs, what they end (spec automate 8, E)."""

from __future__ import annotations

import pytest

from tasks.switchboard.builtin import run_builtin
from tasks.switchboard.engine import resolve
from tasks.switchboard.errors import AbortInstantiation, InvalidMethod, MethodNotFound
from tests.unit.switchboard.small_datastores import called, datastore, domain, klass, run

METHODS = klass(
    "NS",
    "C",
    [("x", "attribute"), ("go", "method")],
    {
        "plain": {"go": "M"},
        "given": {"go": "m(x => 'two words')"},
        "attribute": {"go": "m(x => y)"},
        "unknown": {"go": "none"},
        "dynamic": {"go": "${#call}"},
    },
    [["m", {"inputs": [["x", {"default_value": "<${#y}>"}]]}]],
)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        pytest.param("/NS/C/plain?x=1", "1", id="E01"),
        pytest.param("/NS/C/given?x=1", "two words", id="E02"),
        pytest.param("/NS/C/attribute?y=why&x=1", "why", id="E02-attribute"),
        pytest.param("/NS/C/plain?y=Y", "<Y>", id="E03"),
        pytest.param("/NS/C/plain?x=", "", id="E05"),
    ],
)
def test_an_input_is_taken_from(uri: str, expected: str) -> None:
    assert [c.inputs for c in run(datastore(domain("D", METHODS)), uri).calls] == [{"x": expected}]


def test_E09_an_unknown_method_ends_the_run() -> None:
    assert isinstance(run(datastore(domain("D", METHODS)), "/NS/C/unknown").error, MethodNotFound)


@pytest.mark.parametrize("text", ["foo-bar", "a.b.c", "m(", "Class.", "x/y"])
def test_E10_text_that_is_no_call_ends_the_run(text: str) -> None:
    workspace = run(datastore(domain("D", METHODS)), f"/NS/C/dynamic?call={text}")
    assert isinstance(workspace.error, InvalidMethod)


def test_a_call_never_takes_syntax_from_outside() -> None:
    instances = {"i": {"go": "m(x => '${/#type}')"}}
    held = klass("NS", "C", [("go", "method")], instances, [["m", {"inputs": [["x", {}]]}]])
    type_ = "a', x => 'b"
    workspace = run(datastore(domain("D", held)), "/NS/C/i", {"type": type_})
    assert [c.inputs for c in workspace.calls] == [{"x": type_}]


def test_E11_every_object_has_the_base_methods() -> None:
    store = datastore(domain("D", klass("NS", "C", [("go", "method")], {"i": {"go": "LOG_object"}})))
    assert [c.method for c in run(store, "/NS/C/i").calls] == ["/$/Object/log_object"]


def test_E15_an_abort_ends_the_run_and_what_was_done_stands() -> None:
    held = klass("NS", "C", [("a", "method"), ("b", "method")], {"i": {"a": "one", "b": "two"}}, ["one", "two"])
    workspace = run(datastore(domain("D", held)), "/NS/C/i", effects={"one": [{"exit": "abort"}]})
    assert called(workspace) == ["one"]
    assert isinstance(workspace.error, AbortInstantiation)


def test_E17_a_builtin_that_stops_ends_the_run() -> None:
    methods = [["check_policy_prevent", {"location": "builtin"}], "after"]
    held = klass(
        "NS",
        "C",
        [("a", "method"), ("b", "method")],
        {"i": {"a": "check_policy_prevent", "b": "after"}},
        methods,
    )
    store = datastore(domain("D", held))
    prevented = resolve(store, {"event_stream": {"prevented": True}}, "/NS/C/i", runner=run_builtin)
    assert (called(prevented), type(prevented.error)) == (["check_policy_prevent"], AbortInstantiation)
    free = resolve(store, {"event_stream": {}}, "/NS/C/i", runner=run_builtin)
    assert (called(free), free.error) == (["check_policy_prevent", "after"], None)


def test_E19_a_relationship_may_call_a_method_of_the_object() -> None:
    held = klass("NS", "C", [("r", "relationship")], {"i": {"r": "method:///m?x=2"}}, [["m", {"inputs": [["x", {}]]}]])
    assert [c.inputs for c in run(datastore(domain("D", held)), "/NS/C/i").calls] == [{"x": "2"}]


def test_a_method_is_never_named_by_a_value_from_outside() -> None:
    held = klass("NS", "C", [("r", "relationship")], {"i": {"r": "method:///${/#type}"}}, ["m"])
    workspace = run(datastore(domain("D", held)), "/NS/C/i", {"type": "m"})
    assert (workspace.calls, type(workspace.error).__name__) == ([], "InvalidPathFormat")


def test_E20_a_builtin_that_does_not_exist_ends_the_run() -> None:
    held = klass("NS", "C", [("go", "method")], {"i": {"go": "own"}}, [["own", {"location": "builtin"}]])
    workspace = resolve(datastore(domain("D", held)), {}, "/NS/C/i")
    assert isinstance(workspace.error, MethodNotFound)


def test_E23_a_real_false_is_a_value_for_an_input() -> None:
    inputs = {"inputs": [["flag", {"datatype": "boolean"}]]}
    held = klass("NS", "C", [("a", "method"), ("b", "method")], {"i": {"a": "m", "b": "m"}}, [["m", inputs]])
    workspace = run(datastore(domain("D", held)), "/NS/C/i?flag=false")
    assert [c.inputs for c in workspace.calls] == [{"flag": False}, {"flag": False}]


def test_parse_provider_category_takes_the_first_attribute_that_says_something() -> None:
    held = klass("NS", "C", [("go", "method")], {"i": {"go": "p"}}, [["p", {"location": "builtin"}]])
    files = domain("D", held)
    files["classes"][0]["methods"] = [["parse_provider_category", {"location": "builtin"}]]
    files["classes"][0]["instances"] = {"i": {"go": "parse_provider_category"}}
    store = datastore(files)
    for root, category in (
        ({}, "unknown"),
        ({"vm": {"cloud": True}}, "cloud"),
        ({"vm": {}}, "infrastructure"),
        ({"miq_request": {}, "platform_category": "infra"}, "infrastructure"),
        ({"service_retire_task": {}}, ""),
        ({"orchestration_stack": {}}, "cloud"),
    ):
        workspace = resolve(store, root, "/NS/C/i")
        assert workspace.root is not None
        assert workspace.root.get("ae_provider_category") == category
