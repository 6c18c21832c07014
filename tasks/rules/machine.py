"""How a rule event goes from one state to the next on one object (spec orchestrate 6): pure functions of what is so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from tasks.ledger.rules import ARMED, FIRED, STATE_PENDING
from tasks.rules.definition import ARM, BOTH, BY_RULE, BY_TIMEOUT, EITHER, Timing


class State(NamedTuple):
    """A state, since when, and how often it fired. ``hold_since`` is when what resets it began to hold."""

    word: str
    since: datetime
    fired_at: datetime | None = None
    hold_since: datetime | None = None
    fired: int = 0


class Move(NamedTuple):
    """What a pass came to: the state afterwards, whether it fired and whether it was reset."""

    state: State
    fires: bool = False
    resets: bool = False


#: Answers whether a section holds; asked only where the answer counts.
Asked = Callable[[], bool]


def step(timing: Timing, initial: str, state: State | None, now: datetime, trigger: Asked, reset: Asked) -> Move:
    """One pass (6.2). ``state`` None is the first one for this object.

    A reset by its rule leaves the trigger to the next pass; one by time looks at it in the same one, so that what
    lasts fires again and again.
    """
    if state is None:
        armed = State(ARMED, now)
        if initial == ARM and trigger():
            return Move(State(FIRED, now, now))
        return _armed(timing, armed, now, trigger)
    if state.word == ARMED:
        return _armed(timing, state, now, trigger)
    if state.word == STATE_PENDING:
        return _pending(timing, state, now, trigger)
    return _fired(timing, state, now, trigger, reset)


def _armed(timing: Timing, state: State, now: datetime, trigger: Asked) -> Move:
    if not trigger():
        return Move(state)
    if timing.hold:
        return Move(state._replace(word=STATE_PENDING, since=now))
    return _fire(state, now)


def _pending(timing: Timing, state: State, now: datetime, trigger: Asked) -> Move:
    if not trigger():
        return Move(state._replace(word=ARMED, since=now))
    if _passed(state.since, now) >= timedelta(seconds=timing.hold):
        return _fire(state, now)
    return Move(state)


def _fire(state: State, now: datetime) -> Move:
    return Move(State(FIRED, now, now, None, state.fired + 1), fires=True)


def _fired(timing: Timing, state: State, now: datetime, trigger: Asked, reset: Asked) -> Move:
    by = _reset_by(timing, state, now, reset)
    if by is None:
        return Move(state._replace(hold_since=None))
    begun = state.hold_since or now
    if _passed(begun, now) < timedelta(seconds=timing.keep):
        return Move(state._replace(hold_since=begun))
    armed = State(ARMED, now, state.fired_at, None, state.fired)
    if by == BY_RULE:
        return Move(armed, resets=True)
    return _armed(timing, armed, now, trigger)._replace(resets=True)


def _reset_by(timing: Timing, state: State, now: datetime, reset: Asked) -> str | None:
    """What arms it again: its rule, time, or nothing yet (6.3)."""
    over = timing.interval is not None and _passed(state.fired_at, now) >= timedelta(seconds=timing.interval)
    match timing.mode:
        case "rule":
            return BY_RULE if reset() else None
        case "timeout":
            return BY_TIMEOUT if over else None
        case "both":
            return BY_RULE if over and reset() else None
    if reset():
        return BY_RULE
    return BY_TIMEOUT if over else None


def _passed(since: datetime | None, now: datetime) -> timedelta:
    """How much time has passed; a clock that was set back takes none away."""
    return max(timedelta(), now - since) if since is not None else timedelta()


def deadline(timing: Timing, state: State, now: datetime) -> datetime | None:
    """When time alone may change the state; None where it never does, or where it has done what it can."""
    found: list[datetime] = []
    if state.word == STATE_PENDING:
        found.append(state.since + timedelta(seconds=timing.hold))
    if state.word == FIRED and state.fired_at is not None:
        if timing.mode in (BY_TIMEOUT, EITHER, BOTH) and timing.interval is not None:
            found.append(state.fired_at + timedelta(seconds=timing.interval))
        if timing.keep and state.hold_since is not None:
            found.append(state.hold_since + timedelta(seconds=timing.keep))
    return min((moment for moment in found if moment > now), default=None)
