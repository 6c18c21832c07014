"""Facts: what an expression may look at. One event, the inventory object that it is about, the time.

Inside of a FIND it is one member of a list as well; a plain map is looked at in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.model.event import Event, Normalised
from tasks.model.outcome import ObjectFacts

#: nova wraps versioned payloads in this key; a path looks through it (spec capture 2.2).
WRAPPER = "nova_object.data"


@dataclass(frozen=True, slots=True)
class Facts:
    """One event, its object as inventory knows it (None: never heard of), and the present moment.

    ``member`` is the member of a list that a FIND looks at, or the plain map that is judged.
    """

    event: Event
    target: ObjectFacts | None
    now: datetime
    member: Any = None

    def attribute(self, kind: str | None, parts: Sequence[str]) -> Any:
        """An inventory attribute of the target, None where it is of another kind or has none such.

        Beside the attributes of ``docs/inventory.md``: ``id``, ``kind``, ``name``, ``tenant_id``,
        ``read_at``, ``inventory_state`` (known, stub, gone) and, where the kind has none of its own,
        ``state``, which is the same.
        """
        target = self.target
        if target is None or (kind is not None and target.ref.kind != kind):
            return None
        first = parts[0]
        if first not in target.attributes:
            return _own(target, first) if len(parts) == 1 else None
        value = target.attributes[first]
        return value if len(parts) == 1 else walk(value, parts[1:])

    def payload(self, parts: Sequence[str]) -> Any:
        """A value in the notification's payload, None where there is none."""
        return walk(payload_of(self.event), parts)


def facts_of_map(data: Mapping[str, Any], now: datetime) -> Facts:
    """A plain map as facts, for a condition that was compiled for one (spec policy-alerts 8, check 54)."""
    return Facts(Event(0, "", "", "", Normalised("", "", "", now), {}), None, now, data)


def _own(target: ObjectFacts, name: str) -> Any:
    match name:
        case "id":
            return target.ref.id
        case "kind":
            return target.ref.kind
        case "name":
            return target.name
        case "tenant_id":
            return target.tenant_id
        case "read_at":
            return target.read_at
        case "state" | "inventory_state":
            return target.state
    return None


def payload_of(event: Event) -> Any:
    """The sender's ``payload``, whether the event carries the stored message or its content alone."""
    whole = event.payload
    content = whole.get("content") if "form" in whole else whole
    if not isinstance(content, Mapping):
        return None
    return content.get("payload", content)


def walk(value: Any, parts: Sequence[str]) -> Any:
    """Follow keys and list indexes; None as soon as one of them leads nowhere."""
    for part in parts:
        if isinstance(value, Mapping):
            if part not in value and isinstance(value.get(WRAPPER), Mapping):
                value = value[WRAPPER]
            value = value.get(part)
        elif isinstance(value, list | tuple) and part.isascii() and part.isdigit() and len(part) < 9:
            index = int(part)
            value = value[index] if index < len(value) else None
        else:
            return None
    if isinstance(value, Mapping) and isinstance(value.get(WRAPPER), Mapping):
        return value[WRAPPER]
    return value
