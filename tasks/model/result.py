"""What the policies of an event that Catchment raised concluded, in one word (spec policy-alerts 2.5, capture 7.1)."""

from __future__ import annotations

from tasks.model.event import PROVIDER_EVENT, Event
from tasks.model.outcome import Outcome

SUCCESS, FAILURE, DETAIL = "success", "failure", "detail"
#: The words of the timeline for raised events; an event that no policy concluded on is a detail.
RESULTS = (FAILURE, SUCCESS, DETAIL)

#: Verdicts of findings that say that a policy was denied, could not be judged, or stopped the operation.
_AGAINST = frozenset(
    {("policy", "not matched"), ("policy", "error"), ("operation", "prevented"), ("operation", "undecided")}
)
_FOR = ("policy", "matched")


def result_of(event: Event, outcome: Outcome) -> str | None:
    """The word for a stage's outcome: a failure where any policy is denied, a success where all of them hold.

    None where no policy concluded on it, and for an event of a provider, of which the timeline tells another level.
    """
    if event.namespace == PROVIDER_EVENT or outcome.again is not None:
        return None
    found = {(finding.kind, finding.verdict) for finding in outcome.findings}
    if found & _AGAINST:
        return FAILURE
    return SUCCESS if _FOR in found else None
