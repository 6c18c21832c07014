"""The figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.web.web_ground import Ground, standing


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


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
