"""What the clock does for facts and rules: who is there, what has changed, in turn everything (orchestrate 6.4)."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tasks.conveyor.firing import builtin, fire, lanes
from tasks.conveyor.telling import set_facts
from tasks.ledger import facts
from tasks.ledger.facts import Fact, FactObject, FactRef, Write
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model.builtin_events import SERVER_UP
from tasks.model.catalogue import MATRIX, RESOURCE, SERVER, SERVICE, VMHOST
from tasks.rules import decrees, evaluate, inventory_feed, sign_ins
from tasks.rules.definition import RuleSet
from tasks.site.settings import Settings

#: The installation as an object with facts.
_SERVER = FactRef(MATRIX, SERVER)


def tick(ledger: Ledger, settings: Settings, ruleset: RuleSet, now: datetime) -> set[int]:
    """Look once; returns the lanes to ring for. Objects come and go before rules are asked about them."""
    with ledger.reading() as session:
        whole = evaluate.sweep_due(session, settings, now)
        run = _run(session)
    rung = sign_ins.look(ledger, settings, now, run)
    if whole:
        rung |= inventory_feed.feed(ledger, settings, now)
        rung |= _server(ledger, settings, now)
        rung |= decrees.apply(ledger, settings, ruleset, now)
        return rung | evaluate.sweep(ledger, settings, ruleset, now)[1]
    return rung | evaluate.ask_changed(ledger, settings, ruleset, now)[1]


def _run(session: Session) -> str:
    """The present start of Catchment."""
    found = facts.subjects(session, refs={_SERVER}).get(_SERVER)
    started = found.facts.get("matrix.started") if found is not None else None
    return started.value.isoformat() if started is not None and started.value is not None else ""


def start(ledger: Ledger, settings: Settings, now: datetime, run: str) -> set[int]:
    """Tell that Catchment was started, once for each start (8); returns the lanes to ring for."""
    with ledger.transaction() as session:
        count = Count()
        raised = fire(session, settings, now, count, [builtin(SERVER_UP, identity=f"{SERVER_UP}:{run}")])
        rung = lanes(raised)
        if raised:
            rung |= set_facts(session, settings, now, count, SERVICE, [Write(_SERVER, "matrix.started", now)])[1]
        count.write(session)
    return rung


def _server(ledger: Ledger, settings: Settings, now: datetime) -> set[int]:
    """The facts of the installation itself."""
    with ledger.transaction() as session:
        values = {
            "version": _release(),
            "time": now,
            "resources.online": _online(session, RESOURCE),
            "vmhosts.online": _online(session, VMHOST),
        }
        count = Count()
        writes = [Write(_SERVER, f"matrix.{name}", value) for name, value in values.items()]
        _, rung = set_facts(session, settings, now, count, SERVICE, writes)
        count.write(session)
    return rung


def _online(session: Session, kind: str) -> int:
    query = (
        select(func.count())
        .select_from(Fact)
        .join(FactObject, FactObject.id == Fact.object_id)
        .where(FactObject.kind == kind, Fact.name == f"{kind}.online", Fact.value == "true")
    )
    return session.scalar(query) or 0


def _release() -> str:
    try:
        return version("catchment")
    except PackageNotFoundError:
        return "unreleased"
