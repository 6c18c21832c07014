"""Reads ESI Leap's leases, offers and nodes: one by id, or all of a kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from tasks.model.errors import Gone, Permanent, ProviderDown
from tasks.model.event import ObjectRef
from tasks.model.leases import FIELDS
from tasks.providers.contracts import ProviderConfig, Reading
from tasks.providers.esi_leap.service import LeapService
from tasks.providers.openstack.failures import NotAllowed
from tasks.providers.openstack.kinds import is_id
from tasks.providers.openstack.values import text

_OFFER_FIELDS = (
    "name", "uuid", "project_id", "project", "lessee_id", "lessee", "resource_type", "resource_uuid",
    "resource_class", "resource_properties", "resource", "start_time", "end_time", "status", "properties",
    "availabilities", "parent_lease_uuid",
)  # fmt: skip
_NODE_FIELDS = (
    "name", "uuid", "owner", "lessee", "resource_class", "provision_state", "target_provision_state", "power_state",
    "target_power_state", "maintenance", "properties", "offer_uuid", "lease_uuid", "future_offers", "future_leases",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind is read: its path and list, what is kept of it, and whose it is.

    A kind without ``one`` has no address for a single object, which is looked for in the list.
    """

    path: str
    fields: tuple[str, ...]
    owner: str | None
    one: bool = True
    #: Asked for first, for all projects; a user who may not see them gets the own ones.
    every: tuple[tuple[str, str], ...] = ()


KINDS: Mapping[str, Kind] = {
    "node": Kind("nodes", _NODE_FIELDS, None, one=False),
    "offer": Kind("offers", _OFFER_FIELDS, "project_id"),
    "lease": Kind("leases", FIELDS, "project_id", every=(("view", "all"),)),
}


class LeapInventory:
    """The inventory reader of an ESI Leap provider.

    A lease that has ended stays readable and says so in its ``status``. Every other failure than 404 leaves what
    is known alone. The service answers 500 for a lease or an offer that it never had (spec esi 3): whether it is so
    is then looked up in the list.
    """

    kinds: ClassVar[tuple[str, ...]] = tuple(KINDS)

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        self._service = LeapService(provider)

    def read(self, ref: ObjectRef) -> Reading:
        """Read one object.

        Raises :class:`tasks.model.errors.Gone` where the service has none such, ``Permanent`` for a kind or an id
        that cannot be one of the service's, and ``ProviderDown``, ``SignedOut`` or ``Transient`` for all else.
        """
        kind = self._kind(ref.kind)
        if not is_id(ref.id):
            raise Permanent(f"{self._provider.name}: {str(ref)[:100]!r} is no id that the service gives")
        if not kind.one:
            return self._among(ref, kind, ())
        try:
            found = self._service.get(f"/{kind.path}/{quote(ref.id, safe='')}", wanted=ref)
        except ProviderDown as down:
            try:
                return self._among(ref, kind, (*kind.every, ("status", "any")))
            except Gone:
                raise
            except Exception:  # noqa: BLE001 - what the list says is a help; the first failure is the reason
                raise down from None
        reading = self._reading(ref.kind, kind, found)
        if reading is None or reading.ref.id != ref.id:
            raise ProviderDown(f"{self._provider.name}: the service sent another object than {ref}; see its log.")
        return reading

    def read_all(self, kind: str) -> Iterator[Reading]:
        """All objects of a kind, of all projects where the user may see them, else those of the own project.

        Raises ``ProviderDown``, ``SignedOut`` or ``Transient``.
        """
        how = self._kind(kind)
        for found in self._list(how, how.every):
            reading = self._reading(kind, how, found)
            if reading is not None:
                yield reading

    def close(self) -> None:
        """Nothing is held: the connections are the session's, which others use as well."""

    def _kind(self, kind: str) -> Kind:
        how = KINDS.get(kind)
        if how is None:
            raise Permanent(f"{self._provider.name}: ESI Leap's inventory has no kind {kind!r}: {', '.join(KINDS)}")
        return how

    def _list(self, how: Kind, parameters: tuple[tuple[str, str], ...]) -> list[Any]:
        try:
            return self._service.listed(f"/{how.path}", how.path, parameters)
        except NotAllowed:
            mine = tuple(pair for pair in parameters if pair not in how.every)
            if mine == parameters:
                raise
            return self._service.listed(f"/{how.path}", how.path, mine)

    def _among(self, ref: ObjectRef, how: Kind, parameters: tuple[tuple[str, str], ...]) -> Reading:
        for found in self._list(how, parameters):
            reading = self._reading(ref.kind, how, found)
            if reading is not None and reading.ref.id == ref.id:
                return reading
        raise Gone(f"{self._provider.name}: the service's list of {how.path} has no {ref.id}")

    def _reading(self, kind: str, how: Kind, found: Any) -> Reading | None:
        key = text(found.get("uuid")) if isinstance(found, dict) else None
        if key is None:
            return None
        kept = {name: found.get(name) for name in how.fields}
        tenant = text(found.get(how.owner)) if how.owner else None
        return Reading(ObjectRef(kind, key), text(found.get("name")), tenant, kept)
