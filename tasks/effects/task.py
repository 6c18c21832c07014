"""The door of the effects room."""

from __future__ import annotations

from celery import shared_task

from tasks.conveyor.advance import backoff
from tasks.conveyor.installation import current
from tasks.effects.run import run as run_effects
from tasks.effects.table import actions


@shared_task(name="effects.run")
def run(ids: list[int]) -> None:
    """Try the effects of the given ids."""
    run_effects(current(), ids, actions(), backoff)
