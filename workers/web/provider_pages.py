"""The forms of providers: made from the options of their kind, and checked by the site's own reader.

The web process writes nothing into the site. A form ends in what to put there: the lines of ``providers.yaml`` and
the command that does it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.responses import Response

from tasks.providers.contracts import ProviderKind
from tasks.site import drafts, entries
from tasks.site.entries import NotEdited
from tasks.site.forms import Field, NoOption, changes, fields_of, flat, nested, shown, value_of
from workers import readers
from workers.web.caller import Admin, whole
from workers.web.page import page
from workers.web.web import Here, Web

router = APIRouter(include_in_schema=False, dependencies=[Depends(whole)])

#: Fields of a form; the longest kind has some fifty.
_MOST_FIELDS = 300


@dataclass(slots=True)
class _Draft:
    """What a form has come to: its texts, what is wrong with them, and what to do with them otherwise."""

    texts: Mapping[str, str]
    name: str = ""
    problems: list[str] = field(default_factory=list)
    entry: str = ""
    command: str = ""


async def _texts(request: Request) -> dict[str, str]:
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    return {name: value for name, value in form.items() if isinstance(value, str) and name != "form_token"}


Texts = Annotated[dict[str, str], Depends(_texts)]


@router.get("/providers/new", response_model=None)
def blank(web: Here, caller: Admin, kind: Annotated[str, Query(alias="type", max_length=40)] = "") -> Response:
    """The form of a new provider; without a type, the choice of one."""
    table = readers.kinds()
    if not kind:
        return _page(web, caller, None, _Draft({}))
    return _page(web, caller, _kind(table, kind), _Draft({}))


@router.post("/providers/new", response_model=None)
def fill(web: Here, caller: Admin, texts: Texts) -> Response:
    """Check a new provider, and say what to write."""
    kind = _kind(readers.kinds(), texts.get("type", ""))
    given = {path: text for path, text in texts.items() if path not in ("name", "type") and text.strip()}
    draft = _Draft(texts, texts.get("name", "").strip())
    values = _values(draft, kind, given)
    try:
        before = drafts.present(web.root)
        entry = {"name": draft.name, "type": kind.name, **nested(values)}
        written = entries.added(before, entry)
    except (NotEdited, NoOption) as mistake:
        draft.problems.append(str(mistake))
        return _page(web, caller, kind, draft)
    _check(web, draft, written, before)
    if not draft.problems:
        draft.entry = entries.text_of(entry)
        draft.command = _command("add", draft.name, ["--type", kind.name], given, [])
    return _page(web, caller, kind, draft)


@router.get("/providers/{name}/edit", response_model=None)
def edit(web: Here, caller: Admin, name: str) -> Response:
    """The form of a provider, filled with what stands in the file: references, and no secret."""
    kind, _, texts = _present(web, name)
    return _page(web, caller, kind, _Draft(texts, name), edits=True)


@router.post("/providers/{name}/edit", response_model=None)
def change(web: Here, caller: Admin, name: str, texts: Texts) -> Response:
    """Check changes of a provider, and say what to write."""
    kind, old, was = _present(web, name)
    draft = _Draft({**was, **texts}, name)
    known = {each.path for each in fields_of(kind.options)}
    given = {path: text for path, text in texts.items() if path in known and text.strip() and text != was.get(path)}
    without = [path for path, text in texts.items() if path in known and not text.strip() and was.get(path)]
    values = _values(draft, kind, given)
    if not draft.problems and not values and not without:
        draft.problems.append("nothing was changed")
    try:
        before = drafts.present(web.root)
        written = entries.changed(before, name, keys := changes(old, values, without))
    except (NotEdited, NoOption) as mistake:
        draft.problems.append(str(mistake))
        return _page(web, caller, kind, draft, edits=True)
    _check(web, draft, written, before)
    if not draft.problems:
        private = {each.path.split(".")[0] for each in fields_of(kind.options) if each.private or each.kind == "secret"}
        plain = {key: value for key, value in keys.items() if value is not None and key not in private}
        draft.entry = entries.text_of({"name": name, **plain}) if plain else ""
        draft.command = _command("edit", name, [], given, without)
    return _page(web, caller, kind, draft, edits=True)


def _kind(table: Mapping[str, ProviderKind], word: str) -> ProviderKind:
    if word not in table:
        raise HTTPException(404, f"there is no such kind of provider; known are {', '.join(sorted(table))}")
    return table[word]


def _present(web: Web, name: str) -> tuple[ProviderKind, dict[str, Any], dict[str, str]]:
    """A provider's kind, its entry in the file, and the texts that its form shows of it."""
    try:
        old = entries.entry_of(drafts.present(web.root), name)
    except NotEdited:
        raise HTTPException(404, "providers.yaml names no such provider, or cannot be read") from None
    kind = _kind(readers.kinds(), str(old.get("type")))
    fields = {each.path: each for each in fields_of(kind.options)}
    return kind, old, {path: shown(fields[path], value) for path, value in flat(old, list(fields.values())).items()}


def _values(draft: _Draft, kind: ProviderKind, given: Mapping[str, str]) -> dict[str, Any]:
    """What the texts mean; what they do not mean is noted, and a secret in clear is forgotten."""
    fields = {each.path: each for each in fields_of(kind.options)}
    found: dict[str, Any] = {}
    for path, text in given.items():
        if path not in fields:
            draft.problems.append("the form has a field that this kind of provider does not know")
            continue
        try:
            found[path] = value_of(fields[path], text.strip())
        except NoOption as mistake:
            draft.problems.append(str(mistake))
            if fields[path].kind == "secret" or fields[path].private:
                draft.texts = {**draft.texts, path: ""}
    return found


def _check(web: Web, draft: _Draft, written: bytes, before: bytes) -> None:
    """Note what the site's reader finds wrong. It looks no secret up: nobody learns here which files there are."""
    found = drafts.mistakes_in(written, before, web.root, readers.kinds(), draft.name, reveals=False)
    draft.problems += [f"{problem.what}. {problem.mend}" for problem in found]


def _command(word: str, name: str, more: list[str], given: Mapping[str, str], without: list[str]) -> str:
    sets = [each for path, text in given.items() for each in ("--set", f"{path}={text.strip()}")]
    unsets = [each for path in without for each in ("--unset", path)]
    return shlex.join(["catchment", "providers", word, name, *more, *sets, *unsets])


def _page(web: Web, caller: Any, kind: ProviderKind | None, draft: _Draft, edits: bool = False) -> Response:
    fields: list[Field] = (
        [] if kind is None else [each for each in fields_of(kind.options) if each.path != "monitor_options"]
    )
    return page(
        web,
        caller,
        "provider.html",
        here="provider",
        kind=None if kind is None else kind.name,
        kinds=sorted(readers.kinds()),
        fields=fields,
        draft=draft,
        edits=edits,
    )
