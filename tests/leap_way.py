"""An installation with an ESI Leap provider and script actions: a real site folder, and every stage by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tasks.catch.ingest import Ingest, Stored
from tasks.conveyor.advance import backoff
from tasks.conveyor.installation import Installation
from tasks.effects import run as effects
from tasks.effects.table import actions
from tasks.ledger.effects import ASKED, Effect, EffectTry
from tasks.ledger.events import Event
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.event import Notification
from tasks.providers.esi_leap.converter import LeapConverter
from tasks.site.contracts import Site
from tasks.site.load import load_site
from tests.ground import START, Sites, all_the_way
from workers import readers

CONF = "esi-event-action-listener.conf"
#: Notes its arguments, its values and how often it was tried, a line for each run.
NOTES = """\
#!/usr/bin/env python3
import json, os, sys
told = {"name": os.path.basename(sys.argv[0]), "arguments": sys.argv[1:], "values": json.load(sys.stdin).get("values"),
        "variables": {k: v for k, v in os.environ.items() if k.startswith("EVENT_")}}
with open(os.path.join(os.path.dirname(sys.argv[0]), "..", "runs"), "a") as file:
    file.write(json.dumps(told) + "\\n")
print("handled", *sys.argv[1:2])
"""
PROVIDERS = "providers:\n  - {name: esi, type: esi_leap, inventory: none}\n"
BUS = "providers:\n  - {name: esi, type: esi_leap, inventory: none, amqp: {urls: ['amqp://guest@127.0.0.1']}}\n"


class LeapWay:
    """A site in a folder, a ledger, and the provider ``esi``."""

    def __init__(
        self, ledger: Ledger, root: Path, conf: str, *scripts: str, providers: str = BUS, toml: str = ""
    ) -> None:
        self.root, self.ledger = root, ledger
        write(root / "catchment.toml", toml)
        write(root / "providers.yaml", providers)
        write(root / "actions" / CONF, conf)
        for name in scripts:
            write(root / "actions" / name, NOTES, 0o755)
        self.site: Site = read_site(root)
        self.present = Installation(ledger, Sites(self.site), host="here")
        with ledger.transaction() as session:
            row = Provider(name="esi", kind="esi_leap", added_at=START, ready_at=START)
            session.add(row)
            session.flush()
            self.provider_id = row.id

    def ingest(self) -> Ingest:
        """The store of the provider's batches."""
        settings = self.site.settings
        return Ingest(self.ledger, settings, "esi", self.provider_id, LeapConverter(), frozenset())

    def catch(self, *bodies: bytes | str | dict[str, Any]) -> Stored:
        """Store notifications and take them all the way."""
        stored = self.ingest().store([Notification(body, "bus") for body in bodies], None, "amqp")
        all_the_way(self.present)
        return stored

    def due(self) -> list[int]:
        """The effects that are asked for and not done."""
        with self.ledger.reading() as session:
            return list(session.scalars(select(Effect.id).where(Effect.state == ASKED).order_by(Effect.id)))

    def effects(self, ids: Sequence[int] | None = None) -> int:
        """Try effects once."""
        return effects.run(self.present, self.due() if ids is None else ids, actions(), backoff)

    def runs(self) -> list[dict[str, Any]]:
        """What the scripts noted."""
        file = self.root / "runs"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def rows(self, table: Any) -> list[Any]:
        """All rows of a table, in their order."""
        with self.ledger.reading() as session:
            return list(session.scalars(select(table).order_by(*table.__table__.primary_key)))

    def tries(self) -> list[EffectTry]:
        """How effects went."""
        return self.rows(EffectTry)

    def events(self) -> list[Event]:
        """All events."""
        return self.rows(Event)


def read_site(root: Path) -> Site:
    """The site in the folder, which must have no mistake."""
    found, problems = load_site(root, readers.parts(), readers.kinds(), actions())
    assert found is not None, [str(problem) for problem in problems]
    return found


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """A file of the site."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
