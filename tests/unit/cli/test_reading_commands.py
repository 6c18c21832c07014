"""The commands that print what the ledger holds: for people, and for programs."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.ledger.events import Notification
from tasks.ledger.gaps import Gap
from tasks.ledger.providers import Provider, Tally
from tasks.ledger.pulse import Pulse
from tasks.model import clock
from tests.unit.cli.cli_ground import EVIL, Site, add, event, harmless


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path).made()
    found.fill()
    return found


@pytest.fixture
def empty(tmp_path: Path) -> Site:
    return Site(tmp_path).made()


def test_balance_prints_one_object_a_provider_with_exactly_the_agreed_keys(site: Site) -> None:
    found = json.loads(site.run("balance", "--json").stdout)
    assert found == [
        {
            "provider": "north", "received": 4, "stored": 3, "duplicate": 1, "rejected": 0, "finished": 1,
            "pending": 1, "dead": 1, "exact": True,
        },
        {
            "provider": "internal", "received": 1, "stored": 1, "duplicate": 0, "rejected": 0, "finished": 1,
            "pending": 0, "dead": 0, "exact": True,
        },
    ]  # fmt: skip


def test_balance_shows_a_table_with_the_reads_that_are_owed(site: Site) -> None:
    shown = site.run("balance").stdout
    assert "north" in shown
    assert "not exact" not in shown
    assert shown.count("exact") == 3
    assert "Objects to be read again" in shown


def test_a_balance_that_is_not_exact_ends_with_1_and_names_the_fault(site: Site) -> None:
    with site.ledger.transaction() as session:
        add(session, Tally(provider_id=1, received=5))
    answer = site.run("balance", "--json", code=1)
    assert [line["exact"] for line in json.loads(answer.stdout)] == [False, True]
    assert "north: received 9, but stored 3" in answer.stderr
    assert "not exact" in site.run("balance", code=1).stdout


def test_events_are_one_json_object_a_line_newest_first(site: Site) -> None:
    lines = [json.loads(line) for line in site.run("events", "--json").stdout.splitlines()]
    assert [line["id"] for line in lines] == [4, 3, 2, 1]
    assert lines[1]["actor"] == EVIL
    assert lines[0]["occurred_at"] == "2031-05-04T11:56:40.000000Z"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--state", "dead"], [3]),
        (["--stage", "policy"], [4]),
        (["--provider", "internal"], [2]),
        (["--type", "vm_*"], [2]),
        (["--resource", "server/s1", "--oldest", "--limit", "2"], [1, 2]),
        (["--since", "2031-05-04T11:55:00Z"], [4, 3]),
        (["--until", "2031-05-04T11:55:00Z"], [2, 1]),
        (["--project", "blue"], []),
        (["--since", "3650d", "--state", "pending"], [4]),
    ],
)
def test_events_fit_the_options(site: Site, options: list[str], wanted: list[int]) -> None:
    found = site.run("events", "--json", *options).stdout.splitlines()
    assert [json.loads(line)["id"] for line in found] == wanted


@pytest.mark.parametrize(
    "options",
    [
        ["--since", "yesterday-ish"],
        ["--since", "99999999999d"],
        ["--limit", "0"],
        ["--stage", "x"],
        ["--follow", "--state", "dead"],
    ],
)
def test_options_that_make_no_sense_are_usage_errors(site: Site, options: list[str]) -> None:
    assert "Usage" in site.run("events", *options, code=2).stderr


@pytest.mark.parametrize(
    "command",
    [
        ["events"],
        ["why", "1"],
        ["why", "3"],
        ["inventory"],
        ["inventory", "show", "north", "server/s1", "--history"],
        ["providers", "list"],
    ],
)
def test_nothing_from_a_cloud_has_power_over_the_terminal(site: Site, command: list[str]) -> None:
    with site.ledger.transaction() as session:
        north = session.get_one(Provider, 1)
        north.failed_at, north.failure, north.passed_over = clock.now(), EVIL, {"amqp": EVIL}
    answer = site.run(*command, COLUMNS="1000")
    assert harmless(answer.stdout)
    assert harmless(answer.stderr)
    # Markup and emoji codes are shown as they came.
    told = answer.stdout + answer.stderr
    assert "[bold]x[/bold]" in told.replace("\n", "")
    assert ":bug:" in told.replace("\n", "")


def test_why_tells_the_line_from_the_notification_to_the_last_effect(site: Site) -> None:
    shown = site.run("why", "1").stdout
    positions = [
        shown.index(words)
        for words in (
            "event 1 compute.instance.update on server/s1",
            "caught 2031-05-04 11:53:21Z by amqp, 1.0 s after it happened",
            "ProviderDown: no answer",
            "refresh server/s1: read at 2031-05-04 11:58:30Z",
            "status: BUILD → ACTIVE",
            "event 2 vm_start on server/s1",
            'policy quota: matched  {"field": "cpu", "value": 9}',
            "effect 1 log for policy:quota:true on server/s1: done",
            "try 1 by host:7",
            "finished 2031-05-04 11:53:22Z",
        )
    ]
    assert positions[:-1] == sorted(positions[:-1])


def test_why_of_a_raised_event_begins_with_its_cause(site: Site) -> None:
    lines = site.run("why", "2").stdout.splitlines()
    assert lines[0].startswith("event 1 compute.instance.update")
    assert "event 2 vm_start" in lines[1]


def test_why_of_a_custom_event_tells_what_it_carries(site: Site) -> None:
    with site.ledger.transaction() as session:
        content = json.dumps({"payload": {"rule": "alert:down", "text": f"it is {EVIL}"}})
        session.add(Notification(event_id=2, form="raised", road="", content=content))
    shown = site.run("why", "2").stdout
    assert "carries rule alert:down, text it is " in shown
    assert harmless(shown)


def test_why_of_dead_and_pending_events_says_what_to_do_or_to_wait_for(site: Site) -> None:
    assert "dead at convert after 6 tries: BadPayload" in site.run("why", "3").stdout
    assert "catchment retry 3" in site.run("why", "3").stdout.replace("\n", "")
    assert "waits for a worker at policy" in site.run("why", "4").stdout


def test_why_is_one_json_document(site: Site) -> None:
    found = json.loads(site.run("why", "1", "--json").stdout)
    assert found["event"]["id"] == 1
    assert found["children"][0]["effects"][0]["tries"][0]["summary"] == "written"


def test_why_of_an_unknown_event_ends_with_2(site: Site) -> None:
    assert "there is no event 99" in site.run("why", "99", code=2).stderr
    site.run("why", "99999999999999999999", code=2)


def test_why_ends_where_a_line_runs_in_a_circle(site: Site) -> None:
    with site.ledger.transaction() as session:
        add(session, event(8, 50, parent_id=9), event(9, 50, parent_id=8))
    shown = site.run("why", "8").stdout
    # Once as its cause and once as its child.
    assert shown.count("event 9 ") == 2
    assert shown.count("event 8 ") == 1


def test_inventory_lists_and_filters(site: Site) -> None:
    assert [row["ref"] for row in json.loads(site.run("inventory", "--json").stdout)] == ["s1", "v/1"]
    assert [row["ref"] for row in json.loads(site.run("inventory", "--state", "stub", "--json").stdout)] == ["v/1"]
    assert [row["ref"] for row in json.loads(site.run("inventory", "--name", "web*", "--json").stdout)] == ["s1"]
    assert json.loads(site.run("inventory", "--kind", "host", "--json").stdout) == []
    assert "No object fits" in site.run("inventory", "--kind", "host").stderr


def test_inventory_shows_an_object_whose_id_has_a_slash(site: Site) -> None:
    assert json.loads(site.run("inventory", "show", "north", "volume/v/1", "--json").stdout)["state"] == "stub"


def test_inventory_shows_the_history_when_asked(site: Site) -> None:
    plain = json.loads(site.run("inventory", "show", "north", "server/s1", "--json").stdout)
    assert plain["attributes"] == {"status": "ACTIVE"}
    assert "changes" not in plain
    whole = json.loads(site.run("inventory", "show", "north", "server/s1", "--history", "--json").stdout)
    assert (whole["changes"][0]["event_id"], whole["changes"][0]["before"]) == (1, {"status": "BUILD"})
    assert "status: BUILD → ACTIVE" in site.run("inventory", "show", "north", "server/s1", "--history").stdout


def test_an_object_that_is_unknown_or_misspelt_ends_with_2(site: Site) -> None:
    assert "north has no server/none" in site.run("inventory", "show", "north", "server/none", code=2).stderr
    assert "write its kind and id" in site.run("inventory", "show", "north", "server", code=2).stderr


def test_providers_list_says_what_is_suspicious_and_what_is_missing(site: Site) -> None:
    now = clock.now()
    hour = int(now.timestamp()) // 3600
    with site.ledger.transaction() as session:
        north = session.get_one(Provider, 1)
        north.contact_at, north.arrived_at = now, now - timedelta(hours=5)
        north.watched_since = now - timedelta(days=20)
        add(
            session,
            *(Pulse(provider_id=1, hour=hour - n, arrivals=1, longest=600) for n in range(6, 300)),
            Gap(
                provider_id=1,
                from_at=now - timedelta(days=3),
                until_at=now - timedelta(days=2),
                found_at=now,
                why=f"a test {EVIL}",
                state="filled",
                stored=4,
                road="panko",
            ),
        )
    answer = site.run("providers", "list")
    assert "suspiciously quiet" in answer.stdout
    assert "30 min is too long" in answer.stderr
    assert "filled with 4 events from panko" in answer.stderr
    assert harmless(answer.stderr)
    (found,) = json.loads(site.run("providers", "list", "--json").stdout)
    assert (found["silence_limit"], found["gaps"][0]["stored"], found["gaps"][0]["state"]) == (1800.0, 4, "filled")


def test_providers_list_shows_health(site: Site) -> None:
    (north,) = json.loads(site.run("providers", "list", "--json").stdout)
    assert (north["name"], north["state"], north["waiting"], north["monitor"]) == (
        "north",
        "never contacted",
        1,
        "amqp",
    )
    assert "never contacted" in site.run("providers", "list").stdout


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["balance"], "No provider has sent anything yet"),
        (["events"], "No events yet"),
        (["events", "--state", "dead"], "No event fits these filters"),
        (["inventory"], "Inventory is empty"),
        (["providers", "list"], "No provider was contacted yet"),
    ],
)
def test_an_empty_answer_says_so_and_gives_a_hint(empty: Site, command: list[str], words: str) -> None:
    answer = empty.run(*command)
    assert answer.stdout == ""
    assert words in answer.stderr
