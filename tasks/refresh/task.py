"""The doors of refresh: the last stage, the refresher, and its clock."""

from __future__ import annotations

import structlog
from celery import shared_task

from tasks.conveyor import installation, launch
from tasks.conveyor.order import ENTRY_OF_RAISED, NEEDS_INVENTORY
from tasks.conveyor.stage import stage_task
from tasks.model import clock
from tasks.refresh import tick as clockwork
from tasks.refresh.handle import refresh_handler
from tasks.refresh.refresher import refresh

log = structlog.get_logger(__name__)

run = stage_task("refresh", refresh_handler)


@shared_task(name="refresh.read")
def read() -> None:
    """Read what is owed. A provider that became ready has its waiting events started."""
    present = installation.current()

    def ring(lanes: set[int]) -> None:
        launch.launch(ENTRY_OF_RAISED, lanes, present.site.settings.conveyor.fanout)

    if refresh(present, ring=ring):
        launch.launch(
            NEEDS_INVENTORY, range(present.site.settings.conveyor.lanes), present.site.settings.conveyor.fanout
        )


@shared_task(name="refresh.tick")
def tick() -> None:
    """Have providers refreshed as a whole whose time has come."""
    present = installation.current()
    with present.ledger.transaction() as session:
        due = clockwork.tick(session, present.site, clock.now())
    if due:
        log.info("full refreshes are due", providers=due)
        launch.launch_reads()
