"""The way of a request (spec policy-alerts 6), on both databases: opened, decided, started, done by its machine."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tasks.conveyor.retry import retry_event
from tasks.ledger.effects import Effect
from tasks.ledger.events import Decision, Event, Place
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.requests import Approval, Delivery, RequestTask
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import Refused
from tasks.model.outcome import Outcome, Petition
from tasks.requests.tick import tick
from tasks.switchboard.handle import switchboard_handler
from tests.ground import (
    START,
    Clock,
    caught,
    count,
    errors,
    exact,
    installed,
    notice,
    only_postgresql,
    provider,
    site,
    take,
)
from tests.request_ground import carried, delivery, desk, events_of, lab, request, task, told, wanted
from tests.unit.switchboard.small_datastores import domain, files_of, klass


def server(ledger: Ledger, provider_id: int, ref: str = "s1") -> None:
    """Have inventory know a server."""
    with ledger.transaction() as session:
        known = {"state": "known", "name": f"name of {ref}", "attributes": {}, "read_at": START}
        row = InventoryObject(provider_id=provider_id, kind="server", ref=ref, seen_at=START, **known)
        session.add(row)


def test_G18_small_request_is_approved_by_a_method_waits_for_its_condition_and_ends_once(
    ledger: Ledger, hands: Clock
) -> None:
    present = installed(ledger, lab())
    cloud = provider(ledger)
    number = desk(present).open(wanted(server="s1", size=3), "erin", "red")
    carried(present)
    assert told(ledger, number)[:2] == ("approved", "active")
    assert delivery(ledger, number).result == "retry"
    hands.forward(31)
    carried(present)
    assert (delivery(ledger, number).number, delivery(ledger, number).result) == (2, "retry")
    server(ledger, cloud)
    hands.forward(31)
    carried(present)
    assert told(ledger, number) == ("approved", "finished", "Ok", "Automation Request completed")
    done = task(ledger, number)
    assert (done.state, done.status) == ("finished", "Ok")
    # The first state ran once, whatever the retries; what it kept is there to the end.
    assert {key: done.options[key] for key in ("began", "found")} == {"began": 1, "found": "name of s1"}
    assert events_of(ledger, number) == ["request_created", "request_approved", "request_starting", "deliver"]
    assert (count(ledger, RequestTask), count(ledger, Delivery), count(ledger, Place)) == (1, 1, 0)
    # Each delivery has its row with its trace.
    assert (
        count(ledger, Decision, Decision.event_id == delivery(ledger, number).event_id, Decision.stage == "switchboard")
        == 3
    )
    assert exact(ledger)["internal"].finished == 4
    assert request(ledger, number).fulfilled_at == hands.now


def test_check_92_94_and_112_large_request_waits_for_a_person_who_denies_it(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    number = desk(present).open(wanted(size=50), "erin")
    carried(present)
    assert told(ledger, number) == ("pending_approval", "pending", "Ok", "somebody must look at it")
    desk(present).deny(number, "mallory", "not this week")
    carried(present)
    assert told(ledger, number) == ("denied", "finished", "Denied", "not this week")
    assert events_of(ledger, number) == ["request_created", "request_pending", "request_denied"]
    with pytest.raises(Refused, match="is denied already; it cannot be approved"):
        desk(present).approve(number, "erin", "please")


POLICIES = """
policies:
- name: small is fine
  target: request
  on: [request_created]
  when: {field: target.options.attrs.size, "<": 20}
  then: [{approve_request: {reason: small}}]
  otherwise: [{deny_request: {reason: "too large for ${target.requester}"}}]
