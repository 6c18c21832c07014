"""The figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.ledger.gaps import Gap
from tasks.ledger.providers import Provider
from tasks.ledger.pulse import Pulse
from tests.unit.web.web_ground import NOW, Ground, standing


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


def quiet(ground: Ground) -> None:
    """The provider north has told nothing for two hours, which is not usual, and had a gap that was filled."""
    hour = int(NOW.timestamp()) // 3600
    with ground.ledger.transaction() as session:
        north = session.get_one(Provider, 1)
        north.arrived_at, north.watched_since = NOW - timedelta(hours=2), NOW - timedelta(days=20)
        session.add_all(Pulse(provider_id=1, hour=hour - n, arrivals=1, longest=1200) for n in range(3, 300))
        times = {"from_at": NOW - timedelta(days=2), "until_at": NOW - timedelta(days=1), "found_at": NOW}
        session.add(Gap(provider_id=1, **times, why="a test <b>", state="filled", stored=4, road="panko"))


def test_silence_and_gaps_of_a_provider_are_shown_wherever_its_health_is(ground: Ground) -> None:
    quiet(ground)

    lines = set(ground.client("viewer").get("/metrics").text.splitlines())
    assert lines >= {
        'catchment_provider_state{provider="north",state="suspiciously quiet"} 1.0',
        'catchment_provider_silence_seconds{provider="north"} 7200.0',
        'catchment_provider_silence_limit_seconds{provider="north"} 3600.0',
        'catchment_provider_gaps{provider="north",state="filled"} 1.0',
    }
    page = ground.browser("viewer").get("/").text
    for text in ("suspiciously quiet", "a test &lt;b&gt;: filled with 4 events from panko", "would be too long"):
        assert text in page, text
    north, south = ground.client("viewer").get("/api/v1/providers").json()["items"]
    assert (north["state"], north["silence"], north["silence_limit"]) == ("suspiciously quiet", 7200.0, 3600.0)
    assert (north["gaps"][0]["stored"], south["gaps"], south["silence_limit"]) == (4, [], None)


def test_metrics_tell_the_ledger_as_it_is(ground: Ground) -> None:
    answer = ground.client("viewer").get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = set(answer.text.splitlines())
    assert lines >= {
        'catchment_received_total{provider="north"} 6.0',
        'catchment_pending{provider="north"} 1.0',
        'catchment_dead{provider="north"} 1.0',
        'catchment_finished_total{provider="internal"} 1.0',
        'catchment_balance_exact{provider="south"} 1.0',
        'catchment_stage_pending{stage="policy"} 1.0',
        'catchment_stage_pending{stage="convert"} 0.0',
        'catchment_stage_oldest_due_seconds{stage="policy"} 48.0',
        'catchment_effects{state="dead"} 3.0',
        "catchment_incidents_cannot_notify 1.0",
        'catchment_effects{state="asked"} 0.0',
        'catchment_provider_contact_age_seconds{provider="north"} 5.0',
        'catchment_provider_state{provider="south",state="failing"} 1.0',
        'catchment_mark_age_seconds{mark="sweep"} 3.0',
    }
    assert 'contact_age_seconds{provider="south"}' not in answer.text
    assert ground.client("red").get("/metrics").status_code == 403
