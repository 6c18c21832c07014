"""``catchment automate ls``, ``show`` and ``diff``: what the Automate domains hold, and what stands over what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from tasks.model.errors import Permanent
from tasks.switchboard.datastore import Class, Datastore, Domain, Instance, Method, Value
from tasks.switchboard.errors import AutomateError
from tasks.switchboard.text import fold
from workers.cli.domains import datastore, domains_option
from workers.cli.installation import json_option
from workers.cli.output import table


def parts(path: str) -> tuple[str, ...]:
    """The names in a path."""
    return tuple(part for part in path.split("/") if part)


def _classes(store: Datastore) -> Iterator[tuple[Domain, Class]]:
    for domain in store.all:
        for held in sorted(domain.classes.values(), key=lambda c: fold(c.path)):
            yield domain, held


def classes_at(store: Datastore, path: str) -> list[tuple[Domain, Class]]:
    """The classes at a path, with its domain or without, the one that counts first."""
    wanted = tuple(map(fold, parts(path)))
    found = []
    for domain, held in _classes(store):
        whole = (*map(fold, held.namespace), fold(held.name))
        if wanted in (whole, (fold(domain.name), *whole)):
            found.append((domain, held))
    return found


@click.command("ls")
@click.argument("path", default="/")
@domains_option
@json_option
def list_domains(path: str, domains: Path | None, as_json: bool) -> None:
    """List what lies below PATH: domains, classes, or the instances and methods of a class."""
    store = datastore(domains)
    wanted = tuple(map(fold, parts(path)))
    rows: list[tuple[str, str, str, str]] = []
    if not wanted:
        for domain in store.all:
            state = "enabled" if domain.enabled else "disabled"
            rows.append(("domain", f"/{domain.name}", str(domain.priority), f"{state}, {len(domain.classes)} classes"))
    for domain, held in classes_at(store, path):
        where = f"/{domain.name}/{held.path}"
        rows += [("instance", f"{where}/{i.name}", domain.name, i.description or "") for i in held.instances.values()]
        rows += [("method", f"{where}.{m.name}", domain.name, _kind(m)) for m in held.methods.values()]
    for domain, held in _classes(store) if wanted else ():
        whole = (fold(domain.name), *map(fold, held.namespace), fold(held.name))
        if any(whole[start : start + len(wanted)] == wanted and len(whole) > start + len(wanted) for start in (0, 1)):
            rows.append(("class", f"/{domain.name}/{held.path}", domain.name, f"{len(held.instances)} instances"))
    if not rows:
        raise Permanent(f"there is nothing at {path}: `catchment automate ls` lists the domains")
    if as_json:
        click.echo(json.dumps([dict(zip(("kind", "path", "domain", "note"), row, strict=True)) for row in rows]))
    else:
        table(("kind", "path", "priority or domain", "note"), rows)


def _kind(method: Method) -> str:
    return f"{method.location} {method.language}".strip()


@click.command("show")
@click.argument("path")
@domains_option
@json_option
def show(path: str, domains: Path | None, as_json: bool) -> None:
    """Show an instance with the values that count, a class with its schema, or a method (as Class.name)."""
    store = datastore(domains)
    where, _, name = path.rpartition("/")
    if "." in name and (method := store.method(parts(f"{where}/{name.partition('.')[0]}"), name.partition(".")[2])):
        document: Any = _method(*method)
    elif found := classes_at(store, path):
        document = [_class(domain, held) for domain, held in found]
    else:
        document = instance_at(store, path)
    if as_json:
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for each in document if isinstance(document, list) else [document]:
        click.secho(each["path"], bold=True)
        rows = [tuple(str(v) for v in row.values()) for row in each["fields"]]
        table(tuple(each["fields"][0]) if each["fields"] else ("field",), rows)


def _method(domain: Domain, held: Class, method: Method) -> dict[str, Any]:
    inputs = [{"input": f.name, "datatype": f.datatype, "default": f.default.value or ""} for f in method.inputs]
    return {"path": f"/{domain.name}/{held.path}.{method.name}", "kind": _kind(method), "fields": inputs}


def _class(domain: Domain, held: Class) -> dict[str, Any]:
    fields = [{"field": f.name, "kind": f.aetype or "", "default": f.default.value or ""} for f in held.fields]
    return {"path": f"/{domain.name}/{held.path}", "fields": fields}


def instance_at(store: Datastore, path: str) -> dict[str, Any]:
    """The instance that a path resolves to, as data. Raises :class:`tasks.model.errors.Permanent`."""
    *where, name = parts(path)
    try:
        found = store.find(where, name)
    except AutomateError as mistake:
        raise Permanent(f"{path}: {mistake}") from mistake
    own = found.instance.values if found.instance else {}
    fields = [
        {"field": f.name, "kind": f.aetype or "", "value": v.value or "", "from": _origin(f.key, own), **_around(v)}
        for f, v in found.of.steps(found.instance)
    ]
    shown = found.instance.name if found.instance else found.requested
    return {"path": f"/{found.domain.name}/{found.of.path}/{shown}", "missing": found.missing, "fields": fields}


def _origin(key: str, own: Mapping[str, Value]) -> str:
    return "instance" if key in own and (own[key].value or "").strip() else "class"


def _around(value: Value) -> dict[str, str]:
    names = ("on_entry", "on_exit", "on_error", "max_retries", "max_time", "collect")
    return {"more": ", ".join(f"{name}: {text}" for name in names if (text := getattr(value, name)))}


@click.command("diff")
@click.argument("path")
@domains_option
@json_option
def diff(path: str, domains: Path | None, as_json: bool) -> None:
    """Tell what overlays change in the class at PATH: what counts, and what it stands over."""
    store = datastore(domains)
    found = [(domain, held) for domain, held in classes_at(store, path) if domain.enabled]
    if not found:
        raise Permanent(f"no enabled domain has a class {path}")
    rows = [*_overlaid(found, "instance"), *_overlaid(found, "method")]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
    elif rows:
        columns = tuple(rows[0])
        table(columns, [[", ".join(r[c]) if isinstance(r[c], list) else r[c] for c in columns] for r in rows])
    else:
        click.echo(f"only /{found[0][0].name} has {path}: nothing is overlaid")


def _overlaid(found: Sequence[tuple[Domain, Class]], kind: str) -> Iterator[dict[str, Any]]:
    names: dict[str, list[tuple[Domain, Any]]] = {}
    for domain, held in found:
        things: Mapping[str, Instance | Method] = held.instances if kind == "instance" else held.methods
        for key, thing in things.items():
            names.setdefault(key, []).append((domain, thing))
    for _, holders in sorted(names.items()):
        top, below = holders[0], holders[1:]
        if not below and top[0] is found[-1][0]:
            continue
        changes = _changes(top[1], below[0][1]) if below else ["new"]
        yield {
            "kind": kind,
            "name": top[1].name,
            "counts": top[0].name,
            "over": [domain.name for domain, _ in below],
            "changes": changes,
        }


def _changes(top: Any, below: Any) -> list[str]:
    if isinstance(top, Method):
        return [f"{_kind(below)} -> {_kind(top)}"] if _kind(top) != _kind(below) else ["the same kind"]
    changed = []
    for key in sorted({*top.values, *below.values}):
        before, after = (i.values[key].value if key in i.values else None for i in (below, top))
        if before != after:
            changed.append(f"{key}: {before or '-'} -> {after or '-'}")
    return changed or ["nothing"]
