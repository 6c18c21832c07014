"""Looks into ``clouds.yaml``: which clouds it names, and whether its shape is right. Signs in nowhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.site import lines
from tasks.site.contracts import Problem

FILE = "clouds.yaml"

_SHAPE = "Write clouds: and below it one key for each cloud, as openstacksdk has it."
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class Clouds:
    """The names of the clouds; ``readable`` is False where the file could not be understood."""

    names: frozenset[str] = field(default_factory=frozenset)
    readable: bool = True


def clouds_of(content: bytes | None) -> tuple[Clouds, list[Problem]]:
    """The clouds of a ``clouds.yaml``, and its mistakes. Nothing of its values is ever repeated."""
    if content is None:
        return Clouds(), []
    try:
        document = lines.load(content)
    except lines.YamlMistake as mistake:
        # A parser quotes what it stumbles over, and here that may be a password.
        what = f"this is no YAML: {_QUOTED.sub('…', mistake.what)}"
        mend = "Correct the text there; a password with special characters stands in 'quotes'."
        return Clouds(readable=False), [Problem(FILE, mistake.line, what, mend)]
    if document.data is None:
        return Clouds(), []
    clouds = document.data.get("clouds") if isinstance(document.data, Mapping) else None
    if not isinstance(clouds, Mapping) and not (isinstance(document.data, Mapping) and "clouds" in document.data):
        return Clouds(readable=False), [Problem(FILE, document.line(), "the key 'clouds' is missing", _SHAPE)]
    if clouds is None:
        return Clouds(), []
    if not isinstance(clouds, Mapping):
        return Clouds(readable=False), [Problem(FILE, document.line("clouds"), "'clouds' is no mapping", _SHAPE)]
    return Clouds(frozenset(str(name) for name in clouds)), _shapes(clouds, document)


def _shapes(clouds: Mapping[object, object], document: lines.Document) -> list[Problem]:
    problems = []
    for name, cloud in clouds.items():
        line = document.line("clouds", str(name))
        if not isinstance(cloud, Mapping):
            problems.append(
                Problem(FILE, line, f"the cloud {str(name)!r} is no mapping", "Give it auth: and its keys.")
            )
        elif not isinstance(cloud.get("auth", {}), Mapping):
            line = document.line("clouds", str(name), "auth")
            what = f"'auth' of the cloud {str(name)!r} is no mapping"
            problems.append(Problem(FILE, line, what, "Put auth_url and the rest below it, indented."))
        elif not {"auth", "profile", "cloud"} & set(cloud):
            what = f"the cloud {str(name)!r} has no 'auth'"
            problems.append(Problem(FILE, line, what, "Add auth: with auth_url and the credentials."))
    return problems
