"""Whatever JSON arrives: an event, or a refusal with its reason, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.model.errors import BadPayload
from tasks.model.event import Identity, Normalised
from tasks.providers.openstack.converter import OpenStackConverter

CONVERTER = OpenStackConverter()
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20)
KEYS = st.sampled_from(
    [
        "id", "uuid", "instance_id", "port", "ports", "volume_id", "tenant_id", "host", "traits",
        "payload", "name", "value", "initiator", "target", "typeURI", "resource_info", "stack_identity",
        "state_update", "password", "nova_object.data", "ironic_object.data", "fixed_ips", "device_owner",
        "request_spec", "obj_resource", "service", "volume_attachment", "context", "request",
        "oslo.message", "oslo.version", "event_type",
    ]
) | st.text(st.characters(), max_size=8)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
TYPES = st.sampled_from(
    [
        "compute.instance.update", "instance.create.end", "instance.volume_attach.end", "port.create.end",
        "tag.create", "router.interface.create", "identity.project.created", "identity.authenticate",
        "identity.role_assignment.created", "orchestration.stack.create.end", "aggregate.create.end",
        "keypair.create.end", "server_group.add_member", "volume.attach.end", "image.upload", "event",
        "scheduler.select_destinations.end", "magnum.cluster.create", "",
    ]
)  # fmt: skip
NOTIFICATIONS = st.fixed_dictionaries(
    {"event_type": TYPES | JSON, "payload": st.dictionaries(KEYS, JSON, max_size=6) | JSON},
    optional={
        "message_id": JSON,
        "timestamp": JSON,
        "publisher_id": JSON,
        "_context_request_id": JSON,
        "_context_user_name": JSON,
        "context": JSON,
        "traits": JSON,
        "generated": JSON,
    },
)
COLUMNS = ("resource_kind", "resource_id", "tenant_id", "actor", "host", "phase", "request_id", "chain_id")


def refused_or(work: Callable[[Any], Any], given_to_it: Any) -> Any:
    """What the work gives; None where it refuses, which it may do with a bounded reason only."""
    reason = ""
    try:
        return work(given_to_it)
    except BadPayload as refusal:
        reason = str(refusal)
    assert 0 < len(reason) < 2000
    return None


def check(body: Any) -> None:
    for message in refused_or(CONVERTER.unwrap, body) or []:
        json.dumps(message.content, ensure_ascii=False, allow_nan=False).encode()
        identity = CONVERTER.identify(message)
        assert isinstance(identity, Identity)
        assert identity.message_id
        assert identity.occurred_at.utcoffset() is not None
        found = refused_or(CONVERTER.convert, message)
        if found is None:
            continue
        _check_columns(found)
        assert (found.resource_kind, found.resource_id) == (identity.resource_kind, identity.resource_id)
        assert (found.event_type, found.message_id) == (identity.event_type, identity.message_id)


def _check_columns(found: Normalised) -> None:
    for name in COLUMNS:
        value = getattr(found, name)
        assert value is None or (type(value) is str and 0 < len(value) <= 255), name
    assert all(type(k) is str and type(v) is str and v for k, v in found.parents.items())
    assert found.event_type
    assert len(found.event_type) <= 300


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_any_json_is_an_event_or_a_refusal(value: Any) -> None:
    check(json.dumps(value))


@settings(max_examples=300, deadline=None)
@given(NOTIFICATIONS)
def test_any_notification_is_an_event_or_a_refusal(value: dict[str, Any]) -> None:
    check(json.dumps(value))
    check({"oslo.version": "2.0", "oslo.message": json.dumps(value)})


@settings(max_examples=150, deadline=None)
@given(st.lists(JSON, max_size=4))
def test_any_batch_is_events_or_a_refusal(elements: list[Any]) -> None:
    check(json.dumps({"event_type": "event", "payload": elements, "message_id": "m"}))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_bytes_or_text_is_an_event_or_a_refusal(body: bytes | str) -> None:
    check(body)


@settings(max_examples=100, deadline=None)
@given(NOTIFICATIONS)
def test_a_body_that_was_read_already_is_judged_the_same(value: dict[str, Any]) -> None:
    check(value)
