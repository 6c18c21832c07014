"""The doors of jobs: the scheduler's tick, and the work of an agent."""

from __future__ import annotations

from celery import shared_task

from tasks.conveyor import launch
from tasks.conveyor.advance import backoff
from tasks.conveyor.installation import current
from tasks.conveyor.order import ENTRY_OF_RAISED
from tasks.jobs.agent import work
from tasks.jobs.tick import tick
from tasks.model import clock


@shared_task(name="jobs.tick")
def run_tick() -> None:
    """Start what is due, let in what may run, and ring the agents that have something to do."""
    present = current()
    site = present.site
    rings = tick(present.ledger, site, clock.now())
    if rings.lanes:
        launch.launch(ENTRY_OF_RAISED, rings.lanes, site.settings.conveyor.fanout)
    for agent, due in rings.hosts.items():
        if not launch.crowded(launch.agent_queue(agent)):
            launch.launch_jobs(agent, due)


@shared_task(name="jobs.run")
def run(agent: str | None) -> None:
    """Call the next handler of the most urgent run that is due on this agent (null: that any agent may run)."""
    present = current()
    settings = present.site.settings
    worked = work(present, agent, settings.agent.name or present.host, backoff)
    if worked.lanes:
        launch.launch(ENTRY_OF_RAISED, worked.lanes, settings.conveyor.fanout)
    if worked.more:
        launch.launch_jobs(agent, 1)
