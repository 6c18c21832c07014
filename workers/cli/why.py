"""``catchment why``: the whole line of one event as a tree, from the notification to the last effect."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.tree import Tree

from tasks.ledger.deeds import Deed
from tasks.ledger.events import DEAD, PENDING
from tasks.ledger.lines import DecisionLine, EventLine, IncidentLink, RefreshLine, TriedEffect
from tasks.ledger.why import Waiting, Why, why
from tasks.model.errors import Permanent
from workers.cli.events import standing, thing_of
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, console, short, text, when

_COLOURS = {"done": "green", "dead": "bold red", "asked": "yellow", "read": "green", "failed": "bold red"}
#: Findings like these decided something; the others were looked at and passed over.
_DECIDED = ("fired", "matched", "ok", "raised")


@click.command("why")
@click.argument("event_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@json_option
@site_option
def tell_why(event_id: int, as_json: bool) -> None:
    """Tell why event ID led to what it led to: decisions, effects, reads, and what it raised."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = why(session, event_id)
    if found is None:
        raise Permanent(f"there is no event {event_id}: `catchment events` lists those that there are")
    if as_json:
        as_document(found.as_dict())
    else:
        console().print(tree_of(found))


def tree_of(found: Why) -> Tree:
    """The tree of an event: its causes above it, what followed below."""
    top: Tree | None = None
    above: Tree | None = None
    for cause in found.causes:
        label = text(_headline(cause))
        above = above.add(label) if above is not None else Tree(label)
        top = top or above
    label = text(_headline(found.event), "bold")
    here = above.add(label) if above is not None else Tree(label)
    _notification(here, found)
    own = Deed(
        found.event,
        found.decisions,
        found.effects,
        found.refresh,
        found.changes,
        found.incidents,
    )
    below: dict[int, list[Deed]] = {}
    for child in found.children:
        # A line in a circle is no tree; it is shown once.
        if child.event.parent_id is not None and child.event.id != found.event.id:
            below.setdefault(child.event.parent_id, []).append(child)
    _deed(here, own, below)
    if found.hold is not None:
        here.add(text(_waiting(found.hold), "yellow"))
    for what in found.cut:
        here.add(text(f"more {what} than are shown here", "yellow"))
    return top or here


def _headline(event: EventLine) -> str:
    raised = ", raised" if event.raised else ""
    return (
        f"event {event.id} {short(event.event_type, 80)} on {thing_of(event)} at {when(event.occurred_at)} "
        f"({short(event.provider, 40)}{raised})"
    )


def _notification(here: Tree, found: Why) -> None:
    event, said = found.event, found.notification
    lag = max((event.caught_at - event.occurred_at).total_seconds(), 0.0)
    if said is not None and event.raised:
        carried = said.content.get("payload") if isinstance(said.content, dict) else None
        listed = carried.items() if isinstance(carried, dict) else ()
        here.add(text("carries " + ", ".join(f"{name} {short(value, 80)}" for name, value in listed)))
    elif said is not None:
        here.add(text(f"caught {when(event.caught_at)} by {said.road or 'push'}, {lag:.1f} s after it happened"))
    for twin in found.sightings[1:]:
        here.add(text(f"seen again as {twin.raw_event_type} by {twin.road} at {when(twin.seen_at)}"))
    facts = {
        "project": event.tenant_id,
        "actor": event.actor,
        "host": event.host,
        "phase": event.phase,
        "request": event.request_id,
    }
    known = ", ".join(f"{name} {short(value, 80)}" for name, value in facts.items() if value)
    if known:
        here.add(text(known))


def _deed(here: Tree, deed: Deed, below: dict[int, list[Deed]]) -> None:
    for decision in deed.decisions:
        _decision(here, decision)
    for effect in deed.effects:
        _effect(here, effect)
    for link in deed.incidents:
        here.add(text(_incident(link), "bold red" if link.incident.state == "open" else ""))
    for target in deed.refresh:
        here.add(text(_refresh(target), _COLOURS.get(target.state, "yellow")))
    for change in deed.changes:
        branch = here.add(text(f"inventory: {change.kind}/{change.ref} {change.verdict} at {when(change.at)}"))
        for name in sorted({*change.before, *change.after}):
            before, after = (short(side.get(name, "-"), 80) for side in (change.before, change.after))
            branch.add(text(f"{name}: {before} → {after}"))
    # Taken out, so that no event is shown twice whatever its row claims.
    for child in below.pop(deed.event.id, []):
        branch = here.add(text(_headline(child.event), "bold"))
        _deed(branch, child, below)
    here.add(text(*_end(deed.event)))


