"""Compliance (spec policy-alerts 7): the events that have an object checked, and how a check ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.model.event import ObjectRef

COMPLIANT = "compliant"
NON_COMPLIANT = "non-compliant"
#: No policy is in scope, or one could not be judged: neither the one nor the other (check 117).
NOT_EVALUATED = "not evaluated"

_CHECK = "_compliance_check"
#: What events call a kind of object; any other kind is an ``object``.
_WORDS = {"server": "vm", "host": "host", "provider": "extmanagementsystem", "node": "physicalserver"}


def check_event(kind: str) -> str:
    """The internal event that has an object of a kind checked."""
    return f"{_WORDS.get(kind, 'object')}{_CHECK}"


def answer_event(kind: str, status: str) -> str | None:
    """The internal event that tells how a check ended; None where it came to nothing."""
    word = {COMPLIANT: "passed", NON_COMPLIANT: "failed"}.get(status)
    return None if word is None else f"{check_event(kind).removesuffix('check')}{word}"


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of an object: its status, and what each policy came to."""

    target: ObjectRef
    status: str
    details: list[dict[str, Any]]
