"""The doors of rule events: what the clock does for them, and the news that Catchment was started."""

from __future__ import annotations

from celery import shared_task

from tasks.conveyor import launch
from tasks.conveyor.installation import current
from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.model import clock
from tasks.rules import tick


@shared_task(name="rules.tick")
def run_tick() -> None:
    """Ask rule events about what has changed, and now and then about everything."""
    present = current()
    site = present.site
    lanes = tick.tick(present.ledger, site.settings, site.part("rules"), clock.now())
    if lanes:
        launch.launch(ENTRY_OF_RAISED, lanes, site.settings.conveyor.fanout)


@shared_task(name="rules.start")
def run_start(run: str) -> None:
    """Tell that Catchment was started; ``run`` names this start."""
    present = current()
    settings = present.site.settings
    lanes = tick.start(present.ledger, settings, clock.now(), run)
    if lanes:
        launch.launch(ENTRY_OF_RAISED, lanes, settings.conveyor.fanout)
