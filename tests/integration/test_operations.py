"""Operations: the policies of the event that announces one decide before it comes to be an effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from sqlalchemy import select

from tasks.conveyor.advance import backoff
from tasks.conveyor.installation import Installation
from tasks.conveyor.internal import About
from tasks.conveyor.operations import request
from tasks.conveyor.retry import retry_effect, retry_event
from tasks.effects import by_hand
from tasks.effects import run as effects
from tasks.effects.contracts import Done, EffectContext
from tasks.effects.table import actions
from tasks.expressions.tree import Expression
from tasks.expressions.verdict import EvaluationFault
from tasks.ledger.effects import Effect
from tasks.ledger.events import DeadLetter, Event
from tasks.ledger.incidents import Incident
from tasks.ledger.operations import Operation
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model import clock
from tasks.model.errors import Permanent
from tasks.model.event import Event as EventValue
from tasks.model.event import ObjectRef
from tasks.model.outcome import Again, Ask, Outcome, Plan, View
from tasks.switchboard.handle import switchboard_handler
from tests.ground import Clock, all_the_way, caught, exact, installed, notice, provider, site
from tests.known_ground import known


class Halt:
    """Ends work on an object, after the policies of the event that announces it were asked."""

    name = "halt"
    limit_seconds = 1.0
    limited = destructive = True

    class Params(BaseModel, extra="forbid"):
        reason: str = ""

    params: ClassVar[type[BaseModel]] = Params

    def __init__(self, *fails: Exception) -> None:
        self.halted: list[str] = []
        self.fails = list(fails)

    def guard(self, params: Mapping[str, Any]) -> str:
        return "request_vm_poweroff"

    def run(self, params: Any, context: EffectContext) -> Done:
        if self.fails:
            raise self.fails.pop(0)
        self.halted.append(str((context.target or {}).get("id")))
        return Done("halted", {})


class Note:
    """Does nothing but note what it was told."""

    name = "note"
    limit_seconds = 1.0

    class Params(BaseModel, extra="forbid"):
        text: str

    params: ClassVar[type[BaseModel]] = Params

    def __init__(self) -> None:
        self.told: list[str] = []

    def run(self, params: Any, context: EffectContext) -> Done:
        self.told.append(params.text)
        return Done("noted", {})


STOPS = "{name: stops, target: server, on: [vm_start], then: [{halt: {reason: night}}]}"
RED = "{'=': {field: event.tenant_id, value: red}}"
GUARDS = f"{{name: guards, target: server, on: [request_vm_poweroff], when: {RED}, then: [prevent]}}"
STARTED = "compute.instance.power_on.end"


class Stand:
    """An installation with the two actions, and what became of them."""

    def __init__(
        self, ledger: Ledger, *policies: str, alerts: str = "", fails: tuple[Exception, ...] = (), **more: Any
    ) -> None:
        self.halt, self.note = Halt(*fails), Note()
        self.table = {**actions(), "halt": self.halt, "note": self.note}
        rules = "policies:\n" + "".join(f"- {policy}\n" for policy in policies)
        more.setdefault("actions", {"destructive": True})
        made = site(policies=rules, alerts=alerts, extra_actions={"halt": self.halt, "note": self.note}, **more)
        self.present: Installation = installed(ledger, made)
        self.lab = provider(ledger)

    def go(self, *notices: Any, **handlers: Any) -> None:
        caught(self.present, self.lab, *notices)
        all_the_way(self.present, handlers)
        self.tried()

    def tried(self) -> None:
        while True:
            with self.present.ledger.reading() as session:
                due = session.scalars(
                    select(Effect.id).where(Effect.state == "asked", Effect.due_at <= clock.now())
                ).all()
            if not effects.run(self.present, due, self.table, backoff):
                return

    def operations(self) -> list[tuple[str, str, str | None]]:
        with self.present.ledger.reading() as session:
            rows = session.scalars(select(Operation).order_by(Operation.event_id))
            return [(row.action, row.state, row.reason) for row in rows]

    def effects(self) -> list[tuple[str, str, str | None]]:
        with self.present.ledger.reading() as session:
            rows = session.scalars(select(Effect).order_by(Effect.id))
            return [(row.action, row.state, row.error) for row in rows]


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_check_37_an_operation_that_nothing_prevents_is_done_exactly_once(
    ledger: Ledger, hands: Clock, fuse: str
) -> None:
    stand = Stand(ledger, STOPS, conveyor={"fuse": fuse})
    stand.go(notice(STARTED))
    assert stand.operations() == [("halt", "allowed", None)]
    assert stand.halt.halted == ["s1"]
    with ledger.reading() as session:
        asked = session.scalars(select(Event).where(Event.event_type == "request_vm_poweroff")).one()
        effect = session.scalars(select(Effect)).one()
        cause = session.get_one(Event, asked.parent_id)
    assert effect.event_id == asked.id
    assert effect.key.startswith(f"{cause.id}:policy:stops:true:halt:server/s1")
    exact(ledger)


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_check_37_a_prevented_operation_never_comes_to_be(ledger: Ledger, hands: Clock, fuse: str) -> None:
    stand = Stand(ledger, STOPS, GUARDS, conveyor={"fuse": fuse})
    stand.go(notice(STARTED))
    assert stand.operations() == [("halt", "prevented", "policy:guards:true")]
    assert (stand.effects(), stand.halt.halted) == ([], [])


def test_check_12_alerts_of_a_prevented_operation_are_asked_all_the_same(ledger: Ledger, hands: Clock) -> None:
    alert = "alerts:\n- {name: tried, target: server, on: [request_vm_poweroff]}\n"
    stand = Stand(ledger, STOPS, GUARDS, alerts=alert)
    stand.go(notice(STARTED))
    with ledger.reading() as session:
        assert session.scalars(select(Incident.alert)).all() == ["tried"]


def test_check_32_the_other_actions_of_a_policy_that_prevents_are_still_done(ledger: Ledger, hands: Clock) -> None:
    guards = "{name: guards, target: server, on: request_vm_poweroff, then: [prevent, {note: {text: stopped it}}]}"
    stand = Stand(ledger, STOPS, guards)
    stand.go(notice(STARTED))
    assert stand.operations()[0][1] == "prevented"
    assert stand.note.told == ["stopped it"]


def unsure(word: str) -> dict[str, Any]:
    return {"destructive": True, "undecided": word}


@pytest.mark.parametrize(("word", "state", "halted"), [("prevent", "undecided", []), ("allow", "allowed", ["s1"])])
def test_check_38_a_policy_that_cannot_be_judged_follows_the_sites_default(
    ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch, word: str, state: str, halted: list[str]
) -> None:
    stand = Stand(ledger, STOPS, GUARDS, actions=unsure(word))

    def judge(_self: Expression, _facts: object) -> None:
        raise EvaluationFault("the pattern is too large")

    monkeypatch.setattr(Expression, "judge", judge)
    stand.go(notice(STARTED))
    assert stand.operations() == [("halt", state, "guards could not be judged")]
    assert stand.halt.halted == halted


def test_check_38_a_workflow_that_fails_while_deciding_keeps_the_operation_from_happening(
    ledger: Ledger, hands: Clock
) -> None:
    broken = True

    def switch(event: EventValue, view: View) -> Outcome:
        if broken and event.event_type == "request_vm_poweroff":
            raise Permanent("the workflow is broken")
        return switchboard_handler(event, view)

    stand = Stand(ledger, STOPS)
    stand.go(notice(STARTED), switchboard=switch)
    assert stand.operations() == [("halt", "undecided", "Permanent: the workflow is broken")]
    assert stand.halt.halted == []
    broken = False
    with ledger.transaction() as session:
        letter = session.scalars(select(DeadLetter)).one()
        assert retry_event(session, letter.event_id, hands.now, stand.present.site.settings.conveyor.lanes)
    stand.go()
    assert stand.operations() == [("halt", "allowed", None)]
    assert stand.halt.halted == ["s1"]


def test_check_39_a_workflow_that_waits_delays_the_operation_until_it_is_through(ledger: Ledger, hands: Clock) -> None:
    def switch(event: EventValue, view: View) -> Outcome:
        if event.event_type == "request_vm_poweroff" and event.plan is None:
            return Outcome(plan=Plan(), again=Again(60, {"waits": True}))
        event.plan = None
        return switchboard_handler(event, view)

    stand = Stand(ledger, STOPS)
    stand.go(notice(STARTED), switchboard=switch)
    assert (stand.operations(), stand.halt.halted) == ([("halt", "deciding", None)], [])
    hands.forward(61)
    stand.go(switchboard=switch)
    assert (stand.operations(), stand.halt.halted) == ([("halt", "allowed", None)], ["s1"])


def test_an_operation_whose_announcement_lies_too_deep_is_seen_and_not_done(ledger: Ledger, hands: Clock) -> None:
    stand = Stand(ledger, STOPS, conveyor={"depth": 1})
    stand.go(notice(STARTED))
    assert [state for _, state, _ in stand.operations()] == ["undecided"]
    assert stand.halt.halted == []


def test_an_operation_asked_for_by_hand_is_decided_on_like_any_other(ledger: Ledger, hands: Clock) -> None:
    stand = Stand(ledger, GUARDS)
    for tenant in ("red", "blue"):
        about = About(stand.lab, ObjectRef("server", tenant), "lab", tenant_id=tenant, actor="erin", group="operation")
        wish = Ask("halt", "operator:erin", {}, about.target, guard="request_vm_poweroff")
        count = Count()
        with ledger.transaction() as session:
            request(session, stand.present.site.settings, hands.now, count, wish, about)
            count.write(session)
    stand.go()
    assert [state for _, state, _ in stand.operations()] == ["prevented", "allowed"]
    assert stand.halt.halted == ["blue"]


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b"])
def test_parameters_that_the_ledger_cannot_keep_are_refused_in_words(ledger: Ledger, hands: Clock, name: str) -> None:
    stand = Stand(ledger)
    known(ledger, stand.lab, "s1")
    target, settings = ObjectRef("server", "s1"), stand.present.site.settings
    with ledger.transaction() as session, pytest.raises(Permanent, match="characters that the ledger cannot keep"):
        by_hand.ask(
            session, settings, hands.now,
            provider="lab", target=target, action="snapshot_server", params={"name": name}, who="erin",
        )  # fmt: skip


def test_a_rule_gone_wild_stops_so_many_servers_as_its_limit_says(ledger: Ledger, hands: Clock) -> None:
    stand = Stand(ledger, STOPS, actions={"destructive": True, "per_rule": 3})
    stand.go(*(notice(STARTED, f"s{n}", seconds=n) for n in range(10)))
    assert len(stand.halt.halted) == 3
    dead = [error for _, state, error in stand.effects() if state == "dead"]
    assert len(dead) == 7
    assert all("rule policy:stops had its 3 actions within 3600 s" in str(error) for error in dead)
    with ledger.transaction() as session:
        one = session.scalars(select(Effect.id).where(Effect.state == "dead").limit(1)).one()
        retry_effect(session, one, hands.now)
    stand.tried()
    assert len(stand.halt.halted) == 4
    hands.forward(3601)
    stand.go(notice(STARTED, "late", seconds=20))
    assert stand.halt.halted[-1] == "late"


def test_a_rules_own_limit_counts_by_object(ledger: Ledger, hands: Clock) -> None:
    limited = STOPS.replace("then:", "limit: {per_target: 1, within: 10m}, then:")
    stand = Stand(ledger, limited)
    stand.go(*(notice(STARTED, server, seconds=n) for n, server in enumerate(["s1", "s1", "s2", "s1"])))
    assert sorted(stand.halt.halted) == ["s1", "s2"]
    assert sum("server/s1 had its 1 actions" in str(error) for _, _, error in stand.effects()) == 2


def test_a_dry_run_notes_what_it_would_do_and_does_nothing(ledger: Ledger, hands: Clock) -> None:
    stand = Stand(ledger, STOPS, actions={"destructive": True, "dry_run": True, "per_rule": 1})
    stand.go(notice(STARTED, "s1"), notice(STARTED, "s2", seconds=1))
    assert stand.halt.halted == []
    assert [state for _, state, _ in stand.effects()] == ["done", "done"]


IN_ORDER = (
    "{name: stops, target: server, on: [vm_start],"
    " then: [{note: {text: first}, synchronous: true}, {halt: {}, synchronous: true}, {note: {text: last}}]}"
)


def test_what_follows_a_synchronous_action_waits_until_it_is_done(ledger: Ledger, hands: Clock) -> None:
    stand = Stand(ledger, IN_ORDER)
    caught(stand.present, stand.lab, notice(STARTED))
    all_the_way(stand.present)
    assert stand.operations() == [("halt", "allowed", None)]
    with ledger.reading() as session:
        due = session.scalars(select(Effect.action).where(Effect.due_at <= hands.now)).all()
    assert due == ["note"]
    stand.tried()
    assert (stand.note.told, stand.halt.halted) == (["first", "last"], ["s1"])


def test_what_follows_an_action_that_failed_for_good_is_given_up_and_retried_with_it(
    ledger: Ledger, hands: Clock
) -> None:
    stand = Stand(ledger, IN_ORDER, fails=(Permanent("the cloud says no"),))
    stand.go(notice(STARTED))
    assert stand.note.told == ["first"]
    states = {action: (state, error) for action, state, error in stand.effects() if state == "dead"}
    assert states["halt"] == ("dead", "the cloud says no")
    assert states["note"] == ("dead", "not tried: what comes before it in its rule did not succeed")
    with ledger.transaction() as session:
        one = session.scalars(select(Effect.id).where(Effect.action == "halt")).one()
        assert retry_effect(session, one, hands.now)
    stand.tried()
    assert (stand.note.told, stand.halt.halted) == (["first", "last"], ["s1"])


def test_what_follows_a_prevented_operation_is_given_up(ledger: Ledger, hands: Clock) -> None:
    stand = Stand(ledger, IN_ORDER, GUARDS)
    stand.go(notice(STARTED))
    assert stand.note.told == ["first"]
    assert stand.effects()[-1][2] == ("not tried: what comes before it in its rule was prevented: policy:guards:true")


def test_destructive_actions_that_the_site_does_not_allow_are_not_done(ledger: Ledger, hands: Clock) -> None:
    stand = Stand(ledger, STOPS)
    object.__setattr__(stand.present.site, "settings", type(stand.present.site.settings)())
    stand.go(notice(STARTED))
    assert stand.halt.halted == []
    assert "actions.destructive" in str(stand.effects()[0][2])
