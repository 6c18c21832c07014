"""FIND: looks through the members of a list (spec policy-alerts 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.expressions.facts import Facts
from tasks.expressions.paths import FieldPath
from tasks.expressions.tree import Decision, Node, annotated
from tasks.expressions.verdict import EvaluationFault, Leaf, plain

#: A list with more members is not looked through: the condition is a fault.
MAX_MEMBERS = 1000

#: How the members that are kept are checked.
ALL, ANY, COUNT = "checkall", "checkany", "checkcount"
CHECKS = (ALL, ANY, COUNT)


@dataclass(frozen=True, slots=True)
class Find:
    """Keeps the members that ``search`` is true of (None: all), and has ``check`` judge those.

    ``written`` is search and check as they were written, for people.
    """

    path: FieldPath
    search: Node | None
    word: str
    check: Node
    written: Mapping[str, Any]
    strict: bool

    def decide(self, facts: Facts) -> Decision:
        """The result, with how many were looked at, kept, and met the check.

        A list without members is false of every check, of ``checkcount`` with 0 as well (check 56). In a strict
        condition an unknown member leaves the result unknown, unless the other members decide it.
        """
        found = self.path.get(facts)
        if self.strict and found is None:
            return Decision(None, self, None, False)
        members = self._members(found)
        inside = [replace(facts, member=member) for member in members]
        searched = [True if self.search is None else self.search.decide(one).result for one in inside]
        kept = [one for one, result in zip(inside, searched, strict=True) if result]
        counts = {"looked_at": len(members), "kept": len(kept)}
        result: bool | None
        if self.word == COUNT:
            counted = self.check.decide(replace(facts, member=len(kept))).result
            result = bool(members) and (None if None in searched else counted)
        else:
            checked = [self.check.decide(one).result for one in kept]
            counts["met"] = checked.count(True)
            result = _either(self.word, checked, None in searched)
        return Decision(result, self, counts, result is True)

    def leaf(self, facts: Facts, found: Any, held: bool) -> Leaf:
        """What was searched for and checked, and the numbers."""
        return Leaf(self.path.text, "FIND", plain_parts(self.written), found, held)

    def annotate(self, facts: Facts) -> dict[str, Any]:
        """The search as a whole: members have no results of their own."""
        return annotated(self, facts)

    def _members(self, found: Any) -> Sequence[Any]:
        """The members; what is there and is no list is its own only member (check 51)."""
        if found is None:
            return ()
        if not isinstance(found, list | tuple):
            return (found,)
        if len(found) > MAX_MEMBERS:
            raise EvaluationFault(f"{self.path.text} FIND: {len(found)} members, more than the {MAX_MEMBERS} at most")
        return found


def _either(word: str, checked: Sequence[bool | None], unsure: bool) -> bool | None:
    """Of all or of any: the members that are known may decide; none kept is false of both."""
    deciding = word == ANY
    if deciding in checked:
        return deciding
    if unsure or None in checked:
        return None
    return bool(checked) and not deciding


def plain_parts(written: Mapping[str, Any]) -> dict[str, Any]:
    """Search and check as a finding keeps them, each bounded by itself."""
    return {word: plain(part) for word, part in written.items()}
