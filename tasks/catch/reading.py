"""Read what a monitor handed over, before any transaction begins: who each message is, and what is unreadable."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.ledger.base import dump_json, quick_json
from tasks.model import clock
from tasks.model.errors import BadMonitor, BadPayload
from tasks.model.event import Identity, Message
from tasks.model.event import Notification as Raw
from tasks.providers.contracts import Converter
from tasks.providers.openstack.secrets import mask

#: What PostgreSQL refuses in a text, and the longest text of an identity in characters: it goes into an index.
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_IDENTITY_LIMIT = 500
#: Ids of Catchment's own events (``raised:7:0:vm_start``, ``server/s1:alert_due:…``, ``SERVER_UP:…``). Who sends one
#: in advance would keep that event from being raised, so that a message with such an id is known under another.
_OURS = re.compile(r"raised:|[A-Z][A-Z0-9_]*:|[a-z][a-z0-9_]*/.*:[a-z0-9_]+:", re.DOTALL)


@dataclass(slots=True)
class Caught:
    """One message of a batch, ready to be stored; ``error`` is set where it goes to quarantine at once.

    ``ours`` says that the error is a fault of the converter and not of the message.
    """

    identity: Identity
    form: str
    content: str
    road: str
    error: str | None = None
    ours: bool = False


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
        size = _size(raw.body)
        if size > body_limit:
            reason = f"the notification has {size} bytes, and catch.body_limit_bytes is {body_limit}"
            caught.append(_quarantined(raw, reason, body_limit))
            continue
        try:
            messages = [(converter.identify(message), message) for message in converter.unwrap(raw.body)]
            wanted = [(i, m) for i, m in messages if i.event_type not in ignore and i.raw_event_type not in ignore]
            found = [_caught(identity, message, raw.road) for identity, message in wanted]
        except BadMonitor:
            # The converter hangs, which says nothing of this message: it stays with its source.
            raise
        except BadPayload as error:
            caught.append(_quarantined(raw, str(error), body_limit))
        except Exception as error:  # noqa: BLE001 - a converter's bug must not keep the batch from being stored
            reason = f"the {converter.source} converter failed: {type(error).__name__}: {error!s:.500}"
            caught.append(_quarantined(raw, _UNFIT.sub("\ufffd", reason), body_limit, ours=True))
        else:
            caught += found
            rejected += len(messages) - len(wanted)
    return caught, rejected


def _size(body: object) -> int:
    """Bytes of a body as it came; an object that was read already passed the limits of who read it."""
    if isinstance(body, str) and not body.isascii():
        return len(body.encode("utf-8", "replace"))
    return len(body) if isinstance(body, bytes | str) else 0


def _caught(identity: Identity, message: Message, road: str) -> Caught:
    if _OURS.match(identity.message_id):
        identity = replace(identity, message_id=f"foreign:{identity.message_id}")
    texts = (
        identity.message_id, identity.raw_event_type, identity.event_type, identity.resource_kind or "",
        identity.resource_id or "", identity.twin or "", identity.variant, message.form,
    )  # fmt: skip
    if any(len(text) > _IDENTITY_LIMIT for text in texts) or _UNFIT.search("".join(texts)):
        raise BadPayload("an id or a type in the message is too long, or has characters that the ledger cannot keep")
    content = quick_json(message.content)
    if not content.isascii():
        content.encode()  # raises for what no database takes
    return Caught(identity, message.form, content, road)


def _quarantined(raw: Raw, error: str, body_limit: int, *, ours: bool = False) -> Caught:
    body = (
        raw.body
        if isinstance(raw.body, bytes)
        else raw.body.encode("utf-8", "replace")
        if isinstance(raw.body, str)
        else json.dumps(raw.body, default=str, skipkeys=True).encode()
    )
    digest = hashlib.sha256(body).hexdigest()
    # Before it is cut: half a secret would not be known as one.
    masked = mask(body.decode("utf-8", "replace").replace("\x00", "\ufffd"))
    kept = masked.encode()[:body_limit].decode("utf-8", "replace")
    identity = Identity(f"sha256:{digest}", "unreadable", "unreadable", clock.now())
    return Caught(identity, "unreadable", dump_json({"body": kept}), raw.road, error, ours)
