"""Datatypes of fields and inputs (spec automate 3.7). Blank values are never converted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tasks.model.clock import parse_utc
from tasks.switchboard.address import UNIT_SEPARATOR
from tasks.switchboard.datastore import COALESCING
from tasks.switchboard.errors import InvalidClass
from tasks.switchboard.text import STARS, fold

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


def _time(text: str) -> datetime:
    """A moment; one that names no zone is UTC, for the machines of an installation may stand in several."""
    try:
        return parse_utc(text)
    except ValueError as mistake:
        raise InvalidClass(f"[{text[:60]}] is no time: write 2030-01-02T03:04:05Z") from mistake


class Password:
    """A secret of the datastore. It is shown as stars everywhere; a Python method gets at it by :meth:`reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return STARS

    def reveal(self) -> str:
        """The text as it stands in the datastore: what ManageIQ has encrypted with its own key stays encrypted."""
        return self._text


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
    "time": _time,
    "password": Password,
}


#: The kind of inventory object that a model's name stands for, folded: in datatypes, and before ``::`` in arguments.
MODELS: Mapping[str, str] = {
    **dict.fromkeys(("vm", "vmortemplate", "miqtemplate"), "server"),
    "host": "host",
    "cloudtenant": "project",
    "tenant": "project",
    "flavor": "flavor",
    "cloudvolume": "volume",
    "cloudnetwork": "network",
    "cloudsubnet": "subnet",
    "networkrouter": "router",
    "networkport": "port",
}

#: Finds an inventory object by kind and id, for datatypes that name a model.
Lookup = Callable[[str, str], Any]


def convert(datatype: str, value: Any, lookup: Lookup | None = None) -> Any:
    """A value in its datatype; what is not text, or blank, stays as it is (D33).

    With ``lookup`` a datatype that names a model gives the object of that id (D34); one that inventory does
    not know has its id all the same. Raises :class:`InvalidClass` for a datatype that Catchment does not have.
    """
    name = fold(datatype).strip()
    convertor = DATATYPES.get(name)
    kind = MODELS.get(name.rpartition("::")[2]) if convertor is None and lookup is not None else None
    if convertor is None and kind is None:
        known = ", ".join([*filter(None, DATATYPES), *MODELS])
        raise InvalidClass(f"Datatype [{datatype[:60]}] is not one of {known}")
    if not isinstance(value, str) or not value.strip():
        return value
    if convertor is not None:
        return convertor(value)
    assert lookup is not None and kind is not None  # noqa: PT018 - for the type checker; they were looked at above
    return lookup(kind, str(value).strip())


def element(text: str) -> Any:
    """One element of an ``Array::`` argument: ``type::value``, or plain text (B12)."""
    kind, typed, value = text.partition("::")
    return convert(kind, value) if typed and fold(kind) in DATATYPES else text


def argument(kind: str, text: str, lookup: Lookup | None = None) -> Any:
    """An argument of an address in the type that stands in front of its name (spec automate 2.1).

    Raises :class:`InvalidClass` for a type that Catchment does not have.
    """
    if fold(kind) == "array":
        return [element(part) for part in text.split(UNIT_SEPARATOR) if part]
    return convert(kind, text, lookup)
