"""Moments as services write them, and as text that compares."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from tasks.providers.openstack import values

#: How a moment is written: ISO 8601 with a zone or without one, or seconds or milliseconds since 1970.
Format = Literal["iso", "iso_naive", "seconds", "milliseconds"]

_PARTS = {"seconds": 1, "milliseconds": 1000}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(value: Any, written: Format) -> datetime | None:
    """A moment in UTC, where the value is one; text without a zone is UTC."""
    parts = _PARTS.get(written)
    if parts is None:
        return values.moment(value)
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
        return _EPOCH + timedelta(seconds=number / parts)
    except (ValueError, OverflowError):
        return None


def write(moment: datetime, written: Format) -> str:
    """A moment as it goes into a query; seconds and milliseconds are cut, never rounded up."""
    parts = _PARTS.get(written)
    if parts is not None:
        return str(math.floor((moment - _EPOCH) / timedelta(seconds=1) * parts))
    return as_text(moment) + ("Z" if written == "iso" else "")


def unit(written: Format) -> timedelta:
    """The smallest step between two moments that are written so."""
    parts = _PARTS.get(written)
    return timedelta(microseconds=1) if parts is None else timedelta(seconds=1) / parts


def as_text(moment: datetime) -> str:
    """A moment as text of one length that compares: UTC without a zone, to the microsecond."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def of_text(text: str) -> datetime:
    """The moment that :func:`as_text` wrote."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
