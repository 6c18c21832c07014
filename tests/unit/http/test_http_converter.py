"""What the mapping makes of an event, and what it says of one that does not fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.model.errors import BadPayload
from tasks.model.event import Message, Normalised
from tasks.providers.http.converter import HttpConverter
from tasks.providers.http.options import HttpOptions

EVENT = {
    "id": 41,
    "type": "lease.started",
    "at": "2024-03-04T05:06:07+02:00",
    "data": {"lease": "l-1", "project": "red", "user": "erin", "node": "n7", "request": "req-1", "password": "x1y2"},
}
MAPPING = {
    "message_id": "join('-', ['lease', to_string(id)])",
    "event_type": "type",
    "timestamp": "at",
    "payload": "data",
    "resource_kind": "'lease'",
    "resource_id": "data.lease",
    "tenant_id": "data.project",
    "actor": "data.user",
    "host": "data.node",
    "request_id": "data.request",
}


def converter(**mapping: Any) -> HttpConverter:
    kept = {key: value for key, value in {**MAPPING, **mapping}.items() if value is not None}
    return HttpConverter(HttpOptions.model_validate({"url": "http://h/", "source": "LEASES", "mapping": kept}))


def converted(event: Any, **mapping: Any) -> Normalised:
    made = converter(**mapping)
    [message] = made.unwrap(event)
    # As the ledger keeps it.
    return made.convert(Message(message.form, json.loads(json.dumps(message.content))))


def test_an_event_is_read_as_the_mapping_says() -> None:
    assert converted(EVENT) == Normalised(
        event_type="lease.started",
        raw_event_type="lease.started",
        message_id="lease-41",
        occurred_at=datetime(2024, 3, 4, 3, 6, 7, tzinfo=UTC),
        resource_kind="lease",
        resource_id="l-1",
        tenant_id="red",
        actor="erin",
        host="n7",
        request_id="req-1",
    )


def test_the_message_carries_the_payload_and_no_secret() -> None:
    [message] = converter().unwrap(json.dumps(EVENT))
    assert (message.form, message.content["payload"]["lease"]) == ("http", "l-1")
    assert "x1y2" not in json.dumps(message.content)


def test_without_a_payload_of_its_own_the_event_is_the_payload() -> None:
    [message] = converter(payload=None).unwrap(EVENT)
    assert message.content["payload"]["data"]["lease"] == "l-1"
    assert "row" not in message.content


def test_a_corrected_mapping_reads_what_is_kept_already() -> None:
    [message] = converter(event_type="kind").unwrap(EVENT)
    with pytest.raises(BadPayload):
        converter(event_type="kind").convert(message)
    assert converter().convert(message).event_type == "lease.started"


def test_without_options_the_keys_are_catchments_own() -> None:
    event = {"message_id": "a", "event_type": "t", "timestamp": "2024-01-01T00:00:00Z"}
    made = HttpConverter()
    assert made.source == "HTTP"
    assert made.convert(made.unwrap(event)[0]).message_id == "a"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": None}, "mapping.event_type (type) finds no text but nothing"),
        ({"type": ["a"]}, "mapping.event_type (type) finds no text but a list of 1"),
        ({"type": " "}, "mapping.event_type (type) finds no text but the text ' '"),
        ({"at": "soon"}, "mapping.timestamp (at) finds no moment written as iso but the text 'soon'"),
        ({"at": 5}, "mapping.timestamp (at) finds no moment written as iso but 5"),
        ({"at": None}, "mapping.timestamp (at) finds no moment written as iso but nothing"),
        ({"data": "text"}, "mapping.payload (data) finds no object but the text 'text'"),
        ({"data": {"project": {"id": 1}}}, "mapping.tenant_id (data.project) finds no text but an object of 1"),
        ({"data": {"user": True}}, "mapping.actor (data.user) finds no text but True"),
    ],
)
def test_what_does_not_fit_is_told_by_the_part_of_the_mapping(change: dict[str, Any], words: str) -> None:
    event = {**EVENT, **change}
    with pytest.raises(BadPayload) as raised:
        converted(event)
    assert str(raised.value) == words
    made = converter()
    assert made.identify(made.unwrap(event)[0]).message_id == "lease-41"


def test_an_expression_that_cannot_be_applied_is_told_without_the_value() -> None:
    with pytest.raises(BadPayload) as raised:
        converted({**EVENT, "data": {"lease": 5, "password": "x1y2"}}, message_id="length(data.lease)")
    assert str(raised.value) == "mapping.message_id (length(data.lease)) cannot be applied: length() was given a number"


def test_an_event_without_an_id_is_known_by_its_content() -> None:
    made = converter(message_id="nothing")
    first, again = (made.identify(made.unwrap(EVENT)[0]).message_id for _ in range(2))
    other = made.identify(made.unwrap({**EVENT, "type": "x"})[0]).message_id
    assert first == again != other
    assert first.startswith("sha256:")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("iso", "2024-03-04T05:06:07Z"),
        ("iso_naive", "2024-03-04 05:06:07"),
        ("seconds", 1709528767),
        ("seconds", "1709528767.0"),
        ("milliseconds", 1709528767000),
    ],
)
def test_moments_are_read_as_they_are_written(written: str, value: Any) -> None:
    found = converted({**EVENT, "at": value}, format=written)
    assert found.occurred_at == datetime(2024, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize("value", [1e30, "inf", "nan", True, -1e18, [1]])
def test_a_number_that_is_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(BadPayload, match=r"mapping\.timestamp"):
        converted({**EVENT, "at": value}, format="seconds")


@pytest.mark.parametrize("body", ["[]", "5", '"text"', "null", "{", b"\xff"])
def test_what_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(BadPayload):
        converter().unwrap(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["id", "type", "at", "data", "x"]), _JSON))
def test_any_object_is_an_event_or_a_bad_payload(event: dict[str, Any]) -> None:
    made = converter(message_id="id")
    try:
        [message] = made.unwrap(event)
    except BadPayload:
        return
    made.identify(message)
    try:
        found = made.convert(message)
    except BadPayload:
        return
    assert found.message_id == made.identify(message).message_id
