"""Writes a ``catchment.toml`` in which every setting stands as a comment, with its meaning and default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from tasks.site.settings import Settings

_HEAD = """\
# Settings of this installation. What stands here as a comment is the default: take the # away and
# change it. Any key can be given in the environment instead, which stands above this file:
# CATCHMENT_LOG_LEVEL, or CATCHMENT_WEB__PORT for a key of a section. Keep passwords there, or in files.
"""


def sample_toml(model: type[BaseModel] = Settings) -> str:
    """The text, made from the model of the settings, so that it never says anything else than they do."""
    own = [(n, f) for n, f in model.model_fields.items() if not isinstance(f.default, BaseModel)]
    sections = [(n, f.default) for n, f in model.model_fields.items() if isinstance(f.default, BaseModel)]
    lines = [_HEAD, *(line for name, info in own for line in _setting(name, info))]
    for name, section in sections:
        lines.append("")
        meaning = (type(section).__doc__ or "").strip().splitlines()
        lines += [f"# {line.strip()}" for line in meaning if line.strip()]
        lines.append(f"[{name}]")
        lines += [line for key, info in type(section).model_fields.items() for line in _setting(key, info)]
    return "\n".join(lines) + "\n"


def _setting(name: str, info: FieldInfo) -> Iterator[str]:
    choices = _choices(info)
    yield f"# {info.description or name}{choices}"
    shown, example = _value(info.default)
    yield f"# {name} = {shown}" + ("  # not set" if example else "")


def _choices(info: FieldInfo) -> str:
    if get_origin(info.annotation) is Literal:
        return f" One of: {', '.join(str(choice) for choice in get_args(info.annotation))}."
    return ""


def _value(default: Any) -> tuple[str, bool]:
    if default is None:
        return '""', True
    if isinstance(default, SecretStr):
        return json.dumps(default.get_secret_value()), False
    if isinstance(default, bool | int | float):
        return json.dumps(default), False
    if isinstance(default, Path):
        return json.dumps(default.as_posix()), False
    return json.dumps(default, ensure_ascii=False), False
