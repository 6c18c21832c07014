"""Every wire form comes out as the same message; what cannot be read says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.model.errors import BadPayload
from tasks.model.event import Message
from tasks.providers.openstack import wire
from tasks.providers.openstack.converter import OpenStackConverter
from tests.unit.openstack.openstack_samples import (
    PROJECT,
    REQUEST,
    VM,
    api_event,
    bus_event,
    envelope,
    notification,
    telemetry_batch,
)

CONVERTER = OpenStackConverter()
FLAT = notification("compute.instance.pause.end", {"instance_id": VM, "state": "paused"})


def unwrap(body: Any) -> list[Message]:
    return CONVERTER.unwrap(body)


@pytest.mark.parametrize(
    "body",
    [
        FLAT,
        json.dumps(FLAT),
        json.dumps(FLAT).encode(),
        "\ufeff" + json.dumps(FLAT),
        envelope(FLAT),
        json.dumps(envelope(FLAT)),
        {"oslo.version": "2.0", "oslo.message": FLAT},
        {"request": envelope(FLAT), "context": {}},
        json.dumps(json.dumps(envelope(FLAT))),
    ],
)
def test_every_oslo_form_gives_the_same_message(body: Any) -> None:
    (message,) = unwrap(body)
    assert message.form == "oslo"
    assert message.content["event_type"] == "compute.instance.pause.end"
    assert message.content["payload"] == {"instance_id": VM, "state": "paused"}
    assert message.content["context"]["project_id"] == PROJECT
    assert message.content["context"]["request_id"] == REQUEST
    assert not [key for key in message.content if key.startswith("_")]


def test_unwrapping_does_not_touch_the_body_it_was_given() -> None:
    body = notification("a.b", {"admin_pass": "x", "list": [{"password": "y"}]})
    before = json.dumps(body)
    unwrap(body)
    assert json.dumps(body) == before


def test_a_kept_message_unwraps_to_itself() -> None:
    (message,) = unwrap(FLAT)
    (again,) = unwrap(message.content)
    assert again == message


def test_outer_context_of_a_wrapped_envelope_is_kept() -> None:
    inner = {"event_type": "a.b", "message_id": "1", "payload": {}}
    (message,) = unwrap({"request": envelope(inner), "context": {"user_id": "u"}})
    assert message.content["context"] == {"user_id": "u"}


@pytest.mark.parametrize("make", [bus_event, api_event])
def test_traits_of_either_shape_become_a_flat_payload(make: Any) -> None:
    event = make("volume.create.end", "id-9", resource_id="vol-9", size="10")
    (message,) = unwrap(event)
    assert message.form == "telemetry"
    assert message.content["message_id"] == "id-9"
    assert message.content["timestamp"] == "2026-03-04T10:11:12.131415"
    assert message.content["payload"] == {"resource_id": "vol-9", "size": "10"}


def test_every_event_of_a_batch_comes_out_under_its_own_id() -> None:
    batch = telemetry_batch(bus_event("a.b", "one"), bus_event("c.d", "two"), api_event("e.f", "three"))
    messages = unwrap({"request": envelope(batch), "context": {}})
    assert [m.content["message_id"] for m in messages] == ["one", "two", "three"]
    assert [m.content["event_type"] for m in messages] == ["a.b", "c.d", "e.f"]


def test_a_broken_element_of_a_batch_does_not_take_its_neighbours_along() -> None:
    messages = unwrap(telemetry_batch(bus_event("a.b", "one"), "nonsense", bus_event("c.d", "two")))
    assert [CONVERTER.identify(m).message_id for m in (messages[0], messages[2])] == ["one", "two"]
    with pytest.raises(BadPayload):
        CONVERTER.convert(messages[1])


def test_odd_traits_are_passed_over() -> None:
    event = bus_event("a.b")
    event["traits"] = [
        ["n", 1, "v"],
        ["short"],
        None,
        5,
        {"name": 3, "value": 1},
        {"name": "x", "value": None},
    ]
    (message,) = unwrap(event)
    assert message.content["payload"] == {"n": "v"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe{}", "UTF-8"),
        ("{", "not JSON"),
        ("", "not JSON"),
        ('{"event_type": "a.b", "payload": {"n": NaN}}', "NaN"),
        ('{"event_type": "a.b", "payload": {"n": -Infinity}}', "Infinity"),
        ('{"event_type": "a.b", "payload": {"n": 1e999}}', "number"),
        ('{"event_type": "a.b", "payload": {"n": 1' + "0" * 60 + "}}", "number"),
        ('{"event_type": "a.b", "payload": {"n": ' + "9" * 5000 + "}}", "not JSON"),
        ('{"event_type": "a.b", "payload": ' + '{"a":' * 150 + "1" + "}" * 150 + "}", "deep"),
        ('{"event_type": "a.b", "payload": ' + "[" * 90_000 + "]" * 90_000 + "}", "deep"),
        ('{"event_type": "a.b", "payload": "\x00"}', "not JSON"),
        ("[1, 2]", "no object"),
        ("null", "no object"),
        ("17", "no object"),
        ("{}", "not a notification"),
        ('{"hello": 1}', "not a notification"),
        ('{"oslo.version": "2.0", "oslo.message": null}', "oslo.message"),
        ('{"oslo.version": "2.0", "oslo.message": "{"}', "not JSON"),
        ({"event_type": {1, 2}}, "JSON cannot say"),
        ({"event_type": "a.b", "payload": float("nan")}, "JSON cannot say"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(body: Any, reason: str) -> None:
    with pytest.raises(BadPayload, match=reason):
        unwrap(body)


def test_endless_wrappings_are_refused() -> None:
    body: dict[str, Any] = FLAT
    for _ in range(9):
        body = envelope(body)
    with pytest.raises(BadPayload, match="wrapped"):
        unwrap(body)


def test_a_body_beyond_the_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BODY_LIMIT", 100)
    for body in (b" " * 101, " " * 101):
        with pytest.raises(BadPayload, match="more than the 100"):
            unwrap(body)


def test_text_that_postgresql_refuses_is_replaced_in_keys_and_values() -> None:
    body = (
        '{"event_type": "a.b", "message_id": "m\\u0000", '
        '"payload": {"k\\u0000\\ud800": ["x\\udfff", "ok\\ud83d\\ude00"]}}'
    )
    (message,) = unwrap(body)
    assert message.content["message_id"] == "m\ufffd"
    assert message.content["payload"] == {"k\ufffd\ufffd": ["x\ufffd", "ok\U0001f600"]}
    json.dumps(message.content, ensure_ascii=False).encode()


def test_lone_surrogates_of_a_text_body_are_replaced() -> None:
    (message,) = unwrap('{"event_type": "a.b", "payload": {"name": "\ud834"}}')
    assert message.content["payload"] == {"name": "\ufffd"}
