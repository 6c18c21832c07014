"""A role is held to work by what it leaves in the ledger."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from tasks.conveyor.sweep import mark
from tasks.ledger import duty, progress
from tasks.ledger.effects import Effect
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Provider
from tasks.ledger.session import Ledger
from tasks.model.outcome import Ask, Outcome
from tests.ground import START, Clock, caught, installed, nothing, notice, outcome_of, provider, take


def complaint(ledger: Ledger, role: str, hands: Clock) -> str | None:
    with ledger.reading() as session:
        return duty.complaint(session, role, hands.now)


def test_an_installation_without_work_has_nobody_to_blame_but_the_clock(ledger: Ledger, hands: Clock) -> None:
    provider(ledger)
    blamed = {role for role in duty.roles() if complaint(ledger, role, hands)}
    assert blamed == {"beat", "catch"}
    assert complaint(ledger, "beat", hands) == (
        "the sweep ran never: the clock, or the worker that it rings for does not work"
    )
    with ledger.transaction() as session:
        mark(session, "sweep", hands.now)
        mark(session, "tick", hands.now)
    assert {role for role in duty.roles() if complaint(ledger, role, hands)} == set()
    hands.forward(31)
    assert complaint(ledger, "beat", hands) is not None
    assert complaint(ledger, "catch", hands) is None


def test_stages_are_blamed_when_events_are_due_and_none_gets_through(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"), notice(message_id="b", server="s2"))
    assert complaint(ledger, "stages", hands) is None
    hands.forward(121)
    assert "none got through" in (complaint(ledger, "stages", hands) or "")
    with ledger.transaction() as session:
        progress.sample(session, hands.now)
    for stage in ("convert", "switchboard", "policy", "alert", "refresh"):
        take(present, stage, nothing, limit=1)
    hands.forward(10)
    with ledger.transaction() as session:
        progress.sample(session, hands.now)
    assert complaint(ledger, "stages", hands) is None, "it is behind, and works"


def test_effects_and_reads_are_blamed_when_nobody_takes_them_up(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"))
    take(present, "convert", outcome_of(lambda event: Outcome(asks=[Ask("log", "rule", {"message": "x"})])))
    with ledger.transaction() as session:
        session.add(RefreshTarget(provider_id=lab, kind="server", ref="s1", due_at=START))
    assert complaint(ledger, "effects", hands) is None
    hands.forward(121)
    assert "an effect is due" in (complaint(ledger, "effects", hands) or "")
    assert complaint(ledger, "read", hands) is None
    with ledger.transaction() as session:
        session.execute(update(Effect).values(lease_until=hands.now + timedelta(seconds=9)))
    assert complaint(ledger, "effects", hands) is None
    hands.forward(600)
    assert "nobody reads it" in (complaint(ledger, "read", hands) or "")


def test_a_listener_that_fell_silent_is_blamed_by_the_name_of_its_provider(ledger: Ledger, hands: Clock) -> None:
    lab = provider(ledger)
    with ledger.transaction() as session:
        session.execute(update(Provider).where(Provider.id == lab).values(listener="here:1", listener_at=hands.now))
    assert complaint(ledger, "listener", hands) is None
    hands.forward(16)
    assert complaint(ledger, "listener", hands) == "nobody listens to lab any more"
