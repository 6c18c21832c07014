"""The actions ``approve_request`` and ``deny_request``: a policy's yes or no to the request at hand.

They do nothing to the outside world: the policy stage makes the move with its decision, in one transaction, and
no effect is ever written for them. They stand in the table so that their parameters are checked like all others.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, Field

from tasks.effects.contracts import Done, EffectContext
from tasks.model.errors import Permanent


class Reason(BaseModel, extra="forbid"):
    """Why."""

    reason: str = Field(min_length=1, max_length=255, description="What the request's approval says of it.")


class ApproveRequest:
    """Approves the request that the policy is asked about; whoever was quicker counts."""

    name: ClassVar[str] = "approve_request"
    params: ClassVar[type[BaseModel]] = Reason
    limit_seconds: ClassVar[float] = 1.0

    def run(self, params: Reason, context: EffectContext) -> Done:
        """Raises ``Permanent``: an alert or a rule about anything but a request has nothing to decide on."""
        raise Permanent(f"{self.name} decides on requests: use it in a policy with the target request")


class DenyRequest(ApproveRequest):
    """Denies it."""

    name: ClassVar[str] = "deny_request"
