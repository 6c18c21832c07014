"""Tags that rules give, alerts that are assigned by profiles, and alerts that a rule has asked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tasks.ledger.events import Event
from tasks.ledger.incidents import Incident
from tasks.ledger.inventory import InventoryObject
from tasks.ledger.labels import with_own
from tasks.ledger.session import Ledger
from tests.ground import START, Clock, all_the_way, caught, exact, installed, notice, provider, site

STOPPED = "compute.instance.power_off.end"


def known(ledger: Ledger, lab: int, **attributes: Any) -> None:
    with ledger.transaction() as session:
        session.add(
            InventoryObject(
                provider_id=lab,
                kind="server",
                ref="s1",
                state="known",
                seen_at=START,
                read_at=START,
                attributes=attributes,
            )
        )


def tags(ledger: Ledger) -> tuple[Any, Any]:
    """What inventory has of the provider's tags, and of ours."""
    with ledger.reading() as session:
        row = session.scalars(select(InventoryObject).where(InventoryObject.ref == "s1")).one()
        return row.attributes.get("tags"), row.own_tags


def raised(ledger: Ledger, word: str) -> int:
    with ledger.reading() as session:
        return len(session.scalars(select(Event.id).where(Event.event_type.like(f"%{word}"))).all())


TAGS = """
policies:
- name: mark
  target: server
  on: [vm_poweroff]
  then: [{tag: {tags: [gold, night/off]}}]
- name: unmark
  target: server
  on: [vm_start]
  then: [{untag: {tags: [gold, silver]}}]
- name: sees
  target: server
  on: [assigned_company_tag]
  when: {CONTAINS: {tag: Vm.managed-night, value: "off"}}
  then: [{raise_event: {name: vm_pause}}]
"""


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_an_object_that_inventory_does_not_know_yet_keeps_its_tags(ledger: Ledger, hands: Clock, fuse: str) -> None:
    present = installed(ledger, site(policies=TAGS, conveyor={"fuse": fuse}))
    lab = provider(ledger)
    caught(present, lab, notice(STOPPED))
    all_the_way(present)
    assert tags(ledger) == (None, ["gold", "night/off"])


@pytest.mark.parametrize("fuse", ["never", "always"])
def test_tags_of_rules_stand_beside_those_of_the_provider(ledger: Ledger, hands: Clock, fuse: str) -> None:
    present = installed(ledger, site(policies=TAGS, conveyor={"fuse": fuse}))
    lab = provider(ledger)
    known(ledger, lab, tags=["gold"])
    caught(present, lab, notice(STOPPED))
    all_the_way(present)
    # The provider has gold already.
    assert tags(ledger) == (["gold"], ["night/off"])
    assert raised(ledger, "assigned_company_tag") == 1
    # A rule that is asked on the event sees the tag.
    assert raised(ledger, "vm_pause") == 1
    caught(present, lab, notice(STOPPED, seconds=1))
    all_the_way(present)
    assert raised(ledger, "assigned_company_tag") == 1
    exact(ledger)


def test_only_own_tags_are_taken_away(ledger: Ledger, hands: Clock) -> None:
    present = installed(ledger, site(policies=TAGS))
    lab = provider(ledger)
    known(ledger, lab, tags=["silver"])
    caught(present, lab, notice(STOPPED), notice("compute.instance.power_on.end", seconds=1))
    all_the_way(present)
    assert tags(ledger) == (["silver"], ["night/off"])
    assert raised(ledger, "unassigned_company_tag") == 1


def test_what_is_no_list_of_tags_does_not_hide_own_ones() -> None:
    assert with_own({"tags": "gold"}, ["own"]) == {"tags": ["own"], "own_tags": ["own"]}
    assert with_own({"tags": ["a", 1, "own"]}, ["own"])["tags"] == ["a", "own"]
    assert with_own({"name": "x"}, None) == {"name": "x"}


ALERTS = (
    "alerts:\n- {name: power, target: server, on: [vm_poweroff]}\n- {name: any, target: server, on: [vm_poweroff]}\n"
)
PROFILE = "profiles:\n- {name: gold, alerts: [power], assign: [{tag: gold}]}\n"


@pytest.mark.parametrize(("held", "fired"), [(["gold"], ["any", "power"]), (["silver"], ["any"]), ([], ["any"])])
def test_check_77_an_alert_of_a_profile_fires_where_the_profile_is_assigned(
    ledger: Ledger, hands: Clock, held: list[str], fired: list[str]
) -> None:
    present = installed(ledger, site(alerts=ALERTS, profiles=PROFILE))
    lab = provider(ledger)
    known(ledger, lab, tags=held)
    caught(present, lab, notice(STOPPED))
    all_the_way(present)
    with ledger.reading() as session:
        assert sorted(session.scalars(select(Incident.alert))) == fired


def test_a_rule_has_alerts_asked_whatever_events_they_name(ledger: Ledger, hands: Clock) -> None:
    policies = """
policies:
- {name: ask, target: server, on: [vm_poweroff], then: [{evaluate_alerts: {alerts: [big, asleep, none]}}]}
"""
    alerts = """
alerts:
- {name: big, target: server, on: [vm_start], when: {field: server.vcpus, ">": 4}}
- {name: asleep, target: server, on: [vm_start], active: false}
"""
    elsewhere = "profiles:\n- {name: blue, alerts: [big], assign: [{project: blue}]}\n"
    present = installed(ledger, site(policies=policies, alerts=alerts, profiles=elsewhere))
    lab = provider(ledger)
    known(ledger, lab, vcpus=8)
    caught(present, lab, notice(STOPPED))
    all_the_way(present)
    with ledger.reading() as session:
        assert sorted(session.scalars(select(Incident.alert))) == ["asleep", "big"]
    exact(ledger)
