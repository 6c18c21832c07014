"""One operation on one server: the server as it stands, and what a refusal means for another try."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any
from urllib.parse import quote

from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors
from openstack.utils import supports_microversion

from tasks.model.errors import Gone, Permanent, ProviderDown, SignedOut, Transient
from tasks.model.event import ObjectRef
from tasks.providers.contracts import Attempt
from tasks.providers.openstack.failures import map_errors
from tasks.providers.openstack.values import moment, text

#: How far the clocks of the cloud and of Catchment may be apart when an earlier try is looked for.
SLACK = timedelta(seconds=5)
#: Instance actions of a server that are looked at, the newest first.
LOOKED_AT = 100
#: Characters of the cloud's own words that are repeated.
_WORDS = 300
#: Statuses that say no for good; all others keep the meaning that they have for reading.
_FINAL = frozenset({400, 402, 403, 404, 405, 406, 409, 410, 415, 422, 501})


class InTheWay(Permanent):
    """The object's present state does not allow it (409)."""


@contextmanager
def acting(cloud: str, service: str, ref: ObjectRef, doing: str) -> Iterator[None]:
    """Raise what a refusal inside the block means for an effect.

    ``doing`` ends the sentence "the user may not …". 429, 5xx and broken answers are ``Transient`` with the
    pause that the cloud asked for. :class:`InTheWay` is 409; every other refusal is ``Permanent``.
    """
    try:
        with map_errors(cloud, service, ref):
            try:
                yield
            except (sdk_errors.HttpException, auth_errors.HttpError) as error:
                status = getattr(error, "status_code", None) or getattr(error, "http_status", None)
                if status == 404 or status not in _FINAL:
                    raise
                raise _refusal(cloud, service, doing, status, _words(error)) from error
    except Gone as error:
        raise Permanent(f"{error} (any more): nothing was done") from error
    except SignedOut as error:
        raise Permanent(f"{error} Then `catchment retry`") from error


def _refusal(cloud: str, service: str, doing: str, status: int, words: str) -> Permanent:
    said = f"{status}{': ' + words if words else ''}"
    if status == 403:
        return Permanent(
            f"{cloud}: {service} does not let the user {doing} ({said}). Give the user of clouds.yaml a role that "
            "the service's policy allows it for, or raise the quota; then `catchment retry`"
        )
    if status == 409:
        return InTheWay(f"{cloud}: {service} cannot {doing} now ({said})")
    return Permanent(f"{cloud}: {service} refuses to {doing} ({said})")


def _words(error: Exception) -> str:
    """What the cloud says of it: one bounded line."""
    said = getattr(error, "details", None) or getattr(error, "message", None)
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split()) if isinstance(said, str) else ""
    return line if len(line) <= _WORDS else line[: _WORDS - 1] + "…"


@dataclass(frozen=True, slots=True)
class Work:
    """An operation under way. ``service`` finds openstacksdk's proxy of a service by its name."""

    cloud: str
    ref: ObjectRef
    attempt: Attempt
    service: Callable[[str], Any]

    @property
    def compute(self) -> Any:
        """Nova."""
        return self.service("compute")

    @contextmanager
    def asking(self, doing: str, service: str = "compute") -> Iterator[None]:
        """A block in which the cloud is asked to do something to the server, see :func:`acting`."""
        with acting(self.cloud, service, self.ref, f"{doing} {self.ref}"):
            yield

    def server(self) -> Any:
        """The server as it stands. Raises ``Permanent`` where there is none."""
        with self.asking("read"):
            found = self.compute.get_server(quote(self.ref.id, safe=""))
            if found.id != self.ref.id or text(found.status) is None:
                raise ProviderDown(f"{self.cloud}: compute sent another object than {self.ref}; see its log.")
            return found

    def need(self, microversion: str, what: str) -> None:
        """Raise ``Permanent`` where nova is too old for something."""
        with self.asking("read"):
            known = supports_microversion(self.compute, microversion)
        if not known:
            raise Permanent(f"{self.cloud}: {what} needs nova's microversion {microversion}: this nova is older")

    def change(
        self, doing: str, ask: Callable[[Any], object], already: Callable[[Any], str | None], deed: str | None = None
    ) -> str:
        """Ask for a change of the server, unless it stands as it shall.

        ``already`` says in words how that is. Where a state does not show it, ``deed`` names the instance action
        by which an earlier try would have left its mark. Raises ``Transient`` for a server that is busy.
        """
        server = self.server()
        if server.task_state is None and (said := already(server)):
            return f"{self.ref} {said} already"
        if deed is not None and self._done_before(deed):
            return f"an earlier try did {doing} {self.ref} already"
        try:
            with self.asking(doing):
                ask(server)
        except InTheWay as refusal:
            now = self.server()
            if now.task_state is not None:
                raise Transient(f"{self.cloud}: {self.ref} is busy ({text(now.task_state)})") from refusal
            if said := already(now):
                return f"{self.ref} {said} already"
            raise Permanent(f"{refusal}. Its status is {text(now.status)}: nothing was done") from refusal
        return f"the cloud was asked to {doing} {self.ref}"

    def _done_before(self, deed: str) -> bool:
        """Whether our own user did it since the first try began; never asked at the first try."""
        if self.attempt.number <= 1:
            return False
        since = self.attempt.since - SLACK
        try:
            with self.asking("list the actions of"):
                own = self.compute.get_user_id()
                for found in islice(self.compute.server_actions(quote(self.ref.id, safe="")), LOOKED_AT):
                    began = moment(found.start_time)
                    ours = found.action == deed and found.user_id == own and not found.message
                    if ours and began is not None and began >= since:
                        return True
        except Permanent:
            # Who may not see the list does it once more: an effect is tried at least once.
            return False
        return False