"""


@pytest.mark.parametrize(
    ("size", "state", "reason"),
    [(15, "approved", "small is fine: small"), (50, "denied", "small is fine: too large for erin")],
)
def test_policy_decides_on_a_request(ledger: Ledger, hands: Clock, size: int, state: str, reason: str) -> None:
    present = installed(ledger, lab(policies=POLICIES))
    provider(ledger)
    number = desk(present).open(wanted("/Lab/Plain/nothing", size=size), "erin")
    carried(present)
    with ledger.reading() as session:
        [given] = session.query(Approval).filter_by(request_id=number)
    assert (request(ledger, number).approval_state, given.stamper, given.reason) == (state, "system", reason)
    assert request(ledger, number).state == "finished"
    assert count(ledger, Effect) == 0


def test_G26_starting_is_a_veto_that_fails_closed(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    number = desk(present).open(wanted(size=500), "erin")
    desk(present).approve(number, "admin", "go")
    carried(present)
    approval, state, status, message = told(ledger, number)
    assert (approval, state, status) == ("approved", "finished", "Error")
    assert "more than the quota" in message
    assert count(ledger, RequestTask) == 0


def test_G26_a_veto_method_that_breaks_keeps_the_request_from_starting(ledger: Ledger, hands: Clock) -> None:
    broken = "def begin(service): pass\nwait = tell = approve = fails = begin\ndef veto(service): return 1 / 0\n"
    present = installed(ledger, lab(broken))
    provider(ledger)
    number = desk(present).open(wanted(), "erin", approver="erin")
    carried(present)
    assert told(ledger, number)[1:3] == ("finished", "Error")
    assert "ZeroDivisionError at lab.py:3" in told(ledger, number)[3]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("/Lab/Plain/fails", "raised ValueError at lab.py:25: this is wrong"),
        ("/Lab/Nowhere/x", "failed: empty"),
        ("/Lab/Ops/provide", "retried 3 times, and max_retries is 3"),
    ],
)
def test_G19_task_that_fails_says_why(ledger: Ledger, hands: Clock, uri: str, words: str) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    number = desk(present).open(wanted(uri, server="none"), "erin", approver="erin")
    for _ in range(5):
        carried(present)
        hands.forward(31)
    assert told(ledger, number)[1:3] == ("finished", "Error")
    assert words in told(ledger, number)[3]


def test_cancelled_request_at_work_ends_at_its_next_delivery_which_is_due_at_once(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    number = desk(present).open(wanted(server="s1"), "erin", approver="erin")
    carried(present)
    assert delivery(ledger, number).result == "retry"
    desk(present).cancel(number, "erin")
    carried(present)
    assert told(ledger, number)[1:3] == ("finished", "Error")
    assert request(ledger, number).cancelation == "canceled"
    assert delivery(ledger, number).reason == "canceled"


def test_cancelled_request_that_waits_for_approval_ends_at_once(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    number = desk(present).open(wanted(size=50), "erin")
    desk(present).cancel(number, "erin")
    assert told(ledger, number)[1:] == ("finished", "Error", "Request is canceled by erin.")
    with pytest.raises(Refused, match="over"):
        desk(present).cancel(number, "erin")


def test_request_that_nobody_decides_on_is_denied_by_the_clock(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab(requests={"expire_seconds": 3600}))
    number = desk(present).open(wanted(size=50), "erin")
    hands.forward(3601)
    with pytest.raises(Refused, match="could be approved until"):
        desk(present).approve(number, "admin", "late")
    assert tick(ledger, present.site.settings, clock.now())
    assert told(ledger, number)[:3] == ("denied", "finished", "Denied")
    assert tick(ledger, present.site.settings, clock.now()) == set()


def test_scheduled_request_starts_when_it_is_due(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    later = clock.now().replace(hour=20)
    number = desk(present).open(wanted("/Lab/Plain/nothing"), "erin", due_at=later, approver="erin")
    carried(present)
    assert told(ledger, number)[:2] == ("approved", "pending")
    assert tick(ledger, present.site.settings, clock.now()) == set()
    hands.forward(8 * 3600)
    assert tick(ledger, present.site.settings, clock.now())
    carried(present)
    assert told(ledger, number)[1:3] == ("finished", "Ok")


def test_B14_argument_that_names_a_model_is_the_object(ledger: Ledger, hands: Clock) -> None:
    code = """
def begin(service):
    service.task["saw"] = [service.root["vm"]["name"], service.root["vm_id"]]

wait = tell = approve = veto = fails = lambda service: None
"""
    present = installed(ledger, lab(code))
    server(ledger, provider(ledger))
    number = desk(present).open(wanted(**{"VmOrTemplate::vm": "s1"}), "erin", approver="erin")
    carried(present)
    assert task(ledger, number).options["saw"] == ["name of s1", "s1"]


def test_D35_for_whom_it_is_done_is_nothing_that_a_parameter_says(ledger: Ledger, hands: Clock) -> None:
    code = """
def begin(service):
    service.task["saw"] = [service.root["user_id"], service.root["tenant_id"]]

