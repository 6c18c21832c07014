"""What followed from events: decisions, effects with their tries, reads, changes and incidents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from tasks.ledger import digest
from tasks.ledger.effects import Effect, EffectTry
from tasks.ledger.events import Decision
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryChange, InventoryObject, RefreshRequest, RefreshTarget
from tasks.ledger.lines import (
    ChangeLine,
    DecisionLine,
    EventLine,
    IncidentLine,
    IncidentLink,
    Line,
    RefreshLine,
    TriedEffect,
    TryLine,
)
from tasks.ledger.providers import Provider
from tasks.ledger.selects import (
    change_lines,
    effect_lines,
    incident_lines,
    read_changes,
    read_effects,
    read_incidents,
    refresh_line,
)

#: Rows of each sort that are read for one event and all that it raised.
ROWS = 1000

OPENED = "opened"
COUNTED = "counted"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Deed(Line):
    """One event and what followed from it."""

    event: EventLine
    decisions: list[DecisionLine]
    effects: list[TriedEffect]
    refresh: list[RefreshLine]
    changes: list[ChangeLine]
    incidents: list[IncidentLink]


class Deeds:
    """Reads what followed from a family of events: one statement for each sort of row.

    With a project, changes of objects outside it are left out. ``cut`` names the sorts that have more
    rows than are read.
    """

    def __init__(self, session: Session, events: Sequence[EventLine], project: str | None) -> None:
        self._session = session
        self._events = events
        self._ids = [event.id for event in events]
        self._project = project
        self.cut: list[str] = []

    def by_event(self) -> dict[int, Deed]:
        """What followed from each event, by its id."""
        decisions, effects, refresh, changes = (
            self._decisions(),
            self._effects(),
            self._refresh(),
            self._changes(),
        )
        incidents = self._incidents(decisions)
        return {
            event.id: Deed(
                event,
                decisions[event.id],
                effects[event.id],
                refresh[event.id],
                changes[event.id],
                incidents[event.id],
            )
            for event in self._events
        }

    def _bounded(self, name: str, rows: list[_T]) -> list[_T]:
        if len(rows) > ROWS and name not in self.cut:
            self.cut.append(name)
        return rows[:ROWS]

    def _decisions(self) -> defaultdict[int, list[DecisionLine]]:
        query = select(Decision).where(Decision.event_id.in_(self._ids)).order_by(Decision.event_id, Decision.id)
        found: defaultdict[int, list[DecisionLine]] = defaultdict(list)
        for row in self._bounded("decisions", list(self._session.scalars(query.limit(ROWS + 1)))):
            line = DecisionLine(row.id, row.stage, row.decided_at, row.site_version, row.findings, row.error)
            found[row.event_id].append(line)
        for event_id, lines in digest.decision_lines(self._session, self._ids).items():
            found[event_id] += lines
        return found

    def _effects(self) -> defaultdict[int, list[TriedEffect]]:
        query = effect_lines().where(Effect.event_id.in_(self._ids)).order_by(Effect.event_id, Effect.id)
        effects = self._bounded("effects", read_effects(self._session, query.limit(ROWS + 1)))
        tries = self._tries([effect.id for effect in effects])
        found: defaultdict[int, list[TriedEffect]] = defaultdict(list)
        for effect in effects:
            found[effect.event_id].append(TriedEffect(effect, tries[effect.id]))
        return found

    def _tries(self, effect_ids: list[int]) -> defaultdict[int, list[TryLine]]:
        found: defaultdict[int, list[TryLine]] = defaultdict(list)
        if not effect_ids:
            return found
        query = (
            select(EffectTry)
            .where(EffectTry.effect_id.in_(effect_ids))
            .order_by(EffectTry.effect_id, EffectTry.attempt)
        )
        for row in self._bounded("tries", list(self._session.scalars(query.limit(ROWS + 1)))):
            line = TryLine(row.attempt, row.worker, row.started_at, row.ended_at, row.verdict, row.summary, row.detail)
            found[row.effect_id].append(line)
        return found

    def _refresh(self) -> defaultdict[int, list[RefreshLine]]:
        query = (
            select(RefreshRequest.event_id, RefreshRequest.generation, RefreshTarget, Provider.name)
            .join(RefreshTarget, RefreshTarget.id == RefreshRequest.target_id)
            .join(Provider, Provider.id == RefreshTarget.provider_id)
            .where(RefreshRequest.event_id.in_(self._ids))
            .order_by(RefreshRequest.event_id, RefreshRequest.target_id)
        )
        found: defaultdict[int, list[RefreshLine]] = defaultdict(list)
        rows = self._bounded("refresh", list(self._session.execute(query.limit(ROWS + 1))))
        for event_id, generation, target, provider in rows:
            found[event_id].append(refresh_line(target, provider, event_id, generation))
        return found

    def _changes(self) -> defaultdict[int, list[ChangeLine]]:
        query = change_lines().where(InventoryChange.event_id.in_(self._ids))
        if self._project is not None:
            query = query.where(InventoryObject.tenant_id == self._project)
        found: defaultdict[int, list[ChangeLine]] = defaultdict(list)
        ordered = query.order_by(InventoryChange.event_id, InventoryChange.id)
        for line in self._bounded("changes", read_changes(self._session, ordered.limit(ROWS + 1))):
            assert line.event_id is not None
            found[line.event_id].append(line)
        return found

    def _incidents(self, decisions: dict[int, list[DecisionLine]]) -> defaultdict[int, list[IncidentLink]]:
        about = sorted({_about(event) for event in self._events})
        query = incident_lines().where(
            Provider.name.in_({event.provider for event in self._events}),
            or_(Incident.event_id.in_(self._ids), tuple_(Incident.kind, Incident.ref).in_(about)),
        )
        found: defaultdict[int, list[IncidentLink]] = defaultdict(list)
        rows = read_incidents(self._session, query.order_by(Incident.id.desc()).limit(ROWS + 1))
        for incident in reversed(self._bounded("incidents", rows)):
            for event in self._events:
                if incident.event_id == event.id:
                    found[event.id].append(IncidentLink(incident, OPENED))
                elif _counted(event, decisions.get(event.id, []), incident):
                    found[event.id].append(IncidentLink(incident, COUNTED))
        return found


def _about(event: EventLine) -> tuple[str, str]:
    """What the alerts on an event are about: its object, or its type where it names none."""
    if event.resource_kind and event.resource_id:
        return event.resource_kind, event.resource_id
    return "event", event.event_type


def _counted(event: EventLine, decisions: Sequence[DecisionLine], incident: IncidentLine) -> bool:
    """Whether the event fired the incident's alert while the incident was open.

    The incident's row names the event that opened it alone; the others are known by their decisions.
    """
    if (incident.provider, incident.kind, incident.ref) != (event.provider, *_about(event)):
        return False
    return any(
        incident.opened_at <= decision.decided_at
        and (incident.closed_at is None or decision.decided_at <= incident.closed_at)
        and any(_fired(finding, incident.alert) for finding in decision.findings)
        for decision in decisions
    )


def _fired(finding: dict[str, Any], alert: str) -> bool:
    # What fired within the alert's delay or under a silence counts as well, and nobody is told of it.
    verdict = str(finding.get("verdict", ""))
    return (
        finding.get("kind") == "alert"
        and finding.get("name") == alert
        and (verdict in ("fired", "silenced") or verdict.startswith("held"))
    )
