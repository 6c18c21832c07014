"""Reads OpenStack's objects: one by id, or all of a kind page by page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote
from weakref import WeakKeyDictionary

from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.session import Session
from openstack import exceptions as sdk_errors
from openstack.connection import Connection
from openstack.proxy import Proxy

from tasks.model.errors import Absent, Permanent, ProviderDown
from tasks.model.event import ObjectRef
from tasks.providers.contracts import ProviderConfig, Reading
from tasks.providers.openstack import attributes
from tasks.providers.openstack.failures import NotAllowed, map_errors
from tasks.providers.openstack.flavors import FlavorBook
from tasks.providers.openstack.kinds import KINDS, Kind, is_id
from tasks.providers.openstack.session import connection

#: Heat tells its versions at its root alone, where the catalogue does not lead.
_WITHOUT_VERSIONS = frozenset({"orchestration"})
#: What is known of each cloud's flavors, as long as its session lives.
_BOOKS: WeakKeyDictionary[Session, FlavorBook] = WeakKeyDictionary()


class OpenStackInventory:
    """The inventory reader of an OpenStack provider.

    Signs in on first use and keeps one connection; up to a handful of threads may read at once: the
    session underneath is safe to share (:class:`tasks.providers.openstack.session.CloudSession`) and the
    services are looked up under a lock. Every other failure than 404 leaves what is known alone
    (spec capture 9 C2).
    """

    kinds: ClassVar[tuple[str, ...]] = tuple(KINDS)

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        self._lock = threading.Lock()
        self._connections: dict[bool, Connection] = {}
        self._services: dict[str, Any] = {}

    def read(self, ref: ObjectRef) -> Reading:
        """Read one object with one call, a stack with two.

        Raises :class:`tasks.model.errors.Gone` on 404, ``Permanent`` for a kind or an id that cannot be
        one of OpenStack's, and ``ProviderDown``, ``SignedOut`` or ``Transient`` for all other failures.
        """
        kind = self._kind(ref.kind)
        if not is_id(ref.id):
            raise Permanent(f"{self._provider.name}: {str(ref)[:100]!r} is no id that OpenStack gives; nothing is read")
        with map_errors(self._provider.name, kind.service, ref):
            service = self._service(kind.service)
            reading = self._reading(ref.kind, kind, kind.one(service, quote(ref.id, safe="")))
        if reading is None or reading.ref.id != ref.id:
            raise ProviderDown(f"{self._provider.name}: {kind.service} sent another object than {ref}; see its log.")
        return reading

    def read_all(self, kind: str) -> Iterator[Reading]:
        """Stream all objects of a kind, of all projects where the user may see them.

        A user who may not (403) gets the own project's objects: its project, public flavors and no hosts.
        Raises ``ProviderDown``, ``SignedOut`` or ``Transient``; what was yielded before stays valid, but the
        list is then not complete; ``Absent`` where the cloud lacks the service that has the kind.
        """
        how = self._kind(kind)
        try:
            first = next(readings := self._stream(kind, how, every=True), None)
        except NotAllowed:
            yield from self._own_project() if kind == "project" else self._stream(kind, how, every=False)
            return
        if first is not None:
            yield first
            yield from readings

    def close(self) -> None:
        """Give connections back. The reader may be used again: it then signs in anew."""
        with self._lock:
            connected = list(self._connections.values())
            self._connections.clear()
            self._services.clear()
        for connection_made in connected:
            connection_made.session.close()

    def _kind(self, kind: str) -> Kind:
        how = KINDS.get(kind)
        if how is None:
            raise Permanent(
                f"{self._provider.name}: OpenStack inventory has no kind {kind!r}; it has {', '.join(KINDS)}"
            )
        return how

    def _session(self) -> Session:
        if self._provider.session is None:
            raise Permanent(f"{self._provider.name}: no cloud is named. Set `cloud` in providers.yaml.")
        session: Session = self._provider.session()
        return session

    def _service(self, name: str) -> Any:
        """openstacksdk's proxy of a service; found in the catalogue and asked for its versions once."""
        found = self._services.get(name)
        if found is not None:
            return found
        if name in getattr(self._provider.options, "without", ()):
            raise Absent(f"{self._provider.name}: the provider is `without` {name} in providers.yaml.")
        with self._lock, map_errors(self._provider.name, name):
            strict = name not in _WITHOUT_VERSIONS
            if strict not in self._connections:
                self._connections[strict] = connection(self._session(), strict=strict)
            found = getattr(self._connections[strict], name)
            if not isinstance(found, Proxy):
                raise sdk_errors.ServiceDisabledException(name)
            self._services[name] = found
            return found

    def _stream(self, kind: str, how: Kind, *, every: bool) -> Iterator[Reading]:
        with map_errors(self._provider.name, how.service):
            for found in how.all(self._service(how.service), every):
                reading = self._reading(kind, how, found)
                if reading is not None:
                    yield reading

    def _reading(self, kind: str, how: Kind, found: Any) -> Reading | None:
        """What is kept of an object; None for what is no object of the kind."""
        key = attributes.text(how.key(found))
        if key is None or getattr(found, how.proof) is None:
            return None
        tenant = attributes.text(getattr(found, how.owner)) if how.owner else None
        reading = Reading(ObjectRef(kind, key), attributes.text(found.name), tenant, how.keep(found))
        if kind == "server":
            return replace(reading, attributes=self._flavors().complete(reading.attributes, self._all_flavors))
        return reading

    def _flavors(self) -> FlavorBook:
        """The cloud's flavors, which readers that come after this one need not read again."""
        with self._lock:
            return _BOOKS.setdefault(self._session(), FlavorBook())

    def _all_flavors(self) -> Iterator[Any]:
        with map_errors(self._provider.name, "compute"):
            yield from KINDS["flavor"].all(self._service("compute"), True)

    def _own_project(self) -> Iterator[Reading]:
        """The project of the token, as the token describes it."""
        with map_errors(self._provider.name, "identity"):
            session = self._session()
            if not isinstance(session.auth, BaseIdentityPlugin):
                return
            access = session.auth.get_access(session)
            key = attributes.text(access.project_id)
            if key is None:
                return
            kept: attributes.Attributes = dict.fromkeys(("enabled", "parent_id", "description"))
            kept |= {"domain_id": attributes.text(access.project_domain_id), "tags": []}
            reading = Reading(ObjectRef("project", key), attributes.text(access.project_name), key, kept)
        yield reading
