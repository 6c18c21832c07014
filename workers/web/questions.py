"""The parameters of lists, typed and bounded, the same for the API and the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

#: Rows of a list that are sent at once.
ROWS = 100
MOST_ROWS = 500
#: The highest row id that the ledger can hold.
MOST_ID = 2**63 - 1


def _moment(value: datetime) -> datetime:
    # Far ends of the calendar leave it when they are moved to UTC.
    if not 1970 <= value.year <= 9000:
        raise ValueError("a moment between the years 1970 and 9000 is wanted")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _blank(value: Any) -> Any:
    # An empty field of a form is no filter.
    return None if isinstance(value, str) and not value.strip() else value


#: Text without the one character that PostgreSQL cannot hold.
Text = Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]
Words = Annotated[Text | None, BeforeValidator(_blank)]
Moment = Annotated[Annotated[datetime, AfterValidator(_moment)] | None, BeforeValidator(_blank)]
RowId = Annotated[int, Path(ge=1, le=MOST_ID, description="The row id")]
PathText = Annotated[str, Path(max_length=255, pattern=r"^[^\x00]*$")]

Severity = Annotated[Literal["info", "warning", "error"] | None, BeforeValidator(_blank)]


def _said(longest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest, pattern=r"^[^\x00]*$")


#: What people write: never blank. A name, a comment on an incident, the reason of a silence.
Name = Annotated[str, _said(200)]
Remark = Annotated[str, _said(4000)]
Comment = Annotated[str, _said(1000)]


class EventQuestion(BaseModel, extra="forbid"):
    """Which events: all filters given must hold."""

    provider: Words = Field(None, description="Name of the provider; `internal` for raised events.")
    event_type: Words = Field(
        None, alias="type", description="The canonical type, as rules name it; `*` and `?` stand for any text."
    )
    resource: Words = Field(None, description="The object, as `kind/id` or by its id.")
    project: Words = Field(None, description="The project (tenant) that the event belongs to.")
    state: Annotated[Literal["pending", "finished", "dead"] | None, BeforeValidator(_blank)] = Field(
        None, description="Whether the event is on its way, through, or at the dead-letter desk."
    )
    stage: Words = Field(None, description="The stage that a pending event stands before, or at which a dead one died.")
    since: Moment = Field(None, description="Happened at or after this moment; UTC where it names no zone.")
    until: Moment = Field(None, description="Happened before this moment.")
    after: Annotated[int | None, BeforeValidator(_blank)] = Field(
        None, ge=1, le=MOST_ID, description="Go on after the event with this id: `next` of the answer has it."
    )
    order: Literal["newest", "oldest"] = Field("newest", description="Which end comes first.")
    limit: int = Field(ROWS, ge=1, le=MOST_ROWS, description="Events in one answer, at the most.")


class InventoryQuestion(BaseModel, extra="forbid"):
    """Which inventory objects."""

    provider: Words = None
    kind: Words = None
    project: Words = None
    name: Words = Field(None, description="The object's name; `*` and `?` stand for any text and any letter.")
    state: Annotated[Literal["known", "stub", "gone"] | None, BeforeValidator(_blank)] = None
    # There is no next page, so that one answer must be able to hold a small cloud.
    limit: int = Field(ROWS, ge=1, le=10_000)


class EffectQuestion(BaseModel, extra="forbid"):
    """Which effects."""

    state: Annotated[Literal["asked", "done", "dead"] | None, BeforeValidator(_blank)] = None
    event_id: int | None = Field(None, ge=1, le=MOST_ID)
    limit: int = Field(ROWS, ge=1, le=MOST_ROWS)


class IncidentQuestion(BaseModel, extra="forbid"):
    """Which incidents: all filters given must hold."""

    state: Annotated[Literal["open", "acknowledged", "closed"] | None, BeforeValidator(_blank)] = None
    alert: Words = Field(None, description="Name of the alert; `*` and `?` stand for any text and any letter.")
    severity: Severity = None
    resource: Words = Field(None, description="The object, as `kind/id` or by its id.")
    provider: Words = None
    project: Words = Field(None, description="The project of the event that opened it.")
    cannot_notify: Annotated[bool | None, BeforeValidator(_blank)] = Field(
        None, description="Only those whose newest notification is dead."
    )
    group: Annotated[Literal["alert", "object", "tenant", "severity"] | None, BeforeValidator(_blank)] = Field(
        None, description="One line for each, instead of the incidents."
    )
    after: Annotated[int | None, BeforeValidator(_blank)] = Field(
        None, ge=1, le=MOST_ID, description="Go on after the incident with this id: `next` of the answer has it."
    )
    limit: int = Field(ROWS, ge=1, le=MOST_ROWS)


_RunState = Literal[
    "submitted", "queued", "starting", "running", "paused", "completing", "completed", "failed", "cancelling",
    "cancelled", "terminated",
]  # fmt: skip


class RunQuestion(BaseModel, extra="forbid"):
    """Which runs of jobs: all filters given must hold."""

    state: Annotated[_RunState | None, BeforeValidator(_blank)] = Field(None, description="How they stand.")
    job: Words = Field(None, description="Name of the job.")
    schedule: Words = Field(None, description="Name of the schedule.")
    active: bool = Field(False, description="Only those that are not over.")
    before: Annotated[int | None, BeforeValidator(_blank)] = Field(
        None, ge=1, le=MOST_ID, description="Go on below the run with this id: `next` of the answer has it."
    )
    limit: int = Field(ROWS, ge=1, le=MOST_ROWS)


class SilenceQuestion(BaseModel, extra="forbid"):
    """Which silences."""

    everything: bool = Field(False, alias="all", description="Those that are over, too.")


class SilenceDraft(SilenceQuestion):
    """The page of silences: which are listed, and what its form is filled with."""

    alert: Words = None
    provider: Words = None
    target: Words = Field(None, alias="object")


class SilenceWish(BaseModel, extra="forbid"):
    """A silence to be made: what it covers, from when, how long, and why. Who makes it is the caller."""

    alert: Words = Field(None, description="Alerts of this name; may hold `*` and `?`.")
    provider: Words = Field(None, description="Objects of this provider.")
    target: Words = Field(None, alias="object", description="`KIND` or `KIND/ID`; the id may hold `*` and `?`.")
    severity: Severity = None
    begins: Moment = Field(None, alias="from", description="When it begins; now where it is not given.")
    length: Words = Field(
        None, alias="for", description="How long: `90s`, `10m`, `1h30m`, `2d`; 1h if nothing is given."
    )
    until: Moment = Field(None, description="When it ends, instead of how long it is.")
    comment: Comment = Field(description="Why.")


class SilenceForm(SilenceWish):
    """The same as a form of the page sends it."""

    form_token: str = ""


#: The ranges of a timeline that end now, and their lengths.
LAST = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}


def _listed(value: Any) -> Any:
    # A single value is a list of one, and an empty field of a form is none.
    values = value if isinstance(value, list) else [value]
    return [item for item in values if _blank(item) is not None]


def _kind_and_id(value: str) -> str:
    kind, slash, ref = value.partition("/")
    if not (kind and slash and ref):
        raise ValueError("write the object as kind/id, such as server/4f1c")
    return value


class TimelineQuestion(BaseModel, extra="forbid"):
    """Which events a timeline is of: all filters given must hold, and of ``group`` and ``level`` one value."""

    provider: Words = Field(None, description="Name of the provider; `internal` for raised events.")
    project: Words = Field(None, description="The project (tenant) that the event belongs to.")
    target: Annotated[Annotated[Text, AfterValidator(_kind_and_id)] | None, BeforeValidator(_blank)] = Field(
        None, alias="object", description="The object, as `kind/id`; events that Catchment raised about it, too."
    )
    source: Annotated[Literal["provider", "policy", "management"] | None, BeforeValidator(_blank)] = Field(
        None, description="Events of providers, policy events, or management events and marks."
    )
    group: Annotated[list[Text], BeforeValidator(_listed), Field(max_length=50)] = Field(
        [], description="Groups, such as `power` or `vm_operational`; may be given again."
    )
    level: Annotated[
        list[Literal["critical", "warning", "detail", "success", "failure"]],
        BeforeValidator(_listed),
        Field(max_length=10),
    ] = Field([], description="Levels; policy events have success, failure and detail. May be given again.")
    result: Annotated[Literal["success", "failure", "detail"] | None, BeforeValidator(_blank)] = Field(
        None, description="Policy events alone, with this result."
    )
    event_type: Words = Field(None, alias="type", description="The canonical type; `*` and `?` stand for any text.")
    since: Moment = Field(None, description="Happened at or after this moment; UTC where it names no zone.")
    until: Moment = Field(None, description="Happened before this moment; now where it is not given.")
    last: Annotated[Literal["1h", "24h", "7d", "30d"], BeforeValidator(lambda value: _blank(value) or "7d")] = Field(
        "7d", description="How long the range is where `since` is not given."
    )


class TimelineCountQuestion(TimelineQuestion):
    """A timeline over the API."""

    buckets: int = Field(200, ge=1, le=200, description="Stretches of time, at the most.")
    format: Literal["json", "csv"] = "json"


class TimelineEventQuestion(TimelineQuestion):
    """The events of a timeline over the API."""

    after: Annotated[int | None, BeforeValidator(_blank)] = Field(
        None, ge=1, le=MOST_ID, description="Go on after the event with this id: `next` of the answer has it."
    )
    order: Literal["newest", "oldest"] = Field("newest", description="Which end comes first.")
    limit: int = Field(ROWS, ge=1, le=MOST_ROWS, description="Events in one answer; CSV has all of the range.")
    format: Literal["json", "csv"] = "json"


class TimelinePageQuestion(TimelineQuestion):
    """The page: beside the timeline, which of its bars is open."""

    at: Moment = Field(None, description="The beginning of the stretch of time whose events are listed.")
    lane: Words = Field(None, description="Of these events those of one group, as `source:group`.")
    after: Annotated[int | None, BeforeValidator(_blank)] = Field(None, ge=1, le=MOST_ID)
