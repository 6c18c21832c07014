"""The parameters of the actions on cloud objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

#: The oldest that a snapshot can be asked to be.
OLDEST = timedelta(days=3650)
_SPAN = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SECRET = re.compile(r"\$\{(?:env|file):")


def read_span(value: object) -> object:
    """A span written as ``90m``, ``12h``, ``30d`` or ``4w``. Raises ``ValueError``."""
    if isinstance(value, timedelta):
        return value
    found = _SPAN.fullmatch(value.replace(" ", "")) if isinstance(value, str) else None
    if found is None:
        raise ValueError("write it as 90m, 12h, 30d or 4w")
    span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not timedelta() < span <= OLDEST:
        raise ValueError(f"it must be longer than nothing and not longer than {OLDEST.days} days")
    return span


def _no_secret(text: str) -> str:
    if _SECRET.search(text):
        raise ValueError("a secret does not belong where everybody in the project can read it: remove it")
    return text


def _texts(metadata: Mapping[str, str]) -> Mapping[str, str]:
    if not 1 <= len(metadata) <= 20:
        raise ValueError("name from 1 to 20 keys")
    return metadata


_Text = Annotated[str, AfterValidator(_no_secret)]
_Host = Annotated[_Text, StringConstraints(min_length=1, max_length=255)]
_Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.: -]{1,255}$")]
_Value = Annotated[_Text, StringConstraints(max_length=255)]


class Nothing(BaseModel, extra="forbid"):
    """No parameters."""


class Reboot(BaseModel, extra="forbid"):
    """How."""

    type: Literal["soft", "hard"] = Field("soft", description="soft asks the guest, hard cuts the power.")


class Snapshot(BaseModel, extra="forbid"):
    """What to call it."""

    name: _Text | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The image's name; a word is added to it. The server's if absent.",
    )


class DeleteSnapshots(BaseModel, extra="forbid"):
    """Which ones."""

    older_than: Annotated[timedelta, BeforeValidator(read_span)] = Field(
        description="Those that are older than this: 90m, 12h, 30d or 4w."
    )
    made_by: Literal["catchment", "anyone"] = Field(
        "catchment", description="catchment: only those that snapshot_server made. anyone: all of the server's."
    )


class Migrate(BaseModel, extra="forbid"):
    """How, and whereto."""

    live: bool = Field(True, description="true: it goes on running. false: it stops and waits to be confirmed.")
    host: _Host | None = Field(None, description="The host to go to. The scheduler chooses if absent.")


class Evacuate(BaseModel, extra="forbid"):
    """Whereto."""

    host: _Host | None = Field(None, description="The host to go to. The scheduler chooses if absent.")


class Tag(BaseModel, extra="forbid"):
    """Which one."""

    tag: _Text = Field(pattern=r"^[^/,]{1,60}$", description="The tag: up to 60 characters, no slash, no comma.")


class Metadata(BaseModel, extra="forbid"):
    """What to set."""

    metadata: Annotated[dict[_Key, _Value], AfterValidator(_texts)] = Field(
        description="From 1 to 20 keys with their texts of up to 255 characters; other keys stay as they are."
    )
