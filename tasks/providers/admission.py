"""What an installed package must bring to be added to the table of provider kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from tasks.providers.contracts import Converter, Monitor, ProviderKind
from tasks.providers.patience import Patience
from tasks.providers.watched import WatchedConverter

#: What every monitor has (:class:`tasks.providers.contracts.Monitor`), and every converter.
_MONITOR = ("name", "priority", "push", "available", "start", "batches", "stop")
_CONVERTER = ("source", "unwrap", "identify", "convert")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
#: Seconds that a converter of a package may take for one message.
CONVERTER_SECONDS = 10.0


def admitted(table: Mapping[str, ProviderKind], brought: Any) -> ProviderKind:
    """The kind of provider that the table has from now on, for a monitor or a kind that a package brings.

    Raises ``TypeError`` or ``ValueError`` with what is missing or taken.
    """
    if isinstance(brought, ProviderKind):
        return _own_kind(table, brought)
    _check_monitor(brought, "kind")
    if brought.kind not in table:
        raise ValueError(f"there is no kind {brought.kind!r} of provider; known are: {', '.join(sorted(table))}")
    kind = table[brought.kind]
    if brought.name in {"auto", *(known.name for known in kind.monitors)}:
        raise ValueError(f"the name {brought.name!r} is taken")
    return replace(kind, monitors=(*kind.monitors, brought))


def _own_kind(table: Mapping[str, ProviderKind], kind: ProviderKind) -> ProviderKind:
    if not isinstance(kind.name, str) or not _NAME.fullmatch(kind.name):
        raise ValueError(f"the name of the kind, {kind.name!r}, is no word of a-z, 0-9, '_' and '-'")
    if kind.name in table:
        raise ValueError(f"the kind {kind.name!r} is taken")
    if not (isinstance(kind.options, type) and issubclass(kind.options, BaseModel)):
        raise TypeError("options is no class of pydantic's BaseModel")
    if not isinstance(kind.monitors, tuple) or not kind.monitors:
        raise TypeError("monitors is no tuple of at least one monitor")
    for monitor in kind.monitors:
        _check_monitor(monitor)
    missing = [member for member in _CONVERTER if not hasattr(kind.converter, member)]
    if missing:
        raise TypeError(f"the converter has no {', '.join(missing)}")
    if not _SOURCE.fullmatch(str(kind.converter.source)):
        raise ValueError(f"the converter's source, {kind.converter.source!r}, is no word of letters, digits and '_'")
    patience = Patience(f"the converter of {kind.name}", CONVERTER_SECONDS)
    converting = None if kind.converting is None else _watching(kind.converting, patience)
    return replace(kind, converter=WatchedConverter(kind.converter, patience), converting=converting)


def _watching(converting: Callable[[Any], Converter], patience: Patience) -> Callable[[Any], Converter]:
    def watched(options: Any) -> Converter:
        return WatchedConverter(patience.call("making it", converting, options), patience)

    return watched


def _check_monitor(monitor: type[Monitor], *more: str) -> None:
    missing = [member for member in (*more, *_MONITOR) if not hasattr(monitor, member)]
    if missing:
        raise TypeError(f"the monitor has no {', '.join(missing)}")
    if not isinstance(monitor, type):
        raise TypeError("the monitor is no class")
    if not isinstance(monitor.name, str) or not _NAME.fullmatch(monitor.name) or monitor.name == "auto":
        raise ValueError(f"the monitor's name, {monitor.name!r}, is no word of a-z, 0-9, '_' and '-'")
    if type(monitor.priority) is not int or type(monitor.push) is not bool:
        raise TypeError("the monitor's priority must be a whole number, and push true or false")
