"""What catch must know of a message: who it is, when it happened, whom it concerns and its twin."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.model import clock
from tasks.model.event import Identity, Message
from tasks.providers.openstack.converter import OpenStackConverter
from tests.unit.openstack.openstack_samples import VM, api_event, notification, versioned

CONVERTER = OpenStackConverter()
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def identify(body: Any) -> Identity:
    (message,) = CONVERTER.unwrap(body)
    return CONVERTER.identify(message)


def test_the_senders_own_id_and_time_are_taken() -> None:
    found = identify(notification("instance.pause.end", {}))
    assert found.message_id == "5b0c7d8e-0000-4000-8000-00000000abcd"
    assert found.occurred_at == datetime(2026, 3, 4, 10, 11, 12, 131415, tzinfo=UTC)
    assert (found.raw_event_type, found.event_type) == ("instance.pause.end", "compute.instance.pause.end")


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-03-04 12:00:00.000000",
        "2026-03-04T12:00:00",
        "2026-03-04T12:00:00Z",
        "2026-03-04T14:00:00+02:00",
    ],
)
def test_a_time_that_names_no_zone_is_utc(stamp: str) -> None:
    assert identify(notification("a.b", {}, timestamp=stamp)).occurred_at == NOON


@pytest.mark.parametrize("stamp", [None, "", "yesterday", 17, {}, [], "0001-01-01T00:00:00+14:00", "9" * 500])
def test_an_unreadable_time_is_the_present(stamp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)
    assert identify(notification("a.b", {}, timestamp=stamp)).occurred_at == NOON


@pytest.mark.parametrize("given", [None, "", "  ", {}, [], "x" * 300])
def test_a_message_without_a_usable_id_is_known_by_its_content(given: Any) -> None:
    one = identify(notification("a.b", {"n": 1}, message_id=given))
    assert one.message_id.startswith("sha256:")
    assert one.message_id == identify(notification("a.b", {"n": 1}, message_id=given, _unique_id="other")).message_id
    assert one.message_id != identify(notification("a.b", {"n": 2}, message_id=given)).message_id


def test_a_numeric_id_is_text() -> None:
    assert identify(notification("a.b", {}, message_id=17)).message_id == "17"


@pytest.mark.parametrize(
    "content", [{}, {"payload": None}, {"event_type": 5, "payload": []}, {"event_type": {}, "context": 3}]
)
def test_identifying_never_fails(content: dict[str, Any]) -> None:
    found = CONVERTER.identify(Message("oslo", content))
    assert found.message_id.startswith("sha256:")
    assert found.event_type
    assert found.resource_id is None
    assert found.twin is None


def twins(plain: dict[str, Any], wrapped: dict[str, Any]) -> tuple[Identity, Identity]:
    one, two = identify(plain), identify(wrapped)
    assert (one.variant, two.variant) == ("unversioned", "versioned")
    return one, two


@pytest.mark.parametrize(
    ("sent", "payload", "sent_versioned", "data"),
    [
        ("compute.instance.pause.end", {"instance_id": VM}, "instance.pause.end", {"uuid": VM}),
        (
            "compute.instance.volume.attach",
            {"instance_id": VM, "volume_id": "v1"},
            "instance.volume_attach.end",
            {"uuid": VM, "volume_id": "v1"},
        ),
        (
            "compute.instance.update",
            {
                "instance_id": VM,
                "old_state": "active",
                "state": "active",
                "old_task_state": "x",
                "new_task_state": "",
                "host": "",
            },
            "instance.update",
            {
                "uuid": VM,
                "host": None,
                "state_update": {
                    "nova_object.data": {
                        "old_state": "active",
                        "state": "active",
                        "old_task_state": "x",
                        "new_task_state": None,
                    }
                },
            },
        ),
        (
            "keypair.create.end",
            {"key_name": "k", "user_id": "u"},
            "keypair.create.end",
            {"name": "k", "user_id": "u"},
        ),
        ("servergroup.create", {"server_group_id": "g"}, "server_group.create", {"uuid": "g"}),
        (
            "compute_task.build_instances",
            {"instance_id": VM},
            "compute_task.build_instances.error",
            {"instance_uuid": VM},
        ),
        (
            "scheduler.select_destinations.end",
            {"request_spec": {"instance_properties": {"uuid": VM}}},
            "scheduler.select_destinations.end",
            {"instance_uuid": VM},
        ),
    ],
)
def test_both_forms_of_a_fact_are_twins(
    sent: str, payload: dict[str, Any], sent_versioned: str, data: dict[str, Any]
) -> None:
    one, two = twins(notification(sent, payload), versioned(sent_versioned, data))
    assert one.twin is not None
    assert one.twin == two.twin
    assert (one.event_type, one.resource_kind, one.resource_id) == (
        two.event_type,
        two.resource_kind,
        two.resource_id,
    )


def test_aggregates_are_twins_although_their_senders_sign_differently() -> None:
    one, two = twins(
        notification("aggregate.addhost.end", {"aggregate_id": 4, "host_name": "n"}, publisher_id="aggregate.4"),
        versioned("aggregate.add_host.end", {"id": 4, "uuid": "u"}, publisher_id="nova-api:ctl0"),
    )
    assert one.twin == two.twin is not None


def test_an_aggregate_without_an_id_yet_is_recognised_by_its_name() -> None:
    one, two = twins(
        notification("aggregate.create.start", {"name": "ssd"}, publisher_id="aggregate.ssd"),
        versioned("aggregate.create.start", {"id": None, "name": "ssd"}, publisher_id="nova-api:ctl0"),
    )
    assert one.twin == two.twin is not None


@pytest.mark.parametrize(
    "other",
    [
        notification("compute.instance.pause.end", {"instance_id": "another"}),
        notification("compute.instance.pause.start", {"instance_id": VM}),
        notification("compute.instance.pause.end", {"instance_id": VM}, _context_request_id="req-another"),
        notification("compute.instance.pause.end", {"instance_id": VM}, publisher_id="compute.node8.example"),
    ],
)
def test_another_fact_is_no_twin(other: dict[str, Any]) -> None:
    assert identify(notification("compute.instance.pause.end", {"instance_id": VM})).twin != identify(other).twin


def test_two_updates_of_one_request_are_told_apart_by_their_states() -> None:
    one = notification("compute.instance.update", {"instance_id": VM, "new_task_state": "networking"})
    two = notification("compute.instance.update", {"instance_id": VM, "new_task_state": "spawning"})
    assert identify(one).twin != identify(two).twin


@pytest.mark.parametrize(
    "body",
    [
        notification("port.create.end", {"port": {"id": "p"}}),
        versioned("flavor.create", {"flavorid": "f"}),
        versioned("service.update", {"uuid": "s"}),
        versioned("instance.lock", {"uuid": VM}),
        notification("compute.instance.pause.end", {"instance_id": VM}, _context_request_id=None),
        notification("compute.instance.pause.end", {}),
        notification("compute.instance.pause.end", "text"),
        api_event("compute.instance.pause.end", instance_id=VM, request_id="req-1"),
        api_event("compute.instance.update", instance_id=VM, request_id="req-1", service="compute.node7.example"),
    ],
)
def test_what_comes_in_one_form_or_names_no_request_has_no_twin(body: Any) -> None:
    found = identify(body)
    assert (found.twin, found.variant) == (None, "")


def test_a_twin_is_short_whatever_it_is_made_of() -> None:
    long = identify(notification("compute.instance.update", {"instance_id": "é" * 255, "display_name": "n" * 255}))
    assert long.twin is not None
    assert len(long.twin) <= 240
