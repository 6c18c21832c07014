"""What comes of a source, judged by its own history, and what rules are told of it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tasks.catch.poll import note_contact, note_failure
from tasks.conveyor import source
from tasks.conveyor.installation import Installation
from tasks.ledger import gaps, health, pulse
from tasks.ledger.events import Event
from tasks.ledger.gaps import Gap
from tasks.ledger.health import ProviderHealth
from tasks.ledger.incidents import Incident
from tasks.ledger.providers import Provider
from tasks.ledger.pulse import Pulse
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import ProviderDown, SignedOut
from tests.ground import Clock, all_the_way, caught, count, exact, installed, notice, only_postgresql, provider, site

ALERTS = """
alerts:
- {name: quiet, target: provider, on: [source_quiet, source_gap], resolved_by: [source_receiving]}
"""
HOUR, DAY = 3600.0, 86_400.0


def line(ledger: Ledger) -> ProviderHealth:
    with ledger.reading() as session:
        [found] = health.providers(session, clock.now())
    return found


def told(present: Installation) -> set[int]:
    return source.tell(present.ledger, present.site.settings, clock.now())


def raised(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return list(session.scalars(select(Event.event_type).where(Event.raised).order_by(Event.id)))


def watched(present: Installation, cloud: int, hands: Clock, seconds: float) -> None:
    """Let time pass while the source is asked all the while and has nothing to tell."""
    with present.ledger.transaction() as session:
        hands.forward(seconds)
        session.execute(update(Provider).where(Provider.id == cloud).values(contact_at=clock.now()))


def comes(present: Installation, cloud: int, hands: Clock) -> None:
    hands.forward(1)
    caught(present, cloud, notice())


def history(present: Installation, cloud: int, hands: Clock, days: int = 10, *, nights: bool = False) -> None:
    """Something every half hour; with ``nights`` nothing from 20:00 to 06:00. Ends at noon with an event."""
    start = clock.now()
    rows = []
    for number in range(days * 24 + 1):
        moment = start + timedelta(hours=number)
        asleep = nights and not 6 <= moment.hour < 20
        if not asleep:
            longest = 10 * 3600 if nights and moment.hour == 6 else 1800
            rows.append(Pulse(provider_id=cloud, hour=int(moment.timestamp()) // 3600, arrivals=2, longest=longest))
    with present.ledger.transaction() as session:
        session.add_all(rows)
        hands.forward(days * DAY)
        session.execute(
            update(Provider)
            .where(Provider.id == cloud)
            .values(watched_since=start, contact_at=clock.now(), arrived_at=clock.now())
        )


@pytest.fixture
def present(ledger: Ledger, hands: Clock) -> Installation:
    return installed(ledger, site(alerts=ALERTS))


@pytest.fixture
def cloud(ledger: Ledger, hands: Clock) -> int:
    return provider(ledger)


def test_a_source_of_which_nothing_is_known_is_never_suspicious(
    present: Installation, cloud: int, hands: Clock
) -> None:
    note_contact(present, cloud)
    assert line(present.ledger).state == health.CONNECTED
    comes(present, cloud, hands)
    assert line(present.ledger).state == health.RECEIVING
    watched(present, cloud, hands, 30 * DAY)
    found = line(present.ledger)
    assert (found.state, found.silence, found.silence_limit) == (health.CONNECTED, 30 * DAY, None)
    assert told(present) == set()


def test_six_days_teach_nothing_and_seven_do(present: Installation, cloud: int, hands: Clock) -> None:
    history(present, cloud, hands, 5)
    watched(present, cloud, hands, 5 * HOUR)
    assert line(present.ledger).state == health.CONNECTED


def test_silence_within_what_is_usual_is_quiet_and_beyond_it_suspicious(
    present: Installation, cloud: int, hands: Clock
) -> None:
    history(present, cloud, hands)
    assert line(present.ledger).state == health.RECEIVING
    watched(present, cloud, hands, HOUR)
    found = line(present.ledger)
    # Half an hour is usual, so three times that is suspicious.
    assert (found.state, found.silence, found.silence_limit) == (health.QUIET, HOUR, 1.5 * HOUR)
    assert told(present) == set()
    watched(present, cloud, hands, HOUR)
    found = line(present.ledger)
    assert (found.state, found.silent_since) == (health.SUSPICIOUS, clock.now() - timedelta(hours=2))
    assert len(told(present)) == 1
    assert told(present) == set()
    comes(present, cloud, hands)
    assert line(present.ledger).state == health.RECEIVING
    assert len(told(present)) == 1
    assert raised(present.ledger) == ["source_quiet", "source_receiving"]
    exact(present.ledger)


def test_the_quiet_of_every_night_is_usual_at_night_and_suspicious_by_day(
    present: Installation, cloud: int, hands: Clock
) -> None:
    history(present, cloud, hands, nights=True)  # it is noon
    watched(present, cloud, hands, 2 * HOUR)
    assert line(present.ledger).state == health.SUSPICIOUS
    comes(present, cloud, hands)
    watched(present, cloud, hands, 6 * HOUR - 60)  # it is just before eight in the evening
    comes(present, cloud, hands)
    watched(present, cloud, hands, 9 * HOUR)
    assert line(present.ledger).state == health.QUIET


def test_one_odd_day_teaches_nothing(present: Installation, cloud: int, hands: Clock) -> None:
    history(present, cloud, hands)
    before = line(present.ledger).silence_limit
    with present.ledger.transaction() as session:
        yesterday = int((clock.now() - timedelta(days=1)).timestamp()) // 3600
        session.execute(update(Pulse).where(Pulse.hour == yesterday).values(longest=12 * 3600))
    assert line(present.ledger).silence_limit == before


def test_what_was_told_stays_until_something_comes_and_is_not_told_again_at_once(
    present: Installation, cloud: int, hands: Clock
) -> None:
    history(present, cloud, hands)
    watched(present, cloud, hands, 2 * HOUR)
    told(present)
    with present.ledger.transaction() as session:
        session.execute(update(Pulse).values(longest=12 * 3600))
    assert line(present.ledger).silence_limit == 36 * HOUR
    assert line(present.ledger).state == health.SUSPICIOUS
    assert told(present) == set()
    with present.ledger.transaction() as session:
        session.execute(update(Pulse).values(longest=10))
    comes(present, cloud, hands)
    told(present)
    watched(present, cloud, hands, 20 * 60)
    assert line(present.ledger).state == health.SUSPICIOUS
    assert told(present) == set(), "it was well again 20 minutes ago"
    watched(present, cloud, hands, 11 * 60)
    assert len(told(present)) == 1
    assert raised(present.ledger) == ["source_quiet", "source_receiving", "source_quiet"]


def test_time_in_which_nobody_watched_is_no_silence_of_the_source(
    present: Installation, cloud: int, hands: Clock
) -> None:
    history(present, cloud, hands)
    hands.forward(6 * HOUR)
    assert line(present.ledger).state == health.SILENT
    assert told(present) == set()
    note_contact(present, cloud)
    found = line(present.ledger)
    assert (found.state, found.silence) == (health.QUIET, 0.0)
    hands.forward(30)
    comes(present, cloud, hands)
    with present.ledger.reading() as session:
        hour = int(clock.now().timestamp()) // 3600
        assert session.scalars(select(Pulse.longest).where(Pulse.hour == hour)).one() == 0


def test_a_failure_is_told_by_its_sort_before_anything_else(present: Installation, cloud: int, hands: Clock) -> None:
    history(present, cloud, hands)
    watched(present, cloud, hands, 5 * HOUR)
    hands.forward(1)
    note_failure(present, cloud, SignedOut("the password"))
    assert line(present.ledger).state == health.SIGNED_OUT
    assert told(present) == set()
    hands.forward(1)
    note_failure(present, cloud, ProviderDown("nobody answers"))
    assert line(present.ledger).state == health.UNREACHABLE


def test_arrivals_are_learned_as_they_come(present: Installation, cloud: int, hands: Clock) -> None:
    note_contact(present, cloud)
    comes(present, cloud, hands)
    for seconds in (1, 2, 50, 10):  # and one more for each
        watched(present, cloud, hands, seconds)
        comes(present, cloud, hands)
    with present.ledger.reading() as session:
        [row] = session.scalars(select(Pulse))
        # What comes within five seconds is one arrival.
        assert (row.arrivals, row.longest) == (4, 51)


def test_what_is_learned_is_kept_for_two_weeks(present: Installation, cloud: int, hands: Clock) -> None:
    history(present, cloud, hands, 13)
    before = count(present.ledger, Pulse)
    hands.forward(7 * DAY)
    with present.ledger.transaction() as session:
        pulse.forget(session, clock.now())
    assert before - count(present.ledger, Pulse) == 6 * 24


def test_an_alert_opens_and_closes_with_the_news(present: Installation, cloud: int, hands: Clock) -> None:
    history(present, cloud, hands)
    watched(present, cloud, hands, 2 * HOUR)
    told(present)
    all_the_way(present)
    with present.ledger.reading() as session:
        incident = session.scalars(select(Incident)).one()
        assert (incident.kind, incident.ref, incident.state) == ("provider", "lab", "open")
    comes(present, cloud, hands)
    told(present)
    all_the_way(present)
    with present.ledger.reading() as session:
        assert session.scalars(select(Incident.state)).one() == "closed"


def test_a_gap_is_told_once_and_again_when_it_is_filled(present: Installation, cloud: int, hands: Clock) -> None:
    note_contact(present, cloud)
    now = clock.now()
    with present.ledger.transaction() as session:
        gap = Gap(provider_id=cloud, from_at=now, until_at=now, found_at=now, why="a test", state=gaps.FOUND)
        session.add(gap)
    assert line(present.ledger).state == health.GAP
    assert len(told(present)) == 1
    assert told(present) == set()
    with present.ledger.transaction() as session:
        session.execute(update(Gap).values(state=gaps.FILLED, stored=3))
    assert line(present.ledger).state == health.CONNECTED
    assert "filled with 3 events" in line(present.ledger).gaps[0].told()
    assert len(told(present)) == 1
    assert raised(present.ledger) == ["source_gap", "source_receiving"]


def test_a_gap_that_cannot_be_filled_is_the_state_for_a_day(present: Installation, cloud: int, hands: Clock) -> None:
    note_contact(present, cloud)
    now = clock.now()
    with present.ledger.transaction() as session:
        session.add(Gap(provider_id=cloud, from_at=now, until_at=now, found_at=now, why="a test", state=gaps.LOST))
    assert line(present.ledger).state == health.GAP
    watched(present, cloud, hands, DAY)
    assert line(present.ledger).state == health.CONNECTED


@only_postgresql
def test_of_sweeps_that_find_the_news_at_once_one_tells_it(present: Installation, cloud: int, hands: Clock) -> None:
    history(present, cloud, hands)
    watched(present, cloud, hands, 2 * HOUR)
    now = clock.now()
    with present.ledger.transaction() as session:
        session.add(Gap(provider_id=cloud, from_at=now, until_at=now, found_at=now, why="a test", state=gaps.FOUND))
    gate, faults = threading.Barrier(4), list[BaseException]()

    def run() -> None:
        try:
            gate.wait(20)
            told(present)
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(raised(present.ledger)) == ["source_gap", "source_quiet"]
    exact(present.ledger)
