"""Domains without a site, and events that are resolved without a ledger: what the tools of operators stand on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.model.errors import BadPayload
from tasks.site.contracts import Problem
from tasks.switchboard.container import folder_files, unpacked
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.engine import ENTRY, resolve
from tasks.switchboard.load import load_domains
from tasks.switchboard.python import FOLDER as METHODS
from tasks.switchboard.python import load_modules
from tasks.switchboard.text import bounded, fold, text_of
from tasks.switchboard.workspace import Workspace

#: The folder that files are said to lie in.
ROOT = "automate"


def load_folder(base: Path) -> tuple[Datastore, list[Problem]]:
    """The domains of a folder, of one domain's folder or of a zip, and nothing beside them.

    A domain with a mistake is left out whole, and the mistake is among the problems. Raises ``SiteInvalid`` and
    ``OSError`` for what cannot be read at all.
    """
    files, problems = unpacked(folder_files(base, ROOT))
    domains, found = load_domains({path: c for path, c in files.items() if path.endswith(".yaml")}, ROOT)
    functions, broken = load_modules(files, f"{ROOT}/{METHODS}")
    return Datastore(domains, functions=functions), [*problems, *found, *broken]


def root_of_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """The root attributes of an event that is given as data: ``namespace``, ``source``, ``event_type``, ``root``.

    Raises :class:`tasks.model.errors.BadPayload` for data that is no event.
    """
    if not isinstance(event, Mapping):
        raise BadPayload("an event is a JSON object")
    texts = {name: event.get(name) for name in ("namespace", "source", "event_type")}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise BadPayload(f"{name} is {value!r:.60}: write a text")
    root = event.get("root") or {}
    if not isinstance(root, Mapping):
        raise BadPayload('root is no map: write {"attribute": value}')
    stream = {"event_namespace": texts["namespace"], "source": texts["source"], "event_type": texts["event_type"]}
    given = {"object_name": "Event", "event_stream": stream, "event_type": texts["event_type"]}
    return {**given, **{fold(str(name)): value for name, value in root.items()}}


def resolve_event(datastore: Datastore, event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event leads to, as data. Methods that are not run count as calls that succeed.

    Raises :class:`tasks.model.errors.BadPayload` for data that is no event.
    """
    return shown(resolve(datastore, root_of_event(event), ENTRY))


def shown(workspace: Workspace) -> dict[str, Any]:
    """A run as data: its calls, the objects in order, how it ended, and what was said on the way."""
    errors = [{"address": address, "message": text} for address, text in workspace.faults]
    if workspace.error is not None:
        errors.append({"address": workspace.uri, "message": bounded(str(workspace.error), 500)})
    return {
        "calls": [
            {"method": c.method, "location": c.location, "inputs": {n: plain(v) for n, v in c.inputs.items()}}
            for c in workspace.calls
        ],
        "objects": [built.address for built in workspace.objects],
        "outcome": workspace.outcome,
        "errors": errors,
    }


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(text_of(value))
