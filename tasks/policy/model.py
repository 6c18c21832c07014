"""Control policies as the site defines them, indexed so that those which do not apply cost nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tasks.expressions.actions import Wanted
from tasks.expressions.facts import Facts
from tasks.expressions.tree import Expression
from tasks.model.outcome import Limit
from tasks.site.profiles import Assigned, Profile

CONTROL, COMPLIANCE = "control", "compliance"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a policy; where its own scope is false it is passed over (spec policy-alerts 2.5)."""

    name: str
    when: Expression
    scope: Expression | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy: on these events of this kind of target, if these conditions hold, do this.

    ``then`` is asked for when every applicable condition is true, ``otherwise`` when one is false. One whose
    ``mode`` is compliance says how the target has to be; its event is the check of such a target. With ``every``
    the clock has all objects of the kind checked that often. Facts older than ``fresh`` are read again before it
    is judged.
    """

    name: str
    description: str
    target: str
    on: tuple[str, ...]
    scope: Expression | None
    conditions: tuple[Condition, ...]
    then: tuple[Wanted, ...]
    otherwise: tuple[Wanted, ...]
    active: bool = True
    mode: str = CONTROL
    limit: Limit | None = None
    fresh: timedelta | None = None
    every: timedelta | None = None


class PolicySet:
    """All policies of a site, in the order of its files."""

    def __init__(self, policies: Iterable[Policy], profiles: Iterable[Profile] = ()) -> None:
        self.policies: Mapping[str, Policy] = {policy.name: policy for policy in policies}
        index: dict[tuple[str, str], list[Policy]] = {}
        for policy in self.policies.values():
            if policy.active:
                for event_type in dict.fromkeys(policy.on):
                    index.setdefault((event_type, policy.target), []).append(policy)
        self._attached = {key: tuple(found) for key, found in index.items()}
        self._profiles = Assigned(profiles, "policies")

    def assigned(self, policy: Policy, facts: Facts) -> tuple[bool, list[str]]:
        """Whether a policy applies to the event's object, and the profiles that it belongs to."""
        return self._profiles.applies(policy.name, facts)

    def attached(self, event_type: str, kind: str) -> Sequence[Policy]:
        """The active policies for an event on a kind of target."""
        return self._attached.get((event_type, kind), ())

    def periods(self) -> Mapping[str, timedelta]:
        """How often objects are checked by the clock, by kind: as often as the policy says that wants it most."""
        found: dict[str, timedelta] = {}
        for policy in self.policies.values():
            if policy.active and policy.every is not None:
                found[policy.target] = min(policy.every, found.get(policy.target, policy.every))
        return found

    def __len__(self) -> int:
        return len(self.policies)
