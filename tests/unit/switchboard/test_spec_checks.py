"""Checks of spec automate 8 that the corpus leaves out, in the form that ``automate check`` takes."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.switchboard.checks import run_check
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import resolve
from tasks.switchboard.given import Given
from tasks.switchboard.handle import switchboard_handler
from tasks.switchboard.load import load_domains
from tasks.switchboard.offline import shown
from tasks.switchboard.plain import files_of, sheet
from tests.unit.switchboard.small_datastores import FakeView, domain, event, klass, shipped_with

A, R, M = "attribute", "relationship", "method"


def top(values: dict[str, Any], fields: list[Any], *more: Any, methods: Any = ()) -> list[dict[str, Any]]:
    """A domain with the class NS/P, whose instance `i` has these values, and further classes."""
    return [domain("D", klass("NS", "P", fields, {"i": values}, methods), *more)]


CHILD = klass("NS", "K", [("own", A), ("name", A), ("seen", A), ("n", A)], {"k": {"own": "mine"}})
IN_CHILD = [("pa", A), ("rel", R)]


def child(value: str) -> list[dict[str, Any]]:
    """A parent with ``pa`` and a child whose attribute ``seen`` has this value."""
    held = klass("Ns2/Deep", "K", [("own", A), ("seen", A)], {"k": {"own": "mine", "seen": value}})
    return top({"pa": "up", "rel": "/Ns2/Deep/K/k"}, IN_CHILD, held)


MANY = klass("NS", "N", [("n", A, {"datatype": "integer"})], {"a": {"n": "3"}, "b": {"n": "1"}, "c": {"n": "2"}})


def reduced(collect: str) -> list[dict[str, Any]]:
    return top({"rel": {"value": "/NS/N/*", "collect": collect}}, [("rel", R)], MANY)


TAKES = [["m", {"inputs": [["x", {"default_value": "d-${#own}"}]]}]]

CHECKS: list[tuple[str, Any, dict[str, Any], dict[str, Any]]] = [
    ("A24", top({"a": "x"}, [("a", A, {"message": None})]), {}, {"root": {"a": "x"}}),
    ("C01", top({"own": "1", "b": "${#own}2"}, [("own", A), ("b", A)]), {}, {"root": {"b": "12"}}),
    ("C03", child("${p#pa}"), {}, {"object": {"0": {"seen": "up"}}}),
    ("C05", child("${Nobody#pa}"), {}, {"error": "ObjectNotFound"}),
    ("C07 parent", child("${..#pa}"), {}, {"object": {"0": {"seen": "up"}}}),
    ("C07 with a slash", child("${/..#pa}"), {}, {"object": {"0": {"seen": "up"}}}),
    ("C07 itself", child("${.#own}"), {}, {"object": {"0": {"seen": "mine"}}}),
    ("C09", top({"a": "x${}y"}, [("a", A)]), {}, {"root": {"a": "x${}y"}}),
    (
        "C17",
        top({"a": "${/NS/K/k#own}", "rel": "/NS/K/k"}, [("a", A), ("rel", R)], CHILD),
        {},
        {"error": "ObjectNotFound"},
    ),
    (
        "C22",
        top({"a": "${!current_message}"}, [("a", A, {"message": "*"})]),
        {"uri": "/NS/P/i#Go"},
        {"root": {"a": "go"}},
    ),
    (
        "D25 copy",
        top({"rel": {"value": "/NS/K/k", "collect": "own"}}, [("rel", R)], CHILD),
        {},
        {"root": {"own": "mine"}},
    ),
    (
        "D25 rename",
        top({"rel": {"value": "/NS/K/k", "collect": "y = own"}}, [("rel", R)], CHILD),
        {},
        {"root": {"y": "mine"}},
    ),
    ("D25 wildcard", reduced("all = n"), {}, {"root": {"all": [3, 1, 2]}}),
    ("D27 sort", reduced("z = [n].sort"), {}, {"root": {"z": [1, 2, 3]}}),
    ("D27 rsort", reduced("z = [n].rsort"), {}, {"root": {"z": [3, 2, 1]}}),
    ("D27 reverse", reduced("z = [n].reverse"), {}, {"root": {"z": [2, 1, 3]}}),
    ("D27 count", reduced("z = [n].count"), {}, {"root": {"z": 3}}),
    ("D27 min", reduced("z = [n].min"), {}, {"root": {"z": 1}}),
    ("D27 max", reduced("z = [n].max"), {}, {"root": {"z": 3}}),
    ("D27 sum", reduced("z = [n].sum"), {}, {"root": {"z": 6}}),
    ("D27 mean", reduced("z = [n].mean"), {}, {"root": {"z": 2.0}}),
    (
        "E01",
        top({"x": "mine", "go": "m"}, [("x", A), ("go", M)], methods=TAKES),
        {},
        {"calls": [["/D/NS/P/m", {"x": "mine"}]]},
    ),
    (
        "E03",
        top({"own": "o", "go": "m"}, [("own", A), ("go", M)], methods=TAKES),
        {},
        {"calls": [["/D/NS/P/m", {"x": "d-o"}]]},
    ),
    ("E05", top({"go": "m"}, [("go", M)], methods=TAKES), {"uri": "/NS/P/i?x="}, {"calls": [["/D/NS/P/m", {"x": ""}]]}),
    ("E07", top({"go": "M(x => 1)"}, [("go", M)], methods=TAKES), {}, {"names": ["m"]}),
    (
        "E13",
        top({"a": "one", "b": "two"}, [("a", M), ("b", M)], methods=["one", "two"]),
        {"effects": {"one": [{"exit": "ok"}], "two": [{"exit": "warn"}]}},
        {"names": ["one", "two"]},
    ),
    (
        "G09",
        top(
            {"go": "m"},
            [("go", M)],
            methods=[["m", {"inputs": [["flag", {"datatype": "boolean", "default_value": "false"}]]}]],
        ),
        {"uri": "/NS/P/i?flag=true"},
        {"calls": [["/D/NS/P/m", {"flag": True}]]},
    ),
]


@pytest.mark.parametrize(("name", "domains", "given", "expect"), CHECKS, ids=[check[0] for check in CHECKS])
def test_check_of_the_spec_holds(name: str, domains: Any, given: dict[str, Any], expect: dict[str, Any]) -> None:
    check = {"id": name, "domains": domains, "uri": "/NS/P/i", **given, "expect": expect}
    assert run_check(check).differences == []


PARSE = ["parse_provider_category", {"location": "builtin"}]


@pytest.mark.parametrize(
    ("root", "category"),
    [
        ({"vm": {"$obj": "v", "attrs": {"cloud": True}}}, "cloud"),
        (
            {"vm": {"$obj": "v", "attrs": {"cloud": False}}, "orchestration_stack": {"$obj": "s", "attrs": {}}},
            "infrastructure",
        ),
        ({"orchestration_stack": {"$obj": "s", "attrs": {}}}, "cloud"),
        ({}, "unknown"),
    ],
)
def test_G11_the_category_is_that_of_the_first_object_that_is_present(root: dict[str, Any], category: str) -> None:
    domains = top({"go": PARSE[0]}, [("go", M)], methods=[PARSE])
    check = {
        "id": "G11",
        "domains": domains,
        "uri": "/NS/P/i",
        "root": root,
        "expect": {"root": {"ae_provider_category": category}},
    }
    assert run_check(check).differences == []


def test_G08_the_refresh_machine_waits_until_inventory_is_newer() -> None:
    """The shape of the shipped ReconfigVM_Task_Complete: refresh, wait, then raise the policy event."""
    states = [("first", "state"), ("check", "state", {"max_retries": "100"})]
    machine = klass(
        "NS",
        "Refresh",
        states,
        {"Default": {"first": "METHOD::target_refresh", "check": "METHOD::check_refreshed"}},
        ["target_refresh", "check_refreshed"],
    )
    domains = top({"a": "/NS/Refresh/Default", "b": "raise"}, [("a", R), ("b", M)], machine, methods=["raise"])
    again = {"root": {"ae_result": "retry", "ae_retry_interval": "1.minute"}}
    check = {
        "id": "G08",
        "domains": domains,
        "uri": "/NS/P/i",
        "deliver": 5,
        "effects": {"check_refreshed": [again, again, {}]},
        "expect": {
            "deliveries": ["retry", "retry", "ok"],
            "calls_by_delivery": [
                ["target_refresh", "check_refreshed", "raise"],
                ["check_refreshed", "raise"],
                ["check_refreshed", "raise"],
            ],
        },
    }
    assert run_check(check).differences == []


def loaded(*domains: Any) -> Datastore:
    found, problems = load_domains(files_of(*domains), "automate")
    assert [str(p) for p in problems if p.severity == "error"] == []
    return Datastore(found)


def test_A16_inheritance_of_a_class_is_ignored() -> None:
    files = files_of(*top({}, [("a", A)], klass("NS", "Q", [("b", A, {"default_value": "x"})], {"i": {}})))
    path = "automate/D/NS/P.class/__class__.yaml"
    schema = [{"field": {"aetype": A, "name": "a"}}]
    files[path] = sheet("class", {"name": "P", "inherits": "/NS/Q"}, schema=schema)
    domains, _ = load_domains(files, "automate")
    root = resolve(Datastore(domains), {}, "/NS/P/i").root
    assert root is not None
    assert root.get("b") is None


@pytest.mark.parametrize("datatype", ["vm", "VmOrTemplate", "host", "ManageIQ::CloudVolume"])
def test_D34_a_datatype_that_names_a_model_gives_the_object(datatype: str) -> None:
    fields = [("it", A, {"datatype": datatype}), ("name", A)]
    store = loaded(*top({"it": "7", "name": "${#it.name}"}, fields))
    looked: list[tuple[str, str]] = []

    def lookup(kind: str, ref: str) -> Any:
        looked.append((kind, ref))
        return {"id": ref, "name": f"the {kind}"}

    root = resolve(store, {}, "/NS/P/i", lookup=lookup).root
    assert root is not None
    assert root.get("name") == f"the {looked[0][0]}"
    assert [ref for _, ref in looked] == ["7"]
    blank = resolve(loaded(*top({"it": " "}, fields)), {}, "/NS/P/i", lookup=lookup)
    assert blank.error is None
    assert len(looked) == 1


def test_D34_without_an_inventory_such_a_datatype_makes_its_object_fail() -> None:
    workspace = resolve(loaded(*top({"it": "7"}, [("it", A, {"datatype": "vm"})])), {}, "/NS/P/i")
    assert workspace.roots == []
    assert "Datatype [vm]" in workspace.errors[0]


def test_D32_a_time_is_a_moment_in_utc_and_another_text_makes_its_object_fail() -> None:
    fields = [("at", A, {"datatype": "time"}), ("text", A)]
    root = resolve(loaded(*top({"at": "2030-01-02 03:04:05+01:00", "text": "${#at}"}, fields)), {}, "/NS/P/i").root
    assert root is not None
    assert root.get("text") == "2030-01-02T02:04:05+00:00"
    assert resolve(loaded(*top({"at": "soon"}, fields)), {}, "/NS/P/i").roots == []


def test_H07_a_password_is_shown_as_stars_wherever_it_is_shown() -> None:
    fields = [("secret", A, {"datatype": "password"}), ("text", A), ("go", M)]
    takes = [["m", {"inputs": [["secret", {"datatype": "password"}], ["text", {}]]}]]
    values = {"secret": "v2:{abc}", "text": "<${#secret}>", "go": "m"}
    workspace = resolve(loaded(*top(values, fields, methods=takes)), {}, "/NS/P/i")
    assert workspace.root is not None
    assert workspace.root.get("secret").reveal() == "v2:{abc}"
    assert workspace.root.get("text") == "<********>"
    assert shown(workspace)["calls"][0]["inputs"] == {"secret": "********", "text": "<********>"}


def test_G15_a_delivery_is_handed_the_event_and_the_objects_that_it_names() -> None:
    happened = event("compute.instance.update", host="node1")
    given = Given(happened, FakeView(loaded()))
    assert {name: given[name] for name in ("event_id", "event_stream_id", "event_type", "vm_id", "host_id")} == {
        "event_id": "7",
        "event_stream_id": "7",
        "event_type": "compute.instance.update",
        "vm_id": "s-1",
        "host_id": "node1",
    }
    assert (given["vm"]["id"], given["event_stream"]["source"]) == ("s-1", "OPENSTACK")


def test_G24_a_state_is_read_from_the_provider_and_never_written() -> None:
    call = "/System/event_handlers.change_event_target_state(target => 'src_vm', param => 'on')"
    store = shipped_with({"image.create": {"meth1": call}})
    outcome = switchboard_handler(event("image.create"), FakeView(store))
    assert outcome.plan is not None
    assert [str(target) for target in outcome.plan.targets] == ["server/s-1"]
