"""Ring the bell: start chains of stage tasks, by name, after the ledger has committed.

A bell that is lost costs a few seconds and nothing else: the sweep rings again for what is due and does
not move. Therefore a broker that is away is logged and not raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from celery import Signature, chain, current_app
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from tasks.conveyor.order import from_stage
from tasks.conveyor.turn import Turn

log = structlog.get_logger(__name__)

#: Effects named by one message at the most: they are tried one after the other by whoever takes it.
EFFECTS_A_MESSAGE = 10
#: Messages that a few effects are spread over first, so that workers share them.
EFFECT_SHARES = 2
#: Lanes that a share of a backlog keeps together, so that its turns stay large.
LANES_A_SHARE = 4
#: Queues of agents begin so; all of them share one.
AGENTS, SHARED = "agent.", "default"
#: Runs that one agent is rung for at once.
JOBS_A_TIME = 50
#: More waiting messages than this are a crowd.
CROWD = 200


def stage_name(stage: str) -> str:
    """The task name of a stage's door: written out, since messages outlive modules."""
    return f"{stage}.run"


def launch(stage: str, lanes: Iterable[int], fanout: int = 1) -> None:
    """Start the rest of the belt, from ``stage`` on, for the lanes: one chain for each share of them."""
    ordered = sorted(set(lanes))
    for share in range(min(fanout, len(ordered))):
        part = ordered[share::fanout]
        steps = [_signature(stage_name(step), part) for step in from_stage(stage)]
        _send(chain(*steps) if len(steps) > 1 else steps[0])


def follow(turn: Turn) -> None:
    """Ring for all that a turn left to do."""
    if turn.raised_lanes:
        launch("switchboard", turn.raised_lanes)
    if turn.remaining:
        # A backlog is shared with whoever has nothing to do: a worker, or a host, that was added to it.
        launch(turn.stage, turn.remaining, 2 if turn.full and len(turn.remaining) >= 2 * LANES_A_SHARE else 1)
    for stage, lanes in turn.behind.items():
        launch(stage, lanes)
    launch_effects(turn.effects)
    if turn.reads:
        launch_reads()


def crowded(queue: str) -> bool:
    """Whether so many messages wait in a queue that the sweep need not add to them.

    A queue grows where nobody serves it; the broker holds hints, and a few hundred are enough of them.
    """
    pool: Any = current_app.pool
    with pool.acquire(block=True) as connection:
        away = (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors)
        try:
            with connection.channel() as channel:
                return int(channel.queue_declare(queue=queue, passive=True).message_count) > CROWD
        except away:
            # Redis has no empty queues, and a broker that is away is no reason not to try.
            return False


def launch_effects(ids: Sequence[int]) -> None:
    """Have effects tried."""
    size = min(EFFECTS_A_MESSAGE, -(-len(ids) // EFFECT_SHARES))
    for start in range(0, len(ids), max(size, 1)):
        _send(_signature("effects.run", list(ids[start : start + size])))


def launch_reads() -> None:
    """Have owed refresh targets read."""
    _send(_signature("refresh.read"))


def launch_catch(provider: str) -> None:
    """Have a provider asked again at once."""
    _send(_signature("catch.poll", provider))


def launch_fill(gap_id: int) -> None:
    """Have a gap of a provider filled, or filled further."""
    _send(_signature("catch.fill", gap_id))


def agent_queue(agent: str | None) -> str:
    """The queue of an agent by the name of its host, or the one that all of them share (None)."""
    return f"{AGENTS}{agent or SHARED}"


def launch_jobs(agent: str | None, count: int) -> None:
    """Have an agent call handlers of jobs that are due, as many as there are."""
    name = agent_queue(agent)
    # A host's queue is declared by whoever comes first, its agent or this, and must be of the kind of all others.
    shared = current_app.amqp.queues[agent_queue(None)]
    queue = Queue(name, Exchange(name, type="direct"), routing_key=name, queue_arguments=shared.queue_arguments)
    for _ in range(min(count, JOBS_A_TIME)):
        _send(_signature("jobs.run", agent).set(queue=queue if agent else name))


def _signature(name: str, *args: object) -> Signature:
    return current_app.signature(name, args=args, immutable=True)


def _send(signature: Signature) -> None:
    try:
        signature.apply_async()
    except (OperationalError, OSError) as error:
        log.warning(
            "the broker does not take a message; the sweep will send it again",
            task=str(signature.get("task")),
            error=str(error),
        )
