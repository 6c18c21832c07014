"""Automation requests as programs send them (spec policy-alerts 6.9): address parts, parameters, requester."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.model.clock import parse_utc
from tasks.model.errors import Refused
from tasks.model.outcome import Petition
from tasks.model.request import AUTOMATION, TYPES

_PARTS = ("namespace", "class", "instance", "message")
_DEFAULTS = {"namespace": "System", "class": "Process", "instance": "AUTOMATION_REQUEST", "message": "create"}
_REQUESTER = ("auto_approve", "user_name")
#: Parameters and text in all: what a request may carry.
MOST_PARAMETERS, LONGEST = 200, 65_536


@dataclass(frozen=True, slots=True)
class Wanted:
    """An automation request as it was read. ``ignored`` are keys that nobody reads."""

    petition: Petition
    auto_approve: bool
    user_name: str | None
    due_at: datetime | None
    ignored: tuple[str, ...] = field(default=())


def read(body: Mapping[str, Any]) -> Wanted:
    """Read one request. Raises :class:`tasks.model.errors.Refused` with what is wrong, where, and what is right."""
    if "id" in body:
        raise Refused("id: a request gets its number here; leave it out")
    parts = _map(body, "uri_parts")
    parameters = _map(body, "parameters")
    requester = _map(body, "requester")
    ignored = [f"uri_parts.{key}" for key in parts if key not in _PARTS]
    ignored += [f"requester.{key}" for key in requester if key not in _REQUESTER]
    if len(parameters) > MOST_PARAMETERS or sum(len(str(value)) for value in parameters.values()) > LONGEST:
        raise Refused(f"parameters: at most {MOST_PARAMETERS}, and {LONGEST} characters in all")
    texts = {part: _part(parts, part) for part in _PARTS}
    attrs = {key if "::" in key else key.lower(): value for key, value in parameters.items()}
    due = attrs.pop("schedule_time", None)
    options: dict[str, Any] = {
        "namespace": texts["namespace"],
        "class_name": texts["class"],
        "instance_name": texts["instance"],
        "message": texts["message"],
        "uri": f"/{texts['namespace']}/{texts['class']}/{texts['instance']}#{texts['message']}",
        "attrs": attrs,
        "schedule_type": "schedule" if due else "immediately",
    }
    if isinstance(attrs.get("miq_zone"), str):
        options["miq_zone"] = attrs["miq_zone"]
    petition = Petition(AUTOMATION, options, TYPES[AUTOMATION].words)
    name = requester.get("user_name")
    return Wanted(
        petition,
        str(requester.get("auto_approve", "")).lower() == "true",
        str(name) if name else None,
        _moment(due) if due else None,
        tuple(ignored),
    )


def _map(body: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A map, or the older ``key=value|key=value``."""
    value = body.get(key)
    if value is None:
        return {}
    if isinstance(value, str):
        pairs = [pair.partition("=") for pair in value.split("|") if pair.strip()]
        return {name.strip(): text.strip() for name, _, text in pairs}
    if not isinstance(value, Mapping):
        raise Refused(f"{key}: write a map, as in {{{key!r}: {{...}}}}")
    return {str(name): inner for name, inner in value.items()}


def _part(parts: Mapping[str, Any], part: str) -> str:
    text = str(parts.get(part) or "").strip().strip("/").strip() or _DEFAULTS[part]
    if len(text) > 255 or not text.isprintable() or any(c in text for c in "#?$ "):
        raise Refused(f"uri_parts.{part}: {text[:60]!r} is no part of an address")
    return text


def _moment(text: Any) -> datetime:
    try:
        return parse_utc(str(text))
    except ValueError as mistake:
        raise Refused(
            f"parameters.schedule_time: {str(text)[:60]!r} is no time: write 2030-01-02T03:04:05Z"
        ) from mistake
