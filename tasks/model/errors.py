"""What can go wrong, by what it means for the work: try again, give up, or nothing to do.

The conveyor looks at the branch only. Named errors below a branch exist where a caller or an operator
acts differently on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CatchmentError(Exception):
    """Something went wrong in Catchment."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])


class Transient(CatchmentError):
    """It may go better later: tried again with back-off.

    ``after`` is the earliest useful pause in seconds, where the other side named one. ``detail`` is what is worth
    keeping of the try, bounded and free of secrets.
    """

    detail: Mapping[str, Any] | None = None

    def __init__(self, message: str = "", after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Permanent(CatchmentError):
    """It will not go better by itself: recorded at the dead-letter desk, not tried again."""


class BadPayload(Permanent):
    """A notification that cannot be turned into an event."""


class DepthExceeded(Permanent):
    """An event raised by an event raised by an event, deeper than the site allows."""


class ProviderDown(Transient):
    """The provider does not answer, or answers with a fault of its own."""


class Absent(ProviderDown):
    """The provider has no such service: there are no objects of that kind to be read."""


class SignedOut(Transient):
    """The provider refuses the credentials."""


class BadMonitor(Transient):
    """A monitor breaks its contract: it raises what it must not, never returns, or hands over nonsense."""


class Gone(CatchmentError):
    """The provider says that the object does not exist (404, and nothing else)."""


class SiteInvalid(Permanent):
    """The site folder has mistakes; nothing of it was taken over."""


class LeaseLost(Transient):
    """Somebody else holds the work by now; what was done here is dropped."""


class Refused(Permanent):
    """A move that the state of a request, an incident or a schedule does not allow. Nothing was changed."""
