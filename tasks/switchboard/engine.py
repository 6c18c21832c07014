"""Instantiation (spec automate 3): an address becomes an object, whose fields run in the schema's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tasks.model import clock
from tasks.model.outcome import Finding
from tasks.switchboard.address import DATASTORE, METHOD, Address, parse_address
from tasks.switchboard.assertions import require
from tasks.switchboard.builtin import run_builtin
from tasks.switchboard.collect import collect
from tasks.switchboard.datastore import Datastore, Field, Value
from tasks.switchboard.datatypes import Lookup, argument, convert
from tasks.switchboard.errors import (
    AssertionFailure,
    AutomateError,
    CyclicalRelationship,
    DatastoreError,
    InvalidPathFormat,
    StopInstantiation,
)
from tasks.switchboard.machine import METHOD_STEP, Machines
from tasks.switchboard.methods import Runner, invoke
from tasks.switchboard.position import Continuation
from tasks.switchboard.substitute import coalesce, substitute
from tasks.switchboard.text import Filled, Untrusted, bounded, fold
from tasks.switchboard.workspace import Object, Workspace

#: Where every event enters.
ENTRY = "/System/Process/Event"

_CREATE = "create"


def resolve(
    datastore: Datastore,
    root_attributes: Mapping[str, Any],
    uri: str = ENTRY,
    *,
    runner: Runner = run_builtin,
    variables: Mapping[str, Any] | None = None,
    readonly: bool = False,
    now: datetime | None = None,
    before: Continuation | None = None,
    lookup: Lookup | None = None,
) -> Workspace:
    """Instantiate an address and all that follows from it. Pure: calls are recorded, nothing is done.

    ``root_attributes`` (by lower-case name) are what the first object is handed; its text is data from
    outside. ``readonly`` resolves inputs and calls nothing (E18). ``before`` is what an earlier delivery
    that ended in a retry has left, ``now`` the moment by which states' limits are judged. What ends the run
    is in ``error`` of the workspace and never raised; what is passed over is in ``errors``.
    """
    workspace = Workspace(uri, variables=dict(before.variables if before else variables or {}), lookup=lookup)
    engine = _Engine(datastore, root_attributes, None if readonly else runner, workspace, now or clock.now(), before)
    engine.run(uri)
    return workspace


class _Engine:
    """One run."""

    def __init__(
        self,
        datastore: Datastore,
        given: Mapping[str, Any],
        runner: Runner | None,
        workspace: Workspace,
        now: datetime,
        before: Continuation | None,
    ) -> None:
        self.workspace = workspace
        self.machines = Machines(workspace, self._around, self._main, now, before)
        self._datastore = datastore
        self._given = given
        self._runner = runner
        self._chain: list[tuple[Any, ...]] = []
        self._aside = 0

    def run(self, uri: str) -> None:
        try:
            address = _datastore_address(uri)
            self._instantiate(address, address.message or _CREATE, None, {"address": bounded(uri)})
        except AutomateError as end:
            self.workspace.error = end
        if self.workspace.root is not None and self.workspace.result == "retry":
            self.workspace.continuation = self.machines.continuation(self.workspace.root)

    def aside(self, path: str) -> Object:
        """Build an instance outside of the tree, with its attribute fields alone (C15)."""
        address = parse_address(Filled(path))
        built = Object(self._datastore.find(address.path, address.instance), _CREATE)
        self.workspace.spend(built.path, self._aside)
        self._aside += 1
        try:
            for field, value in built.found.of.steps(built.found.instance):
                if field.aetype == "attribute" and field.answers(_CREATE):
                    self._attribute(field, value, built)
        finally:
            self._aside -= 1
        return built

    def instantiate(self, uri: str, parent: Object) -> Object | None:
        """Build what an address from a method names, below an object (spec automate 4.8)."""
        address = _datastore_address(uri)
        return self._instantiate(address, address.message or _CREATE, parent, {"of": parent.path})

    def _instantiate(
        self, address: Address, message: str, parent: Object | None, detail: dict[str, Any]
    ) -> Object | None:
        """Build one object and walk it; None where it is not there, was refused or was stopped."""
        try:
            found = self._datastore.find(address.path, address.instance)
        except DatastoreError as absent:
            self.workspace.absent += 1
            self.workspace.pass_over(bounded(str(address)), absent)
            self.workspace.note(
                Finding("instance", bounded(str(address)), "absent", {**detail, "reason": bounded(str(absent))})
            )
            return None
        built = Object(found, message, parent, given=self._given if parent is None else {})
        detail |= {"missing": bounded(found.requested)} if found.missing else {}
        self.workspace.note(Finding("instance", built.path, "missing" if found.missing else "found", detail))
        return self._guarded(
            built, (*found.of.key, fold(found.requested), message), lambda: self._build(built, address)
        )

    def _guarded(self, built: Object, step: tuple[Any, ...], work: Callable[[], None]) -> Object | None:
        """Do the work of an object with its place on the chain; drop it where it is stopped or refused."""
        if step in self._chain:
            raise CyclicalRelationship(f"[{built.path}] leads back to itself with the message [{built.message}]")
        self.workspace.spend(built.path, len(self._chain))
        self._chain.append(step)
        try:
            work()
        except (StopInstantiation, AssertionFailure) as refused:
            verdict = "refused" if isinstance(refused, AssertionFailure) else "stopped"
            self.workspace.note(Finding("object", built.path, verdict, {"reason": bounded(str(refused))}))
            self.workspace.drop(built)
            return None
        except DatastoreError as absent:
            self.workspace.pass_over(built.address, absent)
            self.workspace.note(Finding("object", built.path, "error", {"reason": bounded(str(absent))}))
            self.workspace.drop(built)
            return None
        finally:
            self._chain.pop()
        return built

    def _build(self, built: Object, address: Address) -> None:
        self.workspace.add(built)
        if built.parent is None:
            self.machines.begin(built)
        if built.found.missing:
            built.set("_missing_instance", built.found.requested)
        for field, value in built.found.of.steps(built.found.instance):
            if field.aetype == "assertion" and field.answers(built.message):
                self._assertion(field, value, built)
        for kind, name, text in address.arguments:
            built.set(name, argument(kind, text, self.workspace.lookup))
        self._walk(built)

    def _walk(self, built: Object) -> None:
        fields = [(f, v) for f, v in built.found.of.steps(built.found.instance) if f.answers(built.message)]
        states = [field.name for field, _ in fields if field.aetype == "state"]
        if not states:
            self._run_fields(fields, built, ())
            return
        with self.machines.inside(built) as runs:
            self._run_fields(fields, built, states if runs else ())

    def _run_fields(self, fields: Sequence[tuple[Field, Value]], built: Object, states: Sequence[str]) -> None:
        for field, value in fields:
            if field.aetype == "state":
                if states:
                    self.machines.run(field, value, built, states)
                continue
            step = _STEPS.get(field.aetype or "")
            if step is not None:
                step(self, field, value, built)

    def _filled(self, field: Field, text: str | None, built: Object, *, strict: bool = False) -> Filled:
        return substitute(text or "", built, self, strict=strict) if field.substitute else Filled(text or "")

    def _assertion(self, field: Field, value: Value, built: Object) -> None:
        require(field.name, self._filled(field, value.value, built, strict=True))

    def _attribute(self, field: Field, value: Value, built: Object) -> None:
        text = value.value
        if text is not None and field.substitute:
            text = coalesce(text, built, self) if field.coalesces else substitute(text, built, self).whole()
        if text is not None:
            built.set(field.name, convert(field.datatype, text, self.workspace.lookup))
        collect(value.collect, built, [built], self.workspace, own_name=field.name, many=False)

    def _invoke(self, filled: Filled, built: Object, arguments: Mapping[str, Any]) -> int:
        return invoke(filled, built, arguments, datastore=self._datastore, run=self, runner=self._runner)

    def _method(self, field: Field, value: Value, built: Object) -> None:
        filled = self._filled(field, value.value, built)
        if not self._is_off(field, filled, built):
            self._collecting(filled, value, built)

    def _collecting(self, call: Filled, value: Value, built: Object) -> None:
        code = self._invoke(call, built, {})
        if name := (value.collect or "").strip():
            built.set(name, code)

    def _relationship(self, field: Field, value: Value, built: Object) -> None:
        filled = self._filled(field, value.value, built)
        if not self._is_off(field, filled, built):
            self._follow(field, value, built, filled)

    def _follow(self, field: Field, value: Value, built: Object, filled: Filled) -> bool:
        """Go where an address leads, and collect; False where it leads to nothing."""
        address = parse_address(filled)
        if (
            address.scheme not in DATASTORE
            and filled.held
            and any(isinstance(p, Untrusted) for p in (*address.path, address.instance))
        ):
            raise InvalidPathFormat(f"[{bounded(filled.whole())}] names a method or an object by a value from outside")
        detail = {"of": built.path, "field": field.name, "address": bounded(filled.whole())}
        if field.substitute and "${" in (value.value or ""):
            detail["written"] = bounded(value.value or "")
        if address.scheme in METHOD:
            name = Filled(address.whole_path)
            given = {key: argument(kind, text, self.workspace.lookup) for kind, key, text in address.arguments}
            self._invoke(name, built, given)
            return True
        many = address.scheme in DATASTORE and address.wildcard and address.instance is not None
        children = self._children(address, many, built, detail)
        if children or many:
            collect(value.collect, built, children, self.workspace, own_name=field.name, many=many)
        return bool(children)

    def _children(self, address: Address, many: bool, built: Object, detail: dict[str, Any]) -> list[Object]:
        message = address.message or built.message
        if address.scheme not in DATASTORE:
            again = self.workspace.locate(address.whole_path or "/", built)
            done = self._again(again, message, ("again", id(again), message))
            return [done] if done else []
        if not many:
            child = self._instantiate(address, message, built, detail)
            return [child] if child else []
        children = []
        for domain, held, instance in self._datastore.matching(address.path, (address.instance or "")[:-1]):
            path = (domain.name, *held.namespace, held.name)
            child = self._instantiate(Address("", path, instance.name, address.arguments), message, built, detail)
            children += [child] if child else []
        return children

    def _again(self, built: Object, message: str, step: tuple[Any, ...]) -> Object | None:
        """Walk an object that is there already for another message (D37)."""
        before, built.message = built.message, message
        try:
            return self._guarded(built, step, lambda: self._walk(built))
        finally:
            built.message = before

    def _is_off(self, field: Field, filled: Filled, built: Object) -> bool:
        text = filled.text.strip()
        if text.startswith("#"):
            detail = {"text": bounded(filled.whole())}
            self.workspace.note(Finding(field.aetype or "", f"{built.path}.{field.name}", "off", detail))
        return not text or text.startswith("#")

    def _main(self, field: Field, value: Value, built: Object) -> bool:
        """The step of a state: a method or a relationship; False where it leads to nothing."""
        filled = self._filled(field, value.value, built)
        if self._is_off(field, filled, built):
            return True
        text = filled.text.strip()
        if not fold(text).startswith(METHOD_STEP):
            return self._follow(field, value, built, filled)
        self._collecting(Filled(text[len(METHOD_STEP) :], filled.held), value, built)
        return True

    def _around(self, field: Field, text: str, built: Object) -> None:
        """One method of a state's on_entry, on_exit or on_error."""
        self._invoke(self._filled(field, text, built), built, {})


def _datastore_address(uri: str) -> Address:
    address = parse_address(Filled(uri))
    if address.scheme not in DATASTORE:
        raise InvalidPathFormat(f"[{bounded(uri)}] names nothing in the datastore")
    return address


_STEPS: Mapping[str, Callable[[_Engine, Field, Value, Object], None]] = {
    "attribute": _Engine._attribute,
    "method": _Engine._method,
    "relationship": _Engine._relationship,
}
