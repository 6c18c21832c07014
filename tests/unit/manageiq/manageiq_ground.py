"""What the tests of imports stand on: items as ManageIQ exports them, and an import of them."""

from __future__ import annotations

from typing import Any

import yaml

from tasks.effects.table import actions
from tasks.site.contracts import SiteContext
from tasks.site.settings import Settings
from workers.manageiq import takeover
from workers.manageiq.report import LEFT_OUT, Report

#: The actions that every installation has; a test adds the others that it is about.
ALWAYS = ("log", "mail", "script", "raise_event", "refresh", "check_compliance", "mark_noncompliant", "automate")
CONTEXT = SiteContext(Settings(), {}, {word: actions()[word] for word in ALWAYS})


def tagged(tree: Any) -> dict[str, Any]:
    """An expression as an export has it, but for its tag."""
    return {"exp": tree, "context_type": None}


OWNED = tagged({"CONTAINS": {"tag": "Vm.managed-department", "value": "research"}})
LOG = {"name": "log", "description": "Generate log message", "action_type": "default", "options": {}}


def row(event: str = "vm_start", action: Any = LOG, qualifier: str = "failure", rank: Any = 1, **more: Any) -> Any:
    """One row of a policy: an event with an action on one side."""
    return {
        "qualifier": qualifier,
        f"{qualifier}_sequence": rank,
        f"{qualifier}_synchronous": False,
        "MiqEventDefinition": {"name": event, "description": event, "event_type": "Default"},
        "MiqAction": action,
        **more,
    }


def action(name: str, kind: str = "default", /, **options: Any) -> dict[str, Any]:
    """One action."""
    return {"name": name, "description": name, "action_type": kind, "options": options}


def condition(**more: Any) -> dict[str, Any]:
    """One condition."""
    return {"name": "c1", "description": "owned", "towhat": "Vm", "guid": "c1", "expression": OWNED, **more}


def policy(*rows: Any, **more: Any) -> dict[str, Any]:
    """One policy; on vm_start with a log line where nothing else is given."""
    written: dict[str, Any] = {"name": "p1", "description": "Night watch", "guid": "p1", "towhat": "Vm"}
    return {"MiqPolicy": {**written, "mode": "control", "MiqPolicyContent": list(rows) or [row()], **more}}


def alert(**more: Any) -> dict[str, Any]:
    """One alert."""
    written: dict[str, Any] = {"guid": "a1", "description": "Too big", "db": "Vm", "enabled": True}
    written |= {"responds_to_events": "vm_start", "miq_expression": OWNED}
    return {"MiqAlert": {**written, **more}}


def took(*items: Any, places: Any = ()) -> tuple[dict[str, Any], Report]:
    """What an import of the items makes: the data of each file by its path, and the report."""
    drafts, report = takeover.convert(yaml.safe_dump(list(items)).encode(), CONTEXT, places)
    made = takeover.placed(drafts, {})
    takeover.prove(made, {}, CONTEXT)
    return {path: yaml.safe_load(text) for path, text in made.items()}, report


def only_policy(*items: Any) -> dict[str, Any]:
    """The one entry that an import makes of a policy."""
    files, report = took(*items)
    [found] = [data["policies"] for path, data in files.items() if path.startswith("policies/")]
    [entry] = found
    assert report.complete(), report.lines
    result: dict[str, Any] = entry
    return result


def left_out(report: Report) -> list[str]:
    """The lines of what was left out."""
    return [f"{' / '.join(told.path)}: {told.text}" for told in report.lines if told.verdict == LEFT_OUT]


def changes(report: Report) -> list[str]:
    """The lines of what is not as it was."""
    return [f"{' / '.join(told.path)}: {told.text}" for told in report.lines if told.verdict == "changed"]
