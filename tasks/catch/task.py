"""The doors of catch: the tick that beat rings every 20 seconds, the poll of one provider, and the filling of a gap."""

from __future__ import annotations

import structlog
from celery import shared_task

from tasks.catch.fill import fill
from tasks.catch.poll import poll
from tasks.conveyor import installation, launch, sweep
from tasks.ledger import gaps
from tasks.model import clock
from tasks.model.errors import CatchmentError

log = structlog.get_logger(__name__)


@shared_task(name="catch.tick")
def tick() -> None:
    """Start a catch of every provider of the site, and have gaps filled."""
    present = installation.current()
    with present.ledger.transaction() as session:
        sweep.mark(session, "tick", clock.now())
        waiting = gaps.due(session, clock.now())
    for name in present.site.providers:
        launch.launch_catch(name)
    for gap_id in waiting:
        launch.launch_fill(gap_id)


@shared_task(name="catch.fill")
def fill_gap(gap_id: int) -> None:
    """Read what is missing of a provider from its event API; one with more to read goes on at once."""
    present = installation.current()
    fanout = present.site.settings.conveyor.fanout
    filled = fill(present, gap_id, lambda lanes: launch.launch("convert", lanes, fanout))
    if filled.stored:
        log.info("a gap is being filled", gap_id=gap_id, stored=filled.stored)
    if filled.more:
        launch.launch_fill(gap_id)


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
