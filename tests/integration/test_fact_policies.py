"""Policies of facts: what objects have by decree, and health that hangs on constraints (spec orchestrate 8)."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.ledger import facts
from tasks.ledger.facts import FactRef
from tasks.ledger.session import Ledger
from tasks.rules import decrees
from tasks.rules.definition import RuleSet
from tasks.rules.policy_file import read_policy
from tests.rule_ground import Stand

HOST = FactRef("vmhost", "h")
LOAD = '<constraint type="health"><lt fact="vmhost.resource.loadaverage" value="8"/></constraint>'


def policy_text(inner: str, context: str = "<vmhost/>") -> bytes:
    return f"<policy><context>{context}</context>{inner}</policy>".encode()


class Decreed(Stand):
    """A stand whose policies are given as text."""

    def apply(self, *inner: str) -> None:
        read = [read_policy(policy_text(text), f"p{n}") for n, text in enumerate(inner)]
        assert [complaint for _, found in read for complaint in found] == []
        known = RuleSet((), [policy for policy, _ in read if policy is not None])
        decrees.apply(self.ledger, self.settings, known, self.now)

    def fact(self, name: str) -> Any:
        with self.ledger.reading() as session:
            found = facts.subjects(session, refs={HOST})[HOST].facts.get(name)
        return (found.value, found.origin) if found else None


@pytest.fixture
def stand(ledger: Ledger) -> Decreed:
    made = Decreed(ledger)
    made.write("vmhost/h", resource="r")
    made.write("resource/r", loadaverage=1)
    return made


def test_health_follows_its_constraint_and_is_told_when_it_changes(stand: Decreed) -> None:
    stand.apply(LOAD)
    assert (stand.fact("vmhost.health"), stand.told()) == ((True, "constraint"), [])
    stand.write("resource/r", loadaverage=9)
    stand.apply(LOAD)
    stand.apply(LOAD)
    assert [(one["name"], one["event"]["health"]) for one in stand.told()] == [("VMHOST_HEALTH", False)]
    stand.apply()
    assert stand.fact("vmhost.health") is None
    stand.write("vmhost/h", origin="inventory", health=True)
    assert stand.fact("vmhost.health") == (True, "inventory")


def test_all_constraints_must_grant_it_and_nothing_to_say_forbids_nothing(stand: Decreed) -> None:
    stand.apply(LOAD, '<constraint type="health"><and/></constraint>')
    assert stand.fact("vmhost.health") == (True, "constraint")
    stand.apply(LOAD, '<constraint type="health"><gt fact="vmhost.vm.count" value="0"/></constraint>')
    assert stand.fact("vmhost.health") == (False, "constraint")


def test_orchestrate_68_a_decreed_health_is_not_changed_by_a_constraint(stand: Decreed) -> None:
    stand.apply('<fact name="vmhost.health" value="true"/>', LOAD.replace('value="8"', 'value="0"'))
    assert stand.fact("vmhost.health") == (True, "policy")
    assert stand.told() == []


def test_facts_by_decree_come_and_go_with_their_policy(stand: Decreed) -> None:
    stand.apply('<fact name="vmhost.vm.max" type="Integer" value="20"/><fact name="vmhost.groups" value="a,b"/>')
    assert stand.fact("vmhost.vm.max") == (20, "policy")
    assert stand.fact("vmhost.groups") == (["a", "b"], "policy")
    stand.write("vmhost/h", vm__max=3)
    assert stand.fact("vmhost.vm.max") == (20, "policy")
    stand.apply('<fact name="vmhost.vm.max" value="5"/>')
    assert (stand.fact("vmhost.vm.max"), stand.fact("vmhost.groups")) == ((5, "policy"), None)


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ('<fact name="vmhost.vm.max" value="many"/>', "E303"),
        ('<fact name="vmhost.vm.max" type="String" value="1"/>', "E208"),
        ('<fact name="resource.enabled" value="true"/>', "E306"),
        ('<fact name="vmhost.vm.max"/>', "E204"),
        ("<facts/>", "E201"),
        ('<constraint type="start"><and/></constraint>', "E208"),
        ('<constraint type="health"/>', "E205"),
    ],
)
def test_a_broken_policy_is_refused(inner: str, code: str) -> None:
    found, complaints = read_policy(policy_text(inner), "p")
    assert found is None
    assert complaints[0].code == code
    assert read_policy(b"<policy/>", "p")[1][0].code == "E203"
