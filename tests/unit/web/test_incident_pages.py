"""The pages of incidents and silences: what they show, to whom, and what their buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.ledger.incident_moves import comment
from tasks.ledger.incidents import Incident
from tasks.ledger.silences import Silence
from tests.unit.web.test_pages import Tags
from tests.unit.web.web_ground import EVIL, NOW, Ground, form_token, standing

PAGES = [
    "/incidents",
    "/incidents?cannot_notify=true&alert=h*",
    "/incidents?group=object",
    "/incidents?group=alert",
    "/incidents?group=tenant",
    "/incidents/1",
    "/incidents/2",
    "/silences",
    "/silences?all=true&alert=%22%3E%3Cscript%3Ealert('x')%3C/script%3E&object=a/b",
]


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Every text that somebody writes, or a cloud sends, is hostile."""
    with standing(tmp_path) as found:
        with found.ledger.transaction() as session:
            comment(session, 1, f"first line\n{EVIL}", f"ann {EVIL}", NOW)
            blue = session.get_one(Incident, 2)
            blue.alert, blue.ref, blue.assigned_to = f"warm {EVIL}", EVIL, EVIL
            span = {"starts_at": NOW, "ends_at": NOW + timedelta(hours=2)}
            session.add(Silence(alert=EVIL, kind=EVIL, ref=EVIL, provider=EVIL, made_by=EVIL, comment=EVIL, **span))
        yield found


@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_is_escaped(ground: Ground, path: str) -> None:
    answer = ground.browser("boss").get(path)

    assert answer.status_code == 200
    tags = Tags(answer.text)
    assert tags.open == []
    assert EVIL not in answer.text
    assert not [tag for tag, _ in tags.found if tag in {"script", "style", "iframe", "object", "base"}]
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), (tag, attributes)


@pytest.mark.parametrize("path", PAGES)
def test_every_form_that_posts_carries_the_form_token_and_every_field_a_label(ground: Ground, path: str) -> None:
    browser = ground.browser("boss")
    page = browser.get(path).text

    posting = [form.split("</form>")[0] for form in page.split("<form")[1:] if 'method="post"' in form.split(">")[0]]
    assert posting
    assert all(f'name="form_token" value="{form_token(browser, "/")}"' in form for form in posting)
    found = Tags(page).found
    labels = {attributes.get("for") for tag, attributes in found if tag == "label"}
    fields = [a for tag, a in found if tag in {"input", "select", "textarea"} and a.get("type") != "hidden"]
    assert all(attributes.get("id") in labels for attributes in fields)


def test_the_list_narrows_goes_on_and_leads_to_each_incident(ground: Ground) -> None:
    browser = ground.browser("viewer")
    page = browser.get("/incidents?state=open&severity=&limit=1").text
    assert 'href="/incidents/1"' in page
    assert '<span class="word bad">cannot notify</span>' in page
    assert 'href="/incidents?state=open&amp;limit=1&amp;after=1" rel="next"' in page
    second = browser.get("/incidents?state=open&limit=1&after=1").text
    assert 'href="/incidents/2"' in second
    assert 'href="/incidents?state=open&amp;limit=1">To the first page' in second
    assert "No incident fits." in browser.get("/incidents?alert=nothing").text
    assert browser.get("/incidents?state=odd").status_code == 422
    assert '<a href="/incidents" aria-current="page">Incidents</a>' in page
    assert '<a href="/silences">Silences</a>' in page


def test_groups_lead_to_their_incidents(ground: Ground) -> None:
    page = ground.browser("viewer").get("/incidents?group=object&state=open").text
    assert 'href="/incidents?state=open&amp;resource=server%2Fsrv-1&amp;provider=north">server/srv-1</a>' in page
    assert 'href="/incidents?project=red">red</a>' in ground.browser("viewer").get("/incidents?group=tenant").text


def test_one_incident_shows_who_did_what_what_fired_it_and_how_its_notification_stands(ground: Ground) -> None:
    page = ground.browser("operator").get("/incidents/1").text

    order = ["red is hot", "Nobody may know of it", "Acknowledge", "History", "Comment", "first line", "What fired it"]
    order += ['href="/events/1"', "Notification: mail", 'action="/effects/4/retry"', "no mail server"]
    places = [page.index(text, page.index("<main")) for text in order if text != 'href="/events/1"']
    assert places == sorted(places)
    assert page.count('href="/events/1"') == 2
    assert "Effect: webhook" not in page
    assert 'href="/silences?alert=high&amp;provider=north&amp;object=server%2Fsrv-1"' in page


