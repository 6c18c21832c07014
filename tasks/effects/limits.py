"""Limits: what a rule may have tried in a time, by itself and on one object.

A rule gone wild stops a cloud's servers so often as the limit says, and what is beyond it lies on the desk
untried, where an operator sees it and decides.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.effects.contracts import Action
from tasks.effects.ledger import Taken
from tasks.ledger import bulk
from tasks.ledger.effects import Spent
from tasks.ledger.session import SPENT_LOCK, lock
from tasks.model.outcome import Limit
from tasks.site.settings import Actions

#: Rules of this kind are people, whom no limit of the site concerns.
BY_HAND = "operator"


def refusal(session: Session, taken: Taken, action: Action | None, settings: Actions, now: datetime) -> str | None:
    """Count an effect that is tried for the first time; the reason where that is once too often, else None.

    What counts under one key is counted by one worker at a time, so that no race passes the limit. An effect
    that an operator opens again was counted, and is not refused.
    """
    limit, own = _limit(taken, action, settings)
    if limit is None or taken.number > 1:
        return None
    rule = ":".join(taken.asked_by.split(":")[:2])
    counted = {f"rule {rule}": (limit.per_rule, f"the rule {rule} had its {limit.per_rule}")}
    if taken.target is not None:
        name = f"{taken.target['kind']}/{taken.target['id']}"
        key = f"{rule if own else '*'} on {taken.event['provider']} {name}"
        counted[key] = (limit.per_target, f"{name} had its {limit.per_target}")
    since = now - timedelta(seconds=limit.seconds)
    for key in sorted(counted):
        lock(session, SPENT_LOCK, zlib.crc32(key.encode("utf-8", "replace")) - 2**31)
    for key, (most, what) in counted.items():
        found = session.scalar(select(func.count()).where(Spent.key == key, Spent.at > since)) or 0
        if found >= most:
            source = "the rule's `limit`" if own else "actions.per_rule and per_target of catchment.toml"
            return (
                f"not tried: {what} actions within {limit.seconds:g} s, which is all that {source} let through. "
                "See what the rule does; `catchment retry` does it all the same"
            )
    bulk.insert(session, Spent, [{"key": key, "effect_id": taken.id, "at": now} for key in counted])
    return None


def _limit(taken: Taken, action: Action | None, settings: Actions) -> tuple[Limit | None, bool]:
    """The limit that an effect is under, and whether it is its rule's own."""
    own = taken.limits
    if own is not None:
        return Limit(own["rule"], own["target"], own["seconds"]), True
    if getattr(action, "limited", False) and not taken.asked_by.startswith(f"{BY_HAND}:"):
        return Limit(settings.per_rule, settings.per_target, settings.window_seconds), False
    return None, False
