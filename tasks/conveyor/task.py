"""The doors of the conveyor: sweep and prune."""

from __future__ import annotations

import structlog
from celery import shared_task

from tasks.conveyor import contact, launch, source, sweep
from tasks.conveyor.installation import current
from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.conveyor.prune import expire, fold
from tasks.ledger import progress
from tasks.model import clock

log = structlog.get_logger(__name__)


@shared_task(name="conveyor.sweep")
def run_sweep() -> None:
    """Ring again for what is due and does not move, and tell what has become of providers."""
    present = current()
    settings = present.site.settings
    with present.ledger.transaction() as session:
        sweep.mark(session, "sweep", clock.now())
        progress.sample(session, clock.now())
        impatient = sweep.lose_patience(session, settings, clock.now())
    for name in impatient:
        log.warning("the events of a new provider wait no longer for its inventory", provider=name)
    told = contact.tell(present.ledger, settings, clock.now()) | source.tell(present.ledger, settings, clock.now())
    if told:
        launch.launch(ENTRY_OF_RAISED, told, settings.conveyor.fanout)
    with present.ledger.reading() as session:
        stalled = sweep.find(session, settings, clock.now())
    for stage, lanes in stalled.lanes.items():
        if not launch.crowded(stage):
            launch.launch(stage, lanes, settings.conveyor.fanout)
    if stalled.effects and not launch.crowded("effects"):
        launch.launch_effects(stalled.effects)
    if stalled.reads and not launch.crowded("read"):
        launch.launch_reads()


@shared_task(name="conveyor.prune")
def run_prune() -> None:
    """Fold the tallies and delete what is beyond its retention."""
    present = current()
    with present.ledger.transaction() as session:
        fold(session)
    deleted = expire(present.ledger, present.site.settings, clock.now())
    if deleted:
        log.info("old events deleted", deleted=deleted)
