"""A rule event as it is worked with: what it looks at, when it fires and is armed again (spec orchestrate 2, 6)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.constraints.nodes import Group, facts_of
from tasks.constraints.paths import FactPath, reaches

#: How a rule event is armed again (6.3).
BY_RULE, BY_TIMEOUT, EITHER, BOTH = "rule", "timeout", "either", "both"
RESET_MODES = (BY_RULE, BY_TIMEOUT, EITHER, BOTH)
#: Seconds after which a rule without ``<reset>`` and interval is armed again.
DEFAULT_INTERVAL = 600
#: One notification for all objects of a pass, or one for each.
BATCH, EACH = "batch", "each"
#: What a trigger that holds when the rule is new leads to.
FIRE, ARM = "fire", "arm"


@dataclass(frozen=True, slots=True)
class Context:
    """Which objects a rule is asked about: those of ``iterated`` in turn, with the fixed ones beside each.

    ``group`` narrows the iterated ones. Without an iterated kind there is one evaluation a pass.
    """

    iterated: str | None
    group: str | None = None
    fixed: tuple[tuple[str, str], ...] = ()

    @property
    def kinds(self) -> list[str]:
        """The kinds of objects that are bound."""
        return [*([self.iterated] if self.iterated else []), *(kind for kind, _ in self.fixed)]

    def bound(self, key: str) -> dict[str, str]:
        """The objects of one evaluation, by kind; ``key`` is the id of the iterated one."""
        found = dict(self.fixed)
        if self.iterated:
            found[self.iterated] = key
        return found


@dataclass(frozen=True, slots=True)
class Timing:
    """When a rule is armed again, in seconds; ``hold`` is ``for``, ``keep`` is ``keepFiringFor``."""

    mode: str = BY_TIMEOUT
    interval: int | None = DEFAULT_INTERVAL
    hold: int = 0
    keep: int = 0


@dataclass(frozen=True, slots=True)
class RuleEvent:
    """One rule event. ``definition`` is the hash of what it says; notes and texts do not count (6.4)."""

    name: str
    path: str
    context: Context
    trigger: Group
    reset: Group | None
    timing: Timing
    notify: str = BATCH
    notify_reset: bool = False
    initial: str = FIRE
    enabled: bool = True
    severity: str = "info"
    description: str = ""
    source: str = ""
    definition: str = ""
    facts: tuple[FactPath, ...] = ()
    triggering: tuple[FactPath, ...] = ()

    @property
    def kinds(self) -> set[str]:
        """The kinds of objects whose facts it may look at."""
        behind = {reach.name.partition(".")[0] for path in self.facts for reach in reaches(path)}
        return {*self.context.kinds, *behind}


def completed(rule: RuleEvent) -> RuleEvent:
    """The rule with what follows from its parts: its hash, and the facts that it depends on."""
    context = [rule.context.iterated, rule.context.group, sorted(rule.context.fixed)]
    timing = [rule.timing.mode, rule.timing.interval, rule.timing.hold, rule.timing.keep]
    says = [context, rule.trigger.canonical(), rule.reset.canonical() if rule.reset else None, timing]
    digest = hashlib.sha256(json.dumps(says, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()[:16]
    return replace(
        rule,
        definition=digest,
        facts=tuple(facts_of(rule.trigger, rule.reset)),
        triggering=tuple(facts_of(rule.trigger)),
    )


@dataclass(frozen=True, slots=True)
class Dependence:
    """That a rule depends on a fact, reached through junctions from the object of a kind that is bound."""

    rule: str
    bound: str
    through: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FactPolicy:
    """Facts that objects have by decree, and what their health hangs on (8)."""

    name: str
    path: str
    context: Context
    facts: tuple[tuple[str, str, object], ...] = ()
    health: Group | None = None


class RuleSet:
    """The rule events of a site, by name, with an index of what each fact concerns; and its policies of facts."""

    def __init__(self, rules: Iterable[RuleEvent] = (), policies: Iterable[FactPolicy] = ()) -> None:
        self.policies = tuple(sorted(policies, key=lambda policy: policy.name))
        self._rules = {rule.name: rule for rule in sorted(rules, key=lambda rule: rule.name)}
        self._index: dict[str, list[Dependence]] = {}
        self._by_kind: dict[str, list[RuleEvent]] = {}
        for rule in self._rules.values():
            for kind in rule.context.kinds:
                self._by_kind.setdefault(kind, []).append(rule)
            for fact, found in _dependences(rule).items():
                self._index.setdefault(fact, []).extend(found)

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def rules(self) -> Sequence[RuleEvent]:
        """All of them, in the order of their names."""
        return tuple(self._rules.values())

    def get(self, name: str) -> RuleEvent | None:
        """One by its name."""
        return self._rules.get(name)

    def on_kind(self, kind: str) -> Sequence[RuleEvent]:
        """Those with an object of this kind in their context."""
        return self._by_kind.get(kind, ())

    def concerned(self, fact: str) -> Sequence[Dependence]:
        """Which rules look at a fact, and from where."""
        return self._index.get(fact, ())


def _dependences(rule: RuleEvent) -> Mapping[str, list[Dependence]]:
    found: dict[str, dict[Dependence, None]] = {}
    for path in rule.facts:
        for reach in reaches(path):
            one = Dependence(rule.name, path.namespace, reach.through)
            found.setdefault(reach.name, {})[one] = None
    groups = f"{rule.context.iterated}.groups"
    if rule.context.group is not None:
        found.setdefault(groups, {})[Dependence(rule.name, str(rule.context.iterated), ())] = None
    return {name: list(held) for name, held in found.items()}
