"""Acts on oVirt's VMs: the table of what can be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from tasks.model.errors import Permanent
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt, ProviderConfig
from tasks.providers.ovirt import server_labels, server_power, server_snapshots
from tasks.providers.ovirt.acting import Work
from tasks.providers.ovirt.engine import engine_of
from tasks.providers.ovirt.kinds import is_id

_Operation = Callable[[Work, Mapping[str, Any]], str]

_OPERATIONS: Mapping[str, _Operation] = MappingProxyType(
    {
        **{word: server_power.power(word) for word in server_power.POWER},
        "reboot_server": server_power.reboot,
        "migrate_server": server_power.migrate,
        "snapshot_server": server_snapshots.snapshot,
        "delete_snapshots": server_snapshots.delete,
        "add_server_tag": server_labels.tag,
        "remove_server_tag": server_labels.untag,
    }
)


class OvirtOperator:
    """The operator of an oVirt provider. It shares the engine's session with others of this process."""

    operations: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(dict.fromkeys(_OPERATIONS, ("server",)))

    def __init__(self, provider: ProviderConfig) -> None:
        self._provider = provider

    def operate(self, word: str, ref: ObjectRef, params: Mapping[str, Any], attempt: Attempt) -> str:
        """Do it once and say what was done.

        Raises ``Transient`` for a busy VM, an engine that is down or asks for a pause; ``Permanent`` for everything
        that another try does not mend.
        """
        name = self._provider.name
        if ref.kind not in self.operations.get(word, ()):
            raise Permanent(f"{name}: oVirt cannot do {word!r} to a {ref.kind}")
        if not is_id(ref.id):
            raise Permanent(f"{name}: {str(ref)[:100]!r} is no id that oVirt gives; nothing was done")
        return _OPERATIONS[word](Work(name, ref, attempt, engine_of(self._provider)), params)

    def close(self) -> None:
        """Nothing is to be given back: the engine's session is shared."""
