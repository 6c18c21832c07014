"""CloudEvents 1.0 in their JSON form: what each must have, and the data that one carries.

Of the three ways in which HTTP carries them, the structured one is this form already, a batch is a list of
it, and the binary one is put into it by whoever takes the request.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from tasks.model.clock import parse_utc
from tasks.model.errors import BadPayload

#: The attribute by which a CloudEvent is known.
MARK = "specversion"
VERSION = "1.0"
#: What every CloudEvent has, as text that is not empty.
REQUIRED = ("id", "source", "type")


def is_cloudevent(value: Mapping[str, Any]) -> bool:
    """Whether an object says that it is a CloudEvent."""
    return MARK in value


def check(value: Mapping[str, Any]) -> None:
    """Raise :class:`BadPayload`, naming the attribute, where an object is no CloudEvent of version 1.0."""
    if value.get(MARK) != VERSION:
        raise BadPayload(f"no CloudEvent of version {VERSION}: the attribute {MARK} is missing or another one")
    for name in REQUIRED:
        given = value.get(name)
        if not isinstance(given, str) or not given.strip():
            raise BadPayload(f"a CloudEvent without the attribute {name}, which must be a text and not be empty")
    if "data" in value and "data_base64" in value:
        raise BadPayload("a CloudEvent with both data and data_base64: one of them is allowed")
    for name in ("subject", "datacontenttype", "time"):
        if value.get(name) is not None and not isinstance(value[name], str):
            raise BadPayload(f"the attribute {name} of a CloudEvent is no text")
    if value.get("time") is not None:
        try:
            parse_utc(value["time"][:64])
        except (ValueError, OverflowError):
            raise BadPayload("the attribute time of a CloudEvent is no RFC 3339 moment") from None


def data_of(value: Mapping[str, Any]) -> Any:
    """What a CloudEvent carries: any JSON value, None where it carries nothing.

    Base64 is taken off where text is below it. Raises :class:`BadPayload` for what is no base64, or for
    bytes that are no text.
    """
    packed = value.get("data_base64")
    if packed is None:
        return value.get("data")
    try:
        return base64.b64decode(packed, validate=True).decode("utf-8") if isinstance(packed, str) else None
    except (binascii.Error, ValueError):
        raise BadPayload("the data_base64 of a CloudEvent is no base64 of UTF-8 text") from None