def _decision(here: Tree, decision: DecisionLine) -> None:
    label = f"{decision.stage} at {when(decision.decided_at)}, site {decision.site_version}"
    if decision.alike is not None and decision.alike.events > 1:
        label += f", {decision.alike.events - 1:,} more like this"
    branch = here.add(text(label, "red" if decision.error else ""))
    if decision.error:
        branch.add(text(decision.error, "red"))
    # What was found at an object stands below the relationship that led to it.
    places: dict[str, Tree] = {}
    for finding in decision.findings:
        verdict, name = str(finding.get("verdict", "")), str(finding.get("name", ""))
        detail = dict(finding.get("detail") or {})
        owner = str(detail.pop("of", name.rpartition(".")[0]))
        told = f"{finding.get('kind', '')} {short(name, 80)}: {short(verdict, 80)}"
        line = text(told, "green" if verdict in _DECIDED else "")
        below = places.get(owner, branch).add(line.append(f"  {short(detail)}", style="dim") if detail else line)
        if finding.get("kind") == "instance":
            places[name] = below


def _effect(here: Tree, tried: TriedEffect) -> None:
    effect = tried.effect
    target = f" on {effect.target_kind}/{effect.target_id}" if effect.target_kind else ""
    state = "being tried" if effect.running else effect.state
    label = f"effect {effect.id} {effect.action} for {short(effect.rule, 80)}{short(target, 100)}: {state}"
    branch = here.add(text(label, _COLOURS.get(effect.state, "")))
    for attempt in tried.tries:
        end = when(attempt.ended_at) if attempt.ended_at else "still running"
        told = f"try {attempt.attempt} by {attempt.worker}, {end}: {attempt.verdict or 'no answer yet'}"
        branch.add(text(f"{told}. {short(attempt.summary)}" if attempt.summary else told))
    if effect.error:
        branch.add(text(effect.error, "red"))


def _incident(link: IncidentLink) -> str:
    incident = link.incident
    how = "opened" if link.relation == "opened" else "counted on"
    return (
        f"{how} incident {incident.id} {short(incident.alert, 80)} ({incident.severity}, {incident.state}, "
        f"fired {incident.count} time{'' if incident.count == 1 else 's'}): {short(incident.summary, 120)}"
    )


def _refresh(target: RefreshLine) -> str:
    thing = f"refresh {target.kind}/{short(target.ref, 80)}: {target.state}"
    if target.state == "read" and target.read_at is not None:
        return f"{thing} at {when(target.read_at)}"
    if target.error:
        return f"{thing} after {target.attempts} tries: {short(target.error, 160)}"
    return thing


def _waiting(hold: Waiting) -> str:
    due = f", due {when(hold.due_at)}" if hold.due_at else ""
    if hold.behind is not None:
        return f"waits behind event {hold.behind}, which is about the same object and waits for a retry"
    if hold.own_retry:
        return f"waits for try {hold.attempts + 1} at {hold.stage}{due}; later events on its object wait behind it"
    if hold.inventory:
        return "waits until its provider's inventory has been read for the first time"
    return f"waits for a worker at {hold.stage}{due}"


def _end(event: EventLine) -> Sequence[str]:
    if event.state == DEAD:
        told = f"dead at {event.stage} after {event.attempts} tries: {short(event.error, 220)}"
        return f"{told}. Again: catchment retry {event.id}", "bold red"
    if event.state == PENDING:
        return standing(event), "yellow"
    spent = (event.finished_at - event.caught_at).total_seconds() if event.finished_at else 0.0
    at = f" {when(event.finished_at)}, {spent:.1f} s after it was caught" if event.finished_at else ""
    return f"{standing(event)}{at}", "green"
