"""The door of a stage: the Celery task that takes turns at it."""

from __future__ import annotations

from typing import Any

import structlog
from celery import shared_task

from tasks.conveyor import installation, launch, turn
from tasks.model.outcome import Handler


def stage_task(stage: str, handler: Handler) -> Any:
    """Make the task of a stage: ``<stage>.run``, which takes a list of lanes.

    The task returns after its commit; Celery's chain then calls the next stage. Work that is left in the
    lanes, raised events, effects and reads are rung for here.
    """

    @shared_task(name=launch.stage_name(stage))
    def run(lanes: list[int]) -> None:
        with structlog.contextvars.bound_contextvars(stage=stage):
            result = turn.take(installation.current(), stage, handler, lanes)
            launch.follow(result)

    return run
