"""What the first object of a delivery is handed (spec automate 3.5), read late.

It remembers whether more was read than an event's namespace, source and type: a run that read no more
ends the same way for every event of that type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tasks.model.event import CUSTOM_EVENT, PROVIDER_EVENT, Event, ObjectRef
from tasks.model.outcome import View

#: What a run may read of an event without depending on more than its type.
BY_TYPE: Mapping[str, Callable[[Event], str]] = {
    "event_namespace": lambda event: event.namespace,
    "source": lambda event: event.source,
    "event_type": lambda event: event.event_type,
}

#: All else that ``${/#event_stream....}`` offers.
BY_EVENT: Mapping[str, Callable[[Event], Any]] = {
    "id": lambda event: str(event.id),
    "event_id": lambda event: str(event.id),
    "raw_event_type": lambda event: event.facts.raw_event_type,
    "timestamp": lambda event: event.facts.occurred_at.isoformat(),
    "provider": lambda event: event.provider,
    "username": lambda event: event.facts.actor,
    "host": lambda event: event.facts.host,
    "tenant_id": lambda event: event.facts.tenant_id,
    "chain_id": lambda event: event.facts.chain_id,
    "request_id": lambda event: event.facts.request_id,
    "phase": lambda event: event.facts.phase,
    "group": lambda event: event.facts.group,
    "level": lambda event: event.facts.level,
    "resource_kind": lambda event: event.facts.resource_kind,
    "resource_id": lambda event: event.facts.resource_id,
    "parents": lambda event: event.facts.parents,
    "details": lambda event: event.facts.details,
    "payload": lambda event: event.payload,
}

#: Attributes that stand for an inventory object, and the role that the event names it by.
OBJECTS: Mapping[str, str] = {"vm": "src_vm", "host": "src_host", "tenant": "tenant"}

#: Attributes of a custom event, and what each is of the inputs that it carries (spec policy-alerts 5.7).
CARRIED: Mapping[str, str] = {
    "alert": "alert",
    "miq_alert_id": "alert",
    "alert_guid": "alert",
    "miq_alert_description": "description",
    "alert_severity": "severity",
    "rule": "rule",
}

#: The word of a kind in ``vmdb_object_type``, where it is not the kind itself.
_TYPE_WORDS = {"server": "vm"}

#: Kinds of provider whose machines are no cloud's (spec automate 4.3).
_ENGINES = frozenset({"ovirt"})


class _Late(Mapping[str, Any]):
    """A mapping that is only ever asked for single names."""

    names: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Given(_Late):
    """The root attributes of one event. Values that the event lacks are absent."""

    names = (
        *("object_name", "vmdb_object_type", "event_stream", "event_stream_id", "event_type", "event_id"),
        *("miq_event", "miq_event_id"),
        *CARRIED,
        *OBJECTS,
        *(f"{name}_id" for name in OBJECTS),
    )

    def __init__(self, event: Event, view: View) -> None:
        self.looked_further = False
        self._event = event
        self._view = view

    def __getitem__(self, name: str) -> Any:
        if name == "object_name":
            return "Event"
        if name == "event_type":
            return self._event.event_type
        if name == "event_stream":
            return EventStream(self._event, self)
        value = self._value(name)
        if value is None:
            raise KeyError(name)
        return value

    def _value(self, name: str) -> Any:
        if name not in self.names:
            return None
        self.looked_further = True
        of_provider = self._event.namespace == PROVIDER_EVENT
        if name in ("event_stream_id", "event_id"):
            return str(self._event.id)
        if name in CARRIED:
            return self._event.carried.get(CARRIED[name])
        if name in ("miq_event", "miq_event_id"):
            if of_provider or self._event.namespace == CUSTOM_EVENT:
                return None
            return EventStream(self._event, self) if name == "miq_event" else str(self._event.id)
        if name == "vmdb_object_type":
            kind = self._event.facts.resource_kind
            return "event_stream" if of_provider else _TYPE_WORDS.get(kind or "", kind)
        ref = self._event.role(OBJECTS[name.removesuffix("_id")])
        if ref is None:
            return None
        return ref.id if name.endswith("_id") else InventoryObject(self._event.provider, ref, self._view)


class EventStream(_Late):
    """``${/#event_stream....}``: the event itself."""

    names = (*BY_TYPE, *BY_EVENT)

    def __init__(self, event: Event, given: Given) -> None:
        self._event = event
        self._given = given

    def __getitem__(self, name: str) -> Any:
        if name in BY_TYPE:
            return BY_TYPE[name](self._event)
        read = BY_EVENT[name]
        self._given.looked_further = True
        value = read(self._event)
        if value is None:
            raise KeyError(name)
        return value


class InventoryObject(_Late):
    """``${/#vm....}``: an object that the event names, with what inventory knows of it.

    One that inventory has not heard of has its id and kind all the same, so no event loses its object.
    """

    names = ("id", "kind", "cloud", "name", "state", "tenant_id")

    def __init__(self, provider: str, ref: ObjectRef, view: View) -> None:
        self._provider = provider
        self._ref = ref
        self._view = view

    def _of_an_engine(self) -> bool:
        """Whether the provider is a virtualisation manager: its machines are infrastructure, and no cloud's."""
        provider = getattr(self._view.site, "providers", {}).get(self._provider)
        return provider is not None and provider.kind in _ENGINES

    def __getitem__(self, name: str) -> Any:
        if name == "id":
            return self._ref.id
        if name == "kind":
            return self._ref.kind
        if name == "cloud":
            return self._ref.kind == "server" and not self._of_an_engine()
        known = self._view.object(self._provider, self._ref)
        if known is None:
            raise KeyError(name)
        value = getattr(known, name) if name in self.names else known.attributes.get(name)
        if value is None:
            raise KeyError(name)
        return value
