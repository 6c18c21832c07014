"""The event API of Panko and, nearly the same, of Ceilometer (spec capture 1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from examples.cloud.event_store import Question, after_marker
from examples.cloud.refusals import BadRequest, Missing, Refusal
from examples.cloud.telemetry import TelemetryEvent
from examples.cloud.tokens import Tokens
from examples.cloud.wire import PAGE_LIMIT, Request, Response, Service

if TYPE_CHECKING:
    from examples.cloud.world import World

#: Events in an answer to a request that names no limit, on both services.
DEFAULT_LIMIT = 100
_SORT_KEYS = ("generated", "message_id", "event_type")


class Events(Service):
    """What both services do the same way."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        super().__init__(world, tokens)
        self.route("GET", "", self.versions, open=True)
        self.route("GET", "/v2/events", self.events)
        self.route("GET", "/v2/events/{key}", self.event)
        self.route("GET", "/v2/event_types", self.types)
        self.route("GET", "/v2/event_types/{key}/traits", self.traits)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        """The form that both services' framework gives to errors."""
        error = {"debuginfo": None, "faultcode": "Client", "faultstring": refusal.message}
        return Response(refusal.status, {"error_message": error})

    def versions(self, request: Request) -> Response:
        """The one version."""
        links = [
            {"rel": "self", "href": f"{request.root}/v2"},
            {"rel": "describedby", "href": "https://docs.openstack.org/", "type": "text/html"},
        ]
        media = [
            {"base": f"application/{kind}", "type": f"application/vnd.openstack.telemetry-v2+{kind}"}
            for kind in ("json", "xml")
        ]
        version = {"id": "v2", "links": links, "media-types": media, "status": "stable"}
        version["updated"] = "2013-02-13T00:00:00Z"
        return Response(200, {"versions": {"values": [version]}})

    def events(self, request: Request) -> Response:
        """The events that answer the query, in the service's order, up to the limit."""
        body = _body(request)
        questions = _questions(request, body)
        limit = request.param("limit") or body.get("limit")
        most = DEFAULT_LIMIT if limit is None else _limit(limit)
        shown = self.select(request, questions)
        return Response(200, [event.as_dict() for event in shown[: min(most, PAGE_LIMIT)]])

    def select(self, request: Request, questions: list[Question]) -> list[TelemetryEvent]:
        """The events that the token may see and that answer the query."""
        raise NotImplementedError

    def _mine(self, request: Request, event: TelemetryEvent) -> bool:
        project = request.token.project
        return project is not None and event.value("project_id") == project.id

    def event(self, request: Request, key: str) -> Response:
        """One event by message id."""
        event = self.world.events.get(key)
        if event is None or not (request.token.is_admin or self._mine(request, event)):
            raise Missing(f"Event with message_id={key} not found")
        return Response(200, event.as_dict())

    def types(self, request: Request) -> Response:
        """The types of all events."""
        return Response(200, self.world.events.types())

    def traits(self, request: Request, key: str) -> Response:
        """The traits of a type."""
        return Response(200, self.world.events.traits(key))


class Panko(Events):
    """The event service: pages by ``marker``, knows ``sort`` and the field ``all_tenants``."""

    prefix = "/event"

    def select(self, request: Request, questions: list[Question]) -> list[TelemetryEvent]:
        """Without ``all_tenants`` an administrator sees the own project, and what belongs to none."""
        everything = any(q.field == "all_tenants" and q.value.lower() == "true" for q in questions)
        found = self.world.events.select([q for q in questions if q.field != "all_tenants"])
        admin = request.token.is_admin
        if not (admin and everything):
            found = [e for e in found if self._mine(request, e) or (admin and e.value("project_id") is None)]
        for key, descending in reversed(_sorts(request)):
            found.sort(key=lambda event: str(getattr(event, key)), reverse=descending)
        marker = request.param("marker")
        return list(after_marker(found, marker)) if marker else found


class Ceilometer(Events):
    """The older event API inside the metering service: no marker, and ``all_tenants`` is a trait to it."""

    prefix = "/metering"

    def select(self, request: Request, questions: list[Question]) -> list[TelemetryEvent]:
        """Administrators see everything; ``all_tenants`` finds no trait of that name, so nothing at all."""
        found = self.world.events.select(questions)
        return found if request.token.is_admin else [event for event in found if self._mine(request, event)]


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    body = request.json()
    if not isinstance(body, dict):
        raise BadRequest("Unknown attribute: the body is no object")
    return body


def _questions(request: Request, body: dict[str, Any]) -> list[Question]:
    """The query, from ``q.field``, ``q.op`` and ``q.value`` or from the body's ``q``."""
    fields = [value for key, value in request.query if key == "q.field"]
    if fields:
        values = [value for key, value in request.query if key == "q.value"]
        ops = [value for key, value in request.query if key == "q.op"]
        if len(values) != len(fields) or (ops and len(ops) != len(fields)):
            raise BadRequest("Invalid input for field/attribute q. The lists have different lengths.")
        return [Question(f, o or "eq", v) for f, o, v in zip(fields, ops or ["eq"] * len(fields), values, strict=True)]
    asked = body.get("q") or []
    if not isinstance(asked, list) or not all(isinstance(q, dict) and "field" in q for q in asked):
        raise BadRequest("Invalid input for field/attribute q.")
    return [Question(str(q["field"]), str(q.get("op") or "eq"), str(q.get("value", ""))) for q in asked]


def _limit(text: object) -> int:
    number = int(str(text)) if str(text).isascii() and str(text).isdigit() and len(str(text)) < 10 else 0
    if number <= 0:
        raise BadRequest("Limit must be positive")
    return number


def _sorts(request: Request) -> list[tuple[str, bool]]:
    sorts = []
    for text in (value for key, value in request.query if key == "sort"):
        key, _, direction = text.partition(":")
        if key not in _SORT_KEYS or direction not in ("", "asc", "desc"):
            raise BadRequest(f"Invalid input for field/attribute sort. Value: '{text}'.")
        sorts.append((key, direction == "desc"))
    return sorts
