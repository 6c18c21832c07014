"""The door of the switchboard stage."""

from __future__ import annotations

from tasks.conveyor.stage import stage_task
from tasks.switchboard.handle import switchboard_handler

run = stage_task("switchboard", switchboard_handler)
