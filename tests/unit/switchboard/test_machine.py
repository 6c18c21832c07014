"""State machines (spec automate 5 and 8 F): one check a numbered rule, and what a retry leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.switchboard.checks import run_check
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.intervals import seconds_of
from tasks.switchboard.links import check_links
from tasks.switchboard.load import load_domains
from tasks.switchboard.position import Continuation
from tests.unit.switchboard.small_datastores import called, datastore, domain, files_of, klass, run

STEPS = {"on_entry": "enter", "on_exit": "leave", "on_error": "mend"}
METHODS = ["one", "two", "three", "enter", "enter2", "leave", "leave2", "mend", "other"]


def machine(**values: Any) -> dict[str, Any]:
    """Three states, each with all that may surround a step; ``values`` replace what single states say."""
    states = {n: {"value": f"METHOD::{n}", **STEPS, **values.get(n, {})} for n in ("one", "two", "three")}
    fields = [(name, "state", {"max_retries": "100"}) for name in states]
    return domain("D", klass("NS", "M", fields, {"i": states}, METHODS))


def outer(limit: str = "") -> dict[str, Any]:
    """A machine whose second state leads to another machine."""
    a = {
        "A1": "METHOD::one",
        "A2": {"value": "/NS/B/i", "on_error": "mend", "max_retries": limit},
        "A3": "METHOD::three",
    }
    b = {"B1": "METHOD::enter", "B2": {"value": "METHOD::two", "on_error": "other"}, "B3": "METHOD::leave"}
    return domain(
        "D",
        klass("NS", "A", [(n, "state") for n in a], {"i": a}, METHODS),
        klass("NS", "B", [(n, "state") for n in b], {"i": b}, METHODS),
    )


def root(**values: Any) -> list[dict[str, Any]]:
    return [{"root": values}]


WHOLE = ["enter", "one", "leave", "enter", "two", "leave", "enter", "three", "leave"]

#: Name, what is changed of the machine, what methods do, what must come of it.
CHECKS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("F01", {}, {}, {"names": WHOLE, "root": {"ae_result": "ok", "ae_state": ""}}),
    (
        "F02",
        {},
        {"two": root(ae_result="error")},
        {"names": [*WHOLE[:5], "mend"], "root": {"ae_result": "error", "ae_state": "two"}},
    ),
    (
        "F03",
        {},
        {"two": [{"exit": "abort"}]},
        {"error": None, "names": [*WHOLE[:5], "mend"], "root": {"ae_result": "error", "ae_state_step": "on_error"}},
    ),
    (
        "F04",
        {},
        {"two": root(ae_result="error"), "mend": root(ae_result="continue")},
        {"names": [*WHOLE[:5], "mend", *WHOLE[6:]], "root": {"ae_result": "ok"}},
    ),
    ("F05", {"one": {"on_entry": "enter2"}}, {"enter2": root(ae_result="error")}, {"names": ["enter2", "mend"]}),
    (
        "F06",
        {"one": {"on_exit": "leave2"}},
        {"leave2": root(ae_result="error")},
        {"names": ["enter", "one", "leave2"], "root": {"ae_result": "error", "ae_state": "one"}},
    ),
    (
        "F07",
        {"one": {"on_entry": "enter2"}},
        {"enter2": root(ae_result="skip")},
        {"names": ["enter2", *WHOLE[3:]], "root": {"ae_result": "ok"}},
    ),
    (
        "F08",
        {"one": {"on_entry": "enter2"}},
        {"enter2": root(ae_next_state="three")},
        {"names": ["enter2", *WHOLE[6:]]},
    ),
    ("F09", {}, {"one": root(ae_next_state="THREE")}, {"names": [*WHOLE[:3], *WHOLE[6:]]}),
    (
        "F10",
        {"one": {"on_exit": "leave2"}},
        {"leave2": root(ae_next_state="three")},
        {"names": ["enter", "one", "leave2", *WHOLE[6:]]},
    ),
    ("F11", {}, {"one": root(ae_next_state="four")}, {"error": "AbortInstantiation", "names": WHOLE[:3]}),
    ("F12", {}, {"two": root(ae_next_state="one")}, {"error": "AbortInstantiation", "names": WHOLE[:6]}),
    (
        "F13",
        {},
        {"two": root(ae_result="retry")},
        {"names": WHOLE[:6], "root": {"ae_result": "retry", "ae_state": "two", "ae_state_retries": 1}},
    ),
    ("F17", {}, {"two": root(ae_result="restart")}, {"root": {"ae_result": "retry", "ae_state": "one"}}),
    (
        "F18",
        {},
        {"three": root(ae_result="restart", ae_next_state="two")},
        {"root": {"ae_result": "retry", "ae_state": "two"}},
    ),
    ("F20", {}, {"one": root(ae_result="async_launch")}, {"names": WHOLE[:2], "root": {"ae_result": "retry"}}),
    (
        "F21",
        {"one": {"on_exit": "leave2"}},
        {"one": root(ae_result="retry"), "leave2": root(ae_result="retry")},
        {"root": {"ae_state_retries": 1}},
    ),
    ("F22", {"one": {"on_entry": "nobody"}}, {}, {"names": ["mend"], "root": {"ae_result": "error"}}),
    ("F23", {"one": {"on_exit": "nobody"}}, {}, {"names": ["enter", "one"], "root": {"ae_result": "error"}}),
    ("F24", {"two": {"value": "/NS/Nowhere/x"}}, {}, {"names": [*WHOLE[:4], "mend"], "root": {"ae_result": "error"}}),
    ("F25", {"one": {"on_entry": "enter; #other; enter2"}}, {}, {"names": ["enter", "enter2", *WHOLE[1:]]}),
    ("F26", {"one": {"on_entry": "enter2"}}, {"enter2": [{"exit": "stop"}]}, {"names": ["enter2"], "roots": 0}),
    ("F28", {"one": {"value": "#"}}, {}, {"names": ["enter", "leave", *WHOLE[3:]]}),
    (
        "F29",
        {},
        {"one": root(ae_result="retry", ae_retry_server_affinity=True)},
        {"root": {"ae_retry_server_affinity": True}},
    ),
    ("F31", {"one": {"value": "method::/NS/M.other()"}}, {}, {"names": ["enter", "other", *WHOLE[2:]]}),
]


@pytest.mark.parametrize(("name", "values", "effects", "expect"), CHECKS, ids=[c[0] for c in CHECKS])
def test_rule_of_the_machine_holds(
    name: str, values: dict[str, Any], effects: dict[str, Any], expect: dict[str, Any]
) -> None:
    check = {"id": name, "domains": [machine(**values)], "uri": "/NS/M/i", "effects": effects, "expect": expect}
    assert run_check(check).differences == []


DELIVERIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "F14",
        {
            "domains": [machine()],
            "effects": {"two": [{"root": {"ae_result": "retry", "lost": 1}, "vars": {"kept": 1}}, {}]},
        },
        {"deliveries": ["retry", "ok"], "calls_by_delivery": [WHOLE[:6], WHOLE[3:]], "root_absent": ["lost"]},
    ),
    (
        "F15",
        {"domains": [machine(one={"max_retries": "1"})], "effects": {"one": root(ae_result="retry")}},
        {"deliveries": ["retry", "retry", "error"], "names": ["enter", "mend"]},
    ),
    (
        "F16",
        {"domains": [machine(one={"max_time": "1.minute"})], "effects": {"one": root(ae_result="retry")}, "tick": 30},
        {"deliveries": ["retry", "retry", "error"]},
    ),
    (
        "F19",
        {
            "domains": [machine(two={"max_retries": "2"})],
            "effects": {"two": root(ae_result="restart", ae_next_state="two")},
        },
        {"deliveries": ["retry", "retry", "retry", "error"]},
    ),
    (
        "F28 limits count for a state without a step, unlike the original",
        {
            "domains": [machine(one={"value": "#", "on_entry": "enter2", "max_retries": "1"})],
            "effects": {"enter2": root(ae_result="retry")},
        },
        {"deliveries": ["retry", "retry", "error"]},
    ),
    (
        "F33",
        {"domains": [outer()], "uri": "/NS/A/i", "effects": {"two": [{"root": {"ae_result": "retry"}}, {}]}},
        {"deliveries": ["retry", "ok"], "calls_by_delivery": [["one", "enter", "two"], ["two", "leave", "three"]]},
    ),
    (
        "F34",
        {"domains": [outer("2")], "uri": "/NS/A/i", "effects": {"two": root(ae_result="retry")}},
        {"deliveries": ["retry", "retry", "retry", "error"]},
    ),
    (
        "F35",
        {"domains": [outer()], "uri": "/NS/A/i", "effects": {"two": root(ae_result="error")}},
        {"deliveries": ["error"], "names": ["one", "enter", "two", "other", "mend"]},
    ),
    (
        "F37",
        {
            "domains": [machine()],
            "effects": {"one": [{"root": {"ae_result": "retry"}}, {}], "two": root(ae_result="retry")},
            "deliver": 2,
        },
        {"root": {"ae_state": "two", "ae_state_retries": 1}},
    ),
]


@pytest.mark.parametrize(("name", "given", "expect"), DELIVERIES, ids=[d[0].split()[0] for d in DELIVERIES])
def test_rule_over_several_deliveries_holds(name: str, given: dict[str, Any], expect: dict[str, Any]) -> None:
    assert run_check({"id": name, "uri": "/NS/M/i", "deliver": 9, **given, "expect": expect}).differences == []


def test_F03_the_reason_names_state_and_step() -> None:
    store = datastore(machine(one={"on_entry": "nobody"}))
    found = run(store, "/NS/M/i").root
    assert found is not None
    assert found.get("ae_reason") == "one, on_entry: Method [NS/M.nobody] not found"


def test_F27_fields_beside_the_machine_run_again_at_each_delivery() -> None:
    top = klass(
        "NS",
        "Top",
        [("before", "method"), ("rel", "relationship")],
        {"t": {"before": "other", "rel": "/NS/M/i"}},
        METHODS,
    )
    check = machine()
    check["classes"].append(top)
    effects = {"one": [{"root": {"ae_result": "retry"}}, {}]}
    expect = {"calls_by_delivery": [["other", *WHOLE[:3]], ["other", *WHOLE]]}
    given = {"id": "F27", "domains": [check], "uri": "/NS/Top/t", "deliver": 5, "effects": effects, "expect": expect}
    assert run_check(given).differences == []


def test_a_machine_that_is_through_does_not_run_again_when_one_beside_it_is_retried() -> None:
    both = machine()
    second = klass("NS", "N", [("only", "state")], {"i": {"only": "METHOD::other"}}, METHODS)
    top = klass("NS", "Top", [("a", "relationship"), ("b", "relationship")], {"t": {"a": "/NS/M/i", "b": "/NS/N/i"}})
    both["classes"] += [second, top]
    effects = {"other": [{"root": {"ae_result": "retry"}}, {}]}
    expect = {"calls_by_delivery": [[*WHOLE, "other"], ["other"]], "deliveries": ["retry", "ok"]}
    given = {"id": "-", "domains": [both], "uri": "/NS/Top/t", "deliver": 5, "effects": effects, "expect": expect}
    assert run_check(given).differences == []


def test_what_survives_a_retry_is_plain_data() -> None:
    store = datastore(outer())
    effects = {"two": [{"root": {"ae_result": "retry"}, "vars": {"kept": [1, {"a": "b"}]}}]}
    moment = datetime(2030, 1, 2, 3, tzinfo=UTC)
    first = run(store, "/NS/A/i", effects=effects, now=moment)
    assert first.continuation is not None
    kept = first.continuation.as_dict()
    assert kept["variables"] == {"kept": [1, {"a": "b"}]}
    assert kept["machines"] == {
        "/d/ns/a/i": {"state": "A2", "started": "2030-01-02T03:00:00+00:00", "retries": 1},
        "/d/ns/b/i": {"state": "B2", "started": "2030-01-02T03:00:00+00:00", "retries": 1},
    }
    again = run(store, "/NS/A/i", before=Continuation.from_dict(kept), now=moment + timedelta(hours=1))
    assert called(again) == ["two", "leave", "three"]
    assert again.continuation is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("2.minutes", 120), ("1.hour", 3600), ("3.DAYS", 259_200), ("1.5", 1.5), ("", 0), (None, 0), (7, 7)],
)
def test_F36_an_interval_is_a_number_or_a_number_of_units(text: Any, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["soon", "2.parsecs", "-5", "1..minute", "2 minutes", "9" * 50])
def test_what_is_no_interval_is_none(text: str) -> None:
    assert seconds_of(text) is None


def test_what_a_state_names_and_nobody_has_is_told_when_the_site_is_checked() -> None:
    values = {
        "one": {"value": "METHOD::nobody"},
        "two": {"value": "/NS/Nowhere/x"},
        "three": {"on_error": "mend; lost"},
    }
    domains, _ = load_domains(files_of(machine(**values)), "automate")
    told = [str(problem) for problem in check_links(Datastore(domains), domains)]
    assert [next(w for w in ("nobody", "Nowhere", "lost") if w in text) for text in told] == [
        "nobody",
        "Nowhere",
        "lost",
    ]
    assert check_links(Datastore([]), []) == []
