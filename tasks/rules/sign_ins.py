"""Who is there: agents of worker hosts and users of the API, and the built-in events about them (orchestrate 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tasks.conveyor.firing import Fired, builtin, fire, lanes
from tasks.conveyor.telling import set_facts
from tasks.ledger.access import Token
from tasks.ledger.agents import Agent
from tasks.ledger.facts import Fact, FactObject, FactRef, Write
from tasks.ledger.session import RULES_LOCK, Ledger, try_lock
from tasks.ledger.tally import Count
from tasks.model.agent import agrees
from tasks.model.builtin_events import AGENT_VERSION_MISMATCH, RESOURCE_OFFLINE, RESOURCE_ONLINE, USER_ONLINE
from tasks.model.catalogue import RESOURCE, SERVICE, USER
from tasks.site.settings import Settings

#: A user who has not called for so long is away.
IDLE = timedelta(minutes=15)
#: Rows of agents that are gone are kept so long.
KEPT = timedelta(days=1)


def look(ledger: Ledger, settings: Settings, now: datetime, run: str = "") -> set[int]:
    """Tell who has come and gone; returns the lanes to ring for. ``run`` names the present start of Catchment."""
    with ledger.reading() as session:
        if not _any_news(session, settings, now):
            return set()
    with ledger.transaction() as session:
        if not try_lock(session, RULES_LOCK, 1):
            return set()
        count = Count()
        told, writes = _agents(session, settings, now, run)
        more, users = _users(session, now)
        _, rung = set_facts(session, settings, now, count, SERVICE, [*writes, *users])
        rung |= lanes(fire(session, settings, now, count, [*told, *more]))
        count.write(session)
    return rung


def _any_news(session: Session, settings: Settings, now: datetime) -> bool:
    agents = session.scalars(select(Agent)).all()
    online = _truths(session, RESOURCE, "resource.online")
    for resource, theirs in _by_resource(agents).items():
        told, writes, counted = _standing(resource, theirs, online.get(resource, False), settings, now, "")
        if told or counted or any(online.get(resource) is not write.value for write in writes):
            return True
    return bool(_users(session, now)[1])


def _truths(session: Session, kind: str, name: str) -> dict[str, bool]:
    """A fact that is true or false, of all objects of a kind."""
    query = (
        select(FactObject.ref, Fact.value)
        .join(Fact, Fact.object_id == FactObject.id)
        .where(FactObject.kind == kind, Fact.name == name, Fact.value.is_not(None))
    )
    return {row.ref: row.value == "true" for row in session.execute(query)}


def _by_resource(agents: Sequence[Agent]) -> dict[str, list[Agent]]:
    found: dict[str, list[Agent]] = {}
    for agent in agents:
        found.setdefault(agent.resource, []).append(agent)
    return dict(sorted(found.items()))


def _agents(session: Session, settings: Settings, now: datetime, run: str) -> tuple[list[Fired], list[Write]]:
    agents = session.scalars(select(Agent).with_for_update()).all()
    online = _truths(session, RESOURCE, "resource.online")
    told: list[Fired] = []
    writes: list[Write] = []
    for resource, theirs in _by_resource(agents).items():
        events, facts, counted = _standing(resource, theirs, online.get(resource, False), settings, now, run)
        told, writes = told + events, writes + facts
        for agent in theirs:
            if agent.process in counted:
                agent.counted, agent.refused = counted[agent.process]
    session.execute(delete(Agent).where(Agent.heard_at < now - KEPT))
    return told, writes


def _standing(
    resource: str, agents: Sequence[Agent], online: bool, settings: Settings, now: datetime, run: str
) -> tuple[list[Fired], list[Write], dict[str, tuple[bool, bool]]]:
    """What is to be told of a resource, its facts, and by process what is to be noted: counted, and refused."""
    ref = FactRef(RESOURCE, resource)
    grace, settle = (timedelta(seconds=s) for s in (settings.agent.grace_seconds, settings.agent.settle_seconds))
    told: list[Fired] = []
    noted: dict[str, tuple[bool, bool]] = {}
    live: list[Agent] = []
    for agent in agents:
        if agent.stopped_at is not None or now - agent.heard_at > grace:
            continue
        if agrees(agent.version, agent.protocol, settings.agent.oldest_version):
            live.append(agent)
        elif not agent.refused:
            identity = f"{AGENT_VERSION_MISMATCH}:{resource}:{agent.version}:{agent.protocol}:{run}"
            more = {**agent.about, "resource": resource}
            told.append(builtin(AGENT_VERSION_MISMATCH, ref, more, identity=identity, severity="warning"))
            noted[agent.process] = (False, True)
    # One that said goodbye a moment ago may come back, and was never away then.
    leaving = [a for a in agents if a.counted and a.stopped_at is not None and now - a.stopped_at < settle]
    new = [agent for agent in live if not agent.counted]
    stays = any(agent.counted for agent in live)
    if online and not stays and (new or not leaving):
        told.append(builtin(RESOURCE_OFFLINE, ref, severity="warning"))
        noted |= {a.process: (False, a.refused) for a in agents if a.counted}
        online = False
    if live and not online:
        told.append(builtin(RESOURCE_ONLINE, ref))
        online = True
    noted |= {agent.process: (True, False) for agent in new}
    if not (told or noted) and online is (stays or bool(leaving)):
        return told, [], noted
    writes = [Write(ref, "resource.online", online), Write(ref, "resource.agent.count", len(live))]
    return told, writes, noted


def _users(session: Session, now: datetime) -> tuple[list[Fired], list[Write]]:
    """Users by the tokens that they sign in with; what is told, and the facts that are not as they were."""
    online = _truths(session, USER, "user.online")
    enabled = _truths(session, USER, "user.enabled")
    told: list[Fired] = []
    writes: list[Write] = []
    for token in session.scalars(select(Token).order_by(Token.name)):
        good = token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
        there = good and token.used_at is not None and now - token.used_at < IDLE
        if online.get(token.name) is there and enabled.get(token.name) is good:
            continue
        ref = FactRef(USER, token.name)
        writes += _user_facts(ref, token, good, there)
        if there and not online.get(token.name, False):
            told.append(builtin(USER_ONLINE, ref))
    return told, writes


def _user_facts(ref: FactRef, token: Token, good: bool, there: bool) -> list[Write]:
    values: Mapping[str, Any] = {
        "online": there,
        "enabled": good,
        "groups": [token.role],
        "sessions": 1 if there else 0,
        "health": good,
    }
    return [Write(ref, f"user.{name}", value) for name, value in values.items()]
