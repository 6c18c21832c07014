"""Lists of incidents: filters, pages, groups, and what belongs to one; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger.incident_lists import GROUPS, Wanted, groups, incidents, muted, tale
from tasks.ledger.incidents import Incident, IncidentNote
from tasks.ledger.session import Ledger
from tests.unit.ledger.query_ground import DIALECTS, add, ago, decision, effect, event, filled_ledger, three_providers


@pytest.fixture(params=DIALECTS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with filled_ledger(request.param, tmp_path) as found:
        with found.transaction() as session:
            three_providers(session)
            add(session, event(1, 700), event(2, tenant_id="blue"), event(3, provider=2))
            add(
                session,
                incident(1, 1, last_at=ago(5), notified_by=1),
                incident(2, 2, ref="s2", last_at=ago(50), opened_at=ago(900), severity="error", notified_by=2),
                incident(3, 1, alert="low", state="closed", open_key=None, last_at=ago(50), severity="info"),
                incident(4, 3, provider_id=2, kind="volume", ref="s1", last_at=ago(500)),
            )
        yield found


def incident(row: int, event_id: int, **more: Any) -> Incident:
    facts: dict[str, Any] = {"provider_id": 1, "kind": "server", "ref": "s1", "severity": "warning", "state": "open"}
    facts |= {"open_key": f"k{row}", "alert": "high", "summary": "too high", "opened_at": ago(600)}
    return Incident(id=row, event_id=event_id, **{**facts, **more})


def died(ledger: Ledger, row: int, event_id: int, rule: str = "alert:high", state: str = "dead") -> None:
    with ledger.transaction() as session:
        add(session, effect(row, event_id, state=state, rule=rule, error="no mail server"))


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, [1, 3, 2, 4]),
        ({"state": "open"}, [1, 2, 4]),
        ({"state": "closed"}, [3]),
        ({"alert": "h*"}, [1, 2, 4]),
        ({"alert": "low"}, [3]),
        ({"severity": "error"}, [2]),
        ({"resource": "server/s1"}, [1, 3]),
        ({"resource": "s1"}, [1, 3, 4]),
        ({"provider": "south"}, [4]),
        ({"provider": "nowhere"}, []),
        ({"project": "blue"}, [2]),
        ({"state": "open", "resource": "server/s1", "alert": "?igh"}, [1]),
    ],
)
def test_all_filters_given_hold(ledger: Ledger, wanted: dict[str, Any], ids: list[int]) -> None:
    with ledger.reading() as session:
        assert sorted(i.id for i in incidents(session, Wanted(**wanted))) == sorted(ids)


def test_the_list_goes_on_where_it_ended(ledger: Ledger) -> None:
    with ledger.reading() as session:
        pages = [[i.id for i in incidents(session, after_id=after, limit=2)] for after in (None, 3, 4)]
    assert pages == [[1, 3], [2, 4], []]


def test_an_incident_whose_newest_notification_is_dead_says_so(ledger: Ledger) -> None:
    died(ledger, 10, 2)
    died(ledger, 11, 1, rule="policy:high:true")
    died(ledger, 12, 1, rule="alert:other")
    died(ledger, 13, 1, state="asked")
    died(ledger, 14, 3)
    with ledger.reading() as session:
        assert {i.id: i.cannot_notify for i in incidents(session)} == {1: False, 2: True, 3: False, 4: False}
        assert [i.id for i in incidents(session, Wanted(cannot_notify=True))] == [2]
        assert (muted(session), muted(session, "blue"), muted(session, "red")) == (1, 1, 0)
    with ledger.transaction() as session:
        session.get_one(Incident, 2).open_key = None
    with ledger.reading() as session:
        assert muted(session) == 0


def test_groups_are_counted_with_their_worst_severity_and_their_moments(ledger: Ledger) -> None:
    died(ledger, 10, 2)
    with ledger.reading() as session:
        found = {by: groups(session, by) for by in GROUPS}
        red = groups(session, "alert", Wanted(project="red", state="open"))
    [high, low] = found["alert"]
    assert (high.group, high.incidents, high.unclosed, high.worst, high.cannot_notify) == ("high", 3, 3, "error", 1)
    assert (high.first_at, high.last_at) == (ago(900), ago(5))
    assert (low.group, low.incidents, low.unclosed, low.worst) == ("low", 1, 0, "info")
    assert [(g.group, g.provider, g.incidents) for g in found["object"]] == [
        ("server/s1", "north", 2),
        ("server/s2", "north", 1),
        ("volume/s1", "south", 1),
    ]
    assert {g.group: g.incidents for g in found["tenant"]} == {"red": 3, "blue": 1}
    assert {g.group: g.worst for g in found["severity"]} == {"warning": "warning", "error": "error", "info": "info"}
    assert [g.incidents for g in red] == [2]


def test_incidents_whose_event_is_gone_are_a_group_without_a_tenant(ledger: Ledger) -> None:
    with ledger.transaction() as session:
        session.get_one(Incident, 4).event_id = 999
    with ledger.reading() as session:
        assert [g.incidents for g in groups(session, "tenant") if g.group is None] == [1]


def test_one_incident_has_its_history_and_what_fired_it(ledger: Ledger) -> None:
    finding = {"kind": "alert", "name": "high", "verdict": "fired"}
    with ledger.transaction() as session:
        add(session, event(11, 300), event(12, 200), event(13, 100))
        for row, number, verdict, seconds in ((1, 1, "fired", 600), (2, 11, "held: x", 299), (3, 12, "silenced", 199)):
            add(session, decision(row, number, "alert", {**finding, "verdict": verdict}, at=seconds))
        add(session, decision(4, 13, "alert", {**finding, "verdict": "not fired"}, at=99))
        add(session, IncidentNote(incident_id=1, at=ago(4), who="ann", word="acknowledged"))
    died(ledger, 10, 1)
    died(ledger, 11, 1, rule="policy:other:true")
    with ledger.reading() as session:
        found = tale(session, 1)
        assert tale(session, 99) is None
        assert tale(session, 1, "blue") is None
        assert tale(session, 2, "blue") is not None
    assert found is not None
    assert [(n.who, n.word) for n in found.history] == [("ann", "acknowledged")]
    assert {f.event_id: (f.relation, f.verdict) for f in found.firings} == {
        12: ("counted", "silenced"),
        11: ("counted", "held: x"),
        1: ("opened", "fired"),
    }
    told = {f.event_id: [(t.effect.state, t.effect.error) for t in f.notifications] for f in found.firings}
    assert told == {12: [], 11: [], 1: [("dead", "no mail server")]}
    assert found.as_dict()["firings"][0]["event_id"] == 12
    assert found.cut is False
