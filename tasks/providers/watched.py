"""Monitors and converters that nobody vouches for: what they raise, withhold or hand over hurts their provider only.

What breaks the contract becomes :class:`tasks.model.errors.BadMonitor`, with the name of the provider and of the
monitor. Nothing of a batch that breaks it is stored and the position stays, so nothing is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from tasks.model.errors import BadMonitor, BadPayload, CatchmentError
from tasks.model.event import Identity, Message, Normalised, Notification
from tasks.providers.contracts import Batch, Converter, Keeping, Monitor, ProviderConfig
from tasks.providers.openstack.secrets import mask
from tasks.providers.patience import Patience

#: The longest cursor in characters of JSON; it is written with every batch.
CURSOR_LIMIT = 4 * 1024 * 1024
#: Notifications that one batch may have beyond what was asked for; it is stored in parts.
BATCH_LIMIT = 100_000
#: The longest word for the road of a notification.
ROAD_LIMIT = 500
#: What PostgreSQL refuses in a text.
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_END = object()


class WatchedMonitor:
    """A monitor that was made, with somebody watching (:class:`tasks.providers.contracts.Monitor`).

    With ``patience`` each call is made in its thread and may take so long; without it, in the caller's.
    """

    def __init__(self, monitor: Monitor, who: str, patience: Patience | None = None) -> None:
        self._monitor = monitor
        self._who = who
        self._patience = patience

    @property
    def push(self) -> bool:
        """Whether it is told and does not ask."""
        return bool(self._monitor.push)

    @property
    def kept(self) -> bool:
        """Whether its source has kept what came while nobody listened (:class:`tasks.providers.contracts.Keeping`)."""
        return not isinstance(self._monitor, Keeping) or bool(self._monitor.kept)

    def start(self, cursor: dict[str, Any] | None) -> None:
        """As the monitor does."""
        self._call("start", self._monitor.start, cursor)

    def batches(self, *, wait: float, limit: int) -> Iterator[Batch]:
        """As the monitor does; a batch of more than ``limit`` comes in parts of which the last has the cursor."""
        found = self._call("batches", lambda: iter(self._monitor.batches(wait=wait, limit=limit)))
        try:
            while (batch := self._call("batches", next, found, _END)) is not _END:
                yield from self._parts(batch, limit)
        finally:
            self._quietly(getattr(found, "close", None))

    def stop(self) -> None:
        """As the monitor does; a failure is of no interest any more."""
        self._quietly(self._monitor.stop)

    def _parts(self, batch: Any, limit: int) -> Iterator[Batch]:
        self._check(batch)
        notifications, last = batch.notifications, max(len(batch.notifications) - 1, 0) // limit
        for number in range(last + 1):
            end = number == last
            yield Batch(
                notifications[number * limit : (number + 1) * limit],
                batch.cursor if end else None,
                more=bool(batch.more) or not end,
                ack=(lambda: self._call("ack", batch.ack)) if end else lambda: None,
                reject=lambda: self._call("reject", batch.reject),
            )

    def _check(self, batch: Any) -> None:
        if not isinstance(batch, Batch):
            raise BadMonitor(f"{self._who} handed over a {type(batch).__name__} and no Batch")
        if not isinstance(batch.notifications, list) or len(batch.notifications) > BATCH_LIMIT:
            raise BadMonitor(f"{self._who} handed over a batch without a list of at most {BATCH_LIMIT} notifications")
        for notification in batch.notifications:
            if not isinstance(notification, Notification):
                raise BadMonitor(f"{self._who} handed over a {type(notification).__name__} and no Notification")
            if not isinstance(notification.body, bytes | str | dict):
                raise BadMonitor(f"{self._who} handed over a body that is a {type(notification.body).__name__}")
            road = notification.road
            if not isinstance(road, str) or len(road) > ROAD_LIMIT or _UNFIT.search(road):
                raise BadMonitor(f"{self._who} handed over a notification whose road is no short text")
        if batch.cursor is not None and not _keepable(batch.cursor):
            raise BadMonitor(f"{self._who} handed over a cursor that is no object of JSON, or too long a one")

    def _call(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        return _called(self._who, self._patience, what, function, *arguments)

    def _quietly(self, function: Callable[[], None] | None) -> None:
        """Call what puts things away, unless the thread hangs in another call."""
        if function is None or (self._patience is not None and self._patience.lost):
            return
        try:
            self._call("stop", function)
        except CatchmentError:
            return


class WatchedConverter:
    """The converter of an installed package, with somebody watching (:class:`tasks.providers.contracts.Converter`).

    What it does to a message shows on that message alone. A call that does not return in time counts as failed.
    """

    def __init__(self, converter: Converter, patience: Patience) -> None:
        self._converter = converter
        self._patience = patience
        self.source = converter.source

    def unwrap(self, body: bytes | str | dict[str, Any]) -> list[Message]:
        """As the converter does. Raises ``BadPayload`` where it returns anything but messages."""
        found = self._patience.call("unwrap", self._converter.unwrap, body)
        if not isinstance(found, list) or not all(_is_message(message) for message in found):
            raise BadPayload(f"the {self.source} converter made no list of messages of the body")
        return found

    def identify(self, message: Message) -> Identity:
        """As the converter does. Raises ``BadPayload`` where it returns no identity."""
        found = self._patience.call("identify", self._converter.identify, message)
        if not isinstance(found, Identity) or not _is_who(found):
            raise BadPayload(f"the {self.source} converter does not say who the message is")
        return found

    def convert(self, message: Message) -> Normalised:
        """As the converter does. Raises ``BadPayload`` where it returns no facts."""
        found = self._patience.call("convert", self._converter.convert, message)
        if not isinstance(found, Normalised) or not _is_who(found) or not _is_facts(found):
            raise BadPayload(f"the {self.source} converter made no event of the message")
        return found


def watched(monitor: type[Monitor], provider: ProviderConfig, patience: Patience | None) -> WatchedMonitor:
    """A provider's monitor, made, with somebody watching. Raises :class:`BadMonitor` where it cannot be made."""
    who = f"{provider.name}: the monitor {monitor.name}"
    return WatchedMonitor(_called(who, patience, "being made", monitor, provider), who, patience)


