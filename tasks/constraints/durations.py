"""Durations as rule events and schedules write them (spec orchestrate 2.4)."""

from __future__ import annotations

import re

#: The shortest and the longest, in seconds.
LEAST, MOST = 1, 366 * 86_400

_SHORT = re.compile(r"([1-9][0-9]{0,8})([smhd]?)")
_ISO = re.compile(r"P(?:([0-9]{1,9})D)?(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})S)?)?")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """``600``, ``10m``, ``PT10M``: whole seconds. Raises ``ValueError`` for anything else, and beyond the bounds."""
    text = text.strip(" \t\r\n")
    if match := _SHORT.fullmatch(text):
        found = int(match[1]) * _UNITS[match[2]]
    elif (match := _ISO.fullmatch(text)) and any(match.groups()):
        days, hours, minutes, rest = (int(group or 0) for group in match.groups())
        found = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    else:
        raise ValueError("write whole seconds, 90s, 10m, 2h, 1d or PT10M")
    if not LEAST <= found <= MOST:
        raise ValueError("a duration of one second to 366 days is wanted")
    return found
