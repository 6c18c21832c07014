"""The pages: what they show, to whom, and that nothing in the ledger can become a script on them."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.unit.web.web_ground import EVIL, Ground, form_token, standing


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


class Tags(HTMLParser):
    """The tags of a page with their attributes, and whether each that was opened was closed."""

    VOID = frozenset({"meta", "link", "input", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag


PAGES = [
    "/",
    "/events",
    "/events?state=dead&type=*",
    "/events/1",
    "/events/2",
    "/events/3",
    "/events/4",
    "/events/5",
    "/events/6",
]


@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_is_escaped_and_no_page_has_a_script_or_style_of_its_own(ground: Ground, path: str) -> None:
    answer = ground.browser("boss").get(path)

    assert answer.status_code == 200
    page, tags = answer.text, Tags(answer.text)
    assert tags.open == []
    assert EVIL not in page
    scripts = [attributes for tag, attributes in tags.found if tag == "script"]
    assert all(a.get("src") == "/static/live.js" for a in scripts)
    assert not [tag for tag, _ in tags.found if tag in {"style", "iframe", "object", "base"}]
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), (tag, attributes)


@pytest.mark.parametrize("path", PAGES)
def test_every_form_that_posts_carries_the_form_token(ground: Ground, path: str) -> None:
    browser = ground.browser("boss")
    page = browser.get(path).text

    forms = page.split("<form")[1:]
    posting = [form.split("</form>")[0] for form in forms if 'method="post"' in form.split(">")[0]]
    assert posting
    assert all(f'name="form_token" value="{form_token(browser, "/")}"' in form for form in posting)


def test_the_status_page_shows_providers_balance_stages_incidents_and_events(ground: Ground) -> None:
    page = ground.browser("viewer").get("/").text

    for text in (
        "north",
        "receiving",
        "south",
        "failing",
        "the cloud refused &lt;script&gt;",
        "monitor amqp cannot serve it",
    ):
        assert text in page, text
    assert '<span class="word good">exact</span>' in page
    assert 'href="/events?stage=policy&amp;state=pending&amp;order=oldest"' in page
    assert "red is hot" in page
    assert 'href="/events/5"' in page
    assert '<a href="/events?state=dead">1</a>' in page
    assert '<meta http-equiv="refresh" content="15">' in page


def test_a_balance_that_does_not_add_up_is_marked_with_its_fault(ground: Ground) -> None:
    with ground.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tally SET stored = 4 WHERE provider_id = 1")

    page = ground.browser("viewer").get("/").text

    assert '<span class="word bad">not exact</span>' in page
    assert '<span class="word bad">does not add up</span>' in page
    assert "received 6, but stored 4 + duplicate 1 + rejected 0 = 5" in page


def test_an_empty_ledger_has_a_status_page_that_says_what_to_do(ground: Ground) -> None:
    browser = ground.browser("viewer")
    with ground.ledger.engine.begin() as connection:
        for table in ("place", "incident", "refresh_target", "inventory", "event", "tally", "mark", "provider"):
            connection.exec_driver_sql(f"DELETE FROM {table}")

    page = browser.get("/").text

    for text in ("No provider has been met yet", "Neither clock nor sweep", "None is open", "None yet"):
        assert text in page, text


def test_the_fresh_parts_are_those_of_the_page(ground: Ground) -> None:
    browser = ground.browser("viewer")

    answer = browser.get("/status.json")

    assert answer.status_code == 200
    parts = answer.json()["sections"]
    assert set(parts) == {"totals", "incidents", "providers", "stages", "events"}
    page = browser.get("/").text
    for name, part in parts.items():
        assert f'id="{name}"' in page
        assert EVIL not in part
        assert part in page


def test_a_token_of_one_project_sees_its_own_rows_on_the_pages(ground: Ground) -> None:
    browser = ground.browser("red-op")

    page = browser.get("/").text
    assert "red is hot" in page
    for hidden in ("blue", "srv-2", "failing", "receiving", "Balance", "Stages", "/events/5"):
        assert hidden not in page, hidden
    assert set(browser.get("/status.json").json()["sections"]) == {"incidents", "providers", "events"}
    assert browser.get("/events/2").status_code == 404
    assert "srv-2" not in browser.get("/events").text
    assert 'name="project"' not in browser.get("/events").text


def test_buttons_are_there_for_those_who_may_press_them(ground: Ground) -> None:
    for who, there in (("viewer", False), ("operator", True), ("boss", True)):
        browser = ground.browser(who)
        assert ('action="/incidents/1/close"' in browser.get("/").text) is there, who
        assert ('action="/events/3/retry"' in browser.get("/events/3").text) is there, who
        assert ('action="/effects/2/retry"' in browser.get("/events/1").text) is there, who


def test_the_buttons_do_what_they_say_and_lead_back(ground: Ground) -> None:
    browser = ground.browser("operator")
    data = {"form_token": form_token(browser, "/")}

    leads = {
        path: browser.post(path, data=data).headers["location"]
        for path in ("/incidents/1/acknowledge", "/incidents/1/close", "/events/3/retry", "/effects/2/retry")
    }

    assert list(leads.values()) == ["/", "/", "/events/3", "/events/1"]
    assert ground.rings == [True, True]
    assert "red is hot" not in browser.get("/").text
    assert "It waits before the stage convert" in browser.get("/events/3").text
    assert browser.post("/events/3/retry", data=data).status_code == 409
    assert browser.post("/incidents/1/close", data=data).status_code == 409
    assert browser.post("/incidents/99/close", data=data).status_code == 404


def test_the_pages_buttons_are_refused_to_a_session_that_may_only_view(ground: Ground) -> None:
    browser = ground.browser("viewer")
    data = {"form_token": form_token(browser, "/")}

    for path in ("/incidents/1/acknowledge", "/incidents/1/close", "/events/3/retry", "/effects/2/retry"):
        assert browser.post(path, data=data).status_code == 403, path
    assert ground.rings == []


def test_one_event_tells_its_story(ground: Ground) -> None:
    page = ground.browser("operator").get("/events/1").text

    order = [
        "Caught",
        "Switchboard",
        "Policy",
        "Effect: log",
        "Effect: webhook",
        "Incident opened",
        "To be read again",
        "Found changed",
        "Raised",
    ]
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert "no route &lt;script&gt;" in page
    assert "<code>&#34;BUILD&#34;</code> → <code>&#34;ACTIVE&#34;</code>" in page
    assert 'href="/events/6">vm_start' in page
    child = ground.browser("operator").get("/events/6").text
    assert 'href="/events/1">compute.instance.update' in child


def test_a_dead_and_a_waiting_event_say_where_they_stand(ground: Ground) -> None:
    browser = ground.browser("viewer")

    assert "It died at the stage convert after 6 tries" in browser.get("/events/3").text
    assert "It waits before the stage policy" in browser.get("/events/4").text


def test_the_list_of_events_keeps_its_filters_from_page_to_page(ground: Ground) -> None:
    browser = ground.browser("viewer")
    page = browser.get("/events?provider=north&type=&limit=2&order=oldest").text

    following = Tags(page)
    href = next(a["href"] for tag, a in following.found if tag == "a" and a.get("rel") == "next")
    assert href == "/events?provider=north&limit=2&order=oldest&after=6"
    second = browser.get(href).text
    assert 'href="/events/2"' in second
    assert 'href="/events?provider=north&amp;limit=2&amp;order=oldest">To the first page' in second
    assert "<option selected>north</option>" in page


def test_filters_come_back_into_the_form_escaped(ground: Ground) -> None:
    page = ground.browser("viewer").get("/events", params={"type": f'"{EVIL}', "resource": "a/b"}).text

    assert "No event fits." in page
    assert EVIL not in page
    assert 'value="&#34;&lt;script&gt;' in page


def test_mistakes_are_told_on_a_page_to_people(ground: Ground) -> None:
    browser = ground.browser("viewer")

    for path, status, text in (
        ("/events/99", 404, "There is no such event."),
        ("/nothing", 404, "There is nothing at this address."),
        ("/events?state=odd", 422, "query.state"),
        ("/events/x", 422, "path.event_id"),
    ):
        answer = browser.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert text in answer.text


def test_a_page_read_with_a_token_in_the_header_has_no_form_token(ground: Ground) -> None:
    page = ground.client("operator").get("/").text

    assert 'name="form_token" value=""' in page


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("catchment.css", "text/css"),
        ("live.js", "text/javascript"),
        ("timeline.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_the_files_of_the_pages_ask_for_no_token_and_name_no_other_host(ground: Ground, path: str, kind: str) -> None:
    answer = ground.client().get(f"/static/{path}")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    text = answer.text.replace("http://www.w3.org/2000/svg", "")
    assert "//" not in text.replace("// ", "")
    assert "@import" not in text
