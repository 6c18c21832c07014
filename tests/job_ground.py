"""What the tests of jobs stand on: files of a site, archives of small jobs, and the site that they make."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from tasks.jobs.archive import pack
from tasks.jobs.model import JobSet
from tasks.jobs.read import read
from tasks.site.contracts import Problem, SiteContext
from tasks.site.settings import Settings

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
    return [problem.what.partition(" ")[0] for problem in read_site(files)[1]]


def raw_zip(*entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip with exactly these entries, whatever they are."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as file:
        for name, content in entries:
            file.writestr(name, content)
    return made.getvalue()
