"""An object as it was read, and what became of it by that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from tasks.model.event import ObjectRef
from tasks.providers.contracts import Reading


class Seen(NamedTuple):
    """An object as read, or ``reading`` None where the provider says that it is gone (404).

    ``asked_at`` is when the read began: facts asked for earlier never replace those asked for later.
    """

    ref: ObjectRef
    reading: Reading | None
    event_id: int | None
    asked_at: datetime


class Change(NamedTuple):
    """What became of an object, with the facts that differ; ``event_id`` had it read at the moment ``at``.

    ``facts`` are its attributes as they stand now; those of an object that is gone are its last ones.
    """

    ref: ObjectRef
    verdict: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    event_id: int | None
    tenant_id: str | None
    at: datetime
    facts: Mapping[str, Any] = MappingProxyType({})
