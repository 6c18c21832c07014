"""Reads JSON from a bus: strict, bounded, and with a reason for everything that is refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from tasks.model.errors import BadPayload

#: The longest body that is read at all, in characters (bytes, where it comes as bytes).
BODY_LIMIT = 16 * 1024 * 1024


def read(body: object) -> tuple[Any, str]:
    """The value that a body holds, and the JSON text it was read from.

    An object that was read already is written out and read again: the result belongs to the caller
    alone and has passed the same checks.

    Raises :class:`BadPayload` for text that is not strict JSON: not UTF-8, too long, too deep, with a
    number that JSON does not have.
    """
    source = _text(body)
    if len(source) > BODY_LIMIT:
        raise BadPayload(f"the body has {len(source)} characters, more than the {BODY_LIMIT} that are read")
    try:
        return msgspec.json.decode(source), source
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        pass  # The patient decoder takes what the fast one does not, or says exactly what is wrong.
    try:
        return _DECODER.decode(source), source
    except RecursionError:
        raise BadPayload("the body is nested too deeply to be read") from None
    except ValueError as error:
        raise BadPayload(f"the body is not JSON: {str(error)[:200]}") from None


def _text(body: object) -> str:
    if isinstance(body, str):
        return body.removeprefix("\ufeff")
    if isinstance(body, (bytes, bytearray)):
        if len(body) > BODY_LIMIT:
            raise BadPayload(f"the body has {len(body)} bytes, more than the {BODY_LIMIT} that are read")
        try:
            return body.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise BadPayload(f"the body is not UTF-8 text: {error.reason} at byte {error.start}") from None
    try:
        return json.dumps(body, allow_nan=False)
    except RecursionError:
        raise BadPayload("the body is nested too deeply to be read") from None
    except (TypeError, ValueError) as error:
        raise BadPayload(f"the body holds what JSON cannot say: {str(error)[:200]}") from None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
