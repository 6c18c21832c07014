"""Runs one program under a time limit: bounded output, its whole process group ended, nothing left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_CHUNK = 65_536
#: How long what a program left running may still write after the program itself has ended.
LINGER_SECONDS = 1.0
#: How long the kernel may take to end a killed process before it is given up.
KILL_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Captured:
    """The first bytes of an output, and how many more there were."""

    limit: int
    head: bytes = b""
    dropped: int = 0

    def take(self, chunk: bytes) -> None:
        """Keep what there is room for and count the rest."""
        kept = chunk[: max(self.limit - len(self.head), 0)]
        self.head += kept
        self.dropped += len(chunk) - len(kept)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. ``code`` is negative where a signal ended it, None where nothing could."""

    code: int | None
    seconds: float
    timed_out: bool
    stdout: Captured
    stderr: Captured


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes,
    timeout: float,
    output_limit: int,
    grace: float = 5.0,
) -> Ended:
    """Run an argument vector, never through a shell.

    At the time limit its process group gets SIGTERM, and SIGKILL after ``grace`` seconds; what a program
    leaves behind in its group is killed when it ends. A process that moved itself to another session is
    beyond reach, but cannot hold anything up. Raises ``OSError`` where the program cannot be started,
    ``ValueError`` where an argument holds a NUL.
    """
    started = time.monotonic()
    # Popen's own preexec_fn is the one place from which the kernel can be told to end the child with us.
    child = subprocess.Popen(
        list(command),
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        preexec_fn=_die_with_parent(),
    )
    talk = _Talk(child, stdin, output_limit)
    timed_out = False
    try:
        timed_out = not talk.until_exit(started + timeout)
        if timed_out:
            _signal_group(child.pid, signal.SIGTERM)
            if not talk.until_exit(time.monotonic() + grace):
                _signal_group(child.pid, signal.SIGKILL)
                talk.until_exit(time.monotonic() + KILL_SECONDS)
        talk.until_silent(time.monotonic() + LINGER_SECONDS)
    finally:
        # The child is not reaped yet, so its number cannot belong to a stranger's group.
        _signal_group(child.pid, signal.SIGKILL)
        talk.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(KILL_SECONDS)
    return Ended(child.returncode, time.monotonic() - started, timed_out, talk.stdout, talk.stderr)


class _Talk:
    """Feeds the program's input and empties its outputs without ever waiting for one of them alone."""

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes, output_limit: int) -> None:
        self._child = child
        self._left = memoryview(stdin)
        self.stdout = Captured(output_limit)
        self.stderr = Captured(output_limit)
        self._selector = selectors.DefaultSelector()
        self._pipes: list[IO[bytes]] = []
        self._watch(child.stdin, selectors.EVENT_WRITE, None)
        self._watch(child.stdout, selectors.EVENT_READ, self.stdout)
        self._watch(child.stderr, selectors.EVENT_READ, self.stderr)

    def _watch(self, pipe: IO[bytes] | None, way: int, captured: Captured | None) -> None:
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
        self._pipes.append(pipe)
        self._selector.register(pipe, way, captured)

    def until_exit(self, deadline: float) -> bool:
        """Talk until the program ends; False where it has not ended by the deadline."""
        pause = 0.001
        while not self._exited():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._selector.get_map():
                self._step(min(left, 0.05))
            else:
                time.sleep(min(left, pause))
                pause = min(pause * 2, 0.05)
        return True

    def until_silent(self, deadline: float) -> None:
        """Read what is left in the outputs until they are closed."""
        while any(isinstance(key.data, Captured) for key in self._selector.get_map().values()):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            self._step(min(left, 0.05))

    def close(self) -> None:
        """Let go of the pipes; whoever still writes gets SIGPIPE."""
        self._selector.close()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()

    def _exited(self) -> bool:
        return os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _step(self, wait: float) -> None:
        for key, _ in self._selector.select(wait):
            if isinstance(key.data, Captured):
                self._read(key.fd, key.fileobj, key.data)
            else:
                self._write(key.fd, key.fileobj)

    def _read(self, fd: int, pipe: object, captured: Captured) -> None:
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return
        if chunk:
            captured.take(chunk)
        else:
            self._drop(pipe)

    def _write(self, fd: int, pipe: object) -> None:
        try:
            # A pipe takes a part of a larger piece and says how much.
            self._left = self._left[os.write(fd, self._left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            # The program does not want to read; that is its right.
            self._left = self._left[:0]
        if not self._left:
            self._drop(pipe)

    def _drop(self, pipe: object) -> None:
        for known in self._pipes:
            if known is pipe:
                self._selector.unregister(known)
                with contextlib.suppress(OSError):
                    known.close()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does between fork and exec: ask for SIGKILL when its worker dies (Linux only).

    Everything it needs is looked up before the fork; after it only a system call is made.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        # The worker may have died before the kernel was asked.
        if os.getppid() != parent:
            os._exit(1)

    return ask
