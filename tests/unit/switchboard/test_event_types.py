"""Event types and sources come from outside: they are compared whole and never read as an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.switchboard.handle import switchboard_handler
from tests.unit.switchboard.small_datastores import FakeView, event, shipped_with


@pytest.mark.parametrize(
    "event_type",
    [
        "*",
        "compute.*",
        "compute.instance.pause.end#delete",
        "compute.instance.pause.end?target=ems",
        "A/B",
        "../../x",
        "a b",
        " compute.instance.pause.end",
        "//x",
        "Vm%50",
        "é",
        "${#x}",
        "{",
        "|",
        "%",
        "",
        ".missing",
        "a\nb",
        "\ud800",
        "\U000f0000",
        "K" * 5000,
    ],
)
def test_G06_and_G07_an_event_type_is_compared_whole_and_is_never_syntax(event_type: str) -> None:
    outcome = switchboard_handler(event(event_type), FakeView(shipped_with()))
    openstack = "/Catchment/System/Event/EmsEvent/OpenStack/.missing"
    assert [f.name for f in outcome.findings if f.kind == "instance"][1] == openstack
    assert [(f.kind, f.verdict) for f in outcome.findings if f.verdict == "error"] == []
    assert outcome.raises == []


@given(event_type=st.text(max_size=60))
def test_any_event_type_leads_to_its_instance_or_to_missing(event_type: str) -> None:
    outcome = switchboard_handler(event(event_type), FakeView(shipped_with()))
    assert all(f.verdict in ("found", "missing", "done", "raised", "skipped") for f in outcome.findings)
    assert outcome.findings[1].name.rsplit("/", 1)[1] in (event_type, ".missing")


@pytest.mark.parametrize("event_type", ["a b", "x/y", "compute#1", "what?", "${no}", "é*"])
def test_a_type_with_any_characters_can_have_an_instance_of_its_own(event_type: str) -> None:
    store = shipped_with({event_type: {"rel1": "/System/event_handlers/event_enforce_policy"}})
    outcome = switchboard_handler(event(event_type), FakeView(store))
    assert outcome.plan is not None
    assert outcome.plan.enforce


@pytest.mark.parametrize("source", ["", "a/b", "*", "#x", "Open Stack"])
def test_a_source_is_compared_whole(source: str) -> None:
    outcome = switchboard_handler(event("compute.instance.pause.end", source=source), FakeView(shipped_with()))
    assert [f.verdict for f in outcome.findings] == ["found", "absent"]
