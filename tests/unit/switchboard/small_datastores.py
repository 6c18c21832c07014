"""Builds small Automate domains for tests, as files in ManageIQ's layout and as a loaded datastore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from tasks.model.event import Event, Normalised, ObjectRef
from tasks.model.outcome import AlertState, ObjectFacts
from tasks.switchboard.builtin import ABORT, OK, STOP, WARN
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import resolve
from tasks.switchboard.errors import AutomateError
from tasks.switchboard.load import load_domains
from tasks.switchboard.read import shipped_domain
from tasks.switchboard.workspace import Call, Object, Workspace

EXITS = {"ok": OK, "warn": WARN, "stop": STOP, "abort": ABORT, "unknown": 1}


def klass(
    ns: str,
    name: str,
    fields: Sequence[Sequence[Any]],
    instances: Mapping[str, Mapping[str, Any]] | None = None,
    methods: Sequence[Any] = (),
) -> dict[str, Any]:
    """A class: fields as (name, aetype[, options]), instances by name, methods as (name, {inputs})."""
    whole = [[*field, {}] if len(field) == 2 else list(field) for field in fields]
    named = [[m, {"inputs": []}] if isinstance(m, str) else list(m) for m in methods]
    return {"ns": ns, "name": name, "fields": whole, "instances": dict(instances or {}), "methods": named}


def domain(name: str, *classes: dict[str, Any], priority: int = 1, enabled: bool = True) -> dict[str, Any]:
    """A domain of such classes."""
    return {"name": name, "priority": priority, "enabled": enabled, "classes": list(classes)}


def files_of(*domains: Mapping[str, Any], root: str = "automate") -> dict[str, bytes]:
    """The domains as the files of a site."""
    files: dict[str, bytes] = {}
    for one in domains:
        base = f"{root}/{one['name']}"
        attributes = {key: one[key] for key in ("name", "priority", "enabled")}
        files[f"{base}/__domain__.yaml"] = sheet("domain", attributes)
        for held in one["classes"]:
            _class_files(files, base, held)
    return files


def sheet(kind: str, attributes: Mapping[str, Any], **rest: Any) -> bytes:
    """One file with its envelope."""
    whole = {"object_type": kind, "version": 1.0, "object": {"attributes": dict(attributes), **rest}}
    return yaml.safe_dump(whole, sort_keys=False).encode()


def _class_files(files: dict[str, bytes], base: str, held: Mapping[str, Any]) -> None:
    folder = base
    for part in held["ns"].split("/"):
        folder = f"{folder}/{part}"
        files[f"{folder}/__namespace__.yaml"] = sheet("namespace", {"name": part})
    folder = f"{folder}/{held['name']}.class"
    schema = [{"field": {"aetype": k, "name": n, **_default(o)}} for n, k, o in held["fields"]]
    files[f"{folder}/__class__.yaml"] = sheet("class", {"name": held["name"]}, schema=schema)
    for number, (name, values) in enumerate(held["instances"].items()):
        attributes = {"name": name, "inherits": values.get("$inherits")}
        fields = [
            {key: value if isinstance(value, dict) else {"value": value}}
            for key, value in values.items()
            if not key.startswith("$")
        ]
        kind = values.get("$object_type", "instance")
        files[f"{folder}/i{number}.yaml"] = sheet(kind, attributes, fields=fields)
    for name, options in held["methods"]:
        inputs = [{"field": {"name": n, **_default(o)}} for n, o in options.get("inputs", ())]
        attributes = {"name": name, "location": options.get("location", "inline")}
        files[f"{folder}/__methods__/{name}.yaml"] = sheet("method", attributes, inputs=inputs)


def _default(options: Mapping[str, Any]) -> dict[str, Any]:
    return dict(options)


def datastore(*domains: Mapping[str, Any]) -> Datastore:
    """The domains, loaded. Fails where one of them has a mistake."""
    loaded, problems = load_domains(files_of(*domains), "automate")
    assert [str(p) for p in problems if p.severity == "error"] == []
    return Datastore(loaded)


class Effects:
    """A runner: per method a list of steps, the n-th call takes the n-th, the last one repeats."""

    def __init__(self, steps: Mapping[str, Sequence[Mapping[str, Any]]] | None = None) -> None:
        self._steps = {name.lower(): list(listed) for name, listed in (steps or {}).items()}
        self._counts: dict[str, int] = {}

    def __call__(self, call: Call, current: Object) -> int:
        """Set what the step sets, and exit as it says."""
        name = call.method.rsplit("/", 1)[1].lower()
        listed = self._steps.get(name, [{}])
        index = self._counts.get(name, 0)
        self._counts[name] = index + 1
        step = listed[min(index, len(listed) - 1)]
        for target, key in ((current.root, "root"), (current, "object")):
            for attribute, value in step.get(key, {}).items():
                named = isinstance(value, str) and value.startswith("$")
                target.set(attribute, call.inputs[value[1:]] if named else value)
        if "raise" in step:
            raise AutomateError(str(step["raise"]))
        return EXITS[step.get("exit", "ok")]


def run(
    store: Datastore,
    uri: str,
    root: Mapping[str, Any] | None = None,
    effects: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    **options: Any,
) -> Workspace:
    """Resolve an address with a runner of :class:`Effects`."""
    return resolve(store, root or {}, uri, runner=Effects(effects), **options)


def called(workspace: Workspace) -> list[str]:
    """The names of the methods that were called, in order."""
    return [call.method.rsplit("/", 1)[1] for call in workspace.calls]


class FakeView:
    """A view on a datastore and a few objects."""

    def __init__(self, store: Datastore, objects: Mapping[ObjectRef, ObjectFacts] | None = None) -> None:
        self._store = store
        self._objects = objects or {}
        self.asked: list[ObjectRef] = []

    @property
    def site(self) -> Any:
        """Itself: it has the one part that is asked for."""
        return self

    def part(self, name: str) -> Any:
        """The datastore, under the name of its part."""
        assert name == "automate"
        return self._store

    @property
    def now(self) -> datetime:
        """A fixed moment."""
        return datetime(2030, 1, 2, tzinfo=UTC)

    def object(self, provider: str, ref: ObjectRef) -> ObjectFacts | None:
        """One of the given objects."""
        self.asked.append(ref)
        return self._objects.get(ref)

    def alert_state(self, alert: str, provider: str, ref: ObjectRef) -> AlertState:
        """Never fired."""
        return AlertState(None, False)

    def object_known(self, provider: str, ref: ObjectRef) -> bool:
        """Whether it is one of the given objects."""
        return ref in self._objects


def event(event_type: str, kind: str | None = "server", ref: str | None = "s-1", **more: Any) -> Event:
    """A provider's event, or a raised one with ``namespace`` and ``source`` given."""
    outer = {name: more.pop(name) for name in ("namespace", "source", "provider", "payload") if name in more}
    facts = Normalised(
        event_type=event_type,
        raw_event_type=event_type,
        message_id="m-1",
        occurred_at=datetime(2030, 1, 1, tzinfo=UTC),
        resource_kind=kind,
        resource_id=ref,
        **more,
    )
    settled = {"provider": "lab", "source": "OPENSTACK", "namespace": "EmsEvent", "payload": {}, **outer}
    return Event(id=7, facts=facts, **settled)


EVENT_FIELDS = [
    ("guard", "assertion"),
    ("rel1", "relationship"),
    ("rel2", "relationship"),
    ("meth1", "method"),
]


def shipped_with(*instances: Mapping[str, Mapping[str, Any]], methods: Any = ()) -> Datastore:
    """The shipped domain, and above it OpenStack instances of a site."""
    if not instances:
        return Datastore([], last=shipped_domain())
    held = klass("System/Event/EmsEvent", "OpenStack", EVENT_FIELDS, instances[0], methods)
    loaded, problems = load_domains(files_of(domain("Site", held)), "automate")
    assert [p for p in problems if p.severity == "error"] == []
    return Datastore(loaded, last=shipped_domain())
