"""What the tests of jobs stand on: files of a site, archives of small jobs, and the site that they make."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from tasks.conveyor.firing import Fired, fire
from tasks.conveyor.installation import Installation
from tasks.jobs.agent import work
from tasks.jobs.archive import pack
from tasks.jobs.model import JobSet
from tasks.jobs.read import read
from tasks.jobs.tick import Rings, tick
from tasks.ledger.facts import FactRef, Write, subjects, write
from tasks.ledger.jobs import JobInstance, JobLog, JobStep
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.site.contracts import Problem, Site, SiteContext
from tasks.site.settings import Settings
from tests.ground import Clock, Sites

#: A job that does nothing.
QUIET = """\
from tasks.jobs.api import Job


class Quiet(Job):
    def job_started_event(self):
        pass
"""
CONTEXT = '<fact name="jobargs.context" type="Dictionary"/>'


def archive(name: str, module: str = QUIET, policy: str = CONTEXT, **more: str) -> bytes:
    """A job archive; ``more`` are further files by their names with _ for the last point."""
    files = {f"{name}.py": module.encode(), f"{name}.policy": f"<policy>{policy}</policy>".encode()}
    files |= {key.replace("_", "."): text.encode() for key, text in more.items()}
    return pack(files)


def schedule(name: str, job: str, *triggers: str, inner: str = "", **attributes: str) -> bytes:
    """A schedule of the second generation, active unless it says otherwise."""
    given = {"active": "true", **attributes}
    said = " ".join(f'{key}="{value}"' for key, value in given.items())
    named = "".join(f'<trigger name="{trigger}"/>' for trigger in triggers)
    return (
        f'<schedule name="{name}" {said}><runjob job="{job}"/>{inner}<triggers>{named}</triggers></schedule>'
    ).encode()


def trigger(name: str, way: str) -> bytes:
    """A trigger."""
    return f'<trigger name="{name}">{way}</trigger>'.encode()


def read_site(files: Mapping[str, bytes], **settings: Any) -> tuple[JobSet, list[Problem]]:
    """The jobs of a site with these files below ``jobs/``, and what is wrong with them."""
    context = SiteContext(Settings(**settings), {}, {}, files=frozenset())
    return read({f"jobs/{path}": content for path, content in files.items()}, context)


def good_site(files: Mapping[str, bytes], **settings: Any) -> JobSet:
    """The same, of a site without mistakes."""
    found, problems = read_site(files, **settings)
    assert [str(p) for p in problems if p.severity == "error"] == []
    return found


def codes(files: Mapping[str, bytes]) -> list[str]:
    """The codes of all that is wrong."""
    return [code_of(problem) for problem in read_site(files)[1]]


def code_of(problem: Problem) -> str:
    """The code of one complaint."""
    found = re.search(r"\b[EW][1-4]\d\d\b", problem.what)
    assert found is not None, problem
    return found[0]


def raw_zip(*entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with exactly these entries, whatever they are."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, content in entries:
            file.writestr(name, content)
    return made.getvalue()


def job_site(files: Mapping[str, bytes], root: str = "/site", **settings: Any) -> Site:
    """A site of these jobs alone. Its version tells one content from another."""
    jobs = good_site(files, **settings)
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]
    return Site(root, digest, Settings(**settings), {}, {"jobs": jobs})


class Stand:
    """An installation with jobs: ticks of the scheduler, and an agent that works in this process."""

    def __init__(self, ledger: Ledger, hands: Clock, files: Mapping[str, bytes], **settings: Any) -> None:
        self.ledger = ledger
        self.hands = hands
        self.present = Installation(ledger, Sites(job_site(files, **settings)), host="here")
        self.rings = Rings()
        self.tick()

    def change(self, files: Mapping[str, bytes], **settings: Any) -> None:
        """Take another site over."""
        self.present = Installation(self.ledger, Sites(job_site(files, **settings)), host="here")

    def tick(self, seconds: float = 0.0) -> None:
        """Let time pass, and have the scheduler do what is due."""
        self.hands.forward(seconds)
        self.rings = tick(self.ledger, self.present.site, self.hands.now)

    def fire(self, name: str, context: Mapping[str, Any] | None = None, **more: Any) -> int:
        """Fire an event, as rules do."""
        with self.ledger.transaction() as session:
            count = Count()
            fired = Fired(name, "External", context or {}, more=more)
            [raised] = fire(session, self.present.site.settings, self.hands.now, count, [fired])
            count.write(session)
        return raised.id

    def work(self, agent: str | None = None, host: str = "here") -> bool:
        """One handler called on an agent; whether there was one."""
        return work(self.present, agent, host, lambda *_: 2.0).any

    def work_all(self, agent: str | None = None, host: str = "here") -> int:
        """Handlers called until nothing is due; how many there were."""
        for done in range(100):
            if not self.work(agent, host):
                return done
        raise AssertionError("the agent comes to no end")

    def runs(self, *columns: str) -> list[Any]:
        """The runs in their order: one column of each, or several."""
        with self.ledger.reading() as session:
            found = session.scalars(select(JobInstance).order_by(JobInstance.id)).all()
        return [getattr(r, columns[0]) if len(columns) == 1 else tuple(getattr(r, c) for c in columns) for r in found]

    def run(self, number: int) -> JobInstance:
        """One run."""
        with self.ledger.reading() as session:
            found = session.get(JobInstance, number)
        assert found is not None
        return found

    def log(self, number: int | None = None) -> list[str]:
        """The lines that a run logged, or all runs."""
        query = select(JobLog.text).order_by(JobLog.id)
        if number is not None:
            query = query.where(JobLog.instance_id == number)
        with self.ledger.reading() as session:
            return list(session.scalars(query))

    def history(self, number: int) -> list[str]:
        """The states that a run came to."""
        with self.ledger.reading() as session:
            query = select(JobStep.state).where(JobStep.instance_id == number).order_by(JobStep.id)
            return list(session.scalars(query))

    def set_facts(self, *facts: tuple[str, str, Any], origin: str = "people") -> None:
        """Set facts given as kind/id, name and value."""
        writes = [Write(FactRef(*ref.split("/", 1)), name, value) for ref, name, value in facts]
        with self.ledger.transaction() as session:
            write(session, self.hands.now, origin, writes)

    def fact(self, ref: str, name: str) -> Any:
        """A fact as it is known; None where it is not."""
        with self.ledger.reading() as session:
            found = subjects(session, refs=[FactRef(*ref.split("/", 1))])
        for subject in found.values():
            if name in subject.facts:
                return subject.facts[name].value
        return None
