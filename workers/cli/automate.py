"""``catchment automate``: look into the Automate domains, and try what they lead to. Nothing is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tasks.model.errors import BadPayload, Permanent
from tasks.switchboard.checks import run_check
from tasks.switchboard.container import folder_files, unpacked
from tasks.switchboard.datastore import Datastore
from tasks.switchboard.export import exported, zipped
from tasks.switchboard.offline import ROOT, resolve_event
from tasks.switchboard.text import fold
from workers.cli.automate_look import classes_at, diff, instance_at, list_domains, parts, show
from workers.cli.domains import datastore, domains_option
from workers.cli.installation import json_option, site_option
from workers.cli.output import table

#: A line of events is read to this length.
LONGEST_LINE = 16 * 1024 * 1024


@click.group("automate")
@site_option
def automate() -> None:
    """Look into the Automate domains of the site, or of a folder of domains."""


for _command in (list_domains, show, diff):
    automate.add_command(_command)


@automate.command("resolve")
@click.argument("path", required=False)
@click.option("--events", type=click.File("rb"), help="One JSON object a line: namespace, source, event_type, root.")
@domains_option
@json_option
def resolve(path: str | None, events: Any, domains: Path | None, as_json: bool) -> None:
    """Tell what PATH resolves to and in which domain; or, with --events, what each event leads to, one line a line."""
    if (path is None) == (events is None):
        raise click.UsageError("name a PATH, or events with --events FILE (- for standard input)")
    store = datastore(domains)
    if path is not None:
        _candidates(store, path, as_json)
        return
    for line in iter(lambda: events.readline(LONGEST_LINE), b""):
        click.echo(json.dumps(_resolved(store, line), ensure_ascii=False))


def _resolved(store: Datastore, line: bytes) -> dict[str, Any]:
    try:
        return resolve_event(store, json.loads(line))
    except (ValueError, RecursionError, BadPayload) as mistake:
        errors = [{"address": "", "message": f"the line cannot be read: {mistake}"[:300]}]
        return {"calls": [], "objects": [], "outcome": "error", "errors": errors}


def _candidates(store: Datastore, path: str, as_json: bool) -> None:
    *where, name = parts(path)
    counts = instance_at(store, path)
    rows = []
    for domain, held in classes_at(store, "/".join(where)):
        for key in (fold(name), ".missing"):
            if key in held.instances:
                address = f"/{domain.name}/{held.path}/{held.instances[key].name}"
                note = "counts" if address == counts["path"] else "" if domain.enabled else "disabled"
                rows.append((address, str(domain.priority), note))
    if as_json:
        shown = [dict(zip(("path", "priority", "note"), row, strict=True)) for row in rows]
        click.echo(json.dumps({"resolves": counts["path"], "missing": counts["missing"], "candidates": shown}))
    else:
        table(("candidate", "priority", "note"), rows)


@automate.command("check")
@click.argument("file", type=click.File("rb"))
@domains_option
@json_option
def check(file: Any, domains: Path | None, as_json: bool) -> None:
    """Run the checks in FILE: a JSON list, each with its domains, an address, effects, and what must come of it.

    A check about the domains `manageiq-system` is about those of --domains. The exit status is 1 if one fails.
    """
    try:
        checks = json.loads(file.read())
    except (ValueError, RecursionError) as mistake:
        raise Permanent(f"{file.name} is no JSON: {mistake}") from mistake
    listed = checks.get("checks") if isinstance(checks, dict) else checks
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Permanent(f"{file.name} holds no list of checks")
    folder = datastore(domains) if domains is not None else None
    failed = 0
    for one in listed:
        verdict = run_check(one, folder)
        failed += not verdict.ok
        if as_json:
            line = {"id": verdict.id, "ok": verdict.ok, "differences": list(verdict.differences)}
            click.echo(json.dumps(line, ensure_ascii=False))
        else:
            click.secho(f"{'ok  ' if verdict.ok else 'FAIL'} {verdict.id} {str(one.get('text', ''))[:100]}")
            for difference in verdict.differences:
                click.echo(f"       {difference}")
    if not as_json:
        click.echo(f"{len(listed) - failed} of {len(listed)} hold")
    raise SystemExit(1 if failed else 0)


@automate.command("export")
@click.argument("domain", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Write over files that are there.")
def export(domain: Path, target: Path, overwrite: bool) -> None:
    """Write the DOMAIN in a folder or zip to TARGET, a folder or a .zip, in ManageIQ's own layout.

    The same domain gives the same bytes each time.
    """
    files, problems = unpacked(folder_files(domain, ROOT))
    if problems:
        raise Permanent(str(problems[0]))
    bases = sorted({path.rpartition("/")[0] for path in files if path.endswith("/__domain__.yaml")})
    if not bases:
        raise Permanent(f"{domain} holds no domain: a domain is a folder with __domain__.yaml")
    written = {path: content for base in bases for path, content in exported(files, base).items()}
    if target.suffix == ".zip":
        _write(target, zipped(written), overwrite)
    else:
        for path, content in written.items():
            _write(target / path, content, overwrite)
    click.echo(f"{len(written)} files of {len(bases)} domain{'' if len(bases) == 1 else 's'} written to {target}")


def _write(path: Path, content: bytes, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise Permanent(f"{path} is there already: use --overwrite, or another target")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
