"""The doors of alerts: the stage, what the clock does for them, and readings that have come."""

from __future__ import annotations

from celery import shared_task

from tasks.alert.handle import alert_handler
from tasks.alert.received import receive
from tasks.alert.tick import tick
from tasks.conveyor import launch
from tasks.conveyor.installation import current
from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.conveyor.stage import stage_task
from tasks.model import clock

run = stage_task("alert", alert_handler)


@shared_task(name="alert.tick")
def run_tick() -> None:
    """Ask the alerts that the clock asks about the next objects of their kind."""
    present = current()
    site = present.site
    lanes = tick(present.ledger, site.settings, site.part("alerts"), clock.now())
    if lanes:
        launch.launch(ENTRY_OF_RAISED, lanes, site.settings.conveyor.fanout)


@shared_task(name="alert.receive")
def run_receive() -> None:
    """Ask alerts about the readings that have come."""
    present = current()
    site = present.site
    lanes = receive(present.ledger, site.settings, site.part("alerts"), clock.now())
    if lanes:
        launch.launch(ENTRY_OF_RAISED, lanes, site.settings.conveyor.fanout)
