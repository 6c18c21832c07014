"""One operation on one VM: the VM as it stands, and what a refusal means for another try."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tasks.model.errors import Permanent, ProviderDown, SignedOut, Transient
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt
from tasks.providers.openstack.attributes import text
from tasks.providers.ovirt.attributes import PASSING, Found, items, key_of
from tasks.providers.ovirt.engine import Engine
from tasks.providers.ovirt.failures import EngineRefusal, NotAllowed
from tasks.providers.ovirt.presence import says_gone

#: Events of an earlier try that are looked at.
LOOKED_AT = 100
#: The severity of the events of what went well.
_WELL = "normal"


class InTheWay(Permanent):
    """The VM's present state does not allow it (409, and 400 from engines that say it so)."""


@dataclass(frozen=True, slots=True)
class Work:
    """An operation under way.

    Each change is asked for under a correlation id made of the effect's key. The engine puts it into the events of
    what it does, and there a later try finds what an earlier one did.
    """

    cloud: str
    ref: ObjectRef
    attempt: Attempt
    engine: Engine

    @property
    def path(self) -> str:
        """The VM's own address."""
        return f"/vms/{self.ref.id}"

    @property
    def word(self) -> str:
        """A word made of the effect's key: equal at every try of one effect."""
        return hashlib.blake2b(self.attempt.key.encode("utf-8", "replace"), digest_size=12).hexdigest()

    @property
    def correlation(self) -> str:
        """The correlation id of all that this effect asks for."""
        return f"catchment-{self.word}"

    @contextmanager
    def asking(self, doing: str) -> Iterator[None]:
        """A block in which the engine is asked for something; raises what a refusal means for an effect.

        ``doing`` and the VM end the sentence "the user may not …". 429, 5xx and broken answers stay ``Transient``
        with the pause that the engine asked for. :class:`InTheWay` is 409; every other refusal is ``Permanent``.
        """
        try:
            yield
        except EngineRefusal as refusal:
            raise self._refused(doing, refusal) from refusal
        except NotAllowed as error:
            raise Permanent(
                f"{self.cloud}: the engine does not let the user {doing} {self.ref} (403). Give the user of "
                "providers.yaml a role that allows it; then `catchment retry`"
            ) from error
        except SignedOut as error:
            raise Permanent(f"{error} Then `catchment retry`") from error

    def _refused(self, doing: str, refusal: EngineRefusal) -> Permanent | Transient:
        said = f"{refusal.status}{': ' + _line(refusal.said) if refusal.said else ''}"
        if refusal.status == 404 and says_gone(self.engine, refusal):
            return Permanent(f"{self.cloud}: the engine has no {self.ref} (any more): nothing was done ({said})")
        if refusal.status in (404, 408, 425):
            return ProviderDown(
                f"{self.cloud}: asking to {doing} {self.ref} ended in {said}, but not by the engine's word. "
                "Check that url leads to it.",
                refusal.after,
            )
        if refusal.status in (400, 409):
            return InTheWay(f"{self.cloud}: the engine cannot {doing} {self.ref} now ({said})")
        return Permanent(f"{self.cloud}: the engine refuses to {doing} {self.ref} ({said})")

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """Read something that belongs to the work."""
        with self.asking("read"):
            return self.engine.get(path, params)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask for a change. Raises what the engine says, as it says it: see :meth:`asking`."""
        return self.engine.request(method, path, {"correlation_id": self.correlation}, body)

    def vm(self) -> Found:
        """The VM as it stands. Raises ``Permanent`` where there is none."""
        found = self.get(self.path)
        if text(found.get("id")) != self.ref.id or text(found.get("status")) is None:
            raise ProviderDown(f"{self.cloud}: the engine sent another object than {self.ref}; see engine.log.")
        return found

    def snapshots(self) -> list[Found]:
        """The VM's snapshots."""
        return self.listed(f"{self.path}/snapshots", "snapshot")

    def listed(self, path: str, element: str) -> list[Found]:
        """The objects of a list that the engine does not page."""
        found = self.get(path).get(element)
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []

    def change(
        self,
        doing: str,
        ask: Callable[[Found], object],
        already: Callable[[Found], str | None],
        *,
        only: tuple[str, ...] | None = None,
        traced: bool = False,
        busy: Callable[[Found], str | None] | None = None,
    ) -> str:
        """Ask for a change of the VM, unless it stands as it shall.

        ``already`` says in words how that is. ``only`` names the statuses in which the engine is asked; None leaves
        that to the engine. ``traced`` looks, from the second try on, for what an earlier one did: where a status does
        not show it. ``busy`` says why the engine cannot now, where the status of the VM does not. Raises
        ``Transient`` for a VM that is busy.
        """
        vm = self.vm()
        if not _passing(vm) and (said := already(vm)):
            return f"{self.ref} {said} already"
        if traced and self._done_before():
            return f"an earlier try did {doing} {self.ref} already"
        if only is not None and vm["status"] not in only:
            raise self._unfit(f"{self.cloud}: nobody can {doing} {self.ref} now", vm, busy)
        try:
            with self.asking(doing):
                ask(vm)
        except InTheWay as refusal:
            now = self.vm()
            if not _passing(now) and (said := already(now)):
                return f"{self.ref} {said} already"
            raise self._unfit(str(refusal), now, busy) from refusal
        return f"the engine was asked to {doing} {self.ref}"

    def _unfit(self, what: str, vm: Found, busy: Callable[[Found], str | None] | None) -> Permanent | Transient:
        status = text(vm.get("status"))
        reason = status if _passing(vm) else busy(vm) if busy else None
        if reason:
            return Transient(f"{self.cloud}: {self.ref} is busy ({_line(reason)})")
        return Permanent(f"{what}. Its status is {_line(status or '')}: nothing was done")

    def _done_before(self) -> bool:
        """Whether an earlier try of this effect did something to the VM; never asked at the first try."""
        if self.attempt.number <= 1:
            return False
        try:
            search: dict[str, str | int] = {"search": f"correlation_id={self.correlation}", "max": LOOKED_AT}
            found = self.get("/events", search)
        except Permanent:
            # Who may not see the events does it once more: an effect is tried at least once.
            return False
        return any(
            event.get("correlation_id") == self.correlation
            and key_of(event, "vm") == self.ref.id
            and event.get("severity") == _WELL
            for event in items({"events": found}, "events", "event") or ()
        )


def _passing(vm: Found) -> bool:
    return vm.get("status") in PASSING


def _line(words: str) -> str:
    """Somebody else's words as one line."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in words).split())
