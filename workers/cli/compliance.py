"""``catchment policies check | compliance``: have an object checked, and what its checks came to."""

from __future__ import annotations

import getpass
from typing import Any

import click
from sqlalchemy.orm import Session

from tasks.conveyor.internal import About, raise_internal
from tasks.ledger import compliance, contact, listing
from tasks.ledger.compliance import ComplianceCheck
from tasks.ledger.providers import id_of
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.compliance import COMPLIANT, NON_COMPLIANT, NOT_EVALUATED, check_event
from tasks.model.errors import Permanent
from tasks.model.event import PROVIDER, ObjectRef
from tasks.model.outcome import ObjectFacts
from tasks.site.load import site_root
from workers.cli.installation import json_option, present_ledger
from workers.cli.output import as_document, short, table, when
from workers.installation import load_settings


def object_named(thing: str) -> ObjectRef:
    """An object as it is written on the command line. Raises ``click.BadParameter``."""
    kind, slash, ref = thing.partition("/")
    if not (slash and kind and ref):
        raise click.BadParameter(f"{thing!r} is no object: write its kind and id, as in server/4f1c")
    return ObjectRef(kind, ref)


def object_facts(session: Session, provider: str, target: ObjectRef) -> ObjectFacts:
    """An object as it is known now; a provider is one as well. Raises ``Permanent`` where there is none."""
    known: ObjectFacts | None = None
    if target.kind == PROVIDER:
        known = contact.facts(session, provider) if target.id == provider else None
    elif found := listing.inventory_object(session, provider, *target):
        known = ObjectFacts(target, found.state, found.name, found.tenant_id, found.read_at, found.attributes)
    if known is None:
        raise Permanent(
            f"{provider} has no {target} that Catchment knows of: `catchment inventory` lists what it knows"
        )
    return known


@click.command("check")
@click.argument("provider")
@click.argument("thing", metavar="KIND/ID")
def check_object(provider: str, thing: str) -> None:
    """Have an object checked against the compliance policies.

    The running workers do it within seconds: `catchment policies compliance PROVIDER KIND/ID` shows the outcome.
    """
    target, settings, count = object_named(thing), load_settings(site_root(None)), Count()
    with present_ledger() as ledger, ledger.transaction() as session:
        found = object_facts(session, provider, target)
        about = About(
            id_of(session, provider),
            target,
            provider,
            tenant_id=found.tenant_id,
            actor=getpass.getuser(),
            group="compliance",
        )
        number, _ = raise_internal(session, settings, clock.now(), count, check_event(target.kind), about)
        count.write(session)
    click.echo(f"{thing} is being checked: event {number}, `catchment why {number}`")


@click.command("compliance")
@click.argument("provider", required=False)
@click.argument("thing", metavar="KIND/ID", required=False)
@click.option(
    "--status",
    type=click.Choice([COMPLIANT, NON_COMPLIANT, NOT_EVALUATED]),
    help="Only objects of this status. Default: all that were checked.",
)
@json_option
def show_compliance(provider: str | None, thing: str | None, status: str | None, as_json: bool) -> None:
    """List the state of each checked object, or the history of one with PROVIDER and KIND/ID.

    The exit status is 1 where an object's newest check says that it is not compliant.
    """
    if (provider is None) != (thing is None):
        raise click.UsageError("name both PROVIDER and KIND/ID, or neither")
    with present_ledger() as ledger, ledger.reading() as session:
        if provider and thing:
            found = compliance.history(session, provider, *object_named(thing))
            newest = found[:1]
        else:
            found = newest = compliance.states(session, status)
    if as_json:
        as_document([_plain(check, name) for check, name in found])
    else:
        rows = [(when(c.checked_at), n, f"{c.kind}/{c.ref}", c.status, _reason(c), c.event_id) for c, n in found]
        table(("checked", "provider", "object", "status", "violated or not judged", "event"), rows, right=("event",))
    raise SystemExit(1 if any(check.status == NON_COMPLIANT for check, _ in newest) else 0)


def _plain(check: ComplianceCheck, provider: str) -> dict[str, Any]:
    return {
        "provider": provider,
        "kind": check.kind,
        "id": check.ref,
        "status": check.status,
        "checked_at": check.checked_at.isoformat(),
        "event": check.event_id,
        "policies": check.details,
    }


def _reason(check: ComplianceCheck) -> str:
    """The policies that decided, short."""
    wrong = [
        str(line.get("policy")) for line in check.details if line.get("verdict") in ("not matched", "error", "marked")
    ]
    return short(", ".join(wrong), 80)
