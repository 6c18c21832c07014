"""Actions on a cloud's objects, carried out by the operator of the target's provider."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel

from tasks.effects import cloud_params as params
from tasks.effects.contracts import Done, EffectContext
from tasks.model import clock
from tasks.model.errors import Permanent
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt, Operator, ProviderConfig
from tasks.providers.table import kinds as provider_kinds

_MEND = "then `catchment retry`"


class CloudAction:
    """One operation of a provider's operator as an action. Each try signs in anew where it has to."""

    name: ClassVar[str]
    params: ClassVar[type[BaseModel]] = params.Nothing
    limit_seconds: ClassVar[float] = 180.0
    destructive: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...] | None] = ("server",)

    def run(self, params: BaseModel, context: EffectContext) -> Done:
        """Do it once, or find that an earlier try did.

        Raises ``Permanent`` for a target of another kind and for a provider that is not there or cannot do
        it, and what the operator raises (:class:`tasks.providers.contracts.Operator`).
        """
        ref = self._target(context)
        provider = self._provider(context)
        operator = self._operator(provider, ref)
        attempt = Attempt(context.key, context.attempt, context.since or clock.now())
        try:
            said = operator.operate(self.name, ref, _plain(params), attempt)
        finally:
            operator.close()
        return Done(said, {"provider": provider.name, "target": str(ref)})

    def _target(self, context: EffectContext) -> ObjectRef:
        fits = " or ".join(self.kinds or ())
        if context.target is None:
            raise Permanent(
                f"{self.name} works on a {fits}, and the event is about no object: set the rule's `target` to {fits}"
            )
        ref = ObjectRef(str(context.target["kind"]), str(context.target["id"]))
        if self.kinds is not None and ref.kind not in self.kinds:
            raise Permanent(f"{self.name} works on a {fits} and not on {ref}: set the rule's `target` to {fits}")
        return ref

    def _provider(self, context: EffectContext) -> ProviderConfig:
        name = str(context.event.get("provider"))
        provider = context.providers.get(name)
        if provider is None:
            raise Permanent(f"the site has no provider {name!r} (any more): add it to providers.yaml, {_MEND}")
        return provider

    def _operator(self, provider: ProviderConfig, ref: ObjectRef) -> Operator:
        kind = provider_kinds().get(provider.kind)
        operator = kind.operator if kind else None
        if operator is None or ref.kind not in operator.operations.get(self.name, ()):
            raise Permanent(
                f"{provider.name}: a provider of the type {provider.kind} cannot do {self.name} to a {ref.kind}"
            )
        return operator(provider)


def _plain(given: BaseModel) -> dict[str, Any]:
    return given.model_dump(exclude_none=True)


class StartServer(CloudAction):
    """Switches a server on."""

    name: ClassVar[str] = "start_server"


class StopServer(CloudAction):
    """Switches it off."""

    name: ClassVar[str] = "stop_server"
    destructive: ClassVar[bool] = True


class SuspendServer(CloudAction):
    """Writes its memory to disk and stops it."""

    name: ClassVar[str] = "suspend_server"
    destructive: ClassVar[bool] = True


class ResumeServer(CloudAction):
    """Goes on after that."""

    name: ClassVar[str] = "resume_server"


class PauseServer(CloudAction):
    """Halts it, its memory staying where it is."""

    name: ClassVar[str] = "pause_server"
    destructive: ClassVar[bool] = True


class UnpauseServer(CloudAction):
    """Goes on after that."""

    name: ClassVar[str] = "unpause_server"


class ShelveServer(CloudAction):
    """Keeps it as an image and frees its host."""

    name: ClassVar[str] = "shelve_server"
    destructive: ClassVar[bool] = True


class UnshelveServer(CloudAction):
    """Starts it from that image."""

    name: ClassVar[str] = "unshelve_server"


class RebootServer(CloudAction):
    """Reboots it."""

    name: ClassVar[str] = "reboot_server"
    params: ClassVar[type[BaseModel]] = params.Reboot
    destructive: ClassVar[bool] = True


class SnapshotServer(CloudAction):
    """Makes an image of it, one for each effect."""

    name: ClassVar[str] = "snapshot_server"
    params: ClassVar[type[BaseModel]] = params.Snapshot


class DeleteSnapshots(CloudAction):
    """Deletes images of it by their age."""

    name: ClassVar[str] = "delete_snapshots"
    params: ClassVar[type[BaseModel]] = params.DeleteSnapshots
    limit_seconds: ClassVar[float] = 300.0
    destructive: ClassVar[bool] = True


class MigrateServer(CloudAction):
    """Moves it to another host."""

    name: ClassVar[str] = "migrate_server"
    params: ClassVar[type[BaseModel]] = params.Migrate
    destructive: ClassVar[bool] = True


class EvacuateServer(CloudAction):
    """Builds it anew on another host, its own being down."""

    name: ClassVar[str] = "evacuate_server"
    params: ClassVar[type[BaseModel]] = params.Evacuate
    destructive: ClassVar[bool] = True


class AddServerTag(CloudAction):
    """Gives it a tag."""

    name: ClassVar[str] = "add_server_tag"
    params: ClassVar[type[BaseModel]] = params.Tag


class RemoveServerTag(CloudAction):
    """Takes one from it."""

    name: ClassVar[str] = "remove_server_tag"
    params: ClassVar[type[BaseModel]] = params.Tag


class SetServerMetadata(CloudAction):
    """Sets metadata of it."""

    name: ClassVar[str] = "set_server_metadata"
    params: ClassVar[type[BaseModel]] = params.Metadata


#: All of them, for the table of actions.
CLOUD_ACTIONS: tuple[type[CloudAction], ...] = (
    StartServer,
    StopServer,
    SuspendServer,
    ResumeServer,
    PauseServer,
    UnpauseServer,
    ShelveServer,
    UnshelveServer,
    RebootServer,
    SnapshotServer,
    DeleteSnapshots,
    MigrateServer,
    EvacuateServer,
    AddServerTag,
    RemoveServerTag,
    SetServerMetadata,
)
