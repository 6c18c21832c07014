"""Read what a monitor handed over, before any transaction begins: who each message is, and what is unreadable."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.ledger.base import dump_json
from tasks.model import clock
from tasks.model.errors import BadPayload
from tasks.model.event import Identity, Message
from tasks.model.event import Notification as Raw
from tasks.providers.contracts import Converter


@dataclass(slots=True)
class Caught:
    """One message of a batch, ready to be stored; ``error`` is set where it goes to quarantine at once."""

    identity: Identity
    form: str
    content: str
    road: str
    error: str | None = None


def unwrap(
    converter: Converter, notifications: Sequence[Raw], ignore: frozenset[str], body_limit: int
) -> tuple[list[Caught], int]:
    """Read a batch before the transaction begins; returns it with the number of rejected messages.

    Rejected is what the operator told the provider to ignore. What cannot be read is kept, cut to
    ``body_limit`` bytes, for the dead-letter desk: it counts as stored.
    """
    caught: list[Caught] = []
    rejected = 0
    for raw in notifications:
        if isinstance(raw.body, bytes | str) and len(raw.body) > body_limit:
            caught.append(
                _quarantined(
                    raw,
                    f"the notification has {len(raw.body)} bytes, and catch.body_limit_bytes is {body_limit}",
                    body_limit,
                )
            )
            continue
        try:
            messages = converter.unwrap(raw.body)
        except BadPayload as error:
            caught.append(_quarantined(raw, str(error), body_limit))
            continue
        for message in messages:
            identity = converter.identify(message)
            if identity.event_type in ignore or identity.raw_event_type in ignore:
                rejected += 1
            else:
                caught.append(_caught(identity, message, raw.road))
    return caught, rejected


def _caught(identity: Identity, message: Message, road: str) -> Caught:
    return Caught(identity, message.form, dump_json(message.content), road)


def _quarantined(raw: Raw, error: str, body_limit: int) -> Caught:
    body = (
        raw.body
        if isinstance(raw.body, bytes)
        else raw.body.encode("utf-8", "replace")
        if isinstance(raw.body, str)
        else dump_json(raw.body).encode()
    )
    digest = hashlib.sha256(body).hexdigest()
    kept = body[:body_limit].decode("utf-8", "replace").replace("\x00", "�")
    identity = Identity(f"sha256:{digest}", "unreadable", "unreadable", clock.now())
    return Caught(identity, "unreadable", dump_json({"body": kept}), raw.road, error)
