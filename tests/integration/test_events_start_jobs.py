"""A provider's event starts a job: an alert on it raises an internal event, which a trigger names."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from tasks.conveyor.advance import backoff
from tasks.jobs.agent import work
from tasks.jobs.tick import tick
from tasks.ledger.jobs import JobInstance
from tasks.ledger.session import Ledger
from tests.ground import STOPPED, Clock, all_the_way, caught, exact, installed, notice, provider, site
from tests.job_ground import archive, good_site, schedule, trigger

ALERT = (
    f"alerts:\n- {{name: ended, target: server, on: [{STOPPED}], notify: [{{raise_event: {{name: lease_ended}}}}]}}\n"
)


def test_an_alert_on_a_providers_event_starts_a_job_once(ledger: Ledger, hands: Clock) -> None:
    files = {
        "quiet.job": archive("quiet"),
        "quiet.sched": schedule("quiet", "quiet", "ended"),
        "ended.trig": trigger("ended", '<event name="lease_ended"/>'),
    }
    made = site(alerts=ALERT)
    present = installed(ledger, replace(made, parts={**made.parts, "jobs": good_site(files)}))
    lab = provider(ledger)
    tick(ledger, present.site, hands.now)
    caught(present, lab, notice(STOPPED))
    all_the_way(present)
    for _ in range(2):
        hands.forward(2)
        tick(ledger, present.site, hands.now)
    while work(present, None, "here", backoff).any:
        pass
    with ledger.reading() as session:
        assert [(run.job, run.state) for run in session.scalars(select(JobInstance))] == [("quiet", "completed")]
    exact(ledger)
