"""What the status page shows, part by part, each rendered by itself so that a script can keep it fresh."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.conveyor.order import ORDER
from tasks.ledger import balance, health, listing, progress
from tasks.ledger.effects import DEAD, Effect
from tasks.ledger.incident_lists import Wanted, incidents, muted
from tasks.ledger.incidents import ACKNOWLEDGED, OPEN
from tasks.ledger.lines import IncidentLine
from workers.web import seal
from workers.web.caller import Caller
from workers.web.reasons import reasons
from workers.web.views import render
from workers.web.web import Web

#: Rows of a list on the status page: what a glance takes in.
GLANCE = 15


def sections(web: Web, caller: Caller) -> dict[str, str]:
    """The parts of the page by their id, as far as the caller may see them.

    A token of one project gets the names of the providers and its own incidents and events.
    """
    with web.ledger.reading() as session:
        shown = _everybody(session, caller)
        if caller.project is None:
            shown |= _whole(web, session)
        else:
            shown["providers"] = {"template": "names", "providers": health.providers(session, web.now())}
    common = {"who": caller, "now": web.now(), "form_token": seal.form_token(web.key, caller.session)}
    return {
        part: render(f"part_{values.pop('template', part)}.html", **common, **values) for part, values in shown.items()
    }


def _everybody(session: Session, caller: Caller) -> dict[str, dict[str, Any]]:
    recent = listing.events(session, project=caller.project, limit=GLANCE)
    return {
        "incidents": {
            "incidents": _unclosed(session, caller.project),
            "glance": GLANCE,
            "muted": muted(session, caller.project),
        },
        "events": {"rows": recent},
    }


def _unclosed(session: Session, project: str | None) -> list[IncidentLine]:
    # One more than is shown tells that there are more.
    found = [
        line
        for state in (OPEN, ACKNOWLEDGED)
        for line in incidents(session, Wanted(state=state, project=project), limit=GLANCE + 1)
    ]
    return found[: GLANCE + 1]


def _whole(web: Web, session: Session) -> dict[str, dict[str, Any]]:
    now = web.now()
    balances = balance.balance(session)
    providers = health.providers(session, now)
    dead_effects = session.scalar(select(func.count()).select_from(Effect).where(Effect.state == DEAD)) or 0
    return {
        "totals": {"balances": balances, "dead_effects": dead_effects},
        "providers": {
            "providers": providers,
            "reasons": {line.name: reasons(line, now) for line in providers},
            "balances": balances,
        },
        "stages": {
            "stages": health.stages(session, ORDER),
            "marks": health.marks(session),
            "progress": progress.progress(session, now),
        },
    }
