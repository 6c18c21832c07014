"""The sweep finds what is due and does not move, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tasks.conveyor import installation, sweep
from tasks.conveyor.prune import expire, fold
from tasks.conveyor.task import run_prune, run_sweep
from tasks.conveyor.wanted import Wish, want
from tasks.ledger.effects import Effect
from tasks.ledger.events import Event, Place
from tasks.ledger.inventory import RefreshTarget
from tasks.ledger.providers import Mark, Provider, Tally
from tasks.ledger.session import Ledger
from tasks.model.event import ObjectRef
from tasks.model.outcome import Ask, Outcome
from tests.ground import (
    START,
    Clock,
    Rung,
    all_the_way,
    caught,
    count,
    exact,
    installed,
    nothing,
    notice,
    outcome_of,
    provider,
    take,
)


def find(present: Any, hands: Clock) -> sweep.Stalled:
    with present.ledger.reading() as session:
        return sweep.find(session, present.site.settings, hands.now)


def failing(event: Any, view: Any) -> Outcome:
    raise OSError("not now")


def test_sweep_of_an_idle_ledger_finds_nothing(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice("cache.flush", None))
    all_the_way(present)
    hands.forward(1000)
    assert find(present, hands) == sweep.Stalled()


def test_lanes_are_found_after_the_grace_time_by_stage(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    first = caught(present, lab, notice(server="s1"))
    take(present, "convert", nothing)
    second = caught(present, lab, notice(server="s2"), notice(server="s3"))
    hands.forward(2.9)
    assert find(present, hands) == sweep.Stalled()
    hands.forward(0.2)
    assert find(present, hands).lanes == {"convert": sorted(second.lanes), "switchboard": sorted(first.lanes)}


def test_event_that_waits_for_its_retry_is_left_alone_with_those_behind_it(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger, conveyor={"backoff_seconds": 60}), provider(ledger)
    stored = caught(present, lab, notice(message_id="bad"), notice(message_id="behind", seconds=1))
    take(present, "convert", failing)
    hands.forward(30)
    assert find(present, hands).lanes == {}
    hands.forward(60)
    assert find(present, hands).lanes == {"convert": sorted(stored.lanes)}


def test_event_of_a_provider_that_is_not_ready_is_left_alone(ledger: Ledger, hands: Clock) -> None:
    present, new, old = installed(ledger), provider(ledger, ready=False), provider(ledger, "old")
    caught(present, new, notice(server="s1"))
    take(present, "convert", nothing)
    other = caught(present, new, notice(server="s2"))
    hands.forward(10)
    assert find(present, hands).lanes == {"convert": sorted(other.lanes)}
    with ledger.transaction() as session:
        session.execute(update(Provider).where(Provider.id == new).values(ready_at=hands.now))
    assert set(find(present, hands).lanes) == {"convert", "switchboard"}
    assert old


def test_effects_are_found_when_due_and_not_leased(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice())
    asks = [Ask("log", "r", {}, ordinal=n) for n in range(5)]
    ids = take(present, "convert", outcome_of(lambda event: Outcome(asks=asks))).effects
    states: list[dict[str, Any]] = [
        {},
        {"state": "done"},
        {"state": "dead"},
        {"due_at": hands.now + timedelta(seconds=60)},
        {"lease_owner": "w", "lease_until": hands.now + timedelta(seconds=60)},
    ]
    with ledger.transaction() as session:
        for effect_id, values in zip(ids, states, strict=True):
            session.execute(update(Effect).where(Effect.id == effect_id).values(**{"state": "asked", **values}))
    hands.forward(2)
    assert find(present, hands).effects == []
    hands.forward(2)
    assert find(present, hands).effects == [ids[0]]
    hands.forward(60)
    assert set(find(present, hands).effects) == {ids[0], ids[3], ids[4]}


def test_reads_are_owed_when_due_and_not_leased(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    with ledger.transaction() as session:
        want(session, [Wish(lab, ObjectRef("server", "s1"), None)], hands.now, settle=5)
    assert not find(present, hands).reads
    hands.forward(6)
    assert find(present, hands).reads
    until = {"lease_owner": "w", "lease_until": hands.now + timedelta(seconds=60)}
    for values, owed in ((until, False), ({"state": "read"}, False), ({"state": "dead"}, False)):
        with ledger.transaction() as session:
            session.execute(update(RefreshTarget).values(state="wanted", lease_until=None))
            session.execute(update(RefreshTarget).values(**values))
        assert find(present, hands).reads is owed
    hands.forward(61)
    with ledger.transaction() as session:
        session.execute(update(RefreshTarget).values(state="wanted"))
    assert find(present, hands).reads


def test_patience_with_a_new_provider_ends(ledger: Ledger, hands: Clock) -> None:
    present, new = installed(ledger), provider(ledger, ready=False)
    provider(ledger, "old")
    caught(present, new, notice(message_id="a"))
    take(present, "convert")
    settings = present.site.settings
    hands.forward(299)
    with ledger.transaction() as session:
        assert sweep.lose_patience(session, settings, hands.now) == []
    hands.forward(2)
    with ledger.transaction() as session:
        assert sweep.lose_patience(session, settings, hands.now) == ["lab"]
        assert sweep.lose_patience(session, settings, hands.now) == []
    with ledger.reading() as session:
        row = session.get_one(Provider, new)
        assert row.ready_at == hands.now
        assert "after 300 s" in str(row.ready_note)
    assert set(find(present, hands).lanes) == {"switchboard"}
    assert take(present, "switchboard").worked == 1


def test_door_rings_for_all_that_stands_still(
    ledger: Ledger, hands: Clock, rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    present, lab = installed(ledger), provider(ledger)
    monkeypatch.setattr(installation, "_installation", present)
    stored = caught(present, lab, notice())
    ask = outcome_of(
        lambda event: Outcome(asks=[Ask("log", "r", {}, ordinal=n) for n in range(12)], targets=[ObjectRef("a", "b")])
    )
    effects = take(present, "convert", ask).effects
    run_sweep()
    assert rung.chains == []
    hands.forward(10)
    run_sweep()
    assert rung.chains == [
        (("switchboard.run", "policy.run", "alert.run", "refresh.run"), sorted(stored.lanes)),
        (("effects.run",), effects[:6]),
        (("effects.run",), effects[6:]),
        (("refresh.read",), None),
    ]
    with ledger.reading() as session:
        assert session.get_one(Mark, "sweep").at == hands.now


def test_prune_folds_tallies_and_keeps_the_balance(
    ledger: Ledger, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    present, lab, other = installed(ledger, retention_days=1), provider(ledger), provider(ledger, "other")
    monkeypatch.setattr(installation, "_installation", present)
    for n in range(4):
        caught(present, lab, notice("image.update", None, message_id=f"{n}"), notice("image.update", None))
    # The site does not know this one's provider: it dies, and what is dead is kept until somebody has seen to it.
    caught(present, other, notice("image.update", None, message_id="dead"))
    all_the_way(present)
    caught(present, lab, notice(message_id="young", seconds=86_400 * 1.5), notice(message_id="pending"))
    before = exact(ledger)
    with ledger.transaction() as session:
        assert fold(session) > 2
        assert fold(session) == 0
    assert count(ledger, Tally) == 2
    assert exact(ledger) == before
    hands.forward(86_400 * 2)
    run_prune()
    with ledger.reading() as session:
        assert set(session.scalars(select(Event.message_id))) == {"young", "pending", "dead"}
        assert len(session.scalars(select(Place.event_id)).all()) == 2
    assert exact(ledger) == before
    assert expire(ledger, present.site.settings, hands.now) == 0
    assert hands.now > START
