"""The event as the outside world gets it: one JSON document, the same for scripts and webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from tasks.effects.contracts import EffectContext


def event_json(context: EffectContext, values: Mapping[str, str] | None = None) -> bytes:
    """The event, with the object that the effect is about under ``target``, as UTF-8 JSON.

    ``values`` are what the effect was asked for with; they stand under that name where there are any.

    Equal at every try of one effect.
    """
    document = dict(context.event)
    if context.target is not None:
        document["target"] = dict(context.target)
    if values:
        document["values"] = dict(values)
    return json.dumps(document, sort_keys=True, default=str).encode("ascii")


def header_safe(text: str) -> str:
    """A key as the value of an HTTP or mail header: printable ASCII, all else percent-encoded."""
    return quote(text, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~")
