"""Asks ESI Leap's API, found in the cloud's catalogue or named by the cloud's entry itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tasks.model.errors import ProviderDown
from tasks.model.event import ObjectRef
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.failures import map_errors
from tasks.providers.openstack.session import endpoint_filter

#: The service's type in the catalogue.
SERVICE = "lease"
VERSION = "/v1"


class LeapService:
    """The API of one provider's service. Signs in on first use; several threads may ask at once."""

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider

    def get(
        self,
        path: str,
        parameters: Sequence[tuple[str, str]] = (),
        *,
        wanted: ObjectRef | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """The object that a path below ``/v1`` answers with.

        Raises :class:`tasks.model.errors.Gone` where ``wanted`` is not there, ``ProviderDown``, ``SignedOut`` or
        ``Transient`` for all else.
        """
        if self._provider.session is None:
            raise ProviderDown(f"{self._provider.name}: the provider names no cloud. Set `cloud` in providers.yaml")
        with map_errors(self._provider.name, SERVICE, wanted):
            session = self._provider.session()
            answer = session.get(
                f"{self._root(session)}{VERSION}{path}",
                params=list(parameters),
                headers={"Accept": "application/json"},
                log=False,
                **({} if timeout is None else {"timeout": timeout}),
            )
            found = json.loads(answer.content)
        if not isinstance(found, dict):
            raise ProviderDown(
                f"{self._provider.name}: {SERVICE} answers with something that is no object. "
                "Check that its address in the catalogue leads to the service."
            )
        return found

    def listed(self, path: str, key: str, parameters: Sequence[tuple[str, str]] = (), **more: Any) -> list[Any]:
        """The list under ``key``. Raises as :meth:`get`, and ``ProviderDown`` where there is no such list."""
        found = self.get(path, parameters, **more).get(key)
        if not isinstance(found, list):
            raise ProviderDown(
                f"{self._provider.name}: {SERVICE} answers {VERSION}{path} without a list of {key}. "
                "Check that its address in the catalogue leads to the service."
            )
        return found

    def _root(self, session: Any) -> str:
        """The address without the version, which some catalogues name and others do not (spec esi 4)."""
        found = session.get_endpoint(**endpoint_filter(session, SERVICE))
        if not found:
            raise ProviderDown(
                f"{self._provider.name}: the catalogue has no {SERVICE} service for this region and interface. "
                "Check region_name and interface in clouds.yaml, or install the service."
            )
        return str(found).rstrip("/").removesuffix(VERSION)
