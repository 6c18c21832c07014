"""Addresses of timelines: the page as it is, with one thing changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tasks.ledger.timeline import WIDTHS

PATH = "/timeline"
#: The shortest and the longest range that the page goes to.
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(seconds=WIDTHS[-1] * 100)
#: The first moment that may be asked for.
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
#: What picks a bar and a page of its events, and does not outlive a change of the range.
_PICKED = ("at", "lane", "after")


@dataclass(frozen=True, slots=True)
class Links:
    """The filters of a page as they stand in its address."""

    kept: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, parameters: Iterable[tuple[str, str]]) -> Links:
        """Those of a request; empty fields are no filters."""
        return cls([(name, value) for name, value in parameters if value.strip()])

    def to(self, path: str = PATH, **changed: Any) -> str:
        """The address with these parameters changed, or taken out where they are None."""
        gone = {*changed, *(_PICKED if not changed.keys() & set(_PICKED) else ())} | {"after"}
        kept = [(name, value) for name, value in self.kept if name not in gone]
        kept += [(name, _text(value)) for name, value in changed.items() if value is not None]
        return f"{path}?{urlencode(kept)}" if kept else path


@dataclass(frozen=True, slots=True)
class Moves:
    """Where one can go from a range; None where there is nothing further."""

    closer: str | None
    wider: str | None
    earlier: str | None
    later: str | None
    now: str


def moves(links: Links, since: datetime, until: datetime, now: datetime, at: datetime | None) -> Moves:
    """The ranges beside this one: half around the chosen bar or the middle, twice as wide, half a range away."""
    length = until - since
    middle = at if at is not None and since <= at < until else since + length / 2
    return Moves(
        closer=_range(links, middle - length / 4, middle + length / 4) if length / 2 >= SHORTEST else None,
        wider=_range(links, since - length / 2, until + length / 2) if length * 2 <= LONGEST else None,
        earlier=_range(links, since - length / 2, until - length / 2),
        later=_range(links, since + length / 2, until + length / 2) if until < now else None,
        now=links.to(since=None, until=None),
    )


def _range(links: Links, since: datetime, until: datetime) -> str | None:
    since, until = max(since, _BEGIN).replace(microsecond=0), until.replace(microsecond=0)
    return links.to(since=since, until=until, last=None) if since < until else None


def of_object(provider: str, kind: str | None, ref: str | None, around: datetime | None, now: datetime) -> str:
    """The timeline of an object, or of its provider where there is none; around a moment that is long past."""
    parameters = {"provider": provider, **({"object": f"{kind}/{ref}"} if kind and ref else {})}
    links = Links(list(parameters.items()))
    if around is None or now - around < timedelta(days=6):
        return links.to()
    return links.to(since=around - timedelta(days=1), until=around + timedelta(days=1))


def _text(value: Any) -> str:
    if not isinstance(value, datetime):
        return str(value)
    return f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if value.microsecond else f"{value:%Y-%m-%dT%H:%M:%SZ}"
