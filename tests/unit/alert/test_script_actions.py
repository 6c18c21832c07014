"""What a script action concludes on an event: which script runs with which arguments, or why none does."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.alert.handle import alert_handler
from tasks.alert.model import AlertSet
from tasks.alert.scripts.run import run_scripts
from tasks.alert.scripts.section import ARGUMENT_BYTES, Filter, ScriptActions, Section
from tasks.expressions.patterns import read_prefix
from tasks.model.event import PROVIDER_EVENT, Event, ObjectRef
from tasks.model.outcome import ObjectFacts, Outcome
from tasks.providers.esi_leap.converter import LeapConverter
from tests.unit.esi_leap.leap_ground import AT, END, ERROR, LEASE, NODE, message


class View:
    """A site with these sections, and an inventory with one lease or none."""

    now = AT

    def __init__(self, *sections: Section, lease: Mapping[str, Any] | None = None) -> None:
        parts = {"actions": ScriptActions(sections), "alerts": AlertSet([])}
        self.site = SimpleNamespace(parts=parts, part=parts.__getitem__)
        self._lease = lease

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        return ObjectFacts(ref, "known", None, None, AT, self._lease) if self._lease is not None else None


def section(name: str = "one", *, filters: Mapping[str, str] | None = None, **more: Any) -> Section:
    given: dict[str, Any] = {
        "events": (END,), "command": ("actions/a.sh",), "params": ("node_name",), "levels": None,
        "dash": "refuse", "timeout_seconds": 300.0, **more,
    }  # fmt: skip
    found = tuple(Filter(key, pattern, read_prefix(pattern)) for key, pattern in (filters or {}).items())
    return Section(file="esi.conf", name=name, filters=found, **given)


def event(body: Any = None, **more: Any) -> Event:
    converter = LeapConverter()
    [only] = converter.unwrap(body if body is not None else message(**more))
    payload = {"form": only.form, "content": only.content}
    return Event(7, "esi", "ESI_LEAP", PROVIDER_EVENT, converter.convert(only), payload)


def concluded(*sections: Section, sent: Event | None = None, **more: Any) -> Outcome:
    outcome = Outcome()
    run_scripts(sent or event(**more), View(*sections), outcome)
    return outcome


def command(*sections: Section, **more: Any) -> list[str]:
    [ask] = concluded(*sections, **more).asks
    return list(ask.params["command"])


def reason(*sections: Section, **more: Any) -> tuple[str, Any]:
    outcome = concluded(*sections, **more)
    assert outcome.asks == []
    [finding] = outcome.findings
    return finding.verdict, finding.detail


def test_a_section_runs_its_script_with_the_values_in_order() -> None:
    outcome = concluded(section(params=("name", "properties.rack.row", "uuid")), name="L1")
    [ask] = outcome.asks
    assert ask.params["command"] == ["actions/a.sh", "L1", "7", LEASE]
    assert ask.params["values"] == {"name": "L1", "properties.rack.row": "7", "uuid": LEASE}
    assert (ask.action, ask.rule, ask.target) == ("script", "script-action:esi.conf:one", ("lease", LEASE))
    assert ask.key(7) == f"7:script-action:esi.conf:one:script:lease/{LEASE}:0"
    assert [(f.kind, f.name, f.verdict) for f in outcome.findings] == [("script action", "esi.conf:one", "asked")]


@pytest.mark.parametrize(
    "hostile", ["L3 $(id)", '"; touch pwned #', "a b\nc", "`id`", "*", "é\u202e漢", "'", "${env:HOME}"]
)
def test_check_03_a_hostile_name_is_one_argument_as_it_is(hostile: str) -> None:
    assert command(section(params=("name", "uuid")), name=hostile) == ["actions/a.sh", hostile, LEASE]


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (7, "7"), (1.5, "1.5"), (True, "true"), ({"a": [1]}, '{"a":[1]}'), ("", "")]
)
def test_a_value_that_is_no_text_has_a_defined_one(value: Any, text: str) -> None:
    assert command(section(params=("purpose",)), purpose=value) == ["actions/a.sh", text]


def test_a_key_that_the_event_lacks_skips_the_section_and_no_other() -> None:
    outcome = concluded(section("a", params=("no.such",)), section("b"), section("c", params=("properties.rack.x",)))
    assert [ask.rule for ask in outcome.asks] == ["script-action:esi.conf:b"]
    assert [f.verdict for f in outcome.findings] == ["skipped", "asked", "skipped"]
    assert outcome.findings[0].detail == {"reason": "the event has no no.such, which script_params names"}


def test_a_filter_on_a_key_that_the_event_lacks_does_not_match() -> None:
    verdict, detail = reason(section(filters={"properties.vendor": "foo"}), properties={})
    assert verdict == "not matched"
    assert detail == {
        "filter": "properties.vendor", "expected": "foo", "reason": "the event has no properties.vendor"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("test", "test", True),
        ("te", "testing", True),
        ("est", "test", False),
        ("Test", "test", False),
        ("test$", "testing", False),
        ("test$", "test\nmore", False),
        (".*", None, True),
        ("x", None, False),
        ("7", 7, True),
        ("", "anything", True),
        ("t.*t", "t\nt", False),
        ("(a|b)c", "bcd", True),
    ],
)
def test_a_filter_is_a_regular_expression_that_the_value_begins_with(pattern: str, value: Any, fits: bool) -> None:
    assert bool(concluded(section(filters={"purpose": pattern}), purpose=value).asks) is fits


def test_all_filters_must_fit() -> None:
    both = section(filters={"purpose": "test", "properties.vendor": "foo"})
    assert concluded(both).asks
    assert reason(both, purpose="other") == (
        "not matched", {"filter": "purpose", "expected": "test", "found": "other"}
    )  # fmt: skip


def test_a_pattern_that_would_take_for_ever_does_not() -> None:
    assert reason(section(filters={"purpose": "(a+)+$"}), purpose="a" * 200_000 + "!")[0] == "not matched"
    assert reason(section(filters={"purpose": "a"}), purpose="a" * 300_000)[0] == "skipped"


def test_the_queues_of_the_file_decide_which_levels_it_hears() -> None:
    heard = section(events=(END, ERROR), levels=frozenset({"info"}))
    assert concluded(heard).asks
    verdict, detail = reason(heard, event_type=ERROR)
    assert (verdict, detail["reason"]) == ("skipped", "its queues carry info, and this is error")


def test_a_value_that_no_program_takes_skips_the_section() -> None:
    assert concluded(section(params=("purpose",)), purpose="x" * ARGUMENT_BYTES).asks
    verdict, detail = reason(section(params=("purpose",)), purpose="x" * (ARGUMENT_BYTES + 1))
    assert verdict == "skipped"
    assert "has 131072 bytes" in detail["reason"]
    assert "together" in reason(section(params=("purpose", "name", "status")), purpose="é" * 60_000, name="n" * 120_000,
                                status="s" * 60_000)[1]["reason"]  # fmt: skip
    assert concluded(section(params=("uuid",)), purpose="x" * 1_000_000).asks


def test_a_leading_dash_is_refused_fenced_or_let_through_as_the_section_says() -> None:
    assert "begins with a dash" in reason(section(params=("name",)), name="-rf")[1]["reason"]
    fenced = section(params=("name",), dash="after_dashes")
    assert command(fenced, name="-rf") == ["actions/a.sh", "--", "-rf"]
    assert command(section(params=("name",), dash="allow"), name="-rf") == ["actions/a.sh", "-rf"]


def test_a_section_that_does_not_name_the_type_is_not_told_of() -> None:
    outcome = concluded(section(events=("esi_leap.lease.delete.end",)))
    assert (outcome.asks, outcome.findings) == ([], [])


def test_several_sections_of_one_event_run_in_the_order_of_the_file() -> None:
    outcome = concluded(section("a"), section("b", filters={"purpose": "no"}), section("c"))
    assert [ask.rule.rpartition(":")[2] for ask in outcome.asks] == ["a", "c"]


def test_raised_events_run_no_script() -> None:
    sent = event()
    sent.namespace = "MiqEvent"
    outcome = concluded(section(), sent=sent)
    assert (outcome.asks, outcome.findings) == ([], [])


def test_the_alert_stage_asks_them_beside_alerts() -> None:
    outcome = alert_handler(event(), View(section()))
    assert [ask.rule for ask in outcome.asks] == ["script-action:esi.conf:one"]


ROW = {
    "id": 22, "event_type": END, "event_time": "2031-05-04T12:00:00.0", "object_type": "lease", "object_uuid": LEASE,
    "resource_type": "ironic_node", "resource_uuid": NODE, "lessee_id": "p", "owner_id": "o",
}  # fmt: skip


def test_a_row_of_the_history_has_the_words_of_a_message() -> None:
    outcome = Outcome()
    run_scripts(event(ROW), View(section(params=("node_uuid", "uuid", "project_id"))), outcome)
    assert outcome.asks[0].params["command"] == ["actions/a.sh", NODE, LEASE, "p"]


def test_what_a_row_does_not_say_inventory_does() -> None:
    outcome = Outcome()
    view = View(section(params=("purpose",), filters={"properties.vendor": "foo"}),
                lease={"purpose": "ci", "properties": {"vendor": "foo"}, "uuid": "stale"})  # fmt: skip
    run_scripts(event(ROW), view, outcome)
    assert outcome.asks[0].params["command"] == ["actions/a.sh", "ci"]


@pytest.mark.parametrize("payload", [None, {"form": "oslo"}, {"form": "oslo", "content": {"payload": "text"}}])
def test_an_event_without_a_payload_is_no_error(payload: Any) -> None:
    sent = event()
    sent.payload = payload or {}
    assert reason(section(), sent=sent)[0] == "skipped"
