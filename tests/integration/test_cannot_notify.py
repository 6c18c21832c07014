"""An incident says that it could not tell anybody, from the death of its notification to the next that goes out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from tasks.conveyor.installation import Installation
from tasks.ledger.effects import DEAD, DONE, Effect
from tasks.ledger.incident_lists import incidents, muted, tale
from tasks.ledger.session import Ledger
from tasks.ledger.silences import make
from tests.ground import START, Clock, all_the_way, caught, installed, notice, provider, site

ALERTS = """
alerts:
- name: down
  severity: error
  on: [compute.instance.*, image.update]
  delay: 10m
  notify: [{log: {message: it is off}}]
"""


@pytest.fixture
def present(ledger: Ledger, hands: Clock) -> Installation:
    return installed(ledger, site(alerts=ALERTS))


def ended(ledger: Ledger, state: str) -> None:
    """Have every notification that is asked for end this way."""
    with ledger.transaction() as session:
        session.execute(update(Effect).where(Effect.state == "asked").values(state=state, error="no mail server"))


def mute(ledger: Ledger) -> list[bool]:
    with ledger.reading() as session:
        found = [line.cannot_notify for line in incidents(session)]
        assert muted(session) == sum(found)
        return found


def test_the_newest_notification_counts(present: Installation, ledger: Ledger, hands: Clock) -> None:
    lab = provider(ledger)
    for seconds, ends, expected in ((0, DEAD, True), (60, DEAD, True), (700, DONE, False), (1400, DEAD, True)):
        hands.now = START + timedelta(seconds=seconds)
        caught(present, lab, notice(seconds=seconds))
        all_the_way(present)
        ended(ledger, ends)
        assert mute(ledger) == [expected], seconds
    with ledger.reading() as session:
        found = tale(session, incidents(session)[0].id)
    assert found is not None
    told = [(f.relation, f.verdict, [t.effect.state for t in f.notifications]) for f in found.firings]
    assert told == [
        ("counted", "fired", ["dead"]),
        ("counted", "fired", ["done"]),
        ("counted", "held: fired 1 min ago, delay 10 min", []),
        ("opened", "fired", ["dead"]),
    ]


def test_an_incident_of_an_event_without_an_object_says_it_too(present: Installation, ledger: Ledger) -> None:
    caught(present, provider(ledger), notice("image.update", None))
    all_the_way(present)
    ended(ledger, DEAD)
    assert mute(ledger) == [True]
    with ledger.reading() as session:
        found = tale(session, incidents(session)[0].id)
    assert found is not None
    assert [[t.effect.error for t in f.notifications] for f in found.firings] == [["no mail server"]]


def test_who_is_silenced_is_not_counted_as_unable(present: Installation, ledger: Ledger, hands: Clock) -> None:
    with ledger.transaction() as session:
        make(session, {"alert": "down"}, (START, START + timedelta(hours=1)), "fan change", "erin", START)
    caught(present, provider(ledger), notice())
    all_the_way(present)
    assert mute(ledger) == [False]
    with ledger.reading() as session:
        found = tale(session, incidents(session)[0].id)
    assert found is not None
    assert [(f.relation, f.verdict, f.notifications) for f in found.firings] == [("opened", "silenced", [])]
