"""Runs one handler of a job in a process of its own, so that a job can harm neither its agent nor the next job.

What it may do is told in :mod:`tasks.jobs.api`; it is asked for over a line of JSON, and nothing it says is trusted.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tasks.jobs.archive import Archive
from tasks.jobs.child import LONGEST

#: What a handler prints is kept to so many bytes, and a line to so many.
OUTPUT_LIMIT, LINE_LIMIT = 256 * 1024, 4000
#: How long a handler's process may take to end after it was asked to, and to start.
GRACE_SECONDS, KILL_SECONDS = 3.0, 5.0
#: How often it is looked at whether the handler is to be ended.
LOOK_SECONDS = 0.2
_CHUNK = 65_536
_SOURCE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Order:
    """One handler to be called: the archive and name of its job, its argument and what it may know."""

    archive: bytes
    job: str
    handler: str
    argument: Any
    seconds: float
    memory: int
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a handler ended. ``word`` is done, failed, timeout, lost or stopped.

    ``said`` is what it wants to have done; ``final`` says that another try is not wanted.
    """

    word: str
    reason: str = ""
    said: Mapping[str, Any] | None = None
    final: bool = False
    trace: str = ""


#: Answers a question of a handler. Raises ``ValueError`` for one that has no answer.
Answer = Callable[[str, Mapping[str, Any]], Any]
#: Takes what a handler tells: ``log`` and ``progress``.
Listen = Callable[[str, Mapping[str, Any]], None]


def call(order: Order, answer: Answer, listen: Listen, stopped: Callable[[], bool]) -> Ended:
    """Call a handler; comes back when its process and all that it started are gone.

    ``stopped`` is asked again and again whether the handler is to be ended.
    """
    folder = Path(tempfile.mkdtemp(prefix="catchment-job-"))
    try:
        Archive(order.archive).unpack(folder)
        return _Run(order, folder, answer, listen, stopped).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Run:
    """One conversation with a handler's process."""

    def __init__(self, order: Order, folder: Path, answer: Answer, listen: Listen, stopped: Callable[[], bool]) -> None:
        self._order = order
        self._folder = folder
        self._answer = answer
        self._listen = listen
        self._stopped = stopped
        self._buffer = b""
        self._printed: dict[int, bytes] = {}
        self._left = OUTPUT_LIMIT
        self._ended: Ended | None = None

    def run(self) -> Ended:
        """Start it, talk with it, and end it."""
        self._line, theirs = socket.socketpair()
        with self._line:
            with theirs:
                child = self._start(theirs)
            try:
                self._talk(child)
            finally:
                _end(child)
        if self._ended is not None:
            return self._ended
        return Ended("lost", _how(child.returncode))

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "PYTHONPATH": str(_SOURCE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        child = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "tasks.jobs.child", str(theirs.fileno()), str(os.getpid())],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        told = {
            "folder": str(self._folder),
            "job": self._order.job,
            "handler": self._order.handler,
            "argument": self._order.argument,
            "memory": self._order.memory,
            "seconds": self._order.seconds,
            **self._order.told,
        }
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._line.sendall(json.dumps(told).encode() + b"\n")
        return child

    def _talk(self, child: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._order.seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._line, selectors.EVENT_READ, self._read_line)
            for pipe in (child.stdout, child.stderr):
                assert pipe is not None
                selector.register(pipe, selectors.EVENT_READ, lambda pipe=pipe: self._read_output(pipe))
            # The line may be closed by the job itself; its outputs tell that its process is gone.
            while selector.get_map() and self._ended is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    self._ended = Ended("timeout", f"it took more than {self._order.seconds:g} s")
                elif self._stopped():
                    self._ended = Ended("stopped", "it was cancelled")
                for key, _ in selector.select(max(0.0, min(left, LOOK_SECONDS))):
                    if not key.data():
                        selector.unregister(key.fileobj)
                if not self._open(selector) and child.poll() is not None:
                    return
        self._drain(child)

    def _open(self, selector: selectors.BaseSelector) -> bool:
        return any(key.fileobj is self._line for key in selector.get_map().values())

    def _drain(self, child: subprocess.Popen[bytes]) -> None:
        """What was printed before the end."""
        for pipe in (child.stdout, child.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(OSError, ValueError):
                while self._read_output(pipe):
                    continue

    def _read_line(self) -> bool:
        try:
            chunk = self._line.recv(_CHUNK)
        except ConnectionResetError:
            return False
        self._buffer += chunk
        while b"\n" in self._buffer and self._ended is None:
            line, _, self._buffer = self._buffer.partition(b"\n")
            self._take(line)
        if len(self._buffer) > LONGEST:
            self._ended = Ended("failed", "it said more at once than anybody listens to", final=True)
        return bool(chunk)

    def _take(self, line: bytes) -> None:
        try:
            told = json.loads(line, parse_constant=_no_number)
            what = told["do"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self._ended = Ended("failed", "it said what cannot be understood", final=True)
            return
        if what == "end":
            self._ended = Ended("done", said=told)
        elif what == "failed":
            reason, trace = str(told.get("reason", ""))[:2000], str(told.get("trace", ""))[:8000]
            self._ended = Ended("failed", reason, final=told.get("final") is True, trace=trace)
        elif what in ("log", "progress"):
            self._listen(what, told)
        else:
            self._reply(str(what), told)

    def _reply(self, what: str, told: Mapping[str, Any]) -> None:
        try:
            answer: dict[str, Any] = {"value": self._answer(what, told)}
        except ValueError as mistake:
            answer = {"error": str(mistake)}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._line.sendall(json.dumps(answer, default=str).encode() + b"\n")

    def _read_output(self, pipe: IO[bytes]) -> bool:
        chunk = os.read(pipe.fileno(), _CHUNK)
        number = pipe.fileno()
        text = self._printed.pop(number, b"") + chunk
        lines = text.split(b"\n")
        if chunk and len(lines[-1]) < LINE_LIMIT:
            self._printed[number] = lines.pop()
        for line in lines:
            if line and self._left > 0:
                self._left -= len(line)
                self._listen("log", {"text": line[:LINE_LIMIT].decode("utf-8", "replace"), "level": "output"})
        return bool(chunk)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a handler's process with all that it started, and wait until it is gone."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            # The outer process ends its descendants, and then itself.
            child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(KILL_SECONDS)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"its process was ended by the signal {-code}"
    return "its process ended without a word: it was killed, or ended itself"
