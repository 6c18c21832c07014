"""The convert room: from the kept notification to the facts and the finding."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tasks.convert.normalise import normaliser
from tasks.model.errors import BadPayload, Permanent
from tasks.model.event import Event, Normalised
from tasks.model.outcome import View
from tasks.providers.openstack.converter import OpenStackConverter

CAUGHT = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
VIEW = cast(View, None)
HANDLE = normaliser({"north": OpenStackConverter()})


def event(payload: dict[str, Any], provider: str = "north") -> Event:
    facts = Normalised("unknown", "unknown", "id-from-catch", CAUGHT)
    return Event(1, provider, "OPENSTACK", "EmsEvent", facts, payload)


def kept(event_type: str, payload: Any, **more: Any) -> dict[str, Any]:
    return {"form": "oslo", "content": {"event_type": event_type, "payload": payload, "context": {}, **more}}


def test_the_facts_and_a_finding_come_out() -> None:
    outcome = HANDLE(event(kept("instance.pause.end", {"nova_object.data": {"uuid": "vm"}})), VIEW)
    assert outcome.facts is not None
    assert (outcome.facts.event_type, outcome.facts.resource_id) == ("compute.instance.pause.end", "vm")
    (finding,) = outcome.findings
    assert finding.as_dict() == {
        "kind": "conversion",
        "name": "compute.instance.pause.end",
        "verdict": "converted",
        "detail": {"form": "oslo", "alias": "instance.pause.end"},
    }


def test_a_name_that_stays_gives_no_alias() -> None:
    (finding,) = HANDLE(event(kept("port.update.end", {"port": {"id": "p"}})), VIEW).findings
    assert finding.detail == {"form": "oslo"}


def test_identity_and_time_of_the_catch_stand() -> None:
    facts = HANDLE(event(kept("port.update.end", {"port": {"id": "p"}}, timestamp="no time")), VIEW).facts
    assert facts is not None
    assert (facts.message_id, facts.occurred_at) == ("id-from-catch", CAUGHT)


def test_a_payload_that_makes_no_event_is_refused() -> None:
    with pytest.raises(BadPayload, match="disk full"):
        HANDLE(event(kept("image.upload", "disk full")), VIEW)


@pytest.mark.parametrize("payload", [{}, {"form": "oslo"}, {"form": 1, "content": {}}, {"form": "oslo", "content": []}])
def test_an_event_without_its_notification_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(BadPayload, match="no notification"):
        HANDLE(event(payload), VIEW)


def test_a_provider_that_is_gone_is_said_to_be_gone() -> None:
    with pytest.raises(Permanent, match=r"'south'.*providers\.yaml"):
        HANDLE(event(kept("a.b", {}), provider="south"), VIEW)