def _called(who: str, patience: Patience | None, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        if patience is not None:
            return patience.call(f"the monitor's {what}", function, *arguments)
        return function(*arguments)
    except CatchmentError:
        raise
    except (Exception, SystemExit, GeneratorExit) as error:
        words = mask(f"{type(error).__name__}: {error}")[:500]
        raise BadMonitor(f"{who} failed in {what}: {words}. Correct its package") from error


def _keepable(cursor: Any) -> bool:
    try:
        text = json.dumps(cursor, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return isinstance(cursor, dict) and len(text) <= CURSOR_LIMIT and "\\u0000" not in text


def _is_message(message: Any) -> bool:
    return isinstance(message, Message) and isinstance(message.form, str) and isinstance(message.content, dict)


def _is_who(found: Identity | Normalised) -> bool:
    texts = (found.message_id, found.event_type, found.raw_event_type)
    maybe = (found.resource_kind, found.resource_id)
    moment = found.occurred_at
    return (
        all(isinstance(text, str) and text for text in texts)
        and all(text is None or isinstance(text, str) for text in maybe)
        and isinstance(moment, datetime)
        and moment.tzinfo is not None
    )


def _is_facts(found: Normalised) -> bool:
    maybe = (found.tenant_id, found.actor, found.host, found.phase, found.request_id, found.chain_id)
    parents = found.parents
    return (
        all(text is None or isinstance(text, str) for text in maybe)
        and isinstance(found.group, str)
        and isinstance(found.level, str)
        and isinstance(parents, dict)
        and all(isinstance(text, str) for pair in parents.items() for text in pair)
    )
