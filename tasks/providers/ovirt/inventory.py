"""Reads oVirt's objects: one by id, or all of a kind page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from tasks.model.errors import Gone, Permanent, ProviderDown
from tasks.model.event import ObjectRef
from tasks.providers.contracts import ProviderConfig, Reading
from tasks.providers.openstack.attributes import rows, text
from tasks.providers.ovirt import kinds
from tasks.providers.ovirt.attributes import Found, keys_of
from tasks.providers.ovirt.engine import Engine, engine_of
from tasks.providers.ovirt.failures import EngineRefusal, NotAnEngine
from tasks.providers.ovirt.kinds import KINDS, Kind, is_id
from tasks.providers.ovirt.presence import says_gone

#: The kind whose status only a data center tells.
_STORAGE = "storage_domain"


class OvirtInventory:
    """The inventory reader of an oVirt provider.

    Readers of one process share the engine's session and its token (:func:`tasks.providers.ovirt.engine.engine_of`);
    several threads may read at once. Every other failure than the engine's own 404 leaves what is known alone
    (spec capture 9 C2).
    """

    kinds: ClassVar[tuple[str, ...]] = tuple(KINDS)

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        #: Collections whose links the engine refuses to embed; they are read without.
        self._bare: set[str] = set()

    def read(self, ref: ObjectRef) -> Reading:
        """Read one object with one call; a storage domain needs another one for its status.

        Raises :class:`tasks.model.errors.Gone` on the engine's 404, ``Permanent`` for a kind or an id that cannot
        be one of oVirt's, and ``ProviderDown``, ``SignedOut`` or ``Transient`` for all other failures.
        """
        kind, name = self._kind(ref.kind), self._provider.name
        if not is_id(ref.id):
            raise Permanent(f"{name}: {str(ref)[:100]!r} is no id that oVirt gives; nothing is read")
        try:
            found = self._get(kind, f"/{kind.collection}/{ref.id}", {})
        except EngineRefusal as refusal:
            if refusal.status != 404:
                raise
            if says_gone(self._engine, refusal):
                raise Gone(f"{name}: the engine has no {ref}") from refusal
            raise ProviderDown(
                f"{name}: a request for {ref} ended in 404, but not by the engine's word. Check that url leads to it."
            ) from refusal
        reading = _reading(ref.kind, kind, found)
        if reading is None or reading.ref.id != ref.id:
            raise ProviderDown(f"{name}: the engine sent another object than {ref}; see engine.log.")
        return self._placed(reading, found, {})

    def read_all(self, kind: str) -> Iterator[Reading]:
        """Stream all objects of a kind.

        Raises ``ProviderDown``, ``SignedOut`` or ``Transient``; what was yielded before stays valid, but the
        list is then not complete.
        """
        how = self._kind(kind)
        statuses: dict[str, dict[str, str]] = {}
        for found in self._rows(how):
            reading = _reading(kind, how, found)
            if reading is not None:
                yield self._placed(reading, found, statuses)

    def close(self) -> None:
        """Nothing is to be given back: the engine's session is shared with others of this process."""

    @property
    def _engine(self) -> Engine:
        return engine_of(self._provider)

    def _kind(self, kind: str) -> Kind:
        how = KINDS.get(kind)
        if how is None:
            raise Permanent(f"{self._provider.name}: oVirt inventory has no kind {kind!r}; it has {', '.join(KINDS)}")
        return how

    def _get(self, how: Kind, path: str, params: dict[str, str | int]) -> dict[str, Any]:
        """Ask with the links that shall be embedded, and without them where the engine does not take that (400)."""
        if how.follow and how.collection not in self._bare:
            try:
                return self._engine.get(path, params | {"follow": how.follow})
            except EngineRefusal as refusal:
                if refusal.status != 400 or not refusal.said:
                    raise
            found = self._engine.get(path, params)
            self._bare.add(how.collection)
            return found
        return self._engine.get(path, params)

    def _rows(self, how: Kind) -> Iterator[Found]:
        """The objects of a list, each once: a page may repeat what moved while it was read."""
        seen: set[object] = set()
        size = kinds.PAGE
        for page in range(1, kinds.MOST_PAGES + 1):
            asked: dict[str, str | int] = {"search": f"sortby {how.sort} asc page {page}", "max": size}
            listed = self._listed(how, self._get(how, f"/{how.collection}", asked))
            fresh = [row for row in listed if text(row.get("id")) not in seen]
            yield from fresh
            if len(listed) < size:
                return
            if not fresh:
                break
            seen.update(text(row.get("id")) for row in fresh)
        raise NotAnEngine(
            f"{self._provider.name}: the engine's list of {how.collection} does not end: it repeats its pages. "
            "Check that url leads to an engine of version 4."
        )

    def _listed(self, how: Kind, answer: dict[str, Any]) -> list[Found]:
        listed = answer.get(how.element, [])
        if not isinstance(listed, list) or any(not isinstance(row, dict) for row in listed):
            raise NotAnEngine(
                f"{self._provider.name}: the engine's list of {how.collection} is none. See engine.log, and check url."
            )
        return list(listed)

    def _placed(self, reading: Reading, found: Found, statuses: dict[str, dict[str, str]]) -> Reading:
        """A storage domain with the status that its data center tells; any other object as it is."""
        if reading.ref.kind != _STORAGE or reading.attributes["status"] is not None:
            return reading
        for center in keys_of(found, "data_centers", "data_center") or ():
            if center not in statuses:
                statuses[center] = self._statuses(center)
            if status := statuses[center].get(reading.ref.id):
                return Reading(reading.ref, reading.name, None, {**reading.attributes, "status": status})
        return reading

    def _statuses(self, center: str) -> dict[str, str]:
        """The statuses of a data center's storage domains by their ids."""
        if not is_id(center):
            return {}
        try:
            answer = self._engine.get(f"/datacenters/{center}/storagedomains")
        except EngineRefusal as refusal:
            if refusal.status == 404 and says_gone(self._engine, refusal):
                return {}
            raise
        found = ((text(row.get("id")), text(row.get("status"))) for row in rows(answer.get(_STORAGE)))
        return {key: status for key, status in found if key and status}


def _reading(kind: str, how: Kind, found: Found) -> Reading | None:
    """What is kept of an object; None for what is no object: all of oVirt's have an id and a name."""
    key, name = text(found.get("id")), text(found.get("name"))
    if key is None or name is None or not is_id(key):
        return None
    return Reading(ObjectRef(kind, key), name, None, how.keep(found))
