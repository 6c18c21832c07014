"""The line-up of the stages: the one place that says in which order an event meets them."""

from __future__ import annotations

#: The belt, in order. Each name is a room under ``tasks/`` and a queue.
ORDER: tuple[str, ...] = ("convert", "switchboard", "policy", "alert", "refresh")

#: Where raised events enter: they are canonical from birth.
ENTRY_OF_RAISED = "switchboard"

#: No event enters this stage before its provider's inventory was read once.
NEEDS_INVENTORY = "switchboard"


def after(stage: str) -> str | None:
    """The stage that follows, or None after the last one."""
    position = ORDER.index(stage) + 1
    return ORDER[position] if position < len(ORDER) else None


def from_stage(stage: str) -> tuple[str, ...]:
    """The rest of the belt, beginning with ``stage``. Raises ``ValueError`` for an unknown stage."""
    return ORDER[ORDER.index(stage) :]
