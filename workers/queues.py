"""The queues and what goes where. A wrong route fails loudly: no queue is made that is not named here."""

from __future__ import annotations

from kombu import Exchange, Queue

from tasks.conveyor.launch import agent_queue
from tasks.conveyor.order import ORDER

#: Queues beside those of the stages: catches, reads of inventory, effects, housekeeping, and jobs of any agent.
OTHERS = ("catch", "read", "effects", "control", agent_queue(None))

ROUTES = {
    "catch.*": {"queue": "catch"},
    "refresh.read": {"queue": "read"},
    "refresh.tick": {"queue": "control"},
    "effects.run": {"queue": "effects"},
    "conveyor.*": {"queue": "control"},
    "requests.*": {"queue": "control"},
    "rules.*": {"queue": "control"},
    "jobs.tick": {"queue": "control"},
    "jobs.run": {"queue": agent_queue(None)},
    "policy.tick": {"queue": "control"},
    "alert.tick": {"queue": "control"},
    "alert.receive": {"queue": "control"},
    **{f"{stage}.run": {"queue": stage} for stage in ORDER},
}


def queues(*, quorum: bool = False) -> list[Queue]:
    """All queues, each bound to the exchange of its own name; ``quorum`` has RabbitMQ replicate them."""
    arguments = {"x-queue-type": "quorum"} if quorum else None
    return [
        Queue(name, Exchange(name, type="direct"), routing_key=name, queue_arguments=arguments)
        for name in (*OTHERS, *ORDER)
    ]


def own_queue(host: str, *, like: Queue) -> Queue:
    """The queue of the jobs that this host alone may run."""
    name = agent_queue(host)
    return Queue(name, Exchange(name, type="direct"), routing_key=name, queue_arguments=like.queue_arguments)
