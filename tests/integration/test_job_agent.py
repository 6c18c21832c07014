"""Jobs on an agent: what a handler may do, how it is limited, and what becomes of its run."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from tasks.jobs.agent import renew, take
from tasks.jobs.desk import Desk
from tasks.ledger.effects import Effect
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.jobs import JobCall, JobInstance, JobSubscription
from tasks.ledger.operations import Operation
from tasks.ledger.session import Ledger
from tasks.model.errors import Refused
from tests.ground import Clock, count, provider
from tests.job_ground import CONTEXT, Stand, archive, schedule

HEAD = "import os, sys, time, subprocess\nfrom tasks.jobs.api import Job\n\n\nclass J(Job):\n"
pytestmark = pytest.mark.timeout(120)


def module(body: str, *more: str) -> str:
    """A job whose first handler has this body, and further methods."""
    lines = ["    def job_started_event(self):", *(f"        {line}" for line in body.splitlines())]
    for method in more:
        lines += [f"    {line}" for line in method.splitlines()]
    return HEAD + "\n".join(lines) + "\n"


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory, empty_sqlite: Path, tmp_path: Path) -> Ledger:
    """A ledger on SQLite alone: what these tests show has nothing to do with the database."""
    import shutil

    return Ledger(f"sqlite:///{shutil.copy(empty_sqlite, tmp_path / 'ledger.db')}")


@pytest.fixture
def stand(small: Ledger, hands: Clock) -> Any:
    def make(text: str, policy: str = "", **more: bytes) -> Stand:
        files: dict[str, bytes] = {"j.job": archive("j", text, CONTEXT + policy)}
        return Stand(small, hands, files | {name.replace("_", "."): content for name, content in more.items()})

    return make


def started(here: Stand, arguments: Mapping[str, Any] | None = None, job: str = "j", **more: Any) -> int:
    number = Desk(here.ledger).run(job, "erin", arguments, **more)
    here.tick()
    return number


def limit(name: str, value: int) -> str:
    return f'<fact name="job.{name}" type="Integer" value="{value}"/>'


def test_a_job_runs_to_its_end_and_its_history_tells_so(stand: Any) -> None:
    here = stand(module("self.log(f'hello {self.args[\"who\"]} on {self.agent}')\nself.finish({'n': 3})"),
                 policy='<fact name="jobargs.who" type="String" value="world"/>')  # fmt: skip
    number = started(here)
    assert here.work()
    run = here.run(number)
    assert (run.state, run.result, run.host, run.progress, run.error) == ("completed", {"n": 3}, "here", 1.0, None)
    assert here.log(number) == ["hello world on here"]
    assert here.history(number) == ["submitted", "queued", "starting", "running", "completed"]
    assert not here.work()


def test_arguments_are_read_as_the_job_declares_them(stand: Any) -> None:
    policy = '<fact name="jobargs.n" type="Integer" value="1"/><fact name="jobargs.names" type="Array"/>'
    here = stand(module("self.finish([self.args['n'] + 1, list(self.args.get('names', []))])"), policy=policy)
    number = started(here, {"n": "41", "names": "a,b"})
    here.work()
    assert here.run(number).result == [42, ["a", "b"]]
    for wrong in ({"n": "many"}, {"colour": "red"}):
        with pytest.raises(Refused, match=r"argument"):
            Desk(here.ledger).run("j", "erin", wrong)
    with pytest.raises(Refused, match="no job is called 'x'"):
        Desk(here.ledger).run("x", "erin")


def test_what_a_job_prints_and_says_goes_into_its_log_in_bounds(stand: Any) -> None:
    here = stand(
        module(
            "print('printed')\nprint('oops', file=sys.stderr)\nself.log('a\\x1b[31m\\nb', 'warning')\nprint('x' * 9000)"
        )
    )
    number = started(here)
    here.work()
    lines = here.log(number)
    assert {"printed", "oops", "b"} <= set(lines)
    assert all(line.isprintable() and len(line) <= 4000 for line in lines)


def test_progress_is_seen_while_the_job_runs(stand: Any) -> None:
    here = stand(module("self.progress(0.5, 'half')\nself.progress(7, 'most')"))
    number = started(here)
    here.work()
    assert (here.run(number).progress, here.run(number).note) == (1.0, "most")


def test_facts_are_read_and_set_where_the_policy_lets_it(stand: Any) -> None:
    body = (
        "self.log(self.getFact('vmhost.vm.count'))\n"
        "self.log(self.getFact('vmhost.resource.cpu.count'))\n"
        "self.log(self.factExists('vmhost.location'))\n"
        "self.log(self.getFact('vmhost.vm.count', of='h2'))\n"
        "self.setFact('vmhost.groups', ['spare'])\n"
        "self.log(self.getFact('vmhost.groups'))"
    )
    policy = '<fact name="job.facts" type="Array"><element value="vmhost.groups"/></fact>'
    here = stand(module(body), policy=policy, s_sched=schedule("s", "j", "alarm"))
    here.set_facts(
        ("vmhost/h1", "vmhost.vm.count", 7), ("vmhost/h2", "vmhost.vm.count", 9),
        ("vmhost/h1", "vmhost.resource", "web7"), ("resource/web7", "resource.cpu.count", 4),
    )  # fmt: skip
    here.fire("alarm", {"vmhost": "h1"})
    here.tick()
    here.work()
    assert here.log() == ["7", "4", "False", "9", "['spare']"]
    assert here.fact("vmhost/h1", "vmhost.groups") == ["spare"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("self.setFact('vmhost.location', 'north', of='h1')", "may not set vmhost.location"),
        ("self.setFact('vmhost.groups', ['a'])", "about no vmhost"),
        ("self.setFact('nothing', 1)", "no name of a fact"),
        ("self.setFact('vmhost.groups', 7, of='h1')", "vmhost.groups"),
        ("self.call('nowhere')", "no job is called 'nowhere'"),
        ("self.call('j', {'colour': 'red'})", "declares no argument 'colour'"),
        ("self.operate('lab', 'server', 'stop_server')", "KIND/ID"),
        ("self.operate('lab', 'server/s1', 'fly')", "there is no operation"),
        ("self.kept['x'] = 'y' * 300000", "keeps 3000"),
        ("self.kept['x'] = object()", "not JSON serializable"),
        ("self.kept['x'] = float('nan')", "not JSON compliant"),
        ("self.getFact('nothing.at.all')", "no name of a fact"),
    ],
)
def test_what_a_handler_may_not_have_fails_it_and_none_of_its_wishes_is_done(stand: Any, body: str, told: str) -> None:
    policy = '<fact name="job.facts" type="Array"><element value="vmhost.groups"/></fact>' + limit("attempts", 1)
    here = stand(module(f"self.setFact('vmhost.groups', ['good'], of='h9')\n{body}"), policy=policy)
    number = started(here)
    here.work_all()
    run = here.run(number)
    assert run.state == "failed"
    assert told in (run.error or "")
    assert here.fact("vmhost/h9", "vmhost.groups") is None


def test_a_shipped_job_discovers_this_host(small: Ledger, hands: Clock) -> None:
    here = Stand(small, hands, {})
    here.fire("RESOURCE_ONLINE", {"resource": "web7"})
    here.tick()
    assert here.work_all("web7", "web7") == 2
    assert here.runs("state") == ["completed", "completed"], here.log()
    assert here.fact("resource/web7", "resource.os.family") == "linux"
    assert here.fact("resource/web7", "resource.os.arch") == os.uname().machine
    assert here.fact("resource/web7", "resource.cpu.count") == os.cpu_count()


def test_a_job_that_fails_is_tried_again_and_then_has_failed(stand: Any) -> None:
    policy = limit("attempts", 3) + '<fact name="job.facts" type="Array"><element value="vmhost.*"/></fact>'
    here = stand(module("self.setFact('vmhost.groups', ['x'], of='h')\nraise KeyError('gone')"), policy=policy)
    number = started(here)
    for _ in range(3):
        assert here.work()
        assert not here.work()
        here.hands.forward(2)
    run = here.run(number)
    assert (run.state, run.error) == ("failed", "KeyError: 'gone'")
    assert any("in job_started_event" in line for line in here.log(number))
    assert here.fact("vmhost/h", "vmhost.groups") is None


def test_a_job_that_says_so_has_failed_at_once(stand: Any) -> None:
    here = stand(module("self.fail('no more disks')"))
    number = started(here)
    here.work_all()
    assert (here.run(number).state, here.run(number).error) == ("failed", "no more disks")


LIMITS = [
    ("while True: pass", limit("timeout", 1), "more than 1 s"),
    ("time.sleep(60)", limit("timeout", 1), "more than 1 s"),
    ("x = bytearray(10**9)", limit("memory", 128), "128 MB of memory"),
    ("os._exit(3)", "", "without a word"),
    ("os.kill(os.getpid(), 9)", "", "without a word"),
    ("sys.exit(3)", "", "SystemExit: 3"),
    ("os.close(self._link._line.fileno())\nos._exit(0)", "", "without a word"),
    ("self._link._line.sendall(b'nonsense\\n')\ntime.sleep(9)", "", "cannot be understood"),
    ("self._link._line.sendall(b'x' * 9 * 2**20)\ntime.sleep(9)", "", "more at once"),
]


@pytest.mark.parametrize(("body", "policy", "told"), LIMITS)
def test_a_handler_cannot_harm_its_agent(stand: Any, body: str, policy: str, told: str) -> None:
    here = stand(module(body), policy=policy + limit("attempts", 1))
    number = started(here)
    here.work()
    assert here.run(number).state == "failed"
    assert told in (here.run(number).error or "")


def test_a_handler_knows_no_secrets_and_leaves_no_files(stand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATCHMENT_DATABASE", "postgresql://user:secret@host/name")
    monkeypatch.setenv("OS_PASSWORD", "secret")
    here = stand(module("self.finish([sorted(os.environ), os.getcwd(), os.path.exists('j.py')])"))
    number = started(here)
    here.work()
    names, folder, there = here.run(number).result
    assert there
    assert not Path(folder).exists()
    assert not any("CATCHMENT" in name or "PASSWORD" in name for name in names)


def test_a_job_brings_data_and_modules_but_replaces_none(small: Ledger, hands: Clock) -> None:
    text = module(
        "import json, own\nself.finish([open('list_txt'.replace('_', '.')).read(), own.N, hasattr(json, 'dumps')])"
    )
    content = archive("j", text, CONTEXT, list_txt="data", own_py="N = 7\n", json_py="raise ValueError\n")
    here = Stand(small, hands, {"j.job": content})
    number = started(here)
    here.work()
    assert here.run(number).result == ["data", 7, True]


def test_what_a_handler_leaves_running_is_ended(stand: Any, tmp_path: Path) -> None:
    file = str(tmp_path / "pid")
    code = (
        "import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
        f"open({file!r},'w').write(str(os.getpid()))\ntime.sleep(300)"
    )
    body = (
        f"subprocess.Popen([sys.executable, '-c', {code!r}])\n"
        f"while not (os.path.exists({file!r}) and open({file!r}).read()): time.sleep(0.01)"
    )
    here = stand(module(body))
    number = started(here)
    here.work()
    assert here.run(number).state == "completed"
    left = int(Path(file).read_text())
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


def test_a_job_runs_programs_with_their_arguments_under_a_limit(stand: Any) -> None:
    body = (
        "a = self.run(['echo', '$HOME; echo x'])\n"
        "b = self.run(['sh', '-c', 'cat; exit 3'], stdin=b'in')\n"
        "c = self.run(['sleep', '30'], timeout=0.2)\n"
        "self.finish([a.stdout, b.code, b.stdout, c.timed_out])"
    )
    here = stand(module(body))
    number = started(here)
    here.work()
    assert here.run(number).result == ["$HOME; echo x\n", 3, "in", True]


class Cancelled:
    """Works on a handler in a thread, and cancels it once it has begun."""

    def __init__(self, here: Stand, number: int, begun: Path) -> None:
        thread = threading.Thread(target=here.work)
        thread.start()
        end = time.monotonic() + 60
        while not begun.exists():
            assert time.monotonic() < end
            time.sleep(0.01)
        self.said = Desk(here.ledger).cancel(number, "erin", "not today")
        thread.join(60)
        assert not thread.is_alive()


def test_a_run_that_is_cancelled_ends_with_all_that_it_started(stand: Any, tmp_path: Path) -> None:
    mark = str(tmp_path / "begun")
    here = stand(
        module(f"self.run(['sh', '-c', 'echo $$ > {mark}.part; mv {mark}.part {mark}; exec sleep 300'], timeout=300)")
    )
    number = started(here)
    done = Cancelled(here, number, Path(mark))
    assert done.said == "cancelling"
    run = here.run(number)
    assert (run.state, run.error) == ("cancelled", "not today")
    left = int(Path(mark).read_text())
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
    assert here.history(number)[-2:] == ["cancelling", "cancelled"]


def test_a_cancelled_run_is_told_so_where_it_wants_to_know(stand: Any, tmp_path: Path) -> None:
    mark = str(tmp_path / "begun")
    text = module(f"open({mark!r}, 'w').close()\ntime.sleep(300)",
                  "def job_cancelled_event(self):\n    self.log('cleaning up')")  # fmt: skip
    here = stand(text)
    number = started(here)
    Cancelled(here, number, Path(mark))
    assert here.run(number).state == "cancelling"
    assert here.work()
    assert (here.run(number).state, here.log(number)) == ("cancelled", ["cleaning up"])


def test_a_run_that_waits_is_cancelled_at_once_and_one_that_is_over_is_not(stand: Any) -> None:
    here = stand(module("pass"))
    number = started(here)
    assert Desk(here.ledger).cancel(number, "erin") == "cancelled"
    with pytest.raises(Refused, match="is cancelled"):
        Desk(here.ledger).cancel(number, "erin")
    with pytest.raises(Refused, match="no run 99"):
        Desk(here.ledger).cancel(99, "erin")


def test_a_run_whose_agent_died_is_taken_by_another_one(stand: Any) -> None:
    here = stand(module("self.finish('here')"))
    number = started(here)
    with here.ledger.transaction() as session:
        assert take(session, None, "dead", "dead:1", here.hands.now, 15.0) is not None
    assert not here.work()
    here.hands.forward(16)
    here.tick()
    assert here.rings.hosts == {None: 1}
    assert here.work()
    assert (here.run(number).state, here.run(number).host) == ("completed", "here")
    assert not renew(here.ledger, number, "dead:1", here.hands.now, 15.0)


def test_a_run_that_takes_its_agents_with_it_comes_to_an_end(stand: Any) -> None:
    here = stand(module("pass"), policy=limit("attempts", 2))
    number = started(here)
    for _ in range(2):
        with here.ledger.transaction() as session:
            assert take(session, None, "dead", "dead:1", here.hands.now, 15.0) is not None
        here.hands.forward(16)
    here.work()
    assert here.run(number).state == "failed"
    assert "took their agent with them" in (here.run(number).error or "")


def test_an_agent_that_is_killed_leaves_no_process_behind(small: Ledger, hands: Clock, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    text = module(
        "p = subprocess.Popen(['sleep', '300'])\n"
        f"open({str(mark)!r}, 'w').write(f'{{os.getpid()}} {{p.pid}}')\ntime.sleep(300)"
    )
    here = Stand(small, hands, {"j.job": archive("j", text, CONTEXT)})
    started(here)
    agent = os.fork()
    if agent == 0:
        here.work()
        os._exit(0)
    end = time.monotonic() + 60
    while not (mark.exists() and len(mark.read_text().split()) == 2):
        assert time.monotonic() < end
        time.sleep(0.01)
    os.kill(agent, signal.SIGKILL)
    os.waitpid(agent, 0)
    pids = [int(word) for word in mark.read_text().split()]
    end = time.monotonic() + 30
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_on_one_host_is_left_alone_by_all_others(stand: Any) -> None:
    here = stand(module("self.finish(self.agent)"))
    number = started(here, agent="web7")
    assert here.rings.hosts == {"web7": 1}
    assert not here.work()
    assert not here.work("web8", "web8")
    assert here.work("web7", "web7")
    assert here.run(number).result == "web7"


def test_a_job_calls_others_and_hears_of_their_ends(stand: Any) -> None:
    text = module(
        "self.kept['seen'] = []\nself.call('k', {'n': 1})\nself.call('k', {'n': 0})",
        "def child_job_completed_event(self, child):\n    self.kept['seen'].append([child['job'], child['result']])",
        "def child_job_failed_event(self, child):\n    self.kept['seen'].append(child['error'])",
        "def job_completed_event(self):\n    self.log(self.kept['seen'])",
    )
    child = module("self.finish(1 / self.args['n'])")
    policy = '<fact name="jobargs.n" type="Integer"/>' + limit("attempts", 1)
    here = stand(text, k_job=archive("k", child, policy))
    number = started(here)
    here.work()
    assert here.run(number).state == "running"
    assert here.run(number).due_at is None
    here.tick()
    here.work_all()
    assert here.runs("job", "state") == [("j", "completed"), ("k", "completed"), ("k", "failed")]
    assert here.log(number) == ["[['k', 1.0], 'ZeroDivisionError: division by zero']"]


def test_what_a_cancelled_job_has_called_is_cancelled_too(stand: Any) -> None:
    here = stand(module("self.call('k')"), k_job=archive("k"))
    number = started(here)
    here.work()
    here.tick()
    Desk(here.ledger).cancel(number, "erin")
    assert here.runs("state") == ["cancelled", "cancelled"]


def test_a_handler_that_is_tried_again_calls_nobody_twice(stand: Any) -> None:
    body = "self.call('k')\nself.operate('lab', 'server/s1', 'start_server')"
    here = stand(module(body), k_job=archive("k"))
    number = started(here)
    lab = provider(here.ledger)
    with here.ledger.transaction() as session:
        facts = {"state": "known", "name": "s1", "attributes": {}, "seen_at": here.hands.now}
        session.add(InventoryObject(provider_id=lab, kind="server", ref="s1", **facts))
    here.work()
    assert count(here.ledger, Operation) == 1
    with here.ledger.reading() as session:
        [operation] = session.scalars(select(Operation))
        assert (operation.rule, operation.action, operation.target_id) == ("job:j", "start_server", "s1")
    # Crash after the call and before anybody knew: the call is open again.
    with here.ledger.transaction() as session:
        session.execute(JobCall.__table__.update().values(state="pending", ended_at=None))
        session.execute(JobInstance.__table__.update().where(JobInstance.id == number).values(due_at=here.hands.now))
    here.work()
    assert count(here.ledger, Operation) == 1
    assert here.runs("job") == ["j", "k"]
    assert count(here.ledger, Effect) == 0


LISTENER = module(
    "self.kept['n'] = 0\nself.subscribeToEvent('alarm', self.alarm_event)",
    "def alarm_event(self, context):\n    self.kept['n'] += 1\n"
    "    self.log(f\"{self.kept['n']} {context} {self.event}\")",
)


def test_orchestrate_93_a_callback_gets_the_context_that_the_scheduler_used(stand: Any) -> None:
    here = stand(LISTENER, k_job=archive("k"), s_sched=schedule("s", "k", "alarm"))
    number = started(here)
    here.fire("alarm", {"vmhost": ["early"]})
    here.work()
    here.hands.forward(1)
    here.fire("ALARM", {"vmhost": ["h1"]}, colour="red")
    here.tick()
    assert here.rings.hosts == {None: 3}
    here.work_all()
    assert here.log(number) == ["1 {'vmhost': ['h1']} {'colour': 'red'}"]
    assert [run[1] for run in here.runs("job", "context") if run[0] == "k"][-1] == {"vmhost": ["h1"]}
    assert here.run(number).state == "running"


def test_orchestrate_94_only_a_method_of_the_job_can_be_a_callback(stand: Any) -> None:
    body = (
        "def inner(context): pass\n"
        "for wrong in (inner, len, print, self._method, self.kept.update, lambda c: None):\n"
        "    try:\n        self.subscribeToEvent('alarm', wrong)\n"
        "    except TypeError as error:\n        self.log(error)\n"
        "try:\n    self.subscribeToEvent('', self.ok)\nexcept ValueError as error:\n    self.log(error)"
    )
    here = stand(module(body, "def ok(self, context): pass"))
    number = started(here)
    here.work()
    assert len(here.log(number)) == 7
    assert count(here.ledger, JobSubscription) == 0


def test_orchestrate_95_a_subscription_counts_once_and_ends_with_what_is_queued(stand: Any) -> None:
    text = module(
        "for n in range(3): self.subscribeToEvent('alarm', self.a)\nself.subscribeToEvent('stop', self.b)",
        "def a(self, context): self.log('a')",
        "def b(self, context):\n    self.unsubscribeFromEvent('alarm', self.a)\n    self.log('b')",
    )
    here = stand(text)
    number = started(here)
    here.work()
    for name in ("alarm", "stop", "alarm"):
        here.hands.forward(1)
        here.fire(name)
    here.tick()
    here.work_all()
    assert here.log(number) == ["a", "b"]
    here.fire("alarm")
    here.tick()
    here.work_all()
    assert here.log(number) == ["a", "b"]
    assert here.run(number).state == "running"


def test_orchestrate_96_callbacks_of_one_run_come_one_after_the_other_in_order(stand: Any) -> None:
    here = stand(LISTENER)
    number = started(here)
    here.work()
    here.hands.forward(1)
    for n in range(5):
        here.fire("alarm", {"n": n})
    here.tick()
    with here.ledger.transaction() as session:
        first = take(session, None, "a", "a:1", here.hands.now, 15.0)
        assert first is not None
        assert first.order.argument == {"n": 0}
        assert take(session, None, "b", "b:1", here.hands.now, 15.0) is None
    here.hands.forward(16)
    here.work_all()
    assert here.log(number) == [f"{n + 1} {{'n': {n}}} {{}}" for n in range(5)]


def test_orchestrate_97_a_callback_that_fails_is_logged_and_the_next_one_comes(stand: Any) -> None:
    text = module(
        "self.subscribeToEvent('alarm', self.a)",
        "def a(self, context):\n    if context['bad']: raise ValueError('bad')\n    self.log('good')",
    )
    here = stand(text)
    number = started(here)
    here.work()
    here.hands.forward(1)
    for bad in (True, False):
        here.fire("alarm", {"bad": bad})
    here.tick()
    here.work_all()
    lines = here.log(number)
    assert lines[0] == "a failed: ValueError: bad"
    assert lines[-1] == "good"
    for _ in range(11):
        here.fire("alarm", {"bad": True})
    here.tick()
    here.work_all()
    assert here.log(number)[
        -1
    ] == "a failed 10 times in a row: alarm calls it no more" or "calls it no more" in " ".join(here.log(number))
    with here.ledger.reading() as session:
        assert session.scalars(select(JobSubscription.suspended)).all() == [True]


def test_orchestrate_98_the_end_of_a_job_ends_its_subscriptions(stand: Any) -> None:
    text = module("self.subscribeToEvent('alarm', self.a)", "def a(self, context): self.finish('seen')")
    here = stand(text)
    number = started(here)
    here.work()
    assert count(here.ledger, JobSubscription) == 1
    # Everything stands in the ledger: another scheduler and another agent go on with it.
    again = Stand(here.ledger, here.hands, {"j.job": archive("j", text, CONTEXT)})
    here.hands.forward(1)
    again.fire("alarm")
    again.tick()
    again.work_all()
    assert (again.run(number).state, again.run(number).result) == ("completed", "seen")
    assert count(here.ledger, JobSubscription) == 0


def test_orchestrate_99_a_thousand_idle_jobs_use_no_slot(stand: Any) -> None:
    here = stand(LISTENER)
    number = started(here)
    here.work()
    with here.ledger.transaction() as session:
        row = {
            c.name: getattr(session.get_one(JobInstance, number), c.name)
            for c in JobInstance.__table__.c
            if c.name != "id"
        }
        copies = [JobInstance(**{**row, "key": f"copy {n}"}) for n in range(999)]
        session.add_all(copies)
        session.flush()
        since = {"since": here.hands.now, "after_event": 0}
        words = {"word": "ALARM", "event": "alarm", "method": "alarm_event"}
        session.add_all(JobSubscription(instance_id=c.id, **words, **since) for c in copies)
    here.tick(10)
    assert here.rings.hosts == {}
    assert not here.work()
    here.fire("alarm", {})
    here.tick()
    assert here.rings.hosts == {None: 1000}
    assert here.work()
    assert here.log(number) == ["1 {} {}"]


def test_a_paused_run_keeps_its_callbacks_until_it_goes_on(stand: Any) -> None:
    here = stand(LISTENER)
    number = started(here)
    here.work()
    Desk(here.ledger).pause(number, "erin")
    here.hands.forward(1)
    here.fire("alarm", {"n": 1})
    here.tick()
    assert not here.work()
    Desk(here.ledger).resume(number, "erin")
    here.work_all()
    assert here.log(number) == ["1 {'n': 1} {}"]
    with pytest.raises(Refused, match="cannot be resumed now"):
        Desk(here.ledger).resume(number, "erin")


def test_no_more_than_a_thousand_callbacks_wait_for_a_run(stand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.jobs import moves

    monkeypatch.setattr(moves, "MOST_CALLS", 3)
    here = stand(LISTENER)
    number = started(here)
    here.work()
    here.hands.forward(1)
    for n in range(5):
        here.fire("alarm", {"n": n})
    here.tick()
    here.work_all()
    assert [line.split()[2] for line in here.log(number)] == ["2}", "3}", "4}"]


def test_a_run_goes_on_with_the_code_that_it_began_with(stand: Any) -> None:
    here = stand(LISTENER)
    number = started(here)
    here.work()
    here.change({"j.job": archive("j", module("pass", "def other(self): pass"), CONTEXT)})
    here.hands.forward(1)
    here.fire("alarm")
    here.tick()
    here.work_all()
    assert here.log(number) == ["1 {} {}"]


def test_a_conflict_while_the_end_is_written_calls_no_handler_again(
    stand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from tasks.jobs import ending

    here = stand(module("self.finish(1)"))
    number = started(here)
    write, failures = ending._write, iter([True, True, False])

    def sometimes(*arguments: Any) -> Any:
        found = write(*arguments)
        if next(failures):
            raise OperationalError("UPDATE", None, Exception("deadlock"))
        return found

    monkeypatch.setattr(ending, "_write", sometimes)
    here.work()
    assert (here.run(number).state, here.run(number).result) == ("completed", 1)
    with here.ledger.reading() as session:
        assert session.scalars(select(JobCall.attempts)).all() == [1]
