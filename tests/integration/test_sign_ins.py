"""Agents and users: the built-in events about who is there (spec orchestrate 8 and 15, 64 to 74)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.conveyor.firing import fire, no_vmhost
from tasks.conveyor.telling import set_facts
from tasks.ledger import agents, facts, tokens
from tasks.ledger.facts import FactRef, Write
from tasks.ledger.inventory import GONE, KNOWN, InventoryObject
from tasks.ledger.session import Ledger
from tasks.ledger.tally import Count
from tasks.model import builtin_events
from tasks.rules import sign_ins, tick
from tasks.site.settings import Settings
from tests.ground import START, provider
from tests.rule_ground import ALWAYS, Stand, rule

R1 = FactRef("resource", "r1")


class Desk(Stand):
    """Agents that sign in and out, on a clock that is set."""

    def hear(self, resource: str = "r1", process: str = "7@1", version: str = "1.2.3", protocol: int = 1) -> None:
        with self.ledger.transaction() as session:
            agents.hear(session, resource, process, version, protocol, {"AgentMajor": 1}, self.now)

    def part(self, resource: str = "r1", process: str = "7@1") -> None:
        with self.ledger.transaction() as session:
            agents.part(session, resource, process, self.now)

    def look(self) -> None:
        sign_ins.look(self.ledger, self.settings, self.now, "run")

    def names(self) -> list[str]:
        return [one["name"] for one in self.told()]

    def fact(self, ref: FactRef, name: str) -> Any:
        with self.ledger.reading() as session:
            found = facts.subjects(session, refs={ref}).get(ref)
        value = found.facts.get(name) if found else None
        return value.value if value else None


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger)


def test_orchestrate_64_a_worker_comes_and_goes_once_each(desk: Desk) -> None:
    for at in (0, 10, 20):
        desk.at(at)
        desk.hear()
        desk.look()
        desk.look()
    assert desk.names() == ["RESOURCE_ONLINE"]
    assert desk.told()[0]["context"] == {"resource": "r1"}
    assert desk.fact(R1, "resource.online") is True
    desk.part()
    desk.at(24)
    desk.look()
    assert desk.names() == ["RESOURCE_ONLINE"], "it may come back yet"
    desk.at(25)
    desk.look()
    desk.at(100)
    desk.look()
    assert desk.names() == ["RESOURCE_ONLINE", "RESOURCE_OFFLINE"]
    assert desk.fact(R1, "resource.online") is False


def test_an_agent_that_is_back_within_five_seconds_was_never_away(desk: Desk) -> None:
    desk.hear()
    desk.look()
    desk.at(10)
    desk.part()
    desk.look()
    desk.at(14)
    desk.hear()
    desk.look()
    desk.at(30)
    desk.look()
    assert desk.names() == ["RESOURCE_ONLINE"]


def test_another_process_in_its_place_is_a_restart(desk: Desk) -> None:
    desk.hear(process="7@1")
    desk.look()
    desk.at(10)
    desk.part(process="7@1")
    desk.hear(process="8@10")
    desk.look()
    assert desk.names() == ["RESOURCE_ONLINE", "RESOURCE_OFFLINE", "RESOURCE_ONLINE"]


def test_a_killed_agent_is_gone_after_its_grace_and_once(desk: Desk) -> None:
    desk.hear()
    desk.look()
    for at, expected in [(35, 1), (36, 2), (60, 2)]:
        desk.at(at)
        desk.look()
        assert len(desk.names()) == expected, at
    assert desk.names() == ["RESOURCE_ONLINE", "RESOURCE_OFFLINE"]


def test_orchestrate_65_a_resource_is_online_while_any_of_its_agents_is(desk: Desk) -> None:
    desk.hear(process="1@1")
    desk.hear(process="2@1")
    desk.look()
    desk.at(10)
    desk.part(process="1@1")
    desk.hear(process="2@1")
    desk.at(16)
    desk.look()
    assert desk.names() == ["RESOURCE_ONLINE"]
    desk.part(process="2@1")
    desk.at(30)
    desk.look()
    assert desk.names() == ["RESOURCE_ONLINE", "RESOURCE_OFFLINE"]


def test_orchestrate_66_an_old_agent_is_told_once_and_is_not_online(ledger: Ledger) -> None:
    desk = Desk(ledger, agent={"oldest_version": "1.2.0"})
    for at in (0, 10, 20):
        desk.at(at)
        desk.hear(version="1.1.9")
        desk.look()
    assert desk.names() == ["AGENT_VERSION_MISMATCH"]
    [told] = desk.told()
    assert told["context"] == {"resource": "r1"}
    assert told["event"] == {"AgentMajor": 1, "resource": "r1"}
    assert desk.fact(R1, "resource.online") is not True
    desk.part()
    desk.hear(process="9@9", version="1.1.9")
    desk.look()
    assert desk.names() == ["AGENT_VERSION_MISMATCH"], "once for each version and start of the server"
    desk.part(process="9@9")
    desk.hear(process="10@9", version="1.2.0")
    desk.look()
    assert desk.names() == ["AGENT_VERSION_MISMATCH", "RESOURCE_ONLINE"]


def test_an_agent_of_another_protocol_is_refused_whatever_its_version(desk: Desk) -> None:
    desk.hear(protocol=2, version="99.0.0")
    desk.look()
    assert desk.names() == ["AGENT_VERSION_MISMATCH"]


def write(stand: Stand, origin: str, value: Any, ref: FactRef = R1) -> None:
    with stand.ledger.transaction() as session:
        count = Count()
        set_facts(session, stand.settings, stand.now, count, origin, [Write(ref, f"{ref.kind}.health", value)])
        count.write(session)


@pytest.mark.parametrize("kind", ["resource", "repository", "user", "vmhost"])
def test_orchestrate_67_health_is_told_where_it_changes(desk: Desk, kind: str) -> None:
    ref = FactRef(kind, "x")
    for value in (True, True, False, True, True):
        write(desk, "operator", value, ref)
    name = f"{kind.upper()}_HEALTH"
    assert [(one["name"], one["event"]["health"]) for one in desk.told()] == [(name, False), (name, True)]


def test_an_object_that_is_seen_sick_for_the_first_time_is_news(desk: Desk) -> None:
    write(desk, "operator", False)
    assert desk.names() == ["RESOURCE_HEALTH"]


def test_orchestrate_68_what_a_policy_fact_says_nobody_else_changes(desk: Desk) -> None:
    write(desk, "policy", True)
    write(desk, "constraint", False)
    write(desk, "inventory", False)
    assert desk.names() == []
    assert desk.fact(R1, "resource.health") is True


def test_orchestrate_69_server_up_is_told_once_for_each_start(ledger: Ledger) -> None:
    settings = Settings()
    for run in ("one", "one", "two"):
        tick.start(ledger, settings, START, run)
    stand = Stand(ledger)
    assert [(one["name"], one["context"]) for one in stand.told()] == [("SERVER_UP", {}), ("SERVER_UP", {})]


def host(ledger: Ledger, owner: int, ref: str, state: str = KNOWN, **attributes: Any) -> None:
    with ledger.transaction() as session:
        session.add(
            InventoryObject(
                provider_id=owner,
                kind="host",
                ref=ref,
                state=state,
                name=ref,
                seen_at=START,
                read_at=START,
                attributes={"state": "up", "status": "enabled", "memory_mb": 1000, "memory_mb_used": 250, **attributes},
            )
        )


def ticked(stand: Stand) -> None:
    tick.tick(stand.ledger, stand.settings, stand.rules, stand.now)


def test_orchestrate_70_a_vmhost_is_added_before_its_rules_and_removed_with_its_last_facts(ledger: Ledger) -> None:
    stand = Stand(ledger, rule(ALWAYS))
    owner = provider(ledger, contact_at=START)
    host(ledger, owner, "c1", running_servers=4)
    ticked(stand)
    assert [one["name"] for one in stand.told()] == ["VMHOST_ADDED", "vmhost"]
    assert stand.told()[1]["context"] == {"vmhost": ["lab/c1"]}
    stand.at(31)
    with ledger.transaction() as session:
        row = session.query(InventoryObject).one()
        row.state = GONE
    ticked(stand)
    farewell = stand.told()[-1]
    assert (farewell["name"], farewell["context"]) == ("VMHOST_REMOVED", {"vmhost": "lab/c1"})
    assert farewell["event"]["facts"]["vmhost.vm.count"] == 4
    with ledger.reading() as session:
        assert facts.subjects(session, kinds={"vmhost"}) == {}


def test_inventory_becomes_facts_and_a_provider_out_of_contact_confirms_nothing(ledger: Ledger) -> None:
    stand = Desk(ledger)
    owner = provider(ledger, contact_at=START)
    host(ledger, owner, "c1", running_servers=4, vcpus=8, vcpus_used=2)
    stand.write("resource/c1.example", origin="agent", hostname="c1.example.org")
    ticked(stand)
    with ledger.reading() as session:
        found = facts.subjects(session, kinds={"vmhost"})[FactRef("vmhost", "lab/c1")]
    told = {name.removeprefix("vmhost."): fact.value for name, fact in found.facts.items()}
    assert told["vm.count"] == 4
    assert (told["memory.total"], told["memory.free"], float(told["memory.usedpercent"])) == (1000, 750, 25.0)
    assert (told["online"], told["enabled"], told["health"], told["cpu.count"]) == (True, True, True, 8)
    assert told["resource"] == "c1.example"
    assert (found.provider_id, found.object_kind, found.object_ref) == (owner, "host", "c1")
    for at in (31, 62, 200):
        stand.at(at)
        ticked(stand)
    with ledger.reading() as session:
        found = facts.subjects(session, kinds={"vmhost"})[FactRef("vmhost", "lab/c1")]
    assert not found.facts["vmhost.vm.count"].holds(stand.now)
    assert found.facts["vmhost.id"].holds(stand.now)


def test_a_host_that_goes_down_is_told_as_health(ledger: Ledger) -> None:
    stand = Stand(ledger)
    owner = provider(ledger, contact_at=START)
    host(ledger, owner, "c1")
    ticked(stand)
    stand.at(31)
    with ledger.transaction() as session:
        row = session.query(InventoryObject).one()
        row.attributes = {**row.attributes, "state": "down"}
    ticked(stand)
    assert [one["name"] for one in stand.told()] == ["VMHOST_ADDED", "VMHOST_HEALTH"]


def test_orchestrate_71_a_placement_without_candidate_is_told_once(desk: Desk) -> None:
    for _ in range(3):
        with desk.ledger.transaction() as session:
            count = Count()
            fire(session, desk.settings, desk.now, count, [no_vmhost(FactRef("jobinstance", "5"), "request-1")])
            count.write(session)
    assert [(one["name"], one["context"]) for one in desk.told()] == [("VMHOST_NOT_AVAILABLE", {"jobinstance": "5"})]


def test_orchestrate_72_the_first_call_of_a_user_is_told_and_the_next_hundred_are_not(desk: Desk) -> None:
    with desk.ledger.transaction() as session:
        tokens.make(session, "kim", "operate", now=START)
    desk.look()
    assert desk.names() == []

    def call() -> None:
        with desk.ledger.transaction() as session:
            tokens.touch(session, tokens.listing(session)[0].id, desk.now)
        desk.look()

    for at in range(60, 160):
        desk.at(at)
        call()
    assert [(one["name"], one["context"], one["at"]) for one in desk.told()] == [("USER_ONLINE", {"user": "kim"}, 60)]
    desk.at(160 + 900)
    desk.look()
    assert desk.fact(FactRef("user", "kim"), "user.online") is False
    desk.at(160 + 901)
    call()
    assert desk.names() == ["USER_ONLINE", "USER_ONLINE"]


def test_orchestrate_73_an_old_spelling_is_read_as_the_name_that_is_written() -> None:
    assert builtin_events.named("RESOURCE OFFLINE") == "RESOURCE_OFFLINE"
    assert builtin_events.named("my event") == "my event"
    assert len(builtin_events.BUILTINS) == 12


def test_rows_of_agents_do_not_pile_up(desk: Desk) -> None:
    desk.hear()
    desk.look()
    desk.now = START + timedelta(days=2)
    desk.look()
    desk.hear(process="9@9")
    desk.look()
    with desk.ledger.reading() as session:
        assert [row.process for row in session.query(agents.Agent)] == ["9@9"]
