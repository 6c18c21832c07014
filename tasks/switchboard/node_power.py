"""Raises the policy event of a bare-metal node that was switched.

Ironic has one type for all of it: whether a node was started, stopped or reset stands in the event alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.model.event import Event
from tasks.model.outcome import Outcome, Plan, Raise
from tasks.switchboard.result import Result
from tasks.switchboard.text import bounded

#: Ironic's words for where the power went, and the event that says so.
EVENTS: Mapping[str, str] = {
    "power on": "physical_server_start",
    "power off": "physical_server_shutdown",
    "soft power off": "physical_server_shutdown",
    "rebooting": "physical_server_reset",
    "soft rebooting": "physical_server_reset",
}


def raise_power(_: Mapping[str, Any], event: Event, outcome: Outcome, __: Plan) -> Result:
    """Raise ``physical_server_start``, ``_shutdown`` or ``_reset`` on the event's node.

    What was asked for (``to_power``) stands above the state that came of it: a reboot leaves the power on.
    """
    node = event.role("physical_server")
    if node is None:
        return Result("skipped", {"reason": "the event names no node"})
    word = event.facts.details.get("to_power") or event.facts.details.get("power_state")
    name = EVENTS.get(word) if isinstance(word, str) else None
    if name is None:
        return Result("skipped", {"reason": f"there is no event for the power state {bounded(str(word))}"})
    outcome.raises.append(Raise(name, node))
    return Result("raised", {"event": name, "on": str(node)})
