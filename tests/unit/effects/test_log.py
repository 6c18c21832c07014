"""The action ``log``."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from tasks.effects.contracts import EffectContext
from tasks.effects.log import Log, LogParams
from tasks.site.settings import Settings


def context() -> EffectContext:
    return EffectContext("7:policy/a:log::0", 1, {"id": 7}, None, Settings.model_construct(), ".")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_a_line_is_written_at_its_level_with_the_event(level: str) -> None:
    with capture_logs() as lines:
        done = Log().run(LogParams.model_validate({"message": "down", "level": level}), context())
    assert lines == [{"event": "down", "log_level": level, "effect": "7:policy/a:log::0", "attempt": 1, "event_id": 7}]
    assert done.summary == f"logged at {level}"


def test_a_name_cannot_forge_a_second_line_or_colour_a_terminal() -> None:
    with capture_logs() as lines:
        Log().run(LogParams(message="vm\n2026 ERROR all is lost \x1b[31m"), context())
    assert lines[0]["event"] == "vm\\n2026 ERROR all is lost \\x1b[31m"


def test_a_secret_in_a_message_is_hidden() -> None:
    with capture_logs() as lines:
        done = Log().run(LogParams(message="set password=hunter2 now"), context())
    assert "hunter2" not in str(lines) + str(done)


def test_an_empty_message_or_an_unknown_level_is_refused() -> None:
    for params in ({"message": ""}, {"message": "a", "level": "loud"}, {}):
        with pytest.raises(ValidationError):
            LogParams.model_validate(params)
