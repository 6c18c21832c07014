"""Constraints as trees, and their three outcomes (spec orchestrate 3, 5.1): true, false, and nothing to say.

An outcome is ``True``, ``False`` or ``None``, which is the no-op of a container without children and of an ``if``
without ``else``. Judging changes nothing and never raises: what cannot be judged is false, with a note.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.constraints.paths import FactPath, Scope

Outcome = bool | None


@dataclass(slots=True)
class Step:
    """What one node came to, for ``explain``: its outcome and what it looked at."""

    path: str
    tag: str
    outcome: Outcome
    detail: dict[str, Any] = field(default_factory=dict)
    disabled: bool = False


@dataclass(slots=True)
class Trace:
    """Every node judged, none passed over. Nodes whose paths are in ``disabled`` count as true (5.5)."""

    disabled: Collection[str] = ()
    steps: list[Step] = field(default_factory=list)


class Node:
    """One constraint. ``path`` is where it stands, such as ``trigger/2/1``; ``reason`` is said where it is false."""

    __slots__ = ("path", "reason", "tag")

    def __init__(self, tag: str, path: str, reason: str | None = None) -> None:
        self.tag = tag
        self.path = path
        self.reason = reason

    def judge(self, scope: Scope, trace: Trace | None = None) -> Outcome:
        """The outcome; with a trace every node below is judged and noted."""
        if trace is None:
            return self._judge(scope, None, None)
        step = Step(self.path, self.tag, None)
        trace.steps.append(step)
        found = self._judge(scope, trace, step.detail)
        if self.path in trace.disabled:
            step.disabled, found = True, True
        step.outcome = found
        if found is False and self.reason:
            step.detail["reason"] = self.reason
        return found

    def _judge(self, scope: Scope, trace: Trace | None, note: dict[str, Any] | None) -> Outcome:
        raise NotImplementedError

    def children(self) -> Sequence[Node]:
        """The constraints inside of it."""
        return ()

    def facts(self) -> Sequence[FactPath]:
        """The facts that it looks at itself."""
        return ()

    def canonical(self) -> list[Any]:
        """What it says, as plain data, without its reason."""
        return [self.tag, *(child.canonical() for child in self.children())]


def all_of(children: Sequence[Node], scope: Scope, trace: Trace | None) -> Outcome:
    """And: no-ops are dropped, and of none that is left nothing is said."""
    return _joined(children, scope, trace, deciding=False)


def any_of(children: Sequence[Node], scope: Scope, trace: Trace | None) -> Outcome:
    """Or, in the same way."""
    return _joined(children, scope, trace, deciding=True)


def _joined(children: Sequence[Node], scope: Scope, trace: Trace | None, *, deciding: bool) -> Outcome:
    """The first child with the deciding outcome ends it, unless all are to be noted."""
    found: Outcome = None
    for child in children:
        outcome = child.judge(scope, trace)
        if outcome is None:
            continue
        if outcome is deciding:
            if trace is None:
                return deciding
            found = deciding
        elif found is None:
            found = outcome
    return found


class Group(Node):
    """``and``, ``or``, ``not``, and the sections that join what stands in them."""

    __slots__ = ("_children",)

    def __init__(self, tag: str, path: str, children: Sequence[Node], reason: str | None = None) -> None:
        super().__init__(tag, path, reason)
        self._children = tuple(children)

    def children(self) -> Sequence[Node]:
        """The constraints inside of it."""
        return self._children

    def _judge(self, scope: Scope, trace: Trace | None, note: dict[str, Any] | None) -> Outcome:
        if self.tag == "or":
            return any_of(self._children, scope, trace)
        found = all_of(self._children, scope, trace)
        return found if self.tag != "not" or found is None else not found


class If(Node):
    """``if``: where its conditions hold it is what ``then`` is, else what ``else`` is, or nothing."""

    __slots__ = ("_condition", "_else", "_then")

    def __init__(
        self, path: str, condition: Group, then: Group, otherwise: Group | None, reason: str | None = None
    ) -> None:
        super().__init__("if", path, reason)
        self._condition = condition
        self._then = then
        self._else = otherwise

    def children(self) -> Sequence[Node]:
        """Conditions, ``then`` and ``else``."""
        return (self._condition, self._then, *([self._else] if self._else else []))

    def _judge(self, scope: Scope, trace: Trace | None, note: dict[str, Any] | None) -> Outcome:
        condition = self._condition.judge(scope, trace)
        if trace is not None:
            branches = {True: self._then.judge(scope, trace)}
            branches[False] = self._else.judge(scope, trace) if self._else else None
            return None if condition is None else branches[condition]
        if condition is None:
            return None
        if condition:
            return self._then.judge(scope)
        return self._else.judge(scope) if self._else else None


class Presence(Node):
    """``defined`` and ``undefined``: whether there is a fact, by presence alone."""

    __slots__ = ("_fact",)

    def __init__(self, tag: str, path: str, fact: FactPath, reason: str | None = None) -> None:
        super().__init__(tag, path, reason)
        self._fact = fact

    def facts(self) -> Sequence[FactPath]:
        """The fact that is looked for."""
        return (self._fact,)

    def canonical(self) -> list[Any]:
        """What it says."""
        return [self.tag, self._fact.name]

    def _judge(self, scope: Scope, trace: Trace | None, note: dict[str, Any] | None) -> Outcome:
        found = scope.get(self._fact)
        if note is not None:
            note["fact"] = self._fact.name
        return (found is not None) is (self.tag == "defined")


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, in document order."""
    yield node
    for child in node.children():
        yield from walk(child)


def facts_of(*nodes: Node | None) -> list[FactPath]:
    """All facts that trees look at, each once, in order."""
    found: dict[FactPath, None] = {}
    for tree in nodes:
        for node in walk(tree) if tree is not None else ():
            found.update(dict.fromkeys(node.facts()))
    return list(found)
