"""The door of the alert stage."""

from __future__ import annotations

from tasks.alert.handle import alert_handler
from tasks.conveyor.stage import stage_task

run = stage_task("alert", alert_handler)
