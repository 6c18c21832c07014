"""One turn of a stage: claim, work, write and advance, in one transaction (DESIGN 3)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from tasks.conveyor.carry import Carried, Line, carry
from tasks.conveyor.claim import claim, due_places, lock_lanes
from tasks.conveyor.installation import Installation
from tasks.conveyor.order import ORDER
from tasks.model import clock
from tasks.model.errors import CatchmentError
from tasks.model.event import Event as EventValue
from tasks.model.outcome import Outcome, View
from tasks.site.contracts import Site
from tasks.site.settings import Conveyor

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Turn:
    """What a turn did, and whom to call after the commit. Nothing in it is needed for the truth.

    ``through`` says that all it claimed went to the end of the belt or stayed behind for a reason of its
    own: the chain that rang for it has nothing left to ring for. ``full`` says that there was more to claim
    than one turn takes.
    """

    stage: str
    worked: int = 0
    failed: int = 0
    raised_lanes: set[int] = field(default_factory=set)
    effects: list[int] = field(default_factory=list)
    reads: bool = False
    remaining: list[int] = field(default_factory=list)
    behind: dict[str, list[int]] = field(default_factory=dict)
    through: bool = False
    full: bool = False

    def add(self, done: Carried) -> None:
        """Count in what a batch came to."""
        self.worked += done.worked
        self.failed += done.failed
        self.raised_lanes |= done.raised_lanes
        self.effects += done.effects
        self.reads |= done.reads


def take(installation: Installation, line: Line, lanes: Sequence[int], limit: int | None = None) -> Turn:
    """Work once on what is due at the first stage of a line, in those of the lanes that are free.

    ``line`` are stages that follow each other, each with its handler, beginning with the one to work at.
    How far one turn goes along it is a matter of ``conveyor.fuse``: with a backlog, or always, its batch
    is carried through all of them in the same transaction. A batch that cannot be written as a whole (a
    value that no column takes) is worked again one by one, so that only the event that carries it fails.
    """
    site = installation.site
    size = limit or site.settings.conveyor.batch
    stage = line[0][0]
    try:
        return _turn(installation, site, line, lanes, size)
    except Exception as error:
        if not _is_refusal(error):
            raise
        log.warning("the ledger refused a batch; its events are worked one by one", stage=stage, error=_words(error))
    turn = Turn(stage)
    for _ in range(size):
        single = _single(installation, site, line[:1], lanes)
        turn.worked += single.worked
        turn.failed += single.failed
        turn.effects += single.effects
        turn.raised_lanes |= single.raised_lanes
        turn.reads |= single.reads
        turn.remaining = single.remaining
        if not single.remaining:
            break
    return turn


def _single(installation: Installation, site: Site, line: Line, lanes: Sequence[int]) -> Turn:
    [(stage, handler)] = line
    worked: set[int] = set()

    def note(event: EventValue, view: View) -> Outcome:
        worked.add(event.id)
        return handler(event, view)

    try:
        return _turn(installation, site, [(stage, note)], lanes, 1)
    except Exception as error:
        if not worked or not _is_refusal(error):
            raise
        refusal = CatchmentError(f"the ledger refuses what the {stage} stage made of this event: {_words(error)}")

    def refuse(event: EventValue, view: View) -> Outcome:
        # Its lane was free for a moment: somebody else may have worked on it, and this may be another event.
        if event.id in worked:
            raise refusal
        return handler(event, view)

    return _turn(installation, site, [(stage, refuse)], lanes, 1)


def _is_refusal(error: Exception) -> bool:
    """Whether the values are at fault, and not the database or the way to it."""
    if isinstance(error, DBAPIError):
        # 54 is a program limit: a text too long for an index, which the driver takes for trouble of the server.
        beyond = str(getattr(error.orig, "sqlstate", None) or "").startswith("54")
        return beyond or isinstance(error, DataError | IntegrityError)
    return isinstance(error, StatementError | ValueError | TypeError | LookupError | AttributeError | RecursionError)


def _words(error: Exception) -> str:
    cause = error.orig if isinstance(error, StatementError) else error
    return f"{type(cause).__name__}: {cause}"


def _turn(installation: Installation, site: Site, line: Line, lanes: Sequence[int], size: int) -> Turn:
    turn = Turn(line[0][0])
    with installation.ledger.transaction() as session:
        free = lock_lanes(session, lanes)
        now = clock.now()
        claimed = claim(session, turn.stage, free, now, size)
        turn.full = len(claimed) == size
        if claimed:
            far = _is_far(site.settings.conveyor, turn.stage, len(claimed))
            turn.add(carry(session, site, line if far else line[:1], claimed, free, now, size))
            turn.through = far and line[-1][0] == ORDER[-1]
    # Asked after the commit: a bell that found the lane busy came before it, and is answered here. What
    # stands at later stages is met by the chain that goes on through them, if there is one.
    if free:
        asked = ORDER if turn.through else ORDER[: ORDER.index(turn.stage) + 1]
        with installation.ledger.reading() as session:
            turn.behind = due_places(session, asked, free, clock.now())
        turn.remaining = turn.behind.pop(turn.stage, [])
    return turn


#: When this process last took a turn at the first stage that had something to do.
_last_turn = float("-inf")


def _is_far(settings: Conveyor, stage: str, claimed: int) -> bool:
    """Whether a batch is carried through more than one stage.

    A batch of ``fuse_from`` events is a backlog; so is a stream that comes faster than five messages for each
    event could be passed on, however small its batches are.
    """
    global _last_turn
    often = False
    if stage == ORDER[0]:
        now = time.monotonic()
        often, _last_turn = now - _last_turn < settings.fuse_within_seconds, now
    return settings.fuse == "always" or (settings.fuse == "backlog" and (often or claimed >= settings.fuse_from))
