"""What the demo prints: events passing the stages, effects, incidents and changes, as the ledger gets them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.ledger.balance import balance
from tasks.ledger.effects import ASKED, Effect
from tasks.ledger.events import Decision, Digest, Event, Place
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshTarget
from tasks.ledger.providers import Mark
from tasks.ledger.session import Ledger

_LIMIT = 200


class Watch:
    """Follows the ledger and prints one line for each new thing."""

    def __init__(self, console: Console, ledger: Ledger) -> None:
        self._console = console
        self._ledger = ledger
        self._decision = self._effect = self._change = self._incident = 0
        self._waiting: set[int] = set()

    def look(self) -> None:
        """Print what is new since the last look."""
        with self._ledger.reading() as session:
            self._decisions(session)
            self._effects(session)
            self._incidents(session)
            self._changes(session)

    def _decisions(self, session: Session) -> None:
        query = select(Decision, Event.event_type, Event.resource_kind, Event.resource_id).join(
            Event, Event.id == Decision.event_id
        )
        for row in session.execute(query.where(Decision.id > self._decision).order_by(Decision.id).limit(_LIMIT)):
            self._decision = row.Decision.id
            findings = ", ".join(f"{f['name']} {f['verdict']}" for f in row.Decision.findings[-3:])
            what = f"{row.event_type} {row.resource_kind or ''}/{(row.resource_id or '-')[:8]}"
            self._line(
                "cyan", row.Decision.stage, f"event {row.Decision.event_id}  {what}  {row.Decision.error or findings}"
            )

    def _effects(self, session: Session) -> None:
        for effect in session.scalars(select(Effect).where(Effect.id > self._effect).order_by(Effect.id).limit(_LIMIT)):
            self._effect = effect.id
            self._waiting.add(effect.id)
        if self._waiting:
            done = session.scalars(select(Effect).where(Effect.id.in_(self._waiting), Effect.state != ASKED)).all()
            for effect in done:
                self._waiting.discard(effect.id)
                self._line(
                    "magenta",
                    "effect",
                    f"{effect.rule} {effect.action} {effect.state}: {effect.error or effect.params.get('message', '')}",
                )

    def _incidents(self, session: Session) -> None:
        for incident in session.scalars(
            select(Incident).where(Incident.id > self._incident).order_by(Incident.id).limit(_LIMIT)
        ):
            self._incident = incident.id
            self._line(
                "red", "incident", f"{incident.alert} opened on {incident.kind}/{incident.ref[:8]}: {incident.summary}"
            )

    def _changes(self, session: Session) -> None:
        query = select(InventoryChange, InventoryObject.kind, InventoryObject.name).join(
            InventoryObject, InventoryObject.id == InventoryChange.object_id
        )
        for row in session.execute(
            query.where(InventoryChange.id > self._change).order_by(InventoryChange.id).limit(_LIMIT)
        ):
            change: InventoryChange = row.InventoryChange
            self._change = change.id
            if change.event_id is not None:
                fields = (
                    ", ".join(f"{k}: {change.before.get(k)} → {change.after.get(k)}" for k in list(change.after)[:3])
                    if change.verdict == "changed"
                    else ""
                )
                self._line(
                    "green",
                    "inventory",
                    f"{row.kind} {row.name or '-'} {change.verdict} {fields} (event {change.event_id})",
                )

    def _line(self, colour: str, what: str, text: str) -> None:
        self._console.print(Text.assemble((f"{what:<12}", colour), text[:200]), soft_wrap=True)


def ticked(ledger: Ledger) -> bool:
    """Whether the first tick has been: from then on events are asked for."""
    with ledger.reading() as session:
        return session.get(Mark, "tick") is not None


def pending(ledger: Ledger) -> int:
    """How much is still on its way: events, effects and reads."""
    with ledger.reading() as session:
        events = session.scalar(select(func.count()).select_from(Place)) or 0
        effects = session.scalar(select(func.count()).select_from(Effect).where(Effect.state == ASKED)) or 0
        reads = (
            session.scalar(select(func.count()).select_from(RefreshTarget).where(RefreshTarget.state == "wanted")) or 0
        )
    return events + effects + reads


def summary(console: Console, ledger: Ledger, deaths: Mapping[str, int], stubborn: list[str], logs: Path) -> int:
    """Print how the demo went; returns the exit status."""
    with ledger.reading() as session:
        lines = balance(session)
        counts = {
            "decisions": (session.scalar(select(func.count()).select_from(Decision)) or 0)
            + (session.scalar(select(func.sum(Digest.events))) or 0),
            "effects done": session.scalar(select(func.count()).select_from(Effect).where(Effect.state == "done")) or 0,
            "incidents": session.scalar(select(func.count()).select_from(Incident)) or 0,
            "inventory changes": session.scalar(select(func.count()).select_from(InventoryChange)) or 0,
        }
    table = Table(title="balance")
    for column in ("provider", "received", "stored", "duplicate", "rejected", "finished", "pending", "dead", "exact"):
        table.add_column(column, justify="left" if column == "provider" else "right")
    for line in lines:
        table.add_row(
            line.provider,
            *(
                str(getattr(line, c))
                for c in ("received", "stored", "duplicate", "rejected", "finished", "pending", "dead")
            ),
            "yes" if line.exact else "NO",
        )
    console.print(table)
    console.print("  ".join(f"{number} {name}" for name, number in counts.items()))
    faults = [f"{line.provider}: {fault}" for line in lines for fault in line.faults]
    faults += [f"the process {name} ended by itself with status {code}" for name, code in deaths.items()]
    faults += [f"the process {name} did not end when asked and was killed" for name in stubborn]
    faults += [] if any(line.finished for line in lines) else ["no event was finished"]
    for fault in faults:
        console.print(f"fault: {fault}", markup=False)
    for name in deaths:
        text = (logs / f"{name}.log").read_text(errors="replace")
        console.print(text[-3000:], markup=False)
    return 1 if faults else 0
