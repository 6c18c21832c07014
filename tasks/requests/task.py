"""The door of the requests room."""

from __future__ import annotations

from celery import shared_task

from tasks.conveyor import launch
from tasks.conveyor.installation import current
from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.model import clock
from tasks.requests.tick import tick


@shared_task(name="requests.tick")
def run_tick() -> None:
    """Start requests that are due, and deny those that nobody decided on."""
    present = current()
    lanes = tick(present.ledger, present.site.settings, clock.now())
    if lanes:
        launch.launch(ENTRY_OF_RAISED, lanes, present.site.settings.conveyor.fanout)
