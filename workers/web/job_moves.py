"""What a caller may do with jobs, on pages and over the API, with the words for what cannot be."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastapi import HTTPException

from tasks.jobs.desk import Desk, NotExternal, Unknown, fire_event
from tasks.model.errors import Refused
from workers.web.caller import Caller
from workers.web.rule_pages import site_rules
from workers.web.web import Web

NO_RUN = "there is no such run"
_MINUTE = 60.0
#: Tokens whose pace is remembered; the longest unseen one is forgotten first.
_TOKENS = 10_000
_T = TypeVar("_T")


class Rate:
    """How often each token has fired events in the last minute. Each web process counts for itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._fired: OrderedDict[int, deque[float]] = OrderedDict()

    def take(self, token: int, most: int) -> float:
        """Count one; 0, or the seconds until the next one may be, which was then not counted."""
        now = self._clock()
        with self._lock:
            fired = self._fired.setdefault(token, deque())
            self._fired.move_to_end(token)
            while len(self._fired) > _TOKENS:
                self._fired.popitem(last=False)
            while fired and fired[0] <= now - _MINUTE:
                fired.popleft()
            if len(fired) >= most:
                return fired[0] + _MINUTE - now
            fired.append(now)
        return 0.0


RATE = Rate()


def _asked(work: Callable[[], _T], status: int = 409) -> _T:
    """Do it, and tell what cannot be: 404 for what there is not, else the given status."""
    try:
        return work()
    except Unknown as unknown:
        raise HTTPException(404, str(unknown)) from unknown
    except Refused as refusal:
        raise HTTPException(status, str(refusal)) from refusal


def run(web: Web, caller: Caller, job: str, arguments: Mapping[str, Any], host: str | None, priority: str) -> int:
    """Run a job at once."""
    desk = Desk(web.ledger)
    return _asked(lambda: desk.run(job, caller.name, arguments, agent=host or None, priority=priority), 422)


def run_schedule(web: Web, caller: Caller, name: str) -> int:
    """Run a schedule's job at once."""
    return _asked(lambda: Desk(web.ledger).run_schedule(name, caller.name))


def switch(web: Web, caller: Caller, name: str, enabled: bool) -> None:
    """Switch a schedule."""
    _asked(lambda: Desk(web.ledger).switch(name, enabled, caller.name))


def cancel(web: Web, caller: Caller, number: int, reason: str | None = None) -> str:
    """End a run."""
    return _asked(lambda: Desk(web.ledger).cancel(number, caller.name, reason))


def pause(web: Web, caller: Caller, number: int) -> str:
    """Pause a run."""
    return _asked(lambda: Desk(web.ledger).pause(number, caller.name))


def resume(web: Web, caller: Caller, number: int) -> str:
    """Resume a run."""
    return _asked(lambda: Desk(web.ledger).resume(number, caller.name))


def fire(web: Web, caller: Caller, name: str, context: Mapping[str, Any]) -> int:
    """Fire an external event, within the pace of the caller's token."""
    if any(rule.name.lower() == name.lower() for rule in site_rules(web)[0]):
        raise HTTPException(403, f"{name} is the event of a rule: nobody outside fires it")
    pause_for = RATE.take(caller.token_id, web.settings.jobs.events_a_minute)
    if pause_for:
        most = web.settings.jobs.events_a_minute
        told = f"your token has fired {most} events in a minute; the next one may be in {pause_for:.0f} s"
        raise HTTPException(429, told, headers={"Retry-After": str(int(pause_for) + 1)})
    try:
        return _asked(lambda: fire_event(web.ledger, web.settings, name, context, caller.name)[0], 403)
    except NotExternal as refusal:
        raise HTTPException(403, str(refusal)) from refusal
