"""The door of a stage: the Celery task that takes turns at it."""

from __future__ import annotations

from typing import Any

import structlog
from celery import shared_task

from tasks.conveyor import carry, installation, launch, turn
from tasks.conveyor.order import from_stage
from tasks.model.outcome import Handler

#: The handlers of the stages whose doors this process has opened.
_handlers: dict[str, Handler] = {}


def stage_task(stage: str, handler: Handler) -> Any:
    """Make the task of a stage: ``<stage>.run``, which takes a list of lanes.

    The task returns after its commit; Celery's chain then calls the next stage. Work that is left in the
    lanes, raised events, effects and reads are rung for here.
    """
    _handlers[stage] = handler

    @shared_task(name=launch.stage_name(stage), bind=True)
    def run(self: Any, lanes: list[int]) -> None:
        with structlog.contextvars.bound_contextvars(stage=stage):
            result = turn.take(installation.current(), line_from(stage), lanes)
            if result.through or not result.worked:
                # The turn went all the way, or had nothing to do, because somebody else works in these lanes
                # and looks after what is left there. The rest of the chain would ring for nothing.
                self.request.chain = None
            launch.follow(result)

    return run


def line_from(stage: str) -> carry.Line:
    """The stages that one turn may go through: this one, and those behind it whose doors are open here."""
    return [(name, _handlers[name]) for name in from_stage(stage)]
