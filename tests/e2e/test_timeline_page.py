"""The timeline in a real browser: it draws, updates live, moves by keyboard, filters, and opens an event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tasks.model import clock
from tests.e2e.served import Served, sign_in
from tests.unit.web.web_rows import event

pytestmark = pytest.mark.xdist_group("browser")

#: What waits for the next update of the script, which comes after three seconds.
PATIENCE = 15_000


def opened(page: Page, served: Served, path: str = "/timeline?last=1h") -> None:
    """Go to a timeline, signed in, and wait until its script runs."""
    sign_in(page, served, "view")
    page.goto(f"{served.address}{path}")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def happened(served: Served, row: int, group: str, seconds: float = 1, **more: str) -> None:
    """Store an event that happened so many seconds ago."""
    with served.ledger.transaction() as session:
        facts = {"event_type": "compute.live.one", "group": group, "level": "critical", **more}
        session.add(event(row, "red", "server", "srv-1", "finished", clock.now(), seconds, **facts))


def lane(page: Page, title: str) -> Locator:
    """The bars of one group."""
    return page.locator(f'.lane[aria-label="{title}"] a.bar')


def range_of(page: Page) -> tuple[datetime, datetime]:
    """The range that the address names."""
    asked = parse_qs(urlsplit(page.url).query)
    return datetime.fromisoformat(asked["since"][0]), datetime.fromisoformat(asked["until"][0])


@pytest.fixture
def watched(page: Page, served: Served) -> Iterator[Page]:
    """A page on which nothing goes wrong, and that asks nobody else."""
    faults: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda made: foreign.append(made.url) if not made.url.startswith(served.address) else None)
    yield page
    assert faults == []
    assert foreign == []


def test_it_draws_and_a_bar_leads_to_an_event_and_its_why(watched: Page, served: Served) -> None:
    opened(watched, served)
    expect(lane(watched, "VM Operation")).to_have_count(1)
    box = lane(watched, "VM Operation").locator("rect.l-detail").bounding_box()
    assert box is not None
    assert box["width"] > 1
    assert box["height"] >= 3

    lane(watched, "VM Operation").hover()
    expect(watched.locator("#timeline-readout")).to_contain_text("1 detail")
    lane(watched, "VM Operation").click()
    events = watched.locator("#timeline-events")
    expect(events.locator("tbody tr")).to_have_count(1)
    expect(watched.locator("#timeline-said")).to_have_text("1 events are listed below.")
    assert "lane=policy%3Avm_operational" in watched.url
    events.get_by_role("link", name="vm_start").click()
    expect(watched.get_by_role("heading", level=1)).to_have_text("vm_start")
    expect(watched.get_by_role("heading", name="Why")).to_be_visible()
    watched.go_back()
    expect(events.locator("tbody tr")).to_have_count(1)


def test_it_is_live_and_leaves_the_focus_where_it_is(watched: Page, served: Served) -> None:
    opened(watched, served)
    bar = lane(watched, "VM Operation")
    bar.focus()
    expect(lane(watched, "Network")).to_have_count(0)
    happened(served, 60, "network")

    expect(lane(watched, "Network")).to_have_count(1, timeout=PATIENCE)
    expect(watched.locator("#live-note")).to_contain_text("live,")
    expect(bar).to_be_focused()
    watched.get_by_role("button", name="Pause").click()
    happened(served, 61, "storage")
    watched.wait_for_timeout(4000)
    expect(lane(watched, "Storage")).to_have_count(0)
    watched.get_by_role("button", name="Go on").click()
    expect(lane(watched, "Storage")).to_have_count(1, timeout=PATIENCE)


def test_it_is_moved_and_read_by_keyboard_alone(watched: Page, served: Served) -> None:
    happened(served, 62, "power", 2000)
    happened(served, 63, "power", 1000)
    until = clock.now().replace(microsecond=0)
    since = until - timedelta(hours=1)
    opened(watched, served, f"/timeline?since={since:%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}")
    chart = watched.locator("figure.chart")
    chart.focus()
    for key, span, middle in (
        ("+", timedelta(minutes=30), timedelta(0)),
        ("-", timedelta(hours=1), timedelta(0)),
        ("ArrowLeft", timedelta(hours=1), timedelta(minutes=-30)),
        ("ArrowRight", timedelta(hours=1), timedelta(0)),
    ):
        before = watched.url
        watched.keyboard.press(key)
        watched.wait_for_url(lambda url, before=before: url != before)
        begin, end = range_of(watched)
        assert end - begin == span, key
        assert abs((begin + span / 2) - (since + timedelta(minutes=30) + middle)) <= timedelta(seconds=2), key
        expect(chart.locator("figcaption")).to_contain_text(f"{begin:%Y-%m-%d %H:%M}")
        expect(chart).to_be_focused()

    watched.keyboard.press("Enter")
    expect(watched.locator("a.bar:focus")).to_have_count(1)
    lane(watched, "Power Activity").first.focus()
    watched.keyboard.press("ArrowRight")
    expect(lane(watched, "Power Activity").nth(1)).to_be_focused()
    expect(watched.locator("#timeline-readout")).to_contain_text("Power Activity")
    watched.keyboard.press("ArrowDown")
    expect(watched.locator("#timeline-readout")).not_to_contain_text("Power Activity")
    watched.keyboard.press("ArrowUp")
    expect(watched.locator("#timeline-readout")).to_contain_text("Power Activity")
    watched.keyboard.press("Enter")
    expect(watched.locator("#timeline-events tbody tr")).to_have_count(1)
    expect(watched.locator('a.bar[aria-current="true"]')).to_be_focused()
    watched.keyboard.press("Escape")
    expect(chart).to_be_focused()
    assert watched.locator('a.bar[tabindex="0"]').count() == 1


def test_it_filters_with_scripts_and_without(browser: Browser, served: Served) -> None:
    happened(served, 64, "snapshot")
    for scripts in (True, False):
        context = browser.new_context(java_script_enabled=scripts)
        page = context.new_page()
        sign_in(page, served, "view")
        page.goto(f"{served.address}/timeline?last=24h")
        expect(lane(page, "Snapshot Activity")).to_have_count(1)
        expect(lane(page, "Other")).not_to_have_count(0)
        page.get_by_text("Filters").click()
        page.get_by_text("Groups", exact=True).click()
        page.get_by_role("checkbox", name="Snapshot Activity").check()
        page.get_by_role("checkbox", name="critical").check()
        page.get_by_label("Provider", exact=True).select_option("north")
        page.get_by_role("button", name="Show").click()
        expect(lane(page, "Snapshot Activity")).to_have_count(1)
        expect(page.locator(".lane")).to_have_count(1)
        lane(page, "Snapshot Activity").click()
        expect(page.locator("#timeline-events tbody tr")).to_have_count(1)
        page.get_by_role("link", name="Closer").click()
        expect(page.locator("figcaption")).to_contain_text("provider north")
        context.close()


def test_it_fits_a_phone_and_a_finger_finds_the_nearest_bar(browser: Browser, served: Served) -> None:
    happened(served, 65, "migration", 300, event_type="orchestration.stack.a_name_that_does_not_end.error")
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True, reduced_motion="reduce"
        )
        page = context.new_page()
        opened(page, served)
        page.locator('.lane[aria-label="Migration/Vmotion"] rect.ground').click(position={"x": 5, "y": 8})
        expect(page.locator("#timeline-events tbody tr")).to_have_count(1)
        page.get_by_text("The same as tables").click()
        page.get_by_text("Filters").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        sizes = page.evaluate(
            "[...document.querySelectorAll('.chart text')].map(e => e.getBoundingClientRect().height)"
        )
        assert min(size for size in sizes if size) >= 11
        context.close()


def test_it_says_that_the_server_does_not_answer(page: Page, served: Served) -> None:
    opened(page, served)
    page.route("**/timeline.json*", lambda route: route.abort())
    expect(page.locator("#live-note")).to_contain_text("does not answer", timeout=PATIENCE)
    page.unroute("**/timeline.json*")
    expect(page.locator("#live-note")).to_contain_text("live,", timeout=PATIENCE)


def test_the_data_behind_it_can_be_taken_along(page: Page, served: Served, tmp_path: Path) -> None:
    opened(page, served)
    links = page.locator("#timeline-tables .hint a")
    with page.expect_download() as download:
        links.nth(1).click()
    download.value.save_as(tmp_path / "timeline.csv")
    assert (tmp_path / "timeline.csv").read_text().startswith("start,end,source,group,title,level,events\n")
    links.nth(0).click()
    assert json.loads(page.locator("body").inner_text())["groups"]