def test_check_83_the_buttons_do_what_they_say_under_the_tokens_name(ground: Ground) -> None:
    browser = ground.browser("operator")
    token = {"form_token": form_token(browser, "/"), "who": "boss"}

    def press(word: str, **fields: str) -> tuple[int, str | None]:
        answer = browser.post(f"/incidents/1/{word}", data={**token, **fields})
        return answer.status_code, answer.headers.get("location")

    assert press("acknowledge", back="incident") == (303, "/incidents/1")
    assert "by operator" in browser.get("/incidents/1").text
    assert press("comment", text=" the fan is loud ") == (303, "/incidents/1")
    assert press("comment", text=" \r\n")[0] == 422
    assert press("comment")[0] == 422
    assert press("assign", to="boss") == (303, "/incidents/1")
    assert press("assign", to=" ")[0] == 422
    assert 'action="/incidents/1/acknowledge"' not in browser.get("/incidents/1").text
    assert press("acknowledge", back="incident")[0] == 409
    assert press("close", back="incident") == (303, "/incidents/1")
    assert press("reopen") == (303, "/incidents/1")
    assert press("close", back="https://evil.example/")[0] == 422
    history = ground.client("viewer").get("/api/v1/incidents/1").json()["history"][1:]
    assert [(note["word"], note["who"], note["text"]) for note in history] == [
        ("acknowledged", "operator", None),
        ("comment", "operator", "the fan is loud"),
        ("assigned", "operator", "boss"),
        ("closed", "operator", None),
        ("reopened", "operator", None),
    ]


def test_who_may_only_view_finds_no_buttons_and_can_press_none(ground: Ground) -> None:
    browser = ground.browser("viewer")
    token = {"form_token": form_token(browser, "/")}
    for path in ("/incidents/1", "/silences"):
        forms = [a["action"] for tag, a in Tags(browser.get(path).text).found if tag == "form"]
        assert forms == ["/signout"], path
    for path, fields in (
        ("/incidents/1/reopen", {}),
        ("/incidents/1/assign", {"to": "x"}),
        ("/incidents/1/comment", {"text": "x"}),
        ("/silences", {"alert": "a", "comment": "x"}),
        ("/silences/1/end", {}),
    ):
        assert browser.post(path, data={**token, **fields}).status_code == 403, path


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/incidents/1/assign", {"to": "x"}),
        ("/incidents/1/comment", {"text": "x"}),
        ("/incidents/1/reopen", {}),
        ("/silences", {"alert": "a", "comment": "x"}),
        ("/silences/1/end", {}),
    ],
)
def test_a_form_without_its_token_changes_nothing(ground: Ground, path: str, fields: dict[str, str]) -> None:
    browser = ground.browser("operator")
    assert browser.post(path, data={**fields, "form_token": "x" * 43}).status_code == 403
    with ground.ledger.reading() as session:
        assert [(s.made_by, s.ends_at) for s in session.scalars(select(Silence))] == [(EVIL, NOW + timedelta(hours=2))]
        assert session.get_one(Incident, 1).assigned_to is None


def test_a_tenant_sees_and_moves_its_own_incidents_alone(ground: Ground) -> None:
    browser = ground.browser("red-op")
    token = {"form_token": form_token(browser, "/")}

    for path in ("/incidents", "/incidents?group=alert", "/incidents?group=object", "/incidents/1"):
        page = browser.get(path).text
        for hidden in ("blue", "warm", "/incidents/2", "/silences", "tenant"):
            assert hidden not in page, (path, hidden)
    assert "red is hot" in browser.get("/incidents").text
    assert browser.get("/incidents?project=blue").status_code == 403
    assert browser.get("/incidents/2").status_code == 404
    for word, fields in (("acknowledge", {}), ("assign", {"to": "x"}), ("comment", {"text": "x"}), ("reopen", {})):
        assert browser.post(f"/incidents/2/{word}", data={**token, **fields}).status_code == 404, word
    assert browser.get("/silences").status_code == 403
    assert browser.post("/silences", data={**token, "alert": "a", "comment": "x"}).status_code == 403
    with ground.ledger.reading() as session:
        assert session.get_one(Incident, 2).state == "open"


def test_the_status_page_marks_what_could_not_notify(ground: Ground) -> None:
    page = ground.browser("viewer").get("/").text
    assert '<a href="/incidents?cannot_notify=true">1 incident</a> could not tell anybody' in page
    assert page.count('<span class="word bad">cannot notify</span>') == 1
    ground.client("operator").post("/api/v1/effects/4/retry")
    assert "cannot notify" not in ground.browser("viewer").get("/").text
    assert "could not tell anybody" not in ground.browser("red").get("/").text


def test_a_silence_is_made_and_ended_on_its_page(ground: Ground) -> None:
    browser = ground.browser("operator")
    filled = browser.get("/silences?alert=high&provider=north&object=server/srv-1").text
    for field in ('name="alert" value="high"', 'name="provider" value="north"', 'name="object" value="server/srv-1"'):
        assert field in filled
    data = {"form_token": form_token(browser, "/"), "alert": "high", "object": "server/srv-1", "provider": ""}
    data |= {"severity": "", "from": "", "for": "", "until": "2031-05-04 15:00", "comment": "fan change"}
    assert browser.post("/silences", data=data).headers["location"] == "/silences"
    page = browser.get("/silences").text
    for text in (
        "fan change",
        "by operator",
        "server/srv-1",
        "2031-05-04 15:00:00",
        "in 3\N{NO-BREAK SPACE}h",
        "holds",
    ):
        assert text in page, text
    assert browser.post("/silences/2/end", data=data).headers["location"] == "/silences"
    assert "fan change" not in browser.get("/silences").text
    over = browser.get("/silences?all=true").text
    assert "fan change" in over
    assert 'action="/silences/2/end"' not in over
    assert browser.post("/silences/2/end", data=data).status_code == 409
    mistake = browser.post("/silences", data={**data, "alert": "", "object": ""})
    assert mistake.status_code == 422
    assert "Say what it covers" in mistake.text
