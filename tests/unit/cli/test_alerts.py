"""``catchment alerts``: incidents are listed, looked after, talked about, closed and opened again."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger.effects import Effect
from tasks.ledger.incidents import Incident, firing_key
from tests.unit.cli.cli_ground import EVIL, Site, add, ago, harmless


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


def fail_to_notify(site: Site) -> None:
    """Have the notification of incident 51 die, with text in it that no terminal may obey."""
    with site.ledger.transaction() as session:
        incident = session.get_one(Incident, 51)
        incident.notified_by, incident.summary, incident.alert = 1, f"hot {EVIL}", "hot"
        about: dict[str, Any] = {"params": {}, "site_version": "s", "asked_at": ago(9), "due_at": ago(9)}
        add(
            session,
            Effect(
                id=70, key="k70", event_id=1, rule="alert:hot", action="mail", state="dead", error=f"no {EVIL}", **about
            ),
        )


def test_an_alert_that_cannot_notify_is_visible(site: Site) -> None:
    fail_to_notify(site)
    printed = site.run("alerts", "list").stdout
    assert "open, cannot notify" in " ".join(printed.split())
    assert {line["id"]: line["cannot_notify"] for line in listed(site)} == {51: True, 52: False}
    assert [line["id"] for line in listed(site, "--cannot-notify")] == [51]
    shown = site.run("alerts", "show", "51").stdout
    assert "cannot notify: its newest notification is dead" in shown
    assert "effect 70 mail dead: no " in shown
    assert harmless(shown)
    assert harmless(printed)
    assert "cannot notify" not in site.run("alerts", "show", "52").stdout
    site.run("alerts", "close", "51")
    assert "closed, cannot notify" in " ".join(site.run("alerts", "list", "--state", "closed").stdout.split())


def test_incidents_are_narrowed_and_grouped(site: Site) -> None:
    fail_to_notify(site)
    site.run("alerts", "close", "52")
    for options, ids in (
        (("--alert", "h*"), [51]),
        (("--severity", "error"), []),
        (("--object", "server/s1"), [51, 52]),
        (("--provider", "internal"), []),
        (("--project", "red", "--state", "closed"), [52]),
    ):
        assert sorted(line["id"] for line in listed(site, *options)) == ids, options
    [line] = listed(site, "--group-by", "object")
    assert (line["group"], line["provider"], line["incidents"], line["unclosed"]) == ("server/s1", "north", 2, 1)
    assert (line["worst"], line["cannot_notify"]) == ("warning", 1)
    assert sorted(line["group"] for line in listed(site, "--group-by", "alert")) == ["down", "hot"]
    printed = site.run("alerts", "list", "--group-by", "tenant").stdout
    assert printed.split()[:5] == ["tenant", "incidents", "not", "closed", "cannot"]
    assert "red" in printed
    assert "is not one of" in site.run("alerts", "list", "--group-by", "colour", code=2).stderr


def test_check_83_only_the_assignee_acknowledges_and_an_assignee_is_needed(site: Site) -> None:
    assert "name somebody" in site.run("alerts", "assign", "51", " ", code=2).stderr
    site.run("alerts", "assign", "51", "erin")
    assert "assigned to somebody else" in site.run("alerts", "ack", "51", code=2).stderr
    site.run("alerts", "assign", "51", getpass.getuser())
    site.run("alerts", "ack", "51")


def test_a_silence_says_why_and_does_not_end_before_it_begins(site: Site) -> None:
    assert "say why" in site.run("alerts", "silence", "--alert", "x", "--comment", " ", code=2).stderr
    past = ("--from", "2001-01-01T00:00:00Z", "--for", "1h")
    assert "over already" in site.run("alerts", "silence", "--alert", "x", "--comment", "y", *past, code=2).stderr
    none = ("--for", "0s")
    assert "ends before" in site.run("alerts", "silence", "--alert", "x", "--comment", "y", *none, code=2).stderr
