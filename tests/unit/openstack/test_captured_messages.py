"""The converter against messages that a real cloud sent."""

from __future__ import annotations

import json
import pathlib
from collections import defaultdict
from typing import Any

import pytest

from tasks.model.event import Message, Normalised
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.openstack.timeline import place

CORPUS = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "corpus"
CONVERTER = OpenStackConverter()
#: Types whose first notification is the request alone: there is no object yet.
BEFORE_THE_OBJECT = (
    "network.create.start",
    "subnet.create.start",
    "port.create.start",
    "security_group.create.start",
)

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no captured messages at {CORPUS}"),
]


def bodies() -> list[str]:
    lines = (CORPUS / "openstack" / "notifications.jsonl").read_text().splitlines()
    return [json.loads(line)["body"] for line in lines]


def messages() -> list[Message]:
    return [message for body in bodies() for message in CONVERTER.unwrap(body)]


def panko() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in ("panko_event.json", "panko_events.json", "panko_events_since.json"):
        answer = json.loads((CORPUS / "openstack" / "api" / name).read_text())["body"]
        found += answer if isinstance(answer, list) else [answer]
    return found


def test_every_message_converts_and_names_its_object() -> None:
    types = set()
    for message in messages():
        event = CONVERTER.convert(message)
        types.add(event.raw_event_type)
        assert event.resource_kind, event.raw_event_type
        nameless = event.raw_event_type in BEFORE_THE_OBJECT or event.resource_kind == "role_assignment"
        assert (event.resource_id is None) == nameless, event.raw_event_type
        assert event.occurred_at.year == 2026
    assert len(types) >= 58


def test_catch_and_convert_agree_on_who_a_message_is() -> None:
    for message in messages():
        known, event = CONVERTER.identify(message), CONVERTER.convert(message)
        for name in (
            "message_id",
            "event_type",
            "raw_event_type",
            "occurred_at",
            "resource_kind",
            "resource_id",
        ):
            assert getattr(known, name) == getattr(event, name)


def test_every_fact_that_nova_sent_twice_is_recognised() -> None:
    sightings: dict[str, list[str]] = defaultdict(list)
    versioned = 0
    for message in messages():
        known = CONVERTER.identify(message)
        if "nova_object.data" in message.content["payload"] and not known.event_type.startswith(("flavor", "service")):
            versioned += 1
            assert known.variant == "versioned"
        if known.twin:
            sightings[known.twin].append(known.variant)
    pairs = [seen for seen in sightings.values() if len(seen) > 1]
    assert len(pairs) == versioned == 20
    assert all(sorted(seen) == ["unversioned", "versioned"] for seen in pairs)


def alike(one: Normalised, other: Normalised) -> None:
    for name in (
        "message_id",
        "event_type",
        "resource_kind",
        "resource_id",
        "tenant_id",
        "occurred_at",
        "group",
        "level",
    ):
        assert getattr(one, name) == getattr(other, name), name


def test_a_fact_read_from_panko_or_the_bus_equals_the_raw_one() -> None:
    raw: dict[str, Normalised] = {}
    told: list[Normalised] = []
    for message in messages():
        event = CONVERTER.convert(message)
        if message.form == "oslo":
            raw[event.message_id] = event
        else:
            told.append(event)
    told += [CONVERTER.convert(CONVERTER.unwrap(event)[0]) for event in panko()]
    shared = [event for event in told if event.message_id in raw]
    assert len(shared) >= 4
    for event in shared:
        alike(raw[event.message_id], event)


def test_panko_events_name_their_objects() -> None:
    for body in panko():
        (message,) = CONVERTER.unwrap(body)
        event = CONVERTER.convert(message)
        assert event.resource_kind
        assert event.resource_id or event.resource_kind == "role_assignment"
        assert event.tenant_id


def test_no_secret_that_a_sender_adds_is_kept() -> None:
    secret = "tell-nobody-4711"
    for body in bodies():
        notification = json.loads(json.loads(body)["oslo.message"])
        notification["_context_auth_token"] = secret
        notification["_context_service_catalog"] = [{"endpoints": [secret]}]
        if isinstance(notification["payload"], dict):
            notification["payload"]["admin_pass"] = secret
            notification["payload"]["extra"] = [{"connection": f"amqp://u:{secret}@mq/"}]
        kept = json.dumps([m.content for m in CONVERTER.unwrap(notification)])
        assert secret not in kept


def test_nothing_of_a_captured_payload_is_taken_for_a_secret() -> None:
    for message in messages():
        assert "***" not in json.dumps(message.content), message.content["event_type"]


def test_the_timeline_agrees_with_the_published_groups() -> None:
    table = json.loads((CORPUS / "tables" / "event_groups.json").read_text())
    seen = 0
    for group, entry in table["groups"].items():
        for level, names in entry["openstack"].items():
            for name in names:
                assert place(name) == (group, level)
                seen += 1
    assert seen > 70


def test_every_type_with_automation_has_a_kind() -> None:
    table = json.loads((CORPUS / "tables" / "openstack_event_actions.json").read_text())
    for name in table["events"]:
        if name != ".missing":
            event = CONVERTER.convert(Message("oslo", {"event_type": name, "message_id": "m", "payload": {}}))
            assert event.event_type == name
            assert event.resource_kind
