"""The events that telemetry keeps, and the questions that its API answers (spec capture 1.5)."""

from __future__ import annotations

import operator
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from examples.cloud.refusals import BadRequest
from examples.cloud.telemetry import TelemetryEvent

#: Events kept; the oldest are forgotten, as a time to live would do.
KEPT_EVENTS = 50_000

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Question:
    """One query field of a request."""

    field: str
    op: str
    value: str


class EventStore:
    """Events in the order of ``generated``, then ``message_id``."""

    def __init__(self) -> None:
        self._events: list[TelemetryEvent] = []
        self._by_id: dict[str, TelemetryEvent] = {}

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: TelemetryEvent) -> None:
        """Keep an event; one with a known message id is dropped, as the database's key would do."""
        if event.message_id in self._by_id:
            return
        insort(self._events, event, key=_order)
        self._by_id[event.message_id] = event
        while len(self._events) > KEPT_EVENTS:
            self._by_id.pop(self._events.pop(0).message_id)

    def get(self, message_id: str) -> TelemetryEvent | None:
        """One event by its message id."""
        return self._by_id.get(message_id)

    def types(self) -> list[str]:
        """All event types, sorted."""
        return sorted({event.event_type for event in self._events})

    def traits(self, event_type: str) -> list[dict[str, str]]:
        """Names and types of the traits that events of a type have."""
        found = {
            (n, t) for event in self._events if event.event_type == event_type for n, (t, _) in event.traits.items()
        }
        return [{"name": name, "type": kind} for name, kind in sorted(found)]

    def select(self, questions: Sequence[Question]) -> list[TelemetryEvent]:
        """Events that answer every question, oldest first.

        Raises ``BadRequest`` for an operator that the field does not take.
        """
        start, keep = "", []
        for question in questions:
            if question.field == "start_timestamp":
                start = max(start, _timestamp(question, "ge"))
            else:
                keep.append(_test(question))
        first = bisect_left(self._events, (start, ""), key=_order) if start else 0
        return [event for event in self._events[first:] if all(test(event) for test in keep)]


def _order(event: TelemetryEvent) -> tuple[str, str]:
    return event.generated, event.message_id


def after_marker(events: Sequence[TelemetryEvent], marker: str) -> Iterable[TelemetryEvent]:
    """The events behind the one with this message id. Raises ``BadRequest`` where it is not among them."""
    for index, event in enumerate(events):
        if event.message_id == marker:
            return events[index + 1 :]
    raise BadRequest(f"Invalid marker: {marker}")


def _timestamp(question: Question, wanted: str) -> str:
    if question.op != wanted:
        raise BadRequest(f"Invalid input for field/attribute op. Value: '{question.op}'. unimplemented operator")
    if not question.value:
        return ""
    try:
        moment = datetime.fromisoformat(question.value)
    except ValueError as mistake:
        raise BadRequest(f"Invalid input for field/attribute {question.field}. Value: '{question.value}'") from mistake
    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return naive.isoformat(timespec="microseconds")


def _test(question: Question) -> Callable[[TelemetryEvent], bool]:
    field, op, value = question.field, question.op, question.value
    if field == "end_timestamp":
        end = _timestamp(question, "le")
        return lambda event: not end or event.generated <= end
    if field in ("event_type", "message_id"):
        if op != "eq":
            raise BadRequest(f"Invalid input for field/attribute op. Value: '{op}'. unimplemented operator for {field}")
        return lambda event: getattr(event, field) == value
    compare = _COMPARE.get(op)
    if compare is None:
        raise BadRequest(f"Invalid input for field/attribute op. Value: '{op}'.")

    def test(event: TelemetryEvent) -> bool:
        trait = event.traits.get(field)
        if trait is None:
            return False
        try:
            return compare(float(trait[1]), float(value))
        except ValueError:
            return compare(trait[1], value)

    return test
