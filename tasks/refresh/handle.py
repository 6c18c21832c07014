"""The last stage: store the refresh targets that the switchboard named, and finish the event."""

from __future__ import annotations

from tasks.model.event import Event
from tasks.model.outcome import Finding, Outcome, Plan, View

_NOTHING = Finding("target", "-", "nothing to read")


def refresh_handler(event: Event, view: View) -> Outcome:
    """The event's refresh targets, each once. The reading itself happens apart (see :mod:`tasks.refresh.refresher`)."""
    targets = list(dict.fromkeys(Plan.from_dict(event.plan).targets))
    if not targets:
        return Outcome(findings=[_NOTHING])
    return Outcome(findings=[Finding("target", str(target), "wanted") for target in targets], targets=targets)
