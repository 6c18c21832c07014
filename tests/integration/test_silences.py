"""A silence keeps an alert from notifying, whichever worker meets the event; its incident is there all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tasks.ledger.effects import Effect
from tasks.ledger.incidents import Incident
from tasks.ledger.session import Ledger
from tasks.ledger.silences import Silence
from tests.ground import START, Clock, all_the_way, caught, installed, notice, provider, site

ALERTS = """
alerts:
- {name: down, severity: error, target: server, on: [vm_poweroff], delay: 0s, notify: [{log: {message: it is off}}]}
"""


def silence(ledger: Ledger, hours: float = 1, starts: float = 0, **what: Any) -> None:
    with ledger.transaction() as session:
        begins = START + timedelta(hours=starts)
        until = begins + timedelta(hours=hours)
        session.add(Silence(starts_at=begins, ends_at=until, made_by="erin", comment="x", **what))


@pytest.mark.parametrize(
    ("what", "covers"),
    [
        ({"alert": "down"}, True),
        ({"alert": "d*"}, True),
        ({"kind": "server", "ref": "s*"}, True),
        ({"severity": "error", "provider": "lab"}, True),
        ({"alert": "up"}, False),
        ({"kind": "volume"}, False),
        ({"severity": "info"}, False),
        ({"provider": "other"}, False),
        ({"alert": "down", "starts": 2}, False),
        ({"alert": "down", "starts": -5}, False),
    ],
)
def test_what_a_silence_covers(ledger: Ledger, hands: Clock, what: dict[str, Any], covers: bool) -> None:
    present, lab = installed(ledger, site(alerts=ALERTS)), provider(ledger)
    silence(ledger, **what)
    caught(present, lab, notice())
    all_the_way(present)
    with ledger.reading() as session:
        assert len(session.scalars(select(Effect)).all()) == (0 if covers else 1)
        assert [i.state for i in session.scalars(select(Incident))] == ["open"]


def test_when_it_is_over_the_next_firing_notifies(ledger: Ledger, hands: Clock) -> None:
    present, lab = installed(ledger, site(alerts=ALERTS)), provider(ledger)
    silence(ledger, alert="down")
    caught(present, lab, notice())
    all_the_way(present)
    hands.forward(3601)
    caught(present, lab, notice(seconds=3601))
    all_the_way(present)
    with ledger.reading() as session:
        assert len(session.scalars(select(Effect)).all()) == 1
        assert session.scalars(select(Incident.count)).one() == 2
