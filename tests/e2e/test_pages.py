"""The pages in a real browser, served by a real process over a ledger with rows in it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tasks.ledger.incidents import Incident
from tasks.model import clock
from tests.e2e.served import ROOT, Served, sign_in
from tests.unit.web.web_rows import event

pytestmark = pytest.mark.xdist_group("browser")


def test_an_operator_signs_in_follows_the_story_and_signs_out(page: Page, served: Served) -> None:
    faults: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message) or dialog.dismiss())  # type: ignore[func-returns-value]  # append returns None, and the dialog must be dismissed
    page.on(
        "request", lambda request: foreign.append(request.url) if not request.url.startswith(served.address) else None
    )

    sign_in(page, served, "operate")
    expect(page.locator("#providers")).to_contain_text("the cloud refused <script>alert('x')</script>")
    page.locator("#incidents").get_by_role("link", name="red is hot").click()
    expect(page.get_by_role("heading", name="Effect: webhook")).to_be_visible()
    page.get_by_role("link", name="vm_start").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("vm_start")
    page.get_by_role("link", name="Events", exact=True).click()
    page.get_by_label("State").select_option("dead")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_focused()
    page.goto(f"{served.address}/events")
    expect(page.get_by_label("Token")).to_be_visible()

    assert faults == []
    assert foreign == []


def test_the_status_page_is_live_and_can_be_paused(page: Page, served: Served) -> None:
    sign_in(page, served, "view")
    expect(page.locator("#live-note")).to_contain_text("live,", timeout=10_000)

    with served.ledger.transaction() as session:
        session.add(event(50, "red", "server", "srv-9", "finished", clock.now(), 1, event_type="compute.live.one"))
    expect(page.locator("#events")).to_contain_text("compute.live.one", timeout=10_000)

    page.get_by_role("button", name="Pause").click()
    with served.ledger.transaction() as session:
        session.add(event(51, "red", "server", "srv-9", "finished", clock.now(), 1, event_type="compute.live.two"))
    page.wait_for_timeout(3000)
    expect(page.locator("#events")).not_to_contain_text("compute.live.two")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#events")).to_contain_text("compute.live.two", timeout=10_000)


def test_buttons_work_by_keyboard_alone(page: Page, served: Served) -> None:
    sign_in(page, served, "operate")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    row = page.locator("#incidents tr", has_text="blue is warm")
    button = row.get_by_role("button", name="Acknowledge")
    for _ in range(30):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")

    expect(row).to_contain_text("acknowledged", timeout=10_000)
    expect(row).to_contain_text("by operate")
    with served.ledger.reading() as session:
        assert session.get_one(Incident, 2).acknowledged_by == "operate"


def test_an_incident_is_acknowledged_and_talked_of_on_its_page(page: Page, served: Served) -> None:
    now = clock.now()
    about = {"alert": "fan", "provider_id": 1, "kind": "server", "ref": "srv-1", "severity": "warning", "event_id": 1}
    with served.ledger.transaction() as session:
        key, summary = "fan|north|server|srv-1", "the fan is loud"
        session.add(Incident(id=30, open_key=key, summary=summary, opened_at=now, last_at=now, **about))

    sign_in(page, served, "operate")
    page.get_by_role("link", name="Incidents", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Incidents")
    page.get_by_role("link", name="the fan is loud").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("the fan is loud")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("heading", name="Acknowledged")).to_contain_text("by operate")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    page.get_by_role("textbox", name="Comment").fill("I look after it")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator(".said")).to_have_text("I look after it")

    page.get_by_role("link", name="Incidents", exact=True).click()
    row = page.locator("tr", has_text="the fan is loud")
    expect(row).to_contain_text("acknowledged")
    expect(row).to_contain_text("by operate")
    with served.ledger.reading() as session:
        assert session.get_one(Incident, 30).acknowledged_by == "operate"


def test_pages_fit_a_phone_in_light_and_dark(browser: Browser, served: Served) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        page = context.new_page()
        sign_in(page, served, "operate")
        paths = ("/", "/events", "/events/1", "/events/3", "/incidents", "/incidents?group=object", "/incidents/1")
        for path in (*paths, "/silences"):
            page.goto(f"{served.address}{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    assert len(grounds) == 2


def test_without_scripts_the_page_shows_the_same_and_loads_itself_again(browser: Browser, served: Served) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, served, "view")

    expect(page.locator("#providers")).to_contain_text("receiving")
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    assert page.locator('meta[http-equiv="refresh"]').count() == 1
    context.close()


def test_a_forged_form_from_another_site_does_nothing(browser: Browser, served: Served) -> None:
    context = browser.new_context()
    page = context.new_page()
    sign_in(page, served, "operate")
    # Another origin on the same machine: the very case in which SameSite alone does not help.
    form = f'<form method="post" action="{served.address}/incidents/1/close"><button>win</button></form>'
    other = served.address.rsplit(":", 1)[0] + ":1/"
    page.route(other, lambda route: route.fulfill(content_type="text/html", body=form))
    page.goto(other)
    page.get_by_role("button", name="win").click()

    expect(page.get_by_role("heading", name="Forbidden")).to_be_visible()
    with served.ledger.reading() as session:
        assert session.get_one(Incident, 1).state == "open"
    context.close()


def test_the_server_ends_cleanly_when_it_is_told_to(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "catchment.toml").write_text(f"[web]\nport = {port}\n")
    for number in (signal.SIGTERM, signal.SIGINT):
        command = [sys.executable, "-m", "workers.web", "--site", str(tmp_path)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first == f"Catchment's pages and API are at http://127.0.0.1:{port}/\n"
        assert httpx.get(f"http://127.0.0.1:{port}/api/v1/health/live").status_code == 401
        began = time.monotonic()
        process.send_signal(number)
        rest, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert rest == ""
        assert time.monotonic() - began < 10
    assert (tmp_path / "var" / "web.key").stat().st_mode & 0o777 == 0o600
