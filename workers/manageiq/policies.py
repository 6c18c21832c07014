"""ManageIQ's policies as policies of ours (spec policy-alerts 2.1 to 2.6, 2.11)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tasks.model.compliance import check_event
from workers.manageiq.actions import Cause, action_name
from workers.manageiq.conditions import Unreadable, condition
from workers.manageiq.items import Item, mappings, name_of, numbered, title
from workers.manageiq.kit import Entry, Kit
from workers.manageiq.report import Path
from workers.manageiq.words import KINDS

_COMPLIANCE, _CONTROL = "compliance", "control"
_SIDES = {"success": "then", "failure": "otherwise"}
#: The marker by which ManageIQ knows that a compliance policy failed, and the action that none of them may have.
_FAILED, _CHECK = "compliance_failed", "check_compliance"


@dataclass(slots=True)
class _Event:
    """An event of a policy, with the actions of both sides: rank in ManageIQ, and action."""

    name: str
    path: Path
    sides: dict[str, list[tuple[tuple[bool, int, int], Item]]] = field(default_factory=dict)


def policy_entries(item: Item, name: str, kit: Kit) -> list[Entry]:
    """A policy as one entry, or as one for each set of actions that its events have; none where it is left out."""
    path: Path = (f"policy {title(item)!r}",)
    model = str(item.get("towhat") or "Vm")
    kind, mode = KINDS.get(model), str(item.get("mode") or _CONTROL)
    if kind is None:
        kit.report.left_out(path, f"it is about {model}, which no provider here has")
        return []
    if mode not in (_CONTROL, _COMPLIANCE):
        kit.report.left_out(path, f"its mode {mode[:40]!r} is neither control nor compliance")
        return []
    try:
        scope = condition(item.get("expression"), kind, (*path, "scope"), kit)
        conditions = _conditions(item, model, kind, path, kit)
    except Unreadable:
        kit.report.left_out(path, "it would apply where it must not: its scope and all its conditions are needed")
        return []
    groups = _groups(item, name, kind, mode, path, kit)
    if not groups:
        kit.report.left_out(path, "none of its events is one that it can be asked on")
        return []
    entries = []
    for events, sides in groups:
        called = name if len(groups) == 1 else f"{name} on {events[0]}"[:100]
        entries.append(_entry(item, called, mode, kind, events, scope, conditions, sides))
    if len(groups) > 1:
        kit.report.changed(path, f"its events have different actions: it becomes {len(groups)} policies")
    if not kit.reads("policy", entries, path):
        return []
    kit.report.taken(path, f"as {', '.join(repr(entry['name']) for entry in entries)}")
    return entries


def _entry(
    item: Item, name: str, mode: str, kind: str, events: list[str], scope: Any, conditions: list[Any], sides: Any
) -> Entry:
    notes = " ".join(str(item.get("notes") or "").split())
    entry: Entry = {"name": name, "description": f"{title(item)}{f'. {notes}' if notes else ''}"[:2000]}
    if mode == _COMPLIANCE:
        entry |= {"mode": mode, "target": kind}
    else:
        entry |= {"target": kind, "on": events}
    if item.get("active") is False:
        entry["active"] = False
    if scope is not None:
        entry["scope"] = scope
    if conditions:
        entry["conditions"] = conditions
    return entry | {key: actions for key, actions in sides.items() if actions}


def _conditions(item: Item, model: str, kind: str, path: Path, kit: Kit) -> list[Entry]:
    """All conditions, each with its own scope. Raises ``Unreadable`` where one cannot be read."""
    found: list[Entry] = []
    broken = False
    written = mappings(item.get("Condition"))
    for one, name in zip(written, numbered(name_of(one) for one in written), strict=True):
        place = (*path, f"condition {title(one)!r}")
        about = str(one.get("towhat") or model)
        if about != model and KINDS.get(about) != kind:
            kit.report.changed(place, f"it is about {about} and never asked in this policy: left away")
            continue
        deny = str(one.get("modifier") or "").lower() == "deny"
        try:
            when = condition(one.get("expression"), kind, place, kit, deny=deny)
            scope = condition(one.get("applies_to_exp"), kind, (*place, "applies to"), kit)
        except Unreadable:
            broken = True
            continue
        if when is None:
            kit.report.left_out(place, "it has no expression")
            broken = True
            continue
        found.append({"name": name, "when": when, **({} if scope is None else {"scope": scope})})
    if broken:
        raise Unreadable
    return found


def _groups(
    item: Item, name: str, kind: str, mode: str, path: Path, kit: Kit
) -> list[tuple[list[str], dict[str, list[Any]]]]:
    """The events, those with the same actions together, each group with its actions."""
    found: dict[str, tuple[list[str], dict[str, list[Any]]]] = {}
    marked = False
    for event in _events(item, path, kit):
        if not _usable(event, kind, mode, kit):
            continue
        sides: dict[str, list[Any]] = {}
        for qualifier, key in _SIDES.items():
            ranked = [one for _, one in sorted(event.sides.get(qualifier, []), key=lambda ranked: ranked[0])]
            marked = marked or (qualifier == "failure" and any(action_name(one) == _FAILED for one in ranked))
            cause = Cause("policy", name, "succeeded" if qualifier == "success" else "failed")
            sides[key] = [
                one for action in ranked for one in _action(action, qualifier, mode, kind, cause, event.path, kit)
            ]
        found.setdefault(json.dumps(sides, default=str), ([], sides))[0].append(event.name)
    if mode == _COMPLIANCE:
        if not found:
            kit.report.changed(path, "it names no check of such objects: here it is asked on each")
            found = {"": ([check_event(kind)], {})}
        if not marked:
            kit.report.changed(path, "without compliance_failed it marks nothing in ManageIQ: here it does")
    return list(found.values())


def _events(item: Item, path: Path, kit: Kit) -> list[_Event]:
    """The events of a policy in the order of the export, their rows together."""
    events: dict[str, _Event] = {}
    waiting = 0
    for index, row in enumerate(mappings(item.get("MiqPolicyContent"))):
        definition = row.get("MiqEventDefinition") or row.get("MiqEvent")
        name = str(definition.get("name") or "") if isinstance(definition, dict) else ""
        if not name:
            kit.report.left_out((*path, f"event {index + 1}"), "it has no name")
            continue
        event = events.setdefault(name, _Event(name, (*path, f"event {name}")))
        action = row.get("MiqAction")
        if not isinstance(action, dict):
            continue
        qualifier = str(row.get("qualifier") or "failure")
        if qualifier not in _SIDES:
            what = f"its qualifier {qualifier[:40]!r} is neither success nor failure: ManageIQ never runs it"
            kit.report.left_out((*event.path, f"action {action_name(action)}"), what)
            continue
        side = event.sides.setdefault(qualifier, [])
        if any(action_name(one) == action_name(action) and one == action for _, one in side):
            continue
        sequence = row.get(f"{qualifier}_sequence")
        rank = (not isinstance(sequence, int), sequence if isinstance(sequence, int) else 0, index)
        side.append((rank, action))
        waiting += row.get(f"{qualifier}_synchronous") is not False
    if waiting:
        what = f"{waiting} of its actions ran synchronously: kept in order, they run asynchronously"
        kit.report.changed(path, what)
    return list(events.values())


def _usable(event: _Event, kind: str, mode: str, kit: Kit) -> bool:
    known = kit.context.definitions.get(event.name)
    if mode == _COMPLIANCE:
        if event.name != check_event(kind):
            kit.report.left_out(event.path, f"a compliance policy is asked on {check_event(kind)} alone")
        return event.name == check_event(kind)
    if known is None:
        kit.report.left_out(event.path, "there is no internal event of this name: one of your own stands in events/")
    elif not known.control:
        kit.report.left_out(event.path, f"such an event ({known.category}) sets off no control policy")
    return known is not None and known.control


def _action(
    action: Item, qualifier: str, mode: str, kind: str, cause: Cause, path: Path, kit: Kit
) -> list[dict[str, Any] | str]:
    name = action_name(action)
    place = (*path, f"action {name}")
    if name == _FAILED and mode == _COMPLIANCE and qualifier == "failure":
        return []  # A condition that is false makes the object non-compliant by itself.
    if name == _FAILED:
        kit.report.left_out(place, "it marks the failure of a compliance policy: use mark_noncompliant elsewhere")
        return []
    if name == _CHECK and mode == _COMPLIANCE:
        kit.report.left_out(place, "in a compliance policy it would never come to an end")
        return []
    return kit.actions.written(action, kind, cause, place)
