"""Addresses in the datastore (spec automate 2.1): ``/Namespace/Class/Instance?key=value#message``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_plus

from tasks.switchboard.errors import InvalidPathFormat
from tasks.switchboard.text import Filled, Untrusted, bounded, fold

#: Schemes that build from the datastore, look in the workspace, or call a method of the current object.
DATASTORE = ("", "miqaedb")
WORKSPACE = ("miqaews", "miqae")
METHOD = ("method", "miqaemethod")

#: Separates the elements of an ``Array::name=...`` argument.
UNIT_SEPARATOR = "\x1f"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_HOLE = "\U000f0000-\U000ffffc"
_PATH = re.compile(rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/{_HOLE}]|%[0-9A-Fa-f]{{2}})*")
_REST = re.compile(rf"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?{UNIT_SEPARATOR}{_HOLE}]|%[0-9A-Fa-f]{{2}})*")
#: Literal addresses up to this length are taken apart once.
_REMEMBERED = 500
_SLASHES = re.compile(r"/{2,}")


@dataclass(frozen=True, slots=True)
class Address:
    """An address, taken apart. ``instance`` is None where the path ends in ``/`` and names the class alone.

    ``arguments`` are (type, name, value) with an empty type where the argument names none; ``message``
    is None where the address has no fragment. ``wildcard``: the path's own text ends in ``*``.
    """

    scheme: str
    path: tuple[str, ...]
    instance: str | None
    arguments: tuple[tuple[str, str, str], ...] = ()
    message: str | None = None
    wildcard: bool = False

    def __str__(self) -> str:
        return f"/{self.whole_path}"

    @property
    def whole_path(self) -> str:
        """Path and instance as one text; untrusted as soon as one part is."""
        parts = (*self.path, self.instance or "")
        whole = "/".join(parts)
        return Untrusted(whole) if any(isinstance(part, Untrusted) for part in parts) else whole


def parse_address(filled: Filled) -> Address:
    """Read an address; values from outside are whole parts of it.

    Percent-escapes of the path stay as they are (B11), those of arguments are decoded (B07). Unlike the
    original, slashes are collapsed in the path alone (B09) and a value reaches to the next ``&`` (B08).

    Raises :class:`InvalidPathFormat`.
    """
    if filled.held or len(filled.text) > _REMEMBERED:
        return _parse(filled)
    return _parse_literal(filled.text)


@lru_cache(maxsize=2048)
def _parse_literal(text: str) -> Address:
    return _parse(Filled(text))


def _parse(filled: Filled) -> Address:
    rest, scheme = filled.text.strip(), ""
    if named := _SCHEME.match(rest):
        scheme, rest = named[1].lower(), rest[named.end() :]
        if not rest.startswith("/"):
            raise InvalidPathFormat(f"[{_shown(filled)}] has a scheme and then no leading slash")
    if scheme not in (*DATASTORE, *WORKSPACE, *METHOD):
        raise InvalidPathFormat(f"[{_shown(filled)}] has the unknown scheme [{scheme}]")
    rest, _, fragment = rest.partition("#")
    path, _, query = rest.partition("?")
    if not (_PATH.fullmatch(path) and _REST.fullmatch(query) and _REST.fullmatch(fragment)):
        raise InvalidPathFormat(f"[{_shown(filled)}] holds a character that an address cannot have")
    parts = [filled.restore(part) for part in _SLASHES.sub("/", path).lstrip("/").split("/")]
    return Address(
        scheme=scheme,
        path=tuple(parts[:-1]),
        instance=None if path.endswith("/") or not path else parts[-1],
        arguments=tuple(_argument(filled, pair) for pair in query.split("&") if pair),
        message=fold(filled.restore(fragment).strip()) or None,
        wildcard=path.endswith("*"),
    )


def _argument(filled: Filled, pair: str) -> tuple[str, str, str]:
    name, _, value = pair.partition("=")
    kind, typed, plain = name.rpartition("::")
    plain = plain if typed else name
    return unquote_plus(kind), fold(filled.restore(unquote_plus(plain))), filled.restore(unquote_plus(value))


def _shown(filled: Filled) -> str:
    return bounded(filled.whole().strip())


def encode_query(arguments: dict[str, str | int | None]) -> str:
    """A query from a map: keys sorted as text, nulls left out, values percent-encoded (B15)."""
    pairs = (
        (quote(key, safe=""), quote(str(arguments[key]), safe=""))
        for key in sorted(arguments)
        if arguments[key] is not None
    )
    return "&".join(f"{key}={value}" for key, value in pairs)
