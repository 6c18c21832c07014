"""Opens a payload: the object that it is about, and that object's id (spec capture 2.4 and 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tasks.providers.openstack.shapes import Shape, kind_of, plural, singular
from tasks.providers.openstack.values import first, mapping, text

#: How many objects of a bulk request are looked at for what they have in common.
_BULK_LIMIT = 100
#: Identity types whose CADF target is made up on the spot and names nothing that exists.
_WITHOUT_TARGET = frozenset({"identity.authenticate"})
_ASSIGNMENT = "role_assignment"


class Opened(NamedTuple):
    """A payload taken apart.

    ``payload`` is the whole of it out of its versioned object, ``subjects`` the objects it is about:
    one as a rule, several for a bulk request.
    """

    payload: Mapping[str, Any]
    subjects: list[Mapping[str, Any]]
    kind: str | None
    id: str | None

    @property
    def subject(self) -> Mapping[str, Any]:
        """The object that the payload is about; the first one of a bulk request."""
        return self.subjects[0]


def data_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of a versioned object (nova, ironic and others wrap them alike); else the value itself."""
    data = value.get("nova_object.data")
    if data is None and len(value) <= 5:
        data = next((v for k, v in value.items() if k.endswith("_object.data")), None)
    return data if isinstance(data, dict) else value


def open_payload(shape: Shape, payload: Mapping[str, Any]) -> Opened:
    """Take a payload apart. Never fails; what it does not name is None."""
    payload = data_of(payload)
    if shape.noun == "tag":
        return _tagged(payload)
    nested = payload.get(shape.noun)
    if nested is None and shape.kind is not None:
        nested = payload.get(plural(shape.noun))
    if isinstance(nested, list):
        subjects: list[Mapping[str, Any]] = [data_of(one) for one in nested[:_BULK_LIMIT] if isinstance(one, dict)]
        if len(subjects) > 1:
            return Opened(payload, subjects, shape.kind, None)
        nested = subjects[0] if subjects else None
    if isinstance(nested, dict):
        subject = data_of(nested)
        return Opened(payload, [subject], shape.kind, first(subject, ("id", "uuid")) or _id(shape, payload))
    return Opened(payload, [payload], shape.kind, _id(shape, payload))


def _tagged(payload: Mapping[str, Any]) -> Opened:
    word = text(payload.get("obj_resource"))
    kind = kind_of(singular(word)) if word else None
    return Opened(payload, [payload], kind, text(payload.get("obj_resource_id")))


def _id(shape: Shape, payload: Mapping[str, Any]) -> str | None:
    if shape.identity:
        return _identity(shape, payload)
    if shape.kind == "stack":
        return _stack(shape, payload)
    if shape.kind == "keypair":
        return keypair_id(payload, first(payload, shape.id_keys))
    if "typeURI" in payload:
        # A CADF record's own id names the record.
        return first(payload, shape.id_keys[:2]) or text(mapping(payload.get("target")).get("id"))
    found = first(payload, shape.id_keys)
    if found is None and shape.kind == "aggregate":
        return _aggregate(payload)
    if found is None and shape.kind == "server":
        return _requested(payload)
    return found


def keypair_id(payload: Mapping[str, Any], name: str | None) -> str | None:
    """``USER:NAME`` of a key pair, since names are unique to a user only; the name where no user is told."""
    user = text(payload.get("user_id"))
    return f"{user}:{name}" if user and name else name


def _identity(shape: Shape, payload: Mapping[str, Any]) -> str | None:
    if shape.event_type in _WITHOUT_TARGET:
        return text(mapping(payload.get("initiator")).get("user_id")) or text(payload.get("initiator_id"))
    if shape.kind == _ASSIGNMENT:
        return None
    info = payload.get("resource_info")
    if isinstance(info, dict):
        return first(info, ("id", "uuid"))
    return first(payload, ("resource_info", "resource_id")) or text(mapping(payload.get("target")).get("id"))


def _stack(shape: Shape, payload: Mapping[str, Any]) -> str | None:
    identity = payload.get("stack_identity")
    if isinstance(identity, dict):
        return first(identity, ("stack_id", "id"))
    found = first(payload, shape.id_keys)
    # arn:openstack:heat::<tenant>:stacks/<name>/<uuid>
    return text(found.rpartition("/")[2]) if found and found.startswith("arn:") else found


def _aggregate(payload: Mapping[str, Any]) -> str | None:
    """Ceilometer keeps nothing of an aggregate but its publisher, ``aggregate.<id>`` (spec capture 2.5)."""
    service = text(payload.get("service")) or ""
    number = service.removeprefix("aggregate.")
    return number if number.isdecimal() and number != service else None


def _requested(payload: Mapping[str, Any]) -> str | None:
    """The server that a scheduler's or conductor's request is for."""
    request = data_of(mapping(payload.get("request_spec")))
    found = text(request.get("instance_uuid")) or text(data_of(mapping(request.get("instance_properties"))).get("uuid"))
    return found or text(mapping(payload.get("instance_properties")).get("uuid"))
