"""Try effects: one at a time, outside any transaction, under a lease that a heartbeat keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, OperationalError

from tasks.effects import ledger as effects
from tasks.effects import limits, templates
from tasks.effects.contracts import Action, EffectContext
from tasks.effects.ledger import Taken, Verdict
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import CatchmentError, Permanent, Transient
from tasks.site.contracts import Site

log = structlog.get_logger(__name__)

#: Pauses between tries to write how an effect went: a restart of the database is over by then.
WRITE_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)


class Place(Protocol):
    """Where effects are tried: the ledger, the site, and the name of the worker."""

    ledger: Ledger

    @property
    def site(self) -> Site:
        """The present site."""

    @property
    def worker(self) -> str:
        """The name under which leases are taken."""


def run(
    place: Place, ids: Sequence[int], actions: Mapping[str, Action], backoff: Callable[[int, float, float], float]
) -> int:
    """Try each of the effects that is due and free; returns how many were tried.

    Told twice of one effect, or by two messages at once, it is tried once: the lease decides.
    """
    tried = 0
    settings = place.site.settings.effects
    for effect_id in ids:
        taken = _take(place, effect_id, actions, settings.lease_seconds)
        if taken is None:
            continue
        tried += 1
        with _heartbeat(place, taken):
            verdict = _attempt(place.site, taken, actions, backoff)
            kept = _finish(place, taken, verdict)
        log.info(
            "effect tried",
            effect=taken.id,
            action=taken.action,
            attempt=taken.attempt,
            verdict=verdict.word if kept else "lease lost",
            summary=verdict.summary,
        )
    return tried


def _take(place: Place, effect_id: int, actions: Mapping[str, Action], seconds: float) -> Taken | None:
    """Take an effect to try it; None where it is not to be tried, or not any more because of a limit."""
    now, rules = clock.now(), place.site.settings.actions
    with place.ledger.transaction() as session:
        taken = effects.take(session, effect_id, place.worker, now, seconds)
        if taken is None or rules.dry_run:
            return taken
        over = limits.refusal(session, taken, actions.get(taken.action), rules, now)
        if over is None:
            return taken
        effects.finish(session, taken, place.worker, Verdict("dead", over), now)
    log.warning("effect not tried: a limit is reached", effect=effect_id, action=taken.action, reason=over)
    return None


def _finish(place: Place, taken: Taken, verdict: Verdict) -> bool:
    """Write how a try went, and write it again where the connection is lost meanwhile.

    What was done to the outside world cannot be taken back: if this were not written, it would be done again.
    """
    for pause in (*WRITE_PAUSES, None):
        try:
            with place.ledger.transaction() as session:
                return effects.finish(session, taken, place.worker, verdict, clock.now())
        except DBAPIError as error:
            if pause is None or not (error.connection_invalidated or isinstance(error, OperationalError)):
                raise
            log.warning("how an effect went could not be written; again", effect=taken.id, error=str(error.orig))
            time.sleep(pause)
    raise AssertionError("unreachable")


def _attempt(
    site: Site, taken: Taken, actions: Mapping[str, Action], backoff: Callable[[int, float, float], float]
) -> Verdict:
    settings = site.settings.effects
    if taken.attempt > settings.attempts:
        # Tries that fail end on the desk before this: these took their worker with them.
        return Verdict(
            "dead", f"none of {settings.attempts} tries came to an end: see its tries, then `catchment retry`"
        )
    try:
        action = actions.get(taken.action)
        if action is None:
            return Verdict("dead", f"no action is called {taken.action}: install its package, then `catchment retry`")
        params = action.params.model_validate(taken.params)
        if site.settings.actions.dry_run:
            return Verdict("done", "dry run: nothing was done (actions.dry_run in catchment.toml)", {"dry_run": True})
        if getattr(action, "destructive", False) and not site.settings.actions.destructive:
            return Verdict("dead", f"{taken.action} is destructive, and actions.destructive in catchment.toml is false")
        done = action.run(params, _context(site, taken))
        return Verdict("done", done.summary, done.detail)
    except ValidationError as error:
        return Verdict(
            "dead",
            f"{error.error_count()} parameters do not fit the action {taken.action}: run `catchment check`",
        )
    except Exception as error:  # noqa: BLE001 - whatever an action raises is one failed try of one effect
        detail = getattr(error, "detail", None)
        summary = str(error) if isinstance(error, CatchmentError) else f"{type(error).__name__}: {error}"
        if isinstance(error, Permanent) or taken.attempt >= settings.attempts:
            return Verdict("dead", summary, detail)
        pause = backoff(taken.attempt, settings.backoff_seconds, settings.backoff_limit_seconds)
        if isinstance(error, Transient) and error.after:
            pause = max(pause, min(error.after, settings.backoff_limit_seconds))
        due: datetime = clock.now() + timedelta(seconds=pause)
        return Verdict("again", summary, detail, due)


def _context(site: Site, taken: Taken) -> EffectContext:
    return EffectContext(
        taken.key,
        taken.attempt,
        taken.event,
        taken.target,
        site.settings,
        site.root,
        site.providers,
        taken.since,
        taken.rule,
        site.parts.get(templates.FOLDER),
    )


@contextmanager
def _heartbeat(place: Place, taken: Taken) -> Iterator[None]:
    """Keep the lease while a try runs, so that only the silence of a dead worker frees it."""
    seconds = place.site.settings.effects.lease_seconds
    over = threading.Event()

    def beat() -> None:
        while not over.wait(seconds / 3):
            try:
                with place.ledger.transaction() as session:
                    if not effects.renew(session, taken.id, place.worker, taken.attempt, clock.now(), seconds):
                        return
            except Exception as error:  # noqa: BLE001 - a missed beat is made up by the next one
                log.warning("the lease of an effect could not be renewed", effect=taken.id, error=str(error))

    thread = threading.Thread(target=beat, name=f"lease-{taken.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)
