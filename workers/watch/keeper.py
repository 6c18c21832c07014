"""Acts on one event: the command under a keeper that outlives the watch (see :mod:`workers.watch.place`)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from workers.watch.place import Place

#: What a shell gives as the status of a command that is not there, and of one that cannot be executed.
NOT_FOUND, NOT_EXECUTABLE = 127, 126
_NOT_NOTED = 125
#: Not handed on to the command.
TOKEN = "CATCHMENT_TOKEN"  # noqa: S105 - the name of a variable
_VARIABLES = {
    "id": "EVENT_ID",
    "event_type": "EVENT_TYPE",
    "event_time": "EVENT_TIME",
    "object_type": "OBJECT_TYPE",
    "object_uuid": "OBJECT_UUID",
    "resource_type": "RESOURCE_TYPE",
    "resource_uuid": "RESOURCE_UUID",
    "lessee_id": "LESSEE_ID",
    "owner_id": "OWNER_ID",
}


def act(place: Place, event: Mapping[str, Any], command: Sequence[str]) -> int:
    """Run the command for an event, and have its id noted where it ends with 0. Returns its exit status."""
    number = int(event["id"])
    before = place.attempts(number)
    place.begin(number, before + 1)
    child = os.fork()
    if child == 0:
        _keep(place, event, command, before)
    _, status = os.waitpid(child, 0)
    place.let_go()
    return os.waitstatus_to_exitcode(status)


def _keep(place: Place, event: Mapping[str, Any], command: Sequence[str], before: int) -> None:
    """The keeper: never returns."""
    status = _NOT_NOTED
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        place.keep_working_lock_alone()
        status = _run(event, command, before)
        if status == 0:
            place.note(int(event["id"]))
    except BaseException:  # noqa: BLE001 - whatever it is, this process must end here and not go on as a second watch
        traceback.print_exc()
        status = _NOT_NOTED
    finally:
        os._exit(status)


def _run(event: Mapping[str, Any], command: Sequence[str], before: int) -> int:
    try:
        child = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, env=_environment(event, before), preexec_fn=_as_usual
        )
    except FileNotFoundError:
        return NOT_FOUND
    except (PermissionError, OSError):
        return NOT_EXECUTABLE
    child.communicate(json.dumps(event, ensure_ascii=True).encode("ascii"))
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _as_usual() -> None:
    """The command itself is to be stopped by the signals that the keeper passes over."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _environment(event: Mapping[str, Any], before: int) -> dict[str, str]:
    told = {f"CATCHMENT_{name}": _text(event.get(key)) for key, name in _VARIABLES.items()}
    again = {"CATCHMENT_ATTEMPT": str(before + 1), "CATCHMENT_AGAIN": "1" if before else ""}
    return {**{name: value for name, value in os.environ.items() if name != TOKEN}, **told, **again}


def _text(value: object) -> str:
    return "" if value is None else str(value).replace("\x00", "\ufffd")
