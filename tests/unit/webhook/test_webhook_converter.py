"""CloudEvents become events: who each is, what it is about, and what is refused."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.model.errors import BadPayload
from tasks.model.event import ObjectRef
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.table import kinds
from tasks.providers.webhook.converter import WebhookConverter
from tasks.providers.webhook.options import WebhookOptions
from tasks.providers.webhook.subjects import SubjectPattern
from tasks.site.clouds import Clouds
from tasks.site.providers import providers_of


def cloudevent(**more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "7",
        "source": "/racks/4",
        "type": "rack.door.opened",
        "subject": "door/d-1",
        "time": "2031-05-04T12:00:00.25+02:00",
        "data": {"by": "erin", "project": {"id": "red"}},
        **more,
    }


def options(**more: Any) -> WebhookOptions:
    return WebhookOptions.model_validate(more)


def test_attributes_become_the_facts_of_the_event() -> None:
    converter = WebhookConverter(options(tenant="data.project.id", actor="data.by"))
    [message] = converter.unwrap(cloudevent())
    found = converter.convert(message)
    assert (found.message_id, found.event_type) == ("/racks/4 7", "rack.door.opened")
    assert found.occurred_at == datetime(2031, 5, 4, 10, 0, 0, 250_000, tzinfo=UTC)
    assert found.ref() == ObjectRef("door", "d-1")
    assert (found.tenant_id, found.actor, found.parents) == ("red", "erin", {"project": "red"})
    assert message.content["payload"] == {"by": "erin", "project": {"id": "red"}}
    assert "data" not in message.content["cloudevent"]
    who = converter.identify(message)
    assert (who.message_id, who.resource_kind, who.resource_id, who.twin) == ("/racks/4 7", "door", "d-1", None)


def test_same_id_of_two_sources_is_two_events() -> None:
    converter = WebhookConverter()
    one, two = (converter.identify(converter.unwrap(cloudevent(source=s))[0]).message_id for s in ("/a", "/b"))
    assert one != two


def test_ids_that_differ_in_a_masked_or_a_cut_part_alone_stay_two() -> None:
    converter = WebhookConverter()
    for make in ("token={}", "x" * 450 + "{}", "https://user:{}@host"):
        one, two = (converter.unwrap(cloudevent(id=make.format(n)))[0].content["message_id"] for n in "ab")
        assert one != two
        assert one.startswith("sha256:")


def test_tenant_and_actor_may_be_attributes() -> None:
    converter = WebhookConverter(options(tenant="projectid", actor="data.nobody"))
    found = converter.convert(converter.unwrap(cloudevent(projectid="blue"))[0])
    assert (found.tenant_id, found.actor) == ("blue", None)


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        ({"data": None}, {}),
        ({"data": "text"}, {"value": "text"}),
        ({"data": [1, 2]}, {"value": [1, 2]}),
        ({"data": False}, {"value": False}),
        ({"data_base64": base64.b64encode(b'{"a": 1}').decode()}, {"a": 1}),
        ({"data_base64": base64.b64encode(b"plain").decode()}, {"value": "plain"}),
        ({"data_base64": base64.b64encode(b"\xff\x00").decode()}, {"data_base64": "/wA="}),
        ({"data_base64": "%%%"}, {"data_base64": "%%%"}),
        ({"data_base64": ""}, {}),
    ],
)
def test_any_data_is_kept(data: dict[str, Any], payload: dict[str, Any]) -> None:
    event = {name: given for name, given in cloudevent().items() if name != "data"}
    assert WebhookConverter().unwrap({**event, **data})[0].content["payload"] == payload


@pytest.mark.parametrize("packed", [True, False])
def test_secrets_are_taken_out_of_data_and_attributes(packed: bool) -> None:
    secret = {"password": "hunter2", "deep": [{"token": "hunter2"}], "text": "password=hunter2 and 'secret': 'hunter2'"}
    event = cloudevent(authtoken="hunter2", data=secret)
    if packed:
        event["data_base64"] = base64.b64encode(json.dumps(event.pop("data")).encode()).decode()
    assert "hunter2" not in json.dumps(WebhookConverter().unwrap(event)[0].content)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"id": ""}, "attribute id"),
        ({"id": 7}, "attribute id"),
        ({"source": "  "}, "attribute source"),
        ({"type": None}, "attribute type"),
        ({"subject": {"a": 1}}, "attribute subject"),
        ({"time": "yesterday"}, "attribute time"),
        ({"time": 17}, "attribute time"),
        ({"data_base64": "eA=="}, "both"),
    ],
)
def test_what_is_no_cloudevent_is_refused_with_its_attribute(more: dict[str, Any], word: str) -> None:
    with pytest.raises(BadPayload, match=word):
        WebhookConverter().unwrap(cloudevent(**more))


@pytest.mark.parametrize("body", ["[]", "7", "null", "{}", "no json", b"\xff", '{"specversion": "1.0"}'])
def test_other_bodies_are_refused(body: Any) -> None:
    with pytest.raises(BadPayload):
        WebhookConverter().unwrap(body)


@pytest.mark.parametrize(
    ("pattern", "kind", "subject", "found"),
    [
        ("{kind}/{id}", None, "door/d-1", ("door", "d-1")),
        ("{kind}/{id}", None, "Rack-Door/a/b", ("rack_door", "a/b")),
        ("{kind}/{id}", None, "/door/d-1", None),
        ("{kind}/{id}", None, "door", None),
        ("{kind}/{id}", None, "7/d-1", None),
        ("{kind}/{id}", None, "door/ ", None),
        ("{kind}/{id}", None, "provider/north", None),
        ("{kind}/{id}", None, "request/9", None),
        ("servers/{id}", "server", "servers/s-1", ("server", "s-1")),
        ("clusters/{}/{kind}/{id}", None, "clusters/c1/node/n 1", ("node", "n 1")),
        ("{id}@{kind}", None, "a@b@node", ("node", "a@b")),
        ("{kind}.{id}", None, "a.b.c", ("a", "b.c")),
        ("({id})", "server", "(x)", ("server", "x")),
        ("{id}", "server", "x" * 255, ("server", "x" * 255)),
        ("{id}", "server", "x" * 256, None),
    ],
)
def test_subject_names_the_object(pattern: str, kind: str | None, subject: str, found: tuple[str, str] | None) -> None:
    assert SubjectPattern(pattern, kind).read(subject) == found


def test_first_pattern_that_fits_counts() -> None:
    chosen = options(objects=[{"subject": "vm/{id}", "kind": "server"}, {"subject": "{kind}/{id}"}])
    converter = WebhookConverter(chosen)
    refs = [converter.convert(converter.unwrap(cloudevent(subject=s))[0]).ref() for s in ("vm/1", "door/1", "x")]
    assert refs == [("server", "1"), ("door", "1"), None]


@pytest.mark.parametrize(
    "more",
    [
        {"objects": [{"subject": "{kind}"}]},
        {"objects": [{"subject": "{id}"}]},
        {"objects": [{"subject": "{kind}/{id}", "kind": "server"}]},
        {"objects": [{"subject": "{kind}{id}"}]},
        {"objects": [{"subject": "{name}/{id}", "kind": "server"}]},
        {"objects": [{"subject": "{}/" * 7 + "{id}", "kind": "server"}]},
        {"objects": [{"subject": "{id}", "kind": "Server"}]},
        {"source": "two words"},
        {"tenant": "data."},
        {"tenant": "a.b"},
        {"monitor": "amqp"},
    ],
)
def test_options_that_cannot_work_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        options(**more)


@pytest.mark.parametrize("wrap", ["object", "text", "base64"])
def test_openstack_takes_a_cloudevent_as_one_more_wrapping(wrap: str) -> None:
    inner = {
        "message_id": "m",
        "event_type": "image.update",
        "payload": {"id": "i"},
        "timestamp": "2031-05-04 12:00:00",
    }
    envelope = {"oslo.version": "2.0", "oslo.message": json.dumps(inner)}
    event = {name: given for name, given in cloudevent().items() if name != "data"}
    if wrap == "base64":
        event["data_base64"] = base64.b64encode(json.dumps(envelope).encode()).decode()
    else:
        event["data"] = envelope if wrap == "object" else json.dumps(envelope)
    [message] = OpenStackConverter().unwrap(event)
    found = OpenStackConverter().identify(message)
    assert (found.message_id, found.event_type, found.resource_id) == ("m", "image.update", "i")


@pytest.mark.parametrize("more", [{"data": None}, {"id": ""}, {"data": 7}, {"data": {"a": 1}}])
def test_openstack_refuses_a_cloudevent_that_carries_no_notification(more: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        OpenStackConverter().unwrap(cloudevent(**more))


def test_the_webhook_of_the_documentation_is_read_without_mistakes() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "monitors.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```yaml\n(providers:\n  - name: racks\n.*?)```", page, re.DOTALL)
    found, problems = providers_of(block.encode(), Path(), kinds(), Clouds(frozenset()))
    assert problems == []
    [racks] = found.values()
    converter = kinds()["webhook"].converter_of(racks.options)
    facts = converter.convert(converter.unwrap(cloudevent(subject="rooms/2/servers/s-1"))[0])
    assert facts.ref() == ObjectRef("server", "s-1")
    assert (facts.actor, racks.options.source) == ("erin", "RACKS")
