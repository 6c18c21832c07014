"""ManageIQ's alerts as alerts of ours (spec policy-alerts 5.1, 5.2, 5.7)."""

from __future__ import annotations

import re
from typing import Any

from tasks.alert.entry import AlertEntry
from workers.manageiq.actions import Cause, Made, plain_text
from workers.manageiq.conditions import Unreadable, condition
from workers.manageiq.items import Item, title
from workers.manageiq.kit import Entry, Kit
from workers.manageiq.report import Path
from workers.manageiq.words import KINDS

_TIMER = "_hourly_timer_"
#: Why an alert of a built-in kind cannot be taken over.
_KINDS = {
    "event_threshold": "it counts events of VMware, which no provider here sends: write one with `at_least`",
    "event_log_threshold": "there is no scan of log files",
    "hostd_log_threshold": "there is no scan of log files",
    "ems_alarm": "it is about alarms of VMware",
    "dwh_generic": "there is no data warehouse",
}
_FIGURES = "there are no figures of performance and no history of hardware to judge by"
#: How ManageIQ notifies, and the action that does the same.
_NOTIFY = {"email": "email", "snmp": "snmp_trap"}


def alert_entry(item: Item, name: str, kit: Kit) -> Entry | None:
    """An alert as an entry; None where it is left out."""
    path: Path = (f"alert {title(item)!r}",)
    model = str(item.get("db") or "Vm")
    kind = KINDS.get(model)
    if kind is None:
        kit.report.left_out(path, f"it is about {model}, which no provider here has")
        return None
    asked = _asked(item, path, kit)
    try:
        when = _when(item, kind, path, kit)
    except Unreadable:
        kit.report.left_out(path, "without its expression it would fire where it must not")
        return None
    if not asked:
        kit.report.left_out(path, "it is asked on no event here")
        return None
    entry: Entry = {"name": name, "description": plain_text(title(item))}
    if item.get("severity") is not None:
        entry["severity"] = str(item["severity"])
    entry |= {"target": kind, **asked}
    if item.get("enabled") is not True:
        entry["active"] = False
        if item.get("enabled") is None:
            kit.report.changed(path, "it does not say whether it is enabled: in ManageIQ it is not, nor here")
    if when is not None:
        entry["when"] = when
    entry |= _notifications(item, name, kind, path, kit)
    if not kit.reads("alert", [entry], path):
        return None
    kit.report.taken(path, f"as {name!r}")
    return entry


def _asked(item: Item, path: Path, kit: Kit) -> Entry:
    """The events that the alert is asked on, or how often the clock asks it; empty where neither can be."""
    written = item.get("responds_to_events")
    words = written if isinstance(written, list) else re.split(r"[,\s]+", str(written or ""))
    found: list[str] = []
    for name in dict.fromkeys(str(word) for word in words if word):
        place = (*path, f"event {name}")
        known = kit.context.definitions.get(name)
        if name == _TIMER:
            if len(words) == 1 and "every" in AlertEntry.model_fields:
                return {"every": "1h"}
            kit.report.left_out(place, "an alert that is asked on events is not asked every hour")
        elif known is None:
            kit.report.left_out(place, "there is no internal event of this name: one of your own stands in events/")
        elif not known.alerting:
            kit.report.left_out(place, "such an event sets off no alert")
        else:
            found.append(name)
    return {"on": found} if found else {}


def _when(item: Item, kind: str, path: Path, kit: Kit) -> Any:
    """What must hold. Raises ``Unreadable``, after the report was told why."""
    written = item.get("miq_expression") or item.get("expression")
    hashed = item.get("hash_expression") or written
    if isinstance(hashed, dict) and hashed.get("eval_method"):
        method = str(hashed["eval_method"])
        if method == "nothing" and str(hashed.get("mode") or "internal") == "internal":
            return None
        kit.report.left_out((*path, f"kind {method}"), _KINDS.get(method, _FIGURES))
        raise Unreadable
    tree = condition(written, kind, (*path, "expression"), kit)
    if tree is None:
        kit.report.left_out((*path, "expression"), "it has none")
        raise Unreadable
    return tree


def _notifications(item: Item, name: str, kind: str, path: Path, kit: Kit) -> Entry:
    options = item.get("options")
    written = options.get("notifications") if isinstance(options, dict) else None
    notify: list[Any] = []
    found: Entry = {}
    for word, value in (written if isinstance(written, dict) else {}).items():
        place = (*path, f"notification {word}")
        if word == "delay_next_evaluation":
            found["delay"] = f"{value}s" if isinstance(value, int) else str(value)
        elif word in _NOTIFY:
            for one in value if isinstance(value, list) else [value]:
                if word == "email" and isinstance(one, dict) and not one.get("to"):
                    kit.report.changed(place, "it names nobody, so ManageIQ sends nothing: left away")
                    continue
                action = {"name": _NOTIFY[word], "options": one}
                notify += kit.actions.written(action, kind, Cause("alert", name, "triggered"), place)
        elif word == "evm_event" and "timeline_mark" in kit.context.actions:
            notify += kit.actions.written({"name": word}, kind, Cause("alert", name, "triggered"), place)
        elif word == "evm_event":
            kit.report.changed(place, "an incident is kept of each firing: left away")
        elif word == "automate":
            raised = kit.actions.checked(_management_event(value, kit), kind, place)
            notify += [] if raised is None else [raised]
        else:
            kit.report.left_out(place, "there is no such way to notify")
    return found | ({"notify": notify} if notify else {})


def _management_event(value: Any, kit: Kit) -> Made:
    """``Send a management event``: an instance of Automate answers to it by its name."""
    event = str(value.get("event_name") or "") if isinstance(value, dict) else ""
    if "management_event" in kit.context.actions:
        return Made("management_event", {"event_name": event})
    return Made("raise_event", {"name": event}, f"raises the internal event {event}: define it in events/")
