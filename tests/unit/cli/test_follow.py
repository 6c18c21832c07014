"""Following events: the last ones, then each new one, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.ledger.events import Event, Place
from tests.unit.cli.cli_ground import Site, add, ago, event
from workers.cli import follow
from workers.cli.follow import Follower, Wanted


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path).made()
    found.fill()
    return found


def store(site: Site, row: int, stage: str | None = None, **more: object) -> None:
    with site.ledger.transaction() as session:
        add(session, event(row, 10, "pending" if stage else "finished", **more))
        if stage:
            add(session, Place(event_id=row, stage=stage, lane=0, occurred_at=ago(10), due_at=ago(9), object_key="k"))


def ids(found: tuple[list[object], bool] | list[object]) -> list[int]:
    lines = found[0] if isinstance(found, tuple) else found
    return [line.id for line in lines]  # type: ignore[attr-defined]  # lines of events


def test_the_last_events_come_oldest_first_and_then_each_new_one_once(site: Site) -> None:
    follower = Follower(site.ledger, Wanted())
    store(site, 5)
    assert ids(follower.last(2)) == [4, 5]
    assert ids(follower.turn()) == []
    store(site, 6)
    store(site, 7)
    assert ids(follower.turn()) == [6, 7]
    assert ids(follower.turn()) == []


def test_only_what_fits_is_followed(site: Site) -> None:
    follower = Follower(site.ledger, Wanted(event_type="vm_*", resource="server/s1"))
    assert ids(follower.last(10)) == [2]
    store(site, 5)
    store(site, 6, event_type="vm_stop")
    assert ids(follower.turn()) == [6]


def test_an_event_is_shown_when_it_is_converted_or_after_a_while(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(site.ledger, Wanted())
    store(site, 5, "convert")
    store(site, 6, "switchboard")
    assert ids(follower.turn()) == [6]
    monkeypatch.setattr(follow, "PATIENCE", 0.0)
    assert ids(follower.turn()) == [5]
    assert ids(follower.turn()) == []


def test_an_event_whose_project_is_not_known_yet_is_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "PATIENCE", 0.0)
    follower = Follower(site.ledger, Wanted(project="blue"))
    store(site, 5, "convert", tenant_id=None)
    assert ids(follower.turn()) == []
    with site.ledger.transaction() as session:
        session.get_one(Event, 5).tenant_id = "blue"
        session.get_one(Place, 5).stage = "switchboard"
    assert ids(follower.turn()) == [5]


def test_the_command_writes_new_events_until_it_is_interrupted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = iter([5, 6])

    def wait(_seconds: float) -> None:
        row = next(pauses, None)
        if row is None:
            raise KeyboardInterrupt
        store(site, row)

    monkeypatch.setattr(follow.time, "sleep", wait)
    answer = site.run("events", "--follow", "--json", "--limit", "1")
    assert [json.loads(line)["id"] for line in answer.stdout.splitlines()] == [4, 5, 6]


def test_following_people_get_a_row_an_event(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow.time, "sleep", interrupt)
    lines = site.run("events", "--follow").stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:2] == ["1", "2031-05-04"]
