"""The doors of policies: the stage, and what the clock does for them."""

from __future__ import annotations

from celery import shared_task

from tasks.conveyor import launch
from tasks.conveyor.installation import current
from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.conveyor.stage import stage_task
from tasks.model import clock
from tasks.policy.handle import policy_handler
from tasks.policy.tick import tick

run = stage_task("policy", policy_handler)


@shared_task(name="policy.tick")
def run_tick() -> None:
    """Have objects checked whose newest compliance check is too old."""
    present = current()
    site = present.site
    lanes = tick(present.ledger, site.settings, site.part("policies"), clock.now())
    if lanes:
        launch.launch(ENTRY_OF_RAISED, lanes, site.settings.conveyor.fanout)
