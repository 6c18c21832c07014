"""Reads constraints from elements (spec orchestrate 2.2): all that is wrong with them, and a tree to judge by."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from tasks.constraints.compare import BINARY, ORDERING, Between, Compare, Literal, literal
from tasks.constraints.grammar import Findings, sentence
from tasks.constraints.nodes import Group, If, Node, Presence, walk
from tasks.constraints.paths import FactPath, declared, read_path
from tasks.constraints.patterns import EXACT, MODES
from tasks.constraints.xml import Element
from tasks.model.catalogue import MATRIX
from tasks.model.fact_types import BOOLEAN, SCALARS, STRING, BadValue, element_of, number

#: All constraints by their elements.
NAMES = ("and", "or", "not", "if", *BINARY, "between", "defined", "undefined")


class ConstraintReader:
    """Reads constraints in which facts of these kinds of objects may be named."""

    def __init__(self, findings: Findings, kinds: Collection[str]) -> None:
        self._findings = findings
        self._kinds = {*kinds, MATRIX}

    def section(self, element: Element) -> Group:
        """A section such as ``trigger``: constraints that must all hold, one at least."""
        self._findings.attributes(element, ())
        return self._section(element, element.name)

    def _section(self, element: Element, path: str) -> Group:
        if not element.children:
            self._findings.note(element, "E205", f"<{element.name}> is empty", "Put a constraint into it")
        return Group(element.name, path, self._all(element.children, element.name, path))

    def _all(self, elements: Sequence[Element], within: str, path: str) -> list[Node]:
        made = [self._one(child, within, f"{path}/{n}") for n, child in enumerate(elements, 1)]
        return [node for node in made if node is not None]

    def _one(self, element: Element, within: str, path: str) -> Node | None:
        reader = _READERS.get(element.name)
        if reader is None:
            self._findings.unknown(element, within, NAMES)
            return None
        return reader(self, element, path)

    def _group(self, element: Element, path: str) -> Node:
        self._findings.attributes(element, (), ("reason",))
        children = self._all(element.children, element.name, path)
        if element.name == "not":
            self._lint_not(element, children)
        return Group(element.name, path, children, element.attributes.get("reason"))

    def _lint_not(self, element: Element, children: Sequence[Node]) -> None:
        if len(children) > 1:
            what = "<not> around several constraints: it is true where not all of them hold"
            self._findings.note(element, "W405", what, "Put them into <and> or <or> to say which is meant")
        inner = [node for child in children for node in walk(child)]
        present = {path for node in inner if isinstance(node, Presence) for path in node.facts()}
        doubtful = [
            n.facts()[0].name for n in inner if isinstance(n, Compare | Between) and n.facts()[0] not in present
        ]
        if doubtful:
            what = f"<not> is true as well where {doubtful[0]} is undefined"
            self._findings.note(
                element, "W402", what, f'Add <defined fact="{doubtful[0]}"/> beside it, if that is not meant'
            )

    def _if(self, element: Element, path: str) -> Node | None:
        self._findings.attributes(element, (), ("reason",))
        names = [child.name for child in element.children]
        branches = {name: [n for n, found in enumerate(names) if found == name] for name in ("then", "else")}
        then, otherwise = branches["then"], branches["else"]
        last = len(names) - 1
        wrong = len(then) != 1 or len(otherwise) > 1 or (otherwise and otherwise != [last])
        if wrong or then[0] == 0 or then[0] != last - len(otherwise):
            self._findings.note(
                element, "E203", "<if> is not complete", "Write conditions, then <then>, then <else> if wanted"
            )
            return None
        condition = Group("condition", f"{path}/if", self._all(element.children[: then[0]], "if", path))
        for branch in element.children[then[0] :]:
            self._findings.attributes(branch, ())
        made = [self._section(branch, f"{path}/{branch.name}") for branch in element.children[then[0] :]]
        return If(path, condition, made[0], made[1] if len(made) > 1 else None, element.attributes.get("reason"))

    def _presence(self, element: Element, path: str) -> Node | None:
        self._findings.leaf(element)
        if not self._findings.attributes(element, ("fact",), ("reason",)):
            return None
        fact = self._fact(element, "fact")
        return Presence(element.name, path, fact, element.attributes.get("reason")) if fact else None

    def _between(self, element: Element, path: str) -> Node | None:
        self._findings.leaf(element)
        if not self._findings.attributes(element, ("fact", "low", "high"), ("reason",)):
            return None
        fact = self._fact(element, "fact")
        if fact is None:
            return None
        low, high = (Literal(element.attributes[name], self._findings.zone) for name in ("low", "high"))
        kind = self._kind_of(fact)
        if kind is not None:
            self._check_literals(element, kind, [low.text, high.text])
            self._check_order(element, kind, low.text, high.text)
        return Between(path, fact, low, high, element.attributes.get("reason"))

    def _check_order(self, element: Element, kind: str, low: str, high: str) -> None:
        try:
            fine = literal(kind, low, self._findings.zone) <= literal(kind, high, self._findings.zone)
        except (BadValue, TypeError):
            return
        if not fine:
            self._findings.note(element, "E303", f"low={low!r} is above high={high!r}", "Exchange them")

    def _binary(self, element: Element, path: str) -> Node | None:
        findings = self._findings
        findings.leaf(element)
        if not findings.attributes(element, ("fact",), ("value", "factvalue", "match", "type", "reason")):
            return None
        given = element.attributes
        if ("value" in given) == ("factvalue" in given):
            said = "both value and factvalue" if "value" in given else "neither value nor factvalue"
            findings.note(element, "E301", f"<{element.name}> has {said}", "Give one of them")
            return None
        fact = self._fact(element, "fact")
        match = findings.chosen(element, "match", MODES, EXACT)
        kind = findings.chosen(element, "type", SCALARS, "") or None
        written = given.get("value")
        right = self._fact(element, "factvalue") if written is None else Literal(written, findings.zone)
        if fact is None or right is None:
            return None
        match = self._checked_match(element, fact, match)
        if isinstance(right, Literal) and match == EXACT:
            self._check_value(element, fact, kind, right.text)
        try:
            return Compare(
                element.name, path, fact, right, match=match, kind=kind, zone=findings.zone, reason=given.get("reason")
            )
        except ValueError as error:
            findings.note(
                element, "E304", str(error), "Write it as RE2 understands it: no look-around, no back-references"
            )
            return None

    def _fact(self, element: Element, name: str) -> FactPath | None:
        written = element.attributes[name]
        try:
            path = read_path(written)
        except ValueError as error:
            self._findings.note(element, "E306", f"{name}={written[:80]!r}", sentence(error))
            return None
        if path.namespace not in self._kinds:
            what = f"{path.name}: no {path.namespace} is in the context"
            mend = f"Add <{path.namespace} id=…/> to the context, or reach it by a junction"
            self._findings.note(element, "E306", what, mend)
            return None
        if declared(path) is None:
            what = f"no fact {path.name} is in the catalogue"
            mend = "Check its name; it may be one that a job or an operator sets"
            self._findings.note(element, "W406", what, mend)
        return path

    def _kind_of(self, fact: FactPath) -> str | None:
        known = declared(fact)
        return known.type if known is not None else None

    def _checked_match(self, element: Element, fact: FactPath, match: str) -> str:
        """The way to match, after it was seen to fit the operator and the fact."""
        if match == EXACT:
            return match
        if element.name in ORDERING:
            self._findings.note(
                element, "E304", f"match={match!r} with <{element.name}>", "Use it with eq, ne or contains"
            )
            return EXACT
        kind = self._kind_of(fact)
        if kind is not None and (element_of(kind) or kind) != STRING:
            what = f"match={match!r} means nothing for {fact.name}, which is of the type {kind}"
            self._findings.note(element, "W403", what, "Remove it: the value is compared exactly")
            return EXACT
        return match

    def _check_value(self, element: Element, fact: FactPath, forced: str | None, value: str) -> None:
        declared_kind = self._kind_of(fact)
        kind = forced or (declared_kind and (element_of(declared_kind) or declared_kind))
        if kind is None or kind not in SCALARS:
            return
        self._check_literals(element, kind, [value])
        if kind == BOOLEAN and element.name in ORDERING:
            self._findings.note(element, "W403", f"{fact.name} is true or false, and has no order", "Use eq or ne")
        if kind == STRING and element.name in ORDERING and number(value.strip()) is not None:
            what = f"{fact.name} is text: {value!r} is compared letter by letter"
            self._findings.note(element, "W403", what, 'Add type="real" to compare numbers')

    def _check_literals(self, element: Element, kind: str, values: Sequence[str]) -> None:
        for value in values:
            try:
                literal(kind, value, self._findings.zone)
            except BadValue as error:
                self._findings.note(element, "E303", f"{value[:60]!r} is no value of the type {kind}", sentence(error))


_READERS: Mapping[str, Callable[[ConstraintReader, Element, str], Node | None]] = {
    **dict.fromkeys(("and", "or", "not"), ConstraintReader._group),
    **dict.fromkeys(BINARY, ConstraintReader._binary),
    **dict.fromkeys(("defined", "undefined"), ConstraintReader._presence),
    "between": ConstraintReader._between,
    "if": ConstraintReader._if,
}
