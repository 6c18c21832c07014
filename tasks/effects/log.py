"""The action ``log``: write a line to the log."""

from __future__ import annotations

from typing import ClassVar, Literal

import structlog
from pydantic import BaseModel, Field

from tasks.effects.contracts import Done, EffectContext
from tasks.effects.secrets import redact_text


class LogParams(BaseModel, extra="forbid"):
    """What to write, and how loudly."""

    message: str = Field(min_length=1, description="The line to write.")
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="How loudly.")


class Log:
    """Writes one line to the log of the worker, with the effect's key and the event's id beside it."""

    name: ClassVar[str] = "log"
    params: ClassVar[type[BaseModel]] = LogParams
    limit_seconds: ClassVar[float] = 5.0

    def run(self, params: LogParams, context: EffectContext) -> Done:
        """Write the line. Never fails."""
        # A line end in an object's name must not look like a second entry of the log.
        message = "".join(c if c.isprintable() else repr(c)[1:-1] for c in redact_text(params.message))
        write = getattr(structlog.get_logger("catchment.effects"), params.level)
        write(message, effect=context.key, attempt=context.attempt, event_id=context.event.get("id"))
        return Done(f"logged at {params.level}", {"message": message})
