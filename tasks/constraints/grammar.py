"""Checks elements against a grammar: which attributes and children each may have (spec orchestrate 2.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from difflib import get_close_matches

from tasks.constraints.xml import Complaint, Element

_FALSE, _TRUE = "false", "true"


@dataclass(slots=True)
class Findings:
    """What was found while a document was read. ``zone`` is that of dates without an offset."""

    complaints: list[Complaint] = field(default_factory=list)
    zone: tzinfo = UTC

    def note(self, element: Element, code: str, what: str, mend: str) -> None:
        """Keep a complaint about an element."""
        self.complaints.append(element.complaint(code, what, mend))

    @property
    def errors(self) -> bool:
        """Whether anything is wrong, beside warnings."""
        return any(found.severity == "error" for found in self.complaints)

    def attributes(self, element: Element, needed: Collection[str], allowed: Collection[str] = ()) -> bool:
        """Check which attributes there are; False where one is missing or unknown."""
        known = {*needed, *allowed}
        fine = True
        for name in element.attributes:
            if name not in known:
                self.note(element, "E202", f"<{element.name}> has no attribute {name!r}", _nearest(name, known))
                fine = False
        for name in needed:
            if name not in element.attributes:
                self.note(element, "E204", f"<{element.name}> needs the attribute {name!r}", "Add it")
                fine = False
        return fine

    def unknown(self, element: Element, within: str, known: Iterable[str]) -> None:
        """Complain of an element that may not stand there."""
        names = sorted(known)
        what = f"<{element.name[:60]}> may not stand in <{within}>"
        self.note(element, "E201", what, _nearest(element.name, names, "<{}>"))

    def leaf(self, element: Element) -> None:
        """Complain of children of an element that has none."""
        for child in element.children:
            self.unknown(child, element.name, ())

    def chosen(self, element: Element, name: str, choices: Collection[str], default: str) -> str:
        """An attribute that is one of some words."""
        given = element.attributes.get(name)
        if given is None:
            return default
        if given not in choices:
            self.note(element, "E208", f"{name}={given[:60]!r}", f"Write one of: {', '.join(choices)}")
            return default
        return given

    def flag(self, element: Element, name: str, default: bool) -> bool:
        """An attribute that is true or false."""
        return self.chosen(element, name, (_TRUE, _FALSE), _TRUE if default else _FALSE) == _TRUE


def sentence(text: object) -> str:
    """A text with its first letter written large."""
    said = str(text)
    return said[:1].upper() + said[1:]


def _nearest(word: str, known: Collection[str], form: str = "{}") -> str:
    if not known:
        return "Remove it"
    close = get_close_matches(word[:100], known, 1, 0.6)
    if close:
        return f"Did you mean {form.format(close[0])}?"
    return f"Known are: {', '.join(form.format(name) for name in sorted(known))}"
