"""Acts on OpenStack's servers: the table of what can be done, and the connection that it is done over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from openstack.connection import Connection

from tasks.model.errors import Permanent
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt, ProviderConfig
from tasks.providers.openstack import server_labels, server_power, server_snapshots
from tasks.providers.openstack.acting import Work, acting
from tasks.providers.openstack.kinds import is_id
from tasks.providers.openstack.session import connection

_Operation = Callable[[Work, Mapping[str, Any]], str]

_OPERATIONS: Mapping[str, _Operation] = MappingProxyType(
    {
        **{word: server_power.power(word) for word in server_power.POWER},
        "reboot_server": server_power.reboot,
        "migrate_server": server_power.migrate,
        "evacuate_server": server_power.evacuate,
        "snapshot_server": server_snapshots.snapshot,
        "delete_snapshots": server_snapshots.delete,
        "add_server_tag": server_labels.tag,
        "remove_server_tag": server_labels.untag,
        "set_server_metadata": server_labels.describe,
    }
)


class OpenStackOperator:
    """The operator of an OpenStack provider. Signs in on first use; for one thread at a time."""

    operations: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(dict.fromkeys(_OPERATIONS, ("server",)))

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider
        self._connection: Connection | None = None

    def operate(self, word: str, ref: ObjectRef, params: Mapping[str, Any], attempt: Attempt) -> str:
        """Do it once and say what was done.

        Raises ``Transient`` for a busy server, a cloud that is down or asks for a pause; ``Permanent`` for
        everything that another try does not mend.
        """
        name = self._provider.name
        if ref.kind not in self.operations.get(word, ()):
            raise Permanent(f"{name}: OpenStack cannot do {word!r} to a {ref.kind}")
        if not is_id(ref.id):
            raise Permanent(f"{name}: {str(ref)[:100]!r} is no id that OpenStack gives; nothing was done")

        def service(wanted: str) -> Any:
            with acting(name, wanted, ref, f"sign in for {ref}"):
                return getattr(self._connected(), wanted)

        return _OPERATIONS[word](Work(name, ref, attempt, service), params)

    def close(self) -> None:
        """Give connections back. The operator may be used again."""
        connected, self._connection = self._connection, None
        if connected is not None:
            connected.session.close()

    def _connected(self) -> Connection:
        if self._connection is None:
            if self._provider.session is None:
                raise Permanent(f"{self._provider.name}: no cloud is named. Set `cloud` in providers.yaml.")
            self._connection = connection(self._provider.session())
        return self._connection
