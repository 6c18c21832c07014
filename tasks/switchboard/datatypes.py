"""Datatypes of fields and inputs (spec automate 3.7). Blank values are never converted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tasks.switchboard.address import UNIT_SEPARATOR
from tasks.switchboard.datastore import COALESCING
from tasks.switchboard.errors import InvalidClass
from tasks.switchboard.text import fold

_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,300})")
_FLOAT = re.compile(r"\s*([+-]?[0-9]{1,300}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)")


def _integer(text: str) -> int:
    leading = _INTEGER.match(text)
    return int(leading[1]) if leading else 0


def _float(text: str) -> float:
    leading = _FLOAT.match(text)
    return float(leading[1]) if leading else 0.0


def _boolean(text: str) -> bool | str:
    return {"true": True, "1": True, "false": False, "0": False}.get(fold(text), text)


def _array(text: str) -> list[str]:
    inner = text.replace("[", "").replace("]", "")
    return [element.strip() for element in inner.split(",")] if inner.strip() else []


def _same(text: str) -> str:
    return text


DATATYPES: Mapping[str, Callable[[str], Any]] = {
    "": _same,
    "string": _same,
    "symbol": _same,
    COALESCING: _same,
    "integer": _integer,
    "fixnum": _integer,
    "float": _float,
    "boolean": _boolean,
    "array": _array,
}


def convert(datatype: str, value: Any) -> Any:
    """A value in its datatype; what is not text, or blank, stays as it is (D33).

    Raises :class:`InvalidClass` for a datatype that Catchment does not have: ``time``, ``password`` and
    the names of inventory models.
    """
    convertor = DATATYPES.get(fold(datatype).strip())
    if convertor is None:
        raise InvalidClass(f"Datatype [{datatype[:60]}] is not one of {', '.join(filter(None, DATATYPES))}")
    if not isinstance(value, str) or not value.strip():
        return value
    return convertor(value)


def element(text: str) -> Any:
    """One element of an ``Array::`` argument: ``type::value``, or plain text (B12)."""
    kind, typed, value = text.partition("::")
    return convert(kind, value) if typed and fold(kind) in DATATYPES else text


def argument(kind: str, text: str) -> Any:
    """An argument of an address in the type that stands in front of its name (spec automate 2.1).

    Raises :class:`InvalidClass` for a type that Catchment does not have.
    """
    if fold(kind) == "array":
        return [element(part) for part in text.split(UNIT_SEPARATOR) if part]
    return convert(kind, text)
