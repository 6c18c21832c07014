"""Operations that people ask for: checked like those of rules, and decided on by the same policies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from tasks.conveyor.internal import About
from tasks.conveyor.operations import request
from tasks.effects.contracts import Action
from tasks.effects.limits import BY_HAND
from tasks.effects.table import actions
from tasks.expressions.mistakes import from_validation, nearest
from tasks.ledger import listing
from tasks.ledger.events import Event
from tasks.ledger.providers import id_of
from tasks.ledger.tally import Count
from tasks.model.errors import Permanent
from tasks.model.event import ObjectRef, lane_of
from tasks.model.outcome import Ask
from tasks.site.settings import Settings

#: What no column of the ledger takes in a text.
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def words() -> Mapping[str, Action]:
    """The actions that people may ask for: those that act on a cloud's objects."""
    return {word: action for word, action in actions().items() if getattr(action, "limited", False)}


def ask(
    session: Session,
    settings: Settings,
    now: datetime,
    *,
    provider: str,
    target: ObjectRef,
    action: str,
    params: Mapping[str, Any],
    who: str,
    project: str | None = None,
    rule: str | None = None,
    message_id: str | None = None,
) -> tuple[int, int]:
    """Ask for an operation; returns its number and the lane to ring for.

    With a project only its own objects exist. A program that asks names itself as ``rule``, and is counted by limits
    as rules are; under the same ``message_id`` it asks once only. Raises ``Permanent`` with words for what cannot be
    asked for.
    """
    known = words()
    found = known.get(action)
    if found is None:
        raise Permanent(f"there is no operation {action!r}. {nearest(action, known, 'Operations are')}")
    kinds = getattr(found, "kinds", None)
    if kinds is not None and target.kind not in kinds:
        raise Permanent(f"{action} works on {', '.join(kinds)}, and not on a {target.kind}")
    if getattr(found, "destructive", False) and not settings.actions.destructive:
        raise Permanent(
            f"{action} is destructive, which this site does not allow: "
            "set destructive = true under [actions] in catchment.toml"
        )
    try:
        found.params.model_validate(dict(params))
    except ValidationError as error:
        mistakes = from_validation(error, (), f"the operation {action}", found.params)
        raise Permanent("; ".join(f"{mistake.what}. {mistake.advice}" for mistake in mistakes)) from error
    if any(_UNFIT.search(text) for text in _texts(params)):
        raise Permanent(f"the parameters of {action} have characters that the ledger cannot keep: leave them out")
    thing = listing.inventory_object(session, provider, *target)
    if thing is None or (project is not None and thing.tenant_id != project):
        raise Permanent(f"{provider} has no {target} that Catchment knows of: see `catchment inventory`")
    guard = getattr(found, "guard", None)
    wish = Ask(action, rule or f"{BY_HAND}:{who}", dict(params), target, guard=guard(params) if guard else None)
    about = About(
        id_of(session, provider), target, provider, tenant_id=thing.tenant_id, actor=who, group="operation",
        message_id=message_id,
    )  # fmt: skip
    if message_id is not None and (known_as := _asked(session, settings, about)) is not None:
        return known_as
    count = Count()
    raised = request(session, settings, now, count, wish, about)
    count.write(session)
    return raised


def _asked(session: Session, settings: Settings, about: About) -> tuple[int, int] | None:
    """An operation that was asked for under the same identity."""
    same = (Event.provider_id == about.provider_id, Event.message_id == about.message_id)
    found = session.execute(select(Event.id, Event.object_key).where(*same)).one_or_none()
    return None if found is None else (found.id, lane_of(found.object_key, settings.conveyor.lanes))


def _texts(value: object) -> Iterator[str]:
    """All texts of a parameter, keys among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _texts(key)
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
