"""Makes a message fit to be kept: no secrets, no text that a database refuses, no endless nesting."""

from __future__ import annotations

import re
from typing import Any

from tasks.model.errors import BadPayload
from tasks.providers.openstack.secrets import VERDICTS, mask
from tasks.providers.openstack.values import MARKER

#: How deep a message may be nested; nova's deepest lies below 20.
DEPTH_LIMIT = 100

_NUMBER_LIMIT = 1 << 128
_UNFIT = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
#: A text shorter than this and without a colon can hold neither a named secret nor a token.
_PLAIN = 40
_MOMENT_LIMIT = 32


def cleanse(tree: dict[str, Any], source: str) -> None:
    """Clean a message in place, at every depth.

    A secret is known by its key and replaced with a fixed marker; unset ones (null, empty, true, false)
    stay as they are. Inside texts see :func:`tasks.providers.openstack.secrets.mask`. NUL characters and
    lone surrogates, which PostgreSQL refuses, become U+FFFD.

    ``source`` is the JSON text that the tree was read from: what it does not hold is not looked for.

    Raises :class:`BadPayload` for a message nested too deeply, or with a number that no column holds.
    """
    thorough = "\\" in source or "@" in source or "=" in source or "'" in source or not source.isascii()
    stack: list[tuple[Any, int]] = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > DEPTH_LIMIT:
            raise BadPayload(f"the message is nested more than {DEPTH_LIMIT} deep")
        if type(node) is dict:
            _cleanse_object(node, depth + 1, stack, thorough)
        else:
            _cleanse_list(node, depth + 1, stack, thorough)


def _cleanse_object(node: dict[str, Any], depth: int, stack: list[tuple[Any, int]], thorough: bool) -> None:
    verdicts = VERDICTS
    for key, value in node.items():
        kind = type(value)
        if verdicts[key]:
            if value and value is not True:
                node[key] = MARKER
        elif kind is str:
            if thorough or len(value) > _PLAIN or ":" in value:
                node[key] = _fit(value)
        elif kind is dict or kind is list:
            if value:
                stack.append((value, depth))
        elif kind is int or kind is float:
            _check(value)
    if "value" in node and _names_secret(node) and node["value"] and node["value"] is not True:
        node["value"] = MARKER
    if thorough and any(_UNFIT.search(key) for key in node):
        renamed = {_UNFIT.sub(_REPLACEMENT, key): value for key, value in node.items()}
        node.clear()
        node.update(renamed)


def _cleanse_list(node: list[Any], depth: int, stack: list[tuple[Any, int]], thorough: bool) -> None:
    for place, value in enumerate(node):
        kind = type(value)
        if kind is str:
            if thorough or len(value) > _PLAIN or ":" in value:
                node[place] = _fit(value)
        elif kind is dict or kind is list:
            if value:
                stack.append((value, depth))
        elif kind is int or kind is float:
            _check(value)


def _names_secret(node: dict[str, Any]) -> bool:
    """Whether a pair such as ``{"key": "admin_pass", "value": …}`` names a secret."""
    name = node.get("name") or node.get("key")
    return type(name) is str and VERDICTS[name]


def _fit(value: str) -> str:
    if "\x00" in value or not (value.isascii() or value.isprintable()):
        value = _UNFIT.sub(_REPLACEMENT, value)
    # Most texts with a colon are moments (2026-03-04T10:11:12…), and looking into those would cost the most.
    if value[4:5] == "-" and value[13:14] == ":" and len(value) <= _MOMENT_LIMIT:
        return value
    return mask(value)


def _check(value: float) -> None:
    if not -_NUMBER_LIMIT < value < _NUMBER_LIMIT:
        raise BadPayload("the message holds a number beyond 128 bits")
