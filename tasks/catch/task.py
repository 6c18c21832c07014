"""The doors of catch: the tick that beat rings every 20 seconds, and the poll of one provider."""

from __future__ import annotations

import structlog
from celery import shared_task

from tasks.catch.poll import poll
from tasks.conveyor import installation, launch, sweep
from tasks.model import clock
from tasks.model.errors import CatchmentError

log = structlog.get_logger(__name__)


@shared_task(name="catch.tick")
def tick() -> None:
    """Start a catch of every provider of the site."""
    present = installation.current()
    with present.ledger.transaction() as session:
        sweep.mark(session, "tick", clock.now())
    for name in present.site.providers:
        launch.launch_catch(name)


@shared_task(name="catch.poll")
def poll_provider(name: str) -> None:
    """Catch what one provider has; one with more waiting is asked again at once (DESIGN 3)."""
    present = installation.current()
    if name not in present.site.providers:
        log.warning("the site has no such provider any more", provider=name)
        return
    fanout = present.site.settings.conveyor.fanout
    try:
        caught = poll(present, name, lambda lanes: launch.launch("convert", lanes, fanout))
    except CatchmentError as error:
        log.warning("a catch failed; the next tick tries again", provider=name, error=str(error))
        return
    if caught.stored:
        log.info("caught", provider=name, stored=caught.stored)
    if caught.more:
        launch.launch_catch(name)
