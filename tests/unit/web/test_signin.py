"""Signing in with a token, staying signed in, and signing out."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.ledger import tokens
from tasks.model.errors import Permanent
from tasks.site.settings import Settings
from tests.unit.web.web_ground import BASE, NOW, Ground, TestClient, form_token, standing
from workers.web.app import create_app
from workers.web.key import load_key
from workers.web.pace import FAILURES, Pace
from workers.web.signin import local


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


@pytest.fixture
def visitor(ground: Ground) -> TestClient:
    return ground.client(Origin=BASE, Accept="text/html")


def test_a_good_token_starts_a_session_whose_cookie_does_not_hold_it(ground: Ground, visitor: TestClient) -> None:
    data = {
        "token": f" {ground.token['viewer']}\n",
        "form_token": form_token(visitor, "/signin"),
        "next": "/events?state=dead",
    }
    answer = visitor.post("/signin", data=data)

    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("catchment="))
    assert (answer.status_code, answer.headers["location"]) == (303, "/events?state=dead")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert ground.token["viewer"][4:] not in cookie
    assert visitor.get("/").status_code == 200


def test_a_bad_token_is_refused_without_saying_what_is_bad_about_it(ground: Ground, visitor: TestClient) -> None:
    with ground.ledger.transaction() as session:
        expired = tokens.make(session, "old", "view", expires=NOW + timedelta(seconds=1), now=NOW)
        revoked = tokens.make(session, "gone", "view", now=NOW)
        tokens.revoke(session, "gone", NOW)
    ground.now = NOW + timedelta(seconds=2)

    pages = set()
    for token in ("", "nonsense", expired, revoked):
        answer = visitor.post("/signin", data={"token": token, "form_token": form_token(visitor, "/signin")})
        assert answer.status_code == 401
        assert "catchment=" not in str(answer.headers.get_list("set-cookie"))
        pages.add(answer.text.replace(form_token(visitor, "/signin"), "")[:200])
    assert len(pages) == 1


def test_the_form_is_tied_to_the_browser_that_asked_for_it(ground: Ground, visitor: TestClient) -> None:
    foreign = form_token(ground.client(), "/signin")
    form_token(visitor, "/signin")

    for token in ("", "x", foreign):
        answer = visitor.post("/signin", data={"token": ground.token["viewer"], "form_token": token})
        assert answer.status_code == 403


def test_the_form_sent_from_another_site_is_refused(ground: Ground, visitor: TestClient) -> None:
    data = {"token": ground.token["viewer"], "form_token": form_token(visitor, "/signin")}

    assert visitor.post("/signin", data=data, headers={"Origin": "https://evil.example"}).status_code == 403


def test_too_many_failures_stop_the_address_for_a_while(ground: Ground, visitor: TestClient) -> None:
    def attempt(token: str) -> int:
        return visitor.post("/signin", data={"token": token, "form_token": form_token(visitor, "/signin")}).status_code

    assert [attempt("wrong") for _ in range(FAILURES)] == [401] * FAILURES
    assert attempt(ground.token["viewer"]) == 429
    ground.now = NOW + timedelta(seconds=301)
    assert attempt(ground.token["viewer"]) == 303


def test_pace_forgets_the_oldest_addresses_and_counts_each_apart() -> None:
    time = [0.0]
    pace = Pace(clock=lambda: time[0])
    for _ in range(FAILURES):
        pace.failed("a")
    assert pace.wait("a") == 300.0
    assert pace.wait("b") == 0.0
    time[0] = 100.0
    assert pace.wait("a") == 200.0
    for n in range(10_000):
        pace.failed(f"address {n}")
    assert pace.wait("a") == 0.0


def test_signing_out_takes_the_cookie_away_and_needs_the_form_token(ground: Ground) -> None:
    browser = ground.browser("viewer")
    assert browser.post("/signout").status_code == 403

    answer = browser.post("/signout", data={"form_token": form_token(browser, "/")})

    assert (answer.status_code, answer.headers["location"]) == (303, "/signin")
    assert browser.get("/").headers["location"].startswith("/signin")


def test_a_session_ends_after_twelve_hours_and_not_later_than_its_token(ground: Ground) -> None:
    with ground.ledger.transaction() as session:
        ground.token["brief"] = tokens.make(session, "brief", "view", expires=NOW + timedelta(hours=1), now=NOW)
    long, brief = ground.browser("viewer"), ground.browser("brief")

    def served(client: TestClient, hours: float) -> bool:
        ground.now = NOW + timedelta(hours=hours)
        return client.get("/").status_code == 200

    assert [served(long, h) for h in (0, 11.9, 12)] == [True, True, False]
    assert [served(brief, h) for h in (0, 0.9, 1)] == [True, True, False]


def test_two_processes_with_one_key_serve_the_same_session(ground: Ground, tmp_path: Path) -> None:
    pair = [
        create_app(ground.ledger, Settings(var=Path("var")), tmp_path, now=lambda: NOW, pace=Pace(pause_seconds=0.0))
        for _ in range(2)
    ]
    one, two = (TestClient(app, base_url=BASE, headers={"Origin": BASE}, follow_redirects=False) for app in pair)
    one.post("/signin", data={"token": ground.token["viewer"], "form_token": form_token(one, "/signin")})

    two.cookies.update(one.cookies)

    assert two.get("/").status_code == 200
    assert two.post("/signout", data={"form_token": form_token(one, "/")}).status_code == 303


def test_cookies_are_bound_to_tls_and_host_where_the_pages_are_behind_tls(ground: Ground) -> None:
    settings = Settings(web={"secure_cookies": True})  # type: ignore[arg-type]  # pydantic takes plain data
    app = create_app(ground.ledger, settings, key=b"k" * 32, now=lambda: NOW, pace=Pace(pause_seconds=0.0))
    base = "https://127.0.0.1:8765"
    client = TestClient(app, base_url=base, headers={"Origin": base}, follow_redirects=False)

    answer = client.post("/signin", data={"token": ground.token["viewer"], "form_token": form_token(client, "/signin")})

    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-catchment="))
    assert "Secure" in cookie.split("; ")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:alert(1)",
        "",
        "/a\nb",
        "/\t/evil.example",
        " /x",
        "///evil.example",
        "/ /evil",
    ],
)
def test_no_link_leads_off_this_host_after_signing_in(wanted: str) -> None:
    assert local(wanted) == "/"


def test_local_keeps_an_address_of_this_host() -> None:
    assert local("/events?provider=north&after=5") == "/events?provider=north&after=5"


def test_load_key_makes_a_private_key_once(tmp_path: Path) -> None:
    path = tmp_path / "var" / "web.key"
    start, found = threading.Barrier(5), set()

    def load() -> None:
        start.wait()
        found.add(load_key(path))

    threads = [threading.Thread(target=load) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {path.read_bytes()}
    assert len(path.read_bytes()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["web.key"]


def test_load_key_refuses_a_file_that_others_can_read_or_that_is_short(tmp_path: Path) -> None:
    path = tmp_path / "web.key"
    path.write_bytes(b"k" * 32)
    path.chmod(0o644)
    with pytest.raises(Permanent, match="chmod 600"):
        load_key(path)
    path.chmod(0o600)
    assert load_key(path) == b"k" * 32
    path.write_bytes(b"k" * 31)
    with pytest.raises(Permanent, match="31 bytes"):
        load_key(path)
