"""The event as the outside world gets it: one JSON document, the same for scripts and webhooks."""

from __future__ import annotations

import json
from urllib.parse import quote

from tasks.effects.contracts import EffectContext


def event_json(context: EffectContext) -> bytes:
    """The event, with the object that the effect is about under ``target``, as UTF-8 JSON.

    Equal at every try of one effect.
    """
    document = dict(context.event)
    if context.target is not None:
        document["target"] = dict(context.target)
    return json.dumps(document, sort_keys=True, default=str).encode("ascii")


def header_safe(text: str) -> str:
    """A key as the value of an HTTP or mail header: printable ASCII, all else percent-encoded."""
    return quote(text, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")
