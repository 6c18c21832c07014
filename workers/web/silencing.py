"""Silences as the pages and the API make and end them."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import HTTPException

from tasks.expressions.delays import read_delay
from tasks.ledger import silences
from tasks.ledger.silences import SilenceLine
from workers.web.caller import Caller
from workers.web.questions import SilenceWish
from workers.web.web import Web


def listed(web: Web, *, everything: bool) -> list[SilenceLine]:
    """Silences that hold or are to come, with ``everything`` those that are over, too. The newest first."""
    now = web.now()
    with web.ledger.reading() as session:
        return [silences.line(silence, now) for silence in silences.listed(session, now, everything=everything)]


def make(web: Web, caller: Caller, wish: SilenceWish) -> SilenceLine:
    """Make a silence under the caller's name. Raises 422 for one that covers everything, or no time at all."""
    now = web.now()
    kind, _, ref = (wish.target or "").partition("/")
    matcher = {"alert": wish.alert, "provider": wish.provider, "kind": kind, "ref": ref, "severity": wish.severity}
    try:
        with web.ledger.transaction() as session:
            made = silences.make(session, matcher, _span(wish, now), wish.comment, caller.name, now)
            return silences.line(made, now)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error


def end(web: Web, silence_id: int) -> None:
    """End a silence now. Raises 404 where there is none, 409 where it is over already."""
    with web.ledger.transaction() as session:
        if session.get(silences.Silence, silence_id) is None:
            raise HTTPException(404, "there is no such silence")
        ended = silences.end(session, silence_id, web.now())
    if not ended:
        raise HTTPException(409, "the silence is over already")


def _span(wish: SilenceWish, now: datetime) -> tuple[datetime, datetime]:
    """From when until when. Raises ``ValueError`` for a length that cannot be read, or two ends."""
    begins = wish.begins or now
    if wish.until is not None:
        if wish.length is not None:
            raise ValueError("say how long it is or when it ends, not both")
        return begins, wish.until
    length = read_delay(wish.length or "1h")
    assert isinstance(length, timedelta)
    return begins, begins + length
