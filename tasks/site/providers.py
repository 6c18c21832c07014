"""Reads ``providers.yaml``: the providers of the site, their monitors and options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tasks.model.event import INTERNAL
from tasks.providers.contracts import ProviderConfig, ProviderKind
from tasks.site import clouds as clouds_file
from tasks.site import lines
from tasks.site.clouds import Clouds
from tasks.site.contracts import Problem
from tasks.site.mistakes import did_you_mean, errors_of, explain
from tasks.site.references import NoSecret, resolve
from tasks.site.signin import SignIn

FILE = "providers.yaml"
AUTO = "auto"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?")
_SHAPE = "Write providers: and below it a list, as in - {name: mycloud, type: openstack, cloud: mycloud}."
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
#: Read here; everything else is an option of the kind.
_OWN = frozenset({"name", "type", "cloud"})


@dataclass(slots=True)
class _Reading:
    root: Path
    kinds: Mapping[str, ProviderKind]
    clouds: Clouds
    document: lines.Document
    reveals: bool = True
    found: dict[str, ProviderConfig] = field(default_factory=dict)
    seen: dict[str, int | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def note(self, what: str, mend: str, *path: str | int, severity: str = "error") -> None:
        self.problems.append(Problem(FILE, self.document.line("providers", *path), what, mend, severity))


def providers_of(
    content: bytes | None,
    root: Path,
    kinds: Mapping[str, ProviderKind],
    clouds: Clouds,
    *,
    reveals: bool = True,
) -> tuple[dict[str, ProviderConfig], list[Problem]]:
    """The providers by name, and all mistakes. None at all is no mistake, but worth a warning.

    Without ``reveals`` no secret is looked up: options hold the references to them.
    """
    try:
        document = lines.load(content or b"")
    except lines.YamlMistake as mistake:
        what = f"this is no YAML: {_QUOTED.sub('…', mistake.what)}"
        return {}, [Problem(FILE, mistake.line, what, "Correct the text there.")]
    reading = _Reading(root, kinds, clouds, document, reveals)
    listed = _listed(reading)
    for index, entry in enumerate(listed):
        _one(reading, index, entry)
    if not listed and not reading.problems:
        what, mend = "no provider yet", f"Name one in {FILE}; until then nothing is caught."
        reading.problems.append(Problem(FILE, None, what, mend, "warning"))
    return reading.found, reading.problems


def _listed(reading: _Reading) -> list[Any]:
    data = reading.document.data
    if data is None:
        return []
    if not isinstance(data, Mapping):
        reading.note("the file is no mapping", _SHAPE)
        return []
    for key in data:
        if key != "providers":
            reading.problems.append(
                Problem(
                    FILE,
                    reading.document.line(key),
                    f"unknown key {str(key)!r}",
                    did_you_mean(str(key), ["providers"]),
                )
            )
    entries = data.get("providers")
    if entries is None:
        return []
    if not isinstance(entries, list):
        reading.note("'providers' is no list", _SHAPE)
        return []
    return entries


def _one(reading: _Reading, index: int, entry: Any) -> None:
    if not isinstance(entry, Mapping):
        reading.note("a provider is no mapping", _SHAPE, index)
        return
    before = len(reading.problems)
    name = _name(reading, index, entry)
    kind = _kind(reading, index, entry)
    cloud = _cloud(reading, index, entry)
    if kind is None:
        return
    options = _options(reading, index, entry, kind)
    if name is None or len(reading.problems) > before:
        return
    signin = SignIn(cloud, reading.root / clouds_file.FILE) if cloud else None
    reading.found[name] = ProviderConfig(name, kind.name, options, signin)


def _name(reading: _Reading, index: int, entry: Mapping[Any, Any]) -> str | None:
    name = entry.get("name")
    mend = "Use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit."
    if name is None:
        reading.note("the key 'name' is missing", f"Add it. {mend}", index)
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        reading.note("the name cannot be used", mend, index, "name")
    elif name == INTERNAL:
        reading.note(f"the name {INTERNAL!r} is kept for raised events", "Choose another name.", index, "name")
    elif name in reading.seen:
        what = f"the name {name!r} is taken by the provider in line {reading.seen[name]}"
        reading.note(what, "Give each provider a name of its own.", index, "name")
    else:
        reading.seen[name] = reading.document.line("providers", index, "name")
        return name
    return None


def _kind(reading: _Reading, index: int, entry: Mapping[Any, Any]) -> ProviderKind | None:
    word = entry.get("type")
    if word is None:
        reading.note("the key 'type' is missing", f"Add it. Known are: {', '.join(sorted(reading.kinds))}.", index)
        return None
    kind = reading.kinds.get(word) if isinstance(word, str) else None
    if kind is None:
        reading.note(f"unknown type {str(word)!r}", did_you_mean(str(word), reading.kinds), index, "type")
    return kind


def _cloud(reading: _Reading, index: int, entry: Mapping[Any, Any]) -> str | None:
    cloud = entry.get("cloud")
    if cloud is None:
        return None
    if not isinstance(cloud, str):
        reading.note("'cloud' is no text", f"Name a cloud of {clouds_file.FILE}.", index, "cloud")
    elif reading.clouds.readable and cloud not in reading.clouds.names:
        mend = f"Add it to {clouds_file.FILE}. "
        mend += did_you_mean(cloud, reading.clouds.names) if reading.clouds.names else "It names no cloud yet."
        reading.note(f"the cloud {cloud!r} is not in {clouds_file.FILE}", mend, index, "cloud")
    else:
        return cloud
    return None


def _options(reading: _Reading, index: int, entry: Mapping[Any, Any], kind: ProviderKind) -> Any:
    model: type[BaseModel] = kind.options
    known = set(model.model_fields) | {f.alias for f in model.model_fields.values() if f.alias}
    given = {str(k): v for k, v in entry.items() if k not in _OWN or k in known}
    _monitor(reading, index, given, kind)
    for key in sorted(set(given) - known):
        reading.note(f"unknown option {key!r}", did_you_mean(key, known | _OWN), index, key)
        del given[key]
    given = {key: _revealed(reading, value, index, key) for key, value in given.items()}
    try:
        return model.model_validate(given)
    except ValidationError as mistake:
        for error in errors_of(mistake):
            what, mend = explain(error, model)
            reading.note(what, mend, index, *error["loc"])
    return None


def _monitor(reading: _Reading, index: int, given: Mapping[str, Any], kind: ProviderKind) -> None:
    names = [AUTO, *(monitor.name for monitor in kind.monitors)]
    word = given.get("monitor", AUTO)
    if word not in names:
        reading.note(f"unknown monitor {str(word)!r}", did_you_mean(str(word), names), index, "monitor")


def _revealed(reading: _Reading, value: Any, *path: str | int) -> Any:
    """A value with its secrets in place, at any depth."""
    if not reading.reveals:
        return value
    if isinstance(value, str):
        try:
            return resolve(value, reading.root)[0]
        except NoSecret as mistake:
            what, _, mend = str(mistake).partition(": ")
            reading.note(what, f"{mend[:1].upper()}{mend[1:]}." if mend else "Correct it.", *path)
            return value
    if isinstance(value, Mapping):
        return {key: _revealed(reading, part, *path, str(key)) for key, part in value.items()}
    if isinstance(value, list):
        return [_revealed(reading, part, *path, index) for index, part in enumerate(value)]
    return value
