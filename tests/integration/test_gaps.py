"""Time in which nobody listened to a bus is noted, and filled once from the provider's event API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from examples.cloud.event_store import EventStore
from examples.cloud.running import Cloud, clouds_yaml
from examples.cloud.telemetry import TelemetryEvent
from examples.cloud.world import World
from tasks.catch import fill as filling
from tasks.catch.absence import SETTLE, note_absence
from tasks.catch.fill import Filled, fill
from tasks.catch.ingest import Ingest
from tasks.catch.poll import note_contact, note_failure
from tasks.catch.task import tick
from tasks.conveyor.installation import Installation
from tasks.conveyor.prune import expire
from tasks.ledger import gaps, health
from tasks.ledger.events import Event
from tasks.ledger.gaps import Gap
from tasks.ledger.providers import Cursor, Provider
from tasks.ledger.pulse import Pulse
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import ProviderDown
from tasks.providers.contracts import ProviderConfig
from tasks.providers.openstack.amqp_monitor import AmqpMonitor
from tasks.providers.openstack.converter import OpenStackConverter
from tasks.providers.openstack.options import OpenStackOptions
from tasks.providers.table import kinds
from tasks.site.signin import SignIn
from tests.ground import Clock, Rung, caught, count, exact, installed, notice, provider, site
from tests.rabbit_ground import Bus


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    world = World(seed=3)
    world.events = EventStore()
    with Cloud(world) as running:
        yield running


@pytest.fixture
def present(cloud: Cloud, tmp_path: Path, ledger: Ledger, hands: Clock) -> Installation:
    file = tmp_path / "clouds.yaml"
    file.write_text(clouds_yaml(cloud.url) + "    api_timeout: 2\n")
    options = OpenStackOptions(cloud="demo", monitor="amqp", inventory="none", page_limit=3)
    lab = ProviderConfig("lab", "openstack", options, SignIn("demo", file))
    return installed(ledger, site(providers=[lab], catch={"batch": 3}))


@pytest.fixture
def known(ledger: Ledger, present: Installation) -> int:
    return provider(ledger)


def back(present: Installation, known: int, *, kept: bool = True) -> None:
    """A monitor of the bus is connected again."""
    monitor: Any = SimpleNamespace(push=True, kept=kept)
    note_absence(present, present.site.providers["lab"], known, monitor)


def away(present: Installation, known: int, hands: Clock, seconds: float = 600) -> datetime:
    """The broker is away for so long; returns when that began."""
    note_contact(present, known)
    began = clock.now()
    hands.forward(1)
    note_failure(present, known, ProviderDown("no broker takes a connection"))
    hands.forward(seconds - 1)
    back(present, known)
    return began


def happen(cloud: Cloud, name: str, moment: datetime) -> None:
    traits = {"instance_id": ("string", f"server-{name}"), "tenant_id": ("string", "p1")}
    generated = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
    cloud.world.events.add(TelemetryEvent(name, "compute.instance.power_off.end", generated, traits))


def listed(ledger: Ledger) -> list[Gap]:
    with ledger.reading() as session:
        found = list(session.scalars(select(Gap).order_by(Gap.id)))
        session.expunge_all()
    return found


def only(ledger: Ledger) -> Gap:
    [gap] = listed(ledger)
    return gap


def filled(present: Installation) -> Filled:
    return fill(present, only(present.ledger).id, lambda _: None)


def due(present: Installation) -> list[int]:
    with present.ledger.reading() as session:
        return gaps.due(session, clock.now())


def names(ledger: Ledger) -> list[str]:
    with ledger.reading() as session:
        return list(session.scalars(select(Event.message_id).where(~Event.raised).order_by(Event.message_id)))


def test_an_outage_of_the_broker_is_noted_once_from_the_last_contact_on(
    present: Installation, known: int, hands: Clock
) -> None:
    began = away(present, known, hands)
    back(present, known)
    gap = only(present.ledger)
    assert (gap.from_at, gap.until_at, gap.state, gap.kept) == (began, clock.now(), gaps.FOUND, False)
    assert "no broker takes a connection" in gap.why
    with present.ledger.reading() as session:
        [line] = health.providers(session, clock.now())
    assert (line.state, len(line.gaps)) == (health.GAP, 1)


def test_a_short_absence_is_no_gap_unless_the_queue_is_gone(present: Installation, known: int, hands: Clock) -> None:
    back(present, known, kept=False)
    assert listed(present.ledger) == [], "a new provider has missed nothing"
    hands.forward(60)
    back(present, known)
    assert listed(present.ledger) == []
    hands.forward(2)
    back(present, known, kept=False)
    gap = only(present.ledger)
    assert (gap.until_at - gap.from_at, gap.kept) == (timedelta(seconds=2), False)
    assert "queue" in gap.why


def test_a_source_that_has_a_cursor_misses_nothing(present: Installation, known: int, hands: Clock) -> None:
    note_contact(present, known)
    hands.forward(3600)
    monitor: Any = SimpleNamespace(push=False)
    note_absence(present, present.site.providers["lab"], known, monitor)
    assert listed(present.ledger) == []


def test_outages_that_follow_each_other_are_one_gap(present: Installation, known: int, hands: Clock) -> None:
    began = away(present, known, hands)
    hands.forward(120)
    away(present, known, hands)
    gap = only(present.ledger)
    assert (gap.from_at, gap.until_at) == (began, clock.now())
    note_contact(present, known)
    with present.ledger.transaction() as session:
        session.execute(update(Provider).values(contact_at=clock.now() + timedelta(minutes=11)))
    hands.forward(661)
    away(present, known, hands)
    assert len(listed(present.ledger)) == 2


def test_a_gap_is_filled_page_by_page_with_what_is_missing(
    present: Installation, known: int, hands: Clock, cloud: Cloud
) -> None:
    began = away(present, known, hands)
    for number in range(8):
        happen(cloud, f"in-{number}", began + timedelta(seconds=60 * number))
    happen(cloud, "before", began - timedelta(hours=1))
    for number in range(4):
        happen(cloud, f"past-{number}", clock.now() + timedelta(seconds=50 + number))
    caught(present, known, notice(message_id="in-3", seconds=180))
    with present.ledger.reading() as session:
        before = session.scalars(select(Pulse.arrivals)).all(), session.scalars(select(Provider.monitor)).all()
    assert due(present) == []
    hands.forward(SETTLE.total_seconds())
    assert due(present) == [only(present.ledger).id]
    assert filled(present) == Filled(8)
    gap = only(present.ledger)
    assert (gap.state, gap.road, gap.stored, gap.seen, gap.due_at) == (gaps.FILLED, "panko", 8, 9, None)
    # The page that leads past the end of the gap is the last one.
    assert names(present.ledger) == [*(f"in-{number}" for number in range(8)), "past-0"]
    assert due(present) == []
    assert filled(present) == Filled()
    with present.ledger.reading() as session:
        # What comes so is no news of the present, and moves no cursor of the provider.
        after = session.scalars(select(Pulse.arrivals)).all(), session.scalars(select(Provider.monitor)).all()
    assert (after, count(present.ledger, Cursor)) == (before, 0)
    exact(present.ledger)


def test_filling_goes_on_where_it_was_when_a_worker_died(
    present: Installation, known: int, hands: Clock, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = away(present, known, hands)
    for number in range(9):
        happen(cloud, f"in-{number}", began + timedelta(seconds=60 * number))
    hands.forward(60)
    reached = iter([None, RuntimeError("killed")])

    def die(name: str) -> None:
        if name == "fill.between" and (error := next(reached)) is not None:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(filling.failpoints, "reach", die)
        with pytest.raises(RuntimeError):
            filled(present)
    assert (only(present.ledger).stored, only(present.ledger).state) == (6, gaps.FILLING)
    assert filled(present) == Filled(), "its lease has not run out"
    hands.forward(200)
    requests = cloud.requests["GET /v2/events"]
    assert filled(present) == Filled(3)
    assert only(present.ledger).stored == 9
    assert names(present.ledger) == [f"in-{number}" for number in range(9)]
    assert cloud.requests["GET /v2/events"] - requests <= 6
    exact(present.ledger)


def test_of_two_workers_one_fills_and_one_that_lost_the_gap_stores_nothing_more(
    present: Installation, known: int, hands: Clock, cloud: Cloud
) -> None:
    began = away(present, known, hands)
    for number in range(6):
        happen(cloud, f"in-{number}", began + timedelta(seconds=60 * number))
    hands.forward(60)
    gap_id, others = only(present.ledger).id, []

    def meanwhile(lanes: set[int]) -> None:
        if not others:
            others.append(fill(present, gap_id, lambda _: None))
            hands.forward(500)
            others.append(fill(present, gap_id, lambda _: None))

    mine = fill(present, gap_id, meanwhile)
    assert others == [Filled(), Filled(3)]
    assert mine == Filled(3)
    gap = only(present.ledger)
    assert (gap.state, gap.stored, gap.seen) == (gaps.FILLED, 6, 6)
    exact(present.ledger)


def test_a_gap_that_grows_while_it_is_filled_is_read_to_its_new_end(
    present: Installation, known: int, hands: Clock, cloud: Cloud
) -> None:
    began = away(present, known, hands)
    for number in range(4):
        happen(cloud, f"in-{number}", began + timedelta(seconds=60 * number))
    hands.forward(60)

    def again(lanes: set[int]) -> None:
        if len(names(present.ledger)) == 3:
            later = away(present, known, hands)
            happen(cloud, "later", later + timedelta(seconds=60))

    fill(present, only(present.ledger).id, again)
    assert only(present.ledger).state == gaps.FOUND
    hands.forward(60)
    filled(present)
    assert only(present.ledger).state == gaps.FILLED
    assert names(present.ledger) == ["in-0", "in-1", "in-2", "in-3", "later"]


def test_an_event_api_that_does_not_answer_is_asked_again_with_longer_pauses_for_a_day(
    present: Installation, known: int, hands: Clock, cloud: Cloud
) -> None:
    began = away(present, known, hands)
    happen(cloud, "in", began + timedelta(seconds=5))
    hands.forward(60)
    cloud.faults.answer(503, times=1000, path="/v2/events")
    pauses = []
    for _ in range(3):
        assert filled(present) == Filled()
        gap = only(present.ledger)
        assert gap.state == gaps.FILLING
        assert gap.due_at is not None
        pauses.append((gap.due_at - clock.now()).total_seconds())
        hands.forward(pauses[-1])
    assert pauses == [60, 120, 240]
    assert "panko" in (only(present.ledger).note or "")
    hands.forward(24 * 3600)
    filled(present)
    gap = only(present.ledger)
    assert (gap.state, gap.due_at) == (gaps.LOST, None)
    assert names(present.ledger) == []


@pytest.mark.parametrize(("kept", "state"), [(False, gaps.LOST), (True, gaps.KEPT)])
def test_without_an_event_api_a_gap_cannot_be_filled_and_says_so(
    ledger: Ledger, hands: Clock, kept: bool, state: str
) -> None:
    present, known = installed(ledger), provider(ledger)
    note_contact(present, known)
    hands.forward(3600)
    back(present, known, kept=kept)
    hands.forward(60)
    assert filled(present) == Filled()
    gap = only(ledger)
    assert (gap.state, gap.due_at) == (state, None)
    assert "names no cloud" in (gap.note or "")
    note_contact(present, known)
    with ledger.reading() as session:
        [line] = health.providers(session, clock.now())
    # Where the queue has kept what came, nothing is missing.
    assert line.state == (health.CONNECTED if kept else health.GAP)


def test_what_the_catalogue_does_not_have_is_not_asked_for_again(
    present: Installation, known: int, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.providers.openstack.panko_monitor.PankoMonitor.service", "no-such-service")
    monkeypatch.setattr("tasks.providers.openstack.ceilometer_monitor.CeilometerMonitor.service", "nor-this")
    monkeypatch.setattr("tasks.providers.openstack.failures.OPTIONAL", frozenset({"no-such-service", "nor-this"}))
    away(present, known, hands)
    hands.forward(60)
    filled(present)
    assert only(present.ledger).state == gaps.LOST


def test_what_a_source_has_lost_itself_is_a_gap_that_cannot_be_filled(ledger: Ledger, hands: Clock) -> None:
    present, known = installed(ledger), provider(ledger)
    settings, converter = present.site.settings, OpenStackConverter()
    store = Ingest(ledger, settings, "lab", known, converter, frozenset(), {"log.set.back": "the log was set back"})
    store.store([notice()], None, "event_log")
    assert listed(ledger) == []
    began = clock.now()
    hands.forward(600)
    lost = notice("log.set.back", None, message_id="lost")
    store.store([lost], None, "event_log")
    store.store([lost], None, "event_log")
    gap = only(ledger)
    assert (gap.from_at, gap.until_at, gap.state, gap.why, gap.due_at) == (
        began,
        clock.now(),
        gaps.LOST,
        "the log was set back",
        None,
    )
    # A sender may say so of itself: it is believed as an event, and no more.
    store.write(*store.read([notice("log.set.back", None, message_id="pushed")]))
    assert len(listed(ledger)) == 1
    assert set(kinds()["ovirt"].losses) == {"EVENT_LOG_SET_BACK", "EVENTS_MISSED"}


def test_gaps_that_were_over_long_ago_are_forgotten(present: Installation, known: int, hands: Clock) -> None:
    away(present, known, hands)
    with present.ledger.transaction() as session:
        session.execute(update(Gap).values(state=gaps.FILLED, ended_at=clock.now()))
    hands.forward(91 * 24 * 3600)
    away(present, known, hands)
    expire(present.ledger, present.site.settings, clock.now())
    assert only(present.ledger).state == gaps.FOUND


def test_the_tick_has_gaps_filled_that_are_due(
    present: Installation, known: int, hands: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    away(present, known, hands)
    rung = Rung()
    monkeypatch.setattr("tasks.conveyor.launch._send", rung.take)
    monkeypatch.setattr("tasks.conveyor.installation.current", lambda: present)
    tick()
    assert [names for names, _ in rung.chains] == [("catch.poll",)]
    hands.forward(60)
    tick()
    assert (("catch.fill",), only(present.ledger).id) in rung.chains


def test_a_batch_of_a_gap_and_its_cursor_are_stored_together_or_not_at_all(
    present: Installation, known: int, hands: Clock, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = away(present, known, hands)
    happen(cloud, "in", began + timedelta(seconds=5))
    hands.forward(60)

    def fail(*_: Any) -> None:
        raise OSError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(Ingest, "_move", fail)
        with pytest.raises(OSError, match="no answer"):
            filled(present)
    assert (only(present.ledger).stored, names(present.ledger)) == (0, [])


@pytest.mark.service("rabbitmq")
def test_a_monitor_of_the_bus_knows_whether_its_queue_was_kept() -> None:
    with Bus() as bus:
        for prepare, kept in (
            (lambda: None, False),
            (lambda: None, True),
            (lambda: bus.channel.queue_delete(bus.queue), False),
            (lambda: bus.channel.exchange_delete(bus.name), False),
            (lambda: None, True),
        ):
            prepare()
            monitor = AmqpMonitor(bus.provider())
            monitor.start(None)
            monitor.stop()
            assert monitor.kept is kept


@pytest.mark.service("rabbitmq")
def test_a_queue_that_overflowed_has_not_kept_everything() -> None:
    with Bus() as bus:
        monitor = AmqpMonitor(bus.provider(queue_max_length=1000))
        monitor.start(None)
        monitor.stop()
        bus.publish(["{}"] * 999)
        monitor.start(None)
        monitor.stop()
        assert monitor.kept
        bus.publish(["{}", "{}"])
        monitor.start(None)
        monitor.stop()
        assert not monitor.kept


@pytest.mark.service("rabbitmq")
def test_a_queue_that_is_deleted_under_its_consumer_ends_the_connection() -> None:
    with Bus() as bus:
        monitor = AmqpMonitor(bus.provider())
        monitor.start(None)
        assert list(monitor.batches(wait=0.0, limit=5)) == []
        bus.channel.queue_delete(bus.queue)
        with pytest.raises(ProviderDown):
            list(monitor.batches(wait=10.0, limit=5))
        monitor.stop()
