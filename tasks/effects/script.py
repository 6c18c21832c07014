"""The action ``script``: run a program of the site with the event on its standard input."""

from __future__ import annotations

import errno
import os
import re
import signal
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, Field, field_validator

from tasks.effects import process
from tasks.effects.contracts import Done, EffectContext
from tasks.effects.document import event_json
from tasks.effects.secrets import redact_text, reveal
from tasks.model.errors import Permanent, Transient

#: What a script gets of the worker's own environment; everything else has to be given by name.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")

_NO_VARIABLE = re.compile(r"[^A-Z0-9_]")

#: Read beyond the limit, so that a secret that lies across it is still recognised.
_MARGIN = 4096

_MAY_PASS = {errno.EAGAIN, errno.ENOMEM, errno.ETXTBSY, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE}


class ScriptParams(BaseModel, extra="forbid"):
    """Which program, with which arguments. There is no shell: each element is one argument, as it is."""

    command: list[str] = Field(
        min_length=1,
        max_length=256,
        description="The program, relative to the site folder or absolute, and its arguments.",
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="Environment to add. Values may be ${env:NAME} or ${file:path}."
    )
    values: dict[str, str] = Field(
        default_factory=dict,
        description="Values to hand over as they are: as EVENT_<NAME> in the environment, and on standard input.",
    )
    timeout_seconds: float = Field(30.0, gt=0, le=3600, description="The longest run; then the program is ended.")
    output_limit_bytes: int = Field(
        16_384,
        ge=0,
        le=1_048_576,
        description="How much of each output is kept; the rest is read and dropped.",
    )

    @field_validator("command")
    @classmethod
    def _names_a_program(cls, command: list[str]) -> list[str]:
        if not command[0].strip():
            raise ValueError("the first element must name a program")
        if "${" in command[0]:
            raise ValueError("the program itself cannot be a placeholder, only its arguments can")
        return command

    @field_validator("env")
    @classmethod
    def _is_an_environment(cls, env: dict[str, str]) -> dict[str, str]:
        for name in env:
            if not name or "=" in name or "\x00" in name:
                raise ValueError(f"{name!r} cannot be the name of an environment variable")
            if name.upper().startswith("CATCHMENT_"):
                raise ValueError(f"{name} is kept for Catchment itself: choose another name")
        return env


class Script:
    """Runs a program. Exit 0 is done; any other end is tried again, as is a run that took too long."""

    name: ClassVar[str] = "script"
    params: ClassVar[type[BaseModel]] = ScriptParams
    limit_seconds: ClassVar[float] = 30.0

    def run(self, params: ScriptParams, context: EffectContext) -> Done:
        """Run it once, with the event as JSON on its standard input.

        ``CATCHMENT_EFFECT_KEY`` is equal at every try, so that a script can recognise a second one.
        Raises ``Permanent`` where the program is missing or cannot be executed, ``Transient`` where it
        ends with anything but 0.
        """
        program = _program(params.command[0], Path(context.site_root))
        env, secrets = _environment(params, context)
        ended = _start(program, params, context, env)
        return _judge(ended, params, secrets)


def _program(name: str, root: Path) -> Path:
    root = root.resolve()
    path = Path(name) if Path(name).is_absolute() else (root / name).resolve()
    if not Path(name).is_absolute() and not path.is_relative_to(root):
        raise Permanent(f"the script {name} lies outside the site folder: move it there, or give its absolute path")
    if not path.is_file():
        raise Permanent(f"the script {name} does not exist: paths start at the site folder, as in scripts/{path.name}")
    if not os.access(path, os.X_OK):
        raise Permanent(f"the script {name} is not executable: chmod +x {name}")
    return path


def _environment(params: ScriptParams, context: EffectContext) -> tuple[dict[str, str], list[str]]:
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    secrets: list[str] = []
    env |= {_variable(name): text for name, text in params.values.items()}
    for name, text in params.env.items():
        env[name], found = reveal(text, context)
        secrets += found
    env["CATCHMENT_EFFECT_KEY"] = context.key
    env["CATCHMENT_ATTEMPT"] = str(context.attempt)
    return env, secrets


def _variable(name: str) -> str:
    """The variable that a value of this name is handed over in: ``properties.vendor`` in EVENT_PROPERTIES_VENDOR."""
    return f"EVENT_{_NO_VARIABLE.sub('_', name.upper())}"


def _start(program: Path, params: ScriptParams, context: EffectContext, env: dict[str, str]) -> process.Ended:
    try:
        return process.run(
            [str(program), *params.command[1:]],
            cwd=Path(context.site_root),
            env=env,
            stdin=event_json(context, params.values),
            timeout=params.timeout_seconds,
            output_limit=params.output_limit_bytes + _MARGIN,
        )
    except ValueError:
        # Its text is not kept: arguments and environment may hold secrets.
        raise Permanent("an argument or variable holds a NUL or a character that the system cannot take") from None
    except OSError as mistake:
        reason = f"the script {params.command[0]} cannot be started: {mistake.strerror}"
        if mistake.errno in _MAY_PASS:
            raise Transient(reason) from mistake
        raise Permanent(
            f"{reason}. Look at its first line, its permissions and the length of its arguments"
        ) from mistake


def _judge(ended: process.Ended, params: ScriptParams, secrets: list[str]) -> Done:
    stdout, lost_out = _text(ended.stdout, params.output_limit_bytes, secrets)
    stderr, lost_err = _text(ended.stderr, params.output_limit_bytes, secrets)
    if ended.code == 0 and not ended.timed_out:
        seconds = round(ended.seconds, 3)
        detail = {"exit": 0, "seconds": seconds, "stdout": stdout, "stderr": stderr}
        if lost_out or lost_err:
            detail |= {"stdout_dropped_bytes": lost_out, "stderr_dropped_bytes": lost_err}
        return Done(f"exit 0 after {ended.seconds:.1f} s", detail)
    said = (stderr or stdout).strip()[-500:]
    failed = Transient(f"the script {params.command[0]} {_end(ended, params)}" + (f": {said}" if said else ""))
    failed.detail = {"exit": ended.code, "seconds": round(ended.seconds, 3), "stdout": stdout, "stderr": stderr}
    raise failed


def _end(ended: process.Ended, params: ScriptParams) -> str:
    if ended.code is None:
        return "could not be ended: it hangs in the kernel"
    if ended.timed_out:
        return f"was ended after {params.timeout_seconds:g} s, the limit of timeout_seconds"
    if ended.code < 0:
        try:
            return f"was ended by {signal.Signals(-ended.code).name}"
        except ValueError:
            return f"was ended by signal {-ended.code}"
    return f"ended with exit code {ended.code} after {ended.seconds:.1f} s"


def _text(captured: process.Captured, limit: int, secrets: list[str]) -> tuple[str, int]:
    """What is kept of an output, and how many bytes of it are not."""
    text = redact_text(captured.head.decode("utf-8", "replace"), secrets, limit + _MARGIN)
    kept = text.encode("utf-8")[:limit].decode("utf-8", "ignore")
    return kept, captured.dropped + max(len(captured.head) - limit, 0)
