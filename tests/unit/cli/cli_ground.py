"""What the tests of commands stand on: a site with a ledger, rows in it, and a way to run a command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from sqlalchemy.orm import Session

from tasks.ledger.effects import Effect, EffectTry
from tasks.ledger.events import DeadLetter, Decision, Event, Notification, Place
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshRequest, RefreshTarget
from tasks.ledger.migrate import upgrade
from tasks.ledger.providers import Provider, Tally
from tasks.ledger.session import Ledger
from workers.cli.main import catchment
from workers.installation import load_settings, open_ledger

NOW = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
#: Text that would colour, move, mark up and turn round, if anybody let it.
EVIL = "\x1b[31m[bold]x[/bold]\x1b]0;t\x07\u202e\n:bug:"


class Site:
    """A site that holds a ``catchment.toml`` alone, and its ledger."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "catchment.toml").write_text("retention_days = 30\n")
        self.ledger: Ledger = open_ledger(load_settings(root), root)

    def made(self) -> Site:
        """With all tables."""
        upgrade(self.ledger)
        return self

    def run(self, *arguments: str, code: int = 0, **environment: str) -> Result:
        """Run a command on the site, and see that it ends with this exit status."""
        # Whoever set COLUMNS before meant a terminal that none of this goes to.
        variables: dict[str, str | None] = {"COLUMNS": None, **environment}
        result = CliRunner().invoke(catchment, ["--site", str(self.root), *arguments], env=variables)
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    def fill(self) -> None:
        """A provider's event, the one that it raised with an effect, a dead one and a pending one."""
        with self.ledger.transaction() as session:
            _fill(session)


def ago(seconds: float) -> datetime:
    """A moment that many seconds before NOW."""
    return NOW - timedelta(seconds=seconds)


def add(session: Session, *rows: Any) -> None:
    """Store rows in this order."""
    for row in rows:
        session.add(row)
        session.flush()


def event(row: int, seconds: float, state: str = "finished", **more: Any) -> Event:
    """An event about server/s1 of north."""
    facts: dict[str, Any] = {
        "provider_id": 1,
        "message_id": f"m{row}",
        "object_key": "north/server/s1",
        "occurred_at": ago(seconds),
        "caught_at": ago(seconds - 1),
        "finished_at": ago(seconds - 2) if state != "pending" else None,
        "event_type": "compute.instance.update",
        "raw_event_type": "compute.instance.update",
        "resource_kind": "server",
        "resource_id": "s1",
        "tenant_id": "red",
    }
    return Event(id=row, state=state, **{**facts, **more})


def decision(row: int, event_id: int, stage: str, **more: Any) -> Decision:
    """A decision of a stage on an event."""
    facts: dict[str, Any] = {"decided_at": ago(99), "site_version": "abc123", "findings": []}
    return Decision(id=row, event_id=event_id, stage=stage, **{**facts, **more})


def _fill(session: Session) -> None:
    matched = {"kind": "policy", "name": "quota", "verdict": "matched", "detail": {"field": "cpu", "value": 9}}
    key = "north/server/s1"
    add(
        session,
        Provider(id=1, name="north", kind="openstack", added_at=ago(900), ready_at=ago(800), monitor="amqp"),
        Provider(id=2, name="internal", kind="internal", added_at=ago(900), ready_at=ago(900)),
        Tally(provider_id=1, received=4, stored=3, duplicate=1, finished=1, dead=1),
        Tally(provider_id=2, received=1, stored=1, finished=1),
        event(1, 400),
        event(2, 400, raised=True, parent_id=1, depth=1, event_type="vm_start", raw_event_type="vm_start"),
        event(3, 300, "dead", event_type=f"a{EVIL}", actor=EVIL),
        event(4, 200, "pending"),
        DeadLetter(event_id=3, stage="convert", died_at=ago(1), attempts=6, error=f"BadPayload: {EVIL}"),
        Place(event_id=4, stage="policy", lane=0, occurred_at=ago(200), due_at=ago(199), object_key=key),
        Notification(event_id=1, form="oslo", road="amqp", content='{"payload":{}}'),
        decision(1, 1, "switchboard", error="ProviderDown: no answer"),
        decision(2, 1, "switchboard"),
        decision(3, 2, "policy", findings=[matched]),
    )
    _fill_what_followed(session)


def _fill_what_followed(session: Session) -> None:
    """An effect of event 2 with its try, and what event 1 led to in inventory."""
    asked: dict[str, Any] = {"params": {}, "target_kind": "server", "target_id": "s1", "site_version": "abc123"}
    asked |= {"rule": "policy:quota:true", "action": "log", "asked_at": ago(98), "due_at": ago(98), "attempts": 1}
    tried: dict[str, Any] = {"worker": "host:7", "started_at": ago(98), "verdict": "done", "summary": "written"}
    thing: dict[str, Any] = {"provider_id": 1, "seen_at": ago(300)}
    web: dict[str, Any] = {"name": f"web{EVIL}", "tenant_id": "red", "attributes": {"status": "ACTIVE"}}
    change: dict[str, Any] = {"verdict": "changed", "before": {"status": "BUILD"}, "after": {"status": "ACTIVE"}}
    read: dict[str, Any] = {"state": "read", "wanted": 1, "read": 1, "due_at": ago(95), "read_at": ago(90)}
    add(
        session,
        Effect(id=1, key="k1", event_id=2, state="done", ended_at=ago(97), **asked),
        EffectTry(effect_id=1, attempt=1, ended_at=ago(97), **tried),
        InventoryObject(id=1, kind="server", ref="s1", state="known", read_at=ago(90), **thing, **web),
        InventoryObject(id=2, kind="volume", ref="v/1", state="stub", attributes={}, **thing),
        InventoryChange(object_id=1, at=ago(90), event_id=1, **change),
        RefreshTarget(id=1, provider_id=1, kind="server", ref="s1", **read),
        RefreshRequest(event_id=1, target_id=1, generation=1),
    )


def harmless(printed: str) -> bool:
    """Whether text has nothing in it that a terminal would obey, but for the ends of lines."""
    return all(c == "\n" or c.isprintable() for c in printed)
