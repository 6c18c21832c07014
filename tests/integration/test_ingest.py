"""Catch stores every notification once, with its cursor, and counts what became of it."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.catch import lease
from tasks.catch.ingest import Ingest
from tasks.ledger.events import DeadLetter, Event, Place, Sighting
from tasks.ledger.events import Notification as Kept
from tasks.ledger.providers import Cursor, Provider
from tasks.ledger.session import Ledger
from tasks.model import clock
from tasks.model.errors import LeaseLost
from tasks.model.event import Identity, Message, Notification
from tasks.providers.openstack.converter import OpenStackConverter
from tests.ground import (
    REQUEST,
    START,
    Clock,
    all_the_way,
    caught,
    content,
    count,
    errors,
    exact,
    ingest,
    installed,
    notice,
    only_postgresql,
    provider,
    standing,
    sums,
    take,
    versioned,
)


def test_message_is_stored_once_within_a_batch_and_across_batches(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    again = notice(message_id="a")
    assert caught(present, lab, again, again, notice(message_id="b")).duplicate == 1
    second = caught(present, lab, again, notice(message_id="c"))
    assert (second.received, second.stored, second.duplicate) == (2, 1, 1)
    assert sums(ledger) == (5, 3, 2, 0)
    assert count(ledger, Event) == count(ledger, Kept) == count(ledger, Place) == 3


def test_redelivery_after_an_event_is_finished_is_a_duplicate(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice("image.update", None, message_id="a"))
    all_the_way(present)
    stored = caught(present, lab, notice("image.update", None, message_id="a"))
    assert (stored.stored, stored.duplicate, stored.lanes) == (0, 1, set())
    assert standing(ledger) == {"a": "finished"}
    assert exact(ledger)["lab"].finished == 1


def test_same_message_id_of_two_providers_is_two_events(ledger: Ledger) -> None:
    present, lab, other = installed(ledger), provider(ledger), provider(ledger, "other")
    caught(present, lab, notice(message_id="a"))
    Ingest(ledger, present.site.settings, "other", other, OpenStackConverter(), frozenset()).store(
        [notice(message_id="a")], None, "amqp"
    )
    assert count(ledger, Event) == 2
    assert sums(ledger, "other") == (1, 1, 0, 0)


@pytest.mark.parametrize("together", [True, False])
def test_twins_are_one_event_with_one_sighting(ledger: Ledger, together: bool) -> None:
    present, lab = installed(ledger), provider(ledger)
    plain = notice(message_id="plain", _context_request_id=REQUEST)
    twin = versioned(message_id="twin", seconds=0.2, _context_request_id=REQUEST)
    for batch in [[plain, twin]] if together else [[plain], [twin]]:
        caught(present, lab, *batch)
    assert list(standing(ledger)) == ["plain"]
    with ledger.reading() as session:
        [sighting] = session.scalars(select(Sighting)).all()
        assert (sighting.message_id, sighting.raw_event_type) == ("twin", "instance.power_off.end")
        assert sighting.event_id == session.scalar(select(Event.id))
    assert sums(ledger) == (2, 1, 1, 0)
    # Either half again, together or alone, stays what it was.
    caught(present, lab, twin)
    caught(present, lab, plain, twin)
    assert sums(ledger) == (5, 1, 4, 0)
    assert count(ledger, Sighting) == 1


def test_fact_that_is_repeated_for_real_is_two_events(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    twins = [
        [
            notice(message_id=f"plain{n}", seconds=n, _context_request_id=REQUEST),
            versioned(message_id=f"twin{n}", seconds=n + 0.1, _context_request_id=REQUEST),
        ]
        for n in (0, 1)
    ]
    caught(present, lab, twins[0][0], twins[1][0], twins[0][1], twins[1][1])
    assert set(standing(ledger)) == {"plain0", "plain1"}
    with ledger.reading() as session:
        paired = select(Event.message_id, Sighting.message_id).join(Sighting, Sighting.event_id == Event.id)
        assert set(session.execute(paired)) == {("plain0", "twin0"), ("plain1", "twin1")}
    # The same kind twice is never a twin, and what is far apart is not either.
    caught(present, lab, notice(message_id="plain2", seconds=1.5, _context_request_id=REQUEST))
    caught(present, lab, versioned(message_id="twin2", seconds=60, _context_request_id=REQUEST))
    assert set(standing(ledger)) == {"plain0", "plain1", "plain2", "twin2"}
    assert sums(ledger) == (6, 4, 2, 0)


@pytest.mark.corpus
def test_captured_twins_of_nova_are_one_event_each(ledger: Ledger, corpus: Any) -> None:
    lines = [json.loads(line) for line in (corpus / "openstack/notifications.jsonl").read_text().splitlines()]
    bodies = [Notification(line["body"].encode(), "bus") for line in lines if line["exchange"] == "nova"]
    read = [OpenStackConverter().identify(m) for n in bodies for m in OpenStackConverter().unwrap(n.body)]
    variants: dict[str, set[str]] = {}
    for identity in read:
        if identity.twin:
            variants.setdefault(identity.twin, set()).add(identity.variant)
    pairs = [twin for twin, found in variants.items() if len(found) == 2]
    present, lab = installed(ledger), provider(ledger)
    stored = caught(present, lab, *bodies)
    assert pairs
    assert stored.duplicate == count(ledger, Sighting) >= len(pairs)
    assert stored.stored + stored.duplicate == stored.received == len(read)
    assert caught(present, lab, *reversed(bodies)).stored == 0
    exact(ledger)


UNREADABLE = {
    "no JSON": (b"{not json", "not JSON"),
    "not UTF-8": (b'{"event_type": "\xff\xfe"}', "UTF-8"),
    "a list": (b"[1, 2]", "no object"),
    "no notification": (b'{"hello": 1}', "not a notification"),
    "too deep": (b'{"payload":' * 5000 + b"1" + b"}" * 5000, "deep"),
    "no number": (b'{"event_type": "a", "payload": {"size": NaN}}', "JSON"),
    "a huge number": (b'{"event_type": "a", "payload": {"size": 1' + b"0" * 60 + b"}}", "128 bits"),
    "nothing": (b"", "JSON"),
    "NUL": (b"\x00\x00", "JSON"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_unreadable_notification_is_kept_dead_with_its_reason(ledger: Ledger, what: str) -> None:
    body, reason = UNREADABLE[what]
    present, lab = installed(ledger), provider(ledger)
    stored = caught(present, lab, notice(message_id="good"), Notification(body, "bus"), notice(message_id="too"))
    assert (stored.stored, stored.rejected) == (3, 0)
    [(message_id, error)] = errors(ledger).items()
    assert message_id.startswith("sha256:")
    assert reason in error
    assert standing(ledger)["good"] == standing(ledger)["too"] == "convert"
    assert exact(ledger)["lab"].dead == 1
    # The same again is the same, not a second letter.
    assert caught(present, lab, Notification(body, "bus")).duplicate == 1
    assert count(ledger, DeadLetter) == 1


@pytest.mark.parametrize("as_text", [False, True])
def test_oversize_notification_is_kept_cut(ledger: Ledger, as_text: bool) -> None:
    present, lab = installed(ledger, catch={"body_limit_bytes": 1024}), provider(ledger)
    # The limit is in bytes, whatever the monitor hands over.
    text = json.dumps(content(payload={"note": "é" * 600}), ensure_ascii=False)
    assert len(text) < 1200 < len(text.encode())
    caught(present, lab, Notification(text if as_text else text.encode(), "bus"))
    with ledger.reading() as session:
        kept = json.loads(session.scalars(select(Kept.content)).one())["body"]
        [error] = session.scalars(select(DeadLetter.error)).all()
    assert len(kept.encode()) <= 1024 + 3
    assert text.startswith(kept.rstrip("\ufffd"))
    assert str(len(text.encode())) in error
    assert "catch.body_limit_bytes" in error
    assert exact(ledger)["lab"].dead == 1


def test_secret_in_an_unreadable_notification_is_not_kept(ledger: Ledger) -> None:
    present, lab = installed(ledger, catch={"body_limit_bytes": 1024}), provider(ledger)
    broken = b'{"event_type": "a", "payload": {"admin_pass": "hunter2", '
    endless = b'{"note": "' + b"x" * 980 + b'", "token": "0123456789012345678901234567890123456789' + b"y" * 100 + b'"}'
    caught(present, lab, Notification(broken, "bus"), Notification(endless, "bus"))
    with ledger.reading() as session:
        kept = session.scalars(select(Kept.content)).all()
    assert len(kept) == 2
    assert all("***" in text and "hunter2" not in text and "0123" not in text for text in kept)


HOSTILE: dict[str, dict[str, Any]] = {
    "NUL in the id": {"message_id": "a\x00b"},
    "lone surrogate in the id": {"message_id": "a\ud800b"},
    "NUL in the type": {"event_type": "compute.\x00"},
    "the first year": {"timestamp": "0001-01-01T00:00:00"},
    "the first year, elsewhere": {"timestamp": "0001-01-01T00:00:00+14:00"},
    "the last year": {"timestamp": "9999-12-31T23:59:59.999999"},
    "no time": {"timestamp": {"a": 1}},
    "no payload": {"payload": None},
    "a list for a payload": {"payload": [1, "\x00"]},
    "everything twice as strange": {"message_id": ["x"], "publisher_id": 7, "priority": None, "timestamp": ""},
    "NUL in a name": {"payload": {"instance_id": "s\x001", "display_name": "\x00\udfff"}},
    "an endless id": {"message_id": "x" * 5000},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_message_ends_finished_or_dead_and_hurts_no_neighbour(ledger: Ledger, what: str) -> None:
    present, lab = installed(ledger), provider(ledger)
    strange = {**content(), **HOSTILE[what]}
    stored = caught(present, lab, notice(message_id="one"), Notification(strange, "api"), notice(message_id="two"))
    assert stored.stored == 3
    all_the_way(present)
    line = exact(ledger)["lab"]
    assert (line.pending, line.finished + line.dead) == (0, 3)
    assert standing(ledger)["one"] == standing(ledger)["two"] == "finished"
    assert all(errors(ledger).values())


class Careless(OpenStackConverter):
    """A converter that lets pass what no database takes, as one of an installed package may."""

    def identify(self, message: Message) -> Identity:
        found = super().identify(message)
        if message.content["event_type"] == "raise.it":
            raise KeyError("uuid")
        if message.content["event_type"] == "strange.id":
            return Identity("nul \x00 and \ud800", "x", "x", found.occurred_at)
        return found

    def unwrap(self, body: bytes | str | dict[str, Any]) -> list[Message]:
        [message] = super().unwrap(body)
        if message.content["event_type"] == "strange.content":
            message.content["payload"] = {"size": float("nan")}
        return [message]


@pytest.mark.parametrize("fault", ["raise.it", "strange.id", "strange.content"])
def test_message_that_a_converter_or_the_ledger_chokes_on_is_quarantined_alone(ledger: Ledger, fault: str) -> None:
    present, lab = installed(ledger), provider(ledger)
    store = Ingest(ledger, present.site.settings, "lab", lab, Careless(), frozenset())
    batch = [notice(message_id="one"), notice(fault, message_id="bad"), notice(message_id="two")]
    stored = store.store(batch, {"page": 1}, "amqp")
    assert (stored.received, stored.stored, stored.duplicate) == (3, 3, 0)
    [error] = errors(ledger).values()
    assert error
    assert standing(ledger)["one"] == standing(ledger)["two"] == "convert"
    assert exact(ledger)["lab"].dead == 1
    with ledger.reading() as session:
        assert session.get_one(Cursor, (lab, "amqp")).value == {"page": 1}
    assert store.store(batch, None, "amqp").duplicate == 3
    exact(ledger)


def test_ignored_type_is_rejected_and_not_kept(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    stored = caught(present, lab, notice("identity.authenticate", None), notice(message_id="a"))
    assert (stored.received, stored.stored, stored.rejected) == (2, 1, 1)
    assert sums(ledger) == (2, 1, 0, 1)
    assert count(ledger, Event) == 1


def test_body_with_several_events_counts_each(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    element = {"event_type": "image.update", "generated": "2031-05-04T11:00:00", "traits": [], "raw": {}}
    batch = {"event_type": "event", "payload": [{**element, "message_id": name} for name in ("a", "b", "a")]}
    assert caught(present, lab, Notification(batch, "bus")).received == 3
    assert sums(ledger) == (3, 2, 1, 0)


def test_cursor_and_contact_are_written_with_the_events(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger, failure="was down")
    hands.forward(5)
    ingest(present, lab).store([notice(seconds=-3)], {"after": "x", "page": 2}, "panko")
    hands.forward(5)
    ingest(present, lab).store([], {"after": "y"}, "panko")
    with ledger.reading() as session:
        cursor = session.get_one(Cursor, (lab, "panko"))
        assert (cursor.value, cursor.moved_at) == ({"after": "y"}, hands.now)
        row = session.get_one(Provider, lab)
        assert (row.contact_at, row.monitor, row.failure) == (hands.now, "panko", None)
        assert row.event_at == START - timedelta(seconds=3)


def test_older_batch_does_not_turn_back_the_time_of_the_newest_event(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(seconds=50))
    caught(present, lab, notice(seconds=10))
    with ledger.reading() as session:
        assert session.get_one(Provider, lab).event_at == START + timedelta(seconds=50)


@pytest.mark.parametrize("where", ["_insert", "_move"])
def test_failure_on_the_way_rolls_back_events_and_cursor(
    ledger: Ledger, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    present, lab = installed(ledger), provider(ledger)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(Ingest, where, fail)
        with pytest.raises(OSError, match="full"):
            ingest(present, lab).store([notice(message_id="a")], {"page": 1}, "amqp")
    assert count(ledger, Event) == count(ledger, Cursor) == count(ledger, Place) == 0
    assert sums(ledger) == (0, 0, 0, 0)
    assert ingest(present, lab).store([notice(message_id="a")], {"page": 1}, "amqp").stored == 1
    assert sums(ledger) == (1, 1, 0, 0)


def test_catch_whose_lease_was_lost_stores_nothing(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger), provider(ledger)
    with ledger.transaction() as session:
        assert lease.take(session, lab, "first", clock.now(), 10)
        assert not lease.take(session, lab, "second", clock.now(), 10)
    hands.forward(11)
    with ledger.transaction() as session:
        assert lease.take(session, lab, "second", clock.now(), 10)
    with pytest.raises(LeaseLost, match="lab"):
        ingest(present, lab).store([notice(message_id="a")], {"page": 1}, "amqp", "first")
    assert count(ledger, Event) == count(ledger, Cursor) == 0
    assert sums(ledger) == (0, 0, 0, 0)
    assert ingest(present, lab).store([notice(message_id="a")], {"page": 1}, "amqp", "second").stored == 1
    with ledger.transaction() as session:
        lease.release(session, lab, "first")
        assert not lease.take(session, lab, "third", clock.now(), 10)
        lease.release(session, lab, "second")
        assert lease.take(session, lab, "third", clock.now(), 10)


def _late(ledger: Ledger) -> dict[str, bool]:
    with ledger.reading() as session:
        return {row.message_id: row.late for row in session.execute(select(Event.message_id, Event.late))}


def test_event_is_late_when_its_object_has_gone_past_it(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="later", seconds=60))
    # Its object has a later event, but that one has not been handled yet: order can still be kept.
    caught(present, lab, notice(message_id="in time", seconds=30))
    take(present, "convert")
    caught(
        present,
        lab,
        notice(message_id="late", seconds=10),
        notice(message_id="newer", seconds=61),
        notice(message_id="other object", server="s2", seconds=10),
        notice("image.update", None, message_id="no object", seconds=10),
    )
    assert {name for name, late in _late(ledger).items() if late} == {"late"}


def test_event_is_late_after_a_later_one_was_finished(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    caught(present, lab, notice(message_id="later", seconds=60))
    all_the_way(present)
    caught(present, lab, notice(message_id="late", seconds=10))
    assert _late(ledger)["late"]
    all_the_way(present)
    assert standing(ledger)["late"] == "finished"


@only_postgresql
def test_two_ingests_of_the_same_messages_at_once_store_them_once(ledger: Ledger) -> None:
    present, lab = installed(ledger), provider(ledger)
    batch = [
        made
        for n in range(40)
        for made in (
            notice(server=f"s{n}", message_id=f"plain{n}", _context_request_id=f"req-{n}"),
            versioned(server=f"s{n}", message_id=f"twin{n}", _context_request_id=f"req-{n}"),
        )
    ]
    gate, results = threading.Barrier(4), []

    def store(mine: list[Notification]) -> None:
        gate.wait()
        for start in range(0, len(mine), 10):
            results.append(caught(present, lab, *mine[start : start + 10]))

    threads = [threading.Thread(target=store, args=(b,)) for b in (batch, batch[::-1], batch[40:] + batch[:40], batch)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 32
    assert sum(r.stored for r in results) == count(ledger, Event) == count(ledger, Sighting) == 40
    assert sums(ledger) == (320, 40, 280, 0)
