"""An export as files of a site: converted, proved by the site's own readers, then written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tasks.alert import read as alerts
from tasks.model.errors import Permanent
from tasks.policy import read as policies
from tasks.site import events, profiles
from tasks.site.contracts import Problem, SiteContext
from tasks.site.settings import Settings
from tasks.site.walk import matches, read, walk
from workers.manageiq.alerts import alert_entry
from workers.manageiq.items import Items, file_of, items_of, names_of
from workers.manageiq.kit import Kit, document
from workers.manageiq.policies import policy_entries
from workers.manageiq.report import Report
from workers.manageiq.ruby import load

#: Which place a profile is assigned to: the keys of ``assign``.
Place = dict[str, str]

_PATTERNS = (*policies.PART.patterns, *alerts.PART.patterns, *profiles.PATTERNS, *events.PATTERNS)
#: The first line of a file that was imported: by it, the next import of the same item finds the file again.
_HEAD = "# Imported from ManageIQ, guid {}.\n"
_KNOWN = re.compile(rb"# Imported from ManageIQ, guid ([\w-]{1,100})\.\r?\n")


class Draft(NamedTuple):
    """One file to be: its folder, whose it is, what that is called, and what it holds."""

    folder: str
    identity: str
    name: str
    data: dict[str, Any]


def files_of_site(root: Path) -> dict[str, bytes]:
    """The files of policies, profiles, alerts and events that a site has, by their paths."""
    if not root.is_dir():
        return {}
    folder = walk(root)
    folder.files = [found for found in folder.files if any(matches(found.path, pattern) for pattern in _PATTERNS)]
    return read(root, folder)


def context_of(files: Mapping[str, bytes], actions: Mapping[str, Any], settings: Settings) -> SiteContext:
    """What the readers are told: the settings, the actions, and the events that there are."""
    own = {path: text for path, text in files.items() if any(matches(path, pattern) for pattern in events.PATTERNS)}
    return SiteContext(settings, {}, actions, events.definitions_of(own)[0])


def convert(content: bytes, context: SiteContext, places: Sequence[Place]) -> tuple[list[Draft], Report]:
    """An export as files, and what became of each item.

    ``places`` is where profiles apply; without any they are written inactive. Raises
    :class:`workers.manageiq.ruby.UnreadableExport`.
    """
    kit = Kit(context)
    items = items_of(load(content), kit.report)
    drafts: list[Draft] = []
    written: dict[str, list[str]] = {}
    for key, name in names_of(items.policies).items():
        entries = policy_entries(items.policies[key], name, kit)
        if entries:
            written[key] = [entry["name"] for entry in entries]
            drafts.append(Draft("policies", key, name, {"policies": entries}))
    told: dict[str, list[str]] = {}
    found: list[Draft] = []
    for key, name in names_of(items.alerts).items():
        entry = alert_entry(items.alerts[key], name, kit)
        if entry is not None:
            told[key] = [entry["name"]]
            found.append(Draft("alerts", key, name, {"alerts": [entry]}))
    drafts += _profiles(items, written, told, places, kit.report)
    return [*drafts, *found], kit.report


def _profiles(
    items: Items, policies: Mapping[str, list[str]], alerts: Mapping[str, list[str]], places: Sequence[Place],
    report: Report,
) -> Iterable[Draft]:  # fmt: skip
    """The profiles of the export, and one for each policy that is in none: an export names no assignments."""
    grouped = {key for _, members in items.profiles.values() for key in members}
    alone = {key: items.policies[key] for key in policies if key not in grouped}
    held = items.profiles | items.alert_profiles
    names = names_of({key: one for key, (one, _) in held.items()} | alone)
    for key in names:
        sort, taken = ("alerts", alerts) if key in items.alert_profiles else ("policies", policies)
        members = held[key][1] if key in held else [key]
        rules = [name for member in members for name in taken.get(member, ())]
        if not rules:
            report.left_out((f"profile {names[key]!r}",), f"none of its {sort} could be taken over")
            continue
        why = "" if key in held else "the policy is in no profile; "
        yield _profile(key, names[key], {sort: rules}, places, why, report)


def _profile(
    key: str, name: str, rules: Mapping[str, list[str]], places: Sequence[Place], why: str, report: Report
) -> Draft:
    entry: dict[str, Any] = {"name": name, **rules}
    entry["assign"] = [dict(place) for place in places] or [{"tag": file_of(name) or key}]
    if places:
        report.changed((f"profile {name!r}",), f"{why}assigned as --assign says: exports do not tell where")
    else:
        entry["active"] = False
        report.changed(
            (f"profile {name!r}",), f"{why}exports do not tell where it applies: set assign, and active: true"
        )
    return Draft("profiles", key, name, {"profiles": [entry]})


def placed(drafts: Sequence[Draft], existing: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files by their paths. An item that was imported before keeps the file that it has."""
    owners = {path: match[1].decode() for path, text in existing.items() if (match := _KNOWN.match(text))}
    before = {(path.split("/")[0], owner): path for path, owner in owners.items()}
    made: dict[str, bytes] = {}
    for draft in drafts:
        path = before.get((draft.folder, draft.identity))
        if path is None:
            path = f"{draft.folder}/imported-{file_of(draft.name) or file_of(draft.identity) or 'item'}.yaml"
            if path in made or owners.get(path, draft.identity) != draft.identity:
                path = f"{path.removesuffix('.yaml')}-{file_of(draft.identity)[:36] or len(made)}.yaml"
        made[path] = document(draft.data, _HEAD.format(draft.identity))
    return made


def prove(made: Mapping[str, bytes], existing: Mapping[str, bytes], context: SiteContext) -> None:
    """Have the site's readers read the new files among the others.

    Raises ``Permanent`` with each mistake that was not there before.
    """
    before = {(problem.path, problem.what) for problem in _errors(existing, context)}
    wrong = [p for p in _errors({**existing, **made}, context) if (p.path, p.what) not in before]
    if wrong:
        raise Permanent(
            "nothing was written, because the site would have mistakes:\n"
            + "\n".join(f"  {problem}" for problem in wrong)
        )


def _errors(files: Mapping[str, bytes], context: SiteContext) -> list[Problem]:
    found: list[Problem] = []
    values: dict[str, Any] = {}
    for part in (profiles.PART, policies.PART, alerts.PART):
        own = {path: text for path, text in files.items() if any(matches(path, p) for p in part.patterns)}
        values[part.name], problems = part.read(own, replace(context, parts=values))
        found += problems
    return [problem for problem in found if problem.severity == "error"]


def write(made: Mapping[str, bytes], root: Path, existing: Mapping[str, bytes], force: bool) -> list[str]:
    """Write the files that are new or differ, each as a whole, and return their paths.

    Raises ``Permanent``, before anything is written, where one would be overwritten without ``force``.
    """
    changed = [path for path, text in made.items() if existing.get(path) != text]
    in_the_way = [path for path in changed if os.path.lexists(root / path)]
    if in_the_way and not force:
        listed = "\n".join(f"  {root / path}" for path in in_the_way)
        raise Permanent(f"nothing was written: these files exist and differ, --force replaces them:\n{listed}")
    try:
        for path in changed:
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            half = target.with_name(f".{target.name}.tmp")
            half.write_bytes(made[path])
            half.replace(target)
    except OSError as mistake:
        raise Permanent(f"{root / path} cannot be written: {mistake.strerror}") from mistake
    return changed
