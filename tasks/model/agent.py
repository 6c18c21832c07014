"""What an agent and Catchment must have in common to work together (spec orchestrate 8)."""

from __future__ import annotations

import re

#: The words that agents and Catchment speak; one of another number gets no work.
PROTOCOL = 1

_PARTS = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?")


def parts(version: str) -> tuple[int, int, int] | None:
    """Major, minor and point of a version; None for a text that begins with no number."""
    match = _PARTS.match(version)
    if match is None:
        return None
    major, minor, point = (int(group or 0) for group in match.groups())
    return major, minor, point


def agrees(version: str, protocol: int, oldest: str) -> bool:
    """Whether an agent may be given work: it speaks the protocol and is not older than ``oldest`` (empty: any)."""
    if protocol != PROTOCOL:
        return False
    least, its = parts(oldest), parts(version)
    return least is None or (its is not None and its >= least)
