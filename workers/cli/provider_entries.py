"""``catchment providers add | edit | remove``: change ``providers.yaml``, whose comments and other entries stay."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tasks.model.errors import SiteInvalid
from tasks.providers.contracts import ProviderKind
from tasks.site import drafts, entries
from tasks.site.entries import NotEdited
from tasks.site.forms import Field, NoOption, changes, fields_of, flat, nested, value_of, yaml_of
from tasks.site.load import site_root
from tasks.site.mistakes import did_you_mean
from workers import readers
from workers.cli.installation import site_option
from workers.cli.output import hint

_set = click.option(
    "--set",
    "given",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option, with its sections: auth.by=bearer. Repeatable.",
)


@click.command("add")
@click.argument("name")
@click.option("--type", "kind", help="The kind of provider. Asked for where it is missing and somebody can answer.")
@_set
@click.option("--dry-run", is_flag=True, help="Print the entry, and write nothing.")
@site_option
def add(name: str, kind: str | None, given: tuple[str, ...], dry_run: bool) -> None:
    """Add the provider NAME to providers.yaml.

    Secrets are given as references: --set 'auth.token=${file:secrets/name}'. What a kind needs and was not given is
    asked for on a terminal. Nothing is written that `catchment check` would find fault with.
    """
    root, table = site_root(), readers.kinds()
    known = _kind(table, kind)
    fields = {field.path: field for field in fields_of(known.options)}
    values = _values(given, fields)
    if sys.stdin.isatty():
        values |= _asked(fields, values)
    entry = {"name": name, "type": known.name, **_nested(values)}
    before = drafts.present(root)
    draft = entries.added(before, entry)
    _take(root, table, name, before, draft, f"added {name}", entry if dry_run else None)


@click.command("edit")
@click.argument("name")
@_set
@click.option("--unset", "without", metavar="KEY", multiple=True, help="Take an option out. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Print the entry, and write nothing.")
@site_option
def edit(name: str, given: tuple[str, ...], without: tuple[str, ...], dry_run: bool) -> None:
    """Change options of the provider NAME in providers.yaml. Without options, ask for each on a terminal."""
    root, table = site_root(), readers.kinds()
    before = drafts.present(root)
    old = entries.entry_of(before, name)
    fields = {field.path: field for field in fields_of(_kind(table, str(old.get("type"))).options)}
    values = flat(old, list(fields.values()))
    if not given and not without:
        if not sys.stdin.isatty():
            raise NotEdited("say what to change: --set KEY=VALUE or --unset KEY")
        fresh = _asked(fields, values, everything=True)
    else:
        fresh = _values(given, fields)
    changes = _changes(old, fresh, without)
    entry = {key: value for key, value in {**old, **changes}.items() if value is not None}
    draft = entries.changed(before, name, changes)
    _take(root, table, name, before, draft, f"changed {name}", entry if dry_run else None)


@click.command("remove")
@click.argument("name")
@site_option
def remove(name: str) -> None:
    """Take the provider NAME out of providers.yaml. What the ledger has of it stays."""
    root = site_root()
    before = drafts.present(root)
    drafts.put(entries.removed(before, name), before, root)
    click.echo(f"removed {name}")


def _kind(table: Mapping[str, ProviderKind], word: str | None) -> ProviderKind:
    if word is None and sys.stdin.isatty():
        word = click.prompt("type", type=click.Choice(sorted(table)))
    if word is None:
        raise NotEdited(f"say what kind of provider it is with --type. Known are: {', '.join(sorted(table))}")
    if word not in table:
        raise NotEdited(f"there is no kind {word!r} of provider. {did_you_mean(word, table)}")
    return table[word]


def _values(given: tuple[str, ...], fields: Mapping[str, Field]) -> dict[str, Any]:
    """The values by path; a path that is no field is left to the reader of the site, which knows what was meant."""
    found: dict[str, Any] = {}
    for pair in given:
        path, sign, text = pair.partition("=")
        if not sign or not path or path in ("name", "type"):
            raise NotEdited("write --set KEY=VALUE; name and type are fixed")
        try:
            found[path] = value_of(fields[path], text) if path in fields else yaml_of(path, text)
        except NoOption as mistake:
            raise NotEdited(str(mistake)) from None
    return found


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return nested(values)
    except NoOption as mistake:
        raise NotEdited(str(mistake)) from None


def _changes(old: Mapping[str, Any], fresh: Mapping[str, Any], without: tuple[str, ...]) -> dict[str, Any]:
    try:
        return changes(old, fresh, without)
    except NoOption as mistake:
        raise NotEdited(str(mistake)) from None


def _asked(fields: Mapping[str, Field], values: Mapping[str, Any], everything: bool = False) -> dict[str, Any]:
    """What somebody answers: to the options that are needed and missing, or to all of them."""
    found: dict[str, Any] = {}
    for field in fields.values():
        if not everything and (not field.required or _has(values, field.path)):
            continue
        hint(field.description + (f" One of: {', '.join(field.choices)}." if field.choices else ""))
        shown = values.get(field.path)
        while True:
            text = click.prompt(field.path, default="" if shown is None else str(shown), show_default=shown is not None)
            if not text or text == str(shown):
                break
            try:
                found[field.path] = value_of(field, text)
                break
            except NoOption as mistake:
                hint(str(mistake))
    return found


def _has(values: Mapping[str, Any], path: str) -> bool:
    return any(known == path or known.startswith(f"{path}.") for known in values)


def _take(
    root: Path,
    table: Mapping[str, ProviderKind],
    name: str,
    before: bytes,
    draft: bytes,
    done: str,
    shown: Mapping[str, Any] | None,
) -> None:
    problems = drafts.mistakes_in(draft, before, root, table, name)
    if problems:
        told = "\n".join(f"{problem.what}. {problem.mend}" for problem in problems)
        raise SiteInvalid(f"nothing was written:\n{told}")
    if shown is not None:
        click.echo(entries.text_of(shown), nl=False)
        return
    drafts.put(draft, before, root)
    click.echo(f"{done}. Try it with: catchment providers test {name}")
