"""Control policies as the site defines them, indexed so that those which do not apply cost nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.expressions.actions import Wanted
from tasks.expressions.tree import Expression


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a policy; where its own scope is false it is passed over (spec policy-alerts 2.5)."""

    name: str
    when: Expression
    scope: Expression | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A control policy: on these events of this kind of target, if these conditions hold, do this.

    ``then`` is asked for when every applicable condition is true, ``otherwise`` when one is false.
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


class PolicySet:
    """All policies of a site, in the order of its files."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.policies: Mapping[str, Policy] = {policy.name: policy for policy in policies}
        index: dict[tuple[str, str], list[Policy]] = {}
        for policy in self.policies.values():
            if policy.active:
                for event_type in dict.fromkeys(policy.on):
                    index.setdefault((event_type, policy.target), []).append(policy)
        self._attached = {key: tuple(found) for key, found in index.items()}

    def attached(self, event_type: str, kind: str) -> Sequence[Policy]:
        """The active policies for an event on a kind of target."""
        return self._attached.get((event_type, kind), ())

    def __len__(self) -> int:
        return len(self.policies)
