"""Facts that are fresh enough: a policy may have its target read before it judges (W16)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tasks.expressions.delays import written
from tasks.expressions.facts import Facts
from tasks.model.event import ObjectRef
from tasks.model.outcome import Again, Finding, Outcome, Plan
from tasks.policy.model import Policy

#: How long a decision waits for a read that was asked for.
PATIENCE = timedelta(seconds=60)
#: Pause before it looks again, in seconds.
LOOK_AGAIN = 1.0
_ASKED = "facts_asked_at"


class Age(NamedTuple):
    """How old the facts are, in words; ``late`` where the read that was asked for did not come in time."""

    words: str
    late: bool = False

    def of(self, policy: Policy) -> dict[str, Any]:
        """What a policy's finding says of it: nothing where the policy did not ask."""
        return {} if policy.fresh is None else {"facts": self.words}


def wait_for(policies: Sequence[Policy], facts: Facts, target: ObjectRef) -> Outcome | Age:
    """An outcome that has the target read and waits, or how old the facts are that the policies are judged on."""
    wanted = [policy.fresh for policy in policies if policy.fresh is not None]
    if not wanted:
        return Age("")
    read_at = facts.target.read_at if facts.target else None
    plan = Plan.from_dict(facts.event.plan)
    asked = _moment((plan.kept or {}).get(_ASKED))
    if read_at is not None and (facts.now - read_at <= min(wanted) or (asked is not None and read_at >= asked)):
        return Age(f"{written(max(facts.now - read_at, timedelta()))} old")
    if asked is not None and facts.now - asked > PATIENCE:
        old = f"{written(facts.now - read_at)} old" if read_at else "never read"
        return Age(f"{old}: the read that was asked for did not come within {written(PATIENCE)}", late=True)
    outcome = Outcome(again=Again(LOOK_AGAIN, {_ASKED: (asked or facts.now).isoformat()}), plan=plan)
    if asked is None:
        outcome.targets.append(target)
        outcome.findings.append(Finding("policy", "-", "waits for fresh facts", {"within": written(min(wanted))}))
    return outcome


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
