"""The page of timelines: its picture, its moves and its lists, each an ordinary link, and safe from what events say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from tests.unit.web.test_pages import Tags
from tests.unit.web.web_ground import EVIL, NOW, Ground, TestClient, standing
from tests.unit.web.web_rows import event

PAGES = [
    "/timeline",
    "/timeline?last=1h&provider=north",
    "/timeline?object=server/srv-1&group=other&level=detail",
    "/timeline?last=1h&at=2031-05-04T11:59:00Z",
    "/timeline?last=1h&at=2031-05-04T11:59:00Z&lane=provider:other",
    "/timeline?provider=%3Cscript%3E&type=%22%3E%3Cscript%3E",
    "/timeline?since=2031-05-01&until=2031-05-02",
]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


def bars(page: str) -> list[dict[str, str]]:
    """The bars of a page with their titles and attributes."""
    found = re.findall(r'<a class="go bar"([^>]*)><title>([^<]*)</title>', page)
    return [
        {"title": unescape(title), **{name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', bar)}}
        for bar, title in found
    ]


def link(page: str, key: str) -> str:
    """The address of the link with this key."""
    found = re.search(rf'<a[^>]*data-key="{re.escape(key)}"[^>]*>', page)
    assert found is not None, key
    address = re.search(r'href="([^"]+)"', found.group())
    assert address is not None
    return unescape(address.group(1))


@pytest.mark.parametrize("path", PAGES)
def test_the_page_is_whole_and_has_no_script_or_style_of_its_own(ground: Ground, path: str) -> None:
    answer = ground.browser("boss").get(path)

    assert answer.status_code == 200
    tags = Tags(answer.text)
    assert tags.open == []
    assert EVIL not in answer.text
    assert "<script>" not in answer.text
    assert [a.get("src") for tag, a in tags.found if tag == "script"] == ["/static/timeline.js"]
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), (tag, attributes)
    keys = [a["data-key"] for _, a in tags.found if "data-key" in a]
    assert len(keys) == len(set(keys))


def test_bars_tell_their_counts_and_lead_to_their_events(ground: Ground) -> None:
    browser = ground.browser("viewer")
    page = browser.get("/timeline?last=1h").text
    labels = [bar["title"] for bar in bars(page)]
    assert "VM Operation, 2031-05-04 11:55 to 11:56 UTC: 1 detail" in labels
    assert sum(int(label.rsplit(" ", 2)[1]) for label in labels) == 6

    chosen = next(bar for bar in bars(page) if bar["title"].startswith("VM Operation"))
    listed = browser.get(chosen["href"]).text
    assert [bar["title"] for bar in bars(listed) if bar.get("aria-current")] == [chosen["title"]]
    assert re.findall(r'href="/events/(\d+)"', listed) == ["6"]
    assert "1 event in" not in listed


def test_levels_are_stacked_and_none_is_too_low_to_be_seen(ground: Ground) -> None:
    with ground.ledger.transaction() as session:
        session.add_all(
            event(100 + n, "red", "server", "srv-1", "finished", NOW, 100, group="power", level="critical")
            for n in range(40)
        )
        session.add(event(200, "red", "server", "srv-1", "finished", NOW, 100, group="power"))
    page = ground.browser("viewer").get("/timeline?last=1h&group=power").text
    parts = re.findall(r'<rect class="l-(\w+)" x="([\d.]+)%" width="([\d.]+)%" y="([\d.]+)" height="([\d.]+)"/>', page)
    assert [part[0] for part in parts] == ["critical", "detail"]
    heights = [float(part[4]) for part in parts]
    assert min(heights) >= 3
    assert sum(heights) == pytest.approx(34, abs=0.2)
    assert float(parts[1][3]) + heights[1] == pytest.approx(float(parts[0][3]), abs=0.2)
    assert all(float(part[1]) >= 0 and float(part[1]) + float(part[2]) <= 100.01 for part in parts)


def test_moves_are_links_to_other_ranges(ground: Ground) -> None:
    browser = ground.browser("viewer")
    page = browser.get(
        "/timeline?provider=north&since=2031-05-04T08:00&until=2031-05-04T12:00&at=2031-05-04T11:55:00Z"
    ).text
    expected = {
        "in": ("10:55:00", "12:55:00"),
        "out": ("06:00:00", "14:00:00"),
        "earlier": ("06:00:00", "10:00:00"),
    }
    for key, (since, until) in expected.items():
        address = link(page, key)
        assert f"since=2031-05-04T{since.replace(':', '%3A')}Z" in address, key
        assert f"until=2031-05-04T{until.replace(':', '%3A')}Z" in address, key
        assert "provider=north" in address
        assert "at=" not in address.replace("format=", "")
        assert browser.get(address).status_code == 200
    assert 'data-key="later"' not in page
    assert "since=" not in link(page, "now")
    assert "last=24h" in link(page, "last-24h")
    assert "since=" not in link(page, "last-24h")


def test_one_cannot_move_beyond_what_may_be_asked(ground: Ground) -> None:
    browser = ground.browser("viewer")
    page = browser.get("/timeline?since=2031-05-04T11:59:00&until=2031-05-04T12:00:00").text
    assert 'data-key="in"' not in page
    for key, rounds in (("out", 40), ("earlier", 4)):
        for _ in range(rounds):
            if f'data-key="{key}"' not in page:
                break
            answer = browser.get(link(page, key))
            assert answer.status_code == 200
            page = answer.text
    assert 'data-key="out"' not in page


def test_bars_keep_their_places_while_time_passes(ground: Ground) -> None:
    browser = ground.browser("viewer")
    places = set()
    # The first moment is the end of a stretch, and all others lie within the next one.
    ground.now += timedelta(minutes=1)
    for _ in range(5):
        page = browser.get("/timeline?last=7d").text
        places.add(tuple(re.findall(r'<rect class="l-\w+" x="([\d.]+%)"', page)))
        ground.now += timedelta(minutes=20)
    assert len(places) == 1


def test_the_script_is_told_what_changed_and_nothing_where_nothing_did(ground: Ground) -> None:
    browser = ground.browser("viewer")
    first = browser.get("/timeline.json?last=1h")
    assert set(first.json()["sections"]) == {
        "timeline-moves",
        "timeline-chart",
        "timeline-events",
        "timeline-tables",
    }
    page = browser.get("/timeline?last=1h").text
    assert all(f'id="{part}"' in page and html in page for part, html in first.json()["sections"].items())
    same = browser.get("/timeline.json?last=1h", headers={"If-None-Match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    with ground.ledger.transaction() as session:
        session.add(event(90, "red", "server", "srv-1", "finished", NOW, 1))
    fresh = browser.get("/timeline.json?last=1h", headers={"If-None-Match": first.headers["etag"]})
    assert fresh.status_code == 200
    assert "7 events" in fresh.json()["sections"]["timeline-chart"]


def test_a_list_goes_on_page_by_page(ground: Ground) -> None:
    with ground.ledger.transaction() as session:
        session.add_all(event(100 + n, "red", "server", "srv-1", "finished", NOW, 100) for n in range(70))
    browser = ground.browser("viewer")
    page = browser.get("/timeline?last=1h&at=2031-05-04T11:58:00Z&lane=provider:other").text
    first = re.findall(r'href="/events/(\d+)"', page)
    page = browser.get(link(page, "next")).text
    second = re.findall(r'href="/events/(\d+)"', page)
    assert (len(first), len(second), len({*first, *second})) == (50, 21, 71)
    assert "next" not in re.findall(r'data-key="([^"]+)"', page)
    assert re.findall(r'href="/events/(\d+)"', browser.get(link(page, "first")).text) == first


@pytest.mark.parametrize("lane", ["nonsense", "provider:power", "policy:other"])
def test_a_bar_is_of_the_groups_that_are_asked_for(ground: Ground, lane: str) -> None:
    path = f"/timeline?last=1h&source=provider&group=other&at=2031-05-04T11:58:00Z&lane={lane}"
    assert ground.browser("viewer").get(path).status_code == 422


def test_a_token_of_one_project_sees_its_events_alone(ground: Ground) -> None:
    browser = ground.browser("red")
    page = browser.get("/timeline?last=1h&at=2031-05-04T11:58:20Z").text
    assert "project red" in page
    assert "4 events" in page
    assert "srv-2" not in page
    assert 'name="project"' not in page
    assert browser.get("/timeline?project=blue").status_code == 403
    assert browser.get("/timeline?last=1h&at=2031-05-04T11:58:20Z&after=2").status_code == 404


def follow(browser: TestClient, page: str, words: str) -> str:
    found = re.search(rf'href="(/timeline[^"]*)"[^>]*>{words}', page)
    assert found is not None, page
    answer = browser.get(unescape(found.group(1)))
    assert answer.status_code == 200
    return answer.text


def test_providers_events_and_incidents_lead_to_their_timelines(ground: Ground) -> None:
    browser = ground.browser("viewer")
    assert "provider north" in follow(browser, browser.get("/").text, "north")
    assert "object server/srv-1, provider north" in follow(browser, browser.get("/events/1").text, "Its timeline")
    assert "object server/srv-1" in follow(browser, browser.get("/incidents/1").text, "Its timeline")
    assert "provider north" in follow(ground.browser("red"), ground.browser("red").get("/").text, "north")
    ground.now += timedelta(days=30)
    browser = ground.browser("viewer")
    assert "3 events" in follow(browser, browser.get("/events/1").text, "Its timeline")
