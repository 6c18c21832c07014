"""Bells and back-pressure: nobody is rung for who comes anyway, and a full ledger takes no more."""

from __future__ import annotations

import pytest

from tasks.catch import pressure
from tasks.catch.poll import poll
from tasks.ledger.progress import progress, sample
from tasks.ledger.providers import Mark
from tasks.ledger.session import Ledger
from tests.ground import Clock, caught, installed, lanes, nothing, notice, provider, take
from tests.turn_ground import Recorder


def test_a_lane_in_which_something_is_due_is_not_rung_for_again(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    first = caught(present, lab, notice(message_id="a"))
    assert first.asleep == first.lanes
    assert caught(present, lab, notice(message_id="b", seconds=1)).asleep == set()
    take(present, "convert", nothing)
    # It stands at the next stage now: whoever is rung for there looks back at this one.
    assert caught(present, lab, notice(message_id="c", seconds=2)).asleep == set()
    other = caught(present, lab, notice(message_id="d", server="s2"), notice(message_id="e", seconds=3))
    assert other.asleep == other.lanes


def test_events_that_wait_for_a_retry_keep_no_bell_from_being_rung(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="a"))
    assert take(present, "convert", Recorder(a=OSError("not now"))).failed == 1
    later = caught(present, lab, notice(message_id="b", seconds=1))
    assert later.asleep == later.lanes


def test_a_catcher_holds_back_while_the_ledger_is_behind(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    present, lab = installed(ledger, catch={"backlog": 2}), provider(ledger)
    ahead = pressure.Pressure(present)
    assert not ahead.high()
    caught(present, lab, *(notice(message_id=f"m{n}", server=f"s{n}") for n in range(3)))
    assert not ahead.high(), "the ledger is asked once a second at the most"
    monkeypatch.setattr(pressure, "LOOK_SECONDS", 0.0)
    assert ahead.high()
    with ledger.reading() as session:
        mark = session.get_one(Mark, pressure.MARK)
        assert mark.note == "more than 2 events wait (catch.backlog)"
    assert poll(present, "lab", lambda _: None).note == "the ledger is behind"
    assert take(present, "convert", nothing, lanes=lanes(present)).worked == 3
    assert ahead.high()


def test_progress_tells_pace_and_end_of_a_backlog(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    with ledger.transaction() as session:
        assert progress(session, hands.now).finished_rate is None
        sample(session, hands.now)
    caught(present, lab, *(notice(message_id=f"m{n}", server="busy", seconds=n) for n in range(30)))
    for stage in ("convert", "switchboard", "policy", "alert", "refresh"):
        take(present, stage, nothing, limit=20)
    hands.forward(10)
    with ledger.transaction() as session:
        sample(session, hands.now)
        found = progress(session, hands.now)
    assert (found.pending, found.stored_rate, found.finished_rate, found.through_in) == (10, 3.0, 2.0, None)
    assert [(busy.object, busy.waiting) for busy in found.busiest] == [("lab/server/busy", 10)]
    hands.forward(10)
    for stage in ("convert", "switchboard", "policy", "alert", "refresh"):
        take(present, stage, nothing, limit=5)
    hands.forward(45)
    with ledger.transaction() as session:
        sample(session, hands.now)
        found = progress(session, hands.now)
    assert (found.pending, found.stored_rate, found.finished_rate, found.through_in) == (5, 0.0, 0.1, 50.0)
