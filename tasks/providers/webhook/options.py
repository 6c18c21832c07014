"""The options of a webhook provider in ``providers.yaml``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from tasks.providers.webhook.subjects import SubjectPattern

#: What names a value of a CloudEvent: an attribute, or a path into its data.
_PATH = r"^(?:[a-z0-9]{1,64}|data(?:\.[^.\s]{1,64}){1,8})$"


class Subject(BaseModel, extra="forbid"):
    """How a CloudEvent's subject names the object that it is about."""

    subject: str = Field(
        min_length=1,
        max_length=200,
        description="Text in which {kind} and {id} stand for the object's kind and id, {} for a part of no interest.",
    )
    kind: str | None = Field(
        None, pattern=r"^[a-z][a-z0-9_]{0,39}$", description="The kind, where the subject does not name it."
    )

    @model_validator(mode="after")
    def _whole(self) -> Subject:
        SubjectPattern(self.subject, self.kind)
        return self


class WebhookOptions(BaseModel, extra="forbid"):
    """What an operator can say of a provider that pushes CloudEvents."""

    monitor: Literal["none"] = Field("none", description="Nothing is asked: events are pushed.")
    source: str = Field(
        "WEBHOOK",
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$",
        description="The word under which the switchboard finds its events: /System/Event/EmsEvent/<source>/<type>.",
    )
    objects: list[Subject] = Field(
        default=[Subject(subject="{kind}/{id}")],
        max_length=50,
        description="How subjects name objects; the first that fits counts.",
    )
    tenant: str | None = Field(
        None, pattern=_PATH, description="Attribute (projectid) or path (data.project_id) that names the project."
    )
    actor: str | None = Field(None, pattern=_PATH, description="Attribute or path that names who did it.")
    ignore: list[str] = Field(default=[], description="Event types that are counted as rejected and not kept.")
