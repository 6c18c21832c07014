"""Where a watch stands: the id of the last event that was acted on, and the one that is being acted on.

``FILE`` holds the id and nothing else, so a file that a polling script left is taken over as it is. ``FILE.work``
is written before an action begins and names its event; ``FILE.lock`` keeps two watches apart. Every write is whole or
not there: to a file of its own, to the disk, then under the name.

The action runs under a *keeper*: a process of its own session that waits for the command and notes the id when it has
ended well. Who kills the watch does not kill the keeper, so what was begun is noted all the same, and a new watch
waits for it. Only where the keeper itself is killed between the end of the command and its note, or the power fails,
can nobody know whether the action was done: the event is then acted on again, and the command is told so.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from tasks.model.errors import Permanent


class Place:
    """The files of one watch. Use it in a ``with`` statement; raises ``Permanent`` where another watch has them."""

    def __init__(self, file: Path) -> None:
        self._file = file.absolute()
        self._work = self._file.with_name(f"{self._file.name}.work")
        self._lock = self._file.with_name(f"{self._file.name}.lock")
        self._held: int | None = None
        self._working: int | None = None

    def __enter__(self) -> Self:
        try:
            self._held = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._working = os.open(self._work, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as mistake:
            raise Permanent(
                f"{self._lock} cannot be written: {mistake.strerror}. Name a file in a folder that can"
            ) from None
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
            raise Permanent(f"another watch works with {self._file}: end it, or name another file") from None
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._close()

    @property
    def is_new(self) -> bool:
        """Whether there is no file yet."""
        return not self._file.exists()

    def wait_for_keeper(self) -> None:
        """Wait until no keeper of an earlier watch has an action in hand."""
        assert self._working is not None
        fcntl.flock(self._working, fcntl.LOCK_EX)
        fcntl.flock(self._working, fcntl.LOCK_UN)

    def keeper_is_busy(self) -> bool:
        """Whether a keeper of an earlier watch still has an action in hand."""
        assert self._working is not None
        try:
            fcntl.flock(self._working, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._working, fcntl.LOCK_UN)
        return False

    def last(self) -> int:
        """The id of the last event that was acted on; 0 before the first.

        Raises ``Permanent`` for a file that holds no id: to begin anew would be to act on everything again.
        """
        try:
            text = self._file.read_text(encoding="utf-8", errors="replace")[:100].strip()
        except FileNotFoundError:
            return 0
        if not (text.isascii() and text.isdigit()):
            raise Permanent(
                f"{self._file} holds no id of an event: write the last one into it that was acted on, or remove it to "
                "act on all events from the beginning"
            )
        return int(text)

    def attempts(self, number: int) -> int:
        """How often an action on this event was begun and never noted."""
        try:
            said = json.loads(self._work.read_text(encoding="utf-8")[:1000] or "{}")
            return int(said["attempts"]) if int(said["id"]) == number else 0
        except (ValueError, TypeError, KeyError):
            return 0

    def begin(self, number: int, attempts: int) -> None:
        """Note, before the action, that one on this event is begun; the keeper holds the file from here on."""
        assert self._working is not None
        fcntl.flock(self._working, fcntl.LOCK_EX)
        # In place, since the lock belongs to this very file; a torn write is no event's.
        os.ftruncate(self._working, 0)
        os.pwrite(self._working, json.dumps({"id": number, "attempts": attempts}).encode(), 0)
        os.fsync(self._working)

    def let_go(self) -> None:
        """Give the file free again, once the action has ended."""
        assert self._working is not None
        fcntl.flock(self._working, fcntl.LOCK_UN)

    def keep_working_lock_alone(self) -> None:
        """In the keeper: the watch's own lock is not its concern, so that a new watch can begin and wait."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def note(self, number: int) -> None:
        """Note the id of an event that was acted on."""
        draft = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, str(number).encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        draft.replace(self._file)
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _close(self) -> None:
        for handle in (self._held, self._working):
            if handle is not None:
                os.close(handle)
        self._held = self._working = None
