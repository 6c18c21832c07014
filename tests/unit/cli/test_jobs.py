"""``catchment jobs``: run, list, show, follow, cancel, switch, fire and pack."""

from __future__ import annotations

import getpass
import json
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tasks.jobs import moves
from tasks.jobs.archive import Archive
from tasks.jobs.tick import tick
from tasks.ledger.jobs import JobInstance, JobLog
from tasks.model import clock
from tests.job_ground import CONTEXT, QUIET, archive, job_site, schedule, trigger
from tests.unit.cli.cli_ground import EVIL, Site, harmless
from workers.cli import jobs_output

POLICY = CONTEXT + '<fact name="jobargs.n" type="Integer" value="1"/>'
FILES = {
    "quiet.job": archive("quiet", policy=POLICY),
    "s.sched": schedule("s", "quiet", "backup"),
    "b.trig": trigger("backup", '<event name="backup_done" external="true"/>'),
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path).made()
    tick(found.ledger, job_site(FILES), clock.now())
    yield found
    found.ledger.close()


def started(site: Site, *more: str) -> int:
    said = site.run("jobs", "run", "quiet", *more).stdout
    return int(said.split()[1])


def over(site: Site, number: int, state: str = "completed", error: str | None = None) -> datetime:
    with site.ledger.transaction() as session:
        row = moves.locked(session, number)
        assert row is not None
        session.add(JobLog(instance_id=number, at=clock.now(), level="info", text=f"said {EVIL}"))
        row.result, row.error = {"n": 3}, error
        moves.over(session, row, state, clock.now(), "here", error)
    return clock.now()


def test_a_job_is_run_listed_and_shown(site: Site) -> None:
    number = started(site, "n=41", "--on", "web7", "--priority", "high")
    [line] = json.loads(site.run("jobs", "list", "--json").stdout)
    assert (line["id"], line["by"], line["agent"], line["priority"]) == (
        number,
        f"operator {getpass.getuser()}",
        "web7",
        "high",
    )
    told = json.loads(site.run("jobs", "show", str(number), "--json").stdout)
    assert told["arguments"] == {"n": 41, "context": {"resource": "web7"}}
    assert "submitted" in site.run("jobs", "show", str(number)).stdout
    assert "quiet" in site.run("jobs", "list", "--active").stdout
    assert json.loads(site.run("jobs", "list", "--state", "failed", "--json").stdout) == []


def test_what_is_deployed_is_listed(site: Site) -> None:
    told = json.loads(site.run("jobs", "deployed", "--json").stdout)
    assert [job["name"] for job in told["jobs"]] == ["cpuInfo", "osInfo", "quiet"]
    printed = site.run("jobs", "deployed").stdout
    assert "backup" in printed
    assert "yes" in printed


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "nowhere"), "no job is called 'nowhere': deployed are cpuInfo, osInfo, quiet"),
        (("run", "quiet", "n=many"), "the argument n is of the type integer"),
        (("run", "quiet", "colour=red"), "declares no argument 'colour'"),
        (("run", "quiet", "n"), "write NAME=VALUE"),
        (("run", "--schedule", "nowhere"), "no schedule is called"),
        (("show", "99"), "there is no run 99"),
        (("logs", "99"), "there is no run 99"),
        (("cancel", "99"), "there is no run 99"),
        (("pause", "99"), "there is no run 99"),
        (("enable", "nowhere"), "no schedule is called"),
        (("fire", "nowhere"), "no trigger declares"),
        (("fire", "SERVER_UP"), "Catchment's own"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(site: Site, arguments: tuple[str, ...], told: str) -> None:
    answer = site.run("jobs", *arguments, code=2)
    assert told in answer.stderr


def test_a_run_is_followed_to_its_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_output, "PAUSE", 0.01)
    number = started(site)
    looked = threading.Event()
    look = jobs_output.job_lists.run

    def run(*arguments: object) -> object:
        looked.set()
        return look(*arguments)  # type: ignore[arg-type]  # as it is called

    monkeypatch.setattr(jobs_output.job_lists, "run", run)
    ender = threading.Thread(target=lambda: looked.wait(30) and over(site, number))
    ender.start()
    printed = site.run("jobs", "logs", str(number), "--follow").stdout
    ender.join()
    assert "said" in printed
    assert harmless(printed)
    assert harmless(site.run("jobs", "logs", str(number)).stdout)
    [line] = site.run("jobs", "logs", str(number), "--json").stdout.splitlines()
    assert json.loads(line)["text"] == f"said {EVIL}"


def test_waiting_ends_as_the_run_does(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_output, "PAUSE", 0.01)
    follow = jobs_output._follow
    ends = iter([("completed", None), ("failed", "no disk")])

    def ended(ledger: object, number: int, *more: object) -> object:
        over(site, number, *next(ends))
        return follow(ledger, number, *more)  # type: ignore[arg-type]  # as it is called

    monkeypatch.setattr(jobs_output, "_follow", ended)
    assert "is completed, with" in site.run("jobs", "run", "quiet", "--wait").stdout
    assert "is failed: no disk" in site.run("jobs", "run", "quiet", "--wait", code=1).stdout


def test_waiting_for_a_run_that_nobody_takes_comes_to_an_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_output, "PAUSE", 0.01)
    answer = site.run("jobs", "run", "quiet", "--wait", "--seconds", "1", code=2)
    assert "do workers run?" in answer.stderr


def test_runs_are_cancelled_paused_and_resumed(site: Site) -> None:
    number = started(site)
    assert "cannot be paused now" in site.run("jobs", "pause", str(number), code=2).stderr
    with site.ledger.transaction() as session:
        row = session.get_one(JobInstance, number)
        row.state, row.started_at = "running", clock.now()
    assert site.run("jobs", "pause", str(number)).stdout == f"run {number} is paused\n"
    assert site.run("jobs", "resume", str(number)).stdout == f"run {number} is running\n"
    assert site.run("jobs", "cancel", str(number), "--reason", "enough").stdout == f"run {number} is cancelled\n"
    assert "is cancelled: it cannot be cancelled" in site.run("jobs", "cancel", str(number), code=2).stderr


def test_schedules_are_run_and_switched(site: Site) -> None:
    site.run("jobs", "run", "--schedule", "s")
    site.run("jobs", "disable", "s")
    [line] = [s for s in json.loads(site.run("jobs", "deployed", "--json").stdout)["schedules"] if s["name"] == "s"]
    assert (line["active"], line["switched_by"]) == (False, getpass.getuser())
    site.run("jobs", "enable", "s")


def test_an_external_event_is_fired(site: Site) -> None:
    said = site.run("jobs", "fire", "backup_done", "host=h1", "sizes=[1,2]").stdout
    assert said.startswith("event ")
    tick(site.ledger, job_site(FILES), clock.now())
    [line] = json.loads(site.run("jobs", "list", "--json").stdout)
    assert (line["trigger"], line["schedule"]) == ("backup", "s")


def test_a_folder_is_packed_as_an_archive(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "data").mkdir(parents=True)
    (folder / "mine.py").write_text(QUIET)
    (folder / "data" / "list.txt").write_text("1\n")
    assert "with 2 files" in site.run("jobs", "pack", str(folder)).stdout
    assert sorted(Archive((tmp_path / "mine.job").read_bytes()).names) == ["data/list.txt", "mine.py"]
    (folder / "mine.py").write_text("x = 1\n")
    assert "0 job classes" in site.run("jobs", "pack", str(folder), code=2).stderr
    (folder / "mine.py").unlink()
    assert "has no mine.py" in site.run("jobs", "pack", str(folder), code=2).stderr
