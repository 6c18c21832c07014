"""What the routes work with: one object, set by the app factory and handed to each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from tasks.ledger.session import Ledger
from tasks.rules.definition import RuleSet
from tasks.site.settings import Settings
from workers.web.intake import Intake
from workers.web.pace import Pace


@dataclass(frozen=True, slots=True)
class Web:
    """The web process as its routes see it.

    ``key`` signs sessions and forms, ``now`` is the clock, ``ring`` tells the workers that something is
    due again; ``hosts`` are the names that a Host header may carry (None: any). ``intake`` takes what is
    pushed (None: nothing is). ``root`` is the site folder, which this process reads and never writes; ``rules`` are
    the rule events of that site.
    """

    ledger: Ledger
    settings: Settings
    key: bytes
    now: Callable[[], datetime]
    ring: Callable[[], None]
    hosts: frozenset[str] | None
    pace: Pace = field(default_factory=Pace)
    intake: Intake | None = None
    rules: Callable[[], RuleSet] = RuleSet
    root: Path = Path()

    @property
    def tls(self) -> bool:
        """Whether browsers reach the pages over TLS."""
        return self.settings.web.secure_cookies

    @property
    def cookie(self) -> str:
        """The name of the session cookie. The prefix makes browsers insist on TLS and on this very host."""
        return "__Host-catchment" if self.tls else "catchment"


def web_of(request: Request) -> Web:
    """The web object of the app that serves this request."""
    found = request.app.state.web
    assert isinstance(found, Web)
    return found


Here = Annotated[Web, Depends(web_of)]
