"""The object tree of one run, with all that happened at each object, as plain data: for people and programs."""

from __future__ import annotations

from typing import Any

from tasks.model.outcome import Finding
from tasks.switchboard.offline import plain
from tasks.switchboard.text import bounded
from tasks.switchboard.workspace import Call, Object, Workspace


def tree_of(workspace: Workspace) -> dict[str, Any]:
    """How a run went, and its objects from the top down.

    An object has its ``path``, ``message`` and ``attributes``, the ``steps`` that were taken at it in order
    (relationships that led nowhere, methods with their inputs, states, fields that are off), the fields that
    were ``skipped`` because they answer to another message, and its ``children``.
    """
    return {
        "uri": workspace.uri,
        "result": workspace.result,
        "outcome": workspace.outcome,
        "error": bounded(str(workspace.error), 500) if workspace.error else None,
        "faults": [{"address": address, "message": text} for address, text in workspace.faults],
        "objects": [_object(root, _steps(workspace)) for root in workspace.roots],
        # Steps of objects that were dropped again, or stood outside of the tree.
        "dropped": _loose(workspace),
        "left_out": workspace.left_out,
    }


def _object(built: Object, steps: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    skipped = [
        {"field": field.name, "answers_to": sorted(field.messages or ())}
        for field, _ in built.found.of.steps(built.found.instance)
        if not field.answers(built.message)
    ]
    return {
        "path": built.path,
        "message": built.message,
        "missing": built.found.missing,
        "attributes": {name: plain(value) for name, value in built.attributes.items()},
        "steps": steps.pop(built.path, []),
        "skipped": skipped,
        "children": [_object(child, steps) for child in built.children],
    }


def _steps(workspace: Workspace) -> dict[str, list[dict[str, Any]]]:
    """What happened at each object, by its path."""
    found: dict[str, list[dict[str, Any]]] = {}
    for step in workspace.trace:
        owner, told = _told(step)
        found.setdefault(owner, []).append(told)
    return found


def _loose(workspace: Workspace) -> list[dict[str, Any]]:
    there = {built.path for built in workspace.objects}
    return [
        {"of": owner, **told}
        for owner, steps in _steps(workspace).items()
        if owner not in there and owner
        for told in steps
    ]


def _told(step: Finding | Call) -> tuple[str, dict[str, Any]]:
    """The path of the object that a step belongs to, and the step as data."""
    if isinstance(step, Call):
        inputs = {name: plain(value) for name, value in step.inputs.items()}
        return step.of, {"kind": "method", "name": step.method, "location": step.location, "inputs": inputs}
    detail = {key: plain(value) for key, value in step.detail.items() if key != "of"}
    told = {"kind": step.kind, "name": step.name, "verdict": step.verdict, **detail}
    if step.kind == "instance":
        return str(step.detail.get("of", "")), told
    if step.kind == "object":
        return step.name, told
    return step.name.rpartition(".")[0] if step.kind != "method" else step.name, told
