"""How one answer leads to the next, and which events it has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.model.errors import ProviderDown
from tasks.providers.http import moments
from tasks.providers.http.client import Answer, Client
from tasks.providers.http.expressions import NoValue, search
from tasks.providers.http.options import HttpOptions
from tasks.providers.http.walk import Row, Walk
from tasks.providers.openstack import values

#: Times the size of a page by which more is asked for where all of a page has one position.
WIDEST = 32
#: A longer id is remembered by its digest.
_KEY = 64


@dataclass(frozen=True, slots=True)
class Page:
    """Events in the service's order, and the place of the page behind it (None: there is none).

    ``full`` says that the service gave as many as were asked for, so that it may have cut the answer.
    """

    rows: list[Row]
    following: str | int | None
    full: bool


class Pages:
    """Asks for the page at which a walk stands."""

    def __init__(self, name: str, options: HttpOptions, client: Client) -> None:
        self._name = name
        self._options = options
        self._client = client

    def first(self, since: str | None) -> Page:
        """The first page from a position of the query on."""
        return self._read(since, None, 1)

    def at(self, walk: Walk, wider: int) -> Page:
        """The page at which the walk stands, ``wider`` times as large as usual."""
        return self._read(walk.asked_from(), walk.place, wider)

    def _read(self, since: str | None, place: str | int | None, wider: int) -> Page:
        paging, cursor = self._options.paging, self._options.cursor
        link = str(place) if paging.by == "next" and place is not None else None
        query: list[tuple[str, str]] = []
        if cursor.parameter and since is not None:
            query.append((cursor.parameter, since))
        if paging.size_parameter:
            query.append((paging.size_parameter, str((paging.size or 1) * wider)))
        if paging.by == "page" and paging.parameter:
            query.append((paging.parameter, str(paging.first if place is None else place)))
        if paging.by == "marker" and paging.parameter and place is not None:
            query.append((paging.parameter, str(place)))
        # A link says all by itself: of the query, what it has already is left out by the client.
        answer = self._client.ask(query, link)
        rows = [self._row(event) for event in self._events(answer.value)]
        full = paging.size is not None and len(rows) >= paging.size * wider
        return Page(rows, self._following(answer, rows, place), full)

    def _events(self, value: Any) -> Sequence[Any]:
        found = self._found(self._options.events, value)
        if found is None and isinstance(value, dict) and self._options.events != "@":
            # Services leave an empty list out, or write null; an answer that is none is told apart by its shape.
            name = self._options.events
            if name in value:
                return []
        if not isinstance(found, list):
            raise ProviderDown(
                f"{self._name}: {self._client.place} answers with no list of events at {self._options.events!r} "
                "(events). Correct the expression, or the address"
            )
        return found

    def _following(self, answer: Answer, rows: Sequence[Row], place: str | int | None) -> str | int | None:
        """The place of the next page; None where this was the last one."""
        paging = self._options.paging
        if not rows or paging.by == "none":
            return None
        if paging.more is not None and not self._found(paging.more, answer.value):
            return None
        if paging.by == "page":
            return int(paging.first if place is None else place) + 1
        if paging.by == "next":
            link = answer.link if paging.next is None else self._found(paging.next, answer.value)
            return self._client.kept(link) if isinstance(link, str) and link else None
        if paging.marker is None:
            return values.text(self._value(self._options.mapping.message_id, rows[-1].body))
        return values.text(self._found(paging.marker, answer.value))

    def _found(self, expression: str, value: Any) -> Any:
        try:
            return search(expression, value)
        except NoValue as error:
            raise ProviderDown(
                f"{self._name}: {expression!r} cannot be applied to what {self._client.place} answers: {error}"
            ) from None

    def _row(self, event: Any) -> Row:
        mapping, cursor = self._options.mapping, self._options.cursor
        moment = _text_of(self._value(mapping.timestamp, event), mapping.format)
        if cursor.by == "id":
            position = values.text(self._value(cursor.value or mapping.message_id, event)) or ""
        elif cursor.value is not None:
            position = _text_of(self._value(cursor.value, event), cursor.format)
        else:
            position = moment
        key = values.text(self._value(mapping.message_id, event))
        body = event if isinstance(event, dict) else json.dumps(event)
        return Row(key if key and len(key) <= _KEY and key.isprintable() else _digest(event), position, moment, body)

    def _value(self, expression: str, event: Any) -> Any:
        """What an expression finds in an event; None where it cannot be applied: the converter says so."""
        try:
            return search(expression, event)
        except NoValue:
            return None


def _text_of(value: Any, written: moments.Format) -> str:
    moment = moments.read(value, written)
    return "" if moment is None else moments.as_text(moment)


def _digest(event: Any) -> str:
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()
