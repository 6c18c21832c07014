"""Actions that stay inside Catchment: the stage carries them out with its decision, in one transaction.

No effect is ever written for them, so they happen once whatever is retried. They stand in the table of actions so
that ``catchment check`` knows their parameters like all others; :mod:`tasks.expressions.inner` says what each does.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from tasks.effects.contracts import Done, EffectContext
from tasks.model.errors import Permanent
from tasks.model.event import REQUEST

#: Part of an address: names between slashes.
_NAMES = r"^/?[A-Za-z0-9_.\-]+(/[A-Za-z0-9_.\-]+)*$"


class Reason(BaseModel, extra="forbid"):
    """Why."""

    reason: str = Field(min_length=1, max_length=255, description="What the request's approval says of it.")


class EventName(BaseModel, extra="forbid"):
    """Which event."""

    name: str = Field(
        pattern=r"^[a-z0-9_-]{1,200}$", description="The internal event, such as vm_start or one of events/."
    )


class Nothing(BaseModel, extra="forbid"):
    """No parameters."""


class Instance(BaseModel, extra="forbid"):
    """Which instance, and with what."""

    instance: str = Field(pattern=_NAMES, description="/Namespace/Class/Instance of the Automate domains.")
    message: str = Field(
        "create", pattern=r"^[A-Za-z0-9_]{1,100}$", description="The message that its fields answer to."
    )
    attrs: dict[str, Any] = Field(default_factory=dict, description="Attributes of the first object, by name.")


class Opening(BaseModel, extra="forbid"):
    """Which request."""

    type: str = Field(min_length=1, max_length=100, description="The request's type, such as vm_retire.")
    attrs: dict[str, Any] = Field(default_factory=dict, description="Its parameters, by name.")
    description: str = Field("", max_length=255, description="What it is about, in words.")


class CustomName(BaseModel, extra="forbid"):
    """Which management event."""

    event_name: str = Field(
        pattern=r"^[A-Za-z0-9_]{1,200}$",
        description="The instance of /System/Event/CustomEvent/Alert that runs: letters, digits and _.",
    )


class MarkText(BaseModel, extra="forbid"):
    """What the mark says."""

    text: str = Field(min_length=1, max_length=2000, description="The text; may hold ${…}.")


class _Inner:
    """An action that never comes to a try."""

    name: ClassVar[str]
    params: ClassVar[type[BaseModel]]
    limit_seconds: ClassVar[float] = 1.0

    def run(self, params: Any, context: EffectContext) -> Done:
        """Raises ``Permanent``: whoever asked for it in another way has nothing that it could be done to."""
        raise Permanent(f"{self.name} is carried out by policies and alerts, and not as an effect of its own")


_Tag = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^,\s]+$")]


class Tags(BaseModel, extra="forbid"):
    """Which tags."""

    tags: list[_Tag] = Field(
        min_length=1, max_length=50, description="Words without blanks and commas, as CATEGORY/VALUE."
    )


class AlertNames(BaseModel, extra="forbid"):
    """Which alerts."""

    alerts: list[str] = Field(min_length=1, max_length=20, description="The alerts to ask, by name.")


class GiveTags(_Inner):
    """Gives the object tags of Catchment's own, which rules see with those of the provider."""

    name: ClassVar[str] = "tag"
    params: ClassVar[type[BaseModel]] = Tags


class TakeTags(_Inner):
    """Takes tags away that rules gave; those of the provider stay."""

    name: ClassVar[str] = "untag"
    params: ClassVar[type[BaseModel]] = Tags


class EvaluateAlerts(_Inner):
    """Has alerts asked about the object, whatever events they name and wherever they are assigned."""

    name: ClassVar[str] = "evaluate_alerts"
    params: ClassVar[type[BaseModel]] = AlertNames


class Prevent(_Inner):
    """Keeps the operation from happening that the event announces (spec policy-alerts 2.9)."""

    name: ClassVar[str] = "prevent"
    params: ClassVar[type[BaseModel]] = Nothing


class ApproveRequest(_Inner):
    """Approves the request that the policy is asked about; whoever was quicker counts."""

    name: ClassVar[str] = "approve_request"
    params: ClassVar[type[BaseModel]] = Reason
    kinds: ClassVar[tuple[str, ...] | None] = (REQUEST,)


class DenyRequest(_Inner):
    """Denies it."""

    name: ClassVar[str] = "deny_request"
    params: ClassVar[type[BaseModel]] = Reason
    kinds: ClassVar[tuple[str, ...] | None] = (REQUEST,)


class RaiseEvent(_Inner):
    """Raises an internal event on the target, caused by the event at hand."""

    name: ClassVar[str] = "raise_event"
    params: ClassVar[type[BaseModel]] = EventName


class ManagementEvent(_Inner):
    """Raises a custom event on the target, which a workflow of the site answers to."""

    name: ClassVar[str] = "management_event"
    params: ClassVar[type[BaseModel]] = CustomName


class TimelineMark(_Inner):
    """Puts a mark with a text among the target's events."""

    name: ClassVar[str] = "timeline_mark"
    params: ClassVar[type[BaseModel]] = MarkText


class RefreshTarget(_Inner):
    """Has the target read again from its provider."""

    name: ClassVar[str] = "refresh"
    params: ClassVar[type[BaseModel]] = Nothing


class CheckCompliance(_Inner):
    """Has the target checked against the compliance policies."""

    name: ClassVar[str] = "check_compliance"
    params: ClassVar[type[BaseModel]] = Nothing


class MarkNonCompliant(_Inner):
    """Notes the target as non-compliant, whatever the compliance policies say of it."""

    name: ClassVar[str] = "mark_noncompliant"
    params: ClassVar[type[BaseModel]] = Nothing


class CallInstance(_Inner):
    """Runs an Automate instance, as a request that is approved by the rule that asks for it."""

    name: ClassVar[str] = "automate"
    params: ClassVar[type[BaseModel]] = Instance


class OpenRequest(_Inner):
    """Opens a request, which takes its way through approval."""

    name: ClassVar[str] = "open_request"
    params: ClassVar[type[BaseModel]] = Opening
