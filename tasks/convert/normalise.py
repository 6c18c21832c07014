"""The room's work on one event: from the notification as it was kept to the canonical facts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tasks.model.errors import BadPayload, Permanent
from tasks.model.event import UNSPOKEN, Event, Message
from tasks.model.outcome import Finding, Handler, Outcome, View
from tasks.providers.contracts import Converter


def normaliser(converters: Mapping[str, Converter]) -> Handler:
    """The handler of the convert stage.

    ``converters`` maps the name of a provider to the converter of its kind. The handler raises
    :class:`BadPayload` for a notification that makes no event and :class:`Permanent` for one of a
    provider that the site no longer has: both go to the dead-letter desk with that reason.
    """

    def handle(event: Event, view: View) -> Outcome:
        converter = converters.get(event.provider)
        if converter is None:
            raise Permanent(
                f"no converter for provider {event.provider!r}: it is not in providers.yaml any more. "
                "Put it back there, then retry the event"
            )
        message = _message(event)
        facts = converter.convert(message)
        # Who the event is and when it happened was settled when it was caught: a message that names no
        # time must not drift to the moment of its conversion.
        facts.message_id, facts.occurred_at = event.facts.message_id, event.facts.occurred_at
        if facts.resource_kind in UNSPOKEN:
            facts.resource_kind = facts.resource_id = None
        return Outcome(findings=[_finding(message.form, facts.raw_event_type, facts.event_type)], facts=facts)

    return handle


def _message(event: Event) -> Message:
    form, content = event.payload.get("form"), event.payload.get("content")
    if not isinstance(form, str) or not isinstance(content, dict):
        raise BadPayload("the ledger keeps no notification of this event, so there is nothing to convert")
    return Message(form, content)


@lru_cache(maxsize=4096)
def _finding(form: str, raw_event_type: str, event_type: str) -> Finding:
    detail: dict[str, Any] = {"form": form}
    if raw_event_type != event_type:
        detail["alias"] = raw_event_type
    return Finding("conversion", event_type, "converted", detail)
