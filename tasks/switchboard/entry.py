"""Where a delivery enters, what its first object is handed, and what its Python methods may know of the world."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from tasks.model.event import DELIVERY, REQUEST_EVENT, Event, ObjectRef
from tasks.model.outcome import DeliveryFacts, ObjectFacts, View
from tasks.switchboard.datatypes import MODELS
from tasks.switchboard.engine import ENTRY
from tasks.switchboard.given import EventStream, Given, InventoryObject
from tasks.switchboard.text import AddressPart, fold

#: Attributes by which Call_Instance and its kin are told where to go (spec automate 3.6), and what they may hold.
_ADDRESS = ("namespace", "class", "instance", "message")
_PARTS = re.compile(r"[A-Za-z0-9_.\-]+(?:/[A-Za-z0-9_.\-]+)*")


def _attribute(name: str, value: Any, provider: str, view: View) -> dict[str, Any]:
    """An argument as attributes: ``Model::name`` gives the object, and its id beside it (B14)."""
    model, typed, plain = name.rpartition("::")
    kind = MODELS.get(fold(model.rpartition("::")[2])) if typed else None
    key = fold(plain if typed else name)
    if kind is None:
        return {key: value}
    return {key: InventoryObject(provider, ObjectRef(kind, str(value)), view), f"{key}_id": str(value)}


class RequestGiven(Given):
    """The root attributes of a request's event: those of any event, and the request (spec automate 6.4)."""

    names = (*Given.names, "miq_request", "miq_request_id", "request", "user_id")

    def _value(self, name: str) -> Any:
        if name not in ("miq_request", "miq_request_id", "request", "user_id", "vmdb_object_type"):
            return super()._value(name)
        self.looked_further = True
        request = self._view.request(self._event.facts.request_id or "")
        if request is None:
            return None
        if name == "miq_request_id":
            return request["id"]
        if name == "user_id":
            return request["requester"]
        if name == "miq_request":
            return request
        return request["request_type"] if name == "request" else f"{request['request_type']}_request"


class DeliveryGiven(Mapping[str, Any]):
    """The root attributes of a request task's delivery: its arguments, the task and the request (spec automate 6.1)."""

    looked_further = True

    def __init__(self, delivery: DeliveryFacts, provider: str, view: View) -> None:
        self._values: dict[str, Any] = {}
        for name, value in delivery.attributes.items():
            self._values.update(_attribute(name, value, provider, view))
        for name in _ADDRESS:
            # Whoever may make a request may name any instance in it: these are as good as an address of his.
            if isinstance(value := self._values.get(name), str) and _PARTS.fullmatch(value):
                self._values[name] = AddressPart(value)
        self._values.setdefault("object_name", "Automation")
        # For whom it is done is nothing that a parameter may say (D35).
        self._values |= {"user_id": delivery.user, "userid": delivery.user, "tenant_id": delivery.tenant_id}
        self._values |= {"automation_task": dict(delivery.task), "automation_task_id": delivery.task_id}
        request = view.request(delivery.request or "")
        if request is not None:
            self._values |= {"miq_request": request, "miq_request_id": request["id"]}
            self._values.setdefault("request", request["request_type"])

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def given_for(event: Event, view: View) -> tuple[Given | DeliveryGiven, str]:
    """The root attributes of an event's delivery, and the address that it enters at.

    Raises ``LookupError`` for a delivery whose row is gone.
    """
    if event.namespace == DELIVERY:
        delivery = view.delivery(event.id)
        if delivery is None:
            raise LookupError(f"the ledger has no delivery of event {event.id}")
        return DeliveryGiven(delivery, event.provider, view), delivery.uri
    if event.namespace == REQUEST_EVENT:
        return RequestGiven(event, view), ENTRY
    return Given(event, view), ENTRY


class World:
    """What a Python method may know, read late (see :class:`tasks.switchboard.service.Outside`)."""

    def __init__(self, event: Event, view: View) -> None:
        self._event = event
        self._view = view
        self._task: dict[str, Any] | None = None

    def inventory(self, kind: str, ref: str) -> ObjectFacts | None:
        """An inventory object of the event's provider."""
        return self._view.object(self._event.provider, ObjectRef(kind, ref))

    def lookup(self, kind: str, ref: str) -> InventoryObject:
        """The same for ``${...}`` and datatypes: by name, and there even where inventory knows nothing of it."""
        return InventoryObject(self._event.provider, ObjectRef(kind, ref), self._view)

    @property
    def event(self) -> Mapping[str, Any]:
        """The event of the delivery; empty where a request's task is delivered."""
        if self._event.namespace == DELIVERY:
            return {}
        return EventStream(self._event, Given(self._event, self._view))

    @property
    def request(self) -> Mapping[str, Any]:
        """The request that the delivery is about; empty where it is about none."""
        return self._view.request(self._event.facts.request_id or "") or {}

    @property
    def task(self) -> MutableMapping[str, Any]:
        """The options of the request task; empty where there is none."""
        if self._task is None:
            found = self._view.delivery(self._event.id) if self._event.namespace == DELIVERY else None
            self._task = dict(found.task) if found else {}
        return self._task

    @property
    def changed(self) -> dict[str, Any] | None:
        """The task's options, where a method has asked for them and may have changed them."""
        return self._task
