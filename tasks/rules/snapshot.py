"""One picture of facts for a pass: the objects that are asked about, and those that their junctions lead to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from tasks.constraints.paths import MAX_HOPS
from tasks.ledger import facts
from tasks.ledger.facts import FactRef, Subject
from tasks.model.catalogue import MATRIX, SERVER, FactValue, junctions


class Snapshot:
    """Objects and facts as they were when it was taken."""

    def __init__(self, subjects: Mapping[FactRef, Subject]) -> None:
        self._subjects = dict(subjects)
        self._by_kind: dict[str, list[Subject]] = {}
        for subject in self._subjects.values():
            self._by_kind.setdefault(subject.object.kind, []).append(subject)

    def facts(self, kind: str, ref: str) -> Mapping[str, FactValue] | None:
        """The facts of an object; None where there is none such."""
        found = self._subjects.get(FactRef(kind, ref))
        return found.facts if found is not None else None

    def subject(self, kind: str, ref: str) -> Subject | None:
        """One object."""
        return self._subjects.get(FactRef(kind, ref))

    def of_kind(self, kind: str) -> list[Subject]:
        """The objects of a kind, by their ids."""
        return sorted(self._by_kind.get(kind, ()), key=lambda subject: subject.object.id)

    def of_row(self) -> dict[int, Subject]:
        """All objects by their rows."""
        return {subject.id: subject for subject in self._subjects.values()}


def whole(session: Session, kinds: Collection[str]) -> Snapshot:
    """All objects of these kinds, and the installation itself."""
    return Snapshot(facts.subjects(session, kinds={*kinds, MATRIX}))


def around(session: Session, ids: Collection[int], more: Iterable[FactRef] = ()) -> Snapshot:
    """These objects, others by their ids, and what their junctions lead to."""
    found = facts.subjects(session, ids=ids)
    wanted = {*more, FactRef(MATRIX, SERVER)}
    for _ in range(MAX_HOPS + 1):
        wanted |= _linked(found.values())
        missing = wanted - found.keys()
        if not missing:
            break
        new = facts.subjects(session, refs=missing)
        if not new:
            break
        found |= new
    return Snapshot(found)


def _linked(subjects: Iterable[Subject]) -> set[FactRef]:
    return {
        FactRef(kind, str(value.value))
        for subject in subjects
        for name, kind in junctions().items()
        if (value := subject.facts.get(name)) is not None and value.value is not None
    }


def in_group(subject: Subject, group: str, now: datetime) -> bool:
    """Whether an object belongs to a group."""
    found = subject.facts.get(f"{subject.object.kind}.groups")
    return found is not None and found.holds(now) and group in found.value
