"""``catchment requests``: list, open, decide and cancel requests."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from tasks.ledger.request_lines import RequestTale, tale
from tasks.ledger.request_lines import requests as listed
from tasks.model.errors import Permanent
from tasks.model.outcome import Petition
from tasks.model.request import AUTOMATION, TYPES
from tasks.requests import automation
from tasks.requests.desk import Desk
from tasks.site.load import site_root
from workers.cli.installation import json_option, present_ledger, site_option
from workers.cli.output import as_document, short, table, when
from workers.installation import load_settings


@click.group("requests")
@site_option
def requests() -> None:
    """Requests: what somebody asked for, and somebody may have to approve."""


@contextmanager
def _desk() -> Iterator[Desk]:
    """A desk that rings for nobody: the running workers take a move up within seconds."""
    with present_ledger() as ledger:
        yield Desk(ledger, load_settings(site_root(None)), lambda _lanes: None)


@requests.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@click.option("--to-approve", is_flag=True, help="Only those that wait for an approval.")
@click.option("--type", "request_type", type=click.Choice(sorted(TYPES)), help="Only requests of this type.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_requests(everything: bool, to_approve: bool, request_type: str | None, limit: int, as_json: bool) -> None:
    """List requests, the newest first."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = listed(
            session,
            states=() if everything else ("pending", "queued", "active", "provisioned"),
            approval="pending_approval" if to_approve else None,
            request_type=request_type,
            limit=limit,
        )
    if as_json:
        as_document([line.as_dict() for line in found])
        return
    columns = ("id", "type", "requester", "approval", "state", "status", "opened", "message")
    rows = [
        (r.id, r.request_type, r.requester, r.approval_state, r.request_state, r.status, when(r.created_at), r.message)
        for r in found
    ]
    table(columns, rows, right=("id",))


@requests.command("show")
@click.argument("request_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@json_option
def show(request_id: int, as_json: bool) -> None:
    """Show request ID: its approvals, its tasks and how often each was delivered."""
    with present_ledger() as ledger, ledger.reading() as session:
        found = tale(session, request_id)
    if found is None:
        raise Permanent(f"there is no request {request_id}: `catchment requests list --all` lists those that there are")
    if as_json:
        as_document(found.as_dict())
    else:
        _print(found)


def _print(found: RequestTale) -> None:
    line = found.request
    click.secho(f"request {line.id}: {line.description} for {line.requester}", bold=True)
    click.echo(f"{line.approval_state}, {line.request_state}, {line.status}: {short(line.message)}")
    moments = {"opened": line.created_at, "starts": line.due_at, "expires": line.expires_at, "over": line.fulfilled_at}
    click.echo(", ".join(f"{word} {when(moment)}" for word, moment in moments.items() if moment is not None))
    for name, value in line.options.items():
        click.echo(f"  {short(name, 60)}: {short(value)}")
    for a in found.approvals:
        by = f" by {a.stamper} at {when(a.stamped_at)}: {short(a.reason or '')}" if a.stamped_at else ""
        click.echo(f"approval {a.id}: {a.state}{by}")
    for t in found.tasks:
        waits = f", again at {when(t.due_at)}" if t.due_at else ""
        click.echo(f"task {t.id}: {t.state}, {t.status}: {short(t.message)}")
        click.echo(f"  delivered {t.deliveries} times, {t.result or 'not yet'}{waits} (catchment why {t.event_id})")


@requests.command("open")
@click.option("--type", "request_type", type=click.Choice(sorted(TYPES)), default="automation", show_default=True)
@click.option("--uri", help="The instance that does the work, as /Lab/Ops/provide.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the first object.")
@click.option("--requester", default=getpass.getuser, help="For whom it is. Default: you.")
@click.option("--approve", is_flag=True, help="Approve it at once, in your name.")
@json_option
def open_request(
    request_type: str, uri: str | None, given: tuple[str, ...], requester: str, approve: bool, as_json: bool
) -> None:
    """Open a request and print its id."""
    pairs = [pair.partition("=") for pair in given]
    if any(not separator for _, separator, _ in pairs):
        raise click.BadParameter("write --set NAME=VALUE", param_hint="--set")
    parameters = {name: value for name, _, value in pairs}
    body: dict[str, Any] = {"parameters": parameters}
    if uri is not None:
        path, _, message = uri.partition("#")
        parts = [part for part in path.split("/") if part]
        if len(parts) < 3:
            raise click.BadParameter("write /Namespace/Class/Instance", param_hint="--uri")
        names = {"namespace": "/".join(parts[:-2]), "class": parts[-2], "instance": parts[-1], "message": message}
        body["uri_parts"] = names
    wanted = automation.read(body)
    petition = wanted.petition
    if request_type != AUTOMATION:
        options = petition.options if uri is not None else {"attrs": petition.options["attrs"]}
        petition = Petition(request_type, options)
    with _desk() as desk:
        approver = getpass.getuser() if approve else None
        number = desk.open(petition, requester, due_at=wanted.due_at, approver=approver)
    if as_json:
        as_document({"id": number})
    else:
        click.echo(f"request {number} opened")


def _decision(word: str) -> click.Command:
    """The commands approve and deny."""

    @click.command(word)
    @click.argument("request_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
    @click.option("--reason", required=True, help="Why; kept with the approval.")
    def decide(request_id: int, reason: str) -> None:
        with _desk() as desk:
            getattr(desk, word)(request_id, getpass.getuser(), reason)
        click.echo(f"request {request_id} {'approved' if word == 'approve' else 'denied'}")

    decide.help = f"{word.capitalize()} request ID."
    return decide


@requests.command("cancel")
@click.argument("request_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
def cancel(request_id: int) -> None:
    """Cancel request ID: at once where it has not started, else at its task's next delivery."""
    with _desk() as desk:
        desk.cancel(request_id, getpass.getuser())
    click.echo(f"request {request_id} canceled")


for _word in ("approve", "deny"):
    requests.add_command(_decision(_word))
