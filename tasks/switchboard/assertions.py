"""Guards: assertions may refuse an object before anything else of it runs (spec automate 3.4)."""

from __future__ import annotations

from tasks.switchboard.errors import AssertionFailure
from tasks.switchboard.literals import Unreadable, evaluate
from tasks.switchboard.text import Filled, bounded


def require(name: str, filled: Filled) -> None:
    """Pass when the text is blank or its value is neither false nor nil.

    Raises :class:`AssertionFailure` otherwise, also for a text that cannot be read (D13).
    """
    shown = bounded(filled.whole().strip())
    if not shown:
        return
    try:
        value = evaluate(filled)
    except Unreadable as mistake:
        raise AssertionFailure(f"[{name}] is [{shown}], not literals: {mistake}") from mistake
    if value is None or value is False:
        raise AssertionFailure(f"[{name}] is [{shown}], which does not hold")
