"""The gate: nobody passes without a token, and no form without its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers

from tasks.ledger import tokens
from tests.unit.web.web_ground import BASE, KEY, NOW, Ground, form_token, standing
from workers.web import gate, seal
from workers.web.app import default_hosts
from workers.web.caller import ROLES

#: Served without a token. The form is where a token is given; the files are the same for everybody.
OPEN = {
    ("GET", "/signin"),
    ("POST", "/signin"),
    ("GET", "/static/catchment.css"),
    ("GET", "/static/live.js"),
    ("GET", "/static/run.js"),
    ("GET", "/static/timeline.js"),
    ("GET", "/static/icon.svg"),
}


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with standing(tmp_path) as found:
        yield found


def all_routes(app: FastAPI) -> set[tuple[str, str]]:
    """Method and address of every route, with 1 in place of each parameter."""
    found = set()
    for route in iter_route_contexts(app.routes):
        path = "/".join("1" if part.startswith("{") else part for part in route.path.split("/"))
        found |= {(method, path) for method in route.methods or {"GET"}}
    return found


def test_the_list_of_open_addresses_is_the_one_that_was_agreed_on() -> None:
    assert gate.OPEN == OPEN


def test_every_route_refuses_without_a_token(ground: Ground) -> None:
    routes = all_routes(ground.app)
    assert len(routes) > 25

    # The root is a page for people alone: a program gets the version document of the tenants' API there.
    assert ground.client().get("/").json()["default_version"]["id"] == "v1"
    for method, path in sorted(routes - OPEN - {("GET", "/")}):
        answer = ground.client().request(method, path)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == 'Bearer realm="catchment"'
        if method != "HEAD":
            assert answer.json()["error"]["code"] == "unauthorized"


def test_every_route_that_changes_something_refuses_a_token_that_may_only_view(ground: Ground) -> None:
    changing = {r for r in all_routes(ground.app) if r[0] not in {"GET", "HEAD", "OPTIONS"}}
    changing -= {("POST", "/signin"), ("POST", "/signout")}
    assert len(changing) >= 8

    for method, path in sorted(changing):
        assert ground.client("viewer").request(method, path).status_code == 403, path
        assert ground.client("red").request(method, path).status_code == 403, path


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/v1/nothing",
        "/api/v2/events",
        "/static/",
        "/static/../app.py",
        "/docs",
        "/redoc",
        "/SIGNIN",
        "/signin/",
    ],
)
def test_an_address_that_does_not_exist_asks_for_a_token_first(ground: Ground, path: str) -> None:
    assert ground.client().get(path).status_code == 401
    assert ground.client("viewer").get(path).status_code == 404


def test_methods_that_no_route_takes_ask_for_a_token_first(ground: Ground) -> None:
    for method in ("OPTIONS", "TRACE", "PATCH", "DELETE", "PUT"):
        assert ground.client().request(method, "/signin").status_code == 401
        assert ground.client("boss").request(method, "/api/v1/events").status_code == 405


def test_a_person_without_a_session_is_sent_to_the_form_and_back_again(ground: Ground) -> None:
    answer = ground.client(Accept="text/html").get("/events?provider=north&type=a%26b")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/signin?next=%2Fevents%3Fprovider%3Dnorth%26type%3Da%2526b"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic {0}", "{0}", "Bearer {0}x", "Bearer x{0}", "Bearer cmt_", "Bearer {0} {0}"],
)
def test_a_header_that_is_not_exactly_a_token_is_refused(ground: Ground, header: str) -> None:
    client = ground.client(Authorization=header.format(ground.token["viewer"]))

    assert client.get("/api/v1/providers").status_code == 401


def test_a_bad_header_is_not_helped_by_a_good_cookie(ground: Ground) -> None:
    browser = ground.browser("viewer")

    assert browser.get("/api/v1/providers").status_code == 200
    assert browser.get("/api/v1/providers", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_revoked_and_expired_tokens_are_refused_at_the_next_request(ground: Ground) -> None:
    with ground.ledger.transaction() as session:
        ground.token["brief"] = tokens.make(session, "brief", "view", expires=NOW + timedelta(hours=1), now=NOW)
    clients = {
        "brief": ground.client("brief"),
        "viewer": ground.client("viewer"),
        "browser": ground.browser("operator"),
    }
    assert {c.get("/api/v1/providers").status_code for c in clients.values()} == {200}

    with ground.ledger.transaction() as session:
        tokens.revoke(session, "viewer", NOW)
        tokens.revoke(session, "operator", NOW)
    ground.now = NOW + timedelta(hours=1)

    assert {c.get("/api/v1/providers").status_code for c in clients.values()} == {401}


def test_the_use_of_a_token_is_noted_at_most_each_minute(ground: Ground) -> None:
    client, seen = ground.client("viewer"), []
    for seconds in (0, 20, 59, 61):
        ground.now = NOW + timedelta(seconds=seconds)
        client.get("/api/v1/health/live")
        with ground.ledger.reading() as session:
            used = next(t.used_at for t in tokens.listing(session) if t.name == "viewer")
            assert used is not None
            seen.append((used - NOW).total_seconds())

    assert seen == [0, 0, 0, 61]


def test_roles_stand_in_order() -> None:
    assert ROLES == ("view", "operate", "admin")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[::1", "169.254.1.1"]
)
def test_a_foreign_host_name_is_refused_on_loopback_before_any_token(ground: Ground, host: str) -> None:
    assert ground.client("boss").get("/api/v1/events", headers={"Host": host}).status_code == 400
    assert ground.client().get("/signin", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8765", "LOCALHOST", "127.0.0.1", "[::1]:8765"])
def test_loopback_names_are_served(ground: Ground, host: str) -> None:
    assert ground.client("viewer").get("/api/v1/health/live", headers={"Host": host}).status_code == 200


def test_default_hosts_are_bound_to_loopback_only_while_the_server_is() -> None:
    assert default_hosts("127.0.0.1") == {"localhost", "127.0.0.1", "::1"}
    assert default_hosts("127.0.0.2") == {"localhost", "127.0.0.1", "::1", "127.0.0.2"}
    assert default_hosts("localhost") is not None
    for listening in ("0.0.0.0", "::", "10.1.2.3", "catchment.example"):
        assert default_hosts(listening) is None, listening


def test_a_form_without_its_token_changes_nothing(ground: Ground) -> None:
    browser = ground.browser("operator")

    for data in (
        {},
        {"form_token": ""},
        {"form_token": "x" * 43},
        {"form_token": form_token(ground.browser("operator"), "/")},
    ):
        answer = browser.post("/incidents/1/acknowledge", data=data)
        assert answer.status_code == 403, data
    assert ground.client("viewer").get("/api/v1/incidents").json()["items"][0]["state"] == "open"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": ""},
        {"Origin": "", "Referer": "https://evil.example/127.0.0.1:8765"},
        {"Origin": "http://[", "Referer": BASE},
    ],
)
def test_a_form_sent_from_another_site_changes_nothing(ground: Ground, headers: dict[str, str]) -> None:
    browser = ground.browser("operator")
    data = {"form_token": form_token(browser, "/")}

    assert browser.post("/incidents/1/acknowledge", data=data, headers=headers).status_code == 403
    assert browser.post("/incidents/1/acknowledge", data=data).status_code == 303


def test_referer_stands_in_where_a_browser_sends_no_origin() -> None:
    assert gate.same_origin(Headers({"host": "a:1", "referer": "http://a:1/events"}))
    assert not gate.same_origin(Headers({"host": "a:1", "referer": "http://b:1/events"}))
    assert not gate.same_origin(Headers({"host": "a:1"}))


def test_the_api_by_cookie_needs_the_form_token_and_by_header_does_not(ground: Ground) -> None:
    browser = ground.browser("operator")
    path = "/api/v1/incidents/1/acknowledge"

    assert browser.post(path).status_code == 403
    assert browser.post(path, headers={"X-Form-Token": form_token(browser, "/")}).status_code == 200
    assert ground.client("operator").post("/api/v1/incidents/2/acknowledge").status_code == 200


def test_a_large_body_is_refused_with_and_without_its_length(ground: Ground) -> None:
    large = b"x" * (gate.BODY_LIMIT + 1)

    assert ground.client().post("/signin", content=large).status_code == 413
    assert ground.client().post("/signin", content=iter([large[:9], large])).status_code == 413
    assert ground.client("operator").post("/api/v1/incidents/1/close", content=large).status_code == 413


def test_every_answer_has_the_security_headers(ground: Ground) -> None:
    answers = [
        ground.client().get("/signin"),
        ground.client().get("/nothing"),
        ground.client("viewer").get("/nothing"),
        ground.client("viewer").get("/api/v1/events"),
        ground.client("viewer").get("/api/v1/events", headers={"Host": "evil.example"}),
        ground.client().get("/static/catchment.css"),
    ]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == ("no-cache" if "css" in str(answer.url) else "no-store")


def test_a_session_of_another_key_token_or_time_is_refused(ground: Ground) -> None:
    with ground.ledger.reading() as session:
        viewer, boss = (next(t for t in tokens.listing(session) if t.name == name) for name in ("viewer", "boss"))
    good = seal.start(KEY, viewer, NOW)

    def status(cookie: str) -> int:
        return ground.client(Cookie=f"catchment={cookie}").get("/api/v1/providers").status_code

    assert status(seal.seal(KEY, good)) == 200
    assert status(seal.seal(b"o" * 32, good)) == 401
    assert status(seal.seal(KEY, good._replace(token_id=boss.id))) == 401
    assert status(seal.seal(KEY, good._replace(token_id=999))) == 401
    assert status(seal.seal(KEY, good._replace(expires_at=NOW))) == 401
    assert status(seal.seal(KEY, good).replace(f"{viewer.id}.", f"{boss.id}.", 1)) == 401
    assert status("") == status("a.b.c.d.e") == status(seal.form_token(KEY, good)) == 401
