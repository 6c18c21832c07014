"""The scheduler: what starts runs, what holds them back, and that nothing is started twice."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from tasks.jobs.tick import tick
from tasks.ledger.jobs import JobCursor, JobInstance, JobSchedule
from tasks.ledger.session import Ledger
from tests.ground import START, Clock, count, only_postgresql
from tests.job_ground import CONTEXT, Stand, archive, schedule, trigger

QUIET = {"quiet.job": archive("quiet")}
TEN_SECONDS = '<time startin="5s" interval="10s" repeat="2"/>'
EVERY_TEN = {**QUIET, "t.trig": trigger("t", TEN_SECONDS), "s.sched": schedule("s", "quiet", "t")}


def delayed(pause: str) -> dict[str, bytes]:
    way = trigger("late", f'<event name="alarm" delay="{pause}"/>')
    return {**QUIET, "t.trig": way, "s.sched": schedule("s", "quiet", "late")}


def on_event(name: str = "alarm", **attributes: str) -> dict[str, bytes]:
    return {**QUIET, "s.sched": schedule("s", "quiet", name, **attributes)}


@pytest.fixture
def stand(ledger: Ledger, hands: Clock) -> Any:
    def make(files: Mapping[str, bytes], **settings: Any) -> Stand:
        return Stand(ledger, hands, files, **settings)

    return make


def test_an_event_starts_the_job_once_however_often_it_is_looked_for(stand: Any) -> None:
    here = stand(on_event())
    number = here.fire("alarm", {"vmhost": ["h1", "h2"]}, colour="red")
    for _ in range(3):
        here.tick(1)
    [(context, event_id, arguments, state)] = here.runs("context", "event_id", "arguments", "state")
    assert (context, event_id, state) == ({"vmhost": ["h1", "h2"]}, number, "starting")
    assert arguments == {"context": {"vmhost": ["h1", "h2"]}}
    assert here.rings.hosts == {None: 1}


def test_what_was_fired_before_the_first_look_starts_nothing(stand: Any, ledger: Ledger, hands: Clock) -> None:
    here = stand(QUIET)
    here.fire("alarm")
    here.tick()
    with ledger.transaction() as session:
        session.execute(delete(JobCursor))
    here.change(on_event())
    here.tick(61)
    assert here.runs("id") == []
    here.fire("ALARM")
    here.tick(1)
    assert len(here.runs("id")) == 1


def test_orchestrate_69_an_event_of_the_very_start_is_not_missed(stand: Any, ledger: Ledger) -> None:
    here = stand(QUIET)
    with ledger.transaction() as session:
        session.execute(delete(JobCursor))
    here.change(on_event("SERVER_UP"))
    here.fire("SERVER_UP")
    here.tick(10)
    here.tick(2)
    assert here.runs("trigger", "state") == [("SERVER_UP", "starting")]


def test_an_event_of_the_ledger_without_words_names_its_object(stand: Any) -> None:
    from tasks.conveyor.internal import About, raise_internal
    from tasks.ledger.tally import Count
    from tasks.model.event import ObjectRef

    here = stand(on_event("vm_start"))
    with here.ledger.transaction() as session:
        tally = Count()
        about = About(tally.internal(session, here.hands.now), ObjectRef("server", "s1"))
        raise_internal(session, here.present.site.settings, here.hands.now, tally, "vm_start", about)
        tally.write(session)
    here.tick()
    assert here.runs("context") == [{"server": "s1"}]


def test_a_trigger_with_a_delay_starts_later(stand: Any) -> None:
    here = stand(delayed("30s"))
    here.fire("alarm")
    here.tick(1)
    assert here.runs("state") == ["submitted"]
    here.tick(28)
    assert here.runs("state") == ["submitted"]
    here.tick(2)
    assert here.runs("state") == ["starting"]


def test_a_storm_that_was_suppressed_starts_nothing_beyond_its_hundred(stand: Any) -> None:
    here = stand(on_event())
    for _ in range(105):
        here.fire("alarm")
    here.tick()
    assert len(here.runs("id")) == 100


def test_orchestrate_76_a_discovery_job_runs_on_the_resource_that_has_come_online(stand: Any) -> None:
    here = stand({})
    here.fire("RESOURCE_ONLINE", {"resource": "web7"})
    here.tick()
    assert sorted(here.runs("job", "agent")) == [("cpuInfo", "web7"), ("osInfo", "web7")]
    assert here.runs("arguments") == [{"context": {"resource": "web7"}}] * 2
    assert here.rings.hosts == {"web7": 2}


def test_orchestrate_77_each_of_two_triggers_starts_the_job(stand: Any) -> None:
    here = stand({**QUIET, "s.sched": schedule("s", "quiet", "alarm", "other")})
    here.fire("alarm")
    here.fire("other")
    here.tick()
    assert here.runs("trigger") == ["alarm", "other"]


def test_orchestrate_78_overlap_skip_records_what_it_skips(stand: Any) -> None:
    here = stand(on_event(overlap="skip"))
    here.fire("alarm")
    here.tick()
    here.fire("alarm")
    here.tick()
    first, second = here.runs("state", "reason")
    assert first[0] == "starting"
    assert second == ("terminated", "skipped: run 1 of this schedule is not over".replace("1", str(here.runs("id")[0])))
    with here.ledger.reading() as session:
        assert session.get_one(JobSchedule, "s").skipped == 1


def test_orchestrate_78_overlap_queue_waits_for_the_run_before(stand: Any) -> None:
    here = stand(on_event(overlap="queue"))
    here.fire("alarm")
    here.fire("alarm")
    here.tick()
    assert here.runs("state") == ["starting", "queued"]
    assert here.work_all() == 1
    here.tick(2)
    assert here.runs("state") == ["completed", "starting"]


def test_orchestrate_80_an_inactive_schedule_is_started_by_hand_alone(stand: Any) -> None:
    from tasks.jobs.desk import Desk

    here = stand({**on_event(active="false"), "t.trig": trigger("t", '<time startin="1"/>')})
    here.fire("alarm")
    here.tick(60)
    assert here.runs("id") == []
    Desk(here.ledger).run_schedule("s", "erin")
    here.tick()
    assert here.runs("by", "arguments", "state") == [("operator erin", {"context": {}}, "starting")]


def test_an_operator_switches_a_schedule_on_and_off(stand: Any) -> None:
    from tasks.jobs.desk import Desk

    here = stand(on_event(active="false"))
    desk = Desk(here.ledger)
    desk.switch("s", True, "erin")
    here.fire("alarm")
    here.tick()
    desk.switch("s", False, "erin")
    here.fire("alarm")
    here.tick()
    assert len(here.runs("id")) == 1


def constrained(kind: str, inner: str) -> dict[str, bytes]:
    return {
        **QUIET,
        "s.sched": schedule("s", "quiet", "alarm", inner=f'<constraint type="{kind}">{inner}</constraint>'),
    }


def test_orchestrate_81_a_start_constraint_delays_the_start(stand: Any) -> None:
    here = stand(constrained("start", '<eq fact="vmhost.location" value="north" reason="only in the north"/>'))
    here.set_facts(("vmhost/h1", "vmhost.location", "south"))
    here.fire("alarm", {"vmhost": "h1"})
    here.tick()
    assert here.runs("state", "reason") == [("queued", "only in the north")]
    here.set_facts(("vmhost/h1", "vmhost.location", "north"))
    here.tick(2)
    assert here.runs("state") == ["starting"]


def test_orchestrate_81_an_accept_constraint_rejects_with_its_reason(stand: Any) -> None:
    here = stand(constrained("accept", '<eq fact="vmhost.location" value="north" reason="only in the north"/>'))
    here.fire("alarm", {"vmhost": "h1"})
    here.tick()
    [(state, reason, number)] = here.runs("state", "reason", "id")
    assert (state, reason) == ("terminated", "rejected: only in the north")
    assert here.history(number) == ["submitted", "terminated"]


def test_a_resource_constraint_chooses_the_best_host_that_is_online(stand: Any) -> None:
    policy = CONTEXT + (
        '<fact name="job.resources.rankby" type="Array"><element value="resource.cpu.count/d"/></fact>'
        '<constraint type="resource"><eq fact="resource.os.family" value="linux"/></constraint>'
    )
    here = stand({"quiet.job": archive("quiet", policy=policy), "s.sched": schedule("s", "quiet", "alarm")})
    here.fire("alarm")
    here.tick()
    assert here.runs("state", "reason") == [("queued", "no host fits: no host is online")]
    hosts = {"a": ("linux", 2, True), "b": ("linux", 8, True), "c": ("aix", 64, True), "d": ("linux", 99, False)}
    for name, said in hosts.items():
        names = ("resource.os.family", "resource.cpu.count", "resource.online")
        here.set_facts(*((f"resource/{name}", fact, value) for fact, value in zip(names, said, strict=True)))
    here.tick(2)
    assert here.runs("state", "agent") == [("starting", "b")]


def test_foreach_runs_once_on_each_host_that_is_online(stand: Any) -> None:
    here = stand({**QUIET, "s.sched": schedule("s", "quiet", "alarm", inner='<foreach kind="resource"/>')})
    for name, online in (("a", True), ("b", True), ("c", False)):
        here.set_facts((f"resource/{name}", "resource.online", online))
    here.fire("alarm")
    here.tick()
    assert here.runs("agent") == ["a", "b"]


def test_a_user_who_is_disabled_starts_nothing(stand: Any) -> None:
    here = stand(on_event())
    here.set_facts(("user/zosSystem", "user.enabled", False))
    here.fire("alarm")
    here.tick()
    assert here.runs("state", "reason") == [("terminated", "rejected: the user zosSystem is disabled")]


def test_no_more_runs_are_let_in_than_the_job_allows(stand: Any) -> None:
    policy = CONTEXT + '<fact name="job.maxrunning" type="Integer" value="1"/>'
    here = stand({"quiet.job": archive("quiet", policy=policy), "s.sched": schedule("s", "quiet", "alarm")})
    here.fire("alarm")
    here.fire("alarm")
    here.tick()
    assert here.runs("state") == ["starting", "queued"]


def test_the_most_urgent_run_goes_first(stand: Any) -> None:
    urgent = schedule("u", "quiet", "alarm").replace(b'job="quiet"', b'job="quiet" priority="highest"')
    here = stand({**on_event(), "u.sched": urgent})
    here.fire("alarm")
    here.tick()
    here.work()
    assert dict(here.runs("schedule", "state")) == {"s": "starting", "u": "completed"}


def test_orchestrate_82_the_event_wins_over_an_argument_called_context(stand: Any) -> None:
    given = '<jobargs><fact name="context" type="Dictionary"><dict name="a" value="b"/></fact></jobargs>'
    here = stand({**QUIET, "s.sched": schedule("s", "quiet", "alarm", inner=given)})
    here.fire("alarm", {"user": "erin"})
    here.tick()
    assert here.runs("arguments") == [{"context": {"user": "erin"}}]


def test_a_job_that_declares_no_context_is_started_without_one(stand: Any) -> None:
    here = stand({"quiet.job": archive("quiet", policy=""), "s.sched": schedule("s", "quiet", "alarm")})
    here.fire("alarm", {"user": "erin"})
    here.tick()
    assert here.runs("arguments", "context") == [({}, {"user": "erin"})]


def test_orchestrate_87_a_time_trigger_fires_at_its_times_and_is_done(stand: Any) -> None:
    here = stand(EVERY_TEN)
    begun = here.hands.now
    for _ in range(60):
        here.tick(1)
    assert [int((at - begun).total_seconds()) for at in here.runs("created_at")] == [5, 15, 25]


def test_orchestrate_88_a_slot_that_was_missed_by_half_a_minute_fires_once_late(stand: Any) -> None:
    here = stand(EVERY_TEN)
    here.tick(37)
    # 5 and 15 were missed, 25 is the latest of them.
    assert [key.rpartition(":")[2] for key in here.runs("key")] == [_slot(25)]
    here.tick(60)
    assert len(here.runs("id")) == 1


def test_orchestrate_88_a_slot_that_was_missed_by_ten_minutes_is_passed_over(stand: Any) -> None:
    daily = {**QUIET, "t.trig": trigger("t", '<cron expr="0 0 13 * * ?"/>'), "s.sched": schedule("s", "quiet", "t")}
    here = stand(daily)
    here.tick(70 * 60)
    assert here.runs("id") == []
    with here.ledger.reading() as session:
        assert session.get_one(JobSchedule, "s").missed == 1
    here.tick(24 * 3600 - 10 * 60)
    assert len(here.runs("id")) == 1


def _slot(seconds: float) -> str:
    from tasks.model.clock import rfc3339

    return rfc3339(START + timedelta(seconds=seconds)).rpartition(":")[2]


def test_a_clock_that_stood_for_years_makes_no_burst(stand: Any) -> None:
    here = stand({**QUIET, "t.trig": trigger("t", '<time interval="1s"/>'), "s.sched": schedule("s", "quiet", "t")})
    here.tick(3 * 365 * 86_400)
    # Those of the last five seconds, and one for the minute before.
    assert len(here.runs("id")) == 7


def test_a_trigger_that_was_changed_or_switched_off_begins_anew(stand: Any) -> None:
    here = stand(EVERY_TEN)
    here.tick(6)
    here.change({**EVERY_TEN, "t.trig": trigger("t", '<time startin="20s"/>')})
    here.tick(1)
    here.tick(19)
    assert len(here.runs("id")) == 1
    here.tick(1)
    assert len(here.runs("id")) == 2


def test_orchestrate_92_two_clocks_at_once_fire_once(stand: Any, ledger: Ledger) -> None:
    here = stand({**EVERY_TEN, "e.sched": schedule("e", "quiet", "alarm")})
    here.fire("alarm")
    here.hands.forward(5)
    gate, failures = threading.Barrier(4), list[BaseException]()

    def one() -> None:
        gate.wait()
        try:
            tick(ledger, here.present.site, here.hands.now)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(here.runs("schedule")) == ["e", "s"]


@only_postgresql
def test_two_agents_at_once_never_take_the_same_run(stand: Any, ledger: Ledger) -> None:
    from tasks.jobs.agent import take

    here = stand(on_event())
    for _ in range(6):
        here.fire("alarm")
    here.tick()
    gate, taken = threading.Barrier(3), list[int]()

    def one(name: str) -> None:
        gate.wait()
        while True:
            with ledger.transaction() as session:
                found = take(session, None, name, name, here.hands.now, 15.0)
            if found is None:
                return
            taken.append(found.id)

    threads = [threading.Thread(target=one, args=(f"w{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == here.runs("id")


def test_a_run_of_a_job_that_is_gone_ends_with_the_reason(stand: Any) -> None:
    here = stand(on_event())
    here.fire("alarm")
    here.tick()
    assert here.runs("state") == ["starting"]
    here.change(delayed("1m"))
    here.fire("alarm")
    here.tick()
    here.change({})
    here.tick(60)
    assert here.runs("state")[1] == "terminated"
    # What has begun goes on with what it began with.
    assert here.work_all() == 1
    assert here.runs("state")[0] == "completed"


def test_a_run_may_not_go_on_when_its_condition_fails(stand: Any) -> None:
    here = stand(constrained("continue", '<eq fact="vmhost.location" value="north" reason="it moved"/>'))
    here.set_facts(("vmhost/h1", "vmhost.location", "north"))
    here.fire("alarm", {"vmhost": "h1"})
    here.tick()
    with here.ledger.transaction() as session:
        session.execute(update(JobInstance).values(state="running", due_at=None))
    here.tick(30)
    assert here.runs("state") == ["running"]
    here.set_facts(("vmhost/h1", "vmhost.location", "south"))
    here.tick(29)
    assert here.runs("state") == ["running"]
    here.tick(1)
    assert here.runs("state", "error") == [("failed", "may not go on: it moved")]


def test_facts_tell_of_jobs_and_their_runs(stand: Any) -> None:
    here = stand(on_event())
    here.fire("alarm")
    here.tick()
    [number] = here.runs("id")
    assert here.fact(f"jobinstance/{number}", "jobinstance.state") == "starting"
    assert (here.fact("job/quiet", "job.instances.active"), here.fact("matrix/catchment", "matrix.jobs.running")) == (
        1,
        1,
    )
    here.work_all()
    assert here.fact("job/quiet", "job.laststatus") == "completed"
    assert (here.fact("job/quiet", "job.instances.active"), here.fact("job/quiet", "job.instances.total")) == (0, 1)
    here.tick(3601)
    assert here.fact(f"jobinstance/{number}", "jobinstance.state") is None


def test_a_site_that_is_gone_leaves_nothing_deployed(stand: Any) -> None:
    from tasks.ledger.jobs import JobClock, JobDefinition

    here = stand(EVERY_TEN)
    assert count(here.ledger, JobDefinition) == 7
    assert count(here.ledger, JobClock) == 1
    here.change({})
    here.tick(1)
    assert count(here.ledger, JobDefinition) == 4
    assert count(here.ledger, JobClock) == 0


def test_runs_and_archives_are_forgotten_with_their_retention(stand: Any) -> None:
    from tasks.conveyor.prune import expire
    from tasks.ledger.jobs import JobCode, JobLog, JobStep

    here = stand(on_event())
    here.fire("alarm")
    here.tick()
    here.work_all()
    here.change({"quiet.job": archive("quiet", policy="")})
    here.tick(1)
    assert count(here.ledger, JobCode) == 4
    here.hands.forward(100 * 86_400)
    expire(here.ledger, here.present.site.settings, here.hands.now)
    assert count(here.ledger, JobInstance) == 1
    here.hands.forward(100 * 86_400)
    expire(here.ledger, here.present.site.settings, here.hands.now)
    assert [count(here.ledger, table) for table in (JobInstance, JobStep, JobLog)] == [0, 0, 0]
    assert count(here.ledger, JobCode) == 3
