"""How long a reading has to be beyond its threshold, and what breaks the run (spec policy-alerts 5.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.alert.handle import alert_handler
from tasks.alert.reading import HOLDS, OPEN, OVER, ReadingLimit, judge
from tasks.model.event import Event, Normalised
from tests.unit.alert.test_alert_handler import SERVER, FakeView, view

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOT = ReadingLimit("cpu", ">", 90, timedelta(minutes=10))


def at(*points: tuple[float, float]) -> list[tuple[datetime, float]]:
    """Readings, each given as minutes before now and a value."""
    return [(NOW - timedelta(minutes=minutes), value) for minutes, value in points]


@pytest.mark.parametrize(
    ("points", "state", "held"),
    [
        ([], OPEN, 0),
        ([(10, 95), (5, 95), (0, 95)], HOLDS, 10),
        ([(11, 95), (6, 95), (1, 95)], HOLDS, 11),
        ([(9.9, 95), (5, 95), (0, 95)], OPEN, 9.9),
        # The value at the beginning of the span is that of the reading before it.
        ([(11, 80), (9, 95), (5, 95), (0, 95)], OPEN, 9),
        ([(10, 95), (5, 90), (0, 95)], OPEN, 0),
        ([(10, 95), (5, 95), (0, 90)], OVER, 0),
        # A gap that is longer than half the span.
        ([(12, 95), (6.9, 95), (3, 95), (0, 95)], OPEN, 6.9),
        ([(10, 95), (5.1, 95)], OPEN, 0),
        ([(15, 95), (10, 95), (5, 95)], HOLDS, 15),
        ([(0, 95)], OPEN, 0),
    ],
)
def test_readings_hold_where_an_unbroken_run_reaches_back_to_the_beginning_of_the_span(
    points: list[tuple[float, float]], state: str, held: float
) -> None:
    run = judge(HOT, at(*points), NOW)
    assert (run.state, run.held) == (state, timedelta(minutes=held))
    assert run.found == (points[-1][1] if points else None)


@pytest.mark.parametrize(
    ("word", "value", "matches"),
    [(">", 1.0, False), (">=", 1.0, True), ("<", 1.0, False), ("<=", 1.0, True), ("=", 1.0, True), ("=", 1.1, False)],
)
def test_without_a_span_the_newest_reading_decides(word: str, value: float, matches: bool) -> None:
    run = judge(ReadingLimit("x", word, 1.0, timedelta()), at((5, 0), (1, value)), NOW)
    assert run.state == (HOLDS if matches else OVER)


def received(name: str = "cpu") -> Event:
    told = Normalised("reading_received", name, "m1", NOW, *SERVER)
    return Event(7, "cloud", "POLICY", "MiqEvent", told, {}, plan={"enforce": False, "targets": []})


ALERT = """
alerts:
- name: hot
  target: server
  reading: {name: cpu, value: 90, for: 10m}
  %s
- {name: any, on: ["*"]}
"""
HELD = at((10, 95), (5, 95), (0, 95))


def asked(points: list[tuple[datetime, float]], *, when: str = "severity: error", open_: bool = False) -> FakeView:
    found = view(ALERT % when, now=NOW, measured={"cpu": points})
    if open_:
        found.notified["hot", "cloud", SERVER] = NOW - timedelta(hours=1)
    return found


def test_alert_fires_with_the_reading_that_decided_it_and_no_other_alert_answers() -> None:
    outcome = alert_handler(received(), asked(HELD))
    assert [(f.name, f.verdict) for f in outcome.findings] == [("hot", "fired")]
    assert outcome.findings[0].detail == {
        "reading": "cpu",
        "found": 95,
        "expected": "> 90",
        "for": "10 min",
        "held": "10 min",
    }
    assert [firing.alert for firing in outcome.firings] == ["hot"]
    assert alert_handler(received("memory"), asked(HELD)).findings == []


def test_reading_that_is_well_again_ends_the_incident_and_silence_does_not() -> None:
    well = alert_handler(received(), asked(at((5, 95), (0, 80)), open_=True))
    assert [f.verdict for f in well.findings] == ["not fired", "resolved"]
    assert [(r.alert, r.target) for r in well.resolutions] == [("hot", SERVER)]
    for points in ([], at((10, 95), (5.1, 95)), at((5, 80), (0, 95))):
        unclear = alert_handler(received(), asked(points, open_=True))
        assert ([f.verdict for f in unclear.findings], unclear.resolutions) == (["not fired"], [])
    assert alert_handler(received(), asked(at((0, 80)))).resolutions == []


def test_condition_beside_the_reading_has_to_hold_as_well() -> None:
    when = "when: {field: server.status, is: %s}"
    assert len(alert_handler(received(), asked(HELD, when=when % "SHUTOFF")).firings) == 1
    elsewhere = alert_handler(received(), asked(HELD, when=when % "ACTIVE", open_=True))
    assert (elsewhere.firings, len(elsewhere.resolutions)) == ([], 1)
    assert elsewhere.findings[0].detail["condition"]["found"] == "SHUTOFF"
