"""The process in which a job's handler runs: ``python -m tasks.jobs.child FD PARENT``.

It knows no ledger and no secrets. The outer process stays our own: it forks the inner one, which gets the limits and
runs the module, and whatever that leaves behind is the outer one's to end.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import resource
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import psutil

from tasks.jobs.api import Job, JobFailed, Wishes

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
#: Descriptors, processor time beyond the wall clock's limit, and the largest file that a handler may write.
OPEN_FILES, SPARE_SECONDS, LARGEST_FILE = 256, 5, 1024 * 1024 * 1024
#: Rounds in which what a handler left behind is ended.
ROUNDS = 50
#: The longest line of the conversation, in bytes.
LONGEST = 8 * 1024 * 1024


class Talk:
    """The conversation with the agent: one JSON object on each line."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._reader = line.makefile("rb")

    def read(self) -> dict[str, Any]:
        """The next line. Raises ``EOFError`` where the agent is gone."""
        got = self._reader.readline(LONGEST)
        if not got.endswith(b"\n"):
            raise EOFError("the agent is gone")
        found = json.loads(got)
        assert isinstance(found, dict)
        return found

    def tell(self, what: str, **more: Any) -> None:
        """Say something. Raises ``ValueError`` for what JSON cannot hold."""
        line = json.dumps({"do": what, **more}, allow_nan=False).encode() + b"\n"
        if len(line) > LONGEST:
            raise ValueError(f"more than {LONGEST} bytes at once")
        self._line.sendall(line)

    def ask(self, what: str, **more: Any) -> Any:
        """Ask for something, and wait for the answer. Raises ``ValueError`` with what the agent has against it."""
        self.tell(what, **more)
        answer = self.read()
        if "error" in answer:
            raise ValueError(str(answer["error"]))
        return answer.get("value")


def main(number: int, parent: int) -> None:
    """The outer process. It ends what it started when it is told to, and when the agent dies."""
    inner = 0
    stopping = False

    def stop(_number: int, _frame: object) -> None:
        # Not an exception, which might come while others are being ended.
        nonlocal stopping
        stopping = True
        _kill(inner)

    signal.signal(signal.SIGTERM, stop)
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        return
    line = socket.socket(fileno=number)
    order = Talk(line).read()
    outer = os.getpid()
    inner = os.fork()
    if inner == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _inner(line, order, outer)
    if stopping:
        _kill(inner)
    os.waitpid(inner, 0)
    end_descendants()


def _kill(number: int) -> None:
    if number:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def end_descendants() -> None:
    """End all that descends from this process, daemons too: they are adopted by it."""
    me = psutil.Process()
    for _ in range(ROUNDS):
        left = me.children(recursive=True)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=0.2)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue


def _inner(line: socket.socket, order: dict[str, Any], outer: int) -> NoReturn:
    """The process of the handler; it never comes back."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() == outer:
            _limit(order)
            status = _work(Talk(line), order)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _limit(order: dict[str, Any]) -> None:
    memory, seconds = int(order["memory"]) * 1024 * 1024, int(order["seconds"]) + SPARE_SECONDS
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(what, (most, most))
    os.umask(0o077)


def _work(talk: Talk, order: dict[str, Any]) -> int:
    """Call the handler and tell how it ended."""
    wishes = Wishes()
    try:
        job = _job(talk, order, wishes)
        handler = getattr(job, order["handler"])
        if order["argument"] is None:
            handler()
        else:
            handler(order["argument"])
        talk.tell("end", kept=job.kept, **wishes.plain())
    except JobFailed as failed:
        talk.tell("failed", reason=str(failed) or "the job said so", final=True)
    except MemoryError:
        talk.tell("failed", reason=f"it wanted more than {order['memory']} MB of memory", final=False)
    except BaseException as error:  # noqa: BLE001 - whatever a job raises is its failure, exits included
        talk.tell("failed", reason=f"{type(error).__name__}: {error}"[:2000], final=False, trace=_trace())
        return 1
    return 0


def _trace() -> str:
    """The traceback from the job's own first line on."""
    lines = traceback.format_exc(limit=-12)
    return lines[-8000:]


def _job(talk: Talk, order: dict[str, Any], wishes: Wishes) -> Job:
    folder = Path(order["folder"])
    os.chdir(folder)
    # The job's own files are found first after Python's and ours: it may bring modules, and replace none.
    sys.path.append(str(folder))
    spec = importlib.util.spec_from_file_location(f"job_{order['job']}", folder / f"{order['job']}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    own = [
        found
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Job) and found.__module__ == module.__name__
    ]
    [kind] = own
    job = kind.__new__(kind)
    for name in ("args", "context", "event", "kept", "agent", "instance", "user"):
        setattr(job, name, order[name])
    job._link, job._wishes = talk, wishes
    job.__init__()  # type: ignore[misc]  # after the values, so that an __init__ may look at them
    return job


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
