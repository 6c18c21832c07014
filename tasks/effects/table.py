"""The table of actions: those that come with Catchment, and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from tasks.effects import inner
from tasks.effects.cloud import CLOUD_ACTIONS
from tasks.effects.contracts import Action
from tasks.effects.log import Log
from tasks.effects.mail import Mail
from tasks.effects.script import Script
from tasks.effects.snmp import SnmpTrap
from tasks.effects.webhook import Webhook
from tasks.model.errors import Permanent

#: Packages extend the table with entry points of this group: the action's word, and its class.
GROUP = "catchment.actions"

BUILT_IN: Mapping[str, Callable[[], Action]] = MappingProxyType(
    {
        "log": Log,
        "webhook": Webhook,
        "mail": Mail,
        "script": Script,
        "prevent": inner.Prevent,
        "evaluate_alerts": inner.EvaluateAlerts,
        "tag": inner.GiveTags,
        "untag": inner.TakeTags,
        "snmp_trap": SnmpTrap,
        "approve_request": inner.ApproveRequest,
        "deny_request": inner.DenyRequest,
        "raise_event": inner.RaiseEvent,
        "management_event": inner.ManagementEvent,
        "timeline_mark": inner.TimelineMark,
        "refresh": inner.RefreshTarget,
        "check_compliance": inner.CheckCompliance,
        "mark_noncompliant": inner.MarkNonCompliant,
        "automate": inner.CallInstance,
        "open_request": inner.OpenRequest,
        **{action.name: action for action in CLOUD_ACTIONS},
    }
)


@cache
def actions() -> Mapping[str, Action]:
    """Every action by its word.

    Raises ``Permanent`` for a package whose action cannot be loaded or takes a word that is taken.
    """
    table: dict[str, Action] = {name: make() for name, make in BUILT_IN.items()}
    for point in entry_points(group=GROUP):
        if point.name in table:
            raise Permanent(f"{_origin(point)} brings an action {point.name!r}, which exists: rename or remove it")
        table[point.name] = _load(point)
    return MappingProxyType(table)


def _load(point: EntryPoint) -> Action:
    try:
        made: Action = point.load()()
    # Foreign code may fail in any way, and the package has to be named.
    except Exception as mistake:
        raise Permanent(
            f"{_origin(point)} brings the action {point.name!r}, which does not load "
            f"({type(mistake).__name__}: {mistake}): mend or remove the package"
        ) from mistake
    missing = [part for part in ("name", "params", "limit_seconds", "run") if not hasattr(made, part)]
    if missing:
        raise Permanent(f"{_origin(point)}: the action {point.name!r} lacks {', '.join(missing)}")
    return made


def _origin(point: EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist else "an installed package"
