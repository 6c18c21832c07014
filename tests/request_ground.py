"""What the tests of requests stand on: a site with a small machine of its own, and ways to look at requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from tasks.conveyor.installation import Installation
from tasks.ledger.events import Event
from tasks.ledger.requests import Delivery, Request, RequestTask
from tasks.ledger.session import Ledger
from tasks.model.outcome import Petition
from tasks.requests.desk import Desk
from tasks.site.contracts import Site
from tests.ground import all_the_way, site
from tests.unit.switchboard.small_datastores import domain, files_of, klass

#: Three states: note that it began, wait until a server is there, tell what was found.
MACHINE = """
def begin(service):
    service.state["began"] = service.state.get("began", 0) + 1
    service.task["began"] = service.state["began"]

def wait(service):
    server = service.inventory("server", service.root["server"])
    if server is None or server.state != "known":
        service.retry(after="30.seconds")

def tell(service):
    service.task["found"] = service.inventory("server", service.root["server"]).name

def approve(service):
    if service.the_request["options"].get("attrs", {}).get("size", 0) <= 10:
        service.approve("small enough")
    else:
        service.pend("somebody must look at it")

def veto(service):
    if service.the_request["options"].get("attrs", {}).get("size", 0) > 100:
        service.abort("more than the quota")

def fails(service):
    raise ValueError("this is wrong")
"""
_PYTHON = {"language": "python", "location": "inline"}
METHODS = [[name, {**_PYTHON, "data": f"lab:{name}"}] for name in ("begin", "wait", "tell", "approve", "veto", "fails")]
STATES = [("begin", "state", {}), ("wait", "state", {"max_retries": "3"}), ("tell", "state", {})]
STEP = [("meth1", "method")]


def lab(code: str = MACHINE, policies: str = "", alerts: str = "", **settings: Any) -> Site:
    """The site."""
    machine = klass("Lab", "Ops", STATES, {"provide": {n: f"METHOD::{n}" for n, *_ in STATES}}, METHODS)
    plain = klass("Lab", "Plain", STEP, {"fails": {"meth1": "Lab/Ops.fails"}, "nothing": {}})
    policy = klass(
        "System",
        "Policy",
        STEP,
        {
            "AutomationRequest_created": {"meth1": "Lab/Ops.approve"},
            "AutomationRequest_starting": {"meth1": "Lab/Ops.veto"},
        },
    )
    files = {**files_of(domain("Lab", machine, plain, policy)), "automate/methods/lab.py": code.encode()}
    return site(automate=files, policies=policies, alerts=alerts, **settings)


def desk(present: Installation) -> Desk:
    """The desk of an installation that nobody rings for."""
    return Desk(present.ledger, present.site.settings, lambda lanes: None)


def wanted(uri: str = "/Lab/Ops/provide", **attrs: Any) -> Petition:
    """An automation request."""
    return Petition("automation", {"uri": uri, "attrs": attrs}, "Automation Task")


def request(ledger: Ledger, number: int) -> Request:
    """A request as it stands."""
    with ledger.reading() as session:
        return session.get_one(Request, number)


def told(ledger: Ledger, number: int) -> tuple[str, str, str, str]:
    """How a request stands: approval, state, status and message."""
    row = request(ledger, number)
    return row.approval_state, row.state, row.status, row.message


def events_of(ledger: Ledger, number: int) -> list[str]:
    """The events of a request's way, in order."""
    with ledger.reading() as session:
        rows = session.scalars(select(Event.event_type).where(Event.request_id == str(number)).order_by(Event.id))
        return list(rows)


def task(ledger: Ledger, number: int) -> RequestTask:
    """The request's only task."""
    with ledger.reading() as session:
        return session.scalars(select(RequestTask).where(RequestTask.request_id == number)).one()


def delivery(ledger: Ledger, number: int) -> Delivery:
    """The delivery of the request's task."""
    with ledger.reading() as session:
        return session.scalars(select(Delivery).where(Delivery.request_id == number)).one()


def carried(present: Installation, handlers: Mapping[str, Any] | None = None) -> None:
    """Have all that is due carried to its end."""
    all_the_way(present, handlers)
