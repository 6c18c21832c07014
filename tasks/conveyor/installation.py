"""What a process works with: its ledger and its site. Set once at the start, read by the doors."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from typing import Protocol

from tasks.ledger.session import Ledger
from tasks.model.errors import Permanent
from tasks.site.contracts import Site


class Sites(Protocol):
    """Where the present site comes from."""

    def current(self) -> Site:
        """The site as last taken over without mistakes."""


@dataclass(slots=True)
class Installation:
    """One installation as a process sees it."""

    ledger: Ledger
    sites: Sites
    host: str = field(default_factory=socket.gethostname)

    @property
    def site(self) -> Site:
        """The present site. Raises :class:`tasks.model.errors.SiteInvalid` where none was ever good."""
        return self.sites.current()

    @property
    def worker(self) -> str:
        """The name of this process, for leases and tries: host and process id."""
        return f"{self.host}:{os.getpid()}"


_installation: Installation | None = None


def install(installation: Installation) -> None:
    """Set what this process works with."""
    global _installation
    _installation = installation


def current() -> Installation:
    """What this process works with. Raises ``Permanent`` where :func:`install` was not called."""
    if _installation is None:
        raise Permanent("this process has no installation yet: start it through workers.app or the catchment command")
    return _installation
