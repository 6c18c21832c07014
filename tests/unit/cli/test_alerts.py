"""``catchment alerts``: incidents are listed, looked after, talked about, closed and opened again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger.incidents import Incident, firing_key
from tests.unit.cli.cli_ground import Site, add, ago


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path).made()
    found.fill()
    with found.ledger.transaction() as session:
        for number, alert in ((51, "hot"), (52, "down")):
            key = firing_key(alert, "north", "server", "s1")
            about = {"provider_id": 1, "kind": "server", "ref": "s1", "severity": "warning", "event_id": 1}
            add(
                session,
                Incident(
                    id=number,
                    open_key=key,
                    alert=alert,
                    summary=f"it is {alert}",
                    opened_at=ago(9),
                    last_at=ago(5),
                    **about,
                ),
            )
    return found


def listed(site: Site, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.run("alerts", "list", "--json", *options).stdout)
    return found


def test_an_incident_from_open_to_closed_and_back(site: Site) -> None:
    mine = {line["id"] for line in listed(site, "--state", "open")}
    assert {51, 52} <= mine
    site.run("alerts", "ack", "51")
    site.run("alerts", "assign", "51", "erin")
    site.run("alerts", "comment", "51", "the fan is loud")
    site.run("alerts", "close", "51")
    assert 51 not in {line["id"] for line in listed(site, "--state", "open")}
    shown = site.run("alerts", "show", "51").stdout
    assert "hot (warning) on server/s1 of north: closed" in shown
    assert "the fan is loud" in shown
    history = json.loads(site.run("alerts", "show", "51", "--json").stdout)["history"]
    assert [note["word"] for note in history] == ["acknowledged", "assigned", "comment", "closed"]
    site.run("alerts", "reopen", "51")
    [again] = [line for line in listed(site, "--state", "open") if line["id"] == 51]
    assert (again["closed_by"], again["assigned_to"]) == (None, "erin")
    assert "erin" in site.run("alerts", "list").stdout


def test_what_cannot_be_done_is_told(site: Site) -> None:
    site.run("alerts", "close", "52")
    for words, told in (
        (("close", "52"), "is closed already"),
        (("ack", "52"), "is not open any more"),
        (("assign", "52", "erin"), "is closed"),
        (("reopen", "51"), "is not closed"),
        (("show", "999"), "there is no incident 999"),
        (("ack", "999"), "there is no incident 999"),
        (("comment", "51", " "), "say something"),
    ):
        assert told in site.run("alerts", *words, code=2).stderr


def test_an_incident_whose_alert_has_opened_another_one_stays_closed(site: Site) -> None:
    site.run("alerts", "close", "51")
    with site.ledger.transaction() as session:
        about = {"provider_id": 1, "kind": "server", "ref": "s1", "severity": "warning", "event_id": 1}
        key = firing_key("hot", "north", "server", "s1")
        add(session, Incident(id=60, open_key=key, alert="hot", summary="x", opened_at=ago(1), last_at=ago(1), **about))
    assert "has opened another one" in site.run("alerts", "reopen", "51", code=2).stderr


def test_silences_are_made_listed_and_ended(site: Site) -> None:
    told = site.run(
        "alerts", "silence", "--alert", "ho*", "--object", "server/s*", "--for", "2h", "--comment", "fan change"
    )
    assert told.stdout.startswith("silence 1 until ")
    [line] = json.loads(site.run("alerts", "silences", "--json").stdout)
    assert (line["alert"], line["kind"], line["ref"], line["comment"]) == ("ho*", "server", "s*", "fan change")
    assert "fan change" in site.run("alerts", "silences").stdout
    site.run("alerts", "unsilence", "1")
    assert json.loads(site.run("alerts", "silences", "--json").stdout) == []
    assert len(json.loads(site.run("alerts", "silences", "--all", "--json").stdout)) == 1
    assert "is over already" in site.run("alerts", "unsilence", "1", code=2).stderr
    assert "say what it covers" in site.run("alerts", "silence", "--comment", "x", code=2).stderr
    assert "1h30m" in site.run("alerts", "silence", "--alert", "x", "--for", "soon", "--comment", "x", code=2).stderr
