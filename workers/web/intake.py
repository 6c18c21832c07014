"""What takes pushed events: the site with its providers, and the limits that are looked at before a body is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.catch.pressure import Pressure
from tasks.conveyor.installation import Installation
from tasks.model.errors import SiteInvalid
from workers.web.caller import Caller
from workers.web.flow import Flow

#: When to come again, in seconds: while the ledger is behind, and while the site has mistakes.
BEHIND_SECONDS, BROKEN_SECONDS = 5, 30
BROKEN = "the site has mistakes, so nothing is taken: see `catchment check`"


@dataclass(slots=True)
class Intake:
    """What takes pushes: the site with its providers, the limits, and ``ring`` for the lanes of new events."""

    installation: Installation
    ring: Callable[[set[int]], None]
    flow: Flow
    pressure: Pressure = field(init=False)

    def __post_init__(self) -> None:
        self.pressure = Pressure(self.installation)

    def refusal(self, caller: Caller) -> tuple[int, str, int] | None:
        """Why a token may not push now, before anything of the body is read: status, reason, when to come again."""
        try:
            limit = self.installation.site.settings.catch.backlog
            if self.pressure.high():
                return 503, f"more than {limit} events wait to be handled: send it again later", BEHIND_SECONDS
        except SiteInvalid:
            return 503, BROKEN, BROKEN_SECONDS
        wait = self.flow.admit(caller.token_id)
        if wait > 0:
            most = f"{self.flow.per_second:g} notifications a second (web.push_per_second)"
            return 429, f"your token pushes faster than it may: on average {most}", int(wait) + 1
        return None
