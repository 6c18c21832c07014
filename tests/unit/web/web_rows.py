"""A ledger's worth of rows for the tests of the web process: two projects, a dead event, hostile texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from tasks.ledger.effects import Effect, EffectTry
from tasks.ledger.events import DeadLetter, Decision, Event, Notification, Place
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshRequest, RefreshTarget
from tasks.ledger.providers import Mark, Provider, Tally

NOW = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)

#: What a provider may send as any text, and what must never reach a page as it is.
EVIL = "<script>alert('x')</script>"


def fill(session: Session, now: datetime = NOW) -> None:
    """Write the rows: events 1, 3, 4 and 6 belong to the project red, 2 and 5 to blue."""
    for rows in (_providers(now), _events(now), _things(now), _links(now), _reads()):
        session.add_all(rows)
        session.flush()


def _providers(now: datetime) -> list[Any]:
    def ago(seconds: float) -> datetime:
        return now - timedelta(seconds=seconds)

    north = {"ready_at": ago(8900), "contact_at": ago(5), "event_at": ago(9), "monitor": "amqp"}
    south = {"failed_at": ago(20), "failure": f"the cloud refused {EVIL}", "passed_over": {"amqp": "no answer"}}
    return [
        Provider(id=1, name="north", kind="openstack", added_at=ago(9000), **north),
        Provider(id=2, name="south", kind="openstack", added_at=ago(9000), **south),
        Provider(id=3, name="internal", kind="internal", added_at=ago(9000), ready_at=ago(9000)),
        Mark(name="tick", at=ago(7)),
        Mark(name="sweep", at=ago(3)),
        Tally(provider_id=1, received=6, stored=5, duplicate=1, rejected=0, finished=3, dead=1),
        Tally(provider_id=3, received=1, stored=1, duplicate=0, rejected=0, finished=1, dead=0),
    ]


def _events(now: datetime) -> list[Any]:
    evil = {"event_type": f"compute.{EVIL}", "actor": EVIL}
    raised = {"raised": True, "parent_id": 1, "depth": 1, "event_type": "vm_start", "raw_event_type": "vm_start"}
    return [
        event(1, "red", "server", "srv-1", "finished", now, 300),
        event(2, "blue", "server", "srv-2", "finished", now, 200),
        event(3, "red", "volume", "vol-1", "dead", now, 100),
        event(4, "red", "server", "srv-1", "pending", now, 50),
        event(5, "blue", "server", EVIL, "finished", now, 40, **evil),
        event(6, "red", "server", "srv-1", "finished", now, 299, **raised),
    ]


def event(row: int, project: str, kind: str, ref: str, state: str, now: datetime, seconds: float, **more: Any) -> Event:
    """One event of the provider north that happened so many seconds ago."""
    occurred = now - timedelta(seconds=seconds)
    facts: dict[str, Any] = {"event_type": "compute.instance.update", "raw_event_type": "compute.instance.update"}
    return Event(
        id=row,
        provider_id=1,
        message_id=f"m{row}",
        state=state,
        object_key=f"north/{kind}/{ref}",
        occurred_at=occurred,
        caught_at=occurred,
        finished_at=None if state == "pending" else occurred + timedelta(seconds=1),
        resource_kind=kind,
        resource_id=ref,
        tenant_id=project,
        parents={"project": project},
        **{**facts, **more},
    )


def _things(now: datetime) -> list[Any]:
    def ago(seconds: float) -> datetime:
        return now - timedelta(seconds=seconds)

    def known(row: int, ref: str, name: str, project: str, **attributes: Any) -> InventoryObject:
        return InventoryObject(
            id=row,
            provider_id=1,
            kind="server",
            ref=ref,
            state="known",
            name=name,
            tenant_id=project,
            attributes=attributes,
            seen_at=ago(300),
            read_at=ago(10),
        )

    place = {"lane": 3, "occurred_at": ago(50), "due_at": ago(48), "object_key": "north/server/srv-1"}
    half_a_pair = '{"payload":{"half":"\\ud800","text":"<script>"}}'
    return [
        Place(event_id=4, stage="policy", **place),
        DeadLetter(event_id=3, stage="convert", died_at=ago(90), attempts=6, error=f"BadPayload: {EVIL}"),
        Notification(event_id=1, form="oslo", road="amqp", content=half_a_pair),
        *(decision(row, *of, now) for row, of in enumerate(((1, "switchboard"), (1, "policy"), (5, "policy")), 1)),
        effect(1, 1, "log", "done", now, params={"text": EVIL}),
        effect(2, 1, "webhook", "dead", now, error="refused"),
        effect(3, 2, "log", "dead", now, error="a secret of blue"),
        effect(4, 1, "mail", "dead", now, rule="alert:high", error=f"no mail server {EVIL}"),
        known(1, "srv-1", "web", "red", status="ACTIVE"),
        known(2, "srv-2", EVIL, "blue"),
    ]


def decision(row: int, event_id: int, stage: str, now: datetime) -> Decision:
    """One decision with a finding that would be a script on a careless page."""
    detail = {"condition": {"field": EVIL, "values": [1, 2], "deep": [[[[[[[EVIL]]]]]]]}}
    findings = [{"kind": "policy", "name": f"quota {EVIL}", "verdict": "fired", "detail": detail}]
    moment = now - timedelta(seconds=250)
    return Decision(
        id=row, event_id=event_id, stage=stage, decided_at=moment, site_version="s1", findings=findings, error=None
    )


def effect(row: int, event_id: int, action: str, state: str, now: datetime, **more: Any) -> Effect:
    """One effect that the policy ``stop`` asked for."""
    moment = now - timedelta(seconds=240)
    return Effect(
        id=row,
        key=f"{event_id}:stop:{action}:",
        event_id=event_id,
        action=action,
        target_kind="server",
        target_id="srv-1",
        site_version="s1",
        state=state,
        asked_at=moment,
        due_at=moment,
        attempts=1,
        ended_at=moment,
        **{"rule": "stop", "params": {}, **more},
    )


def _links(now: datetime) -> list[Any]:
    def ago(seconds: float) -> datetime:
        return now - timedelta(seconds=seconds)

    def incident(row: int, ref: str, event_id: int, severity: str, summary: str, count: int) -> Incident:
        return Incident(
            id=row,
            open_key=f"high|north|server|{ref}",
            alert="high",
            provider_id=1,
            kind="server",
            ref=ref,
            severity=severity,
            summary=summary,
            event_id=event_id,
            notified_by=event_id,
            opened_at=ago(290),
            last_at=ago(200 + row),
            count=count,
        )

    tried = {"started_at": ago(239), "ended_at": ago(238), "verdict": "failed", "summary": f"no route {EVIL}"}
    states = {"before": {"status": "BUILD"}, "after": {"status": "ACTIVE"}}
    target = {"state": "read", "wanted": 1, "read": 1, "due_at": ago(20), "read_at": ago(10)}
    return [
        EffectTry(effect_id=2, attempt=1, worker="host:1", **tried),
        InventoryChange(id=1, object_id=1, at=ago(11), verdict="changed", event_id=1, **states),
        # A read of red's server that an event of blue led to.
        InventoryChange(id=2, object_id=1, at=ago(10), verdict="changed", event_id=2, **states),
        RefreshTarget(id=1, provider_id=1, kind="server", ref="srv-1", event_id=2, **target),
        incident(1, "srv-1", 1, "error", f"red is hot {EVIL}", 3),
        incident(2, "srv-2", 2, "warning", "blue is warm", 1),
    ]


def _reads() -> list[Any]:
    return [RefreshRequest(event_id=1, target_id=1, generation=1)]
