"""Reads an event of the engine: its number, its moment, and the objects that it is linked to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.model.event import PROVIDER
from tasks.providers.openstack.values import mapping, moment, text

#: Links of an event, and the kind of object that each one leads to. A machine of an engine is a ``server`` like
#: that of a cloud, so that one policy may speak of both.
LINKS: Mapping[str, str] = {
    "vm": "server",
    "template": "template",
    "host": "host",
    "storage_domain": "storage_domain",
    "cluster": "cluster",
    "data_center": "data_center",
    # The monitor's own: what it tells of the engine's log is about the provider.
    PROVIDER: PROVIDER,
}
#: Kinds in the order in which an event is about one of them, and words in a type that put a kind first.
_ORDER = ("server", "template", "host", "storage_domain", "cluster", "data_center", PROVIDER)
_FIRST = (("TEMPLATE", "template"), ("STORAGE", "storage_domain"), ("CLUSTER", "cluster"))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The latest moment in milliseconds that a date can hold.
_LATEST = 253_402_300_799_999
#: Ids of the engine are PostgreSQL's bigints.
_LARGEST = 2**63 - 1


def number_of(event: Any) -> int | None:
    """The event's id, which rises from event to event; None where there is none that can be read."""
    found = event.get("id") if isinstance(event, dict) else None
    if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) < 20:
        found = int(found)
    return found if type(found) is int and 0 <= found <= _LARGEST else None


def moment_of(value: Any) -> datetime | None:
    """A moment as the engine writes it: milliseconds since the epoch in JSON, or a date with its zone."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        value = int(value)
    if type(value) is int:
        return _EPOCH + timedelta(milliseconds=value) if 0 <= value <= _LATEST else None
    return moment(value)


def objects_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The objects that an event is linked to: kind to id."""
    return {kind: ref for link, kind in LINKS.items() if (ref := _ref(mapping(event.get(link))))}


def subject_of(event_type: str, objects: Mapping[str, str]) -> str | None:
    """The kind of the object that an event is about (spec capture 4.3).

    A type that speaks of a template is about the template where it has one, even if a machine is named
    beside it; one about a storage domain or a cluster likewise, unless a machine is.
    """
    for word, kind in _FIRST:
        if word in event_type and kind in objects and (kind == "template" or "server" not in objects):
            return kind
    return next((kind for kind in _ORDER if kind in objects), None)


def _ref(link: Mapping[str, Any]) -> str | None:
    """The id that a link names; where it has an address alone, the last part of that (spec capture 4.3)."""
    href = link.get("href")
    return text(link.get("id")) or (text(href.rstrip("/").rpartition("/")[2]) if isinstance(href, str) else None)