wait = tell = approve = veto = fails = lambda service: None
"""
    present = installed(ledger, lab(code))
    provider(ledger)
    number = desk(present).open(wanted(user_id="root", tenant_id="blue"), "erin", "red", approver="erin")
    carried(present)
    assert task(ledger, number).options["saw"] == ["erin", "red"]


def test_G20_delivery_whose_row_is_gone_is_laid_on_the_desk(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab(conveyor={"attempts": 1}))
    provider(ledger)
    number = desk(present).open(wanted(server="none"), "erin", approver="erin")
    carried(present)
    with ledger.transaction() as session:
        session.delete(session.get_one(Delivery, delivery(ledger, number).event_id))
    hands.forward(31)
    carried(present)
    assert any("the ledger has no delivery of event" in error for error in errors(ledger).values())
    assert exact(ledger)


def test_G13_and_G14_call_instance_goes_where_its_arguments_say(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    server(ledger, provider(ledger))
    attrs = {"namespace": "Lab", "class": "Ops", "instance": "provide", "message": "create", "server": "s1"}
    for call in ("Call_Instance", "Call_Instance_With_Message"):
        number = desk(present).open(wanted(f"/System/Request/{call}", **attrs), "erin", approver="erin")
        carried(present)
        assert (told(ledger, number)[1:3], task(ledger, number).options["found"]) == (("finished", "Ok"), "name of s1")


def test_G17_a_type_without_an_address_enters_at_automation(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    provider(ledger)
    number = desk(present).open(Petition("vm_migrate", {"attrs": {}}), "erin", approver="erin")
    carried(present)
    assert delivery(ledger, number).uri == "/System/Process/Automation?request=vm_migrate"
    # Nobody has an instance for it: told, and no task hangs.
    assert told(ledger, number)[1:3] == ("finished", "Ok")


def test_check_97_options_can_be_changed_until_it_is_decided(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab())
    number = desk(present).open(wanted(size=50), "erin")
    desk(present).change(number, {"note": "for the lab"}, "erin")
    assert request(ledger, number).options["note"] == "for the lab"
    assert events_of(ledger, number) == ["request_created", "request_updated"]
    desk(present).approve(number, "admin", "go")
    with pytest.raises(Refused, match="approved already; it cannot be changed"):
        desk(present).change(number, {"uri": "/Lab/Plain/fails"}, "erin")


def test_check_100_a_type_that_does_not_exist_and_a_decision_without_a_reason_are_refused(ledger: Ledger) -> None:
    present = installed(ledger, lab())
    with pytest.raises(Refused, match="no request type 'party'"):
        desk(present).open(Petition("party"), "erin")
    number = desk(present).open(wanted(), "erin")
    with pytest.raises(Refused, match="needs a reason"):
        desk(present).approve(number, "erin", " ")
    with pytest.raises(Refused, match="there is no request 999"):
        desk(present).approve(999, "erin", "go")


def test_G16_urgent_delivery_overtakes_one_that_came_a_little_earlier(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab(conveyor={"lanes": 1}))
    provider(ledger)
    numbers = []
    for priority in (100, 20):
        petition = wanted("/Lab/Plain/nothing")
        petition.options["priority"] = priority
        numbers.append(desk(present).open(petition, "erin", approver="erin"))
        hands.forward(1)
    take(present, "switchboard")
    assert count(ledger, Delivery) == 2
    delivered: list[int] = []

    def note(event: Any, view: Any) -> Outcome:
        if event.event_type == "deliver":
            delivered.append(int(event.facts.request_id))
        return switchboard_handler(event, view)

    take(present, "switchboard", note)
    assert delivered == numbers[::-1]


@only_postgresql
def test_of_two_approvers_at_once_one_makes_the_transition(ledger: Ledger) -> None:
    present = installed(ledger, lab())
    numbers = [desk(present).open(wanted(size=50), "erin") for _ in range(8)]
    refused: list[str] = []
    start = threading.Barrier(2)

    def decide(word: str) -> None:
        for number in numbers:
            start.wait()
            try:
                getattr(desk(present), word)(number, word, "decided")
            except Refused as refusal:
                refused.append(str(refusal))

    threads = [threading.Thread(target=decide, args=(word,)) for word in ("approve", "deny")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 8
    for number in numbers:
        names = events_of(ledger, number)
        assert (("request_approved" in names) + ("request_denied" in names)) == 1


def test_delivery_that_dies_ends_its_task_and_a_retry_mends_it(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, lab(conveyor={"attempts": 1}))
    provider(ledger)
    number = desk(present).open(wanted("/Lab/Plain/nothing"), "erin", approver="erin")

    def broken(event: Any, view: Any) -> Outcome:
        if event.event_type == "deliver":
            raise RuntimeError("out of luck")
        return switchboard_handler(event, view)

    carried(present, {"switchboard": broken})
    assert told(ledger, number)[1:3] == ("finished", "Error")
    assert "out of luck" in told(ledger, number)[3]
    with ledger.transaction() as session:
        assert retry_event(session, delivery(ledger, number).event_id, clock.now(), 16)
    carried(present)
    assert told(ledger, number)[1:] == ("finished", "Ok", "Automation Request completed")
    assert exact(ledger)


def test_events_machine_waits_in_its_place_and_holds_back_nobody(ledger: Ledger, hands: Clock) -> None:
    """An event whose instance is a machine: it stays at the switchboard, later events of its object go by."""
    code = b"""
def fresh(service):
    found = service.inventory("server", service.event["resource_id"])
    if found is None or found.state != "known":
        service.retry("1.minute")
"""
    fresh = ["fresh", {"language": "python", "location": "inline", "data": "m:fresh"}]
    machine = klass("Lab", "Wait", [("fresh", "state")], {"i": {"fresh": "METHOD::fresh"}}, [fresh])
    source = klass(
        "System/Event/EmsEvent",
        "OpenStack",
        [("rel1", "relationship"), ("rel2", "relationship")],
        {"compute.instance.power_off.end": {"rel1": "/Lab/Wait/i", "rel2": "/System/event_handlers/refresh"}},
    )
    files = {**files_of(domain("Lab", machine, source)), "automate/methods/m.py": code}
    present = installed(ledger, site(automate=files))
    cloud = provider(ledger)
    caught(present, cloud, notice(message_id="waits"))
    carried(present)
    caught(present, cloud, notice("compute.instance.update", message_id="later", seconds=5))
    carried(present)
    with ledger.reading() as session:
        states = {e.message_id: e.state for e in session.query(Event).where(~Event.raised)}
    assert states == {"waits": "pending", "later": "finished"}
    server(ledger, cloud)
    hands.forward(61)
    carried(present)
    assert count(ledger, Place) == 0
    assert exact(ledger)["lab"].finished == 2
