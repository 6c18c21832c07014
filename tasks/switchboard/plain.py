"""Domains written as plain maps, as checks bring them (spec automate 8): turned into a domain's files.

They pass through the same loader as any other domain, so a check can be about loading as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

#: The folder that the files stand in.
ROOT = "automate"


def files_of(*domains: Mapping[str, Any], root: str = ROOT) -> dict[str, bytes]:
    """The files of such domains.

    A domain has ``name``, ``priority``, ``enabled`` and ``classes``; a class ``ns``, ``name``, ``fields`` as
    ``[name, kind, options]``, ``instances`` as name to values (``$inherits`` and ``$object_type`` are the
    file's own), and ``methods`` as names or ``[name, {inputs, location}]``. Raises ``KeyError``,
    ``TypeError`` or ``ValueError`` for anything else.
    """
    files: dict[str, bytes] = {}
    for one in domains:
        base = f"{root}/{one['name']}"
        attributes = {key: one[key] for key in ("name", "priority", "enabled") if key in one}
        files[f"{base}/__domain__.yaml"] = sheet("domain", attributes)
        for held in one["classes"]:
            _class_files(files, base, held)
    return files


def sheet(kind: str, attributes: Mapping[str, Any], **rest: Any) -> bytes:
    """One file with its envelope (spec automate 1.2)."""
    whole = {"object_type": kind, "version": 1.0, "object": {"attributes": dict(attributes), **rest}}
    return yaml.safe_dump(whole, sort_keys=False).encode()


def _class_files(files: dict[str, bytes], base: str, held: Mapping[str, Any]) -> None:
    folder = base
    for part in held["ns"].split("/"):
        folder = f"{folder}/{part}"
        files[f"{folder}/__namespace__.yaml"] = sheet("namespace", {"name": part})
    folder = f"{folder}/{held['name']}.class"
    schema = [{"field": {"aetype": kind, "name": name, **_rest(more)}} for name, kind, *more in held["fields"]]
    files[f"{folder}/__class__.yaml"] = sheet("class", {"name": held["name"]}, schema=schema)
    for number, (name, values) in enumerate(held.get("instances", {}).items()):
        attributes = {"name": name, "inherits": values.get("$inherits")}
        fields = [
            {key: value if isinstance(value, dict) else {"value": value}}
            for key, value in values.items()
            if not key.startswith("$")
        ]
        kind = values.get("$object_type", "instance")
        files[f"{folder}/i{number}.yaml"] = sheet(kind, attributes, fields=fields)
    for method in held.get("methods", ()):
        name, options = (method, {}) if isinstance(method, str) else method
        inputs = [{"field": {"name": given, **_rest(more)}} for given, *more in options.get("inputs", ())]
        attributes = {"name": name, **{k: v for k, v in options.items() if k != "inputs"}}
        attributes.setdefault("location", "inline")
        files[f"{folder}/__methods__/{name}.yaml"] = sheet("method", attributes, inputs=inputs)


def _rest(more: list[Any]) -> dict[str, Any]:
    return dict(more[0]) if more else {}
