"""Values of SNMP variables: what each type can hold (RFC 2578 7.1), checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import NamedTuple

#: A longer text is cut: a trap is one datagram.
MAX_TEXT_BYTES = 8192

#: The smallest and the largest number of each type.
RANGES: Mapping[str, tuple[int, int]] = {
    "Integer32": (-(2**31), 2**31 - 1),
    "Unsigned32": (0, 2**32 - 1),
    "Counter32": (0, 2**32 - 1),
    "Gauge32": (0, 2**32 - 1),
    "TimeTicks": (0, 2**32 - 1),
    "Counter64": (0, 2**64 - 1),
}
_NUMBER = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_OID = re.compile(r"\d{1,10}(\.\d{1,10}){1,127}", re.ASCII)


class BadValue(ValueError):
    """A value that its type cannot hold."""


class Bound(NamedTuple):
    """A variable ready to be sent; ``cut`` says that its text was longer."""

    oid: str
    type: str
    value: int | bytes | str
    cut: bool = False


def bound(oid: str, kind: str, value: str | int) -> Bound:
    """A value as its type holds it. Raises :class:`BadValue` with the reason, a long value shortened."""
    text = str(value)
    if kind in RANGES:
        return Bound(oid, kind, _number(kind, text))
    if kind == "IpAddress":
        try:
            return Bound(oid, kind, str(IPv4Address(text.strip())))
        except ValueError:
            raise BadValue(f"{_shown(text)} is no IPv4 address") from None
    if kind == "ObjectIdentifier":
        if not _OID.fullmatch(text.strip()) or any(int(part) >= 2**32 for part in text.strip().split(".")):
            raise BadValue(f"{_shown(text)} is no OID")
        return Bound(oid, kind, text.strip())
    whole = text.encode("utf-8", "replace")
    kept = whole if len(whole) <= MAX_TEXT_BYTES else whole[:MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
    return Bound(oid, kind, kept, len(kept) < len(whole))


def _number(kind: str, text: str) -> int:
    low, high = RANGES[kind]
    if not _NUMBER.fullmatch(text.strip()):
        raise BadValue(f"{_shown(text)} is no whole number")
    number = int(text)
    if not low <= number <= high:
        raise BadValue(f"{number} does not lie between {low} and {high}")
    return number


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
