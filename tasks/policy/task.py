"""The door of the policy stage."""

from __future__ import annotations

from tasks.conveyor.stage import stage_task
from tasks.policy.handle import policy_handler

run = stage_task("policy", policy_handler)
