"""One event's why as a tree: what it raised, and what those raised, under one another."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.ledger.deeds import Deed
from tasks.ledger.why import Why


@dataclass(slots=True)
class Branch:
    """A raised event with what followed from it, and the events that it raised itself."""

    deed: Deed
    branches: list[Branch] = field(default_factory=list)


def tale(why: Why) -> list[Branch]:
    """The branches right under the event. One whose own cause is not shown hangs there too."""
    known = {deed.event.id: Branch(deed) for deed in why.children}
    top: list[Branch] = []
    for branch in known.values():
        parent = known.get(branch.deed.event.parent_id or 0)
        (parent.branches if parent is not None else top).append(branch)
    return top
