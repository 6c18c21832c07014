"""Pair the two payload kinds of one fact: nova sends nearly everything twice with both formats on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tasks.catch.reading import Caught
from tasks.model.event import Identity

#: Two payload kinds of one fact are sent one right after the other; further apart they are two facts.
TWIN_WINDOW = timedelta(seconds=5)


@dataclass(slots=True)
class SortedOut:
    """A batch told apart: what is new, and what is a second sighting of a stored or of a new event."""

    fresh: list[Caught] = field(default_factory=list)
    of_stored: list[tuple[Caught, int]] = field(default_factory=list)
    of_fresh: list[tuple[Caught, Caught]] = field(default_factory=list)


def pair_twins(candidates: Sequence[Caught], stored: dict[str, list[tuple[int, str, datetime]]]) -> SortedOut:
    """Pair the two payload kinds of one fact, each at most once (spec capture 2.3).

    ``stored`` has, by twin, the events that are still without their other half.
    """
    result = SortedOut()
    waiting: dict[str, list[Caught]] = {}
    for item in candidates:
        twin = item.identity.twin
        if twin is None:
            result.fresh.append(item)
            continue
        other = next((p for p in stored.get(twin, []) if _same_fact(p[1], p[2], item.identity)), None)
        here = next(
            (w for w in waiting.get(twin, []) if _same_fact(w.identity.variant, w.identity.occurred_at, item.identity)),
            None,
        )
        if other is not None:
            stored[twin].remove(other)
            result.of_stored.append((item, other[0]))
        elif here is not None:
            waiting[twin].remove(here)
            result.of_fresh.append((item, here))
        else:
            waiting.setdefault(twin, []).append(item)
            result.fresh.append(item)
    return result


def _same_fact(variant: str, moment: datetime, other: Identity) -> bool:
    return variant != other.variant and abs(moment - other.occurred_at) <= TWIN_WINDOW
