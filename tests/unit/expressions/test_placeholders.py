"""Placeholders in the texts of a rule: what they are filled with, and what they can never become."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.expressions.facts import Facts
from tasks.expressions.mistakes import BadText, Mistake
from tasks.expressions.placeholders import MAX_BYTES, Template, prepare, read_template
from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import ObjectFacts
from tasks.site.references import references

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def facts(**payload: Any) -> Facts:
    told = Normalised("vm_start", "vm_start", "m1", NOW, "server", "s1", tenant_id="p1")
    target = ObjectFacts(ObjectRef("server", "s1"), "known", "web", "p1", NOW, {"memory_mb": 4096, "locked": True})
    return Facts(Event(1, "cloud", "S", "N", told, {"payload": payload}), target, NOW)


def filled(text: str, **payload: Any) -> str:
    template = read_template(text)
    return template.fill(facts(**payload)) if isinstance(template, Template) else template


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain $5 {x}", "plain $5 {x}"),
        ("${event.event_type} on ${target.name}", "vm_start on web"),
        ("${server.memory_mb} MB, locked ${server.locked}", "4096 MB, locked true"),
        ("${event.occurred_at}", "2026-11-21T12:00:00.000000Z"),
        ("[${server.nothing}]", "[]"),
        ("[${volume.name}]", "[]"),
        ("${event.payload.list}", '[1,{"a":"ü"}]'),
        ("${env:TOKEN} ${file:secrets/key} ${event.tenant_id}", "${env:TOKEN} ${file:secrets/key} p1"),
        ("${env:TOKEN}", "${env:TOKEN}"),
        ("$${event.tenant_id}", "$p1"),
    ],
)
def test_placeholders_are_filled_from_the_facts(text: str, expected: str) -> None:
    assert filled(text, list=[1, {"a": "ü"}]) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${event.tennant_id}", "tenant_id"),
        ("${}", "Write a path"),
        ("${nothing}", "server.status"),
        ("${event.tenant_id", "placeholders cannot lie in each other"),
        ("${env:${event.payload.x}}", "placeholders cannot lie in each other"),
    ],
)
def test_placeholder_that_names_no_field_is_refused_when_it_is_read(text: str, said: str) -> None:
    with pytest.raises(BadText) as refused:
        read_template(text)
    assert said in refused.value.mend


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x ${event.payload.a}", "${env:HOME}"),
        ("x ${event.payload.a}", "$${file:/etc/passwd}"),
        ("cost $${event.payload.a}", "{env:HOME}"),
        ("${event.payload.a}${event.payload.b}", "$"),
        ("${event.payload.a}${event.payload.c}${event.payload.b}", "$"),
        ("${event.payload.a}{env:HOME}", "$"),
    ],
)
def test_value_from_a_cloud_cannot_name_a_secret(text: str, value: str) -> None:
    assert references(filled(text, a=value, b="{env:HOME}", c="")) == []


@given(st.lists(st.text(alphabet="${}env:fil/Xa ", max_size=12), min_size=3, max_size=3))
def test_no_combination_of_values_adds_or_changes_a_reference(parts: list[str]) -> None:
    text = "${event.payload.a}${env:KEPT}${event.payload.b}$${event.payload.c}{"
    assert references(filled(text, a=parts[0], b=parts[1], c=parts[2])) == ["${env:KEPT}"]


def test_filled_text_is_bounded_in_bytes_and_storable() -> None:
    for value in ("z" * 300_000, "ü" * 100_000, "𝄞" * 50_000, ["z" * 200_000]):
        text = filled("${event.payload.a}${event.payload.a}", a=value)
        assert 0 < len(text.encode("utf-8")) <= MAX_BYTES
    assert filled("${event.payload.a}", a="a\x00b\ud800") == "a�b?"


def test_parameters_are_filled_inside_lists_and_maps_and_keys_stay() -> None:
    mistakes: list[Mistake] = []
    written = {
        "to": ["${target.name}@example.org", "b"],
        "deep": {"${x}": "${event.tenant_id}"},
        "n": 5,
        "none": None,
    }
    filling = prepare(written, ("p",), None, mistakes)
    assert mistakes == []
    params = filling(facts())
    assert params == {"to": ["web@example.org", "b"], "deep": {"${x}": "p1"}, "n": 5, "none": None}
    assert json.loads(json.dumps(params)) == params
    assert filling(facts())["to"] is not params["to"]


def test_mistakes_in_parameters_are_noted_at_their_places() -> None:
    mistakes: list[Mistake] = []
    prepare({"a": ["x", "${event.no}"], "b": {"c": "${"}}, ("then", 0), None, mistakes)
    assert [mistake.at for mistake in mistakes] == [("then", 0, "a", 1), ("then", 0, "b", "c")]
