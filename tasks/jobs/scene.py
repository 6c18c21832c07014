"""What the constraints of jobs look at: the objects around a run, with their facts (spec orchestrate 4, 10)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from tasks.constraints.nodes import Group, Trace
from tasks.constraints.paths import MAX_HOPS, Scope
from tasks.ledger import facts
from tasks.ledger.facts import FactRef, Subject
from tasks.ledger.jobs import JobInstance
from tasks.model.catalogue import JOB, JOB_INSTANCE, KINDS, MATRIX, RESOURCE, SERVER, USER, FactValue, junctions


class Scene:
    """Objects and facts as they were when it was taken."""

    def __init__(self, subjects: Mapping[FactRef, Subject]) -> None:
        self._subjects = dict(subjects)

    def facts(self, kind: str, ref: str) -> Mapping[str, FactValue] | None:
        """The facts of an object; None where there is none such."""
        found = self._subjects.get(FactRef(kind, ref))
        return found.facts if found is not None else None

    def resources(self) -> list[str]:
        """The ids of all resources in it, in order."""
        return sorted(ref.id for ref in self._subjects if ref.kind == RESOURCE)


def take(session: Session, wanted: Iterable[FactRef], kinds: Collection[str] = ()) -> Scene:
    """A scene of these objects, all of some kinds, and what their junctions lead to."""
    found = facts.subjects(session, kinds=kinds) if kinds else {}
    missing = {*wanted, FactRef(MATRIX, SERVER)} - found.keys()
    for _ in range(MAX_HOPS + 1):
        if not missing:
            break
        new = facts.subjects(session, refs=missing)
        found |= new
        missing = _linked(new.values() if new else ()) - found.keys()
    return Scene(found)


def _linked(subjects: Iterable[Subject]) -> set[FactRef]:
    return {
        FactRef(kind, str(value.value))
        for subject in subjects
        for name, kind in junctions().items()
        if (value := subject.facts.get(name)) is not None and value.value is not None
    }


def bound(instance: JobInstance, resource: str | None = None) -> dict[str, str]:
    """The objects that names of facts begin at: those of the event, the run with its job and user, and its host."""
    found = {kind: ref for kind, ref in instance.context.items() if kind in KINDS and isinstance(ref, str)}
    found |= {JOB: instance.job, JOB_INSTANCE: str(instance.id), USER: instance.user}
    host = resource or instance.agent or instance.host
    if host is not None:
        found[RESOURCE] = host
    return found


def refs(instance: JobInstance) -> set[FactRef]:
    """The objects around a run."""
    return {FactRef(kind, ref) for kind, ref in bound(instance).items()}


def objection(group: Group | None, scene: Scene, objects: Mapping[str, str], now: datetime) -> str | None:
    """Why a constraint does not hold, in words; None where it holds, or has nothing to say."""
    if group is None:
        return None
    trace = Trace()
    if group.judge(Scope(objects, scene, now), trace) is not False:
        return None
    for step in reversed(trace.steps):
        if step.outcome is False and (reason := step.detail.get("reason")):
            return str(reason)
    for step in trace.steps:
        if step.outcome is False and (fact := step.detail.get("fact")):
            return f"{fact} {step.tag} {step.detail.get('right', '')}".strip() + f" does not hold ({step.path})"
    return "its constraint does not hold"
